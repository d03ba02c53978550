import BlockWatchBPF
import Foundation
import Testing

@testable import BlockWatchCore

/// What a tape says when it is played.
struct Played {
    var records: [Record] = []
    var lines: [String] = []
    var outcome: TapePlayer.Outcome

    init(_ bytes: [UInt8]) throws {
        let player = try TapePlayer(bytes)
        var ndjson = NDJSON(player.host.origin)
        var records: [Record] = []
        var lines: [String] = []
        outcome = try player.play { saying in
            switch saying {
            case .record(let record):
                records.append(record)
                lines.append(String(decoding: ndjson.line(record), as: UTF8.self))
            case .explanation(_, let explanation): lines += explanation?.lines() ?? ["ended"]
            case .reports(let calls, _, _): lines += Trees(calls: calls, deadlocks: []).lines()
            }
        }
        self.records = records
        self.lines = lines
    }

    /// Of the program that was started in this mode.
    func finding(_ mode: String, _ syscall: String) throws -> Finding {
        let reports = records.compactMap { record -> CallReport? in
            guard case .call(let report) = record.body else { return nil }
            let isIt = report.call.process.commandLine?.contains(" \(mode) ") == true
            return isIt && report.call.call?.name == syscall ? report : nil
        }
        return try #require(reports.first?.finding)
    }
}

/// A recording that lies beside the tests.
func recording(_ name: String) throws -> [UInt8] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Recordings")
    return [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
}

@Suite struct `A recording played` {
    @Test func `of hung programs it says who hangs on whom`() throws {
        let played = try Played(try recording("hangs.tape"))
        #expect(played.outcome.counts.missed == 0 && played.outcome.counts.older == 0)
        #expect(played.outcome.broken == 0 && played.outcome.lost == 0 && !played.outcome.isCut)
        #expect(played.outcome.callRecords == 12)

        let chain = try played.finding("chain-three", "read")
        #expect(chain.reason == .peerStuck && chain.root.value?.doing?.hasPrefix("sleeping ") == true)
        #expect(chain.holders.map(\.role) == [.writer])
        #expect(chain.chain.contains(" flock /srv/chain-three/lock <- ") && chain.chain.hasSuffix("sleeping"))
        let lock = try played.finding("chain-three", "flock")
        #expect(lock.reason == .lockHeld && lock.chainID == chain.chainID, "one root, one chain")

        let circle = try played.finding("deadlock-flock", "flock")
        #expect(circle.verdict == .deadlock && circle.reason == .cycle && circle.root.value?.kind == .deadlock)
        let deadlocks = played.records.compactMap { if case .deadlock(let report) = $0.body { report } else { nil } }
        #expect(deadlocks.map(\.threads) == [2])
        #expect(Set(deadlocks[0].members.map(\.wants)) == ["/srv/deadlock-flock/a", "/srv/deadlock-flock/b"])

        let connect = try played.finding("poll-connect", "poll")
        #expect(connect.reason == .connectUnanswered)
        #expect(connect.members.first?.reason == .connectUnanswered)
        let read = try played.finding("tcp-read", "read")
        #expect(read.reason == .notAccepted && read.holders.map(\.role) == [.listener])
        #expect(try played.finding("epoll-idle-server", "epoll_wait").verdict == .idle)
    }

    @Test func `it says the same every time`() throws {
        let bytes = try recording("hangs.tape")
        #expect(try Played(bytes).lines == Played(bytes).lines)
    }

    @Test func `a snapshot tells the calls in order of their ids`() throws {
        let now = ClockReading(monotonic: 1 << 60, wall: 1 << 60, boot: 1 << 60)
        let player = try TapePlayer(try recording("hangs.tape") + TapeFile.frame(.reports(now, threads: 12)))
        #expect(player.hasReports)
        var ids: [UInt64] = []
        let outcome = try player.play { saying in
            if case .reports(let calls, _, threads: 12) = saying { ids = calls.map(\.call.id) }
        }
        #expect(ids.count == 11 && ids == ids.sorted() && outcome.callRecords == 23)
    }

    @Test func `what was never recorded is counted and named`() throws {
        var entries = try TapeEntries(try recording("hangs.tape"))
        var bytes = TapeFile.magic
        while let entry = try entries.next() {
            switch entry {
            case .files, .threads: continue
            default: bytes += TapeFile.frame(entry)
            }
        }
        let played = try Played(bytes)
        #expect(played.outcome.counts.missed > 0)
        #expect(played.outcome.counts.firstMissed.contains { $0.hasPrefix("open files: ") })
        #expect(!played.records.contains { $0.action == .deadlock }, "nobody is accused without evidence")
    }

    @Test func `one that ends within an entry is played as far as it goes`() throws {
        let bytes = try recording("hangs.tape")
        let played = try Played(Array(bytes.dropLast(100)))
        #expect(played.outcome.isCut)
        #expect(played.records.last?.action != .stopped && played.records.count > 10)
    }

    @Test func `what found no room is counted`() throws {
        let played = try Played(try recording("hangs.tape") + TapeFile.frame(.gap(7)) + TapeFile.frame(.gap(2)))
        #expect(played.outcome.lost == 9)
    }

    @Test func `whatever its bytes are, it is played or refused`() throws {
        let bytes = try recording("hangs.tape")
        var refused = 0
        for index in stride(from: 0, to: bytes.count, by: 1_499) {
            var bytes = bytes
            bytes[index] ^= UInt8(truncatingIfNeeded: 1 << (index % 8))
            do throws(TapeError) {
                _ = try TapePlayer(bytes).play { _ in }
            } catch {
                refused += 1
                #expect((0...bytes.count).contains(error.offset) && !error.what.isEmpty)
            }
        }
        #expect(refused > 0)
    }

    @Test func `of another version or another kind it is refused in words`() {
        func refusal(_ text: String) -> String? {
            do throws(TapeError) {
                _ = try TapePlayer(Array(text.utf8))
                return nil
            } catch { return error.what }
        }
        #expect(refusal("blockwatch debug recording 1\n")?.contains("another version") == true)
        #expect(refusal("blockwatch debug recording 2 1.2.3\n")?.contains("another version") == true)
        #expect(refusal("{\"@timestamp\":")?.contains("no recording") == true)
        #expect(refusal("")?.contains("no recording") == true)
        #expect(refusal(String(decoding: TapeFile.magic, as: UTF8.self))?.contains("settings") == true)
    }
}

@Suite struct `The form of a tape` {
    private let clock = ClockReading(monotonic: 5, wall: 1_700_000_000_000_000_000, boot: 7)

    @Test func `every entry comes back as it was`() throws {
        let key = FileKey(.inode(device: 8, inode: 9, wantsLocks: true))
        let usage = OwnUsage(cpuNanoseconds: 3, residentBytes: 4)
        var counts = StackCounts()
        (counts.taken, counts.late, counts.failed, counts.moved, counts.skipped) = (1, 2, 3, 4, .max)
        counts.isWorkerBlocked = true
        let entries: [TapeEntry] = [
            .settings([TapeSetting("threshold", "1"), TapeSetting("comm", "caf\u{e9}")]),
            .started(
                Started(
                    version: "1", options: ["--all", ""], kernel: "6", machine: "x", engine: "trace", scope: "host",
                    capabilities: ["CAP_BPF"], thresholdNanoseconds: 9), clock),
            .ring([0, 0, 0, 0, 0, 1, 2, 0]), .ingest(clock), .relate(clock, relooks: true),
            .lost(Loss(what: "records", count: 3, reason: "full"), clock), .dueRepeats(at: 5, most: 64),
            .endOfScan(at: 6), .vanished(call: .max, clock),
            .summarize(usage, threads: 5, scanNanoseconds: 6, clock), .stopped(reason: "SIGINT", usage, clock), .taken,
            .dropped(sequence: 4), .reports(clock, threads: 300), .explain(pid: -1, clock),
            .files([key, key], [1, 0]),
            .files([key], nil), .threads([ViewQuestion.thread(4).bytes], []),
            .risky(.memory(pid: 1, address: .max, length: -5), .bytes([0])),
            .risky(.commandLine(pid: -1, tid: 2), .timedOut), .risky(.mounts(pid: 1, tid: 2), .failed(13)),
            .risky(.semaphore(pid: 1, set: -2, number: .max), .bytes([4])),
            .risky(.blockDevices, .bytes([5])), .risky(.loopFile(device: 7 << 20 | 3), .bytes([6])),
            .proc(ProcQuestion(path: "1/task/1/exe", isLink: true), [47], errno: 0),
            .proc(ProcQuestion(path: "1/task/1/stat", isLink: false), nil, errno: 3),
            .symbol(address: .max, "vfs_read"), .user(id: .max, "nobody"), .gap(5),
            .engine(
                Overhead(isTraced: false, rate: 5, callNanoseconds: 6, share: 7, limit: nil, changes: 8),
                isChange: true,
                clock),
            .stackCounts(counts),
        ]
        var back = try TapeEntries(TapeFile.magic + entries.flatMap(TapeFile.frame))
        for entry in entries { #expect(try back.next() == entry) }
        #expect(try back.next() == nil && !back.isCut)
    }

    @Test(arguments: [[], [0], [1], [0, 0, 0, 0, 0], [1, 0, 0, 2], [UInt8](repeating: 0, count: 100_000) + [7, 0]])
    func `runs of zeros are counted`(bytes: [UInt8]) {
        let packed = TapePacking.packed(bytes)
        #expect(packed.count <= bytes.count + 4)
        #expect(TapePacking.unpacked(packed[...], most: bytes.count) == bytes)
        #expect(bytes.isEmpty || TapePacking.unpacked(packed[...], most: bytes.count - 1) == nil)
    }

    @Test func `a few bytes do not become a million`() {
        #expect(TapePacking.unpacked([0, 0xff, 0xff, 0xff, 0x7f], most: .max) == nil)
        #expect(TapePacking.unpacked([0xff, 0xff, 0xff, 0xff, 0xff], most: .max) == nil)
        #expect(TapePacking.unpacked([0, 0], most: .max) == nil, "nothing, for ever")
    }

    @Test func `secrets do not reach it`() {
        let arguments = Array("mysql\0--password=hunter2\0db".utf8)
        let question = RiskyQuestion.commandLine(pid: 1, tid: 1)
        #expect(
            TapeEntry.answered(question, .bytes(arguments))
                == .risky(question, .bytes(Array("mysql\0--password=***\0db".utf8))))
        let mounts = Array("30 1 0:27 / /mnt rw shared:1 - cifs //server/share rw,username=joe\n".utf8)
        let kept = TapeEntry.withoutOptions(mountinfo: mounts)
        #expect(String(decoding: kept, as: UTF8.self) == "30 1 0:27 / /mnt rw shared:1 - cifs //server/share\n")
        #expect(MountTable.source(ofDevice: "0:27", mountinfo: kept) == "//server/share")
    }

    @Test func `redacted twice is redacted once`() {
        let arguments = ["curl", "-u", "joe:hunter2", "--header", "Authorization: Bearer abc", "https://a:b@c/"]
        let once = CommandLinePolicy.redacted.render(arguments.map { Array($0.utf8) })
        let bytes = Array(arguments.joined(separator: "\0").utf8)
        guard case .risky(_, .bytes(let kept)) = TapeEntry.answered(.commandLine(pid: 1, tid: 1), .bytes(bytes)) else {
            Issue.record("no bytes")
            return
        }
        #expect(CommandLinePolicy.full.render(ProcFS.arguments(commandLine: kept)) == once)
    }

    @Test func `options are those of the recording`() throws {
        let settings = Pipeline.Settings(
            thresholdNanoseconds: 5, newOnly: true, repeatNanoseconds: nil, maxRate: 7,
            filter: Filter(include: [.comm: ["a", "b*"]], exclude: [.port: ["80"]]),
            ignoreRules: [try IgnoreRule(name: "backup", text: "comm=\"my borg\" max=2h")], verdicts: [.stuck, .idle],
            tellsHeldSockets: true)
        let origin = RecordOrigin(
            hostName: "h", hostID: "3d1219c7c4c5404aaa1f6d2a48adfda4", bootID: "b", runID: RecordOrigin.runID(0xabc))
        let host = TapeHost(
            pipeline: settings,
            identifier: Identifier.Settings(
                bootID: "b", commandLine: .redacted, clockTicksPerSecond: 250, nativeABI: .aarch64),
            origin: origin, startNanoseconds: 9)
        guard case .settings(let list) = host.entry else {
            Issue.record("no settings")
            return
        }
        let back = try TapeHost(list, offset: 0)
        #expect(back.pipeline.filter == settings.filter && back.pipeline.ignoreRules == settings.ignoreRules)
        #expect(back.pipeline.verdicts == settings.verdicts && back.pipeline.repeatNanoseconds == nil)
        #expect(back.pipeline.newOnly && back.pipeline.tellsHeldSockets && back.pipeline.maxRate == 7)
        #expect(back.identifier.nativeABI == .aarch64 && back.identifier.clockTicksPerSecond == 250)
        #expect(back.identifier.commandLine == .full, "they were redacted before they were written")
        #expect(back.origin == origin && back.startNanoseconds == 9 && back.pipeline.thresholdNanoseconds == 5)
        for wrong in [
            ("pid", "x"), ("ignore.a", "nonsense"), ("clock_ticks", "0"), ("colour", "red"), ("start", "-1"),
            ("host_id", "uninitialized"), ("run_id", "1"),
        ] {
            #expect(throws: TapeError.self) { try TapeHost([TapeSetting(wrong.0, wrong.1)], offset: 0) }
        }
    }
}

@Suite struct `Answers from a tape` {
    private let question = RiskyQuestion.memory(pid: 1, address: 64, length: 4)

    @Test func `the same question again gets the next answer, and the last one from then on`() {
        let answers = TapeAnswers()
        #expect(answers.begin([.risky(question, .bytes([1])), .risky(question, .bytes([2]))]) == 0)
        var memory = TapeMemory(answers: answers)
        #expect((0..<3).map { _ in memory.answer([question])[question] } == [.bytes([1]), .bytes([2]), .bytes([2])])
        _ = answers.begin([])
        #expect(memory.answer([question])[question] == .bytes([2]))
        #expect(answers.counts == TapeCounts(answered: 3, older: 1))
    }

    @Test func `a question of another grouping gets its own part`() {
        var file = bw_file()
        file.type = BW_RECORD_FILE.rawValue
        file.question = 1
        file.tgid = 77
        let bytes = withUnsafeBytes(of: file) { [UInt8]($0) }
        let first = FileQuestion.privateData(1)
        let second = FileQuestion.privateData(2)
        let answers = TapeAnswers()
        #expect(answers.begin([.files([FileKey(first), FileKey(second)], bytes)]) == 0)
        var holders = TapeHolders(answers: answers)
        let found = holders.files([second])
        #expect(found?.files.map(\.pid) == [77] && found?.files.map(\.question) == [0])
        #expect(holders.files([first])?.files == [])
        #expect(holders.files([.privateData(3)])?.files == [])
        #expect(answers.counts.missed == 1 && answers.counts.answered == 2)
        #expect(answers.begin([.files([FileKey(first)], nil)]) == 0)
        #expect(holders.files([first]) == nil, "none came in time")
        #expect(answers.begin([.files([FileKey(first)], [1, 2, 3])]) == 1, "not understood")
    }

    @Test func `threads are found by their numbers, their parents and their namespaces`() throws {
        func view(_ pid: UInt32, _ tid: UInt32, parent: UInt32) -> [UInt8] {
            var raw = bw_call()
            raw.type = BW_RECORD_VIEW.rawValue
            raw.tgid = pid
            raw.pid = tid
            raw.parent_tgid = parent
            raw.own_pid = tid - 5
            raw.pid_namespace = 4
            return Array(withUnsafeBytes(of: raw) { [UInt8]($0) }.prefix(CallRecord.fixedSize))
        }
        let padded = { (bytes: [UInt8]) in bytes + [UInt8](repeating: 0, count: (8 - bytes.count % 8) % 8) }
        let bytes = [view(10, 10, parent: 1), view(10, 11, parent: 1), view(20, 20, parent: 10)].flatMap(padded)
        let asked: [ViewQuestion] = [.process(10), .children(of: 10)]
        let answers = TapeAnswers()
        #expect(answers.begin([.threads(asked.map(\.bytes), bytes)]) == 0)
        var holders = TapeHolders(answers: answers)
        #expect(
            holders.threads([.children(of: 10), .process(10)]).map(\.tid) == [10, 11, 20], "in the order of the look")
        #expect(holders.threads([.process(10)]).map(\.tid) == [10, 11])
        #expect(holders.threads([.thread(99)]).isEmpty && answers.counts.missed == 1)
        _ = answers.begin([.threads([ViewQuestion.inner(namespace: 4, tid: 6).bytes], padded(view(10, 11, parent: 1)))])
        #expect(holders.threads([.inner(namespace: 4, tid: 6)]).map(\.tid) == [11])
        _ = answers.begin([.threads([ViewQuestion.inner(namespace: 0, tid: 6).bytes], padded(view(10, 11, parent: 1)))])
        #expect(holders.threads([.inner(namespace: 0, tid: 6)]).map(\.tid) == [11], "whichever namespace it is")
    }

    @Test func `files and links of proc are told apart, and so are errors`() {
        let answers = TapeAnswers()
        _ = answers.begin([
            .proc(ProcQuestion(path: "1/task/1/exe", isLink: true), Array("/bin/cat".utf8), errno: 0),
            .proc(ProcQuestion(path: "1/task/1/stat", isLink: false), nil, errno: 13),
        ])
        let procFS = ProcFS(root: "/proc", reader: answers)
        #expect((try? procFS.executable(pid: 1, tid: 1)) == Array("/bin/cat".utf8))
        #expect(throws: ProcError(path: "/proc/1/task/1/stat", errno: 13)) { try procFS.threadStart(pid: 1, tid: 1) }
        #expect(throws: ProcError(path: "/proc/1/task/1/exe", errno: 3)) {
            try procFS.readFile("1/task/1/exe", limit: 9)
        }
        #expect(answers.counts.missed == 1)
    }
}
