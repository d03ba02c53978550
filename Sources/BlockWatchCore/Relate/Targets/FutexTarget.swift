/// A word of memory: who owns the lock that it is part of, as the waiter's memory tells.
struct FutexTarget: Target {
    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard let ordinary = OrdinaryCall(record, call), ordinary.resource.kind == .futex else { return nil }
    }

    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion] {
        wait.owner.value.map { [.inner(namespace: wait.record.pidNamespace, tid: $0.number)] } ?? []
    }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        let owner: FutexOwner
        switch wait.owner {
        case .known(let known): owner = known
        case .absent:
            relation.situation = .ownerless
            return relation
        case .unknown(let gap):
            relation.coverage = .partial(gap, isTold: true)
            return relation
        }
        let found = look.wait(inNamespace: wait.record.pidNamespace, tid: owner.number)
        // another process may own a mutex in shared memory only
        let isPrivate = (wait.call.call?.arguments[1] ?? 0) & 0x80 != 0
        guard let found, found.pid == wait.pid || !isPrivate && !owner.isJoin else {
            if owner.isJoin { return relation }
            if isPrivate {
                // no thread of this process has that number: copied by fork, or its owner has ended with it
                relation.situation = .ownerGone
                relation.end = .nobody("its owner, thread \(owner.number), is no thread of \(wait.processText)")
                relation.coverage = .whole
            } else {
                relation.coverage = .partial(.processGone, isTold: true)
            }
            return relation
        }
        if owner.isJoin, found.tid == wait.tid { return relation }
        relation.add(look.holder(thread: found.tid, owner.isJoin ? .child : .owner).map { [$0] } ?? [])
        relation.situation = .futexOwner
        relation.coverage = .whole
        return relation
    }

    // MARK: - the waiters' memory

    /// Reads who owns the futexes that these threads wait for.
    static func learn(about waits: [Wait], _ risky: inout some RiskyReading) {
        var asked: [(wait: Wait, call: SystemCall, address: UInt64)] = []
        for wait in waits where wait.target is FutexTarget {
            guard let call = wait.call.call, let address = call.arguments.first, address >= FutexOwner.before else {
                continue
            }
            asked.append((wait, call, address))
        }
        guard !asked.isEmpty else { return }
        let answers = risky.answer(Array(Set(asked.map { around($0.wait, $0.address) })))
        // what lies in front of the word may be on a page that is not there
        var alone: Set<RiskyQuestion> = []
        for (wait, _, address) in asked {
            switch answers[around(wait, address)] {
            case .failed, nil: alone.insert(word(wait, address))
            case .bytes, .timedOut: break
            }
        }
        let words = alone.isEmpty ? [:] : risky.answer(Array(alone))
        for (wait, call, address) in asked {
            let answer = answers[around(wait, address)]
            if case .bytes(let bytes) = answer {
                wait.owner = FutexOwner.read(
                    call, word: [UInt8](bytes.dropFirst(Int(FutexOwner.before))), around: bytes)
                continue
            }
            switch words[word(wait, address)] ?? answer ?? .timedOut {
            case .bytes(let bytes): wait.owner = FutexOwner.read(call, word: bytes, around: nil)
            case let other: wait.owner = .unknown(other.gap ?? .timedOut)
            }
        }
        forgetForeign(asked.map(\.wait).filter { $0.owner.value != nil }, &risky)
    }

    /// A run time with locks of its own (Rust's, or a program's) makes the call by glibc's syscall(3), which takes its sixth
    /// argument from the stack and is called from outside of the library; the C library's own locks do neither. Such a word
    /// is none of its mutexes, whatever it looks like.
    private static func forgetForeign(_ waits: [Wait], _ risky: inout some RiskyReading) {
        let asked = waits.filter { $0.call.call?.abi == .x86_64 && $0.record.stackPointer != 0 }
        guard !asked.isEmpty else { return }
        let answers = risky.answer(Array(Set(asked.map(topOfStack))))
        for wait in asked {
            guard case .bytes(let bytes) = answers[topOfStack(wait)],
                let caller = UserMemory.integer(bytes, at: 0, size: 8).map({ UInt64(bitPattern: $0) }),
                let sixth = UserMemory.integer(bytes, at: 8, size: 8).map({ UInt64(bitPattern: $0) })
            else { continue }
            let here = wait.record.instructionPointer
            let isOutside = max(caller, here) - min(caller, here) > librarySize
            if isOutside, sixth == wait.call.call?.arguments.last { wait.owner = .absent }
        }
    }

    /// More than glibc's code has.
    private static let librarySize: UInt64 = 2 << 20

    /// The return address, and what stands behind it.
    private static func topOfStack(_ wait: Wait) -> RiskyQuestion {
        .memory(pid: Int32(clamping: wait.record.procPID), address: wait.record.stackPointer, length: 16)
    }

    private static func around(_ wait: Wait, _ address: UInt64) -> RiskyQuestion {
        .memory(
            pid: Int32(clamping: wait.record.procPID), address: address - FutexOwner.before, length: FutexOwner.length)
    }
    private static func word(_ wait: Wait, _ address: UInt64) -> RiskyQuestion {
        .memory(pid: Int32(clamping: wait.record.procPID), address: address, length: FutexOwner.wordLength)
    }
}
