import BlockWatchBPF
import Testing

@testable import BlockWatchCore

@Suite struct `From bytes to records` {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private func pipeline(
        repeating: UInt64? = 10_000_000_000, newOnly: Bool = false, maxRate: UInt64 = 1000, filter: Filter = Filter(),
        rules: [IgnoreRule] = []
    ) -> Pipeline {
        Pipeline(
            Pipeline.Settings(
                thresholdNanoseconds: 5_000_000_000, newOnly: newOnly, repeatNanoseconds: repeating, maxRate: maxRate,
                filter: filter, ignoreRules: rules),
            identifier: tree.identifier(.none), now: 12_000_000_000)
    }

    private func at(_ seconds: UInt64) -> ClockReading {
        ClockReading(
            monotonic: seconds * 1_000_000_000, wall: 1_700_000_000_000_000_000 + seconds * 1_000_000_000,
            boot: seconds * 1_000_000_000)
    }

    private func feed(_ pipeline: inout Pipeline, _ bytes: [UInt8]..., at seconds: UInt64) throws -> [Record] {
        var risky = ListedAnswers()
        pipeline.ingest(try bytes.map(Bytes.record), clock: at(seconds), risky: &risky)
        var source = ListedHolders()
        pipeline.relate(source: &source, risky: &risky, relooks: false, clock: at(seconds))
        return pipeline.takeRecords()
    }

    private func duration(_ record: Record) -> UInt64? {
        if case .call(let report) = record.body { report.durationNanoseconds } else { nil }
    }

    @Test func `of many that are to be said again those come first that have waited longest`() throws {
        var pipeline = pipeline()
        for id in [7, 3, 5] as [UInt64] {
            _ = try feed(&pipeline, Bytes.call { $0.id = id }, at: 15 + id)
        }
        #expect(pipeline.dueRepeats(at: 40_000_000_000, most: 2) == [3, 5])
        #expect(pipeline.dueRepeats(at: 40_000_000_000, most: 2) == [7])
        #expect(pipeline.dueRepeats(at: 40_000_000_000, most: 2) == [])
    }

    @Test func `a call is opened, said again, and closed once`() throws {
        var pipeline = pipeline()
        let opened = try feed(&pipeline, Bytes.call(), at: 15)
        #expect(opened.map(\.action) == [.blocked])
        #expect(duration(opened[0]) == 5_000_000_000)
        #expect(pipeline.dueRepeats(at: 24_000_000_000) == [])
        #expect(pipeline.dueRepeats(at: 25_000_000_000) == [99])
        #expect(pipeline.dueRepeats(at: 25_000_000_000) == [], "doubled from now on")
        let again = try feed(
            &pipeline,
            Bytes.call {
                $0.type = BW_RECORD_REFRESH.rawValue
                $0.now_ns = 25_000_000_000
            }, at: 25)
        #expect(again.map(\.action) == [.stillBlocked])
        #expect(pipeline.dueRepeats(at: 44_000_000_000) == [])
        #expect(pipeline.dueRepeats(at: 45_000_000_000) == [99])
        let closed = try feed(&pipeline, Bytes.close(99, BW_CLOSE_RETURNED, at: 50_000_000_000, result: -110), at: 50)
        #expect(closed.map(\.action) == [.returned])
        #expect(duration(closed[0]) == 40_000_000_000)
        #expect(try feed(&pipeline, Bytes.close(99, BW_CLOSE_RETURNED, at: 51_000_000_000), at: 51).isEmpty)
        #expect(pipeline.totals.blocked == 1)
        #expect(pipeline.totals.returned == 1)
        #expect(opened[0].sequence == 1 && again[0].sequence == 2 && closed[0].sequence == 3)
    }

    /// clock_nanosleep of 5 s, read as none at all: the memory behind its argument is used again once it is over.
    @Test(arguments: [true, false])
    func `a time-out in memory is believed only of a call that is still the same`(isSame: Bool) throws {
        var pipeline = pipeline()
        let bytes = Bytes.call {
            $0.number = 230
            $0.args.2 = 4096
        }
        var risky = ListedAnswers()
        risky.answers[.memory(pid: 7, address: 4096, length: 16)] = .bytes([UInt8](repeating: 0, count: 16))
        pipeline.ingest([try Bytes.record(bytes)], clock: at(15), risky: &risky)
        var source = ListedHolders()
        let now = Bytes.call {
            $0.type = BW_RECORD_VIEW.rawValue
            $0.number = 230
            $0.id = isSame ? 99 : 100
        }
        source.views[.thread(8)] = [try Bytes.callRecord(now)]
        pipeline.relate(source: &source, risky: &risky, relooks: false, clock: at(15))
        let reports = pipeline.takeRecords().compactMap {
            if case .call(let report) = $0.body { report } else { nil }
        }
        #expect(reports.map { $0.call.call?.timeout.value } == [isSame ? 0 : nil])
        #expect(pipeline.count(of: .stuck) == (isSame ? 1 : 0))
        #expect(pipeline.count(of: .idle) == (isSame ? 0 : 1))
    }

    @Test func `event.start is as at first, whatever happens to the wall clock`() throws {
        var pipeline = pipeline()
        let opened = try feed(&pipeline, Bytes.call(), at: 15)
        let again = Bytes.call {
            $0.type = BW_RECORD_REFRESH.rawValue
            $0.now_ns = 25_000_000_000
        }
        var risky = ListedAnswers()
        var source = ListedHolders()
        var clock = at(25)
        clock.wall -= 86_400_000_000_000
        _ = pipeline.dueRepeats(at: 25_000_000_000)
        pipeline.ingest([try Bytes.record(again)], clock: clock, risky: &risky)
        pipeline.relate(source: &source, risky: &risky, relooks: false, clock: clock)
        let said = opened + pipeline.takeRecords()
        #expect(said.map(\.action) == [.blocked, .stillBlocked])
        let starts = said.compactMap {
            if case .call(let report) = $0.body { report.startWallNanoseconds } else { nil }
        }
        #expect(starts == [1_700_000_010_000_000_000, 1_700_000_010_000_000_000])
    }

    @Test func `a closing that overtakes its opening waits for it`() throws {
        var pipeline = pipeline()
        #expect(try feed(&pipeline, Bytes.close(99, BW_CLOSE_RETURNED, at: 16_000_000_000), at: 16).isEmpty)
        // over before it could be said
        #expect(try feed(&pipeline, Bytes.call(), at: 16).map(\.action) == [.slow])
        // but not for ever: an id may come again
        #expect(try feed(&pipeline, Bytes.close(98, BW_CLOSE_RETURNED, at: 16_000_000_000), at: 16).isEmpty)
        pipeline.endOfScan(at: 60_000_000_000)
        #expect(try feed(&pipeline, Bytes.call { $0.id = 98 }, at: 60).map(\.action) == [.blocked])
    }

    @Test func `the repeat doubles up to an hour`() throws {
        var pipeline = pipeline(repeating: 1_800_000_000_000)
        _ = try feed(&pipeline, Bytes.call(), at: 15)
        var now: UInt64 = 15_000_000_000
        var gaps: [UInt64] = []
        for _ in 0..<4 {
            let next = try #require(pipeline.nextRepeat)
            gaps.append((next - now) / 1_000_000_000)
            now = next
            _ = pipeline.dueRepeats(at: now)
        }
        #expect(gaps == [1800, 3600, 3600, 3600])
    }

    @Test func `death and unseen ends`() throws {
        var pipeline = pipeline()
        _ = try feed(&pipeline, Bytes.call(), Bytes.call { $0.id = 100 }, at: 15)
        let ends = try feed(
            &pipeline, Bytes.close(99, BW_CLOSE_ENDED, at: 16_000_000_000),
            Bytes.close(100, BW_CLOSE_UNSEEN, at: 16_000_000_000, result: 5),
            at: 16)
        #expect(ends.map(\.action) == [.ended, .returned])
        guard case .call(let report) = ends[1].body else { throw Bytes.Unexpected() }
        #expect(report.result == nil, "nobody saw it")
    }

    @Test func `a slow call is one record`() throws {
        var pipeline = pipeline()
        let records = try feed(
            &pipeline,
            Bytes.call {
                $0.type = BW_RECORD_SLOW.rawValue
                $0.result = -4
            }, at: 15)
        #expect(records.map(\.action) == [.slow])
        #expect(pipeline.openCount == 0)
    }

    @Test func `what is hidden has no end either, and is counted by reason`() throws {
        var pipeline = pipeline(filter: Filter(include: [.comm: ["dog"]]))
        #expect(
            try feed(&pipeline, Bytes.call(), Bytes.close(99, BW_CLOSE_RETURNED, at: 16_000_000_000), at: 16).isEmpty)
        #expect(pipeline.totals.hidden == ["filter": 1])
    }

    @Test func `--new-only hides what began before, and nothing else`() throws {
        var pipeline = pipeline(newOnly: true)
        #expect(try feed(&pipeline, Bytes.call { $0.flags = UInt32(BW_CALL_OLD) }, at: 15).isEmpty)
        let parked = Bytes.call {
            $0.flags = UInt32(BW_CALL_OLD)
            $0.start_ns = 13_000_000_000
            $0.now_ns = 20_000_000_000
            $0.id = 5
        }
        #expect(try feed(&pipeline, parked, at: 20).map(\.action) == [.blocked])
    }

    @Test func `an ignored call is said when its rule's time is over`() throws {
        var pipeline = pipeline(rules: [try IgnoreRule(name: "cats", text: "comm=cat max=20s")])
        #expect(try feed(&pipeline, Bytes.call(), at: 15).isEmpty)
        #expect(pipeline.totals.hidden == ["ignore.cats": 1])
        let later = Bytes.call {
            $0.type = BW_RECORD_REFRESH.rawValue
            $0.now_ns = 40_000_000_000
        }
        #expect(try feed(&pipeline, later, at: 40).map(\.action) == [.blocked])
        #expect(
            try feed(&pipeline, Bytes.close(99, BW_CLOSE_ENDED, at: 41_000_000_000), at: 41).map(\.action) == [.ended])
    }

    @Test func `the rate holds back new records, never the end of a written one`() throws {
        var pipeline = pipeline(maxRate: 2)
        let calls = (1...5).map { id in Bytes.call { $0.id = UInt64(id) } }
        var risky = ListedAnswers()
        pipeline.ingest(try calls.map(Bytes.record), clock: at(15), risky: &risky)
        var source = ListedHolders()
        pipeline.relate(source: &source, risky: &risky, relooks: false, clock: at(15))
        #expect(pipeline.takeRecords().map(\.action) == [.blocked, .blocked])
        #expect(pipeline.totals.hidden == ["max_rate": 3])
        let ends = (1...5).map { Bytes.close(UInt64($0), BW_CLOSE_RETURNED, at: 15_500_000_000) }
        pipeline.ingest(try ends.map(Bytes.record), clock: at(15), risky: &risky)
        #expect(pipeline.takeRecords().map(\.action) == [.returned, .returned])
    }

    @Test func `a line that was dropped is not closed`() throws {
        var pipeline = pipeline()
        let opened = try feed(&pipeline, Bytes.call(), at: 15)
        pipeline.wasDropped(opened[0])
        #expect(try feed(&pipeline, Bytes.close(99, BW_CLOSE_ENDED, at: 16_000_000_000), at: 16).isEmpty)
        #expect(pipeline.totals.blocked == 0)
        #expect(pipeline.callCounts.byReason.values.allSatisfy { $0 == 0 })
        #expect(pipeline.callCounts.byService.values.allSatisfy { $0 == 0 })
    }

    @Test func `a call that a rule ignores is counted in no gauge that an alert looks at`() throws {
        var plain = pipeline()
        _ = try feed(&plain, Bytes.call(), at: 15)
        let reason = try #require(plain.open(at: 15_000_000_000).byReason.first?.key)
        var pipeline = pipeline(rules: [try IgnoreRule(name: "known", text: "reason=\(reason.rawValue)")])
        #expect(try feed(&pipeline, Bytes.call(), at: 15).isEmpty)
        let open = pipeline.open(at: 15_000_000_000)
        #expect(open.count == 1)
        #expect(open.byReason.isEmpty && open.oldest.isEmpty && open.byService.isEmpty)
        #expect(pipeline.totals.hidden == ["ignore.known": 1])
    }

    @Test func `open calls are counted by what the last look found, with the oldest's age, and each call once`() throws
    {
        var pipeline = pipeline()
        let opened = try feed(&pipeline, Bytes.call(), at: 15)
        guard case .call(let report) = opened[0].body, let reason = report.finding?.reason else {
            throw Bytes.Unexpected()
        }
        let open = pipeline.open(at: 20_000_000_000)
        #expect(open.count == 1)
        #expect(open.byReason == [reason: 1])
        #expect(open.oldest == [reason.verdict: 20_000_000_000 - report.call.startNanoseconds])
        #expect(open.byService == ["none": [reason.verdict: 1]])
        #expect(pipeline.callCounts.byReason == [reason: 1])
        _ = try feed(&pipeline, Bytes.close(99, BW_CLOSE_ENDED, at: 21_000_000_000), at: 21)
        #expect(pipeline.open(at: 22_000_000_000) == OpenCalls())
        #expect(pipeline.callCounts.byReason == [reason: 1], "a counter never goes back")
    }

    @Test func `process.* stays as at first, what it waits for does not`() throws {
        var pipeline = pipeline()
        _ = try feed(&pipeline, Bytes.call(), at: 15)
        let again = try feed(
            &pipeline,
            Bytes.call {
                $0.type = BW_RECORD_REFRESH.rawValue
                $0.now_ns = 20_000_000_000
                $0.tgid = 70
                $0.state = 4
                $0.flags = UInt32(BW_CALL_FD_CLOSED)
            }, at: 20)
        guard case .call(let report) = again[0].body else { throw Bytes.Unexpected() }
        #expect(report.call.process.pid == 7)
        #expect(report.call.process.state == "T")
        #expect(report.call.unresolved.contains("resource.fd=closed"))
    }

    @Test func `the same bytes give the same lines`() throws {
        func lines() throws -> [[UInt8]] {
            var pipeline = pipeline()
            var format = NDJSON(RecordOrigin(hostName: "h", bootID: "b"))
            return try feed(&pipeline, Bytes.call(), Bytes.close(99, BW_CLOSE_RETURNED, at: 16_000_000_000), at: 16).map
            { format.line($0) }
        }
        #expect(try lines() == lines())
    }
}

@Suite struct `When to scan` {
    @Test func `every half threshold, 250 ms at the least`() {
        #expect(ScanSchedule(threshold: 5_000_000_000, tick: 4_000_000, now: 0).period == 2_500_000_000)
        #expect(ScanSchedule(threshold: 1_000_000, tick: 4_000_000, now: 0).period == 250_000_000)
    }

    @Test func `at the moment a call crosses, and not sooner than the least gap`() {
        var schedule = ScanSchedule(threshold: 5_000_000_000, tick: 4_000_000, now: 0)
        #expect(schedule.isDue(at: 0))
        schedule.finished(start: 0, end: 1000, cost: 1000, crossing: 1_000_000_000)
        #expect(schedule.next == 1_009_000_000)
        schedule.finished(start: 0, end: 1000, cost: 1000, crossing: 1)
        #expect(schedule.next == schedule.leastGap)
        schedule.finished(start: 0, end: 1000, cost: 1000, crossing: 0)
        #expect(schedule.next == 2_500_000_000)
        schedule.finished(start: 0, end: 1000, cost: 1000, crossing: 9_000_000_000)
        #expect(schedule.next == 2_500_000_000)
    }

    @Test func `a thread whose call is about to cross has a timer of its own`() {
        var schedule = ScanSchedule(threshold: 5_000_000_000, tick: 4_000_000, now: 0)
        schedule.finished(
            start: 0, end: 1000, cost: 1000, crossing: 1_000_000_000,
            crossings: [(2_000_000_000, 72), (1_000_000_000, 71), (1_000_500_000, 73), (3_000_000_000, 74)])
        #expect(schedule.nextScan == 2_500_000_000, "the scan keeps its time")
        #expect(schedule.next == 1_009_000_000)
        #expect(schedule.dueThreads(at: 1_008_999_999) == [])
        #expect(schedule.dueThreads(at: 1_010_000_000) == [71, 73])
        #expect(schedule.dueThreads(at: 2_009_000_000) == [72])
        #expect(schedule.next == 2_500_000_000, "what crosses after the scan is the scan's")
        #expect(schedule.dueThreads(at: 2_500_000_000) == [])
        #expect(schedule.horizon(at: 0) >= 2_500_000_000)
    }

    @Test func `never more than one part in a hundred of a core, but for a few long ones`() {
        var schedule = ScanSchedule(threshold: 1_000_000_000, tick: 4_000_000, now: 0)
        for _ in 0..<3 { schedule.finished(start: 0, end: 50_000_000, cost: 50_000_000, crossing: 0) }
        #expect(!schedule.isWidened)
        for _ in 0..<4 { schedule.finished(start: 0, end: 90_000_000, cost: 20_000_000, crossing: 1) }
        #expect(schedule.isWidened)
        #expect(schedule.next == 2_000_000_000)
    }
}
