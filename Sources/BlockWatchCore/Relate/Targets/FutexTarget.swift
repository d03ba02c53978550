/// A word of memory: who owns the lock that it is part of, as the waiter's memory tells.
struct FutexTarget: Target {
    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard let ordinary = OrdinaryCall(record, call), ordinary.resource.kind == .futex else { return nil }
    }

    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion] {
        guard let owner = wait.owner.value else { return [] }
        // glibc writes the number that the owner has in its own PID namespace, which need not be the waiter's
        let namespace = Self.mayBeElsewhere(wait, owner) ? 0 : wait.record.pidNamespace
        return [.inner(namespace: namespace, tid: owner.number)]
    }

    private static func isPrivate(_ wait: Wait) -> Bool { (wait.call.call?.arguments[1] ?? 0) & 0x80 != 0 }

    /// Another process may own a lock in shared memory only.
    private static func mayBeElsewhere(_ wait: Wait, _ owner: FutexOwner) -> Bool { !isPrivate(wait) && !owner.isJoin }

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
        let found: Wait?
        if Self.mayBeElsewhere(wait, owner) {
            switch wait.possibleOwners {
            case .known(let tids) where tids.count == 1: found = look.waits[tids[0]]
            case .known(let tids):
                // of several with one number the word does not say which
                relation.coverage = .partial(tids.isEmpty ? .processGone : .tooMany, isTold: true)
                return relation
            case .absent: found = nil
            case .unknown(let gap):
                relation.coverage = .partial(gap, isTold: true)
                return relation
            }
        } else {
            found = look.wait(inNamespace: wait.record.pidNamespace, tid: owner.number).flatMap {
                $0.pid == wait.pid ? $0 : nil
            }
        }
        guard let found else {
            if owner.isJoin { return relation }
            if Self.isPrivate(wait) {
                // no thread of this process has that number: copied by fork, or its owner has ended with it
                relation.situation = .ownerGone
                relation.end = .nobody(
                    "nobody has it: its owner, thread \(owner.number), is no thread of \(wait.processText)")
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

    /// Of the threads that have the owner's number in their PID namespaces, those whose processes have the same memory.
    static func confirm(_ waits: [Wait], in look: Investigation, _ risky: inout some RiskyReading) {
        let asked = waits.filter { wait in
            wait.target is FutexTarget && wait.owner.value.map { mayBeElsewhere(wait, $0) } == true
        }
        guard !asked.isEmpty else { return }
        func numbered(_ wait: Wait) -> [Wait] { wait.owner.value.map { look.waits(numbered: $0.number) } ?? [] }
        var questions: Set<RiskyQuestion> = []
        for wait in asked { for one in [wait] + numbered(wait) { questions.insert(sharedMemory(one)) } }
        let answers = risky.answer(Array(questions))
        for wait in asked {
            guard let address = wait.call.call?.arguments.first else { continue }
            let lines: [UInt8]
            switch answers[sharedMemory(wait)] ?? .timedOut {
            case .bytes(let bytes): lines = bytes
            case let other:
                wait.possibleOwners = .unknown(other.gap ?? .timedOut)
                continue
            }
            // memory that is private after all: the lock is one of its own process
            let place = SharedMemory.place(of: address, lines: lines)
            let having = numbered(wait).filter { one in
                if one.pid == wait.pid { return true }
                guard let place, case .bytes(let its)? = answers[sharedMemory(one)] else { return false }
                return SharedMemory.has(place, lines: its)
            }
            wait.possibleOwners = .known(having.map(\.tid))
        }
    }

    private static func sharedMemory(_ wait: Wait) -> RiskyQuestion {
        .sharedMemory(pid: Int32(clamping: wait.record.procPID))
    }

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
