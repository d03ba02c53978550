/// When `top` looks, so that all it does takes no more than a share of one core.
///
/// A look finds what is new and what is over. One that asks again what all the others wait for costs many times as much where
/// many are blocked, and comes as much more rarely.
public struct LookPace: Sendable {
    /// Both kinds of look take an equal part: an eightieth of a core together.
    private static let partOfCore: UInt64 = 160
    private static let shortest: UInt64 = 1_000_000_000
    /// However busy the host is.
    private static let longest: UInt64 = 8_000_000_000
    private static let longestRelook: UInt64 = 60_000_000_000

    /// CLOCK_MONOTONIC.
    public private(set) var nextLook: UInt64 = 0
    public private(set) var nextRelook: UInt64 = 0
    /// What looks cost of late, and what the screen costs from one to the next, nanoseconds of processor time.
    private var lookCost: UInt64 = 0
    private var screenCost: UInt64 = 0
    private var lastCPU: UInt64?

    public init() {}

    /// - Parameters:
    ///   - start: of the look, CLOCK_MONOTONIC.
    ///   - cpuBefore: what the process had used when it began, nanoseconds.
    ///   - cpuAfter: and when it was over.
    public mutating func looked(isRelook: Bool, start: UInt64, end: UInt64, cpuBefore: UInt64, cpuAfter: UInt64) {
        let cost = cpuAfter - min(cpuBefore, cpuAfter)
        if let lastCPU { Self.learn(&screenCost, cpuBefore - min(lastCPU, cpuBefore)) }
        lastCPU = cpuAfter
        if isRelook {
            let extra = cost - min(lookCost, cost)
            nextRelook = start + min(max(extra * Self.partOfCore, Self.shortest), Self.longestRelook)
            // nothing is known yet: as if it were the half of it
            if lookCost == 0 { lookCost = cost / 2 }
        } else {
            Self.learn(&lookCost, cost)
        }
        nextLook = end + min(max((lookCost + screenCost) * Self.partOfCore, Self.shortest), Self.longest)
    }

    /// A single one may have met with something that comes once.
    private static func learn(_ known: inout UInt64, _ new: UInt64) {
        known = known == 0 ? new : known - known / 4 + new / 4
    }
}
