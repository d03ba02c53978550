internal import BlockWatchBPF

/// `struct bw_object`: what a descriptor refers to.
public struct KernelObject: Sendable {
    public enum Family: Sendable, Equatable {
        case file
        /// Anonymous pipe or FIFO.
        case pipe
        case socket
        /// An anonymous inode, told apart by its name: `[eventfd]`.
        case anonymous
        /// No file is known, only the file system that the thread waits in.
        case mount
    }

    private final class Body: Sendable {
        let raw: bw_object
        init(_ raw: bw_object) { self.raw = raw }
    }
    private let body: Body
    private var raw: bw_object { _read { yield body.raw } }

    init(raw: bw_object) { body = Body(raw) }

    public var family: Family {
        switch raw.kind {
        case BW_OBJECT_PIPE.rawValue: .pipe
        case BW_OBJECT_SOCKET.rawValue: .socket
        case BW_OBJECT_ANON.rawValue: .anonymous
        case BW_OBJECT_MOUNT.rawValue: .mount
        default: .file
        }
    }
    public var mode: UInt32 { raw.mode }
    public var inode: UInt64 { raw.inode }
    public var isDeleted: Bool { raw.links == 0 }
    /// `major:minor` of the file system.
    public var device: String { DeviceNumber.text(raw.device) }
    /// The same as the kernel encodes it.
    public var rawDevice: UInt32 { raw.device }
    /// `struct file`, as an address: the owner of flock and OFD locks.
    public var file: UInt64 { raw.file }
    /// `file->private_data`, as an address: tells anonymous inodes apart.
    public var privateData: UInt64 { raw.address }
    public enum Access: Sendable, Equatable { case read, write, both }
    public var access: Access {
        switch raw.open_flags & 3 {
        case 0: .read
        case 1: .write
        default: .both
        }
    }
    /// Of a device node.
    public var deviceMajor: UInt32 { raw.rdev >> 20 }
    /// /dev/fuse, through which a server takes requests.
    public var isFuseDevice: Bool { family == .file && isCharacterDevice && raw.rdev == 10 << 20 | 229 }
    public var isDirectory: Bool { mode & 0o170000 == 0o040000 }
    public var isCharacterDevice: Bool { mode & 0o170000 == 0o020000 }
    public var isBlockDevice: Bool { mode & 0o170000 == 0o060000 }
    public var isEpoll: Bool { family == .anonymous && name.elementsEqual("[eventpoll]".utf8) }
    public var position: UInt64 { raw.position }
    public var size: UInt64 { raw.size }
    public var receiveTimeoutNanoseconds: UInt64 { raw.receive_timeout_ns }
    public var sendTimeoutNanoseconds: UInt64 { raw.send_timeout_ns }
    /// Last component of its path, or the kernel's name for an anonymous one.
    public var name: [UInt8] { cString(raw.name) }
    /// As /proc/filesystems names it, with its subtype: `fuse.sshfs`.
    public var fileSystem: String {
        let type = String(decoding: cString(raw.fs_name), as: UTF8.self)
        let subtype = cString(raw.fs_subtype)
        return subtype.isEmpty ? type : type + "." + String(decoding: subtype, as: UTF8.self)
    }
    /// The block device below the file system, or the kernel's name for it.
    public var fileSystemSource: String { String(decoding: cString(raw.fs_source), as: UTF8.self) }

    public var socketFamily: Int { Int(raw.family) }
    public var socketType: Int { Int(raw.socket_type) }
    public var socketProtocol: Int { Int(raw.protocol) }
    public var isTCP: Bool { family == .socket && [2, 10].contains(socketFamily) && socketProtocol == 6 }
    public var tcpState: Int { Int(raw.tcp_state) }

    public struct Pipe: Sendable, Equatable {
        public var readers, writers: UInt32
        public var bytes, capacity: UInt64
    }
    public var pipe: Pipe {
        let pipe = unsafe raw.u.pipe
        return Pipe(readers: pipe.readers, writers: pipe.writers, bytes: pipe.bytes, capacity: pipe.capacity)
    }

    public struct Internet: Sendable, Equatable {
        /// 4 or 16 bytes.
        public var local, peer: [UInt8]
        public var localPort, peerPort: UInt16
        public var retransmits: UInt8
        public var receiveQueue, sendQueue: UInt32
        /// Ages in nanoseconds; `nil` for never.
        public var lastSent, lastReceived: UInt64?
        /// Bytes written and not acknowledged, sent or not.
        public var unacknowledged: UInt32
        /// Of these, those that were sent: `snd_nxt` less `snd_una`.
        public var inFlight: UInt32
        /// Of a UDP socket with a peer: nothing has ever come from there.
        public var isUnheard: Bool

        var progress: TCPProgress {
            TCPProgress(retransmits: retransmits, unacknowledged: unacknowledged, unread: receiveQueue)
        }
    }
    public var internet: Internet {
        let inet = unsafe raw.u.inet
        func address<T>(_ bytes: T) -> [UInt8] {
            unsafe withUnsafeBytes(of: bytes) { unsafe [UInt8]($0.prefix(raw.family == 10 ? 16 : 4)) }
        }
        func age(_ value: UInt64) -> UInt64? { value == .max ? nil : value }
        return Internet(
            local: address(inet.local), peer: address(inet.peer), localPort: inet.local_port,
            peerPort: inet.peer_port, retransmits: inet.retransmits, receiveQueue: inet.receive_queue,
            sendQueue: inet.send_queue, lastSent: age(inet.last_sent), lastReceived: age(inet.last_received),
            unacknowledged: inet.unacked, inFlight: inet.in_flight, isUnheard: inet.unheard != 0)
    }

    public struct Unix: Sendable, Equatable {
        /// As bound; an abstract name begins with NUL, an unnamed socket has none.
        public var local, peer: [UInt8]
        public var peerInode: UInt64?
        /// Where the name of the listener lies in whose queue the peer waits.
        public var peerName: UInt64
        public var receiveQueue, sendQueue: UInt32
    }
    public var unix: Unix {
        let unix = unsafe raw.u.unix_
        func path<T>(_ bytes: T, _ length: UInt32) -> [UInt8] {
            let bound = unsafe withUnsafeBytes(of: bytes) { unsafe [UInt8]($0.prefix(Int(length))) }
            // a path ends at its NUL, an abstract name has the length it was bound with
            return bound.first == 0 ? bound : [UInt8](bound.prefix { $0 != 0 })
        }
        return Unix(
            local: path(unix.local, unix.local_len), peer: path(unix.peer, unix.peer_len),
            peerInode: unix.peer_inode == 0 ? nil : unix.peer_inode, peerName: unix.peer_name,
            receiveQueue: unix.receive_queue,
            sendQueue: unix.send_queue)
    }

    /// The other end of a unix socket.
    public enum PeerState: Sendable, Equatable { case none, open, unaccepted, closed, listener }
    public var peerState: PeerState {
        switch UInt32(raw.peer_state) {
        case BW_PEER_OPEN.rawValue: .open
        case BW_PEER_UNACCEPTED.rawValue: .unaccepted
        case BW_PEER_CLOSED.rawValue: .closed
        case BW_PEER_LISTENER.rawValue: .listener
        default: .none
        }
    }
    /// The other side of a pseudo terminal, as an address.
    public var terminalLink: UInt64? {
        let tty = unsafe raw.u.tty
        return tty.link == 0 ? nil : tty.link
    }
    /// The process of a pidfd.
    public var pidfdProcess: Int? {
        let pidfd = unsafe raw.u.pidfd
        return pidfd.tgid == 0 ? nil : Int(pidfd.tgid)
    }

    /// What the data of a file, or of the file system, lies on, as the kernel encodes numbers of devices; 0 for none.
    public var storage: (blockDevice: UInt32, fuseDevice: UInt32) {
        guard family == .file || family == .mount, !isCharacterDevice else { return (0, 0) }
        let storage = unsafe raw.u.storage
        // older recordings do not have it
        let isFuse = fileSystem == "fuse" || fileSystem == "fuseblk" || fileSystem.hasPrefix("fuse.")
        return (storage.block_device, isFuse && storage.fuse_device == 0 ? raw.device : storage.fuse_device)
    }

    public var netlink: (port: UInt32, peerPort: UInt32, protocolNumber: UInt32) {
        let netlink = unsafe raw.u.netlink
        return (netlink.port, netlink.peer_port, netlink.protocol)
    }

    public var vsock: (localCID: UInt32, localPort: UInt32, peerCID: UInt32, peerPort: UInt32) {
        let vsock = unsafe raw.u.vsock
        return (vsock.local_cid, vsock.local_port, vsock.peer_cid, vsock.peer_port)
    }
}
