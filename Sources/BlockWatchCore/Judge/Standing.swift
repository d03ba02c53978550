/// What a holder does, as far as those who wait for it are concerned.
enum Standing: Equatable {
    case moving, sleeping, stuck, waiting, idle
    /// What it does was not found out: it may move, or be stuck.
    case unknown
    /// It waits for whoever asks.
    case circular
}

extension Judge {
    mutating func standing(of tid: Int) -> Standing {
        guard let wait = look.waits[tid] else { return .unknown }
        if wait.record.isZombie || wait.isRunning { return .moving }
        switch wait.state {
        case .stopped, .traced, .frozen: return .stuck
        case .running, .waiting: break
        }
        if wait.duration < movedWithin, !deadlocked.contains(tid), !isTicking(wait) { return .moving }
        if isTimer(wait) { return .sleeping }
        if isBeingJudged(tid) {
            metCircle = true
            return .circular
        }
        let judgement = judgement(of: tid)
        if circular.remove(tid) != nil, isJudging { return .circular }
        switch judgement.verdict {
        case .deadlock, .stuck: return .stuck
        case .waiting: return .waiting
        // it waits for somebody who gets on, and so does everybody behind it
        case .busy: return .moving
        case .idle: return .idle
        }
    }

    /// Back at a clock of its own, in a futex that nobody owns: what it woke for is done, and it moved no bytes. One that
    /// does so in a set is seen by its renewals.
    private func isTicking(_ wait: Wait) -> Bool {
        guard wait.call.resource.kind == .futex, case .known? = wait.call.call?.timeout else { return false }
        return wait.relation.value?.situation == .ownerless
    }

    /// A thread that has begun to wait so short a time ago still moves.
    var movedWithin: UInt64 { min(thresholdNanoseconds / 4, 1_000_000_000) }

    mutating func standing(of holder: Holder) -> Standing {
        let threads = look.servants(of: holder)
        guard let threads else { return look.isTooLarge(holder.pid) ? .waiting : .unknown }
        if let known = standings[threads] { return known }
        guard partiesInProgress.insert(threads).inserted else {
            metCircle = true
            return .circular
        }
        defer { partiesInProgress.remove(threads) }
        let before = metCircle
        metCircle = false
        let found = standing(ofAny: threads)
        if !metCircle { standings[threads] = found }
        metCircle = metCircle || before
        return found
    }

    /// Threads together, any of which can end the wait: one that moves is enough, those that are idle by design do not
    /// count, and those that wait for whoever asks say nothing.
    private mutating func standing(ofAny threads: [Int]) -> Standing {
        var seen: [Standing] = []
        for tid in threads { seen.append(standing(of: tid)) }
        if seen.contains(.moving) { return .moving }
        if seen.contains(.unknown) { return .unknown }
        let telling = seen.filter { $0 != .circular }
        if telling.isEmpty { return .circular }
        let busy = telling.filter { $0 != .idle }
        if busy.isEmpty { return .idle }
        if busy.allSatisfy({ $0 == .stuck }) { return .stuck }
        return busy.contains(.waiting) ? .waiting : .sleeping
    }

    /// Of each holder, those left out who hold nothing.
    mutating func standings(_ relation: Relation) -> [Standing] {
        var all: [Standing] = []
        for holder in relation.holders where !holder.holdsNothing { all.append(standing(of: holder)) }
        return all
    }
}
