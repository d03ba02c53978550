/// Whether the probes on system calls are in, by what they cost: the rate of system calls times the price of one, as a share
/// of all processor time.
///
/// While they are in, their own count is read five times a second; while they are out, a counter is put in for a moment once
/// a second. They go out as soon as what they took in the last second is more than a second may cost, and come in again
/// when two looks, one soon after the other, find less than half of it: after a second at first, and after twice the pause
/// each time they do not last.
public struct OverheadBudget: Sendable, Equatable {
    /// The most, of all processor time: 0.01 is one in a hundred; `nil` for no limit.
    public let limit: Double?
    /// Of one system call, nanoseconds.
    public let callNanoseconds: Double
    private let processors: Int

    public private(set) var isTraced = true
    /// System calls a second of the whole host, when they were last counted; `nil` before that.
    public private(set) var rate: Double?
    /// How often the probes were taken out or put in.
    public private(set) var changes: UInt64 = 0
    /// CLOCK_MONOTONIC, nanoseconds, when ``advance(calls:at:)`` has something to do.
    public private(set) var next: UInt64

    /// What is to be done about the probes.
    public enum Step: Sendable, Equatable { case nothing, takeOut, putIn, beginCounting, endCounting }

    private enum Phase: Sendable, Equatable {
        /// In: the readings of the last second, and the one before them, the oldest first.
        case traced([Reading])
        case waiting
        case counting(Reading)
    }

    private struct Reading: Sendable, Equatable { var calls, at: UInt64 }

    private var phase: Phase
    private var pause: UInt64 = firstPause
    private var changedAt: UInt64
    /// The last look found little.
    private var isLow = false

    /// From one reading to the next while they are in.
    public static let interval: UInt64 = 200_000_000
    /// What is paid for is summed up over it.
    static let window: UInt64 = 1_000_000_000
    /// Of a look while they are out.
    static let look: UInt64 = 10_000_000
    static let firstPause: UInt64 = 1_000_000_000
    static let longestPause: UInt64 = 60_000_000_000
    /// Probes that stay in for so long have come to stay.
    static let calm: UInt64 = 30_000_000_000

    /// - Parameters:
    ///   - calls: what the probes have counted until now.
    ///   - now: CLOCK_MONOTONIC, nanoseconds; the probes are in.
    public init(limit: Double?, callNanoseconds: Double, processors: Int, calls: UInt64, now: UInt64) {
        self.limit = limit
        self.callNanoseconds = callNanoseconds
        self.processors = max(processors, 1)
        phase = .traced([Reading(calls: calls, at: now)])
        changedAt = now
        next = now + Self.interval
    }

    /// What the probes take, or would take if they were in, of all processor time; `nil` before it is known.
    public var share: Double? { rate.map(share(of:)) }

    private func share(of rate: Double) -> Double { rate * callNanoseconds / (Double(processors) * 1e9) }

    /// To be called when ``next`` has come, or later.
    ///
    /// - Parameter calls: what was counted until now.
    /// - Returns: what is to be done; ``changed(to:calls:at:)`` says that the probes were taken out or put in.
    public mutating func advance(calls: UInt64, at now: UInt64) -> Step {
        guard now >= next else { return .nothing }
        switch phase {
        case .traced(var readings):
            let last = Reading(calls: calls, at: now)
            readings.append(last)
            while readings.count > 2, now - readings[1].at >= Self.window { readings.removeFirst() }
            phase = .traced(readings)
            next = now + Self.interval
            let first = readings[0]
            guard last.at > first.at else { return .nothing }
            let nanoseconds = last.at - first.at
            rate = Double(last.calls &- first.calls) * 1e9 / Double(nanoseconds)
            if now - min(changedAt, now) >= Self.calm { pause = Self.firstPause }
            // of a shorter time as well: what a load has cost in its first moments is gone
            guard let limit, let share, share * Double(nanoseconds) > limit * Double(Self.window) else {
                return .nothing
            }
            // but one that blockwatch itself has slept through is judged by its rate
            return share > limit ? .takeOut : .nothing
        case .waiting:
            phase = .counting(Reading(calls: calls, at: now))
            next = now + Self.look
            return .beginCounting
        case .counting(let reading):
            let nanoseconds = max(now - min(reading.at, now), 1)
            let rate = Double(calls &- reading.calls) * 1e9 / Double(nanoseconds)
            self.rate = rate
            phase = .waiting
            let wasLow = isLow
            isLow = limit.map { share(of: rate) < $0 / 2 } ?? true
            let mayReturn = now - min(changedAt, now) >= pause
            if isLow, wasLow, mayReturn { return .putIn }
            let isHigh = limit.map { share(of: rate) > $0 * 2 } ?? false
            next = now + (isLow && mayReturn ? Self.look * 10 : isHigh ? Self.firstPause : Self.firstPause / 2)
            return .endCounting
        }
    }

    /// The probes were taken out, or put in, for whatever reason.
    public mutating func changed(to isTraced: Bool, calls: UInt64, at now: UInt64) {
        self.isTraced = isTraced
        changes += 1
        isLow = false
        if isTraced {
            phase = .traced([Reading(calls: calls, at: now)])
            next = now + Self.interval
        } else {
            // those that did not stay in for long wait longer
            let lasted = now - min(changedAt, now)
            if changes > 1 { pause = lasted < Self.calm ? min(pause * 2, Self.longestPause) : Self.firstPause }
            phase = .waiting
            next = now + Self.firstPause / 2
        }
        changedAt = now
    }

    /// The probes could not be taken out or put in: that is tried again later.
    public mutating func switchFailed(at now: UInt64) {
        if !isTraced { phase = .waiting }
        isLow = false
        pause = min(pause * 2, Self.longestPause)
        changedAt = now
        next = now + pause
    }
}

extension OverheadBudget {
    /// As records tell it.
    public var overhead: Overhead {
        func millionths(_ share: Double) -> UInt64 { UInt64(min(max((share * 1e6).rounded(), 0), 1e12)) }
        return Overhead(
            isTraced: isTraced, rate: rate.map { UInt64($0.rounded()) },
            callNanoseconds: UInt64(max(callNanoseconds.rounded(), 0)), share: share.map(millionths),
            limit: limit.map(millionths), changes: changes)
    }
}

extension Overhead {
    /// `67 ns a system call, 12000 of them a second now: 0.04% of all processor time, 1% is the most (--max-overhead)`
    public var price: String {
        guard let rate, let share else { return "\(callNanoseconds) ns a system call" }
        let most = limit.map { ", \(Self.percent(millionths: $0)) is the most (--max-overhead)" } ?? ""
        return "\(callNanoseconds) ns a system call, \(rate) of them a second now: "
            + "\(Self.percent(millionths: share)) of all processor time\(most)"
    }

    var sentence: String {
        let step = isTraced ? "put in again" : "taken out, scans go on alone"
        guard let rate, let share else { return "the probes on system calls were \(step)" }
        let most = limit.map { ", \(Self.percent(millionths: $0)) is the most" } ?? ""
        return "the probes on system calls were \(step): of \(rate) calls a second they "
            + "\(isTraced ? "take" : "would take") \(Self.percent(millionths: share)) of all processor time\(most)"
    }
}
