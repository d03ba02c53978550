/// Rules 1 and 11: circles, and poll, select, epoll and io_uring.
extension Judge {
    /// Of a set in a deadlock that member decides by which the circle goes on.
    mutating func cycle(_ wait: Wait) -> Reason? {
        guard deadlocked.contains(wait.tid) else { return nil }
        deciding[wait.tid] = wait.set.value?.members.first { member in
            member.relation.value?.holders.contains { holder in
                look.threads(of: holder)?.contains(where: deadlocked.contains) == true
            } == true
        }
        return .cycle
    }

    /// By its worst member; a set of one is a wait for that one.
    mutating func set(_ wait: Wait) -> Judgement? {
        switch wait.call.resource.kind {
        case .epoll, .poll, .ioUring: break
        default: return nil
        }
        let quiet = Judgement(.eventLoop, by: .set)
        let set: WaitSet
        switch wait.set {
        case .known(let known): set = known
        case .absent: return quiet
        case .unknown: return Judgement(.unknown, by: .set)
        }
        if let only = set.only {
            let judgement = judgement(ofMember: only)
            deciding[wait.tid] = only
            return judgement.reason == .unknown ? quiet : judgement
        }
        var found: (judgement: Judgement, member: Wait)?
        for member in set.members {
            let judgement = judgement(ofMember: member)
            guard isSuspicious(judgement.reason, member), !isAmongThreads(member) else { continue }
            if found == nil || judgement.verdict.rank < found!.judgement.verdict.rank { found = (judgement, member) }
        }
        if found == nil { found = hungPipes(set) }
        guard let found else { return quiet }
        deciding[wait.tid] = found.member
        return found.judgement
    }

    /// Only its own process has the other end: what it or its threads tell each other.
    private func isAmongThreads(_ member: Wait) -> Bool {
        guard let relation = member.relation.value else { return false }
        if relation.situation == .onlyItself { return true }
        return !relation.holders.isEmpty && relation.holders.allSatisfy { $0.pid == member.pid }
    }

    /// Nothing but pipes, and all who could write to them are stuck: as who reads what a child says.
    private mutating func hungPipes(_ set: WaitSet) -> (judgement: Judgement, member: Wait)? {
        var first: (judgement: Judgement, member: Wait)?
        for member in set.members {
            let judgement = judgement(ofMember: member)
            // one that it wakes itself by
            if member.relation.value?.situation == .onlyItself { continue }
            guard member.target is PipeTarget, judgement.reason == .peerStuck, !set.isCut else { return nil }
            if first == nil { first = (judgement, member) }
        }
        return first
    }

    /// What makes a whole set more than idle: a program that serves many has many peers that do something else.
    private func isSuspicious(_ reason: Reason, _ member: Wait) -> Bool {
        switch reason {
        case .connectUnanswered, .connectBacklogFull, .notAccepted, .replyPending, .sendStalled, .overdue: true
        case .peerStuck: isOutstanding(member, member.relation.value ?? Relation())
        // it waits for the end of an output
        default: reason.verdict != .idle && member.relation.value?.leftBehind != nil
        }
    }

    /// Of each member, for the record: the most suspicious first.
    mutating func members(of wait: Wait) -> [(member: Wait, reason: Reason)] {
        var all: [(member: Wait, reason: Reason)] = []
        for member in wait.set.value?.members ?? [] { all.append((member, judgement(ofMember: member).reason)) }
        return all.enumerated().sorted {
            let (a, b) = ($0.element, $1.element)
            let (x, y) = (isSuspicious(a.reason, a.member) ? 0 : 1, isSuspicious(b.reason, b.member) ? 0 : 1)
            return (x, a.reason.verdict.rank, $0.offset) < (y, b.reason.verdict.rank, $1.offset)
        }.map(\.element)
    }
}
