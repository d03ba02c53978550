import Glibc

/// What the kernel, or the text of a /proc file, answered instead of a value.
public struct ProcError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The path asked for, root included.
    public let path: String
    /// The kernel's errno; `EBADMSG` when the file was read and its text not understood; `ELOOP` when the path
    /// leads through a link that belongs to the watched process.
    public let errno: Int32

    public init(path: String, errno: Int32) {
        self.path = path
        self.errno = errno
    }

    /// The process or thread is no longer there (or the descriptor is no longer open).
    public var isGone: Bool { errno == ENOENT || errno == ESRCH }

    /// EACCES or EPERM.
    public var isNotPermitted: Bool { errno == EACCES || errno == EPERM }

    public var description: String { "cannot read \(path): errno \(errno)" }
}

/// Small files and links of /proc by other means: written down on the way, or from a tape.
public protocol ProcReading: Sendable {
    /// As ``ProcFS/readFile(_:limit:)``.
    func readFile(_ path: String, limit: Int) throws(ProcError) -> [UInt8]
    /// As ``ProcFS/readLink(_:limit:)``.
    func readLink(_ path: String, limit: Int) throws(ProcError) -> [UInt8]
}

/// A process file system at any root, read by plain system calls with bounded buffers.
///
/// The watcher must not hang on what it watches: links are read and never followed, and nothing a link of a process
/// points at is ever opened or asked for its attributes.
public struct ProcFS: Sendable {
    /// The folder, without a slash at its end; empty for `/`.
    public let root: String
    /// Answers in its stead.
    private let reader: (any ProcReading)?

    /// - Parameters:
    ///   - root: `/proc`, or a fixture tree of the same shape.
    ///   - reader: who answers for what a process's files and links say, instead of the files below the root.
    public init(root: String, reader: (any ProcReading)? = nil) {
        self.reader = reader
        var end = root.utf8.endIndex
        while end > root.utf8.startIndex, root.utf8[root.utf8.index(before: end)] == UInt8(ascii: "/") {
            end = root.utf8.index(before: end)
        }
        self.root = String(root[..<end])
    }

    // MARK: - Bytes

    /// The first `limit` bytes of a file; what exceeds it is left unread.
    ///
    /// - Parameters:
    ///   - path: below the root, without a leading slash: `sys/kernel/random/boot_id`.
    ///   - limit: in bytes; 0 or less gives an empty result once the file could be opened.
    /// - Throws: the errno of open(2) or read(2); `ELOOP` if the path is a link or leads through one of a process's.
    public func readFile(_ path: String, limit: Int) throws(ProcError) -> [UInt8] {
        let full = "\(root)/\(path)"
        guard !Self.leadsThroughProcessLink(path) else { throw ProcError(path: full, errno: ELOOP) }
        if let reader { return try reader.readFile(path, limit: limit) }
        // O_NOFOLLOW: exe, cwd, root and fd/N are links into file systems that may not answer.
        // O_NONBLOCK: a FIFO in the way must not stop the reader.
        let descriptor = unsafe open(full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw ProcError(path: full, errno: Glibc.errno) }
        defer { _ = close(descriptor) }

        var bytes: [UInt8] = []
        while bytes.count < limit {
            let room = min(limit - bytes.count, 4096)
            var failure: Int32 = 0
            let chunk = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                let got = unsafe read(descriptor, buffer.baseAddress, room)
                if got < 0 { failure = Glibc.errno }
                count = max(got, 0)
            }
            if failure == EINTR { continue }
            guard failure == 0 else { throw ProcError(path: full, errno: failure) }
            if chunk.isEmpty { break }
            bytes += chunk
        }
        return bytes
    }

    /// The text of a symbolic link, as bytes: paths need not be UTF-8.
    ///
    /// - Parameters:
    ///   - path: below the root, without a leading slash: `1/task/1/fd/3`.
    ///   - limit: in bytes; a longer text is cut there (the kernel itself never gives more than 4,095).
    /// - Throws: the errno of readlink(2); `ELOOP` if the path leads through a link of a process.
    public func readLink(_ path: String, limit: Int = 4096) throws(ProcError) -> [UInt8] {
        let full = "\(root)/\(path)"
        guard !Self.leadsThroughProcessLink(path) else { throw ProcError(path: full, errno: ELOOP) }
        guard limit > 0 else { return [] }
        if let reader { return try reader.readLink(path, limit: limit) }
        let room = min(limit, 65536)
        var failure: Int32 = 0
        // what is kept has the size of the text, not of the room for it
        let target = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: room) { text in
            let got = unsafe readlink(full, text.baseAddress!, room)
            if got < 0 { failure = Glibc.errno }
            return unsafe [UInt8](UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(text)[..<max(got, 0)]))
        }
        guard failure == 0 else { throw ProcError(path: full, errno: failure) }
        return target
    }

    // MARK: - Links of a thread

    /// What a descriptor points at, from `PID/task/TID/fd/N`: a path (with ` (deleted)` at its end where it is),
    /// `pipe:[123]`, `socket:[123]`, `anon_inode:[eventpoll]`.
    ///
    /// Asked of the thread and not of the process: a process whose main thread has exited shows no descriptors.
    public func descriptorTarget(pid: Int32, tid: Int32, fd: Int32) throws(ProcError) -> [UInt8] {
        try readLink("\(pid)/task/\(tid)/fd/\(fd)")
    }

    /// The path of the executable; ENOENT for kernel threads.
    public func executable(pid: Int32, tid: Int32) throws(ProcError) -> [UInt8] {
        try readLink("\(pid)/task/\(tid)/exe")
    }

    /// The working directory as the process sees it.
    public func workingDirectory(pid: Int32, tid: Int32) throws(ProcError) -> [UInt8] {
        try readLink("\(pid)/task/\(tid)/cwd")
    }

    /// The root directory: `/` unless the process is in a chroot.
    public func rootDirectory(pid: Int32, tid: Int32) throws(ProcError) -> [UInt8] {
        try readLink("\(pid)/task/\(tid)/root")
    }

    // MARK: - Text of a thread

    /// When the thread started, in clock ticks (`sysconf(_SC_CLK_TCK)` a second) since boot: field 22 of `stat`.
    public func threadStart(pid: Int32, tid: Int32) throws(ProcError) -> UInt64 {
        let path = "\(pid)/task/\(tid)/stat"
        let text = try readFile(path, limit: 4096)
        guard let start = Self.startTicks(stat: text) else { throw ProcError(path: "\(root)/\(path)", errno: EBADMSG) }
        return start
    }

    /// The lines of `status` that the rest needs.
    ///
    /// - Throws: `EBADMSG` if one of Tgid, PPid or Uid is missing.
    public func status(pid: Int32, tid: Int32) throws(ProcError) -> ThreadStatus {
        let path = "\(pid)/task/\(tid)/status"
        let text = try readFile(path, limit: 8192)
        guard let status = ThreadStatus(text) else { throw ProcError(path: "\(root)/\(path)", errno: EBADMSG) }
        return status
    }

    /// The arguments of the process.
    ///
    /// Can block for as long as the process's memory lock is held: call it off the main path, with a deadline.
    ///
    /// - Parameter limit: in bytes, of all arguments with their NULs; the last one may then be cut.
    /// - Returns: empty for kernel threads. A process that wrote a title over its arguments gives one argument.
    public func commandLine(pid: Int32, tid: Int32, limit: Int) throws(ProcError) -> [[UInt8]] {
        Self.arguments(commandLine: try readFile("\(pid)/task/\(tid)/cmdline", limit: limit))
    }

    /// The arguments in the bytes of a `cmdline` file.
    public static func arguments(commandLine bytes: [UInt8]) -> [[UInt8]] {
        var bytes = bytes
        // Titles are padded with NULs; an empty last argument is lost with them.
        while bytes.last == 0 { bytes.removeLast() }
        if bytes.isEmpty { return [] }
        return bytes.split(separator: 0, omittingEmptySubsequences: false).map { Array($0) }
    }

    // MARK: - The host

    /// The boot's identity: a UUID of 36 characters.
    public func bootID() throws(ProcError) -> String {
        let path = "sys/kernel/random/boot_id"
        let text = try readFile(path, limit: 64).prefix { $0 != UInt8(ascii: "\n") }
        let allowed = text.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard text.count == 36, allowed else { throw ProcError(path: "\(root)/\(path)", errno: EBADMSG) }
        return String(decoding: text, as: UTF8.self)
    }

    /// The inode of the reader's own namespace, from the link `self/ns/KIND`.
    ///
    /// - Parameter kind: `pid`, `mnt`, `net`, `user`, ...
    public func ownNamespaceInode(_ kind: String = "pid") throws(ProcError) -> UInt64 {
        let path = "self/ns/\(kind)"
        let text = try readLink(path)
        // KIND:[INODE]
        guard let opening = text.firstIndex(of: UInt8(ascii: "[")), text.last == UInt8(ascii: "]"),
            let inode = Self.decimal(text[(opening + 1)..<(text.count - 1)])
        else { throw ProcError(path: "\(root)/\(path)", errno: EBADMSG) }
        return inode
    }

    // MARK: - Parsing

    /// Field 22 of a `stat` text. The name in field 2 may hold anything, `)` and newlines included, and nothing after
    /// it can hold a `)`: fields are counted from the last one.
    static func startTicks(stat: [UInt8]) -> UInt64? {
        guard let closing = stat.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = stat[(closing + 1)...].split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
        // The first one after the name is field 3.
        guard fields.count > 19 else { return nil }
        return decimal(fields[19])
    }

    /// An unsigned decimal number and nothing else; nil if there is none or it does not fit.
    static func decimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
        guard !digits.isEmpty else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            let (shifted, tooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = shifted.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
            if tooLarge || carried { return nil }
            value = sum
        }
        return value
    }

    /// Whether a component before the last is a link into whatever the process uses: `1/root/etc/passwd`, `1/fd/3/x`.
    static func leadsThroughProcessLink(_ path: String) -> Bool {
        let parts = path.utf8.split(separator: UInt8(ascii: "/"))
        guard parts.count > 2 else { return false }
        for index in 1..<(parts.count - 1) {
            let part = parts[index]
            if part.elementsEqual("cwd".utf8) || part.elementsEqual("root".utf8) || part.elementsEqual("exe".utf8) {
                return true
            }
            let isLinkFolder =
                part.elementsEqual("fd".utf8) || part.elementsEqual("map_files".utf8)
            if isLinkFolder, index + 2 < parts.count { return true }
        }
        return false
    }
}

/// Lines of a thread's `status`.
public struct ThreadStatus: Equatable, Sendable {
    /// The process the thread belongs to, in the namespace of this /proc.
    public let processID: Int32
    /// The parent of the process; 0 for none, or one outside the namespace.
    public let parentID: Int32
    public let realUserID: UInt32
    public let effectiveUserID: UInt32
    /// The thread's id in each PID namespace it is in, from that of this /proc to its own innermost. Empty where the
    /// kernel does not say it.
    public let namespaceIDs: [Int32]

    /// nil if one of Tgid, PPid or Uid is missing or not a number. The name's newlines are escaped by the kernel, so
    /// that a name cannot forge a line.
    init?(_ text: [UInt8]) {
        var processID: Int32?
        var parentID: Int32?
        var users: [UInt32] = []
        var namespaceIDs: [Int32] = []
        for line in text.split(separator: UInt8(ascii: "\n")) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let key = line[..<colon]
            let values = line[(colon + 1)...]
                .split { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
            if key.elementsEqual("Tgid".utf8) {
                processID = Self.numbers(values, as: Int32.self).first
            } else if key.elementsEqual("PPid".utf8) {
                parentID = Self.numbers(values, as: Int32.self).first
            } else if key.elementsEqual("Uid".utf8) {
                users = Self.numbers(values, as: UInt32.self)
            } else if key.elementsEqual("NSpid".utf8) {
                namespaceIDs = Self.numbers(values, as: Int32.self)
            }
        }
        guard let processID, let parentID, users.count >= 2 else { return nil }
        self.processID = processID
        self.parentID = parentID
        self.realUserID = users[0]
        self.effectiveUserID = users[1]
        self.namespaceIDs = namespaceIDs
    }

    /// All values as numbers, or none: half a list would be taken for a whole one.
    private static func numbers<Number: FixedWidthInteger>(
        _ values: [ArraySlice<UInt8>], as type: Number.Type
    ) -> [Number] {
        var result: [Number] = []
        for value in values {
            guard let wide = ProcFS.decimal(value), let number = Number(exactly: wide) else { return [] }
            result.append(number)
        }
        return result
    }
}
