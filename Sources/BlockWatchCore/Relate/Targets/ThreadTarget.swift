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
        // of several readers the kernel has kept the last, who may have let go since
        if wait.record.kernelLockHasReaders { relation.coverage = .partial(.notRecorded, isTold: true) }
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

/// Its own exit: files and memory that are being let go of. Who was PID 1 of a PID namespace ends once nothing is left of that:
/// what is left is a process that cannot end, or a zombie that its parent, outside of the namespace, has not waited for.
struct ExitTarget: Target {
    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard record.kind == .exiting else { return nil }
    }

    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion] {
        if wait.call.hints.contains(.lastOfNamespace) {
            return [.process(wait.pid), .namespace(wait.record.pidNamespace)]
        }
        return [.process(isLeft(wait, look) ? wait.record.parentPID : wait.pid)]
    }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        if wait.call.hints.contains(.lastOfNamespace) {
            // each of them must go
            for pid in look.processes(ofNamespace: wait.record.pidNamespace) where pid != wait.pid {
                relation.add(look.holder(pid, .child).map { [$0] } ?? [])
            }
        } else if isLeft(wait, look) {
            relation.add(look.holder(wait.record.parentPID, .owner).map { [$0] } ?? [])
        }
        return relation
    }

    private func isLeft(_ wait: Wait, _ look: Investigation) -> Bool {
        wait.record.isZombie && look.endingNamespaces.contains(wait.record.pidNamespace)
    }

    var hasWayOut: Bool { true }
}
