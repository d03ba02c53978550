/// The stages in a row: record bytes ▶ call ▶ resource ▶ holders ▶ wait-for graph ▶ verdict ▶ report ▶ line.
///
/// Pure: bytes, clock and counters come in, records go out. One thread owns it.
public struct Pipeline {
    private(set) var settings: Settings
    private var selection: Selection
    /// CLOCK_MONOTONIC, nanoseconds.
    private let startedAt: UInt64
    var examiner: Examiner
    private(set) var ledger: CallLedger
    private var toldDeadlocks: Set<String> = []
    private var rate: RateLimit
    var records = RecordStream()
    /// What `summary` says of the probes, and of stacks.
    var overhead: Overhead?
    var stackCounts: StackCounts?

    public static let longestRepeat = RepeatSchedule.longest

    public init(_ settings: Settings, identifier: Identifier, now: UInt64) {
        self.settings = settings
        startedAt = now
        selection = Selection(settings, startedAt: now)
        examiner = Examiner(
            identifier: identifier, thresholdNanoseconds: settings.thresholdNanoseconds,
            isThorough: settings.verdicts.contains(.idle))
        ledger = CallLedger(repeatNanoseconds: settings.repeatNanoseconds)
        rate = RateLimit(perSecond: settings.maxRate)
    }

    /// Other filters, rules and rates from now on. Calls that were left out are looked at again; those whose `blocked` was
    /// written are closed as ever. The threshold stays what it was.
    ///
    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds.
    public mutating func reconfigure(_ settings: Settings, at now: UInt64) {
        self.settings = settings
        selection = Selection(settings, startedAt: startedAt)
        examiner.isThorough = settings.verdicts.contains(.idle)
        rate = RateLimit(perSecond: settings.maxRate)
        ledger.reconsider(repeatNanoseconds: settings.repeatNanoseconds, at: now)
    }

    /// Records made since the last call, in order.
    public mutating func takeRecords() -> [Record] { records.take() }

    // MARK: - from the kernel

    /// Everything that came out of the ring at once.
    public mutating func ingest(
        _ records: [KernelRecord], clock: ClockReading, risky: inout some RiskyReading
    ) {
        let calls = records.compactMap { if case .call(let call) = $0 { call } else { nil } }
        var identified = examiner.identifier.identify(calls, clock: clock, isBrief: true, risky: &risky)[...]
        var slow: [Sighting] = []
        for record in records {
            switch record {
            case .call(let record):
                guard let call = identified.popFirst() else { continue }
                switch record.occasion {
                case .found: opened((record, call), clock)
                case .refreshed: refreshed((record, call), clock)
                case .slow: if !waitsForLook(over: (record, call)) { slow.append((record, call)) }
                case .viewed: break
                }
            case .closed(let closing): closed(closing, clock)
            }
        }
        writeSlow(slow, clock, &risky)
    }

    private mutating func opened(_ sighting: Sighting, _ clock: ClockReading) {
        // the kernel side says a call once; twice means that its first telling was taken back
        guard ledger[sighting.call.id] == nil else { return }
        let exclusion = exclusion(of: sighting)
        if let exclusion { records.leaveOut(exclusion) }
        let concealment = exclusion.map { $0.isLasting ? CallLedger.Concealment.lasting : .passing }
        let gone = ledger.open(sighting, hidden: concealment, at: clock.monotonic)
        if let gone { ended(gone.call, gone.closing, clock) }
    }

    private mutating func refreshed(_ sighting: Sighting, _ clock: ClockReading) {
        guard let known = ledger[sighting.call.id] else {
            // said before this process listened, or its opening was lost: better late than never
            opened(sighting, clock)
            return
        }
        // an ignore rule's time may be over, or the rate may have room again
        guard known.isWritten || exclusion(of: sighting) == nil else { return }
        ledger.enqueue(sighting)
    }

    private mutating func closed(_ closing: ClosedRecord, _ clock: ClockReading) {
        if let call = ledger.close(closing) { ended(call, closing, clock) }
    }

    /// A call has left the ledger.
    private mutating func ended(_ call: LedgerEntry, _ closing: ClosedRecord, _ clock: ClockReading) {
        let duration = call.duration(at: closing.nowNanoseconds)
        if closing.reason == .returned, closing.result > 0 { examiner.habits.note(call.place, duration) }
        guard let account = call.account else { return }
        let result = closing.reason == .returned ? closing.result : nil
        records.write(
            closing.reason == .ended ? .ended : .returned,
            report(account.call.closed(closing), account.finding, duration: duration, result: result), clock)
    }

    /// A call that was over before it was said. Where somebody holds the other end, that is looked for first.
    ///
    /// - Returns: whether it is.
    private mutating func waitsForLook(over sighting: Sighting) -> Bool {
        let (record, call) = sighting
        if record.result > 0 { examiner.habits.note(Habits.Place(record), duration(of: sighting)) }
        guard exclusion(of: sighting) == nil, Investigation.hasQuestions(record, call) else { return false }
        return ledger.open(over: sighting)
    }

    /// Calls that were over before they were said, and whose other ends nobody holds.
    private mutating func writeSlow(
        _ sightings: [Sighting], _ clock: ClockReading, _ risky: inout some RiskyReading
    ) {
        var written: [Sighting] = []
        var judged: [Finding] = []
        for sighting in sightings {
            let tid = sighting.record.tid
            var findings = examiner.judge(over: sighting)
            let reason = findings.judgement(of: tid).reason
            if selection.isIdle(over: reason, unseen: findings.wentUnseen(tid)) {
                records.leaveOut(.over)
            } else if let exclusion = exclusion(of: sighting, reason) {
                records.leaveOut(exclusion)
            } else if isAdmitted(clock) {
                written.append(sighting)
                judged.append(findings.finding(of: tid) ?? .nothing)
            }
        }
        let complete = examiner.identifier.complete(written, clock: clock, risky: &risky)
        for ((sighting, call), finding) in zip(zip(written, complete), judged) {
            let report = report(call, finding, duration: duration(of: sighting), result: sighting.record.result)
            records.write(.slow, report, clock)
        }
    }

    // MARK: - other ends

    /// Something was seen that nobody has looked at yet.
    public var hasPending: Bool { !ledger.queue.isEmpty }

    /// Looks for the other ends of what was seen since the last time, and writes it.
    ///
    /// - Parameter relooks: calls that were written may be looked at again, since something may have changed.
    public mutating func relate(
        source: inout some HolderSource, risky: inout some RiskyReading, relooks: Bool, clock: ClockReading
    ) {
        examiner.sampleDevices(&risky, clock)
        var (inFlight, over, new) = ledger.takeQueue()
        // what is over says nothing about what its thread does now; and a thread can have had several such calls
        while !over.isEmpty {
            var tids: Set<Int> = []
            let cut = over.partition { tids.insert($0.record.tid).inserted }
            look(at: Array(over[cut...]), new: new, &source, &risky, clock)
            over.removeSubrange(cut...)
        }
        if relooks { inFlight += seenAgain(except: new, source: &source, risky: &risky, clock: clock) }
        look(at: inFlight, new: new, &source, &risky, clock)
    }

    /// Fresh records of calls that are due to be looked at again, of those that are still the same.
    private mutating func seenAgain(
        except new: Set<UInt64>, source: inout some HolderSource, risky: inout some RiskyReading, clock: ClockReading
    ) -> [Sighting] {
        let due = ledger.takeDueRelooks(at: clock.monotonic, except: new)
        guard !due.isEmpty else { return [] }
        let records = source.threads(due.map { .thread($0) }).filter { ledger[$0.id]?.lastLook != nil }
        let calls = examiner.identifier.identify(records, clock: clock, isBrief: true, risky: &risky)
        return Array(zip(records, calls))
    }

    /// Looks for the other ends of some calls, and writes what is new.
    private mutating func look(
        at sightings: [Sighting], new: Set<UInt64>, _ source: inout some HolderSource,
        _ risky: inout some RiskyReading, _ clock: ClockReading
    ) {
        guard !sightings.isEmpty else { return }
        let sightings = examiner.withoutStaleTimeouts(sightings, &source)
        var (findings, deadlocks) = examiner.examine(sightings, &source, &risky, clock)
        var results: [LookResult] = []
        for (record, call) in sightings {
            guard let known = ledger[call.id] else { continue }
            let reason = findings.judgement(of: record.tid).reason
            if let account = known.account, let before = known.lastLook, let finding = account.finding,
                findings.sawLess(of: record.tid, than: before.reason)
            {
                // what was said is not taken back because a later look saw less
                ledger.looked(
                    at: call.id,
                    LedgerEntry.LastLook(chainID: before.chainID, at: clock.monotonic, reason: before.reason))
                results.append(
                    LookResult(
                        sighting: (record, account.call), finding: finding, before: before.reason,
                        isNew: new.contains(call.id)))
                continue
            }
            let isSettled = reason.verdict == .idle && findings.isSettled(record.tid)
            var look = LedgerEntry.LastLook(at: clock.monotonic, reason: reason, isSettled: isSettled)
            // of most calls nothing is said but how many there are
            guard known.isWritten || known.closing != nil || reason.verdict != .idle || selection.wants(reason) else {
                if known.lastLook == nil { records.leaveOut(.verdict) }
                ledger.looked(at: call.id, look)
                ledger.stopRepeats(of: call.id)
                continue
            }
            // at rest a moment ago: that somebody was at work just then is said if it is seen again
            if !known.isWritten, known.closing == nil, reason == .peerBusy, known.lastLook?.reason.verdict == .idle {
                ledger.looked(at: call.id, look)
                continue
            }
            if known.closing != nil, selection.isIdle(over: reason, unseen: findings.wentUnseen(record.tid)) {
                records.leaveOut(.over)
                ledger.settle(call.id)
                continue
            }
            var finding = findings.finding(of: record.tid) ?? .nothing
            // of tens of thousands of calls that nobody asks of
            if settings.stacks == .none { finding.links = [] }
            look.chainID = finding.chainID
            ledger.looked(at: call.id, look)
            var call = call
            call.resource = findings.resource(of: record.tid) ?? call.resource
            results.append(
                LookResult(
                    sighting: (record, call), finding: finding, before: known.lastLook?.reason,
                    isNew: new.contains(call.id)))
        }
        let unasked = results.indices.filter { findings.hasUnaskedMembers(results[$0].sighting.record.tid) }
        if !unasked.isEmpty {
            var whole = examiner.investigate(
                unasked.map { results[$0].sighting }, &source, &risky, clock, isThorough: true)
            for index in unasked {
                let finding = whole.finding(of: results[index].sighting.record.tid)
                if let finding { results[index].finding.take(membersOf: finding) }
            }
        }
        // before its members: a reader at a terminal wants the whole first
        for deadlock in deadlocks where toldDeadlocks.insert(deadlock.id).inserted {
            if toldDeadlocks.count > 4096 { toldDeadlocks = [deadlock.id] }
            write(deadlock, findings, clock)
        }
        write(results, findings.look, clock, &source, &risky)
    }

    // MARK: - records

    /// What a look has brought for one call.
    struct LookResult {
        var sighting: Sighting
        var finding: Finding
        /// Of the look before; `nil` if this is the first.
        var before: Reason?
        /// It was in the queue, and not only looked at again.
        var isNew: Bool

        var hasNews: Bool { isNew || before != finding.reason }
    }

    /// Openings, repetitions, changes, ends that came meanwhile.
    private mutating func write(
        _ results: [LookResult], _ look: Investigation, _ clock: ClockReading, _ source: inout some HolderSource,
        _ risky: inout some RiskyReading
    ) {
        // who waits is asked of those only that are written
        var first: [(result: LookResult, duration: UInt64)] = []
        var again: [(result: LookResult, duration: UInt64, account: LedgerEntry.Account, isAdmitted: Bool)] = []
        for result in results {
            let (record, call) = result.sighting
            guard let known = ledger[call.id] else { continue }
            let end = known.closing?.nowNanoseconds ?? record.nowNanoseconds
            let duration = known.duration(at: end)
            let isDue = !known.isWritten && selection.hasWaitedEnough(duration, result.finding.reason)
            guard result.hasNews || known.closing != nil || isDue else { continue }
            if let account = known.account {
                guard result.isNew || selection.isNews(result.finding, said: account.finding) else { continue }
                again.append((result, duration, account, isAdmitted(clock)))
            } else if let exclusion = exclusion(of: result.sighting, lasting: duration, result.finding.reason) {
                if result.before == nil || known.closing != nil { records.leaveOut(exclusion) }
                ledger.setAside(call.id, exclusion.isUnwanted)
                if exclusion == .verdict { ledger.stopRepeats(of: call.id) }
                ledger.settle(call.id)
            } else if isAdmitted(clock) {
                first.append((result, duration))
            } else {
                ledger.resumeRepeats(of: call.id, at: clock.monotonic)
                ledger.settle(call.id)
            }
        }
        let told = again.map(\.result) + first.map(\.result)
        let stacks = userStacks(of: told, &risky)
        let sites = sites(of: told, stacks, in: look, &risky)
        for (result, duration, account, isAdmitted) in again {
            var call = account.call.now(result.sighting.call)
            call.take(stacks[result.sighting.record.tid])
            var finding = result.finding
            finding.take(waitOf: call.userStack)
            finding.take(sites: sites)
            writeAgain(call, finding, duration, isAdmitted, clock)
        }
        let calls = examiner.identifier.complete(first.map(\.result.sighting), clock: clock, risky: &risky)
        let held = settings.tellsHeldSockets ? examiner.heldConnections(of: calls, &source) : [:]
        for ((result, duration), var call) in zip(first, calls) {
            call.take(stacks[result.sighting.record.tid])
            var finding = result.finding
            finding.take(waitOf: call.userStack)
            finding.take(sites: sites)
            let all = held[call.process.pid] ?? HeldConnections()
            call.heldSockets = all.ids.filter { $0 != call.resource.network?.communityID }.sorted()
            call.heldEndpoints = all.served
            writeFirst(call, finding, duration, clock)
        }
    }

    /// The one record of a call that is over, or the first of one that is not.
    private mutating func writeFirst(
        _ call: BlockedCall, _ finding: Finding, _ duration: UInt64, _ clock: ClockReading
    ) {
        if let closing = ledger[call.id]?.closing {
            let result = closing.reason == .returned ? closing.result : nil
            records.write(.slow, report(call.closed(closing), finding, duration: duration, result: result), clock)
            ledger.settle(call.id)
        } else if ledger.write(call.id, LedgerEntry.Account(call, finding), at: clock.monotonic) {
            ledger.paceRepeats(of: call.id, finding.verdict, at: clock.monotonic)
            records.write(.blocked, report(call, finding, duration: duration, result: nil), clock)
        }
    }

    /// What a written call waits for is kept as it is now, whether there is room for a record or not.
    private mutating func writeAgain(
        _ call: BlockedCall, _ finding: Finding, _ duration: UInt64, _ isAdmitted: Bool, _ clock: ClockReading
    ) {
        ledger.revise(call.id, LedgerEntry.Account(call, finding))
        ledger.paceRepeats(of: call.id, finding.verdict, at: clock.monotonic)
        guard isAdmitted else { return }
        records.write(.stillBlocked, report(call, finding, duration: duration, result: nil), clock)
    }

    private mutating func write(_ deadlock: Deadlock, _ findings: Findings, _ clock: ClockReading) {
        let members = deadlock.tids.compactMap { findings.member($0, of: deadlock) }
        let parts = stride(from: 0, to: members.count, by: 8).map { Array(members[$0..<min($0 + 8, members.count)]) }
        let chain = deadlock.tids.first.flatMap { tid -> Finding? in
            var findings = findings
            return findings.finding(of: tid)
        }
        let reports = parts.enumerated().map { index, part in
            DeadlockReport(
                id: deadlock.id, threads: members.count, members: part, part: index + 1, parts: parts.count,
                chain: chain?.chain ?? "", chainID: chain?.chainID,
                victims: chain?.chainID.map { ledger.victims(of: $0) } ?? 0)
        }
        records.write(reports, clock)
    }

    func report(_ call: BlockedCall, _ finding: Finding?, duration: UInt64, result: Int64?) -> CallReport {
        CallReport(
            call: call, startWallNanoseconds: call.startWallNanoseconds, durationNanoseconds: duration, result: result,
            finding: finding, victims: finding?.chainID.map { ledger.victims(of: $0) } ?? 0)
    }

    private func duration(of sighting: Sighting) -> UInt64 {
        let now = sighting.record.nowNanoseconds
        return now - min(sighting.call.startNanoseconds, now)
    }

    /// - Parameter duration: nanoseconds; as long as it has lasted when it was seen, unless said otherwise.
    private mutating func exclusion(
        of sighting: Sighting, lasting duration: UInt64? = nil, _ reason: Reason? = nil
    ) -> Exclusion? {
        selection.exclusion(
            of: sighting, duration: duration ?? self.duration(of: sighting), reason: reason,
            identifier: &examiner.identifier)
    }

    private mutating func isAdmitted(_ clock: ClockReading) -> Bool {
        if rate.admit(at: clock.monotonic) { return true }
        records.leaveOut(.maxRate)
        return false
    }

    // MARK: - by time

    /// Calls to ask the kernel side about again now, those first that have waited longest.
    ///
    /// - Parameter most: how many; the others stay due.
    public mutating func dueRepeats(at now: UInt64, most: Int = .max) -> [UInt64] {
        ledger.takeDueRepeats(at: now, most: most)
    }

    /// When ``dueRepeats(at:most:)`` has something next.
    public var nextRepeat: UInt64? { ledger.nextRepeat }

    /// After a scan: what it was to bring has come.
    public mutating func endOfScan(at now: UInt64) { ledger.forgetEarlyClosings(at: now) }

    /// The thread of an open call is gone.
    public mutating func vanished(_ call: UInt64, clock: ClockReading) {
        closed(ClosedRecord(call: call, reason: .ended, nowNanoseconds: clock.monotonic, result: 0), clock)
    }

    /// The output had no room for a `blocked`: its end must not be written either.
    public mutating func wasDropped(_ record: Record) {
        guard case .call(let report) = record.body else { return }
        records.takeBack(record.action, report)
        if record.action == .blocked { ledger.unwrite(report.call.id) }
    }
}
