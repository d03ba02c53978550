import BlockWatchCore
import Glibc
import Synchronization

/// A Prometheus text file for node_exporter's textfile collector: written beside and renamed over, so that nobody
/// reads half of it; by a thread of its own, since the file system may not answer.
final class MetricsFile: Sendable {
    private let path: String
    private let mode: mode_t
    private let log: Log
    /// The latest, while the thread is at an older one.
    private let next = Mutex<[UInt8]?>(nil)
    private let work = Bell()

    /// - Parameter mode: of the file, whatever the umask: node_exporter reads it as another user. To be called once.
    ///
    /// C function: `umask`
    init(path: String, mode: mode_t, log: Log) {
        self.path = path
        self.mode = mode
        self.log = log
        // fchmod would have to be among the system calls that are left
        umask(FileMode.umask & ~mode)
    }

    func start() { _ = startDetachedThread { [self] in serve() } }

    private func serve() {
        var hasComplained = false
        while true {
            work.take()
            let text = next.withLock { next -> [UInt8]? in
                defer { next = nil }
                return next
            }
            guard let text else { continue }
            do throws(SafePath.PathError) {
                try replace(text)
                hasComplained = false
            } catch {
                // once, not at every look
                if !hasComplained { log.warning("cannot write the metrics file \(path): \(error.description)") }
                hasComplained = true
            }
        }
    }

    func write(_ reading: MetricsReading) {
        let bytes = Array(MetricsText.text(reading).utf8)
        next.withLock { $0 = bytes }
        work.ring()
    }

    /// C function: `openat` with O_EXCL, `renameat`
    private func replace(_ bytes: [UInt8]) throws(SafePath.PathError) {
        let place = try SafePath(path)
        let beside = "\(place.name).\(getpid())"
        // left over by a process of this id that was killed
        unsafe unlinkat(place.folder, beside, 0)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let descriptor = unsafe openat(place.folder, beside, flags, mode)
        guard descriptor >= 0 else { throw SafePath.PathError(errno: errno) }
        let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
        var answer = count == bytes.count ? 0 : count < 0 ? errno : ENOSPC
        close(descriptor)
        if answer == 0, unsafe renameat(place.folder, beside, place.folder, place.name) != 0 { answer = errno }
        guard answer != 0 else { return }
        unsafe unlinkat(place.folder, beside, 0)
        throw SafePath.PathError(errno: answer)
    }
}
