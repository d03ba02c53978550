/// All calls that are open, each in one state (``LedgerEntry/State``):
///
///     open        ▶ queued, hidden        enqueue   hidden ▶ queued
///     open(over:) ▶ over                  looked    queued ▶ unwritten
///     write         unwritten ▶ written   unwrite   written ▶ unwritten
///     close         queued ▶ over, and all others out
///     settle        over ▶ out
///
/// There is one way in (`enter`) and one way out (`remove`): what else is counted of a call is counted there.
struct CallLedger {
    private(set) var calls: [UInt64: LedgerEntry] = [:]
    private(set) var queue = LookQueue()
    private var victims = Victims()
    /// Threads that fire no event any more when they go.
    private var exiting: Set<UInt64> = []
    /// Closings that overtook their opening, by call.
    private var early: [UInt64: ClosedRecord] = [:]
    private var repeats: RepeatSchedule
    private var relooks = RelookSchedule()

    /// - Parameter repeatNanoseconds: after which an open call is due again for the first time; `nil` for never.
    init(repeatNanoseconds: UInt64?) { repeats = RepeatSchedule(first: repeatNanoseconds) }

    subscript(id: UInt64) -> LedgerEntry? { calls[id] }

    /// Open calls behind one root.
    func victims(of chainID: String) -> Int { victims.behind(chainID) }

    // MARK: - in

    /// Why nobody looks at a call when it is opened.
    enum Concealment {
        /// Its rule may run out.
        case passing
        case lasting
    }

    /// A call is seen for the first time; nothing, if it is open already.
    ///
    /// - Returns: the call with its closing, if that had come before and nobody was to look at it: it is out again.
    @discardableResult
    mutating func open(
        _ sighting: Sighting, hidden: Concealment? = nil, at now: UInt64
    ) -> (call: LedgerEntry, closing: ClosedRecord)? {
        let id = sighting.call.id
        guard calls[id] == nil else { return nil }
        var call = LedgerEntry(sighting.record, sighting.call, hidden == nil ? .queued : .hidden)
        if hidden != .lasting { call.repetition = repeats.first(after: now) }
        enter(id, call, sighting)
        guard let closing = early.removeValue(forKey: id), let gone = close(closing) else { return nil }
        return (gone, closing)
    }

    /// A call is seen for the first time, and it is over: it waits in the queue, if there is room.
    ///
    /// - Returns: whether it does.
    mutating func open(over sighting: Sighting) -> Bool {
        let (record, call) = sighting
        guard calls[call.id] == nil, queue.hasRoom(forOverOf: record.tid) else { return false }
        let closing = ClosedRecord(
            call: call.id, reason: .returned, nowNanoseconds: record.nowNanoseconds, result: record.result)
        enter(call.id, LedgerEntry(record, call, .over(closing, nil)), sighting)
        return true
    }

    private mutating func enter(_ id: UInt64, _ call: LedgerEntry, _ sighting: Sighting) {
        calls[id] = call
        switch call.state {
        case .over: queue.add(over: sighting)
        case .queued: queue.add(sighting)
        case .hidden, .unwritten, .written: break
        }
        if sighting.record.kind == .exiting { exiting.insert(id) }
    }

    // MARK: - from state to state

    /// A call was seen again, and is to be looked at; nothing, if it is not open.
    mutating func enqueue(_ sighting: Sighting) {
        guard let call = calls[sighting.call.id] else { return }
        if case .hidden = call.state { calls[sighting.call.id]?.state = .queued }
        queue.add(sighting)
    }

    /// Empties the queue.
    ///
    /// - Returns: those that are over apart; a call that was closed since it was seen again is still among the others.
    mutating func takeQueue() -> (inFlight: [Sighting], over: [Sighting], ids: Set<UInt64>) {
        let (sightings, ids) = queue.take()
        let over = sightings.filter { calls[$0.call.id]?.closing != nil }
        return (sightings.filter { calls[$0.call.id]?.closing == nil }, over, ids)
    }

    /// Somebody has looked at a call: it is counted behind its root.
    mutating func looked(at id: UInt64, _ look: LedgerEntry.LastLook) {
        guard let call = calls[id] else { return }
        victims.move(from: call.lastLook?.chainID, to: look.chainID)
        switch call.state {
        case .queued, .hidden, .unwritten: calls[id]?.state = .unwritten(look)
        case .written(_, let account): calls[id]?.state = .written(look, account)
        case .over(let closing, _): calls[id]?.state = .over(closing, look)
        }
    }

    /// Its `blocked` is written.
    ///
    /// - Returns: whether it may be: a call is opened once, after a look, and not if it is over.
    mutating func write(_ id: UInt64, _ account: LedgerEntry.Account, at now: UInt64) -> Bool {
        guard let call = calls[id], case .unwritten(let look) = call.state else { return false }
        calls[id]?.state = .written(look, account)
        calls[id]?.isIgnored = false
        resumeRepeats(of: id, at: now)
        return true
    }

    /// An option has left it out, by what it knows now: a rule may run out.
    mutating func setAside(_ id: UInt64, _ isUnwanted: Bool) { calls[id]?.isIgnored = isUnwanted }

    /// What the next record of a written call says of it; nothing, if it is not written.
    mutating func revise(_ id: UInt64, _ account: LedgerEntry.Account) {
        guard let call = calls[id], case .written(let look, _) = call.state else { return }
        calls[id]?.state = .written(look, account)
    }

    /// The output had no room for its `blocked`: its end must not be written either.
    mutating func unwrite(_ id: UInt64) {
        guard let call = calls[id], case .written(let look, _) = call.state else { return }
        calls[id]?.state = .unwritten(look)
    }

    // MARK: - out

    /// A call has ended. One that waits for its first record stays until it had its look; a closing that overtook its
    /// opening is kept for it.
    ///
    /// - Returns: the call, if it is out.
    mutating func close(_ closing: ClosedRecord) -> LedgerEntry? {
        guard let call = calls[closing.call] else {
            early[closing.call] = closing
            return nil
        }
        switch call.state {
        case .queued, .over: calls[closing.call]?.state = .over(closing, call.lastLook)
        case .unwritten(let look) where queue.contains(closing.call):
            calls[closing.call]?.state = .over(closing, look)
        case .hidden, .unwritten, .written: return remove(closing.call)
        }
        return nil
    }

    /// A call that is over had its look and its record, or is to have none; nothing, if it is not over.
    mutating func settle(_ id: UInt64) {
        if calls[id]?.closing != nil { _ = remove(id) }
    }

    /// The one way out.
    private mutating func remove(_ id: UInt64) -> LedgerEntry? {
        guard let call = calls.removeValue(forKey: id) else { return nil }
        victims.move(from: call.lastLook?.chainID, to: nil)
        exiting.remove(id)
        return call
    }

    /// Closings whose opening has not come for 10 s are of calls that the ring had no room for.
    mutating func forgetEarlyClosings(at now: UInt64) {
        early = early.filter { now - min($0.value.nowNanoseconds, now) < 10_000_000_000 }
    }

    // MARK: - by time

    /// It is written again from now on, at first after the shortest interval; nothing, if it already is.
    mutating func resumeRepeats(of id: UInt64, at now: UInt64) {
        guard let call = calls[id], call.repetition == nil else { return }
        calls[id]?.repetition = repeats.first(after: now)
    }

    mutating func stopRepeats(of id: UInt64) { calls[id]?.repetition = nil }

    /// What waits for somebody who is at work is said once, and not by `--repeat`.
    mutating func paceRepeats(of id: UInt64, _ said: Verdict, at now: UInt64) {
        if said == .busy { stopRepeats(of: id) } else { resumeRepeats(of: id, at: now) }
    }

    /// Options have changed: what was not written is due to be seen again, at once, and what was is said by the new interval.
    ///
    /// - Parameter repeatNanoseconds: as at the start.
    mutating func reconsider(repeatNanoseconds: UInt64?, at now: UInt64) {
        repeats = RepeatSchedule(first: repeatNanoseconds)
        for (id, call) in calls {
            switch call.state {
            case .over: break
            case .written(let look, _):
                calls[id]?.repetition = look.reason.verdict == .busy ? nil : repeats.first(after: now)
            case .queued, .hidden, .unwritten: calls[id]?.repetition = repeats.now(now)
            }
        }
    }

    /// Calls to ask the kernel side about again now, those first that have waited longest; their next time is twice as
    /// far.
    ///
    /// - Parameter most: how many; the others stay due.
    mutating func takeDueRepeats(at now: UInt64, most: Int) -> [UInt64] {
        let due = repeats.takeDue(calls, at: now, most: most)
        for id in due {
            guard let repetition = calls[id]?.repetition else { continue }
            calls[id]?.repetition = repeats.next(after: repetition, at: now)
        }
        return due
    }

    /// Threads whose last look is a second old, also idle ones, which may have ceased to be.
    mutating func takeDueRelooks(at now: UInt64, except new: Set<UInt64>) -> [Int] {
        relooks.takeDue(calls, at: now, except: new)
    }

    /// Threads of which only /proc can tell whether they still exist: dying ones fire no event any more; after
    /// lost closings, all.
    func threadsToCheck(all: Bool) -> [(call: UInt64, pid: Int32, tid: Int32)] {
        let ids = (all ? Array(calls.keys) : Array(exiting)).sorted()
        return ids.compactMap { id in calls[id].map { (id, $0.procPID, $0.procTID) } }
    }

    /// Nothing is kept of any call.
    var isEmpty: Bool { calls.isEmpty && queue.isEmpty && victims.isEmpty && exiting.isEmpty && early.isEmpty }
}
