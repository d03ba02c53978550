import Foundation
import Testing

@testable import BlockWatchCore

@Suite struct `A line names the culprit` {
    private func line(
        _ report: CallReport, _ action: Record.Action = .blocked, width: Int? = nil, color: Bool = false
    ) -> String {
        var format = TextFormat(usesColor: color, width: width)
        let record = Record(action: action, sequence: 1, wallNanoseconds: 0, body: .call(report))
        return String(decoding: format.line(record, offsetSeconds: 0), as: UTF8.self)
            .trimmingCharacters(in: .newlines)
    }

    private func message(_ report: CallReport) -> String {
        Sentence.text(Record(action: .blocked, sequence: 1, wallNanoseconds: 0, body: .call(report)))
    }

    private let psql = Reports.call(
        812, name: "psql", .connectUnanswered,
        root: Root(kind: .remote, doing: "does not answer, 5 retransmits", address: "10.0.0.5:5432"), chain: "c",
        seconds: 12
    ) {
        $0.call.call?.name = "poll"
        $0.call.resource = Resource(
            .poll, name: Array("tcp 10.0.0.1:4040->10.0.0.5:5432 SYN_SENT".utf8), descriptor: 6)
        var network = NetworkFields(transport: "tcp")
        network.peer.address = "10.0.0.5"
        $0.call.resource.network = network
    }

    @Test func `a poll of a dead host: its address, that it does not answer, how often it was asked`() {
        #expect(
            line(psql)
                == "00:00:00  stuck         12.0s  psql[812]               poll             "
                + "tcp 10.0.0.1:4040->10.0.0.5:5432 SYN_SENT (fd 6)  <- 10.0.0.5:5432 does not answer, 5 retransmits")
        #expect(
            line(psql, width: 120)
                == "00:00:00  stuck         12.0s  psql[812] poll tcp ->10.0.0.5:5432 "
                + "<- 10.0.0.5:5432 does not answer, 5 retransmits")
        #expect(line(psql, width: 80) == "00:00 stuck     12.0s psql[812] poll tcp <- 10.0.0.5:5432 does not answer")
        #expect(
            message(psql)
                == "psql[812] has been blocked for 12.0s in poll on tcp 10.0.0.1:4040->10.0.0.5:5432 SYN_SENT (fd 6): "
                + "10.0.0.5:5432 does not answer, 5 retransmits")
    }

    @Test(arguments: [
        (
            Root(kind: .process, pid: 9, name: Array("cron".utf8), doing: "sleeping 59m more"),
            "cron[9], sleeping 59m more", "held up by cron[9], sleeping 59m more"
        ),
        (
            Root(kind: .process, pid: 9, name: Array("perl".utf8), doing: "read pipe"), "perl[9] in read pipe",
            "held up by perl[9] in read pipe"
        ),
        (Root(kind: .thread, pid: 9, name: Array("x".utf8), doing: nil), "x[9]", "held up by x[9]"),
        (
            Root(kind: .nobody, doing: "nobody but cat[1] itself has the write end open"),
            "nobody but cat[1] itself has the write end open", ": nobody but cat[1] itself"
        ),
        (
            Root(kind: .nobody, doing: "nobody: memory cgroup /a is full"), "nobody: memory cgroup /a is full",
            ": nobody: memory cgroup /a is full"
        ),
        (Root(kind: .remote, address: "10.0.0.5:80"), "10.0.0.5:80 has not answered", ": 10.0.0.5:80 has not answered"),
        (
            Root(kind: .network, doing: "4 retransmits, not acknowledged", address: "10.0.0.5:80"),
            "network to 10.0.0.5:80: 4 retransmits, not acknowledged", "held up by network to 10.0.0.5:80"
        ),
        (
            Root(
                kind: .device, name: Array("ext4 on sda (8:16)".utf8), doing: "completed nothing for 30.0s, 1 in flight"
            ),
            "ext4 on sda (8:16), completed nothing for 30.0s, 1 in flight", "held up by ext4 on sda (8:16), completed"
        ),
        (
            Root(kind: .deadlock, pid: 7, name: Array("a".utf8), doing: "deadlock of 2 threads"),
            "deadlock of 2 threads, a[7] in it", "held up by deadlock of 2 threads, a[7] in it"
        ),
    ])
    func `each root in words`(root: Root, words: String, sentence: String) {
        let report = Reports.call(1, name: "cat", .replyPending, root: root, chain: "c")
        #expect(line(report).hasSuffix("  <- \(words)"))
        #expect(message(report).contains(sentence), "\(message(report))")
        let narrow = line(report, width: 80)
        #expect(TerminalText.width(narrow) <= 80)
        #expect(
            narrow.contains("<- " + Culprit(root).name) && (narrow.contains("/lock") || narrow.contains(" file ")),
            "\(narrow)")
    }

    @Test(arguments: [
        (Reason.notAccepted, Holder.Role.listener, "mysqld[9] never accepts, in futex"),
        (.connectBacklogFull, .listener, "mysqld[9] does not accept, in futex"),
        (.replyPending, .peer, "mysqld[9] has not answered, in futex"),
        (.lockHeld, .lockHolder, "mysqld[9] has the lock, in futex"),
        (.peerWaiting, .writer, "mysqld[9] has the write end, in futex"),
        (.sendStalled, .reader, "mysqld[9] has the read end, in futex"),
        (.peerStuck, .child, "mysqld[9] in futex"),
    ])
    func `what makes a process the root of who waits for it directly`(reason: Reason, role: Holder.Role, words: String)
    {
        let root = Root(kind: .process, pid: 9, name: Array("mysqld".utf8), doing: "futex")
        let report = Reports.call(1, reason, behind: [9], role: role, root: root)
        #expect(line(report).hasSuffix("  <- \(words)"))
        #expect(Trees(calls: [report], deadlocks: []).lines()[0] == words)
        // of one that is further away only what it does is known
        let behind = Reports.call(1, .peerStuck, behind: [8], root: root, chain: "c")
        #expect(line(behind).hasSuffix("  <- mysqld[9] in futex"))
    }

    @Test func `where nothing is known it is said, with what was not found out`() {
        var report = Reports.call(1, name: "cat", .unknown) { $0.finding?.root = .unknown(.notPermitted) }
        #expect(line(report).hasSuffix("<- unknown (holders not permitted)"))
        report.finding?.unresolved = ["members=timed_out"]
        #expect(line(report).hasSuffix("<- unknown (members timed out)"))
        report.call.stack = ["handle_userfault", "do_fault"]
        #expect(line(report).hasSuffix("<- unknown, in the kernel's handle_userfault"))
    }

    @Test func `of a recording the same is said, and what was not found out once`() throws {
        let report = Reports.call(1, name: "cat", .unknown) {
            $0.call.eventID = "00000000000000a1"
            $0.call.unresolved = ["process=process_gone"]
            $0.finding?.root = .unknown(.processGone)
            $0.finding?.unresolved = ["members=process_gone"]
        }
        var ndjson = NDJSON(RecordOrigin(hostName: "h", bootID: "b"))
        let record = Record(action: .blocked, sequence: 1, wallNanoseconds: 0, body: .call(report))
        let contents = RecordedLine.contents(ndjson.line(record))
        let told = try #require(contents.compactMap { try? $0.get() }.first, "\(contents)")
        let recorded = CallReport(recorded: told.value)
        #expect(recorded.call.unresolved == report.call.unresolved)
        #expect(recorded.finding?.unresolved == report.finding?.unresolved)
        #expect(line(recorded) == line(report) && line(report).hasSuffix("<- unknown (members process gone)"))
    }

    @Test func `the root is whole where long names must give way`() throws {
        let path = "/srv/" + String(repeating: "deep/", count: 40) + "lock"
        var report = Reports.call(
            1_234_567, name: "a-long-name-xyz", on: path, behind: [9],
            root: Root(kind: .process, pid: 4_194_303, name: Array("another-name-xy".utf8), doing: "flock \(path)"))
        report.call.process.tid = 1_234_568
        report.call.process.threadName = Array("worker-pool-0123".utf8)
        for width in 80...200 {
            let line = line(report, width: width)
            #expect(TerminalText.width(line) <= width)
            #expect(line.contains("<- another-name-xy[4194303]"), "\(line)")
            #expect(line.contains("lock"), "\(line)")
        }
        #expect(line(report).contains(path), "off a terminal nothing is cut")
        #expect(message(report).count <= 200 && message(report).contains("another-name-xy[4194303]"))
    }

    @Test func `a name is not said twice: of mutexes, and of pages`() {
        let mutex = Reports.call(1, name: "app", behind: [1]) {
            $0.call.call?.name = "futex"
            $0.call.resource = Resource(.futex, name: Array("futex 0x55aa".utf8))
            $0.call.resource.lock = LockFields(type: "mutex", mode: "write")
        }
        #expect(line(mutex).contains("  futex            mutex 0x55aa  <- "))
        var plain = mutex
        plain.call.resource.lock = nil
        #expect(line(plain).contains("  futex            0x55aa  <- "))
    }

    @Test func `colours say the verdict as its word does, and no line needs them`() {
        for reason in Reason.allCases where reason != .cycle {
            let report = Reports.call(1, reason, behind: [2])
            let code = "\u{1b}[\(reason.verdict.colorCode)m"
            #expect(line(report, color: true).contains("\(code)\(reason.verdict.rawValue)"))
            #expect(line(report, color: true).replacing(/\u{1b}\[[0-9;]*m/, with: "") == line(report))
        }
        #expect(Set(Verdict.allCases.map(\.colorCode)).count == Verdict.allCases.count)
    }

    @Test func `one deadlock is one line and its members, and what is said of it again is said once`() {
        var format = TextFormat(usesColor: false, width: 80)
        func said(_ action: Record.Action, _ body: Record.Body) -> String {
            let record = Record(action: action, sequence: 1, wallNanoseconds: 0, body: body)
            return String(decoding: format.line(record, offsetSeconds: 0), as: UTF8.self)
        }
        let calls = Reports.deadlock(10, 11)
        let members = [("/a", ["/b"]), ("/b", ["/a", "is awaited by 10"])].enumerated().map { place, member in
            DeadlockMember(
                pid: 10 + place, tid: 10 + place, name: Array("p".utf8), call: "flock", wants: member.0,
                holds: member.1, duration: 10_000_000_000)
        }
        let report = DeadlockReport(
            id: "x", threads: 2, members: members, part: 1, parts: 1, chain: "", chainID: "circle", victims: 2)
        // of one that was not told (a filter) each member is
        #expect(said(.blocked, .call(calls[0])).contains("deadlock"))
        #expect(
            said(.deadlock, .deadlock(report)) == """
                00:00 deadlock   10.0s 2 threads wait for each other for ever
                      ├─ p[10] flock /a, has /b
                      └─ p[11] flock /b, has /a, is awaited by 10

                """)
        #expect(said(.blocked, .call(calls[0])).isEmpty && said(.blocked, .call(calls[1])).isEmpty)
        #expect(
            said(.stillBlocked, .call(calls[0])).contains("deadlock") && said(.stillBlocked, .call(calls[1])).isEmpty)
        #expect(said(.returned, .call(calls[1])).contains("returned"))
    }

    @Test func `what it means is reachable by its name, and docs say the same`() throws {
        for verdict in Verdict.allCases { #expect(try #require(Meaning.lines(of: verdict.rawValue)).count >= 3) }
        for reason in Reason.allCases {
            let lines = try #require(Meaning.lines(of: reason.rawValue))
            #expect(
                lines == [
                    "\(reason.verdict.rawValue) \(reason.rawValue): \(reason.words).", Meaning.paragraph(of: reason),
                ])
            #expect(Meaning.paragraph(of: reason).count > 40)
        }
        #expect(Meaning.lines(of: "nonsense") == nil)
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/verdicts.md")
        let words = try String(contentsOf: page, encoding: .utf8).split(whereSeparator: \.isWhitespace)
            .joined(separator: " ")
        for reason in Reason.allCases {
            #expect(
                words.contains(
                    "**`\(reason.rawValue)`** (\(reason.verdict.rawValue)): \(reason.words). \(Meaning.paragraph(of: reason))"
                ),
                "docs/verdicts.md, \(reason.rawValue): blockwatch explain --verdict \(reason.rawValue)")
        }
    }
}

@Suite struct `Trees on a screen` {
    private func lines(_ calls: [CallReport], width: Int? = 80) -> [String] {
        Trees(calls: calls, deadlocks: []).lines(width: width)
    }

    @Test func `sixty threads behind one root are one screen, with what they share`() {
        let behind = (0..<60).map {
            Reports.call(100 + $0, name: "flock", on: "/var/lock/one", behind: [9], seconds: 10)
        }
        #expect(
            lines(behind) == [
                "h[9] has the lock, sleeping  (60 threads behind it)",
                "└─ 60 processes of flock wait here in flock on /var/lock/one  10.0s  stuck",
            ])
        // each on a file of its own
        let apart = (0..<60).map {
            Reports.call(100 + $0, name: "flock", on: "/var/lock/\($0)", behind: [9]) {
                $0.call.resource.file = FileFields()
                $0.call.resource.file?.path = $0.call.resource.name
            }
        }
        #expect(lines(apart).last == "└─ 60 processes of flock in flock on 60 files in /var/lock  10.0s  stuck")
        // sixty programs
        let programs = (0..<60).map { Reports.call(100 + $0, name: "p\($0)", on: "/l", behind: [9]) }
        #expect(lines(programs).count == 13)
        #expect(lines(programs).last == "└─ and 49 others: p11, p12, p13, p14, ...  10.0s  stuck at the worst")
        // sixty workers, on each of which a client hangs
        let workers = (0..<60).flatMap { place -> [CallReport] in
            let worker = 1000 + place
            return [
                Reports.call(worker, name: "worker", on: "/l", behind: [9]),
                Reports.call(
                    2000 + place, name: "client", on: "/\(worker)", .peerStuck, behind: [worker], chain: "chain9"),
            ]
        }
        let tree = lines(workers)
        #expect(tree.count == 3, "\(tree)")
        #expect(tree[1].contains("60 processes of worker") && tree[2].contains("60 processes of client"))
    }

    @Test func `who waits for one peer from many ports is folded with the peer`() {
        let clients = (0..<5).map { place in
            Reports.call(
                100 + place, name: "php", .connectUnanswered,
                root: Root(kind: .remote, doing: "does not answer", address: "10.0.0.5:5432"), chain: "c"
            ) {
                $0.call.call?.name = "poll"
                $0.call.resource = Resource(
                    .poll, name: Array("tcp 10.0.0.1:\(4000 + place)->10.0.0.5:5432 SYN_SENT".utf8))
                var network = NetworkFields(transport: "tcp")
                network.state = "SYN_SENT"
                network.peer.address = "10.0.0.5"
                $0.call.resource.network = network
            }
        }
        #expect(
            lines(clients, width: nil).last
                == "└─ 5 processes of php wait here in poll on tcp ->10.0.0.5:5432 SYN_SENT  10.0s  "
                + "stuck (connect is not answered)")
    }

    @Test func `the worst first, then victims, then age; nothing is wider than the screen`() {
        let long = "/" + String(repeating: "x", count: 300)
        let calls = [
            Reports.call(1, .replyPending, behind: [30], role: .peer, seconds: 90),
            Reports.call(2, on: long, behind: [31], seconds: 10), Reports.call(3, on: long, behind: [32], seconds: 20),
            Reports.call(4, behind: [33], seconds: 5), Reports.call(5, behind: [33], seconds: 5),
        ]
        let titles = lines(calls).filter { $0.hasPrefix("h[") }.compactMap {
            $0.split(separator: " ").first.map(String.init)
        }
        #expect(titles == ["h[33]", "h[32]", "h[31]", "h[30]"])
        for width in [80, 100, 132, 200] {
            #expect(lines(calls, width: width).count { TerminalText.width($0) > width } == 0)
        }
        #expect(lines(calls, width: nil).contains { $0.contains(long) }, "off a terminal nothing is cut")
    }

    @Test func `spans are said once where they read alike`() {
        #expect(TerminalText.span(8_100_000_000, 8_140_000_000, isBound: true) == ">=8.1s")
        #expect(TerminalText.span(8_100_000_000, 12_000_000_000, isBound: true) == ">=8.1s to 12.0s")
        #expect(TerminalText.span(1, 1, isBound: false) == "1ns")
    }
}
