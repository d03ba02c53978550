import Testing

@testable import BlockWatchCore

/// A threshold of 5 s, scans every 2.5 s.
@Suite struct `The watch for ends` {
    private static let second: UInt64 = 1_000_000_000
    private static let period: UInt64 = 2_500_000_000

    /// When a thread is looked at whose call began at 0.
    private func looks(until seconds: UInt64, cost: UInt64 = 0) -> [UInt64] {
        var watch = EndingWatch(threshold: 5 * Self.second, now: 0)
        watch.resume(at: 5 * Self.second)
        var looks: [UInt64] = []
        while watch.next <= seconds * Self.second {
            let now = watch.next
            guard watch.isDue(at: now) else { continue }
            let due = watch.threads(of: [(0, 7)], at: now, period: Self.period)
            if due == [7] { looks.append(now) }
            watch.spend(cost)
        }
        return looks
    }

    @Test func `a call that was just written is looked at five times a second`() {
        let looks = looks(until: 8)
        #expect((14...15).contains(looks.count))
        #expect(looks.first == 5_200_000_000)
        #expect(zip(looks, looks.dropFirst()).allSatisfy { $1 - $0 <= 250_000_000 })
    }

    @Test func `the older it is the less often, and then by scans alone`() {
        let looks = looks(until: 1_000)
        let gaps = zip(looks, looks.dropFirst()).map { (at: $0, gap: $1 - $0) }
        for (at, gap) in gaps {
            #expect(gap <= max((at - 5 * Self.second) / 16, 200_000_000) + 25_000_000, "\(at) \(gap)")
        }
        #expect(looks.last! < 57 * Self.second && looks.last! > 50 * Self.second)
        #expect(looks.count < 120)
    }

    @Test func `it takes five thousandths of a core at the most`() {
        let free = looks(until: 40).count
        #expect(looks(until: 40, cost: 20_000_000).count < free / 3)
    }

    @Test func `with nothing written nobody wakes up`() {
        var watch = EndingWatch(threshold: Self.second, now: 0)
        #expect(watch.next == .max)
        watch.resume(at: Self.second)
        #expect(watch.next == 1_200_000_000)
        let early = watch.isDue(at: 1_100_000_000), inTime = watch.isDue(at: 1_200_000_000)
        #expect(!early && inTime)
        let due = watch.threads(of: [], at: 1_200_000_000, period: Self.period)
        #expect(due.isEmpty)
        #expect(watch.next == .max)
        watch.resume(at: 2 * Self.second)
        watch.suspend()
        #expect(watch.next == .max)
    }
}
