/// One blocked call with its names: what all records of it say.
public struct BlockedCall: Sendable {
    /// The kernel side's id, for as long as blockwatch runs.
    public var id: UInt64
    /// `event.id`: 16 hexadecimal digits.
    public var eventID: String
    public var kind: CallRecord.Kind
    /// CLOCK_MONOTONIC, nanoseconds.
    public var startNanoseconds: UInt64
    /// The same as nanoseconds since 1970, by the wall clock as it was when the call was first seen.
    public var startWallNanoseconds: UInt64 = 0
    public var startSource: StartSource
    public var process: ProcessIdentity
    /// `nil` for a thread that is in no call.
    public var call: SystemCall?
    public var resource: Resource
    /// Kernel functions, innermost first; only of threads stuck in the kernel.
    public var stack: [String]
    /// Where in its program the thread is; absent where nobody has asked.
    public var userStack: UserStack?
    /// `field=reason` of what could not be found out.
    public var stop: StopFields?
    public var unresolved: [String]
    /// What the functions on its kernel stack tell.
    var hints: StackHints = []
    /// What the file system lies on in which it waits, if it waits in one.
    public var storage: Storage?
    /// Held in front of the call by a seccomp supervisor: it does not wait for what the call is on.
    public var isSupervised = false
    /// Community IDs of the other sockets that the process holds; empty unless asked for.
    public var heldSockets: [String] = []
    /// Addresses and ports at this host that several of its process's connections come to: what it serves.
    public var heldEndpoints: [String] = []

    /// As at first, but for what it waits for.
    func now(_ fresh: BlockedCall) -> BlockedCall {
        var call = self
        call.resource = fresh.resource
        call.stack = fresh.stack
        call.storage = fresh.storage
        call.hints = fresh.hints
        call.stop = fresh.stop
        call.process.state = fresh.process.state
        call.unresolved = fresh.unresolved + unresolved.filter { $0.hasPrefix("process") }
        if fresh.startSource == .renewed {
            call.startSource = .renewed
            call.call?.renewals = fresh.call?.renewals
        }
        return call
    }

    /// As it ended. Where nobody has seen it return, that is said.
    func closed(_ closing: ClosedRecord) -> BlockedCall {
        var call = self
        if closing.reason == .unseen, self.call != nil { call.unresolved.append("syscall.result=not_traced") }
        return call
    }

    public enum StartSource: String, Sendable {
        /// Measured at entry.
        case entry
        /// When the thread last ran: a lower bound of the duration.
        case lastRan = "last_ran"
        /// The same call was begun again and again since then, each time ended by its own time-out.
        case renewed
    }
}

/// The system call a thread is in.
public struct SystemCall: Sendable, Equatable {
    public var name: String
    public var number: Int
    public var abi: ABI
    public var arguments: [UInt64]
    /// Its own time-out, as a span from its start, nanoseconds; absent where it waits for ever.
    public var timeout: Evidence<UInt64> = .absent
    public var renewals: Int? = nil
}

/// Who waits.
public struct ProcessIdentity: Sendable, Equatable {
    /// As the host sees them.
    public var pid, tid, parentPID: Int
    /// Inside its own PID namespace, where that is another.
    public var innerPID, innerTID: Int?
    public var name, threadName: [UInt8]
    public var executable: [UInt8]?
    public var commandLine: String?
    /// Wall clock, nanoseconds since 1970.
    public var startWallNanoseconds: UInt64
    public var entityID: String
    /// The letter of ps.
    public var state: String
    public var userID: UInt32
    public var userName: String?
    public var cgroupPath: [UInt8]
    public var cgroup: CgroupIdentity
}

extension ProcessIdentity {
    /// Only the numbers; names and what /proc knows are for those that are written.
    init(_ record: CallRecord) {
        let isInner = record.hasPIDNamespaceOfItsOwn
        self.init(
            pid: record.pid, tid: record.tid, parentPID: record.parentPID, innerPID: isInner ? record.innerPID : nil,
            innerTID: isInner ? record.innerTID : nil, name: [], threadName: [], startWallNanoseconds: 0, entityID: "",
            state: record.stateLetter, userID: record.userID, cgroupPath: [], cgroup: .none)
    }
}

/// `resource.kind`: what a wait can be for. CONTRACT names; one line a kind.
public enum ResourceKind: String, Sendable, CaseIterable {
    case file, directory, pipe, fifo
    case tcp, udp, unix, netlink, vsock, raw
    case tty, eventfd, epoll, poll, timerfd, signalfd, inotify, pidfd
    case ioUring = "io_uring"
    case device, futex, child, ipc, timer, page, none
}

/// What a call waits for.
public struct Resource: Sendable, Equatable {
    public var kind: ResourceKind
    public var descriptor: Int?
    /// As one would say it: a path, `tcp 10.0.0.1:4040->10.0.0.5:3306 SYN_SENT`, `pipe:[123]`.
    public var name: [UInt8]
    public var file: FileFields?
    public var pipe: PipeFields?
    public var network: NetworkFields?
    public var lock: LockFields?
    /// Of a set, if one of its members decides: which. The name and the fields above are that one's.
    public var member: SetMemberFields?

    public init(_ kind: ResourceKind, name: [UInt8] = [], descriptor: Int? = nil) {
        self.kind = kind
        self.name = name
        self.descriptor = descriptor
    }
}

/// The member of a set that a record tells of: `resource.member`.
public struct SetMemberFields: Sendable, Equatable {
    public var kind: ResourceKind
    public var descriptor: Int?
    /// How many members the set has, as far as they were looked at.
    public var count: Int
}

public struct FileFields: Sendable, Equatable {
    /// As the process sees it; exact bytes.
    public var path: [UInt8]?
    public var inode: UInt64?
    /// `major:minor`
    public var device: String?
    public var fileSystem: String?
    /// Of a network or FUSE file system: the server or source of the mount.
    public var server: String?
    public var isDeleted = false

    public init() {}
}

/// Why a process is stopped.
public struct StopFields: Sendable, Equatable {
    /// `SIGSTOP`, `SIGTSTP`, `SIGTTIN`, `SIGTTOU`
    public var signal: String
    /// Who sent it, if that was seen; itself for terminal input or output from the background.
    public var senderPID: Int?
    public var senderName: [UInt8]?

    static let names = [19: "SIGSTOP", 20: "SIGTSTP", 21: "SIGTTIN", 22: "SIGTTOU"]

    init?(_ record: CallRecord) {
        guard record.isStopped, let number = record.stopSignal, let name = Self.names[number] else { return nil }
        signal = name
        senderPID = record.stopper?.pid
        senderName = record.stopper?.name
    }
}

public struct PipeFields: Sendable, Equatable {
    public var inode: UInt64
    public var readers, writers: UInt32
    public var bytes, capacity: UInt64
}

public struct NetworkFields: Sendable, Equatable {
    /// `tcp`, `udp`, `unix`, ...
    public var transport: String
    /// `ipv4`, `ipv6`, or the socket's type for unix sockets.
    public var type: String?
    public var communityID: String?
    /// `SYN_SENT`, `ESTABLISHED`, ...
    public var state: String?
    public var local = Endpoint()
    public var peer = Endpoint()
    public var inode: UInt64?
    public var retransmits: UInt8?
    /// Bytes; of a listener: connections waiting to be accepted, and how many may wait.
    public var receiveQueue, sendQueue: UInt32?
    /// Bytes of a TCP connection that were sent and not acknowledged.
    public var unacknowledged: UInt32?
    /// Ages, nanoseconds.
    public var lastSent, lastReceived: UInt64?

    public struct Endpoint: Sendable, Equatable {
        public var address: String?
        public var port: UInt16?
        /// Unix sockets; an abstract name begins with `@`.
        public var path: [UInt8]?
        public var inode: UInt64?
    }
}

public struct LockFields: Sendable, Equatable {
    /// `flock`, `posix`, `ofd`
    public var type: String
    /// `read`, `write`
    public var mode: String
    /// First and last byte; `nil` for a whole file, or up to its end.
    public var start, end: UInt64?
}
