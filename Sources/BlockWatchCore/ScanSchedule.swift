/// When to look at which threads.
///
/// At all of them every half threshold, and at a thread whose call was seen to cross the threshold before the next time
/// at that moment; but never so often that looking takes more than one part in a hundred of a core.
public struct ScanSchedule: Sendable, Equatable {
    private let threshold: UInt64
    /// The probes are in, or were never asked for.
    private var isTraced = true
    /// Nanoseconds.
    public private(set) var period: UInt64
    /// The least time between two scans.
    public let leastGap: UInt64
    /// A stamp is up to two ticks late: a call is surely past the threshold only then.
    private let margin: UInt64

    public private(set) var lastDuration: UInt64 = 0
    /// CPU time of the last scans. One that has much to report takes long once; what counts is what most of them take.
    private var recentCosts = [UInt64](repeating: 0, count: 7)
    public private(set) var nextScan: UInt64
    private var scanCount: UInt64 = 0

    /// A thread to be looked at alone.
    private struct Timer: Sendable, Equatable {
        var at: UInt64
        var thread: UInt32
    }
    /// The next one last.
    private var timers: [Timer] = []
    /// Calls that cross together are looked at together.
    private var earliestTimer: UInt64 = 0

    /// - Parameter now: CLOCK_MONOTONIC; the first scan is due at once.
    public init(threshold: UInt64, tick: UInt64, now: UInt64) {
        self.threshold = threshold
        period = max(threshold / 2, 250_000_000)
        leastGap = min(max(threshold / 20, 50_000_000), 500_000_000)
        margin = 2 * tick + 1_000_000
        nextScan = now
    }

    /// The probes were taken out or put in. While they are out nobody but a scan sees short calls, where the threshold is low.
    public mutating func setTraced(_ isTraced: Bool) {
        self.isTraced = isTraced
        period = max(threshold / 2, isTraced ? 250_000_000 : 50_000_000)
    }

    public func isDue(at now: UInt64) -> Bool { now >= nextScan }

    /// When there is something to do.
    public var next: UInt64 { timers.last.map { min(max($0.at, earliestTimer), nextScan) } ?? nextScan }

    /// How long the last scan was overdue at `now`.
    public func lateness(at now: UInt64) -> UInt64 { now > nextScan ? now - nextScan : 0 }

    /// The share of one core is kept: true if that makes the period longer than it should be.
    public var isWidened: Bool { budgetGap > period }

    private var budgetGap: UInt64 {
        recentCosts.sorted()[recentCosts.count / 2].multipliedReportingOverflow(by: 100).partialValue
    }

    /// Up to when the scan that begins now has to tell which calls cross.
    public func horizon(at now: UInt64) -> UInt64 { now &+ max(period, budgetGap) &+ leastGap }

    /// Whether that scan looks at the registers of all threads: what an exit should have said is looked after by and by.
    public var isClose: Bool { scanCount % 8 == 0 }

    /// - Parameters:
    ///   - cost: CPU time of the scan: waiting for a core, on a busy host, costs nobody anything.
    ///   - crossing: when the next known call crosses the threshold; 0 for none.
    ///   - crossings: all of them with their threads; `nil` if only the whole can be looked at.
    public mutating func finished(
        start: UInt64, end: UInt64, cost: UInt64, crossing: UInt64, crossings: [(at: UInt64, thread: UInt32)]? = nil
    ) {
        lastDuration = end - min(start, end)
        recentCosts = [cost] + recentCosts.dropLast()
        scanCount += 1
        let gap = max(leastGap, budgetGap)
        timers = []
        if let crossings {
            nextScan = start + max(period, gap)
            timers = crossings.map { Timer(at: $0.at &+ margin, thread: $0.thread) }
            // who is gone at the crossing returned after it only if it was still there just before
            if !isTraced {
                timers += crossings.filter { $0.at > end + margin }.map { Timer(at: $0.at - margin, thread: $0.thread) }
            }
            timers = timers.filter { $0.at < nextScan }
            timers.sort { $0.at > $1.at }
        } else {
            let wanted = crossing == 0 ? start + period : min(start + period, crossing &+ margin)
            nextScan = max(wanted, start + gap)
        }
    }

    /// Threads whose calls have crossed the threshold.
    public mutating func dueThreads(at now: UInt64) -> [UInt32] {
        guard now >= next, !isDue(at: now) else { return [] }
        var due: [UInt32] = []
        while let timer = timers.last, timer.at <= now {
            due.append(timer.thread)
            timers.removeLast()
        }
        earliestTimer = now + min(leastGap / 4, 10_000_000)
        return due
    }

    /// Looks again soon, without having looked.
    public mutating func postpone(from now: UInt64) { nextScan = now + leastGap }
}
