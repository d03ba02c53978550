/// A System V semaphore that is used as a lock: the kernel keeps who changed it last, and that is who has it.
struct SemaphoreTarget: Target {
    static let calls: Set<String> = ["semop", "semtimedop", "semtimedop_time64"]

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard let ordinary = OrdinaryCall(record, call), ordinary.resource.kind == .ipc,
            Self.calls.contains(ordinary.call.name), ordinary.call.arguments.count >= 3
        else { return nil }
    }

    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion] {
        guard let taker = wait.taker.value, !taker.isGone, taker.pid != wait.pid, Self.isNumberedAlike(wait) else {
            return []
        }
        return [.process(taker.pid)]
    }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        let taker: SemaphoreTaker
        switch wait.taker {
        case .known(let known): taker = known
        // a count of something: whoever comes next may raise it
        case .absent: return relation
        case .unknown(let gap):
            relation.coverage = .partial(gap, isTold: true)
            return relation
        }
        let threads = look.threads[taker.pid]?.compactMap { look.waits[$0] } ?? []
        // killed, and its parent has not waited for it
        let isZombie = Self.isNumberedAlike(wait) && !threads.isEmpty && threads.allSatisfy(\.record.isZombie)
        if taker.isGone || isZombie {
            relation.situation = .ownerGone
            relation.end = .nobody("nobody has it: its last holder, process \(taker.pid), has died")
            relation.coverage = .whole
            return relation
        }
        guard Self.isNumberedAlike(wait) else {
            relation.coverage = .partial(.notPermitted, isTold: true)
            return relation
        }
        // whoever takes again what it took last is no lock's holder, and so is one that waits for the same set
        guard taker.pid != wait.pid, !threads.contains(where: { Self.isSameSet($0, wait) }) else { return relation }
        relation.add(look.holder(taker.pid, .lockHolder).map { [$0] } ?? [])
        relation.situation = .lock
        // open: anybody may raise a semaphore, so that a circle of them is no proof
        if relation.groups.isEmpty { relation.coverage = .partial(.processGone, isTold: true) }
        return relation
    }

    /// semctl(2) gives numbers of blockwatch's own PID namespace; looks are asked for in the host's.
    private static func isNumberedAlike(_ wait: Wait) -> Bool { wait.record.procPID == wait.record.pid }

    private static func isSameSet(_ other: Wait, _ wait: Wait) -> Bool {
        other.target is SemaphoreTarget && other.call.call?.arguments.first == wait.call.call?.arguments.first
    }

    // MARK: - the kernel's answers

    /// Asks who took the semaphores that these threads wait for.
    static func learn(about waits: [Wait], _ risky: inout some RiskyReading) {
        var asked: [(wait: Wait, operations: RiskyQuestion)] = []
        for wait in waits where wait.target is SemaphoreTarget {
            guard let call = wait.call.call else { continue }
            guard let question = SemaphoreTaker.operations(pid: Int32(clamping: wait.record.procPID), call) else {
                wait.taker = .absent
                continue
            }
            asked.append((wait, question))
        }
        guard !asked.isEmpty else { return }
        let operations = risky.answer(Array(Set(asked.map(\.operations))))
        var locking: [(wait: Wait, lock: SemaphoreTaker.Locking, question: RiskyQuestion)] = []
        for (wait, question) in asked {
            switch operations[question] ?? .timedOut {
            case .bytes(let bytes):
                guard let set = wait.call.call?.arguments.first, let lock = SemaphoreTaker.Locking(operations: bytes)
                else {
                    wait.taker = .absent
                    continue
                }
                let semaphore = RiskyQuestion.semaphore(
                    pid: Int32(clamping: wait.record.procPID), set: Int32(truncatingIfNeeded: set), number: lock.number)
                locking.append((wait, lock, semaphore))
            case let other: wait.taker = .unknown(other.gap ?? .timedOut)
            }
        }
        guard !locking.isEmpty else { return }
        let answers = risky.answer(Array(Set(locking.map(\.question))))
        for (wait, lock, question) in locking {
            switch answers[question] ?? .timedOut {
            case .bytes(let bytes): wait.taker = SemaphoreTaker.read(bytes, lock)
            case let other: wait.taker = .unknown(other.gap ?? .timedOut)
            }
        }
    }
}
