/// When to look at threads whose calls are written, while no program sees calls end: soon after they were written, and the
/// less often the older they are.
///
/// Of most hangs the end comes soon or not for long: what has been written for `n` seconds is looked at every `n / 32` to
/// `n / 16`, 200 ms at the least, until scans of all threads are as often as that.
public struct EndingWatch: Sendable, Equatable {
    private let threshold: UInt64
    /// Five parts in a thousand of a core.
    private var allowance: Allowance
    /// CLOCK_MONOTONIC, nanoseconds; `UInt64.max` where there is nothing to be looked at.
    public private(set) var next = UInt64.max
    private var last: UInt64 = 0

    public static let interval: UInt64 = 200_000_000
    static let part: UInt64 = 16

    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds.
    public init(threshold: UInt64, now: UInt64) {
        self.threshold = threshold
        allowance = Allowance(onePartIn: 200, most: 100_000_000, now: now)
    }

    /// Calls may have been written.
    public mutating func resume(at now: UInt64) {
        guard next == .max else { return }
        last = now
        next = now.saturatingAdd(Self.interval)
    }

    /// Calls are seen to end.
    public mutating func suspend() { next = .max }

    /// Whether it is time, and there is time, to look.
    public mutating func isDue(at now: UInt64) -> Bool {
        guard now >= next else { return false }
        allowance.advance(to: now)
        if allowance.isOpen { return true }
        next = now.saturatingAdd(Self.interval)
        return false
    }

    /// To be called when it is due.
    ///
    /// - Parameters:
    ///   - starts: of all written calls, CLOCK_MONOTONIC, nanoseconds, with their threads.
    ///   - period: from one scan of all threads to the next.
    /// - Returns: the threads to be looked at now.
    public mutating func threads(
        of starts: some Sequence<(start: UInt64, thread: UInt32)>, at now: UInt64, period: UInt64
    ) -> [UInt32] {
        var due: [UInt32] = []
        next = .max
        for (start, thread) in starts {
            let written = start.saturatingAdd(threshold)
            let longest = (now - min(written, now)) / Self.part
            var interval = Self.interval
            while interval < period, interval * 2 <= longest { interval *= 2 }
            guard interval < period else { continue }
            next = now.saturatingAdd(Self.interval)
            // at each multiple of it
            if now / interval != last / interval { due.append(thread) }
        }
        last = now
        return due
    }

    /// - Parameter nanoseconds: of processor time, for what was due.
    public mutating func spend(_ nanoseconds: UInt64) { allowance.spend(nanoseconds) }
}
