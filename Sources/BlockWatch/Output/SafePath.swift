internal import CLinux
import Glibc

/// Of files that blockwatch makes, as the umask of its start leaves it.
enum FileMode {
    /// C function: `umask`
    static let umask: mode_t = {
        let umask = Glibc.umask(0o077)
        _ = Glibc.umask(umask)
        return umask
    }()
    /// The metrics file loosens the umask.
    static let log: mode_t = 0o640 & ~umask
}

/// A path that is followed step by step, because a symbolic link in a folder that others may write to would let them
/// choose the file that blockwatch, as root, writes to.
///
/// Links in folders that only root or this user can change are followed. Below /proc the kernel follows by itself:
/// what /dev/stdout leads to has no path.
struct SafePath: ~Copyable {
    struct PathError: Error {
        var errno: Int32
        /// Where it is not the kernel that refuses.
        var refusal: String?

        var description: String { refusal ?? describe(errno: errno) }
    }

    /// The folder that the last step lies in, opened with O_PATH.
    let folder: Int32
    let name: String
    /// Others can put something in this folder in our file's place.
    let isShared: Bool
    /// Below /proc: the last step may be a link that only the kernel can follow.
    let isInProc: Bool

    deinit { close(folder) }

    private static let mostLinks = 40

    init(_ path: String) throws(PathError) {
        var steps = [Substring](path.split(separator: "/").reversed())
        var links = 0
        var folder = try Self.openFolder(AT_FDCWD, path.hasPrefix("/") ? "/" : ".")
        var isOwned = true
        defer { if isOwned { close(folder) } }
        while let step = steps.popLast() {
            let name = String(step)
            let isLast = steps.isEmpty
            let isInProc = Self.isProc(folder)
            if isInProc, !isLast {
                // cwd, root, fd: links that only the kernel can follow, in folders that nobody can write to
                let next = try Self.openFolder(folder, name, follow: true)
                close(folder)
                folder = next
                continue
            }
            var status = stat()
            let isThere = unsafe fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0
            if !isThere, errno != ENOENT || !isLast { throw PathError(errno: errno) }
            let isLink = isThere && status.st_mode & S_IFMT == S_IFLNK
            if isLink, !isInProc {
                guard !Self.isShared(folder) else {
                    throw PathError(
                        errno: ELOOP,
                        refusal: "\(name) is a symbolic link in a folder that others may write to; "
                            + "name what it leads to, or a folder that only its owner, root or this user, may write to")
                }
                links += 1
                guard links <= Self.mostLinks else { throw PathError(errno: ELOOP) }
                let target = try Self.target(folder, name)
                if target.hasPrefix("/") {
                    let root = try Self.openFolder(AT_FDCWD, "/")
                    close(folder)
                    folder = root
                }
                steps += target.split(separator: "/").reversed()
                continue
            }
            if isLast {
                if name == ".." || name == "." { throw PathError(errno: EISDIR) }
                self.folder = folder
                self.name = name
                self.isShared = Self.isShared(folder)
                self.isInProc = isInProc
                isOwned = false
                return
            }
            let next = try Self.openFolder(folder, name)
            close(folder)
            folder = next
        }
        throw PathError(errno: EISDIR)
    }

    /// What kind of file is there; `nil` if there is none.
    var kind: mode_t? {
        var status = stat()
        let follows = isInProc ? 0 : AT_SYMLINK_NOFOLLOW
        guard unsafe fstatat(folder, name, &status, follows) == 0 else { return nil }
        return status.st_mode & S_IFMT
    }

    /// C function: `openat` with O_WRONLY and O_CREAT
    ///
    /// - Parameters:
    ///   - flags: further ones.
    ///   - mode: of a new file.
    func open(_ flags: Int32, mode: mode_t = FileMode.log) throws(PathError) -> Int32 {
        let base = O_WRONLY | O_CLOEXEC | O_NOCTTY | flags
        let descriptor = unsafe openat(folder, name, isInProc ? base : base | O_NOFOLLOW | O_CREAT, mode)
        guard descriptor >= 0 else { throw PathError(errno: errno) }
        guard isShared else { return descriptor }
        var status = stat()
        let isOurs =
            unsafe fstat(descriptor, &status) == 0 && (status.st_uid == 0 || status.st_uid == geteuid())
            && (status.st_mode & S_IFMT != S_IFREG || status.st_nlink == 1)
        guard isOurs else {
            close(descriptor)
            throw PathError(
                errno: EPERM,
                refusal: "\(name) belongs to somebody else or has a second name, in a folder that others may write to; "
                    + "name a file in a folder that only its owner, root or this user, may write to")
        }
        return descriptor
    }

    /// Whether this process may make a file here, with the capabilities it has.
    ///
    /// C function: `faccessat` with AT_EACCESS
    var isWritable: Bool { unsafe faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) == 0 }

    // MARK: - steps

    private static func openFolder(_ folder: Int32, _ name: String, follow: Bool = false) throws(PathError) -> Int32 {
        let flags = O_PATH_value | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)
        let descriptor = unsafe openat(folder, name, flags)
        guard descriptor >= 0 else { throw PathError(errno: errno) }
        return descriptor
    }

    private static func target(_ folder: Int32, _ name: String) throws(PathError) -> String {
        var text = [CChar](repeating: 0, count: 4096)
        let length = unsafe readlinkat(folder, name, &text, text.count)
        guard length > 0 else { throw PathError(errno: length < 0 ? errno : ENOENT) }
        return String(decoding: text.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func isShared(_ folder: Int32) -> Bool {
        var status = stat()
        guard unsafe fstat(folder, &status) == 0 else { return true }
        return status.st_mode & 0o022 != 0 || (status.st_uid != 0 && status.st_uid != geteuid())
    }

    private static func isProc(_ folder: Int32) -> Bool { linux_is_in_proc(folder) != 0 }
}

/// `O_PATH`, which the headers show only with _GNU_SOURCE.
private let O_PATH_value: Int32 = 0o10000000
