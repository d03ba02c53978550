/// A lock inside the kernel whose owner the kernel knows.
struct KernelLockTarget: Target {
    let owner: Int

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard let owner = record.kernelLockOwner, owner != record.tid else { return nil }
        self.owner = owner
    }

    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion] { [.thread(owner)] }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        if let holder = look.holder(thread: owner, .owner) {
            relation.add([holder])
            relation.situation = .lock
        }
        relation.wholeIfFound(else: .processGone)
        return relation
    }
}

/// The process that a thread's tracer is.
struct TracerTarget: Target {
    let tracer: Int

    init(tracer: Int) { self.tracer = tracer }
    init?(_ record: CallRecord, _ call: BlockedCall) { nil }

    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion] { [.process(tracer)] }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        relation.add(look.holder(tracer, .tracer).map { [$0] } ?? [])
        return relation
    }
    var hasWayOut: Bool { true }
}

/// Its own exit: files and memory that are being let go of.
struct ExitTarget: Target {
    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard record.kind == .exiting else { return nil }
    }

    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion] { [.process(wait.pid)] }
    func relation(of wait: Wait, in look: Investigation) -> Relation { Relation() }
    var hasWayOut: Bool { true }
}
