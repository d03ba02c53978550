import BlockWatchCore
import Glibc
import Synchronization

/// Files that a key asks for: new ones, beside where blockwatch was started, else in /tmp. By a thread of their own, because a
/// file system may never answer.
final class KeptFiles: Sendable {
    /// Opened while that was allowed.
    private let folders: [(descriptor: Int32, name: String)]
    private let messages = Mutex<[String]>([])
    private let bell = Bell()

    var descriptor: Int32 { bell.descriptor }

    init() {
        let path: Int32 = 0o10000000  // O_PATH
        folders = [(".", "."), ("/tmp", "/tmp")].compactMap { folder, name in
            let descriptor = unsafe open(folder, path | O_DIRECTORY | O_CLOEXEC)
            return descriptor < 0 ? nil : (descriptor, name)
        }
    }

    /// - Parameter ending: of the name, which no one else has a part in.
    func keep(_ bytes: [UInt8], _ ending: String, at wall: UInt64) {
        let started = startDetachedThread { [self] in
            let message = write(bytes, ending, at: wall)
            messages.withLock { $0.append(message) }
            bell.ring()
        }
        if !started { messages.withLock { $0.append("cannot start a thread to write the file") } }
    }

    func takeMessages() -> [String] {
        _ = bell.take(withinMilliseconds: 0)
        return messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }

    /// C function: `openat` with O_CREAT and O_EXCL: nothing that is there is written to, and no link is followed
    private func write(_ bytes: [UInt8], _ ending: String, at wall: UInt64) -> String {
        let stamp = Timestamp.rfc3339(seconds: Int64(wall / 1_000_000_000), nanoseconds: 0).prefix(19)
            .filter { $0 != "-" && $0 != ":" }.replacing("T", with: "-")
        var problem = "no folder to write to"
        for folder in folders {
            for number in 1...9 {
                let name = "blockwatch-\(stamp)\(number > 1 ? "-\(number)" : "").\(ending)"
                let file = unsafe openat(
                    folder.descriptor, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
                if file < 0 {
                    problem = describe(errno: errno)
                    if errno == EEXIST { continue }
                    break
                }
                defer { close(file) }
                var offset = 0
                while offset < bytes.count {
                    let count = unsafe bytes.withUnsafeBytes {
                        unsafe Glibc.write(file, $0.baseAddress! + offset, $0.count - offset)
                    }
                    if count < 0, errno == EINTR { continue }
                    if count <= 0 { return "cannot write \(folder.name)/\(name): \(describe(errno: errno))" }
                    offset += count
                }
                return "written to \(folder.name)/\(name)"
                    + (ending == "dot" ? "; dot -Tsvg draws it" : "")
            }
        }
        return "cannot write a file: \(problem)"
    }
}
