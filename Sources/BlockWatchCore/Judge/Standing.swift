/// What a holder does, as far as those who wait for it are concerned.
enum Standing: Equatable {
    case moving, sleeping, stuck, waiting, idle
    /// It waits for whoever asks.
    case circular

    fileprivate init(_ verdict: Verdict) {
        switch verdict {
        case .deadlock, .stuck: self = .stuck
        case .waiting: self = .waiting
        // it waits for somebody who gets on, and so does everybody behind it
        case .busy: self = .moving
        case .idle: self = .idle
        }
    }

    var isTelling: Bool { self != .circular && self != .idle }
}

extension Judge {
    mutating func standing(of tid: Int) -> Standing {
        guard let wait = look.waits[tid] else { return .moving }
        if wait.record.isZombie || wait.isRunning { return .moving }
        switch wait.state {
        case .stopped, .traced, .frozen: return .stuck
        case .running, .waiting: break
        }
        if wait.duration < movedWithin, !deadlocked.contains(tid), !hasQuickClock(wait) { return .moving }
        if isTimer(wait) { return .sleeping }
        if isBeingJudged(tid) {
            metCircle = true
            return inside.assumed(tid)
        }
        let judgement = judgement(of: tid)
        if circular.remove(tid) != nil, isJudging { return .circular }
        let standing = Standing(judgement.verdict)
        if isJudging, metCircle { inside.threads[tid] = standing }
        return standing
    }

    /// It wakes up by itself that often: that it has done so says nothing.
    private func hasQuickClock(_ wait: Wait) -> Bool {
        guard wait.state == .waiting, wait.call.resource.kind == .futex || wait.set.value != nil,
            case .known(let timeout)? = wait.call.call?.timeout
        else { return false }
        return timeout > 0 && timeout <= 1_000_000_000
    }

    /// A thread that has begun to wait so short a time ago still moves.
    var movedWithin: UInt64 { min(thresholdNanoseconds / 4, 1_000_000_000) }

    mutating func standing(of holder: Holder) -> Standing {
        let party = look.party(holder)
        if let known = standings[party] { return known }
        if isJudging, let found = inside.parties[party] {
            metCircle = true
            return found
        }
        guard partiesInProgress.insert(party).inserted else {
            metCircle = true
            return inside.assumed(party)
        }
        defer { partiesInProgress.remove(party) }
        let before = metCircle
        metCircle = false
        let found = standingOfThreads(of: holder)
        if !metCircle { standings[party] = found } else if isJudging { inside.parties[party] = found }
        metCircle = metCircle || before
        return found
    }

    /// The threads of a holder together: one that moves is enough, those that are idle by design do not count, and
    /// those that wait for whoever asks say nothing.
    private mutating func standingOfThreads(of holder: Holder) -> Standing {
        // not found out is taken for moving here
        guard let threads = look.threads(of: holder) else { return look.isTooLarge(holder.pid) ? .waiting : .moving }
        var seen: [Standing] = []
        for tid in threads { seen.append(standing(of: tid)) }
        if seen.contains(.moving) { return .moving }
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
