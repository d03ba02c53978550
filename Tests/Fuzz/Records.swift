import BlockWatchBPF

@testable import BlockWatchCore

/// Records of the kernel side, answers about holders, memory of processes: through the whole pipeline to lines.
///
/// The input is a row of steps; records begin as plausible ones and are patched where the input says.
func fuzzRecords(_ bytes: [UInt8]) {
    var host = FuzzedHost(Input(bytes))
    host.run()
}

/// Answers questions with what the input has put down.
private struct PutDown: HolderSource {
    var answers = FileAnswers()
    var views: [CallRecord] = []
    var isLate = false

    mutating func files(_ questions: [FileQuestion]) -> FileAnswers? {
        if isLate { return nil }
        var found = answers
        let count = max(questions.count, 1)
        for index in found.files.indices { found.files[index].question %= count }
        for index in found.locks.indices { found.locks[index].question %= count }
        for index in found.members.indices { found.members[index].question %= count }
        return found
    }

    mutating func threads(_ questions: [ViewQuestion]) -> [CallRecord] { views }

}

/// Memory and files of processes, in the order in which they are asked for.
private struct PutDownTexts: RiskyReading {
    var memory: [[UInt8]] = []
    private var next = 0

    mutating func answer(_ questions: [RiskyQuestion]) -> [RiskyQuestion: RiskyAnswer] {
        var found: [RiskyQuestion: RiskyAnswer] = [:]
        // a set has no order, and the same input must do the same
        for question in questions.sorted(by: { "\($0)" < "\($1)" }) {
            guard !memory.isEmpty else { return found }
            let text = memory[next % memory.count]
            next += 1
            found[question] = text.isEmpty ? .failed(13) : .bytes(text)
        }
        return found
    }
}

private struct FuzzedHost {
    private var input: Input
    private var pipeline: Pipeline
    private var put = PutDown()
    private var texts = PutDownTexts()
    private var pending: [KernelRecord] = []
    private var clock = ClockReading(
        monotonic: 15_000_000_000, wall: 1_700_000_015_000_000_000, boot: 15_000_000_000)
    private var ndjson = NDJSON(RecordOrigin(hostName: "h\u{1b}", bootID: "b"))
    private var recording = Recording()
    private var call = Self.plausible()
    private static let table = SyscallTable.table(for: .x86_64)
    /// Calls of each kind of wait.
    private static let numbers: [UInt32] = [
        0, 1, 7, 23, 42, 43, 44, 45, 46, 61, 72, 73, 202, 230, 232, 247, 257, 270, 271, 281, 288, 35, 34, 56, 101, 70,
        220, 240, 209,
        426, 16, 74, 101, 449, 59, 165,
    ]

    /// By the fourth digit of their addresses.
    private static let functions: [UInt64: String] = [
        0x1000: "fifo_open", 0x2000: "asm_exc_page_fault", 0x3000: "seccomp_do_user_notification",
        0x4000: String(repeating: "long", count: 120),
    ]

    init(_ input: Input) {
        self.input = input
        let policy: CommandLinePolicy = .redacted
        pipeline = Pipeline(
            Pipeline.Settings(
                thresholdNanoseconds: 1_000_000_000, newOnly: false, repeatNanoseconds: 1_000_000_000, maxRate: 100_000,
                filter: Filter(), ignoreRules: []),
            identifier: Identifier(
                procFS: ProcFS(root: fixtureRoot), users: UserNames(passwd: Array("r\u{9b}oot:x:0:0::/:/\n".utf8)),
                settings: Identifier.Settings(
                    bootID: "b", commandLine: policy, clockTicksPerSecond: 100, nativeABI: .x86_64),
                kernelNames: {
                    Dictionary(
                        uniqueKeysWithValues: Set($0).compactMap { a in Self.functions[a & 0xf000].map { (a, $0) } })
                }),
            now: 1)
        recording.beginFile("f")
    }

    static func plausible() -> bw_call {
        var raw = bw_call()
        raw.type = BW_RECORD_CALL.rawValue
        raw.id = 99
        raw.now_ns = 15_000_000_000
        raw.start_ns = 10_000_000_000
        raw.class_ = 0x11
        raw.args.0 = 3
        raw.fd = 3
        raw.tgid = 7
        raw.pid = 7
        raw.own_tgid = 7
        raw.own_pid = 7
        raw.reader_tgid = 7
        raw.reader_pid = 8
        raw.parent_tgid = 1
        raw.state = 1
        raw.pid_namespace = 1
        raw.files = 7 << 20
        raw.thread_start_ns = 2_000_000_000
        raw.process_start_ns = 1_000_000_000
        raw.object.kind = BW_OBJECT_PIPE.rawValue
        raw.object.inode = 5
        raw.object.device = 14
        raw.object.u.pipe.writers = 1
        return raw
    }

    private mutating func patched<Raw>(_ raw: Raw) -> Raw {
        var raw = raw
        withUnsafeMutableBytes(of: &raw) { target in
            for _ in 0..<Int(input.byte() & 15) {
                let place = Int(input.number(2)) % target.count
                let size = Int(input.byte() & 7) + 1
                for (index, byte) in input.take(size).enumerated() where place + index < target.count {
                    target[place + index] = byte
                }
            }
        }
        return raw
    }

    private static func bytes<Raw>(_ raw: Raw) -> [UInt8] { withUnsafeBytes(of: raw) { Array($0) } }

    private mutating func decode(_ bytes: [UInt8]) {
        do { pending.append(try KernelRecord(bytes.span)) } catch {}
    }

    mutating func run() {
        pipeline.started(
            Started(
                version: "v", options: [], kernel: "k", machine: "m", engine: "trace", scope: "host", capabilities: [],
                thresholdNanoseconds: 1), clock: clock)
        for _ in 0..<64 where !input.isEmpty { step() }
        ingest()
        finish()
    }

    private mutating func step() {
        switch input.byte() % 18 {
        case 0: call = Self.plausible()
        case 1: call = patched(call)
        case 2:
            // another thread, in some call
            let number = input.byte()
            call.id = UInt64(number)
            call.pid = UInt32(number)
            call.own_pid = UInt32(number)
            call.tgid = UInt32(number) & 0xfe
            call.own_tgid = call.tgid
            call.number = Self.numbers[Int(input.byte()) % Self.numbers.count]
            guard let info = Self.table[Int(call.number)] else { break }
            call.class_ = UInt32(info.kernelByte)
            call.fd = info.descriptorArgument == nil ? -1 : 3
            call.args = (3, 4096, UInt64(number), 0, 0, 0)
            if call.fd < 0 {
                call.object = bw_object()
                call.args.0 = 4096 + UInt64(number) << 8
            }
        case 3:
            call.type = [BW_RECORD_CALL, BW_RECORD_REFRESH, BW_RECORD_SLOW][Int(input.byte()) % 3].rawValue
            decode(Self.bytes(call))
        case 4:
            call.type = BW_RECORD_VIEW.rawValue
            put.views.append(CallRecord(raw: call))
        case 5:
            var raw = bw_file()
            raw.type = BW_RECORD_FILE.rawValue
            raw.tgid = UInt32(input.byte())
            raw.pid = raw.tgid
            raw.mode = UInt32(input.byte())
            put.answers.files.append(OpenFile(raw: patched(raw)))
        case 6:
            var raw = bw_lock()
            raw.type = BW_RECORD_LOCK.rawValue
            raw.address = UInt64(input.byte())
            raw.blocker = UInt64(input.byte())
            raw.flags = UInt32(input.byte() & 3)
            raw.mode = 1
            raw.end = .max
            raw.waiter = UInt32(input.byte())
            put.answers.locks.append(FileLock(raw: patched(raw)))
        case 7:
            var raw = bw_member()
            raw.type = BW_RECORD_MEMBER.rawValue
            raw.object = call.object
            raw.question = UInt32(input.byte())
            put.answers.members.append(
                MemberFile(question: Int(raw.question), object: KernelObject(raw: patched(raw).object)))
        case 8:
            let raw = bw_close(
                type: BW_RECORD_CLOSE.rawValue, reason: UInt32(input.byte() & 3), id: UInt64(input.byte()),
                now_ns: 16_000_000_000, result: -4)
            decode(Self.bytes(patched(raw)))
        case 9: texts.memory.append(input.take(Int(input.byte())))
        case 10: decode(input.take(Int(input.number(2) & 4095)))
        case 11:
            let bytes = input.take(Int(input.number(2) & 4095))
            if let found = try? HolderRecords.files(bytes) { put.answers = found }
            if let found = try? HolderRecords.threads(bytes) { put.views += found.prefix(64) }
        case 12: put.isLate = input.byte() & 1 == 1
        case 13: setKind()
        case 14: setName()
        case 16: setObject(input.byte())
        case 17:
            // a word, an operation: what a futex or a wait for a child is told by
            call.args.1 = UInt64(input.byte())
            call.args.2 = UInt64(input.byte())
        default:
            let forward = input.number(5)
            clock.monotonic += forward
            clock.wall += forward
            ingest()
        }
    }

    private mutating func setKind() {
        call.kind = UInt32(input.byte() & 7)
        call.flags = UInt32(input.number(2))
        call.object.kind = UInt32(input.byte() & 7)
        call.object.mode = UInt32(input.number(2))
        let families: [UInt16] = [1, 2, 10, 16, 17, 40]
        call.object.family = families[Int(input.byte()) % families.count]
        call.object.socket_type = UInt16(input.byte() & 7)
        call.object.protocol = [6, 17, 1, 262][Int(input.byte() & 3)]
        call.object.tcp_state = input.byte() & 15
        call.object.peer_state = input.byte() & 7
    }

    private func fill<T>(_ field: inout T, _ bytes: [UInt8]) {
        withUnsafeMutableBytes(of: &field) { target in
            for index in target.indices { target[index] = index < bytes.count ? bytes[index] : 0 }
        }
    }

    /// Something that a descriptor can be, as the kernel side tells it.
    private mutating func setObject(_ which: UInt8) {
        var object = bw_object()
        object.inode = 5
        object.device = 14
        object.address = 0x5000
        object.file = UInt64(call.pid) << 8
        object.links = 1
        func file(_ mode: UInt32, _ system: String, device: UInt32 = 0) {
            object.kind = BW_OBJECT_FILE.rawValue
            object.mode = mode
            object.rdev = device
            fill(&object.fs_name, Array(system.utf8))
        }
        func socket(_ family: UInt16, _ protocolNumber: UInt16, _ state: UInt8) {
            object.kind = BW_OBJECT_SOCKET.rawValue
            object.mode = 0o140777
            object.family = family
            object.socket_type = 1
            object.protocol = protocolNumber
            object.tcp_state = state
        }
        func anonymous(_ name: String) {
            object.kind = BW_OBJECT_ANON.rawValue
            fill(&object.name, Array(name.utf8))
            fill(&object.fs_name, Array("anon_inodefs".utf8))
        }
        func connection(_ bytes: Int) {
            for index in 0..<bytes {
                withUnsafeMutableBytes(of: &object.u.inet.local) { $0[index] = 10 }
                withUnsafeMutableBytes(of: &object.u.inet.peer) {
                    $0[index] = UInt8(index == bytes - 1 ? which & 1 : 10)
                }
            }
            object.u.inet.local_port = 4040
            object.u.inet.peer_port = 3306
            object.u.inet.last_sent = 5
            object.u.inet.last_received = 9
        }
        switch which % 24 {
        case 0, 1:
            object.kind = BW_OBJECT_PIPE.rawValue
            object.mode = 0o010600
            fill(&object.fs_name, Array((which % 24 == 0 ? "pipefs" : "ext4").utf8))
            object.u.pipe = bw_pipe(readers: 1, writers: UInt32(input.byte() & 3), bytes: 4, capacity: 65536)
            object.open_flags = UInt32(input.byte() & 3)
        case 2: file(0o100600, "ext4")
        case 3: file(0o040700, "ext4")
        case 4:
            file(0o020600, "devpts", device: 136 << 20)
            object.u.tty.link = 0x7000
        case 5:
            socket(1, 0, 1)
            object.peer_state = input.byte() % 5
            object.u.unix_.peer_inode = 6
            object.u.unix_.peer_name = 0x8000
        case 6, 7:
            socket(2, 6, input.byte() % 12)
            connection(4)
        case 8, 9:
            socket(10, 6, 1)
            connection(16)
        case 10:
            socket(2, 17, 7)
            connection(4)
        case 11: socket(2, 6, 10)
        case 12: anonymous("[eventfd]")
        case 13: anonymous("[eventpoll]")
        case 14: anonymous("[timerfd]")
        case 15:
            anonymous("[pidfd]")
            object.u.pidfd.tgid = UInt32(input.byte())
        case 16: anonymous("[io_uring]")
        case 17: file(0o100600, "fuse")
        case 18: file(0o100600, "nfs4")
        case 19: file(0o060600, "devtmpfs", device: 8 << 20)
        case 20: file(0o100600, "mqueue")
        case 21: socket(16, 0, 7)
        case 22: socket(40, 0, 1)
        default: break
        }
        call.object = object
    }

    private mutating func setName() {
        let which = input.byte() % 6
        let text = input.take(Int(input.byte()))
        switch which {
        case 0: fill(&call.comm, text)
        case 1: fill(&call.leader_comm, text)
        case 2: fill(&call.object.name, text)
        case 3: fill(&call.object.fs_name, text)
        case 4:
            fill(&call.object.u.unix_.local, text)
            call.object.u.unix_.local_len = UInt32(text.count)
        default:
            fill(&call.cgroup, text)
            call.cgroup_len = UInt32(text.count)
        }
    }

    private mutating func ingest() {
        pipeline.ingest(pending, clock: clock, risky: &texts)
        pending = []
        pipeline.relate(source: &put, risky: &texts, relooks: true, clock: clock)
        pipeline.endOfScan(at: clock.monotonic)
        _ = pipeline.dueRepeats(at: clock.monotonic)
        _ = pipeline.nextRepeat
        say()
    }

    /// A deadlock has a line for each of its members.
    private func checkLines(_ text: [UInt8]) {
        for line in text.split(separator: 10) { checkText(Array(line) + [10]) }
    }

    private mutating func say() {
        for record in pipeline.takeRecords() {
            let line = ndjson.line(record)
            checkNDJSON(line)
            var wide = TextFormat(usesColor: false)
            checkLines(wide.line(record, offsetSeconds: 3600))
            var narrow = TextFormat(usesColor: false, width: 80)
            let fitted = narrow.line(record, offsetSeconds: 3600)
            checkLines(fitted)
            for line in String(decoding: fitted, as: UTF8.self).split(separator: "\n") {
                guard TerminalText.width(String(line)) <= 80 else { fatalError("wider than 80 columns: \(line)") }
            }
            // and every line is read again
            let contents = RecordedLine.contents(line)
            guard contents.count == 1, case .success = contents[0] else {
                fatalError("replay does not take \(String(decoding: line, as: UTF8.self)): \(contents)")
            }
            recording.add(.whole(line.dropLast()))
        }
    }

    private mutating func finish() {
        for line in Trees(calls: pipeline.reports(clock: clock), deadlocks: []).lines() { checkText(line) }
        for line in Trees(calls: pipeline.reports(clock: clock), deadlocks: []).lines(width: 80) {
            guard TerminalText.width(line) <= 80 else { fatalError("wider than 80 columns: \(line)") }
        }
        if let explanation = pipeline.explain(pid: Int(call.tgid), source: &put, risky: &texts, clock: clock) {
            for line in explanation.lines() { checkText(line) }
        }
        pipeline.summarize(
            usage: OwnUsage(cpuNanoseconds: 1, residentBytes: 1), threads: 1,
            schedule: ScanSchedule(threshold: 1, tick: 1, now: 1), clock: clock)
        pipeline.stopped(reason: "SIGTERM", usage: OwnUsage(cpuNanoseconds: 1, residentBytes: 1), clock: clock)
        say()
        let report = ReplayReport(recording, .init(all: true))
        for line in report.lines() { checkText(line) }
        report.ndjson { checkNDJSON($0, limit: 1 << 16) }
        if let run = recording.runs.first, recording.runs.count == 1 {
            require(run.differences.isEmpty, "replay counts otherwise: \(run.differences)")
        }
    }
}
