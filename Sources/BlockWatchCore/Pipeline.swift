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
        /// Says which connections the process of a written call holds besides.
        public var tellsHeldSockets: Bool

        public init(
            thresholdNanoseconds: UInt64, newOnly: Bool, repeatNanoseconds: UInt64?, maxRate: UInt64,
            filter: Filter, ignoreRules: [IgnoreRule], verdicts: Set<Verdict> = Set(Verdict.allCases),
            tellsHeldSockets: Bool = false
        ) {
            self.verdicts = verdicts
            self.tellsHeldSockets = tellsHeldSockets
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
    /// Dying threads among the open calls.
    private var exiting: Set<UInt64> = []
    /// No repetition is due before.
    private var earliestRepeat: UInt64 = 0
    /// Closings that overtook their opening: by call, with the time they came.
    private var early: [UInt64: ClosedRecord] = [:]
    private var rate: RateLimit
    private var outgoing: [Record] = []
    public private(set) var totals = Totals()

    /// What is kept of every call, small because there may be tens of thousands.
    fileprivate struct OpenCall {
        let name: String
        let start: UInt64
        let tid: Int
        let procPID, procTID: Int32
        let place: Habits.Place?
        /// Its `blocked` was written, so its end must be, and as it was said.
        var said: Said?
        /// When to say it again, CLOCK_MONOTONIC; `nil` for never.
        var nextRepeat: UInt64?
        var repeatInterval: UInt64
        /// Of the last look.
        var reason: Reason?
        /// Only the thread itself can change what was found.
        var isSettled = false
        var chainID: String?
        var lookedAt: UInt64 = 0
        /// It ended before it could be said.
        var closing: ClosedRecord?

        init(_ record: CallRecord, _ call: BlockedCall, nextRepeat: UInt64?, repeatInterval: UInt64) {
            name = call.call?.name ?? "none"
            start = record.startNanoseconds
            tid = record.tid
            procPID = Int32(clamping: record.procPID)
            procTID = Int32(clamping: record.procTID)
            place = Habits.Place(record)
            self.nextRepeat = nextRepeat
            self.repeatInterval = repeatInterval
        }

        var isWritten: Bool { said != nil }
    }

    /// A call that was written, with what was last said of it.
    fileprivate final class Said: Sendable {
        let call: BlockedCall
        let story: Story?
        init(_ call: BlockedCall, _ story: Story?) {
            self.call = call
            self.story = story
        }
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
    fileprivate mutating func identify(
        _ records: [CallRecord], clock: ClockReading, risky: inout some RiskyReading
    ) -> [BlockedCall] { identifier.identify(records, clock: clock, risky: &risky) }

    // MARK: - from the kernel

    /// Everything that came out of the ring at once.
    public mutating func ingest(
        _ records: [KernelRecord], clock: ClockReading, risky: inout some RiskyReading
    ) {
        let calls = records.compactMap { if case .call(let call) = $0 { call } else { nil } }
        var identified = identifier.identify(calls, clock: clock, isBrief: true, risky: &risky)[...]
        var over: [(record: CallRecord, call: BlockedCall)] = []
        for record in records {
            switch record {
            case .call(let record):
                guard let call = identified.popFirst() else { continue }
                switch record.occasion {
                case .found: opened(call, record, clock)
                case .refreshed: refreshed(call, record, clock)
                case .slow: if !mayBeRelated(call, record, clock) { over.append((record, call)) }
                case .viewed: break
                }
            case .closed(let closing): closed(closing, clock)
            }
        }
        slow(over, clock, &risky)
    }

    private mutating func opened(_ call: BlockedCall, _ record: CallRecord, _ clock: ClockReading) {
        let duration = record.nowNanoseconds - min(call.startNanoseconds, record.nowNanoseconds)
        // the kernel side says a call once; twice means that its first telling was taken back
        guard open[call.id] == nil else { return }
        var mayBeSaidLater = true
        let reason = hidden(record, call, duration)
        if let reason {
            totals.hidden[reason, default: 0] += 1
            // an ignore rule may run out; a filter's answer stays
            mayBeSaidLater = reason != "filter" && reason != "new_only"
        } else {
            pend(record, call)
        }
        let first = mayBeSaidLater ? settings.repeatNanoseconds : nil
        open[call.id] = OpenCall(
            record, call, nextRepeat: first.map { clock.monotonic.saturatingAdd($0) }, repeatInterval: first ?? 0)
        if let first { earliestRepeat = min(earliestRepeat, clock.monotonic.saturatingAdd(first)) }
        if record.kind == .exiting { exiting.insert(call.id) }
        if let closing = early.removeValue(forKey: call.id) { closed(closing, clock) }
    }

    private mutating func refreshed(_ call: BlockedCall, _ record: CallRecord, _ clock: ClockReading) {
        guard let known = open[call.id] else {
            // said before this process listened, or its opening was lost: better late than never
            opened(call, record, clock)
            return
        }
        let duration = record.nowNanoseconds - min(call.startNanoseconds, record.nowNanoseconds)
        // an ignore rule's time may be over, or the rate may have room again
        guard known.isWritten || hidden(record, call, duration) == nil else { return }
        pend(record, call)
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
        let seeds = withoutStaleTimeouts(seeds, &source)
        var stories = investigate(seeds, &source, &risky, clock)
        let confirmed = confirm(stories.deadlocks, &stories, &source, &risky, clock)
        if confirmed.count != stories.deadlocks.count { stories.keep(confirmed) }
        var told: [Told] = []
        for (record, call) in seeds {
            guard var known = open[call.id] else { continue }
            let reason = stories.reason(of: record.tid)
            let old = known.reason
            known.reason = reason
            known.lookedAt = clock.monotonic
            known.isSettled = reason.verdict == .idle && stories.isSettled(record.tid)
            count(known.chainID, -1)
            known.chainID = nil
            // of most calls nothing is said but how many there are
            guard known.isWritten || known.closing != nil || reason.verdict != .idle || !isShut(reason) else {
                if old == nil { totals.hidden["verdict", default: 0] += 1 }
                known.nextRepeat = nil
                open[call.id] = known
                continue
            }
            let story = stories.story(of: record.tid) ?? Story()
            known.chainID = story.chainID
            count(known.chainID, 1)
            var call = call
            if let lock = stories.lock(of: record.tid) { call.resource.lock = lock }
            open[call.id] = known
            told.append(Told(record: record, call: call, story: story, old: old, isNew: isNew.contains(call.id)))
        }
        let cursory = told.indices.filter { stories.isCursory(told[$0].record.tid) }
        if !cursory.isEmpty {
            var whole = investigate(
                cursory.map { (told[$0].record, told[$0].call) }, &source, &risky, clock, isThorough: true)
            for index in cursory {
                if let story = whole.story(of: told[index].record.tid) { told[index].story.take(membersOf: story) }
            }
        }
        say(told, clock, &source, &risky)
        for deadlock in confirmed where toldDeadlocks.insert(deadlock.id).inserted {
            if toldDeadlocks.count > 4096 { toldDeadlocks = [deadlock.id] }
            say(deadlock, stories, clock)
        }
    }

    /// A program that goes on uses that memory again, and pselect6 leaves there what is left of the time: what makes a call
    /// overdue is believed only if the call is still the same after it was read.
    private func withoutStaleTimeouts(
        _ seeds: [(CallRecord, BlockedCall)], _ source: inout some HolderSource
    ) -> [(CallRecord, BlockedCall)] {
        let doubtful = seeds.indices.filter { index in
            let (record, call) = seeds[index]
            guard let asked = call.call, let timeout = asked.timeoutNanoseconds else { return false }
            let duration = record.nowNanoseconds - min(record.startNanoseconds, record.nowNanoseconds)
            return Judge.isPast(timeout, after: duration) && identifier.hasTimeoutInMemory(record, asked)
        }
        guard !doubtful.isEmpty else { return seeds }
        let same = Set(source.threads(doubtful.map { .thread(seeds[$0].0.tid) }).map(\.id))
        var believed = seeds
        for index in doubtful where !same.contains(seeds[index].0.id) {
            believed[index].1.call?.timeoutNanoseconds = nil
        }
        return believed
    }

    /// No call of that verdict is written.
    private func isShut(_ reason: Reason) -> Bool { !settings.verdicts.contains(reason.verdict) }

    fileprivate mutating func investigate(
        _ seeds: [(CallRecord, BlockedCall)], _ source: inout some HolderSource, _ risky: inout some RiskyReading,
        _ clock: ClockReading, isThorough: Bool = false
    ) -> Stories {
        var investigation = Investigation(isThorough: isThorough || settings.verdicts.contains(.idle))
        investigation.run(
            seeds.map { (record: $0.0, call: $0.1) }, source: &source, risky: &risky, identifier: &identifier,
            clock: clock)
        for (record, _) in seeds where habits.knows(record, record.nowNanoseconds - record.startNanoseconds) {
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
        var due: [(lookedAt: UInt64, tid: Int)] = []
        for (id, call) in open where call.reason != nil && !new.contains(id) {
            let pause = call.isSettled ? Self.settledPause : 1_000_000_000
            if call.lookedAt + pause <= clock.monotonic { due.append((call.lookedAt, call.tid)) }
        }
        guard !due.isEmpty else { return [] }
        // the same of a host, whatever the order of a dictionary
        due.sort { $0 < $1 }
        if due.count > Self.mostRelooks { due.removeSubrange(Self.mostRelooks...) }
        let records = source.threads(due.map { .thread($0.tid) }).filter { open[$0.id]?.reason != nil }
        let calls = identifier.identify(records, clock: clock, isBrief: true, risky: &risky)
        return Array(zip(records, calls))
    }

    private static let mostRelooks = 1024
    /// Nobody is known to hold the other end, and the thread has not moved: still, what was found in a program's memory
    /// may have changed.
    private static let settledPause: UInt64 = 300_000_000_000

    /// What a look has brought for one call.
    private struct Told {
        var record: CallRecord
        var call: BlockedCall
        var story: Story
        var old: Reason?
        var isNew: Bool
    }

    /// Openings, repetitions, changes, ends that came meanwhile.
    private mutating func say(
        _ told: [Told], _ clock: ClockReading, _ source: inout some HolderSource, _ risky: inout some RiskyReading
    ) {
        // who waits is asked of those only that are written
        var new: [(told: Told, duration: UInt64)] = []
        for one in told {
            guard var known = open[one.call.id] else { continue }
            let duration = one.record.nowNanoseconds - min(known.start, one.record.nowNanoseconds)
            if let said = known.said {
                guard one.isNew || one.old != one.story.reason else { continue }
                let call = said.call.now(one.call)
                known.said = Said(call, one.story)
                open[one.call.id] = known
                guard isAdmitted(clock) else { continue }
                totals.stillBlocked += 1
                say(.stillBlocked, call, one.story, duration: duration, result: nil, clock)
                continue
            }
            guard one.isNew || one.old != one.story.reason || known.closing != nil else { continue }
            let whole = known.closing.map { $0.nowNanoseconds - min(known.start, $0.nowNanoseconds) } ?? duration
            if let reason = hidden(one.record, one.call, whole, one.story.reason) {
                if one.old == nil || known.closing != nil { totals.hidden[reason, default: 0] += 1 }
                if reason == "verdict" { known.nextRepeat = nil }
                open[one.call.id] = known.closing == nil ? known : nil
                if known.closing != nil { count(known.chainID, -1) }
                continue
            }
            guard isAdmitted(clock) else {
                if known.closing != nil {
                    open[one.call.id] = nil
                    count(known.chainID, -1)
                } else {
                    repeatLater(one.call.id, clock)
                }
                continue
            }
            new.append((one, whole))
        }
        let calls = identifier.complete(new.map { ($0.told.record, $0.told.call) }, clock: clock, risky: &risky)
        let held = settings.tellsHeldSockets ? heldSockets(of: calls, &source) : [:]
        for (one, var call) in zip(new, calls) {
            guard var known = open[call.id] else { continue }
            call.heldSockets = held[call.process.pid]?.filter { $0 != call.resource.network?.communityID } ?? []
            if let closing = known.closing {
                open[call.id] = nil
                totals.slow += 1
                let result = closing.reason == .returned ? closing.result : nil
                say(.slow, call, one.told.story, duration: one.duration, result: result, clock)
                count(known.chainID, -1)
            } else {
                known.said = Said(call, one.told.story)
                open[call.id] = known
                totals.blocked += 1
                say(.blocked, call, one.told.story, duration: one.duration, result: nil, clock)
                if known.nextRepeat == nil { repeatLater(call.id, clock) }
            }
        }
    }

    /// Community IDs of the connections that the processes of these calls hold.
    private func heldSockets(of calls: [BlockedCall], _ source: inout some HolderSource) -> [Int: [String]] {
        let pids = Set(calls.map(\.process.pid)).sorted()
        guard !pids.isEmpty, let answers = source.files(pids.map(FileQuestion.sockets)) else { return [:] }
        var held: [Int: Set<String>] = [:]
        for member in answers.members where pids.indices.contains(member.question) {
            guard let id = SocketKind.resource(member.object).network?.communityID else { continue }
            held[pids[member.question], default: []].insert(id)
        }
        return held.mapValues { $0.sorted() }
    }

    private mutating func isAdmitted(_ clock: ClockReading) -> Bool {
        if rate.admit(at: clock.monotonic) { return true }
        totals.hidden["max_rate", default: 0] += 1
        return false
    }

    private mutating func repeatLater(_ id: UInt64, _ clock: ClockReading) {
        guard let interval = settings.repeatNanoseconds, open[id]?.nextRepeat == nil else { return }
        open[id]?.repeatInterval = interval
        open[id]?.nextRepeat = clock.monotonic.saturatingAdd(interval)
        earliestRepeat = min(earliestRepeat, clock.monotonic.saturatingAdd(interval))
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

    private mutating func count(_ chainID: String?, _ step: Int) {
        guard let id = chainID else { return }
        let count = (behind[id] ?? 0) + step
        behind[id] = count > 0 ? count : nil
    }

    /// A call that was over before it was said. Where somebody holds the other end, that is looked for first.
    ///
    /// - Returns: whether it will be said later.
    private mutating func mayBeRelated(_ call: BlockedCall, _ record: CallRecord, _ clock: ClockReading) -> Bool {
        let duration = record.nowNanoseconds - min(call.startNanoseconds, record.nowNanoseconds)
        if record.result > 0 { habits.note(Habits.Place(record), duration) }
        guard hidden(record, call, duration) == nil, open[call.id] == nil, Investigation.hasQuestions(record, call),
            pendingOver[record.tid, default: 0] < Self.mostOver
        else { return false }
        pendingOver[record.tid, default: 0] += 1
        pend(record, call)
        open[call.id] = OpenCall(record, call, nextRepeat: nil, repeatInterval: 0)
        open[call.id]?.closing = ClosedRecord(
            call: call.id, reason: .returned, nowNanoseconds: record.nowNanoseconds, result: record.result)
        return true
    }

    /// Calls that were over before they were said, and whose other ends nobody holds.
    private mutating func slow(
        _ calls: [(record: CallRecord, call: BlockedCall)], _ clock: ClockReading, _ risky: inout some RiskyReading
    ) {
        var written: [(record: CallRecord, call: BlockedCall)] = []
        var told: [Story] = []
        for (record, call) in calls {
            let duration = record.nowNanoseconds - min(call.startNanoseconds, record.nowNanoseconds)
            var stories = judged(record, call)
            if let reason = hidden(record, call, duration, stories.reason(of: record.tid)) {
                totals.hidden[reason, default: 0] += 1
            } else if isAdmitted(clock) {
                written.append((record, call))
                told.append(stories.story(of: record.tid) ?? Story())
            }
        }
        let complete = identifier.complete(written, clock: clock, risky: &risky)
        for (((record, _), call), story) in zip(zip(written, complete), told) {
            let duration = record.nowNanoseconds - min(call.startNanoseconds, record.nowNanoseconds)
            totals.slow += 1
            say(.slow, call, story, duration: duration, result: record.result, clock)
        }
    }

    /// So many calls of one thread that are over wait for their other ends.
    private static let mostOver = 4

    /// The verdict of a call that is over: by what its exit itself captured.
    private func judged(_ record: CallRecord, _ call: BlockedCall) -> Stories {
        var investigation = Investigation()
        investigation.add(record, call)
        return Stories(
            investigation, thresholdNanoseconds: settings.thresholdNanoseconds, bootID: identifier.bootID,
            nativeABI: identifier.nativeABI)
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
        exiting.remove(closing.call)
        count(known.chainID, -1)
        let duration = closing.nowNanoseconds > known.start ? closing.nowNanoseconds - known.start : 0
        if closing.reason == .returned, closing.result > 0 { habits.note(known.place, duration) }
        guard let said = known.said else { return }
        if closing.reason == .ended {
            totals.ended += 1
            say(.ended, said.call, said.story, duration: duration, result: nil, clock)
        } else {
            totals.returned += 1
            let result = closing.reason == .returned ? closing.result : nil
            say(.returned, said.call, said.story, duration: duration, result: result, clock)
        }
    }

    /// Why a call is not to be written: the option's name; `nil` if it is.
    private mutating func hidden(
        _ record: CallRecord, _ call: BlockedCall, _ duration: UInt64, _ reason: Reason? = nil
    ) -> String? {
        if settings.newOnly, call.startSource == .lastRan, call.startNanoseconds < startedAt { return "new_only" }
        if let reason, isShut(reason) { return "verdict" }
        if settings.filter.isEmpty, settings.ignoreRules.isEmpty { return nil }
        var subject = identifier.subject(record, call, duration: duration)
        subject.reason = reason?.rawValue
        if !settings.filter.admits(subject) { return "filter" }
        return settings.ignoreRules.first { $0.ignores(subject) }.map { "ignore.\($0.name)" }
    }

    // MARK: - by time

    /// Calls to ask the kernel side about again now, those first that have waited longest.
    ///
    /// - Parameter most: how many; the others stay due.
    public mutating func dueRepeats(at now: UInt64, most: Int = .max) -> [UInt64] {
        guard now >= earliestRepeat else { return [] }
        earliestRepeat = .max
        var due: [(since: UInt64, id: UInt64)] = []
        for (id, call) in open {
            guard let next = call.nextRepeat else { continue }
            if next <= now { due.append((next, id)) } else { earliestRepeat = min(earliestRepeat, next) }
        }
        due.sort { $0 < $1 }
        if due.count > most {
            earliestRepeat = due[most].since
            due.removeSubrange(most...)
        }
        for (_, id) in due {
            guard let call = open[id] else { continue }
            let interval = min(call.repeatInterval.saturatingAdd(call.repeatInterval), Self.longestRepeat)
            open[id]?.repeatInterval = interval
            open[id]?.nextRepeat = now.saturatingAdd(interval)
            earliestRepeat = min(earliestRepeat, now.saturatingAdd(interval))
        }
        return due.map(\.id)
    }

    /// Calls whose `blocked` was written.
    public var writtenCalls: [UInt64] { open.filter(\.value.isWritten).map(\.key).sorted() }

    /// When ``dueRepeats(at:)`` has something next.
    public var nextRepeat: UInt64? { open.values.lazy.compactMap(\.nextRepeat).min() }

    /// After a scan: closings without an opening are of calls that the ring had no room for.
    public mutating func endOfScan(at now: UInt64) {
        early = early.filter { now - min($0.value.nowNanoseconds, now) < 10_000_000_000 }
    }

    /// Threads of which only /proc can tell whether they still exist: dying ones fire no event any more; after
    /// lost closings, all.
    public func threadsToCheck(all: Bool) -> [(call: UInt64, pid: Int32, tid: Int32)] {
        let calls = all ? Array(open.keys) : Array(exiting)
        return calls.sorted().compactMap { id in open[id].map { (id, $0.procPID, $0.procTID) } }
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
            bySyscall[known.name, default: 0] += 1
            guard let reason = known.reason else { continue }
            byVerdict[reason.verdict.rawValue, default: 0] += 1
            if reason.verdict == .idle { idleByReason[reason.rawValue, default: 0] += 1 }
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
            open[report.call.id]?.said = nil
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
            call: call, startWallNanoseconds: call.startWallNanoseconds,
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
        open.sorted { $0.key < $1.key }.compactMap(\.value.said).map { said in
            let start = said.call.startNanoseconds
            return CallReport(
                call: said.call, startWallNanoseconds: said.call.startWallNanoseconds,
                durationNanoseconds: clock.monotonic - min(start, clock.monotonic), result: nil, story: said.story,
                victims: said.story?.chainID.map { victims(of: $0) } ?? 0)
        }
    }

    /// Open calls of a verdict, written or not.
    public func count(of verdict: Verdict) -> Int { open.values.count { $0.reason?.verdict == verdict } }

    /// Looks at all threads of one process, whatever they do.
    ///
    /// - Returns: `nil` if there are none: it is gone, or it is the kernel's own.
    public mutating func explain(
        pid: Int, source: inout some HolderSource, risky: inout some RiskyReading, clock: ClockReading
    ) -> Explanation? {
        let records = source.threads([.process(pid)])
        guard !records.isEmpty else { return nil }
        let calls = identify(records, clock: clock, risky: &risky)
        var stories = investigate(Array(zip(records, calls)), &source, &risky, clock, isThorough: true)
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
