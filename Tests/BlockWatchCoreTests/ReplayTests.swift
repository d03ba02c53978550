import Foundation
import Testing

@testable import BlockWatchCore

/// Lines of a stream, written by the same code as blockwatch's own.
struct RecordedStream {
    var host = "web1"
    var boot = "boot1"
    var machine: String?
    var run: String?
    /// Seconds since 2023-11-14T22:13:20Z.
    var time: UInt64 = 0
    var sequence: UInt64 = 0
    var lines: [String] = []

    static let begin: UInt64 = 1_700_000_000

    mutating func say(_ action: Record.Action, _ body: Record.Body) {
        sequence += 1
        time += 1
        var ndjson = NDJSON(RecordOrigin(hostName: host, hostID: machine, bootID: boot, runID: run))
        let record = Record(
            action: action, sequence: sequence, wallNanoseconds: (Self.begin + time) * 1_000_000_000, body: body)
        lines.append(String(decoding: ndjson.line(record).dropLast(), as: UTF8.self))
    }

    mutating func start() {
        say(
            .started,
            .started(
                Started(
                    version: "9.9", options: [], kernel: "6", machine: "x", engine: "trace", scope: "host",
                    capabilities: [], thresholdNanoseconds: 2_000_000_000)))
    }

    /// - Parameter id: also the thread.
    mutating func call(
        _ action: Record.Action, _ id: Int, _ reason: Reason = .lockHeld, behind holder: Int? = nil,
        root: Root? = nil, chain: String? = nil, result: Int64? = nil, change: (inout CallReport) -> Void = { _ in }
    ) {
        let identity = ProcessIdentity(
            pid: id, tid: id, parentPID: 1, innerPID: nil, innerTID: nil, name: Array("p\(id)".utf8),
            threadName: Array("p\(id)".utf8), executable: nil, commandLine: nil, startWallNanoseconds: 0,
            entityID: "0123456789abcdef", state: "S", userID: 0, userName: "root", cgroupPath: [UInt8(ascii: "/")],
            cgroup: CgroupIdentity(path: "/"))
        let call = BlockedCall(
            id: UInt64(id), eventID: hex(id), kind: .systemCall, startNanoseconds: 0, startSource: .entry,
            process: identity, call: SystemCall(name: "flock", number: 73, abi: .x86_64, arguments: []),
            resource: Resource(.file, name: Array("/l\(id)".utf8), descriptor: 3), stack: [], unresolved: [])
        var report = CallReport(
            call: call, startWallNanoseconds: 0, durationNanoseconds: 10_000_000_000, result: result)
        var finding = Finding()
        finding.reason = reason
        finding.verdict = reason.verdict
        if let holder {
            finding.holders = [Holder(pid: holder, name: Array("p\(holder)".utf8), role: .lockHolder)]
            finding.holderCount = 1
        }
        let sleeper = holder.map { Root(kind: .process, pid: $0, name: Array("p\($0)".utf8), doing: "sleeping") }
        finding.root = (root ?? sleeper).map { .known($0) } ?? .absent
        finding.chainID = chain ?? holder.map { hex($0 + 0xabc000) }
        finding.chain = holder.map { "p\(id)[\(id)] flock <- p\($0)[\($0)] sleeping" } ?? ""
        report.finding = finding
        change(&report)
        say(action, .call(report))
    }

    mutating func stop(_ totals: Totals, open: UInt64) {
        say(
            .stopped,
            .stopped(
                Stopped(
                    reason: "SIGTERM", totals: totals, open: open,
                    usage: OwnUsage(cpuNanoseconds: 1, residentBytes: 1))))
    }
}

private func hex(_ number: Int) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
}

func replayed(_ files: [String]..., until: UInt64? = nil) -> Recording {
    var recording = Recording(until: until)
    for (index, file) in files.enumerated() {
        recording.beginFile("file\(index)")
        for line in file { recording.add(.whole(Array(line.utf8))) }
    }
    return recording
}

private func text(_ recording: Recording, all: Bool = false, filter: Filter = Filter()) -> [String] {
    ReplayReport(recording, .init(all: all, filter: filter)).lines()
}

@Suite struct `A recorded stream tells the same again` {
    /// p1 waits for p2, which waits for p3; p4 came and went; p5 was slow.
    private func stream() -> RecordedStream {
        var stream = RecordedStream()
        let root = Root(kind: .process, pid: 3, name: Array("p3".utf8), doing: "sleeping")
        stream.start()
        stream.call(.blocked, 2, behind: 3)
        stream.call(.blocked, 1, .peerStuck, behind: 2, root: root, chain: hex(0xabc003))
        stream.call(.blocked, 4, .replyPending)
        stream.call(.stillBlocked, 2, behind: 3)
        stream.call(.returned, 4, .replyPending, result: 0)
        stream.call(.slow, 5, .lockBusy, behind: 3)
        stream.stop(totals, open: 2)
        return stream
    }
    private let totals = Totals(blocked: 3, stillBlocked: 1, returned: 1, ended: 0, slow: 1, deadlocks: 0)

    @Test func `what is open as trees, then sums, the same as the stream's own`() {
        let recording = replayed(stream().lines)
        #expect(recording.records == 8)
        #expect(recording.refused.isEmpty)
        let lines = text(recording)
        #expect(lines[0] == "8 records of 1 host from 2023-11-14 22:13:21Z to 2023-11-14 22:13:28Z")
        #expect(lines[2] == "web1 at 2023-11-14 22:13:28Z: 2 threads blocked longer than 2.0s")
        #expect(lines[4] == "p3[3] has the lock, sleeping  (2 threads behind it)")
        #expect(lines[5] == "└─ p2[2] flock on /l2 (fd 3)  13.0s  stuck (the lock's holder does not move)")
        #expect(lines[6] == "   └─ p1[1] flock on /l1 (fd 3)  15.0s  stuck (the other end is stuck itself)")
        #expect(lines.contains { $0.hasSuffix("blocked 3, still_blocked 1, returned 1, ended 0, slow 1, deadlocks 0") })
        #expect(lines.contains { $0.hasSuffix("stuck 2, waiting 1, busy 1, by the last that was said of each") })
        #expect(lines.contains { $0.hasSuffix("the same as what the recording says") })
        #expect(lines.contains { $0.hasSuffix("3 calls, 2 open, longest 15.0s  p3[3], sleeping") })
        #expect(!lines.contains { $0.contains("gaps") || $0.contains("passed over") })
    }

    @Test func `idle calls are shown when asked for, filters choose what is shown`() {
        var stream = RecordedStream()
        stream.start()
        stream.call(.blocked, 1, .parked)
        stream.call(.blocked, 2, .lockHeld)
        let recording = replayed(stream.lines)
        #expect(
            text(recording).contains {
                $0.hasSuffix("1 thread blocked longer than 2.0s, 1 more idle by design (--all)")
            })
        #expect(!text(recording).contains { $0.contains("p1[1]") })
        #expect(text(recording, all: true).contains { $0.contains("p1[1]") })
        let other = Filter(include: [.pid: ["1"]])
        #expect(!text(recording, filter: other).contains { $0.contains("p2[2]") })
        #expect(ReplayReport(recording).foundSomething)
        #expect(!ReplayReport(recording, .init(filter: other)).foundSomething)
    }

    @Test func `any order, and lines that come twice, tell the same`() {
        let lines = stream().lines
        let expected = text(replayed(lines))
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            let disorder = replayed(lines.shuffled(using: &generator))
            #expect(text(disorder) == expected)
        }
        let twice = replayed(lines + lines)
        #expect(twice.duplicates == 8)
        #expect(text(twice).starts(with: expected))
        let files = replayed(Array(lines[4...]), Array(lines[..<4]), lines)
        #expect(files.records == 8)
        #expect(files.duplicates == 8)
        #expect(files.runs.count == 1)
    }

    @Test func `garbage, torn and foreign lines are passed over and told with their place`() throws {
        let lines = stream().lines
        var recording = Recording()
        recording.beginFile("log")
        recording.add(.whole(Array("\u{0}\u{0}\u{1b}[31m not json".utf8)))
        for line in lines[..<4] { recording.add(.whole(Array(line.utf8))) }
        recording.add(.whole(Array("{\"level\":\"info\",\"msg\":\"of another program\"}".utf8)))
        recording.add(.tooLong(bytes: 5_000_000))
        // torn, with the next line behind it
        recording.add(.whole(Array((lines[4].prefix(200) + lines[4]).utf8)))
        recording.add(.whole(Array(lines[5].utf8.dropLast(9))))
        recording.add(.whole(Array(lines[6].replacingOccurrences(of: "\"pid\":5", with: "\"pid\":\"5\"").utf8)))
        recording.add(.whole([]))
        #expect(recording.records == 5)
        #expect(recording.refused == [.foreign: 2, .tooLong: 1, .cutOff: 2, .field("process.pid"): 1])
        #expect(recording.places.map(\.line) == [1, 6, 7, 8, 9, 10])
        let told = text(recording)
        #expect(told.contains("    log:10: process.pid is missing or wrong"))
        #expect(told.contains { $0.contains("6 lines passed over: 2 cut off, 2 not of blockwatch") })
        #expect(!told.joined().unicodeScalars.contains { $0.value < 0x20 })
    }

    @Test func `lines that shippers have wrapped`() throws {
        let lines = stream().lines
        func escaped(_ text: String) -> String {
            (try? JSONEncoder().encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
        let wrapped = [
            "Nov 14 22:13:21 web1 blockwatch[7]: " + lines[0], "2023-11-14T22:13:22Z stdout F " + lines[1],
            #"{"log":\#(escaped(lines[2] + "\n")),"stream":"stdout","time":"2023-11-14T22:13:23Z"}"#,
            #"{"__CURSOR":"s=1","MESSAGE":\#(escaped(lines[3])),"PRIORITY":"6"}"#,
            #"{"_index":"x","_source":\#(lines[4])}"#,
            #"{"a":{},"message":\#(escaped("Nov 14 web1 blockwatch: " + lines[5]))}"#,
            "\u{feff}" + lines[6] + "\r", lines[7] + " ",
        ]
        let recording = replayed(wrapped)
        #expect(recording.records == 8)
        #expect(recording.refused.isEmpty)
        #expect(text(recording) == text(replayed(lines)))
    }

    @Test func `gaps, those that a loss explains and those not`() {
        var stream = stream()
        stream.lines.remove(at: 4)
        var lines = text(replayed(stream.lines))
        #expect(
            lines.contains {
                $0.hasSuffix("1 record missing (5): 0 counted as lost lines, 1 not explained by the recording")
            })
        #expect(lines.contains { $0.hasSuffix("DIFFERS from what the recording says: still_blocked 0, said 1") })
        stream.say(.loss, .loss(Loss(what: "lines", count: 1, reason: "the output was not read fast enough")))
        lines = text(replayed(stream.lines))
        #expect(lines.contains { $0.hasSuffix("1 record missing (5): all counted as lost lines") })
        #expect(lines.contains { $0.contains("lost") && $0.hasSuffix("lines 1") })
    }

    @Test func `an end whose beginning is not there, a beginning whose end is not there`() {
        let lines = stream().lines
        let tail = replayed(Array(lines[4...]))
        #expect(tail.runs[0].unopened == 1)
        #expect(text(tail).contains { $0.contains("its beginning is not there (first record 5)") })
        #expect(text(tail).contains { $0.hasSuffix("1 call ended whose beginning is not there") })
        let head = replayed(Array(lines[..<4]))
        #expect(text(head).contains { $0.contains("no end recorded") })
        #expect(text(head).contains { $0.contains("3 threads blocked") })
    }

    @Test func `numbers of threads of all 32 bits`() {
        var stream = RecordedStream()
        stream.start()
        stream.call(.blocked, Int(UInt32.max))
        let recording = replayed(stream.lines)
        #expect(recording.refused.isEmpty)
        #expect(text(recording).contains { $0.contains("p4294967295[4294967295]") })
    }

    @Test func `the state at a moment`() {
        let lines = stream().lines
        let moment = (RecordedStream.begin + 5) * 1_000_000_000
        let recording = replayed(lines, until: moment)
        #expect(recording.later == 3)
        #expect(text(recording).contains { $0.contains("p4[4]") })
        #expect(text(recording).contains { $0.hasPrefix("web1 at 2023-11-14 22:13:25Z: 3 threads blocked") })
    }

    @Test func `blockwatch started anew: what was open before has been said again`() {
        var first = stream()
        first.lines.removeLast()
        var second = RecordedStream()
        second.time = 100
        second.start()
        second.call(.blocked, 2, behind: 3)
        let recording = replayed(first.lines + second.lines)
        #expect(recording.runs.count == 2)
        let lines = text(recording)
        #expect(lines.contains { $0.contains("1 thread blocked") })
        #expect(lines.count { $0.contains("p2[2] flock on") } == 1)
        #expect(lines.contains { $0.contains("no end recorded") })
    }

    @Test func `two that watched at once are kept apart`() {
        let one = stream()
        var two = stream()
        // half a second later
        two.lines = two.lines.map {
            $0.replacingOccurrences(of: ".000000Z\",\"message\"", with: ".500000Z\",\"message\"")
        }
        let mixed = zip(one.lines, two.lines).flatMap { [$0, $1] }
        let recording = replayed(mixed)
        #expect(recording.runs.count == 2)
        #expect(recording.duplicates == 0)
        #expect(text(recording).count { $0.hasSuffix("the same as what the recording says") } == 2)
    }

    @Test func `where records are cut the chain is said to be partial, and where parts of a deadlock are missing`() {
        var stream = RecordedStream()
        stream.start()
        stream.call(.blocked, 1, behind: 2) { report in
            report.finding?.holders = (2...9).map { Holder(pid: $0, name: [], role: .reader) }
            report.finding?.holderCount = 30
            report.finding?.chain = String(repeating: "x", count: 600)
        }
        stream.call(.blocked, 9, behind: 2) { $0.finding?.unresolved = ["holders=timed_out"] }
        let members = (1...8).map {
            DeadlockMember(
                pid: $0, tid: $0, name: [], call: "futex", wants: "", holds: [], duration: 0)
        }
        stream.say(
            .deadlock,
            .deadlock(
                DeadlockReport(
                    id: hex(77), threads: 10, members: members, part: 1, parts: 2, chain: "", chainID: hex(5),
                    victims: 10)))
        let lines = text(replayed(stream.lines))
        #expect(lines.count { $0.hasSuffix("  (partial)") && $0.contains("flock on") } == 2)
        #expect(lines.contains { $0.contains("truncated") && $0.contains("chain 1") && $0.contains("holders 1") })
        #expect(lines.contains { $0.contains("unresolved") && $0.contains("holders=timed_out 1") })
        #expect(lines.contains { $0.hasSuffix("partial: 1 of 2 parts recorded") })
        #expect(lines.contains { $0.hasSuffix("p2[2], sleeping  (partial)") })
    }

    @Test func `a chain goes on over a connection to a host that was recorded too`() {
        func connection(_ report: inout CallReport, _ local: (String, UInt16), _ peer: (String, UInt16)) {
            report.call.resource = Resource(
                .tcp, name: Array("tcp \(local.0):\(local.1)->\(peer.0):\(peer.1) ESTABLISHED".utf8), descriptor: 3)
            var network = NetworkFields(transport: "tcp")
            network.local.address = local.0
            network.local.port = local.1
            network.peer.address = peer.0
            network.peer.port = peer.1
            report.call.resource.network = network
        }
        var web = RecordedStream()
        web.start()
        web.call(.blocked, 1, .replyPending, root: Root(kind: .remote, address: "10.0.0.5:3306"), chain: hex(1)) {
            connection(&$0, ("10.0.0.1", 4040), ("10.0.0.5", 3306))
        }
        // behind the first one, on the same host
        web.call(
            .blocked, 2, .peerWaiting, behind: 1, root: Root(kind: .remote, address: "10.0.0.5:3306"), chain: hex(1))
        var database = RecordedStream(host: "db1", boot: "boot2")
        database.start()
        database.call(.blocked, 7, .lockHeld, behind: 8)
        // the connection is held by the process that waits for a lock
        let id = CommunityID.text(
            protocolNumber: 6, source: [10, 0, 0, 5], sourcePort: 3306, destination: [10, 0, 0, 1],
            destinationPort: 4040)!
        database.lines[1] = database.lines[1].replacingOccurrences(
            of: "\"victims\":", with: "\"held_sockets\":[\"\(id)\"],\"victims\":")
        let lines = text(replayed(web.lines, database.lines))
        let top = lines.firstIndex(of: "db1: p8[8], sleeping  (3 threads behind it)") ?? 0
        #expect(top > 0, "\(lines)")
        #expect(lines[top + 1].hasPrefix("└─ db1: p7[7] flock on /l7"))
        #expect(lines[top + 2].hasPrefix("   └─ web1: p1[1] flock on tcp 10.0.0.1:4040->10.0.0.5:3306"))
        #expect(lines[top + 3].hasPrefix("      └─ web1: p2[2] flock"))

        // by a set's member, to a server that only waits for requests
        web.lines.removeLast(2)
        web.call(.blocked, 1, .replyPending, root: Root(kind: .remote, address: "[fd00::5]:3306"), chain: hex(1)) {
            $0.call.resource = Resource(.poll, name: Array("poll".utf8))
            $0.finding?.members = [
                SetMember(
                    resource: Resource(
                        .tcp, name: Array("tcp [fd00::1]:4040->[fd00::5]:3306 ESTABLISHED".utf8), descriptor: 3),
                    reason: .replyPending)
            ]
            $0.finding?.memberCount = 1
        }
        database.lines.removeLast()
        database.call(.blocked, 9, .awaitingRequest) { connection(&$0, ("fd00::5", 3306), ("fd00::1", 4040)) }
        let other = text(replayed(web.lines, database.lines))
        let place = other.firstIndex { $0.hasPrefix("db1: p9[9]") } ?? 0
        #expect(place > 0, "\(other)")
        #expect(other[place + 1].hasPrefix("└─ db1: p9[9] flock on tcp"))
        #expect(other[place + 2].hasPrefix("   └─ web1: p1[1] flock on poll"))
    }

    @Test func `hosts that wait for each other end`() {
        func stream(_ host: String, _ local: String, _ peer: String, _ id: Int) -> [String] {
            var stream = RecordedStream(host: host, boot: host)
            stream.start()
            stream.call(.blocked, id, .replyPending, root: Root(kind: .remote, address: "\(peer):1"), chain: hex(id)) {
                $0.call.resource.network = NetworkFields(transport: "tcp")
                $0.call.resource.network?.communityID = "1:same"
            }
            return stream.lines
        }
        let lines = text(replayed(stream("a", "1.1.1.1", "2.2.2.2", 1), stream("b", "2.2.2.2", "1.1.1.1", 2)))
        #expect(lines.count { $0.contains("a: p1[1]") } == 1)
        #expect(lines.count { $0.contains("b: p2[2]") } == 1)
    }

    @Test func `hostile texts cannot reach the terminal, and NDJSON stays JSON`() throws {
        var stream = RecordedStream()
        stream.host = "h\u{1b}]0;x\u{7}\u{9b}\n"
        stream.start()
        let evil = "\u{1b}[2J\u{9b}31m\u{202e}\n"
        stream.call(.blocked, 1, behind: 2, root: Root(kind: .process, pid: 2, name: Array(evil.utf8), doing: evil)) {
            $0.call.call?.name = evil
            $0.call.process.name = Array(evil.utf8)
            $0.call.resource.name = Array(evil.utf8)
            $0.finding?.holders[0].doing = evil
        }
        stream.say(.loss, .loss(Loss(what: evil, count: .max, reason: evil)))
        stream.say(.loss, .loss(Loss(what: evil, count: .max, reason: evil)))
        let recording = replayed(stream.lines)
        for line in text(recording) {
            #expect(
                !line.unicodeScalars.contains {
                    $0.value < 0x20 || (0x7f...0x9f).contains($0.value) || $0.value == 0x202e
                }, "\(line)")
        }
        var count = 0
        ReplayReport(recording).ndjson { line in
            count += 1
            #expect(line.last == 10 && line.count { $0 == 10 } == 1)
            #expect((try? JSONSerialization.jsonObject(with: Data(line))) != nil)
        }
        #expect(count == 3)
    }

    @Test func `a long chain and a great circle are no depth`() {
        var stream = RecordedStream()
        stream.start()
        for id in 1...300 {
            stream.call(
                .blocked, id, .peerStuck, behind: id % 300 + 1, root: Root(kind: .process, pid: 1), chain: hex(9))
        }
        let lines = text(replayed(stream.lines))
        #expect(lines.contains { $0.hasSuffix("└─ … and who waits for it") })
    }
}

@Suite struct `Numbers that were seen` {
    @Test func `are ranges, in whatever order they come`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<100 {
            var set = SequenceSet()
            var all: Set<UInt64> = []
            for number in (1...60).map({ UInt64($0) }).shuffled(using: &generator).prefix(40) {
                let isNew = set.insert(number)
                let isNewAgain = set.insert(number)
                #expect(isNew && !isNewAgain)
                all.insert(number)
                #expect(all.allSatisfy(set.contains))
            }
            let missing = (set.first!...set.last!).filter { !all.contains($0) }
            #expect(set.missing == UInt64(missing.count))
            #expect(set.holes(most: 100).flatMap { Array($0) } == missing)
        }
    }

    @Test func `the ends of what a number can be, and too many holes`() {
        var set = SequenceSet()
        for number: UInt64 in [.max, 1, .max - 1, 2] { set.insert(number) }
        #expect(set.missing == UInt64.max - 4)
        var many = SequenceSet()
        for number in 1...UInt64(10_000) { many.insert(number * 2) }
        #expect(many.ranges.count == SequenceSet.mostRanges)
        #expect(many.missing == 9_999)
    }
}
