/// Somebody who can end a wait.
public struct Holder: Sendable, Equatable {
    public enum Relation: String, Sendable {
        case writer, reader
        case lockHolder = "lock_holder"
        case peer, listener, child, owner, server, tracer
    }

    public var pid: Int
    /// Where one thread alone can.
    public var tid: Int?
    public var name: [UInt8]
    public var descriptor: Int?
    /// `r`, `w`, `rw`
    public var access: String?
    public var relation: Relation
    /// `read pipe`, `sleeping`, `running`, `stopped`
    public var doing: String?
    /// How long it has been doing that, nanoseconds.
    public var duration: UInt64?
    public var verdict: Verdict?
    /// It wants the lock too, and was there before.
    var isQueued = false
}

/// What stands at the other end where that is no process of this host.
public enum OtherEnd: Sendable, Equatable {
    /// Another host, or one behind address translation.
    case remote(address: String)
    case device(String)
    /// Nobody can end the wait; why, in words.
    case nobody(String)
}

/// What was found out of a wait beyond who holds its other end.
enum Finding: Sendable, Equatable {
    /// Established, and still in the listener's queue: how many wait there.
    case notAccepted(queue: UInt32)
    /// The listener's queue is full.
    case backlogFull(queue: UInt32)
    /// A file lock, or a mutex with an owner.
    case lock
    /// The owner of a mutex, rwlock or joined thread.
    case futexOwner
    /// The other end has no holder but the waiter.
    case onlyItself
    case nobody
    /// A server's end of a connection: somebody listens on the local port.
    case serverSide
    /// Every member of a set waits for work.
    case set
}

/// A wait with its other end.
struct Relation: Sendable {
    var holders: [Holder] = []
    /// All of the groups must let go, of each group any member: places in `holders`.
    var groups: [[Int]] = []
    var end: OtherEnd?
    var finding: Finding?
    var unresolved: [String] = []
    /// Every one who could end the wait is in `groups`; else something unknown may.
    var isComplete = false

    mutating func add(_ holders: [Holder]) {
        guard !holders.isEmpty else { return }
        groups.append(Array(self.holders.count..<self.holders.count + holders.count))
        self.holders += holders
    }
}

/// The end of a chain.
public struct Root: Sendable, Equatable {
    public enum Kind: String, Sendable { case thread, process, remote, device, nobody, deadlock }

    public var kind: Kind
    public var pid: Int?
    public var name: [UInt8]?
    public var doing: String?
    public var address: String?
}

/// What a record says of a call beyond the call itself: who, why, how bad.
public struct Story: Sendable, Equatable {
    public var holders: [Holder] = []
    /// How many there are; `holders` may have fewer.
    public var holderCount = 0
    /// The way to the root in one line; empty where there is none.
    public var chain = ""
    public var root: Root?
    /// One for all calls behind the same root, 16 hexadecimal digits.
    public var chainID: String?
    public var verdict = Verdict.waiting
    public var reason = Reason.unknown
    public var unresolved: [String] = []
    /// Of a wait for a set: the most suspicious members, and how many there are.
    public var members: [SetMember] = []
    public var memberCount = 0
    public var hasMoreMembers = false
    /// It is in a deadlock, or behind one.
    public var isInDeadlock = false

    public init() {}

    /// What a more thorough look has found of its set.
    mutating func take(membersOf story: Story) {
        members = story.members
        memberCount = story.memberCount
        hasMoreMembers = story.hasMoreMembers
    }
}

/// One descriptor of a set that is waited for.
public struct SetMember: Sendable, Equatable {
    public var resource: Resource
    public var reason: Reason
}
