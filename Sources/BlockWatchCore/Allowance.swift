/// Processor time that may be spent on something: a share of all time, saved up to a limit, so that what is rare need not
/// wait, and what is frequent is paid for in the end.
public struct Allowance: Sendable, Equatable {
    /// One part in so many of the time that passes.
    private let part: UInt64
    /// Nanoseconds, the most that is saved.
    private let most: Int64
    private var saved: Int64
    private var at: UInt64

    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds; half of the most is there.
    public init(onePartIn part: UInt64, most: UInt64, now: UInt64) {
        self.part = max(part, 1)
        self.most = Int64(clamping: most)
        saved = self.most / 2
        at = now
    }

    /// Whether there is some left.
    public var isOpen: Bool { saved > 0 }

    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds.
    public mutating func advance(to now: UInt64) {
        let passed = Int64(clamping: (now - min(at, now)) / part)
        // what was less than one part counts the next time
        guard passed > 0 else { return }
        at = now
        let sum = saved.addingReportingOverflow(passed)
        saved = sum.overflow ? most : min(sum.partialValue, most)
    }

    public mutating func spend(_ nanoseconds: UInt64) {
        // a debt is forgotten in time
        saved = max(saved - Int64(clamping: min(nanoseconds, 1 << 40)), -most)
    }
}
