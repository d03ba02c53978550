/// When to look at all threads again.
///
/// Every half threshold anyway, and at the moment a call known from the last scan crosses the threshold; but never
/// so often that looking takes more than one part in a hundred of a core.
public struct ScanSchedule: Sendable, Equatable {
    /// Nanoseconds.
    public let period: UInt64
    /// The least time between two scans.
    public let leastGap: UInt64
    /// A stamp is up to two ticks late: a call is surely past the threshold only then.
    private let margin: UInt64

    public private(set) var lastDuration: UInt64 = 0
    /// CPU time of the last scans. One that has much to report takes long once; what counts is what most of them take.
    private var recentCosts = [UInt64](repeating: 0, count: 7)
    public private(set) var next: UInt64

    /// - Parameter now: CLOCK_MONOTONIC; the first scan is due at once.
    public init(threshold: UInt64, tick: UInt64, now: UInt64) {
        period = max(threshold / 2, 250_000_000)
        leastGap = min(max(threshold / 20, 50_000_000), 500_000_000)
        margin = 2 * tick + 1_000_000
        next = now
    }

    public func isDue(at now: UInt64) -> Bool { now >= next }

    /// How long the last scan was overdue at `now`.
    public func lateness(at now: UInt64) -> UInt64 { now > next ? now - next : 0 }

    /// The share of one core is kept: true if that makes the period longer than it should be.
    public var isWidened: Bool { budgetGap > period }

    private var budgetGap: UInt64 {
        recentCosts.sorted()[recentCosts.count / 2].multipliedReportingOverflow(by: 100).partialValue
    }

    /// - Parameters:
    ///   - cost: CPU time of the scan: waiting for a core, on a busy host, costs nobody anything.
    ///   - crossing: when the next known call crosses the threshold; 0 for none.
    public mutating func finished(start: UInt64, end: UInt64, cost: UInt64, crossing: UInt64) {
        lastDuration = end - min(start, end)
        recentCosts = [cost] + recentCosts.dropLast()
        let gap = max(leastGap, budgetGap)
        let wanted = crossing == 0 ? start + period : min(start + period, crossing &+ margin)
        next = max(wanted, start + gap)
    }

    /// Looks again soon, without having looked.
    public mutating func postpone(from now: UInt64) { next = now + leastGap }
}
