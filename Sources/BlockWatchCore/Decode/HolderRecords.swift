internal import BlockWatchBPF

/// `struct bw_file`: an open file that somebody asked for.
public struct OpenFile: Sendable, Equatable {
    /// The place of its key among those asked.
    public var question: Int
    public var pid: Int
    /// The thread by which the table of descriptors was visited.
    public var tid: Int
    public var descriptor: Int
    public var canRead, canWrite: Bool
    /// `struct file` and the table of descriptors, as addresses: the owners of locks.
    public var file, table: UInt64
    public var netNamespace: UInt32
    /// Of a listener: connections waiting to be accepted, and how many may.
    public var acceptQueue, acceptLimit: UInt32
    public var localPort: UInt16
    /// TCP's, also of unix sockets; 10 listens.
    public var state: UInt8
    public var isConnected: Bool
    /// 16 bytes, IPv4 as IPv6 maps it.
    public var local: [UInt8]

    /// Of a connected TCP socket.
    public var tcp: TCPProgress?

    public var isListener: Bool { state == 10 }

    init(raw: bw_file) {
        question = Int(raw.question)
        pid = Int(raw.tgid)
        tid = Int(raw.pid)
        descriptor = Int(raw.fd)
        canRead = raw.mode & 1 != 0
        canWrite = raw.mode & 2 != 0
        file = raw.file
        table = raw.files
        netNamespace = raw.net_namespace
        let isConnection = raw.is_connected != 0 && raw.state != 10
        acceptQueue = isConnection ? 0 : raw.accept_queue
        acceptLimit = raw.accept_limit
        localPort = raw.local_port
        state = raw.state
        isConnected = raw.is_connected != 0
        local = unsafe withUnsafeBytes(of: raw.local) { unsafe [UInt8]($0) }
        tcp =
            isConnection
            ? TCPProgress(retransmits: raw.retransmits, unacknowledged: raw.unacked, unread: raw.accept_queue) : nil
    }
}

/// How the bytes of a connection fare, at one end of it.
public struct TCPProgress: Sendable, Equatable {
    /// How often the same bytes have been sent again by now.
    public var retransmits: UInt8
    /// Bytes sent, and not acknowledged by the other host.
    public var unacknowledged: UInt32
    /// Bytes that have come, and that no program has read.
    public var unread: UInt32

    /// What was sent gets nowhere: it has been sent again more than once.
    var isLosing: Bool { unacknowledged > 0 && retransmits > 1 }
}

/// `struct bw_lock`: a lock on a file that somebody asked for, held or waited for.
public struct FileLock: Sendable, Equatable {
    public enum Kind: Sendable, Equatable { case posix, flock, ofd, other }

    public var question: Int
    public var address: UInt64
    /// The lock it waits for; `nil` if it is held.
    public var blocker: UInt64?
    /// `struct file` of flock and OFD locks, the table of descriptors of POSIX ones.
    public var owner: UInt64
    public var kind: Kind
    public var isWrite: Bool
    public var start, end: UInt64
    /// Who took it, dead or not.
    public var taker: Int
    /// The thread that sleeps until it gets it.
    public var waiter: Int?

    init(raw: bw_lock) {
        question = Int(raw.question)
        address = raw.address
        blocker = raw.blocker == 0 ? nil : raw.blocker
        owner = raw.owner
        kind = raw.flags & 1024 != 0 ? .ofd : raw.flags & 2 != 0 ? .flock : raw.flags & 1 != 0 ? .posix : .other
        isWrite = raw.mode == 1
        start = raw.start
        end = raw.end
        taker = Int(raw.taker)
        waiter = raw.waiter == 0 ? nil : Int(raw.waiter)
    }
}

/// `struct bw_member`: what a descriptor of a process is.
public struct MemberFile: Sendable {
    /// The place of its key among those asked.
    public var question: Int
    public var object: KernelObject
}

/// What an epoll waits for.
public struct EpollItems: Sendable, Equatable {
    public struct Item: Sendable, Equatable {
        public var descriptor: Int
        /// `EPOLLIN`, ...
        public var events: UInt32
    }

    /// The place of its key among those asked.
    public var question: Int
    public var items: [Item]
    /// There are more.
    public var isCut: Bool
}

/// What one pass over the open files found.
public struct FileAnswers: Sendable {
    public var files: [OpenFile] = []
    public var locks: [FileLock] = []
    public var members: [MemberFile] = []
    public var sets: [EpollItems] = []

    public init() {}
}

/// What an iterator answered: records in a row.
public enum HolderRecords {
    /// - Throws: ``DecodeError`` on a record that is cut or unknown.
    public static func files(_ bytes: [UInt8]) throws(DecodeError) -> FileAnswers {
        var answers = FileAnswers()
        var rest = bytes.span
        while !rest.isEmpty {
            switch try type(rest) {
            case BW_RECORD_FILE.rawValue:
                answers.files.append(OpenFile(raw: try load(rest, as: bw_file(), atLeast: MemoryLayout<bw_file>.size)))
                rest = rest.extracting(droppingFirst: MemoryLayout<bw_file>.size)
            case BW_RECORD_LOCK.rawValue:
                answers.locks.append(FileLock(raw: try load(rest, as: bw_lock(), atLeast: MemoryLayout<bw_lock>.size)))
                rest = rest.extracting(droppingFirst: MemoryLayout<bw_lock>.size)
            case BW_RECORD_MEMBER.rawValue:
                let size = MemoryLayout<bw_member>.size
                let raw = try load(rest, as: bw_member(), atLeast: size)
                answers.members.append(MemberFile(question: Int(raw.question), object: KernelObject(raw: raw.object)))
                rest = rest.extracting(droppingFirst: size)
            case BW_RECORD_SET.rawValue:
                let fixed = MemoryLayout<bw_set>.size - Int(BW_SET_MAX) * MemoryLayout<bw_set_item>.size
                let raw = try load(rest, as: bw_set(), atLeast: fixed)
                let count = Int(min(raw.count, UInt32(BW_SET_MAX)))
                let size = fixed + count * MemoryLayout<bw_set_item>.size
                guard rest.count >= size else { throw .short(bytes: rest.count, needed: size) }
                answers.sets.append(
                    EpollItems(question: Int(raw.question), items: items(raw, count), isCut: raw.is_cut != 0))
                rest = rest.extracting(droppingFirst: size)
            case let other: throw .unknownType(other)
            }
        }
        return answers
    }

    private static func items(_ raw: bw_set, _ count: Int) -> [EpollItems.Item] {
        unsafe withUnsafeBytes(of: raw.items) { bytes in
            (0..<count).map { index in
                let item = unsafe bytes.loadUnaligned(
                    fromByteOffset: index * MemoryLayout<bw_set_item>.size, as: bw_set_item.self)
                return EpollItems.Item(descriptor: Int(item.fd), events: item.events)
            }
        }
    }

    /// - Throws: ``DecodeError`` on a record that is cut or unknown.
    public static func threads(_ bytes: [UInt8]) throws(DecodeError) -> [CallRecord] {
        var threads: [CallRecord] = []
        var rest = bytes.span
        while !rest.isEmpty {
            let found = try type(rest)
            guard found == BW_RECORD_VIEW.rawValue else { throw .unknownType(found) }
            let record = CallRecord(raw: try load(rest, as: bw_call(), atLeast: CallRecord.fixedSize))
            let size = record.size
            guard rest.count >= size else { throw .short(bytes: rest.count, needed: size) }
            threads.append(record)
            rest = rest.extracting(droppingFirst: size)
        }
        return threads
    }

    private static func type(_ bytes: Span<UInt8>) throws(DecodeError) -> UInt32 {
        guard bytes.count >= 4 else { throw .short(bytes: bytes.count, needed: 4) }
        return UInt32(bytes[0]) | UInt32(bytes[1]) << 8 | UInt32(bytes[2]) << 16 | UInt32(bytes[3]) << 24
    }
}
