/// What a thread can wait for, in the terms in which the kernel is asked about it: what is asked, who is looked at, and
/// who can end the wait. One file a kind beside this one; ``Targets/kinds`` is the list.
protocol Target: Sendable {
    /// - Returns: `nil` if the wait is for something else.
    init?(_ record: CallRecord, _ call: BlockedCall)

    /// What the pass over the open files is to look for.
    var questions: [FileQuestion] { get }

    /// Finds out what only the waiters' memory tells, or what else may never be answered: into the waits that are this
    /// kind's.
    static func learn(about waits: [Wait], _ risky: inout some RiskyReading)

    /// Threads that must be seen, beside those of everybody who ``canEnd(_:)`` the wait by an open file.
    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion]

    /// Once those threads have been seen: which of them it was that the waiters' memory spoke of, where that is still open.
    static func confirm(_ waits: [Wait], in look: Investigation, _ risky: inout some RiskyReading)

    /// Whether whoever has this file open may be who ends the wait, and is worth a look: not readers beside a reader.
    func canEnd(_ file: OpenFile) -> Bool

    /// Who can end the wait, from the answers of this look.
    func relation(of wait: Wait, in look: Investigation) -> Relation

    /// Something besides its holders can end the wait.
    var hasWayOut: Bool { get }

    /// Somebody holds an other end that is read from or written to: rule 9.
    var hasOtherEnd: Bool { get }
}

extension Target {
    var questions: [FileQuestion] { [] }
    static func learn(about waits: [Wait], _ risky: inout some RiskyReading) {}
    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion] { [] }
    static func confirm(_ waits: [Wait], in look: Investigation, _ risky: inout some RiskyReading) {}
    func canEnd(_ file: OpenFile) -> Bool { true }
    var hasWayOut: Bool { false }
    var hasOtherEnd: Bool { false }
}

enum Targets {
    /// The first that takes the call is what it waits for.
    static let kinds: [any Target.Type] = [
        KernelLockTarget.self, FuseTarget.self, ExitTarget.self, SetTarget.self, ChildrenTarget.self,
        ProcessTarget.self,
        PipeTarget.self, FutexTarget.self, LockTarget.self, SemaphoreTarget.self, UnixTarget.self,
        ConnectionTarget.self,
        SharedTarget.self, TerminalTarget.self, ServerTarget.self, DiskTarget.self,
    ]

    static func target(_ record: CallRecord, _ call: BlockedCall, _ state: Wait.State) -> any Target {
        switch state {
        case .traced(let tracer): return TracerTarget(tracer: tracer)
        case .running, .stopped, .frozen: return OpenTarget()
        case .waiting: break
        }
        for kind in kinds {
            if let target = kind.init(record, call) { return target }
        }
        return OpenTarget()
    }
}

/// A clock, a signal, a client, anything else that no process of this host is known to end.
struct OpenTarget: Target {
    init() {}
    init?(_ record: CallRecord, _ call: BlockedCall) {}

    func relation(of wait: Wait, in look: Investigation) -> Relation { Relation() }
    var hasWayOut: Bool { true }
}

/// An ordinary system call that waits for what its descriptor or its arguments say: no page of memory, no supervisor.
struct OrdinaryCall {
    let call: SystemCall
    let resource: Resource

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard !call.isSupervised, let systemCall = call.call, call.resource.kind != .page else { return nil }
        self.call = systemCall
        resource = call.resource
    }
}
