import Testing

@testable import BlockWatchCore

@Suite struct `An allowance of processor time` {
    private static let second: UInt64 = 1_000_000_000

    @Test func `what is rare never waits`() {
        var allowance = Allowance(onePartIn: 100, most: 600_000_000, now: 0)
        for second in 1...1_000 {
            allowance.advance(to: UInt64(second) * Self.second)
            #expect(allowance.isOpen)
            allowance.spend(10_000_000)
        }
    }

    @Test func `what is frequent gets its share and no more`() {
        var allowance = Allowance(onePartIn: 100, most: 600_000_000, now: 0)
        var spent: UInt64 = 0
        // whenever it may, 20 ms each
        for tick in 0..<100_000 {
            allowance.advance(to: UInt64(tick) * 10_000_000)
            guard allowance.isOpen else { continue }
            allowance.spend(20_000_000)
            spent += 20_000_000
        }
        // one part in a hundred of a thousand seconds, and what was there before
        #expect((10_000_000_000...10_320_000_001).contains(spent), "\(spent)")
    }

    @Test func `no more is saved than the most, and no debt is deeper`() {
        var allowance = Allowance(onePartIn: 100, most: 100_000_000, now: 0)
        allowance.advance(to: 10_000 * Self.second)
        allowance.spend(.max)
        allowance.advance(to: 10_010 * Self.second)
        #expect(!allowance.isOpen)
        allowance.advance(to: 10_010 * Self.second + 1_000)
        #expect(allowance.isOpen)
        allowance.spend(100_000_000)
        #expect(!allowance.isOpen)
    }

    @Test func `a clock that goes back gives nothing`() {
        var allowance = Allowance(onePartIn: 100, most: 2, now: Self.second)
        allowance.spend(1)
        allowance.advance(to: 0)
        #expect(!allowance.isOpen)
        allowance.advance(to: Self.second + 200)
        #expect(allowance.isOpen)
        allowance.advance(to: .max)
        allowance.spend(1)
        #expect(allowance.isOpen)
    }
}
