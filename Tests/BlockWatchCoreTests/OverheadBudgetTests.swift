import Testing

@testable import BlockWatchCore

/// Two processors and calls of 50 ns: one percent are 400,000 calls a second.
@Suite struct `The budget of the probes` {
    private static let second: UInt64 = 1_000_000_000

    /// A host whose rate of system calls is a function of time, and what the budget makes of it.
    private struct World {
        var budget: OverheadBudget
        let rate: (Double) -> Double
        var now: UInt64 = 0
        var calls: Double = 0
        var isCounting = false
        var log: [(at: Double, isTraced: Bool)] = []
        var looks = 0

        init(limit: Double? = 0.01, rate: @escaping (Double) -> Double) {
            budget = OverheadBudget(limit: limit, callNanoseconds: 50, processors: 2, calls: 0, now: 0)
            self.rate = rate
        }

        /// Steps from one moment that matters to the next; somebody counts while the probes or the counter are in.
        mutating func run(seconds: Double) {
            let end = UInt64(seconds * 1e9)
            while budget.next <= end {
                let next = max(budget.next, now)
                if budget.isTraced || isCounting { calls += rate(Double(now) / 1e9) * Double(next - now) / 1e9 }
                now = next
                switch budget.advance(calls: UInt64(calls), at: now) {
                case .nothing: break
                case .beginCounting:
                    isCounting = true
                    looks += 1
                case .endCounting: isCounting = false
                case .takeOut: change(to: false)
                case .putIn: change(to: true)
                }
            }
        }

        private mutating func change(to isTraced: Bool) {
            isCounting = false
            budget.changed(to: isTraced, calls: UInt64(calls), at: now)
            log.append((Double(now) / 1e9, isTraced))
        }
    }

    @Test func `below it they stay in, and the share is known`() {
        var world = World { _ in 300_000 }
        world.run(seconds: 60)
        #expect(world.log.isEmpty)
        #expect(world.budget.overhead.rate == 300_000)
        #expect(world.budget.overhead.share == 7_500)
        #expect(world.looks == 0)
    }

    @Test func `above it they are out within two seconds, and in again within two of its end`() {
        var world = World { (10..<40).contains($0) ? 2_000_000 : 1_000 }
        world.run(seconds: 60)
        #expect(world.log.map(\.isTraced) == [false, true])
        #expect((10...12).contains(world.log[0].at))
        #expect((40...42).contains(world.log[1].at))
        #expect(world.budget.overhead.changes == 2)
    }

    @Test(arguments: [(5_000_000.0, 0.21), (1_600_000, 0.41), (500_000, 1.01)])
    func `the more they cost, the sooner they are out`(rate: Double, seconds: Double) {
        var world = World { $0 >= 10 ? rate : 1_000 }
        world.run(seconds: 20)
        #expect(world.log.map(\.isTraced) == [false])
        #expect((10...10 + seconds).contains(world.log[0].at), "\(world.log)")
    }

    @Test func `after a long sleep of blockwatch itself the rate counts, not the sum`() {
        var budget = OverheadBudget(limit: 0.01, callNanoseconds: 50, processors: 2, calls: 0, now: 0)
        #expect(budget.advance(calls: 30 * 300_000, at: 30 * Self.second) == .nothing)
        #expect(budget.overhead.rate == 300_000)
        #expect(budget.advance(calls: 30 * 300_000 + 20_000_000, at: 31 * Self.second) == .takeOut)
    }

    @Test func `between half of it and all of it they stay where they are`() {
        var world = World { (10..<20).contains($0) ? 2_000_000 : 300_000 }
        world.run(seconds: 120)
        #expect(world.log.map(\.isTraced) == [false])
        #expect(world.budget.overhead.share == 7_500)
    }

    @Test func `a load that comes and goes makes the pauses grow`() {
        // two seconds on, two off
        var world = World { Int($0) % 4 < 2 ? 2_000_000 : 1_000 }
        world.run(seconds: 400)
        let outs = world.log.filter { !$0.isTraced }.count
        #expect((5...12).contains(outs), "\(world.log)")
        let gaps = zip(world.log, world.log.dropFirst()).filter { !$0.0.isTraced }.map { $1.at - $0.at }
        #expect(gaps.first! < 4)
        #expect(gaps.last! > 60)
    }

    @Test func `looks take a hundredth of the time at the most`() {
        var world = World { _ in 2_000_000 }
        world.run(seconds: 100)
        #expect(!world.budget.isTraced)
        #expect(Double(world.looks) * 0.01 <= 0.02 * 100)
        #expect(world.budget.overhead.share == 50_000)
    }

    @Test func `without a limit nothing is taken out`() {
        var world = World(limit: nil) { _ in 50_000_000 }
        world.run(seconds: 10)
        #expect(world.log.isEmpty)
        #expect(world.budget.overhead.limit == nil)
        #expect(world.budget.overhead.share == 1_250_000)
    }

    @Test func `what could not be put in is tried again, later each time`() {
        var budget = OverheadBudget(limit: 0.01, callNanoseconds: 50, processors: 2, calls: 0, now: 0)
        budget.changed(to: false, calls: 0, at: 0)
        budget.switchFailed(at: Self.second)
        #expect(budget.next == 3 * Self.second)
        budget.switchFailed(at: 3 * Self.second)
        #expect(budget.next == 7 * Self.second)
        #expect(!budget.isTraced)
    }

    @Test func `shares are told as percent`() {
        let told = [
            0: "0%", 1: "0%", 50: "0.005%", 1_230: "0.123%", 9_999: "1%", 10_000: "1%", 34_210: "3.4%",
            1_000_000: "100%",
        ]
        for (millionths, text) in told { #expect(Overhead.percent(millionths: UInt64(millionths)) == text) }
    }

    @Test func `a change is a record with its figures`() {
        var ndjson = NDJSON(RecordOrigin(hostName: "h", bootID: "b"))
        let overhead = Overhead(
            isTraced: false, rate: 812_000, callNanoseconds: 84, share: 34_104, limit: 10_000, changes: 3)
        let record = Record(action: .engine, sequence: 9, wallNanoseconds: 0, body: .engine(overhead))
        let line = String(decoding: ndjson.line(record), as: UTF8.self)
        #expect(
            line.contains(
                #""blockwatch":{"engine":"scan","overhead":{"share":0.034104,"limit":0.010000,"rate":812000,"call":84,"changes":3}}"#
            ), "\(line)")
        #expect(
            line.contains(
                "taken out, scans go on alone: of 812000 calls a second they would take 3.4% of all processor time, 1% is the most"
            ), "\(line)")
    }

    @Test func `the file for Prometheus has the engine and its price`() {
        let overhead = Overhead(isTraced: false, rate: 7, callNanoseconds: 84, share: 123, limit: nil, changes: 3)
        var reading = MetricsReading(usage: OwnUsage(cpuNanoseconds: 0, residentBytes: 0))
        reading.overhead = overhead
        let text = MetricsText.text(reading)
        for row in [
            #"blockwatch_engine{engine="trace"} 0"#, #"blockwatch_engine{engine="scan"} 1"#,
            "blockwatch_overhead_ratio 0.000123", "blockwatch_engine_changes_total 3",
            "blockwatch_system_call_overhead_seconds 0.000000084", "blockwatch_system_calls_per_second 7",
        ] { #expect(text.contains(row + "\n"), "\(row)") }
    }

    @Test func `while they are out a call that crosses is looked at before and after`() {
        var schedule = ScanSchedule(threshold: 1_000_000_000, tick: 4_000_000, now: 0)
        let crossing = (at: UInt64(200_000_000), thread: UInt32(7))
        schedule.finished(start: 0, end: 1, cost: 0, crossing: crossing.at, crossings: [crossing])
        #expect(schedule.next == 209_000_000)
        schedule.setTraced(false)
        schedule.finished(start: 0, end: 1, cost: 0, crossing: crossing.at, crossings: [crossing])
        #expect(schedule.next == 191_000_000)
        #expect(schedule.dueThreads(at: 191_000_000) == [7])
        #expect(schedule.next == 209_000_000)
        #expect(schedule.dueThreads(at: 209_000_000) == [7])
    }

    @Test func `while they are out a low threshold is looked at twice within it`() {
        var schedule = ScanSchedule(threshold: 200_000_000, tick: 4_000_000, now: 0)
        #expect(schedule.period == 250_000_000)
        schedule.setTraced(false)
        #expect(schedule.period == 100_000_000)
        schedule.setTraced(true)
        #expect(schedule.period == 250_000_000)
    }
}
