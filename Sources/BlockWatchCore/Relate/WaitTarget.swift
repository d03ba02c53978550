/// What the other end of a wait is, in the terms in which the kernel is asked about it.
enum WaitTarget: Equatable {
    enum Direction: Equatable { case read, write }

    /// It runs, or is in no call.
    case running
    /// `count`: how many open files of the needed direction the kernel itself counts.
    case pipe(FileQuestion, needs: Direction, count: UInt32)
    case unixPeer(FileQuestion)
    /// The peer waits in its listener's queue.
    case unaccepted(FileQuestion)
    case unixListener(FileQuestion)
    case closedPeer
    case connection(Connection)
    case lock(FileQuestion, LockFields, file: UInt64, table: UInt64)
    case futex
    case children
    case process(Int)
    /// Whoever else has the same object open.
    case shared(FileQuestion, Holder.Relation)
    case terminal(FileQuestion?)
    case fuse(FileQuestion)
    case kernelLock(owner: Int)
    case remote(String)
    case device(String)
    case stopped
    case traced(by: Int)
    case frozen
    case exiting
    /// A clock, a signal, a client, a set of descriptors, anything else that no process of this host is known to end.
    case open

    struct Connection: Equatable {
        var protocolNumber: Int
        var local, peer: [UInt8]
        var localPort, peerPort: UInt16
        var state: Int
        var netNamespace: UInt32

        /// The socket at the other end.
        var other: FileQuestion {
            .connection(
                protocolNumber: protocolNumber, local: peer, localPort: peerPort, peer: local, peerPort: localPort)
        }
        /// Whoever listens, or takes datagrams, there.
        var peerListener: FileQuestion { .port(protocolNumber: protocolNumber, peerPort) }
        var ownListener: FileQuestion { .port(protocolNumber: protocolNumber, localPort) }
    }

    private static let sending: Set<String> = [
        "write", "writev", "pwrite64", "pwritev", "pwritev2", "send", "sendto", "sendmsg", "sendmmsg", "sendfile",
        "sendfile64", "vmsplice", "tee",
    ]

    static func sends(_ call: SystemCall) -> Bool { sends(named: call.name) }
    static func sends(named name: String) -> Bool { sending.contains(name) }

    init(_ record: CallRecord, _ call: BlockedCall) {
        if record.isTraced {
            self = record.tracerPID != 0 ? .traced(by: record.tracerPID) : .stopped
        } else if record.isStopped {
            self = .stopped
        } else if record.isFrozen {
            self = .frozen
        } else if record.kind == .running || record.isOnCPU && !record.hasLeft && record.occasion == .viewed {
            self = .running
        } else if let owner = record.kernelLockOwner, owner != record.tid {
            self = .kernelLock(owner: owner)
        } else if record.kind == .exiting {
            self = .exiting
        } else if call.isSupervised {
            self = .open
        } else if let systemCall = call.call {
            self = Self.ofCall(record, systemCall, call.resource)
        } else {
            self = .open
        }
    }

    private static func ofCall(_ record: CallRecord, _ call: SystemCall, _ resource: Resource) -> WaitTarget {
        guard resource.kind != .page else { return .open }
        if resource.kind == .child || ["wait4", "waitid", "waitpid", "vfork"].contains(call.name) {
            if let process = record.object?.pidfdProcess { return .process(process) }
            return .children
        }
        if let object = record.object, object.family == .pipe {
            let pipe = object.pipe
            let writes = object.access == .write || object.access == .both && sends(call)
            return .pipe(
                .inode(device: object.rawDevice, inode: object.inode), needs: writes ? .read : .write,
                count: writes ? pipe.readers : pipe.writers)
        }
        if resource.kind == .fifo { return .open }
        if resource.kind == .futex { return .futex }
        guard let object = record.object else { return .open }
        if let lock = resource.lock {
            return .lock(
                .inode(device: object.rawDevice, inode: object.inode, wantsLocks: true), lock, file: object.file,
                table: record.descriptorTable)
        }
        switch object.family {
        case .pipe: return .open
        case .socket: return socket(record, call, object)
        case .anonymous:
            switch resource.kind {
            case .pidfd: return object.pidfdProcess.map { .process($0) } ?? .open
            case .eventfd: return .shared(.privateData(object.privateData), .writer)
            case .ioUring: return .shared(.privateData(object.privateData), .owner)
            default: return .open
            }
        case .file:
            if resource.kind == .tty { return .terminal(object.terminalLink.map { .terminal($0) }) }
            if object.fileSystem == "mqueue" {
                return .shared(
                    .inode(device: object.rawDevice, inode: object.inode), sendsMessages(call) ? .reader : .writer)
            }
            if object.fileSystem.hasPrefix("fuse") { return .fuse(.fuseServer(device: object.rawDevice)) }
            if let server = resource.file?.server { return .remote(server) }
            if object.isBlockDevice { return .device(String(decoding: object.name, as: UTF8.self)) }
            return .open
        }
    }

    private static func sendsMessages(_ call: SystemCall) -> Bool { call.name.hasPrefix("mq_timedsend") }

    private static func socket(_ record: CallRecord, _ call: SystemCall, _ object: KernelObject) -> WaitTarget {
        // a listener waits for whoever comes
        guard object.tcpState != 10 else { return .open }
        switch object.socketFamily {
        case 1:
            let inode = object.unix.peerInode.map { FileQuestion.inode(device: object.rawDevice, inode: $0) }
            switch object.peerState {
            case .open: return inode.map { .unixPeer($0) } ?? .open
            case .listener: return inode.map { .unixListener($0) } ?? .open
            case .unaccepted: return .unaccepted(.unixListener(name: object.unix.peerName))
            case .closed: return .closedPeer
            case .none: return object.socketType == 2 ? .open : .closedPeer
            }
        case 2, 10:
            let inet = object.internet
            guard inet.peerPort != 0 else { return .open }
            let isTCP = object.socketProtocol == 6 || object.socketProtocol == 262
            guard isTCP || object.socketProtocol == 17 else {
                return .remote(InternetAddress(inet.peer).text)
            }
            return .connection(
                Connection(
                    protocolNumber: isTCP ? 6 : 17, local: inet.local, peer: inet.peer, localPort: inet.localPort,
                    peerPort: inet.peerPort, state: object.tcpState, netNamespace: record.netNamespace))
        default: return .open
        }
    }

    /// What the pass over the open files is to look for.
    var questions: [FileQuestion] {
        switch self {
        case .pipe(let question, _, _), .unixPeer(let question), .unaccepted(let question),
            .unixListener(let question), .lock(let question, _, _, _), .shared(let question, _), .fuse(let question):
            [question]
        case .terminal(let question): question.map { [$0] } ?? []
        case .connection(let connection): [connection.other, connection.peerListener, connection.ownListener]
        default: []
        }
    }

    /// Threads that must be seen whatever the open files say.
    func views(of record: CallRecord) -> [ViewQuestion] {
        switch self {
        case .children: [.children(of: record.pid)]
        case .process(let pid): [.process(pid)]
        case .kernelLock(let owner): [.thread(owner)]
        case .traced(let tracer): [.process(tracer)]
        case .exiting: [.process(record.pid)]
        default: []
        }
    }
}
