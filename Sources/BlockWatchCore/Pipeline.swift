/// The stages in a row: record bytes ▶ call ▶ resource ▶ report ▶ line.
///
/// Pure: bytes, clock and counters come in, records go out. One thread owns it.
public struct Pipeline {
    public struct Settings: Sendable {
        public var thresholdNanoseconds: UInt64
        /// Calls that began before blockwatch are left out.
        public var newOnly: Bool
        /// `nil` for never.
        public var repeatNanoseconds: UInt64?
        public var maxRate: UInt64
        public var filter: Filter
        public var ignoreRules: [IgnoreRule]

        public init(
            thresholdNanoseconds: UInt64, newOnly: Bool, repeatNanoseconds: UInt64?, maxRate: UInt64,
            filter: Filter, ignoreRules: [IgnoreRule]
        ) {
            self.thresholdNanoseconds = thresholdNanoseconds
            self.newOnly = newOnly
            self.repeatNanoseconds = repeatNanoseconds
            self.maxRate = maxRate
            self.filter = filter
            self.ignoreRules = ignoreRules
        }
    }

    private let settings: Settings
    private var identifier: Identifier
    private let startedAt: UInt64
    private var sequence: UInt64 = 0
    private var open: [UInt64: OpenCall] = [:]
    /// Closings that overtook their opening: by call, with the time they came.
    private var early: [UInt64: ClosedRecord] = [:]
    private var rate: RateLimit
    private var outgoing: [Record] = []
    public private(set) var totals = Totals()

    struct OpenCall {
        var call: BlockedCall
        /// Its `blocked` was written, so its end must be.
        var isWritten: Bool
        /// When to say it again, CLOCK_MONOTONIC; `nil` for never.
        var nextRepeat: UInt64?
        var repeatInterval: UInt64
        var procPID: Int
        var procTID: Int
    }

    public static let longestRepeat: UInt64 = 3_600_000_000_000

    public init(_ settings: Settings, identifier: Identifier, now: UInt64) {
        self.settings = settings
        self.identifier = identifier
        startedAt = now
        rate = RateLimit(perSecond: settings.maxRate)
    }

    /// Records made since the last call, in order.
    public mutating func takeRecords() -> [Record] {
        defer { outgoing.removeAll(keepingCapacity: true) }
        return outgoing
    }

    public var openCount: Int { open.count }

    // MARK: - from the kernel

    /// Everything that came out of the ring at once.
    public mutating func ingest(
        _ records: [KernelRecord], clock: ClockReading, risky: inout some RiskyReading
    ) {
        let calls = records.compactMap { if case .call(let call) = $0 { call } else { nil } }
        var identified = identifier.identify(calls, clock: clock, risky: &risky)[...]
        for record in records {
            switch record {
            case .call(let record):
                guard let call = identified.popFirst() else { continue }
                switch record.occasion {
                case .found: opened(call, record, clock)
                case .refreshed: refreshed(call, record, clock)
                case .slow: slow(call, record, clock)
                }
            case .closed(let closing): closed(closing, clock)
            }
        }
    }

    private mutating func opened(_ call: BlockedCall, _ record: CallRecord, _ clock: ClockReading) {
        let duration = record.nowNanoseconds - call.startNanoseconds
        if let known = open[call.id] {
            // the kernel side says a call once; twice means that its first telling was taken back
            var again = known
            again.call.resource = call.resource
            open[call.id] = again
            return
        }
        var isWritten = false
        var mayBeSaidLater = true
        if let reason = hidden(call, duration) {
            totals.hidden[reason, default: 0] += 1
            // an ignore rule may run out; a filter's answer stays
            mayBeSaidLater = reason != "filter" && reason != "new_only"
        } else if !rate.admit(at: clock.monotonic) {
            totals.hidden["max_rate", default: 0] += 1
        } else {
            isWritten = true
            totals.blocked += 1
            say(.blocked, call, duration: duration, result: nil, clock)
        }
        let first = mayBeSaidLater ? settings.repeatNanoseconds : nil
        open[call.id] = OpenCall(
            call: call, isWritten: isWritten, nextRepeat: first.map { clock.monotonic + $0 },
            repeatInterval: first ?? 0, procPID: record.procPID, procTID: record.procTID)
        if let closing = early.removeValue(forKey: call.id) { closed(closing, clock) }
    }

    private mutating func refreshed(_ call: BlockedCall, _ record: CallRecord, _ clock: ClockReading) {
        guard var known = open[call.id] else {
            // said before this process listened, or its opening was lost: better late than never
            opened(call, record, clock)
            return
        }
        // who waits is as at first; what it waits for may have changed
        known.call.resource = call.resource
        known.call.stack = call.stack
        known.call.process.state = call.process.state
        known.call.unresolved = call.unresolved
        let duration = record.nowNanoseconds - known.call.startNanoseconds
        if known.isWritten {
            if rate.admit(at: clock.monotonic) {
                totals.stillBlocked += 1
                say(.stillBlocked, known.call, duration: duration, result: nil, clock)
            } else {
                totals.hidden["max_rate", default: 0] += 1
            }
        } else if hidden(known.call, duration) == nil, rate.admit(at: clock.monotonic) {
            // an ignore rule's time is over, or the rate has room again
            known.isWritten = true
            totals.blocked += 1
            say(.blocked, known.call, duration: duration, result: nil, clock)
        }
        open[call.id] = known
    }

    private mutating func slow(_ call: BlockedCall, _ record: CallRecord, _ clock: ClockReading) {
        let duration = record.nowNanoseconds - call.startNanoseconds
        if let reason = hidden(call, duration) {
            totals.hidden[reason, default: 0] += 1
        } else if !rate.admit(at: clock.monotonic) {
            totals.hidden["max_rate", default: 0] += 1
        } else {
            totals.slow += 1
            say(.slow, call, duration: duration, result: record.result, clock)
        }
    }

    private mutating func closed(_ closing: ClosedRecord, _ clock: ClockReading) {
        guard let known = open.removeValue(forKey: closing.call) else {
            early[closing.call] = closing
            return
        }
        guard known.isWritten else { return }
        let start = known.call.startNanoseconds
        let duration = closing.nowNanoseconds > start ? closing.nowNanoseconds - start : 0
        if closing.reason == .ended {
            totals.ended += 1
            say(.ended, known.call, duration: duration, result: nil, clock)
        } else {
            totals.returned += 1
            let result = closing.reason == .returned ? closing.result : nil
            say(.returned, known.call, duration: duration, result: result, clock)
        }
    }

    /// Why a call is not to be written: the option's name; `nil` if it is.
    private func hidden(_ call: BlockedCall, _ duration: UInt64) -> String? {
        if settings.newOnly, call.startSource == .lastRan, call.startNanoseconds < startedAt { return "new_only" }
        let subject = subject(call, duration)
        if !settings.filter.admits(subject) { return "filter" }
        return settings.ignoreRules.first { $0.ignores(subject) }.map { "ignore.\($0.name)" }
    }

    private func subject(_ call: BlockedCall, _ duration: UInt64) -> FilterSubject {
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        let network = call.resource.network
        return FilterSubject(
            syscall: call.call?.name, pid: call.process.pid, tid: call.process.tid,
            names: [text(call.process.name), text(call.process.threadName)], userID: Int(call.process.userID),
            userName: call.process.userName, cgroup: text(call.process.cgroupPath),
            unit: call.process.cgroup.serviceName, container: call.process.cgroup.containerID,
            path: (call.resource.file?.path ?? network?.local.path ?? network?.peer.path).map(text),
            ports: [network?.local.port, network?.peer.port].compactMap { $0.map(Int.init) },
            durationNanoseconds: duration)
    }

    // MARK: - by time

    /// Calls to ask the kernel side about again now.
    public mutating func dueRepeats(at now: UInt64) -> [UInt64] {
        var due: [UInt64] = []
        for (id, call) in open {
            guard let next = call.nextRepeat, next <= now else { continue }
            due.append(id)
            var later = call
            later.repeatInterval = min(call.repeatInterval * 2, Self.longestRepeat)
            later.nextRepeat = now + later.repeatInterval
            open[id] = later
        }
        return due
    }

    /// When ``dueRepeats(at:)`` has something next.
    public var nextRepeat: UInt64? { open.values.lazy.compactMap(\.nextRepeat).min() }

    /// After a scan: closings without an opening are of calls that the ring had no room for.
    public mutating func endOfScan(at now: UInt64) {
        early = early.filter { now < $0.value.nowNanoseconds + 10_000_000_000 }
    }

    /// Threads of which only /proc can tell whether they still exist: dying ones fire no event any more; after
    /// lost closings, all.
    public func threadsToCheck(all: Bool) -> [(call: UInt64, pid: Int, tid: Int)] {
        open.compactMap { id, call in
            all || call.call.kind == .exiting ? (id, call.procPID, call.procTID) : nil
        }
    }

    /// The thread of an open call is gone.
    public mutating func vanished(_ call: UInt64, clock: ClockReading) {
        closed(ClosedRecord(call: call, reason: .ended, nowNanoseconds: clock.monotonic, result: 0), clock)
    }

    // MARK: - about blockwatch itself

    public mutating func started(_ body: Started, clock: ClockReading) { say(.started, .started(body), clock) }

    public mutating func lost(_ loss: Loss, clock: ClockReading) {
        totals.lost[loss.what, default: 0] += loss.count
        say(.loss, .loss(loss), clock)
    }

    public mutating func summarize(
        usage: OwnUsage, threads: UInt64, schedule: ScanSchedule, clock: ClockReading
    ) {
        var bySyscall: [String: UInt64] = [:]
        for known in open.values { bySyscall[known.call.call?.name ?? "none", default: 0] += 1 }
        let summary = Summary(
            open: UInt64(open.count), openBySyscall: bySyscall,
            openWritten: UInt64(open.values.count { $0.isWritten }), totals: totals, usage: usage, threads: threads,
            scanNanoseconds: schedule.lastDuration, scanPeriodNanoseconds: schedule.period)
        say(.summary, .summary(summary), clock)
    }

    public mutating func stopped(reason: String, usage: OwnUsage, clock: ClockReading) {
        let open = UInt64(open.values.count { $0.isWritten })
        say(.stopped, .stopped(Stopped(reason: reason, totals: totals, open: open, usage: usage)), clock)
    }

    /// The output had no room for a `blocked`: its end must not be written either.
    public mutating func wasDropped(_ record: Record) {
        guard case .call(let report) = record.body else { return }
        switch record.action {
        case .blocked:
            totals.blocked -= 1
            open[report.call.id]?.isWritten = false
        case .stillBlocked: totals.stillBlocked -= 1
        case .slow: totals.slow -= 1
        default: break
        }
    }

    private mutating func say(
        _ action: Record.Action, _ call: BlockedCall, duration: UInt64, result: Int64?, _ clock: ClockReading
    ) {
        let report = CallReport(
            call: call, startWallNanoseconds: clock.wall(ofMonotonic: call.startNanoseconds),
            durationNanoseconds: duration, result: result)
        say(action, .call(report), clock)
    }

    private mutating func say(_ action: Record.Action, _ body: Record.Body, _ clock: ClockReading) {
        sequence += 1
        outgoing.append(Record(action: action, sequence: sequence, wallNanoseconds: clock.wall, body: body))
    }
}

/// At most so many records a second, with a second's worth saved up.
struct RateLimit: Sendable {
    private let perSecond: UInt64
    private var windowStart: UInt64 = 0
    private var used: UInt64 = 0

    init(perSecond: UInt64) { self.perSecond = perSecond }

    mutating func admit(at now: UInt64) -> Bool {
        if now >= windowStart + 1_000_000_000 {
            windowStart = now
            used = 0
        }
        guard used < perSecond else { return false }
        used += 1
        return true
    }
}
