import Foundation
import Testing

@testable import BlockWatchCore

@Suite struct `What top shows` {
    private func look(_ calls: [CallReport], at seconds: UInt64 = 100) -> Top.Look {
        Top.Look(
            calls: calls, deadlocks: [],
            clock: ClockReading(
                monotonic: seconds * 1_000_000_000, wall: (1_700_000_000 + seconds) * 1_000_000_000, boot: 0))
    }

    private func top(_ calls: [CallReport], idle: Bool = false) -> Top {
        var top = Top(hostName: "web1", thresholdNanoseconds: 1_000_000_000, showsIdle: idle)
        top.update(look(calls))
        return top
    }

    private func lines(_ top: inout Top, _ width: Int = 80, _ height: Int = 24, at seconds: UInt64 = 100) -> [String] {
        top.screen(width: width, height: height, at: seconds * 1_000_000_000).lines.map(\.text)
    }

    /// Rows of the list, without their columns.
    private func rows(_ top: inout Top) -> [String] {
        lines(&top, 120, 60).dropFirst(3).prefix { !$0.hasPrefix("─") }.filter { !$0.allSatisfy { $0 == " " } }
            .map { String($0.dropFirst(28)).trimmingCharacters(in: .whitespaces) }
    }

    private let some = [
        Reports.call(1, name: "php", behind: [3], seconds: 20), Reports.call(2, name: "php", behind: [3], seconds: 30),
        Reports.call(5, name: "psql", on: "/x", .replyPending, behind: [6], role: .peer, seconds: 40),
    ]

    @Test func `totals, then trees by root, the worst first, each with verdict, age and victims`() {
        var top = top(some + Reports.deadlock(10, 11))
        let lines = lines(&top)
        #expect(lines.count == 24)
        #expect(lines[0].hasPrefix(" blockwatch top  web1  2023-11-14 22:15:00Z"))
        #expect(lines[1] == " 5 >1.0s: 2 in 1 deadlock, 2 stuck, 1 waiting, 0 busy, 0 idle")
        #expect(lines[3].trimmingCharacters(in: .whitespaces) == "deadlock     10.0s      2  ▾ DEADLOCK of 2 threads")
        #expect(lines[6] == " stuck        30.0s      2  ▾ h[3] has the lock, sleeping")
        #expect(lines[7] == " stuck        30.0s         └─ ▸ 2 processes of php wait here in flock on /lock")
        #expect(lines[8] == " waiting      40.0s      1  ▾ h[6] has not answered, sleeping")
        #expect(lines[23].contains("q quit"))
    }

    @Test(arguments: [(80, 24), (200, 50), (20, 4), (132, 13), (81, 25)])
    func `a screen has its size, whatever is in it`(width: Int, height: Int) {
        let wide = String(repeating: "中", count: 100)
        var top = top((0..<100).map { Reports.call(10 + $0, name: wide, on: "/\(wide)\($0)", behind: [200 + $0]) })
        for _ in 0..<60 {
            let screen = top.screen(width: width, height: height, at: 100_000_000_000)
            #expect(screen.lines.count == height)
            #expect(screen.lines.count { TerminalText.width($0.text) > width } == 0)
            _ = top.press(.down)
        }
    }

    @Test func `ages go on between looks, but not while it is paused`() {
        var top = top([Reports.call(1, behind: [3], seconds: 20)])
        #expect(lines(&top, at: 103)[3].contains(" 23.0s "))
        _ = top.press(.character("p"))
        #expect(lines(&top, at: 104)[3].contains(" 20.0s "))
        top.update(look([], at: 105))
        #expect(rows(&top).count == 2, "nothing changes")
        #expect(lines(&top)[2].contains("[paused]"))
        _ = top.press(.character("p"))
        top.update(look([], at: 200))
        top.update(look([], at: 206))
        #expect(rows(&top).count == 1)
    }

    @Test func `what has ended stays dimmed for 5 s`() {
        var top = top([Reports.call(1, behind: [3]), Reports.call(7, on: "/y", behind: [8])])
        top.update(look([Reports.call(7, on: "/y", behind: [8])], at: 101))
        var shown = top.screen(width: 80, height: 24, at: 101_000_000_000).lines
        let gone = shown.first { $0.text.contains("p[1]") }
        #expect(gone?.text.hasPrefix(" ended") == true)
        #expect(gone?.spans.count { $0.style.isDim || $0.text.isEmpty } == gone?.spans.count)
        top.update(look([Reports.call(7, on: "/y", behind: [8])], at: 105))
        #expect(rows(&top).contains { $0.contains("p[1]") })
        top.update(look([Reports.call(7, on: "/y", behind: [8])], at: 107))
        shown = top.screen(width: 80, height: 24, at: 107_000_000_000).lines
        #expect(shown.count { $0.text.contains("p[1]") } == 0)
    }

    @Test func `Enter opens siblings that are alike and folds trees; the cursor stays where it was`() {
        var top = top(some)
        _ = top.press(.down)
        _ = top.press(.enter)
        #expect(rows(&top).count == 6, "two more")
        _ = top.press(.enter)
        #expect(rows(&top).count == 4)
        _ = top.press(.up)
        _ = top.press(.enter)
        #expect(rows(&top).count == 3)
        #expect(rows(&top)[0] == "▸ h[3] has the lock, sleeping")
        // the same tree, behind another one now
        top.update(look(some + Reports.deadlock(10, 11), at: 101))
        #expect(top.current?.subject == "h[3] has the lock, sleeping")
    }

    @Test func `the line under the cursor is explained`() {
        var top = top(some)
        _ = top.press(.end)
        let text = lines(&top, 100, 40)
        #expect(text.contains { $0.hasPrefix("psql[5], user root") })
        #expect(text.contains { $0.contains("Thread 5 has been blocked for 40.0s in flock on /x (fd 3).") })
        #expect(text.contains { $0.contains("h[6], peer") })
    }

    @Test func `c asks for the functions of the thread under the cursor, and shows them when they come`() throws {
        var top = top(some)
        _ = top.press(.end)
        guard case .stack(let wish)? = top.press(.character("c")) else {
            Issue.record("nobody is asked")
            return
        }
        #expect(wish.tid == 5)
        #expect(lines(&top, 100, 40).contains { $0.hasPrefix("In the program: …") })
        _ = top.press(.home)
        top.told(wish, ["In the program:", "  PQgetResult  libpq.so.5"])
        #expect(lines(&top, 100, 40).count { $0.contains("PQgetResult") } == 0, "of another line")
        _ = top.press(.end)
        let text = lines(&top, 100, 40)
        #expect(text.contains { $0.hasPrefix("psql[5] in flock on /x (fd 3)") })
        #expect(text.contains { $0.hasPrefix("  PQgetResult  libpq.so.5") })
        #expect(top.press(.character("c")) == nil)
        #expect(lines(&top, 100, 40).contains { $0.contains("Thread 5 has been blocked") })
        top.told(wish, ["late"])
        #expect(lines(&top, 100, 40).count { $0.contains("late") } == 0, "nobody asks for it any more")
    }

    @Test func `a filter by words, typed, taken back`() {
        var top = top(some)
        for key in "/PSQL".unicodeScalars { #expect(top.press(.character(key)) == nil) }
        #expect(rows(&top) == ["▾ h[6] has not answered, sleeping", "└─ psql[5] flock on /x (fd 3)"])
        #expect(lines(&top)[23] == " filter: PSQL_")
        _ = top.press(.enter)
        #expect(lines(&top)[2].contains("[/PSQL]"))
        _ = top.press(.escape)
        #expect(rows(&top).count == 4)
        // q is a letter while one types
        for key in "/q".unicodeScalars { #expect(top.press(.character(key)) == nil) }
        #expect(rows(&top).count == 2, "of psql")
        _ = top.press(.escape)
        #expect(top.press(.character("q")) == .quit)
    }

    @Test func `idle calls with a, other orders with s`() {
        var top = top(some + [Reports.call(30, name: "zsh", on: "tty", .awaitingInput, seconds: 90)])
        #expect(rows(&top).count == 4)
        #expect(lines(&top)[1].hasSuffix("1 idle"))
        _ = top.press(.character("a"))
        #expect(rows(&top).count == 6)
        func titles() -> [String] { rows(&top).filter { $0.hasPrefix("▾") } }
        _ = top.press(.character("s"))
        #expect(titles()[0] == "▾ h[3] has the lock, sleeping", "by victims")
        _ = top.press(.character("s"))
        #expect(titles()[0].hasPrefix("▾ idle"), "by age: \(titles())")
        _ = top.press(.character("s"))
        #expect(titles()[0] == "▾ h[3] has the lock, sleeping", "by name: \(titles())")
    }

    @Test func `w writes all rows, g the tree under the cursor`() throws {
        var top = top((0..<100).map { Reports.call(10 + $0, on: "/l\($0)", behind: [500 + $0]) })
        _ = lines(&top)
        #expect(top.press(.character("w")) == .write)
        #expect(top.text(at: 100_000_000_000).count { $0.contains("└─") } == 100)
        #expect(top.press(.character("g")) == .draw)
        let picture = try #require(top.picture())
        #expect(picture.components.count == 1 && picture.nodes.count == 3)
    }

    @Test func `nothing of a name reaches the terminal as a sequence`() {
        let evil = "\u{1b}[2J\u{9b}31m\r\n\u{7}\u{202e}"
        var top = Top(hostName: evil, thresholdNanoseconds: 1)
        top.update(
            look([
                Reports.call(1, name: evil, on: evil, behind: [2]) {
                    $0.finding?.holders[0].name = Array(evil.utf8)
                    $0.call.process.userName = evil
                    $0.finding?.root = .known(Root(kind: .remote, doing: nil, address: evil))
                }
            ]))
        for key in "/\u{9b}".unicodeScalars { _ = top.press(.character(key)) }
        top.say(evil)
        for line in lines(&top, 300, 60) + top.text(at: 0) {
            #expect(
                line.unicodeScalars.count { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) || $0.value == 0x202e }
                    == 0, "\(line)")
        }
    }

    @Test func `a thousand threads are arranged and drawn in little time`() {
        let calls = (0..<1000).map { Reports.call(10 + $0, on: "/l\($0 / 3)", behind: [5000 + $0 / 3]) }
        var top = top(calls)
        let time = ContinuousClock().measure {
            for second in 0..<5 {
                top.update(look(calls, at: 101 + UInt64(second)))
                _ = top.screen(width: 200, height: 50, at: 0)
            }
        }
        #expect(time < .seconds(5), "\(time) for five, unoptimized")
    }
}

@Suite struct `How often top looks` {
    /// A host where a look costs so much, and one that asks everybody again so much more, for ten minutes.
    private func run(look: UInt64, relook: UInt64, screen: UInt64) -> (share: Double, looks: Int, relooks: Int) {
        var pace = LookPace()
        var (now, cpu): (UInt64, UInt64) = (0, 0)
        var (looks, relooks) = (0, 0)
        while now < 600_000_000_000 {
            now = max(now, pace.nextLook)
            let isRelook = now >= pace.nextRelook
            let before = cpu
            cpu += look + (isRelook ? relook : 0)
            pace.looked(
                isRelook: isRelook, start: now, end: now + (cpu - before), cpuBefore: before, cpuAfter: cpu)
            now += cpu - before
            cpu += screen
            looks += 1
            relooks += isRelook ? 1 : 0
        }
        return (Double(cpu) / Double(now), looks, relooks)
    }

    @Test(arguments: [(1, 1, 1), (3, 20, 2), (5, 60, 3), (10, 100, 10), (20, 300, 10)])
    func `all of it stays below 2 % of a core`(look: Int, relook: Int, screen: Int) {
        let (share, looks, relooks) = run(
            look: UInt64(look) * 1_000_000, relook: UInt64(relook) * 1_000_000, screen: UInt64(screen) * 1_000_000)
        #expect(share < 0.018, "\(share)")
        #expect(looks >= 75, "every 8 s at the least")
        #expect(relooks >= 10)
    }

    @Test func `once a second where little is blocked, and at least every 8 s where looks are dear`() {
        #expect(run(look: 1_000_000, relook: 2_000_000, screen: 500_000).looks > 590)
        let dear = run(look: 400_000_000, relook: 4_000_000_000, screen: 50_000_000)
        #expect(dear.looks > 55 && dear.relooks >= 9)
    }
}

@Suite struct `Keys and frames` {
    private func keys(_ parts: String...) -> [Key] {
        var decoder = KeyDecoder()
        return parts.flatMap { decoder.feed(Array($0.utf8)) }
    }

    @Test func `keys of xterm, linux, screen, tmux and vt100`() {
        #expect(keys("\u{1b}[A\u{1b}[B\u{1b}OA\u{1b}OB") == [.up, .down, .up, .down])
        #expect(
            keys("\u{1b}[5~\u{1b}[6~\u{1b}[1~\u{1b}[4~\u{1b}[H\u{1b}OF") == [
                .pageUp, .pageDown, .home, .end, .home, .end,
            ])
        #expect(keys("\u{1b}[1;5C\u{1b}[D") == [.right, .left])
        #expect(keys("\r\nq\u{7f}") == [.enter, .enter, .character("q"), .backspace])
        #expect(keys("\u{1b}[[A\u{1b}[200~ü") == [.character("ü")], "what is no key of ours is none")
    }

    @Test func `a sequence may come in parts, and an escape alone is a key`() {
        #expect(keys("\u{1b}", "[", "A", "x") == [.up, .character("x")])
        var decoder = KeyDecoder()
        #expect(decoder.feed([0xc3]).isEmpty)
        #expect(decoder.feed([0xbc]) == [.character("ü")])
        #expect(decoder.feed([0x1b]).isEmpty && decoder.isWaiting)
        #expect(decoder.giveUp() == [.escape])
        #expect(!decoder.isWaiting)
        #expect(decoder.feed([0x1b, 0x0d]) == [.escape, .enter], "two, one soon after the other")
        // garbage does not pile up
        #expect(decoder.feed([0xff, 0xfe, 0x80, 0x61]) == [.character("a")])
        _ = decoder.feed([0x1b, 0x5b] + [UInt8](repeating: 0x30, count: 100))
        #expect(decoder.feed([0x61]) == [.character("a")])
    }

    private func screen(_ lines: [String], _ width: Int = 10) -> Screen {
        Screen(width: width, height: lines.count, lines: lines.map { Screen.Line($0, Screen.Style(.red, bold: true)) })
    }

    @Test func `only lines that changed are drawn again`() {
        var painter = Painter(usesColor: true, isASCII: false)
        let first = String(decoding: painter.paint(screen(["a", "b"])), as: UTF8.self)
        #expect(first.hasPrefix("\u{1b}[0m\u{1b}[2J\u{1b}[1;1H"))
        #expect(painter.paint(screen(["a", "b"])).isEmpty)
        let second = String(decoding: painter.paint(screen(["a", "c"])), as: UTF8.self)
        #expect(second == "\u{1b}[2;1H\u{1b}[0m\u{1b}[K\u{1b}[1;31mc\u{1b}[0m")
        #expect(String(decoding: painter.paint(screen(["a", "c"], 11)), as: UTF8.self).contains("[2J"), "another size")
        painter.forget()
        #expect(!painter.paint(screen(["a", "c"], 11)).isEmpty)
    }

    @Test func `without colour and without UTF-8`() {
        var plain = Painter(usesColor: false, isASCII: true)
        let text = String(decoding: plain.paint(screen(["├─ ▾ ü…"])), as: UTF8.self)
        #expect(text.hasSuffix("\u{1b}[1m`- - ?~\u{1b}[0m"))
        #expect(!text.contains("31"))
    }
}

@Suite struct `A recording is played` {
    private func line(_ action: Record.Action, _ sequence: UInt64, at seconds: UInt64, _ report: CallReport) -> String {
        var ndjson = NDJSON(RecordOrigin(hostName: "web1", bootID: "boot"))
        var report = report
        report.call.eventID = "000000000000000\(report.call.process.tid)"
        let record = Record(
            action: action, sequence: sequence, wallNanoseconds: (1_700_000_000 + seconds) * 1_000_000_000,
            body: .call(report))
        return String(decoding: ndjson.line(record).dropLast(), as: UTF8.self)
    }

    @Test func `forth and back, ages as of the moment`() {
        var player = RecordingPlayer(filter: Filter())
        player.beginFile("x")
        let call = Reports.call(1, behind: [2], chain: "0123456789abcdef")
        let other = Reports.call(3, on: "/y", behind: [4], chain: "1123456789abcdef")
        for text in [
            line(.blocked, 2, at: 50, other), line(.blocked, 1, at: 10, call), line(.returned, 3, at: 60, call),
            line(.returned, 4, at: 110, other),
        ] { player.add(.whole(Array(text.utf8))) }
        player.begin(at: nil)
        #expect(player.hostName == "web1")
        func shown() -> [Int] { player.look().entries.map(\.thread.tid).sorted() }
        #expect(shown() == [1])
        player.move(to: 1_700_000_055_000_000_000)
        #expect(shown() == [1, 3])
        #expect(player.look().entries.first { $0.thread.tid == 1 }?.report.durationNanoseconds == 55_000_000_000)
        player.move(to: .max)
        #expect(shown() == [])
        player.move(to: player.moved(byHundredths: -50))
        #expect(shown() == [3])
        player.move(to: 0)
        #expect(shown() == [1])
        #expect(player.moved(byHundredths: -2) == player.span.lowerBound)
    }

    @Test func `an empty one`() {
        var player = RecordingPlayer(filter: Filter())
        player.begin(at: 5)
        player.move(to: .max)
        #expect(player.look().entries.isEmpty)
    }
}
