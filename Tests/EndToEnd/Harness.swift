import Foundation
import Testing

/// A line of JSON, read with key paths: `record["process.thread.id"]`.
struct Fields: @unchecked Sendable, CustomStringConvertible {
    let object: [String: Any]
    let line: String

    init?(_ line: String) {
        guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
            return nil
        }
        self.object = object
        self.line = line
    }

    subscript(path: String) -> Any? {
        var value: Any? = object
        for key in path.split(separator: ".") { value = (value as? [String: Any])?[String(key)] }
        return value
    }

    func text(_ path: String) -> String? { self[path] as? String }
    func integer(_ path: String) -> Int? { (self[path] as? NSNumber)?.intValue }
    func number(_ path: String) -> Double? { (self[path] as? NSNumber)?.doubleValue }
    func strings(_ path: String) -> [String] { self[path] as? [String] ?? [] }

    var action: String { text("event.action") ?? "" }
    var id: String? { text("event.id") }
    var tid: Int? { integer("process.thread.id") }
    var memberThreads: Set<Int> {
        Set((self["members"] as? [[String: Any]] ?? []).compactMap { ($0["tid"] as? NSNumber)?.intValue })
    }
    var description: String { line }
}

/// Where the built things are; `make test` says so in the environment.
enum Built {
    private static func place(_ variable: String, _ fallback: String) -> String {
        ProcessInfo.processInfo.environment[variable]
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent(fallback).path
    }
    static let blockwatch = place("BLOCKWATCH_BINARY", ".build/release/blockwatch")
    static let programs = place("BLOCKWATCH_PROGRAMS", ".build/programs")
    static let hang = programs + "/hang"
    static let hang32 = programs + "/hang32"
    static let root = place("BLOCKWATCH_ROOT", ".")
}

struct Failure: Error, CustomStringConvertible { let description: String }

/// What a slow machine multiplies limits of time with: BLOCKWATCH_PATIENCE, at least 1.
let patience = max(ProcessInfo.processInfo.environment["BLOCKWATCH_PATIENCE"].flatMap(Double.init) ?? 1, 1)

/// Waits for something that happens elsewhere; the limit only ends a test that has failed already.
func eventually<T>(
    within seconds: Double = 30, _ what: @autoclosure () -> String, _ look: () async throws -> T?
) async throws -> T {
    let end = ContinuousClock.now + .seconds(seconds * patience)
    while true {
        if let found = try await look() { return found }
        guard ContinuousClock.now < end else { throw Failure(description: "never seen: \(what())") }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// A child process whose lines are collected as they come.
final class Child: @unchecked Sendable {
    let process = Process()
    private let lock = NSLock()
    private var buffer = Data()
    private var collected: [String] = []
    private var parsed: [Fields] = []
    private var parsedLines = 0
    private var errors = Data()
    private var isOutputOver = false
    private var isErrorOver = false

    var pid: Int32 { process.processIdentifier }

    init(_ path: String, _ arguments: [String], environment: [String: String] = [:], folder: String? = nil) throws {
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        // a program must not die with the thread that happened to start it
        process.environment = ProcessInfo.processInfo.environment.merging(["HANG_UNLEASHED": "1"]) { $1 }
            .merging(environment) { $1 }
        let output = Pipe()
        let error = Pipe()
        process.standardOutput = output
        process.standardError = error
        process.standardInput = FileHandle.nullDevice
        output.fileHandleForReading.readabilityHandler = { [weak self] in self?.take(Self.drain($0)) }
        error.fileHandleForReading.readabilityHandler = { [weak self] handle in
            let (data, isOver) = Self.drain(handle)
            self?.lock.withLock {
                self?.errors.append(data)
                self?.isErrorOver = isOver
            }
        }
        try process.run()
    }

    /// All that is there now: the last event comes once, however much is left to read by then.
    private static func drain(_ handle: FileHandle) -> (data: Data, isOver: Bool) {
        let descriptor = handle.fileDescriptor
        var data = Data()
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&request, 1, 0) == 1 else { return (data, false) }
            let count = read(descriptor, &chunk, chunk.count)
            if count > 0 {
                data.append(contentsOf: chunk[..<count])
            } else if count == 0 || errno != EINTR {
                handle.readabilityHandler = nil
                return (data, true)
            }
        }
    }

    private func take(_ new: (data: Data, isOver: Bool)) {
        lock.withLock {
            isOutputOver = new.isOver
            buffer.append(new.data)
            var start = buffer.startIndex
            while let end = buffer[start...].firstIndex(of: 10) {
                collected.append(String(decoding: buffer[start..<end], as: UTF8.self))
                start = end + 1
            }
            buffer = Data(buffer[start...])
        }
    }

    var lines: [String] { lock.withLock { collected } }
    /// Those of the lines that are JSON; each is read once, however often it is asked for.
    var records: [Fields] {
        lock.withLock {
            parsed += collected[parsedLines...].compactMap(Fields.init)
            parsedLines = collected.count
            return parsed
        }
    }
    var errorText: String { lock.withLock { String(decoding: errors, as: UTF8.self) } }

    /// It has ended, and nothing more can come of it.
    var isOver: Bool { !process.isRunning && lock.withLock { isOutputOver && isErrorOver } }
    /// The exit code of one that has ended; a signal's number with a minus.
    var code: Int32 { process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus }

    func signal(_ number: Int32) { kill(pid, number) }

    /// - Returns: the exit code; a signal's number with a minus.
    @discardableResult
    func exitCode(within seconds: Double = 20, outputWithin outputSeconds: Double = 2) async throws -> Int32 {
        _ = try await eventually(
            within: seconds, "the end of \(process.executableURL!.lastPathComponent) \(process.arguments!)"
        ) {
            process.isRunning ? nil : true
        }
        // whoever it has left behind may have its output open still
        _ = try? await eventually(within: outputSeconds, "the end of its output") {
            lock.withLock { isOutputOver && isErrorOver } ? true : nil
        }
        return code
    }

    func end() async {
        if process.isRunning { signal(SIGKILL) }
        _ = try? await exitCode(within: 10)
    }
}

/// A program that hangs in one way, and what it says it hangs on.
final class Hanging: Sendable {
    let child: Child
    let says: Fields
    let folder: String

    private init(_ child: Child, _ says: Fields, _ folder: String) {
        self.child = child
        self.says = says
        self.folder = folder
    }

    var pid: Int { says.integer("pid")! }
    var tid: Int { says.integer("tid")! }

    /// Hangs it, hands it over, and clears it away.
    static func run<T>(
        _ mode: String, _ numbers: [Int] = [], program: String = Built.hang,
        _ body: (Hanging) async throws -> T
    ) async throws -> T {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("blockwatch-\(UUID().uuidString)")
            .path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let child = try Child(program, [mode, folder] + numbers.map(String.init))
        func clear() async {
            await child.end()
            try? FileManager.default.removeItem(atPath: folder)
        }
        do {
            let says = try await eventually(within: 30, "the first line of \(mode); it says: \(child.errorText)") {
                if !child.process.isRunning && child.lines.isEmpty {
                    throw Failure(description: "\(mode) ended: \(child.errorText)")
                }
                return child.lines.first.flatMap(Fields.init)
            }
            let result = try await body(Hanging(child, says, folder))
            await clear()
            return result
        } catch {
            await clear()
            throw error
        }
    }
}

/// blockwatch itself, as users run it, and everything that it says.
final class Watcher: Sendable {
    let child: Child

    private init(_ child: Child) { self.child = child }

    var records: [Fields] { child.records }

    /// Runs it until `body` is done, ends it with SIGTERM, and holds every line against the schema.
    ///
    /// - Parameter prefix: a program that starts it, with its arguments.
    static func run<T>(
        _ arguments: [String], environment: [String: String] = [:], all: Bool = true, through prefix: [String] = [],
        binary: String = Built.blockwatch, losses: [String] = [], _ body: (Watcher) async throws -> T
    ) async throws -> T {
        // what else the host does must not use up the records a second that this test waits for
        let rate = arguments.contains("--max-rate") ? [] : ["--max-rate", "1000000"]
        // nor may it take the probes out, where a test does not want to see just that
        let budget = arguments.contains("--max-overhead") ? [] : ["--max-overhead", "none"]
        let words =
            prefix + [binary] + arguments + rate + budget + ["--format", "ndjson"]
            + (all ? ["--all", "--busy-after", "1ms"] : [])
        let child = try Child(words[0], Array(words.dropFirst()), environment: environment)
        let watcher = Watcher(child)
        do {
            _ = try await watcher.record("started") { $0.action == "started" }
            let result = try await body(watcher)
            child.signal(SIGTERM)
            let code = try await child.exitCode(outputWithin: 30)
            #expect(code == 0, "exit code; stderr: \(child.errorText)")
            try await watcher.checkStream(expecting: losses)
            return result
        } catch {
            await child.end()
            throw error
        }
    }

    func record(_ what: String, within seconds: Double = 30, where fits: (Fields) -> Bool) async throws -> Fields {
        try await eventually(within: seconds, "\(what); stderr: \(child.errorText)") {
            let isOver = child.isOver
            if let found = records.first(where: fits) { return found }
            if isOver {
                throw Failure(description: "blockwatch ended with \(child.code) before \(what): \(child.errorText)")
            }
            return nil
        }
    }

    func blocked(tid: Int, within seconds: Double = 30) async throws -> Fields {
        try await record("blocked of thread \(tid)", within: seconds) { $0.action == "blocked" && $0.tid == tid }
    }

    func records(of id: String?) -> [Fields] { records.filter { $0.id == id && id != nil } }

    /// Whatever is not idle has a root (the schema wants one); one that is not known says why.
    private func checkRoot(_ record: Fields) {
        guard let verdict = record.text("verdict"), verdict != "idle" else { return }
        guard let kind = record.text("root.kind") else {
            Issue.record("no root: \(record)")
            return
        }
        if kind == "unknown" {
            #expect(!record.strings("unresolved").isEmpty, "an unknown root without a reason: \(record)")
        }
    }

    /// What must hold of any stream: whole lines, the schema, no gap, roots, every opening closed once.
    ///
    /// - Parameter losses: parts of reasons that are no fault in this test.
    private func checkStream(expecting losses: [String]) async throws {
        let lines = child.lines
        for line in lines { #expect(line.utf8.count < 4080, "a line of \(line.utf8.count) bytes") }
        let records = lines.compactMap(Fields.init)
        #expect(records.count == lines.count, "lines that are no JSON")
        #expect(records.first?.action == "started")
        #expect(records.last?.action == "stopped")
        let sequence = records.compactMap { $0.integer("event.sequence") }
        #expect(sequence == Array(1...max(sequence.count, 1)), "gaps in event.sequence")
        #expect(Set(records.map { $0.text("blockwatch.run.id") }).count == 1, "one start, one id")
        for record in records { checkRoot(record) }
        var closings: [String: Int] = [:]
        var openings: [String: Int] = [:]
        for record in records {
            guard let id = record.id else { continue }
            if record.action == "blocked" { openings[id, default: 0] += 1 }
            if record.action == "returned" || record.action == "ended" { closings[id, default: 0] += 1 }
        }
        for (id, count) in openings { #expect(count == 1, "\(id) opened \(count) times") }
        for (id, count) in closings {
            #expect(count == 1, "\(id) closed \(count) times")
            #expect(openings[id] == 1, "\(id) closed and never opened")
        }
        // on a machine that does other things too a scan may come late (too late for a thread that dies meanwhile) or cost
        // more than its share, and where another tracer is at a task's storage in the same moment the kernel refuses it;
        // told, none of these is a fault
        let machines =
            [
                "scanning less often", "held up", "the kernel gave no storage for a thread", "that no scan had come to",
            ] + losses
        for record in records where record.action == "loss" {
            let reason = record.text("loss.reason") ?? ""
            if !machines.contains(where: reason.contains) { Issue.record("a loss: \(record)") }
        }
        Lines.check(records)
        try await Schema.check(lines)
    }
}

extension Watcher {
    /// The binary where everybody may execute it.
    struct Copy {
        let path = "/tmp/blockwatch-\(UUID().uuidString)"
        /// Copied by another process: whoever this one forks meanwhile would hold the copy open for writing, and
        /// nobody could execute it (ETXTBSY).
        init() async throws {
            let copying = try Child("/usr/bin/install", ["-m", "0755", Built.blockwatch, path])
            let code = try await copying.exitCode()
            guard code == 0 else { throw Failure(description: "install ended with \(code): \(copying.errorText)") }
        }
        func remove() { try? FileManager.default.removeItem(atPath: path) }
    }
}

/// A folder of a test's own, below /tmp, that only root may write to.
struct Folder {
    let path = "/tmp/blockwatch-\(UUID().uuidString)"
    init() throws { try make("") }

    func make(_ name: String, mode: mode_t = 0o755) throws {
        guard mkdir("\(path)/\(name)", 0o755) == 0, chmod("\(path)/\(name)", mode) == 0 else {
            throw Failure(description: "mkdir \(path)/\(name): errno \(errno)")
        }
    }
    func write(_ name: String, _ text: String) throws {
        try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }
    /// Empty if it is not there.
    func text(_ name: String) -> String {
        (try? Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)"))).map { String(decoding: $0, as: UTF8.self) }
            ?? ""
    }
    func names(_ name: String = "") throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(name)").sorted()
    }
    func remove() { try? FileManager.default.removeItem(atPath: path) }
}

/// schema/blockwatch-1.json against lines, by Debian's python3-jsonschema.
enum Schema {
    static func check(_ lines: [String]) async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(
            "blockwatch-\(UUID().uuidString).ndjson")
        try Data(lines.joined(separator: "\n").utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let checker = try Child(
            "/usr/bin/python3",
            [Built.root + "/tools/check-schema.py", Built.root + "/schema/blockwatch-1.json", file.path])
        let code = try await checker.exitCode(within: 60)
        #expect(code == 0, "the schema refuses a line: \(checker.errorText)")
    }
}
