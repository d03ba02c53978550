/// The stages in a row: record bytes ▶ call ▶ resource ▶ holders ▶ wait-for graph ▶ verdict ▶ report ▶ line.
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
        /// Those that are written.
        public var verdicts: Set<Verdict>

        public init(
            thresholdNanoseconds: UInt64, newOnly: Bool, repeatNanoseconds: UInt64?, maxRate: UInt64,
            filter: Filter, ignoreRules: [IgnoreRule], verdicts: Set<Verdict> = Set(Verdict.allCases)
        ) {
            self.verdicts = verdicts
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
    /// Seen in flight just now, to be said as soon as their other ends are known.
    private var pending: [Pending] = []
    private var habits = Habits()
    private var pendingOver: [Int: Int] = [:]
    private var pendingIDs: Set<UInt64> = []
    /// How many open calls are behind each root.
    private var behind: [String: Int] = [:]
    private var toldDeadlocks: Set<String> = []
    private var nextLook: UInt64 = 0
    /// Closings that overtook their opening: by call, with the time they came.
    private var early: [UInt64: ClosedRecord] = [:]
    private var rate: RateLimit
    private var outgoing: [Record] = []
    public private(set) var totals = Totals()

    fileprivate struct OpenCall {
        var call: BlockedCall
        /// Its `blocked` was written, so its end must be.
        var isWritten: Bool
        /// When to say it again, CLOCK_MONOTONIC; `nil` for never.
        var nextRepeat: UInt64?
        var repeatInterval: UInt64
        var procPID: Int
        var procTID: Int
        /// Of the last look.
        var story: Story?
        var lookedAt: UInt64 = 0
        /// It ended before it could be said.
        var closing: ClosedRecord?
    }

    private struct Pending {
        var record: CallRecord
        var call: BlockedCall
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
    fileprivate var openCalls: some Collection<OpenCall> { open.values }

    fileprivate mutating func identify(
        _ records: [CallRecord], clock: ClockReading, risky: inout some RiskyReading
    ) -> [BlockedCall] { identifier.identify(records, clock: clock, risky: &risky) }

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
                case .viewed: break
                }
            case .closed(let closing): closed(closing, clock)
            }
        }
    }

    private mutating func opened(_ call: BlockedCall, _ record: CallRecord, _ clock: ClockReading) {
        let duration = record.nowNanoseconds - min(call.startNanoseconds, record.nowNanoseconds)
        if let known = open[call.id] {
            // the kernel side says a call once; twice means that its first telling was taken back
            var again = known
            again.call.resource = call.resource
            open[call.id] = again
            return
        }
        var mayBeSaidLater = true
        let reason = hidden(call, duration)
        if let reason {
            totals.hidden[reason, default: 0] += 1
            // an ignore rule may run out; a filter's answer stays
            mayBeSaidLater = reason != "filter" && reason != "new_only"
        } else {
            pend(record, call)
        }
        let first = mayBeSaidLater ? settings.repeatNanoseconds : nil
        open[call.id] = OpenCall(
            call: call, isWritten: false, nextRepeat: first.map { clock.monotonic.saturatingAdd($0) },
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
        known.call.stop = call.stop
        known.call.process.state = call.process.state
        known.call.unresolved = call.unresolved
        open[call.id] = known
        let duration = record.nowNanoseconds - min(known.call.startNanoseconds, record.nowNanoseconds)
        // an ignore rule's time may be over, or the rate may have room again
        guard known.isWritten || hidden(known.call, duration) == nil else { return }
        pend(record, known.call)
    }

    private mutating func pend(_ record: CallRecord, _ call: BlockedCall) {
        if pendingIDs.insert(call.id).inserted { pending.append(Pending(record: record, call: call)) }
    }

    // MARK: - other ends

    /// Something was seen that has not been said yet.
    public var hasPending: Bool { !pending.isEmpty }

    /// Looks for the other ends of what was seen since the last time, and says it.
    ///
    /// - Parameter relooks: calls said already may be looked at again, since something may have changed.
    public mutating func relate(
        source: inout some HolderSource, risky: inout some RiskyReading, relooks: Bool, clock: ClockReading
    ) {
        // what is over says nothing about what its thread does now
        var over: [Pending] = []
        var seeds: [(CallRecord, BlockedCall)] = []
        for one in pending {
            if open[one.call.id]?.closing != nil { over.append(one) } else { seeds.append((one.record, one.call)) }
        }
        let isNew = pendingIDs
        pending = []
        pendingIDs = []
        pendingOver = [:]
        // a thread can have had several such calls
        while !over.isEmpty {
            var tids: Set<Int> = []
            let cut = over.partition { tids.insert($0.record.tid).inserted }
            tell(over[cut...].map { ($0.record, $0.call) }, isNew: isNew, &source, &risky, clock)
            over.removeSubrange(cut...)
        }
        if relooks { seeds += lookAgain(except: isNew, source: &source, risky: &risky, clock: clock) }
        tell(seeds, isNew: isNew, &source, &risky, clock)
    }

    /// Looks for the other ends of some calls, and says what is new.
    private mutating func tell(
        _ seeds: [(CallRecord, BlockedCall)], isNew: Set<UInt64>, _ source: inout some HolderSource,
        _ risky: inout some RiskyReading, _ clock: ClockReading
    ) {
        guard !seeds.isEmpty else { return }
        var stories = investigate(seeds, &source, &risky, clock)
        let confirmed = confirm(stories.deadlocks, &stories, &source, &risky, clock)
        if confirmed.count != stories.deadlocks.count { stories.keep(confirmed) }
        var told: [(seed: (record: CallRecord, call: BlockedCall), story: Story, old: Story?)] = []
        for (record, call) in seeds {
            guard var known = open[call.id] else { continue }
            let story = stories.story(of: record.tid) ?? Story()
            told.append(((record, known.call), story, known.story))
            count(known.story, -1)
            count(story, 1)
            known.story = story
            known.lookedAt = clock.monotonic
            if let lock = stories.lock(of: record.tid) { known.call.resource.lock = lock }
            open[call.id] = known
        }
        for (seed, story, old) in told { say(seed.record, story, old: old, isNew: isNew.contains(seed.call.id), clock) }
        for deadlock in confirmed where toldDeadlocks.insert(deadlock.id).inserted {
            if toldDeadlocks.count > 4096 { toldDeadlocks = [deadlock.id] }
            say(deadlock, stories, clock)
        }
    }

    fileprivate mutating func investigate(
        _ seeds: [(CallRecord, BlockedCall)], _ source: inout some HolderSource, _ risky: inout some RiskyReading,
        _ clock: ClockReading
    ) -> Stories {
        var investigation = Investigation()
        investigation.run(
            seeds.map { (record: $0.0, call: $0.1) }, source: &source, risky: &risky, identifier: &identifier,
            clock: clock)
        for (record, call) in seeds where habits.knows(call, record.nowNanoseconds - record.startNanoseconds) {
            investigation.nodes[record.tid]?.isPeriodic = true
        }
        return Stories(
            investigation, thresholdNanoseconds: settings.thresholdNanoseconds, bootID: identifier.bootID,
            nativeABI: identifier.nativeABI)
    }

    /// Evidence taken a second time: the same threads in the same circle, and none of them has moved.
    fileprivate mutating func confirm(
        _ deadlocks: [Stories.Deadlock], _ stories: inout Stories, _ source: inout some HolderSource,
        _ risky: inout some RiskyReading, _ clock: ClockReading
    ) -> [Stories.Deadlock] {
        guard !deadlocks.isEmpty else { return [] }
        let tids = Set(deadlocks.flatMap(\.tids))
        let records = source.threads(tids.sorted().map { .thread($0) })
        let calls = identifier.identify(records, clock: clock, isBrief: true, risky: &risky)
        let again = investigate(Array(zip(records, calls)), &source, &risky, clock)
        return deadlocks.filter { deadlock in
            again.deadlocks.contains { $0.id == deadlock.id }
                && deadlock.tids.allSatisfy { stories.evidence(of: $0) == again.evidence(of: $0) }
        }
    }

    /// Calls whose last look is a second old, also idle ones, which may have ceased to be; fresh records of those that
    /// are still the same.
    private mutating func lookAgain(
        except new: Set<UInt64>, source: inout some HolderSource, risky: inout some RiskyReading, clock: ClockReading
    ) -> [(CallRecord, BlockedCall)] {
        guard clock.monotonic >= nextLook else { return [] }
        nextLook = clock.monotonic + 1_000_000_000
        let old = open.values
            .filter { $0.story != nil && !new.contains($0.call.id) && $0.lookedAt + 1_000_000_000 <= clock.monotonic }
            .sorted { $0.lookedAt < $1.lookedAt }.prefix(Self.mostRelooks)
        guard !old.isEmpty else { return [] }
        let records = source.threads(old.map { .thread($0.call.process.tid) }).filter { record in
            open[record.id]?.story != nil
        }
        let calls = identifier.identify(records, clock: clock, isBrief: true, risky: &risky)
        return zip(records, calls).map { record, fresh in
            guard var known = open[record.id] else { return (record, fresh) }
            known.call.resource = fresh.resource
            known.call.stop = fresh.stop
            open[record.id] = known
            var call = fresh
            call.process = known.call.process
            return (record, call)
        }
    }

    private static let mostRelooks = 1024

    /// What a look has brought: an opening, a repetition, a change, an end that came meanwhile.
    private mutating func say(_ record: CallRecord, _ story: Story, old: Story?, isNew: Bool, _ clock: ClockReading) {
        guard var known = open[record.id] else { return }
        let duration = record.nowNanoseconds - min(known.call.startNanoseconds, record.nowNanoseconds)
        if let closing = known.closing {
            open[record.id] = nil
            defer { count(known.story, -1) }
            let whole = closing.nowNanoseconds - min(known.call.startNanoseconds, closing.nowNanoseconds)
            if let reason = hidden(known.call, whole, story) {
                totals.hidden[reason, default: 0] += 1
                return
            }
            guard rate.admit(at: clock.monotonic) else {
                totals.hidden["max_rate", default: 0] += 1
                return
            }
            totals.slow += 1
            let result = closing.reason == .returned ? closing.result : nil
            say(.slow, known.call, story, duration: whole, result: result, clock)
            return
        }
        let isChanged = old.map { ($0.verdict, $0.reason) != (story.verdict, story.reason) } ?? false
        guard isNew || isChanged else { return }
        if !known.isWritten, let reason = hidden(known.call, duration, story) {
            if old == nil { totals.hidden[reason, default: 0] += 1 }
            return
        }
        guard rate.admit(at: clock.monotonic) else {
            totals.hidden["max_rate", default: 0] += 1
            return
        }
        if known.isWritten {
            totals.stillBlocked += 1
            say(.stillBlocked, known.call, story, duration: duration, result: nil, clock)
        } else {
            known.isWritten = true
            open[record.id] = known
            totals.blocked += 1
            say(.blocked, known.call, story, duration: duration, result: nil, clock)
        }
    }

    private mutating func say(_ deadlock: Stories.Deadlock, _ stories: Stories, _ clock: ClockReading) {
        let members = deadlock.tids.compactMap { stories.member($0, of: deadlock) }
        let parts = stride(from: 0, to: members.count, by: 8).map { Array(members[$0..<min($0 + 8, members.count)]) }
        let chain = deadlock.tids.first.flatMap { tid -> Story? in
            var stories = stories
            return stories.story(of: tid)
        }
        totals.deadlocks += 1
        for (index, part) in parts.enumerated() {
            say(
                .deadlock,
                .deadlock(
                    DeadlockReport(
                        id: deadlock.id, threads: members.count, members: part, part: index + 1, parts: parts.count,
                        chain: chain?.chain ?? "", chainID: chain?.chainID,
                        victims: chain?.chainID.map { victims(of: $0) } ?? 0)), clock)
        }
    }

    /// Open calls behind one root.
    fileprivate func victims(of chainID: String) -> Int { behind[chainID] ?? 0 }

    private mutating func count(_ story: Story?, _ step: Int) {
        guard let id = story?.chainID else { return }
        let count = (behind[id] ?? 0) + step
        behind[id] = count > 0 ? count : nil
    }

    /// A call that was over before it was said. Where somebody holds the other end, that is looked for first.
    private mutating func slow(_ call: BlockedCall, _ record: CallRecord, _ clock: ClockReading) {
        let duration = record.nowNanoseconds - min(call.startNanoseconds, record.nowNanoseconds)
        if record.result > 0 { habits.note(call, duration) }
        if hidden(call, duration) == nil, open[call.id] == nil, Investigation.hasQuestions(record, call),
            pendingOver[record.tid, default: 0] < Self.mostOver
        {
            pendingOver[record.tid, default: 0] += 1
            pend(record, call)
            open[call.id] = OpenCall(
                call: call, isWritten: false, nextRepeat: nil, repeatInterval: 0, procPID: record.procPID,
                procTID: record.procTID)
            open[call.id]?.closing = ClosedRecord(
                call: call.id, reason: .returned, nowNanoseconds: record.nowNanoseconds, result: record.result)
            return
        }
        let story = judged(record, call)
        if let reason = hidden(call, duration, story) {
            totals.hidden[reason, default: 0] += 1
        } else if !rate.admit(at: clock.monotonic) {
            totals.hidden["max_rate", default: 0] += 1
        } else {
            totals.slow += 1
            say(.slow, call, story, duration: duration, result: record.result, clock)
        }
    }

    /// So many calls of one thread that are over wait for their other ends.
    private static let mostOver = 4

    /// The verdict of a call that is over: by what its exit itself captured.
    private func judged(_ record: CallRecord, _ call: BlockedCall) -> Story {
        var investigation = Investigation()
        investigation.add(record, call)
        var stories = Stories(
            investigation, thresholdNanoseconds: settings.thresholdNanoseconds, bootID: identifier.bootID,
            nativeABI: identifier.nativeABI)
        return stories.story(of: record.tid) ?? Story()
    }

    private mutating func closed(_ closing: ClosedRecord, _ clock: ClockReading) {
        guard var known = open.removeValue(forKey: closing.call) else {
            early[closing.call] = closing
            return
        }
        if !known.isWritten, pendingIDs.contains(closing.call) {
            known.closing = closing
            open[closing.call] = known
            return
        }
        defer { count(known.story, -1) }
        let start = known.call.startNanoseconds
        let duration = closing.nowNanoseconds > start ? closing.nowNanoseconds - start : 0
        if closing.reason == .returned, closing.result > 0 { habits.note(known.call, duration) }
        guard known.isWritten else { return }
        if closing.reason == .ended {
            totals.ended += 1
            say(.ended, known.call, known.story, duration: duration, result: nil, clock)
        } else {
            totals.returned += 1
            let result = closing.reason == .returned ? closing.result : nil
            say(.returned, known.call, known.story, duration: duration, result: result, clock)
        }
    }

    /// Why a call is not to be written: the option's name; `nil` if it is.
    private func hidden(_ call: BlockedCall, _ duration: UInt64, _ story: Story? = nil) -> String? {
        if settings.newOnly, call.startSource == .lastRan, call.startNanoseconds < startedAt { return "new_only" }
        var subject = subject(call, duration)
        subject.reason = story?.reason.rawValue
        if let story, !settings.verdicts.contains(story.verdict) { return "verdict" }
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
            later.repeatInterval = min(call.repeatInterval.saturatingAdd(call.repeatInterval), Self.longestRepeat)
            later.nextRepeat = now.saturatingAdd(later.repeatInterval)
            open[id] = later
        }
        return due
    }

    /// When ``dueRepeats(at:)`` has something next.
    public var nextRepeat: UInt64? { open.values.lazy.compactMap(\.nextRepeat).min() }

    /// After a scan: closings without an opening are of calls that the ring had no room for.
    public mutating func endOfScan(at now: UInt64) {
        early = early.filter { now - min($0.value.nowNanoseconds, now) < 10_000_000_000 }
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
        var byVerdict: [String: UInt64] = [:]
        var idleByReason: [String: UInt64] = [:]
        for known in open.values {
            bySyscall[known.call.call?.name ?? "none", default: 0] += 1
            guard let story = known.story else { continue }
            byVerdict[story.verdict.rawValue, default: 0] += 1
            if story.verdict == .idle { idleByReason[story.reason.rawValue, default: 0] += 1 }
        }
        let summary = Summary(
            open: UInt64(open.count), openBySyscall: bySyscall, openByVerdict: byVerdict, idleByReason: idleByReason,
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
        _ action: Record.Action, _ call: BlockedCall, _ story: Story?, duration: UInt64, result: Int64?,
        _ clock: ClockReading
    ) {
        let report = CallReport(
            call: call, startWallNanoseconds: clock.wall(ofMonotonic: call.startNanoseconds),
            durationNanoseconds: duration, result: result, story: story,
            victims: story?.chainID.map { victims(of: $0) } ?? 0)
        say(action, .call(report), clock)
    }

    private mutating func say(_ action: Record.Action, _ body: Record.Body, _ clock: ClockReading) {
        sequence += 1
        outgoing.append(Record(action: action, sequence: sequence, wallNanoseconds: clock.wall, body: body))
    }
}

extension UInt64 {
    /// The sum, or as much as there is: a user may ask for 500 years.
    public func saturatingAdd(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
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

// MARK: - one look

extension Pipeline {
    /// Everything that is open and would be written, for `snapshot`.
    public func reports(clock: ClockReading) -> [CallReport] {
        openCalls.filter(\.isWritten).map { known in
            let start = known.call.startNanoseconds
            return CallReport(
                call: known.call, startWallNanoseconds: clock.wall(ofMonotonic: start),
                durationNanoseconds: clock.monotonic - min(start, clock.monotonic), result: nil, story: known.story,
                victims: known.story?.chainID.map { victims(of: $0) } ?? 0)
        }
    }

    /// Looks at all threads of one process, whatever they do.
    ///
    /// - Returns: `nil` if there are none: it is gone, or it is the kernel's own.
    public mutating func explain(
        pid: Int, source: inout some HolderSource, risky: inout some RiskyReading, clock: ClockReading
    ) -> Explanation? {
        let records = source.threads([.process(pid)])
        guard !records.isEmpty else { return nil }
        let calls = identify(records, clock: clock, risky: &risky)
        var stories = investigate(Array(zip(records, calls)), &source, &risky, clock)
        let confirmed = confirm(stories.deadlocks, &stories, &source, &risky, clock)
        if confirmed.count != stories.deadlocks.count { stories.keep(confirmed) }
        let threads = zip(records, calls).map { record, call -> Explanation.Thread in
            var call = call
            if let lock = stories.lock(of: record.tid) { call.resource.lock = lock }
            return Explanation.Thread(
                call: call, durationNanoseconds: record.nowNanoseconds - record.startNanoseconds,
                story: stories.story(of: record.tid) ?? Story(), isRunning: record.kind == .running,
                tracerPID: record.tracerPID)
        }
        return Explanation(threads: threads.sorted { $0.call.process.tid < $1.call.process.tid }, deadlocks: [])
    }
}
