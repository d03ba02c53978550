/// Children of the waiter's process: the wait family and vfork.
struct ChildrenTarget: Target {
    private static let waits: Set<String> = ["wait4", "waitid", "waitpid"]
    static let calls = waits.union(["vfork"])

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard let ordinary = OrdinaryCall(record, call),
            ordinary.resource.kind == .child || Self.calls.contains(ordinary.call.name),
            record.object?.pidfdProcess == nil
        else { return nil }
    }

    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion] { [.children(of: wait.pid)] }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        let children = look.children(of: wait.pid).filter { $0.pid != wait.pid && !$0.record.isZombie }
        let wanted =
            wait.call.call.map { call in children.filter { Self.isAwaited($0, by: call, of: wait) } } ?? children
        // a thread that waits in vfork has begun nothing since; without other threads the youngest child is the one
        let isFork = wait.call.call.map { !Self.waits.contains($0.name) } ?? false
        if isFork, wait.record.isSingleThreaded,
            let youngest = wanted.max(by: { $0.record.processStartNanoseconds < $1.record.processStartNanoseconds })
        {
            relation.add(look.holder(youngest.pid, .child).map { [$0] } ?? [])
            relation.wholeIfFound(else: .processGone)
            return relation
        }
        relation.add(Set(wanted.map(\.pid)).sorted().compactMap { look.holder($0, .child) })
        relation.wholeIfFound(else: .processGone)
        return relation
    }

    private static func isAwaited(_ child: Wait, by call: SystemCall, of wait: Wait) -> Bool {
        // numbers are those of the waiter's own PID namespace, whose members a child's descendants may have left
        let number = child.record.numberForParent
        func isInGroup(_ id: Int) -> Bool {
            id == 0 ? child.record.groupID == wait.record.groupID : child.record.groupForParent == id
        }
        switch call.name {
        case "waitid":
            let id = Int(Int32(truncatingIfNeeded: call.arguments[1]))
            return call.arguments[0] == 1 ? number == id : call.arguments[0] == 2 ? isInGroup(id) : true
        case "wait4", "waitpid":
            let id = Int(Int32(truncatingIfNeeded: call.arguments[0]))
            if id > 0 { return number == id }
            return id == -1 || isInGroup(-id)
        default: return true
        }
    }
}

/// One process by its pidfd.
struct ProcessTarget: Target {
    let pid: Int

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard let ordinary = OrdinaryCall(record, call), let process = record.object?.pidfdProcess,
            ordinary.resource.kind == .child || ordinary.resource.kind == .pidfd
                || ChildrenTarget.calls.contains(ordinary.call.name)
        else { return nil }
        pid = process
    }

    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion] { [.process(pid)] }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        relation.add(look.holder(pid, .child).map { [$0] } ?? [])
        relation.coverage = .whole
        return relation
    }
}
