import BlockWatchBPF
import Foundation

@testable import BlockWatchCore

/// Record bytes as the kernel side would send them.
enum Bytes {
    /// `change` fills in what the test is about; the rest is a read(3) of process 7 that began at 10 s and is seen at 15 s.
    static func call(cgroup: [String] = [], _ change: (inout bw_call) -> Void = { _ in }) -> [UInt8] {
        var raw = bw_call()
        raw.type = BW_RECORD_CALL.rawValue
        raw.id = 99
        raw.now_ns = 15_000_000_000
        raw.start_ns = 10_000_000_000
        raw.number = 0
        raw.class_ = 0x11
        raw.args.0 = 3
        raw.fd = 3
        raw.tgid = 7
        raw.pid = 8
        raw.own_tgid = 7
        raw.own_pid = 8
        raw.reader_tgid = 7
        raw.reader_pid = 8
        raw.parent_tgid = 1
        raw.state = 1
        raw.thread_start_ns = 2_000_000_000
        raw.process_start_ns = 1_000_000_000
        set(&raw.comm, "worker")
        set(&raw.leader_comm, "cat")
        // leaf first, each ended by NUL
        let names: [UInt8] = cgroup.reversed().flatMap { (name: String) -> [UInt8] in Array(name.utf8) + [UInt8(0)] }
        set(&raw.cgroup, names)
        raw.cgroup_len = UInt32(names.count)
        change(&raw)
        let fixed = CallRecord.fixedSize + Int(raw.cgroup_len)
        return withUnsafeBytes(of: raw) { Array($0.prefix(fixed)) }
    }

    static func close(_ id: UInt64, _ reason: bw_close_reason, at now: UInt64, result: Int64 = 0) -> [UInt8] {
        let raw = bw_close(type: BW_RECORD_CLOSE.rawValue, reason: reason.rawValue, id: id, now_ns: now, result: result)
        return withUnsafeBytes(of: raw) { Array($0) }
    }

    static func set<T>(_ field: inout T, _ text: String) { set(&field, Array(text.utf8)) }
    static func set<T>(_ field: inout T, _ bytes: [UInt8]) {
        withUnsafeMutableBytes(of: &field) { target in
            for index in target.indices { target[index] = index < bytes.count ? bytes[index] : 0 }
        }
    }

    static func record(_ bytes: [UInt8]) throws -> KernelRecord { try KernelRecord(bytes.span) }

    static func callRecord(_ bytes: [UInt8]) throws -> CallRecord {
        guard case .call(let call) = try record(bytes) else { throw Unexpected() }
        return call
    }
    struct Unexpected: Error {}
}

/// Answers from a list; everything else times out.
struct ListedAnswers: RiskyReading {
    var answers: [RiskyQuestion: RiskyAnswer] = [:]
    var asked: [RiskyQuestion] = []

    mutating func answer(_ questions: [RiskyQuestion]) -> [RiskyQuestion: RiskyAnswer] {
        asked += questions
        return answers
    }
}

/// The kernel's answers about other ends, from a list.
struct ListedHolders: HolderSource {
    var open: [FileQuestion: [OpenFile]] = [:]
    var locked: [FileQuestion: [FileLock]] = [:]
    var views: [ViewQuestion: [CallRecord]] = [:]
    var objects: [FileQuestion: bw_object] = [:]
    var sets: [FileQuestion: EpollItems] = [:]
    var answersInTime = true
    private(set) var asked: Set<FileQuestion> = []

    mutating func files(_ questions: [FileQuestion]) -> FileAnswers? {
        guard answersInTime else { return nil }
        var answers = FileAnswers()
        asked.formUnion(questions)
        for (place, question) in questions.enumerated() {
            if var set = sets[question] {
                set.question = place
                answers.sets.append(set)
            }
            for var file in open[question] ?? [] {
                file.question = place
                answers.files.append(file)
            }
            if let object = objects[question] {
                answers.members.append(MemberFile(question: place, object: KernelObject(raw: object)))
            }
            for var lock in locked[question] ?? [] {
                lock.question = place
                answers.locks.append(lock)
            }
        }
        return answers
    }

    mutating func threads(_ questions: [ViewQuestion]) -> [CallRecord] { questions.flatMap { views[$0] ?? [] } }
}

/// A folder in the shape of /proc.
final class ProcTree {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent("proc-\(UUID().uuidString)").path
    deinit { try? FileManager.default.removeItem(atPath: root) }

    func file(_ path: String, _ text: String) throws {
        let full = URL(fileURLWithPath: "\(root)/\(path)")
        try FileManager.default.createDirectory(at: full.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: full)
    }

    func link(_ path: String, to target: String) throws {
        let full = URL(fileURLWithPath: "\(root)/\(path)")
        try FileManager.default.createDirectory(at: full.deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: full.path, withDestinationPath: target)
    }

    /// Process 7, thread 8, as the records of ``Bytes`` name them.
    func common() throws {
        try file("7/task/8/stat", "8 (worker) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 200 0 0")
        try link("7/task/8/exe", to: "/usr/bin/cat")
        try link("7/task/8/root", to: "/")
        try link("7/task/8/cwd", to: "/home/a")
        try link("7/task/8/fd/3", to: "/srv/data/x")
    }

    func identifier(
        _ policy: CommandLinePolicy = .full, nativeABI: ABI = .x86_64, symbols: [UInt64: String] = [:]
    ) -> Identifier {
        Identifier(
            procFS: ProcFS(root: root), users: UserNames(passwd: Array("root:x:0:0::/root:/bin/sh\n".utf8)),
            settings: Identifier.Settings(
                bootID: "boot", commandLine: policy, clockTicksPerSecond: 100, nativeABI: nativeABI),
            kernelNames: { _ in symbols })
    }
}

let clock = ClockReading(monotonic: 15_000_000_000, wall: 1_700_000_015_000_000_000, boot: 15_000_000_000)
