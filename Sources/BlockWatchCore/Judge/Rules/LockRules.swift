/// Rules 7 and 12: locks of files, of the kernel and of programs.
extension Judge {
    /// Of a semaphore, unlike of a futex, nothing but its last holder tells that it is a lock.
    func isLock(_ wait: Wait, _ relation: Relation) -> Bool {
        relation.situation == .lock || relation.situation == .ownerGone && wait.target is SemaphoreTarget
    }

    mutating func lock(_ wait: Wait, _ relation: Relation) -> Reason? {
        if relation.situation == .ownerGone { return .ownerGone }
        // those who stand in line before it hold nothing: who has the lock was not found out
        let all = standings(relation)
        guard !all.isEmpty else { return .unknown }
        // every lock in the way must be one that is let go of with the turn
        let isTurn = relation.groups.allSatisfy { group in
            group.contains { isTurnToAccept(wait, relation.holders[$0]) }
        }
        if isTurn, !relation.groups.isEmpty { return .listening }
        if all.contains(.moving) { return .lockBusy }
        if all.contains(.unknown) { return .unknown }
        for holder in relation.holders where !holder.holdsNothing && awaitsSomebodyAtWork(holder) { return .lockBusy }
        return .lockHeld
    }

    /// It waits for a child that gets on, as flock(1) does.
    private mutating func awaitsSomebodyAtWork(_ holder: Holder) -> Bool {
        for tid in look.threads(of: holder) ?? [] {
            guard let wait = look.waits[tid], wait.target is ChildrenTarget, let relation = wait.relation.value else {
                continue
            }
            if standings(relation).contains(.moving) { return true }
        }
        return false
    }

    /// Workers of one server, or its threads, pass the turn to accept by a lock: its holder waits for a client.
    private func isTurnToAccept(_ wait: Wait, _ holder: Holder) -> Bool {
        guard !holder.holdsNothing, let threads = look.threads(of: holder) else { return false }
        return threads.contains { tid in
            guard let other = look.waits[tid], other.state == .waiting, !other.isRunning,
                other.record.processName == wait.record.processName
            else { return false }
            return other.isListening || other.set.value?.members.contains(where: \.isListening) == true
        }
    }

    mutating func futex(_ wait: Wait, _ relation: Relation) -> Reason? {
        guard wait.call.resource.kind == .futex else { return nil }
        switch relation.situation {
        case .futexOwner, .ownerGone: return lock(wait, relation)
        case .ownerless: return .parked
        // one that is over can no longer be read: what woke it has come
        default: return relation.isWhole || wait.record.occasion == .slow ? .parked : .unknown
        }
    }
}
