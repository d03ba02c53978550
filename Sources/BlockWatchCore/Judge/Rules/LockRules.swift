/// Rules 7 and 12: locks of files, of the kernel and of programs.
extension Judge {
    mutating func lock(_ wait: Wait, _ relation: Relation) -> Reason? {
        guard !relation.holders.isEmpty else {
            if case .nobody = relation.end { return .lockHeld }
            return .unknown
        }
        for holder in relation.holders where isTurnToAccept(wait, holder) { return .listening }
        // those in line before it go on as soon as the holders do
        return standings(relation) { !$0.isQueued }.contains(.moving) ? .lockBusy : .lockHeld
    }

    /// Workers of one server pass the turn to accept by a mutex: its holder waits for a client.
    private func isTurnToAccept(_ wait: Wait, _ holder: Holder) -> Bool {
        guard holder.pid != wait.pid, let threads = look.threads(of: holder) else { return false }
        return threads.contains { tid in
            guard let other = look.waits[tid], other.record.processName == wait.record.processName else { return false }
            return other.call.resource.network?.state == "LISTEN" || other.call.resource.kind == .epoll
                || other.call.resource.kind == .poll
        }
    }

    mutating func futex(_ wait: Wait, _ relation: Relation) -> Reason? {
        guard wait.call.resource.kind == .futex else { return nil }
        // an owner that was not found out counts as none
        return relation.situation == .futexOwner ? lock(wait, relation) : .parked
    }
}
