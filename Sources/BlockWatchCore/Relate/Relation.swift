/// Somebody who can end a wait.
public struct Holder: Sendable, Equatable {
    /// What makes it one: `relation` of the record.
    public enum Role: String, Sendable {
        case writer, reader
        case lockHolder = "lock_holder"
        /// It stands in line for the lock, and holds nothing.
        case queued
        case peer, listener, child, owner, server, tracer
    }

    public var pid: Int
    /// Where one thread alone can.
    public var tid: Int?
    public var name: [UInt8]
    public var descriptor: Int?
    /// All that it has of the same file: stdout and stderr in one pipe.
    var descriptors: [Int] = []
    /// `r`, `w`, `rw`
    public var access: String?
    public var role: Role
    /// `read pipe`, `sleeping`, `running`, `stopped`
    public var doing: String?
    /// How long it has been doing that, nanoseconds.
    public var duration: UInt64?
    public var verdict: Verdict?

    /// The kernel wakes all in line when a lock goes, so nobody waits for those who stand before.
    var holdsNothing: Bool { role == .queued || isBystander }
    /// It has the file as well, and somebody else is at work with it.
    var isBystander = false
}

/// Who can end one wait, as far as it was found out.
struct Relation: Sendable {
    private(set) var holders: [Holder] = []
    /// Who gives back what is waited for, without being a holder: children of a process that reads a jobserver's tokens. They are
    /// not told, but as long as they can go on, so can it.
    var helpers: [Holder] = []
    /// All of the groups must let go, of each group any member: places in `holders`.
    private(set) var groups: [[Int]] = []
    /// What stands at the other end where that is no process of this host.
    var end: End?
    var situation: Situation?
    /// What is sent does not arrive: neither end holds the other up.
    var loss: Loss?
    /// Of a reader of a pipe: whoever it was opened for has ended, and what that has left behind has it.
    var leftBehind: String?
    var coverage = Coverage.open

    enum End: Sendable, Equatable {
        /// Another host, or one behind address translation.
        case remote(address: String)
        case device(String)
        /// Nobody can end the wait; why, in words.
        case nobody(String)
    }

    /// Bytes that are sent again and again, and not acknowledged, by either end.
    struct Loss: Sendable, Equatable {
        let progress: TCPProgress
        /// They are the other end's, and the waiter itself has nothing to send again.
        let isOther: Bool
        /// The other end's.
        let address: String

        /// In words, as of the way between.
        var text: String {
            let count = progress.retransmits
            return "\(count) retransmit\(count == 1 ? "" : "s")\(isOther ? " from there" : ""), not acknowledged"
        }
    }

    /// What was found out of a wait beyond who holds its other end.
    enum Situation: Sendable, Equatable {
        /// Established, and still in the listener's queue: how many wait there.
        case notAccepted(queue: UInt32)
        /// The listener's queue is full.
        case backlogFull(queue: UInt32)
        /// A file lock, or a mutex with an owner.
        case lock
        /// The owner of a mutex, rwlock or joined thread.
        case futexOwner
        /// A futex of which is known that it has no owner: a condition variable, a semaphore, a run time's own.
        case ownerless
        /// A lock whose owner can release it no more.
        case ownerGone
        /// The other end has no holder but the waiter.
        case onlyItself
        case nobody
        /// A server's end of a connection: somebody listens on the local port.
        case serverSide
    }

    /// Whether everybody who could end the wait is among the holders.
    enum Coverage: Sendable, Equatable {
        case whole
        /// Others may: a clock, a signal, a client, a device. Nobody has looked for them, since they are no process.
        case open
        /// Some were not found out. Told: that is said in `unresolved`.
        case partial(Gap, isTold: Bool)
    }

    /// Nothing but its holders can end the wait, and they are known, or known to be nobody.
    var isWhole: Bool { coverage == .whole }

    /// Why some of them were not found out.
    var gap: Gap? { if case .partial(let gap, _) = coverage { gap } else { nil } }

    /// `unresolved` of the record.
    var unresolved: [String] {
        if case .partial(let gap, isTold: true) = coverage { [gap.of("holders")] } else { [] }
    }

    /// A group, any member of which can satisfy its part of the wait.
    mutating func add(_ holders: [Holder]) {
        guard !holders.isEmpty else { return }
        groups.append(Array(self.holders.count..<self.holders.count + holders.count))
        self.holders += holders
    }

    /// Those who are to be told, but hold nothing.
    mutating func tell(_ others: [Holder]) { holders += others }

    /// Where there are holders they are all; where there are none they were not found.
    mutating func wholeIfFound(else gap: Gap, isTold: Bool = false) {
        coverage = groups.isEmpty ? .partial(gap, isTold: isTold) : .whole
    }
}
