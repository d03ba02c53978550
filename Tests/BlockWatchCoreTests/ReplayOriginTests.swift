import Testing

@testable import BlockWatchCore

@Suite struct `Hosts and runs of a recording` {
    @Test func `a run is known by its id: gaps are counted within it, whatever else fits`() {
        var one = RecordedStream(run: "000000000000000a")
        one.start()
        for thread in 1...4 { one.call(.blocked, thread) }
        // at the same time, and without its beginning and its third record
        var two = RecordedStream(run: "000000000000000b")
        two.start()
        for thread in 1...4 { two.call(.blocked, thread + 10) }
        two.lines.remove(at: 2)
        two.lines.remove(at: 0)
        let mixed = replayed((one.lines + two.lines).shuffled())
        #expect(mixed.runs.count == 2 && mixed.duplicates == 0)
        let runs = mixed.runs.sorted { $0.origin.runID ?? "" < $1.origin.runID ?? "" }
        #expect(runs.map(\.origin.runID) == ["000000000000000a", "000000000000000b"])
        #expect(runs.map(\.gaps.missing) == [0, 1], "what came before the first is told apart")
        #expect(replayed(one.lines + one.lines).duplicates == 5)
    }

    @Test func `hosts that share a name are told apart by their ids, and one whose older records have none is one`() {
        let first = String(repeating: "a", count: 32)
        let second = String(repeating: "b", count: 32)
        var one = RecordedStream(machine: first, run: "000000000000000a")
        one.start()
        one.call(.blocked, 1, behind: 9)
        var two = RecordedStream(boot: "boot2", machine: second, run: "000000000000000b")
        two.start()
        two.call(.blocked, 1, behind: 8)
        let report = ReplayReport(replayed(one.lines, two.lines))
        #expect(report.hosts.map(\.id) == [first, second])
        let lines = report.lines()
        #expect(lines[0].hasPrefix("4 records of 2 hosts"))
        #expect(lines.contains { $0.hasPrefix("web1 (aaaaaaaa) at ") && $0.contains("1 thread blocked") })
        #expect(lines.contains("web1 (bbbbbbbb): p8[8], sleeping"))
        #expect(
            lines.count { $0.hasSuffix("p1[1] flock on /l1 (fd 3)  10.0s  stuck (the lock's holder does not move)") }
                == 2)

        var older = RecordedStream()
        older.start()
        older.call(.blocked, 1, behind: 7)
        var newer = RecordedStream(machine: first, run: "000000000000000a", time: 100)
        newer.start()
        newer.call(.blocked, 1, behind: 9)
        let same = ReplayReport(replayed(older.lines, newer.lines))
        #expect(same.hosts.map(\.id) == [first])
        #expect(same.calls.count == 1, "what was open before has been said again")
        #expect(!same.lines().contains { $0.contains("(aaaa") })
    }
}
