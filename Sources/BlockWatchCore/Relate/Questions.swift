internal import BlockWatchBPF

/// An open file to look for on the whole host: `struct bw_key`.
public struct FileQuestion: Hashable, Sendable {
    public var bytes: [UInt8]
    /// The locks on the file too.
    public var wantsLocks: Bool
    /// What an epoll waits for, instead of what the descriptor is.
    public var wantsItems = false
    /// The only process that the answer can be with.
    public var process: Int?

    private init(_ raw: bw_key, wantsLocks: Bool = false, process: Int? = nil) {
        self.process = process
        bytes = unsafe withUnsafeBytes(of: raw) { unsafe [UInt8]($0) }
        self.wantsLocks = wantsLocks
    }

    /// `bw_question.flags`
    public var flags: UInt32 { (wantsLocks ? UInt32(BW_ASK_LOCKS) : 0) | (wantsItems ? UInt32(BW_ASK_ITEMS) : 0) }

    /// A pipe, FIFO, file or socket.
    static func inode(device: UInt32, inode: UInt64, wantsLocks: Bool = false) -> FileQuestion {
        var raw = bw_key()
        raw.kind = BW_KEY_INODE.rawValue
        raw.device = device
        raw.number = inode
        return FileQuestion(raw, wantsLocks: wantsLocks)
    }

    /// An anonymous inode.
    static func privateData(_ address: UInt64) -> FileQuestion { numbered(BW_KEY_PRIVATE, address) }
    static func terminal(_ address: UInt64) -> FileQuestion { numbered(BW_KEY_TTY, address) }
    /// Listeners of unix sockets by their name's address.
    static func unixListener(name address: UInt64) -> FileQuestion { numbered(BW_KEY_UNIX, address) }

    /// What a descriptor of a process is.
    static func descriptor(pid: Int, _ descriptor: Int) -> FileQuestion {
        var raw = bw_key()
        raw.kind = BW_KEY_FD.rawValue
        raw.device = UInt32(truncatingIfNeeded: pid)
        raw.number = UInt64(truncatingIfNeeded: descriptor)
        return FileQuestion(raw, process: pid)
    }

    /// The connected IP sockets of a process. Not in one pass with ``descriptor(pid:_:)``, which goes before.
    static func sockets(of pid: Int) -> FileQuestion {
        var raw = bw_key()
        raw.kind = BW_KEY_SOCKETS.rawValue
        raw.device = UInt32(truncatingIfNeeded: pid)
        return FileQuestion(raw, process: pid)
    }

    /// What an epoll of a process waits for.
    static func items(pid: Int, epoll: Int) -> FileQuestion {
        var question = descriptor(pid: pid, epoll)
        question.wantsItems = true
        return question
    }

    /// The server of a FUSE mount.
    static func fuseServer(device: UInt32) -> FileQuestion {
        var raw = bw_key()
        raw.kind = BW_KEY_FUSE.rawValue
        raw.device = device
        return FileQuestion(raw)
    }

    /// A connected socket. Addresses of 4 or 16 bytes.
    static func connection(
        protocolNumber: Int, local: [UInt8], localPort: UInt16, peer: [UInt8], peerPort: UInt16
    ) -> FileQuestion {
        var raw = bw_key()
        raw.kind = BW_KEY_INET.rawValue
        raw.device = UInt32(protocolNumber)
        fill(&raw.local, mapped(local))
        fill(&raw.peer, mapped(peer))
        raw.local_port = localPort
        raw.peer_port = peerPort
        return FileQuestion(raw)
    }

    /// Listeners, and sockets without a peer.
    static func port(protocolNumber: Int, _ port: UInt16) -> FileQuestion {
        var raw = bw_key()
        raw.kind = BW_KEY_PORT.rawValue
        raw.device = UInt32(protocolNumber)
        raw.number = UInt64(port)
        return FileQuestion(raw)
    }

    private static func numbered(_ kind: bw_key_kind, _ number: UInt64) -> FileQuestion {
        var raw = bw_key()
        raw.kind = kind.rawValue
        raw.number = number
        return FileQuestion(raw)
    }

    /// IPv4 as IPv6 maps it.
    static func mapped(_ address: [UInt8]) -> [UInt8] {
        address.count == 4 ? [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + address : address
    }

    private static func fill<T>(_ field: inout T, _ bytes: [UInt8]) {
        unsafe withUnsafeMutableBytes(of: &field) { target in
            for index in 0..<min(target.count, bytes.count) { unsafe target[index] = bytes[index] }
        }
    }
}

/// Threads to look at, whatever they do: `struct bw_view_key`.
public enum ViewQuestion: Hashable, Sendable {
    /// All threads of a process.
    case process(Int)
    case thread(Int)
    /// All threads of all children of a process.
    case children(of: Int)
    /// One thread by its number in its own PID namespace; those of every namespace where that is 0.
    case inner(namespace: UInt32, tid: Int)
    /// All threads of a PID namespace.
    case namespace(UInt32)

    public var bytes: [UInt8] {
        var raw = bw_view_key()
        switch self {
        case .process(let pid):
            raw.kind = BW_VIEW_PROCESS.rawValue
            raw.number = UInt32(truncatingIfNeeded: pid)
        case .thread(let tid):
            raw.kind = BW_VIEW_THREAD.rawValue
            raw.number = UInt32(truncatingIfNeeded: tid)
        case .children(let pid):
            raw.kind = BW_VIEW_PARENT.rawValue
            raw.number = UInt32(truncatingIfNeeded: pid)
        case .inner(let namespace, let tid):
            raw.kind = BW_VIEW_INNER.rawValue
            raw.name_space = namespace
            raw.number = UInt32(truncatingIfNeeded: tid)
        case .namespace(let namespace):
            raw.kind = BW_VIEW_NAMESPACE.rawValue
            raw.name_space = namespace
        }
        return unsafe withUnsafeBytes(of: raw) { unsafe [UInt8]($0) }
    }
}

extension ViewQuestion: Comparable {
    /// Of a set, which has no order: whoever is asked first is told first.
    public static func < (a: ViewQuestion, b: ViewQuestion) -> Bool { a.place < b.place }

    private var place: (Int, UInt32, Int) {
        switch self {
        case .process(let pid): (0, 0, pid)
        case .thread(let tid): (1, 0, tid)
        case .children(let pid): (2, 0, pid)
        case .inner(let namespace, let tid): (3, namespace, tid)
        case .namespace(let namespace): (4, namespace, 0)
        }
    }
}

/// Where the answers come from: the kernel, or a tape.
public protocol HolderSource {
    /// One pass over the open files of the host; `nil` when it did not end in time. The answers' `question` is the
    /// place in `questions`.
    mutating func files(_ questions: [FileQuestion]) -> FileAnswers?
    /// What threads do now.
    mutating func threads(_ questions: [ViewQuestion]) -> [CallRecord]
}
