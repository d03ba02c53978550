/// What a holder does, as far as those who wait for it are concerned.
enum Standing: Equatable {
    case moving, sleeping, stuck, waiting, idle
    /// What it does was not found out: it may move, or be stuck.
    case unknown
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
            return inside.assumed(tid)
        }
        let judgement = judgement(of: tid)
        if circular.remove(tid) != nil, isJudging { return .circular }
        let standing = Standing(judgement.verdict)
        if isJudging, metCircle { inside.threads[tid] = standing }
        return standing
    }

    /// Back at a clock of its own: what it woke for is done, and that it did so says nothing. In a futex that nobody owns
    /// whatever the clock; else if it ticks that often, as a server's housekeeping does.
    private func isTicking(_ wait: Wait) -> Bool {
        guard wait.state == .waiting, wait.call.resource.kind == .futex || wait.set.value != nil,
            case .known(let timeout)? = wait.call.call?.timeout
        else { return false }
        return timeout > 0 && timeout <= 1_000_000_000
            || wait.call.resource.kind == .futex && wait.relation.value?.situation == .ownerless
    }

    /// A thread that has begun to wait so short a time ago still moves.
    var movedWithin: UInt64 { min(thresholdNanoseconds / 4, 1_000_000_000) }

    mutating func standing(of holder: Holder) -> Standing {
        let threads = look.servants(of: holder)
        guard let threads else { return look.isTooLarge(holder.pid) ? .waiting : .unknown }
        if let known = standings[threads] { return known }
        if isJudging, let found = inside.parties[threads] {
            metCircle = true
            return found
        }
        guard partiesInProgress.insert(threads).inserted else {
            metCircle = true
            return inside.assumed(threads)
        }
        defer { partiesInProgress.remove(threads) }
        let before = metCircle
        metCircle = false
        let found = standing(ofAny: threads)
        if !metCircle { standings[threads] = found } else if isJudging { inside.parties[threads] = found }
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
        for holder in relation.holders + relation.helpers where !holder.holdsNothing {
            all.append(standing(of: holder))
        }
        return all
    }
}
