import BlockWatchCore
import DequeModule
import Glibc
import Synchronization

/// Where lines go: a bounded queue, and a thread that writes. Whoever watches never waits for whoever reads.
final class Output: Sendable {
    /// What is given up first when nobody reads.
    enum Importance: Sendable, Equatable {
        /// `still_blocked`: what it says has been said.
        case repeated
        /// `blocked`, `slow`
        case new
        /// Closings, losses, the first and last record.
        case kept
    }
    enum Fate: Sendable, Equatable {
        case queued
        /// Queued, and as many repeated lines made room for it.
        case queuedInsteadOf(Int)
        case dropped
    }
    enum Ending: Sendable, Equatable {
        case readerGone
        case failed(Int32)
    }

    private struct Line: Sendable {
        var bytes: [UInt8]
        var importance: Importance
    }
    private struct State {
        var lines: Deque<Line> = []
        var byteCount = 0
        var isClosing = false
        var isDrained = false
        var ending: Ending?
        var wantsReopen = false
    }

    static let mostBytes = 8 << 20

    private let state = Mutex(State())
    private let work = Bell()
    private let drained = Bell()
    /// Raised when the output has ended by itself.
    let endings = Bell()
    private let path: String?
    private let log: Log

    /// - Parameter path: a file to append to; `nil` for standard output.
    /// - Throws: the errno of open(2).
    init(path: String?, log: Log) throws(OutputError) {
        self.path = path
        self.log = log
        var descriptor = STDOUT_FILENO
        if let path { descriptor = try Output.open(path) }
        guard startDetachedThread({ [self, descriptor] in serve(descriptor) }) else {
            throw OutputError(errno: EAGAIN)
        }
    }

    struct OutputError: Error { var errno: Int32 }

    private static func open(_ path: String) throws(OutputError) -> Int32 {
        let descriptor = unsafe Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0o640)
        guard descriptor >= 0 else { throw OutputError(errno: errno) }
        return descriptor
    }

    func push(_ bytes: [UInt8], _ importance: Importance) -> Fate {
        let fate = state.withLock { state -> Fate in
            var evicted = 0
            if state.byteCount + bytes.count > Self.mostBytes, importance != .kept {
                if importance == .repeated { return .dropped }
                let before = state.lines.count
                state.lines.removeAll { $0.importance == .repeated }
                evicted = before - state.lines.count
                state.byteCount = state.lines.reduce(0) { $0 + $1.bytes.count }
                if state.byteCount + bytes.count > Self.mostBytes { return .dropped }
            }
            state.lines.append(Line(bytes: bytes, importance: importance))
            state.byteCount += bytes.count
            return evicted > 0 ? .queuedInsteadOf(evicted) : .queued
        }
        if fate != .dropped { work.ring() }
        return fate
    }

    var ending: Ending? { state.withLock { $0.ending } }

    /// Opens the file again: it was moved away.
    func reopen() {
        state.withLock { $0.wantsReopen = true }
        work.ring()
    }

    /// - Returns: whether everything was written in time.
    func close(withinMilliseconds timeout: Int32) -> Bool {
        state.withLock { $0.isClosing = true }
        work.ring()
        _ = drained.take(withinMilliseconds: timeout)
        return state.withLock { $0.isDrained }
    }

    // MARK: - the writer's thread

    private func serve(_ first: Int32) {
        var descriptor = first
        while true {
            // a file that was moved away or deleted is noticed at the next line, at the latest a second after
            let (batch, isClosing, wantsReopen) = state.withLock { state -> (Deque<Line>, Bool, Bool) in
                defer {
                    state.lines = []
                    state.wantsReopen = false
                }
                return (state.lines, state.isClosing, state.wantsReopen)
            }
            if wantsReopen || (!batch.isEmpty && isMovedAway(descriptor)) { descriptor = reopened(descriptor) }
            for line in batch {
                guard writeAll(line.bytes, to: &descriptor) else { return }
                state.withLock { $0.byteCount -= line.bytes.count }
            }
            if batch.isEmpty {
                if isClosing {
                    state.withLock { $0.isDrained = true }
                    drained.ring()
                    return
                }
                work.take()
            }
        }
    }

    private func isMovedAway(_ descriptor: Int32) -> Bool {
        guard let path else { return false }
        var ours = stat()
        var named = stat()
        guard unsafe fstat(descriptor, &ours) == 0 else { return false }
        guard unsafe stat(path, &named) == 0 else { return errno == ENOENT }
        return ours.st_ino != named.st_ino || ours.st_dev != named.st_dev
    }

    private func reopened(_ old: Int32) -> Int32 {
        guard let path else { return old }
        do throws(OutputError) {
            let descriptor = try Output.open(path)
            Glibc.close(old)
            return descriptor
        } catch {
            log.warning("cannot reopen the output \(path): \(describe(errno: error.errno)); writing on to the old file")
            return old
        }
    }

    /// - Returns: false if the output has ended.
    private func writeAll(_ bytes: [UInt8], to descriptor: inout Int32) -> Bool {
        var offset = 0
        var hasComplained = false
        while offset < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe write(descriptor, buffer.baseAddress! + offset, buffer.count - offset)
            }
            if count >= 0 {
                offset += count
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                // somebody gave us a non-blocking descriptor; it is theirs, so we wait instead of changing it
                var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&request, 1, 1000)
            case EPIPE:
                end(.readerGone)
                return false
            case ENOSPC, EDQUOT, EIO, EROFS, ESTALE:
                let answer = errno
                if path == nil && answer != ENOSPC {
                    end(.failed(answer))
                    return false
                }
                if !hasComplained {
                    hasComplained = true
                    log.warning("cannot write the output \(path ?? "stdout"): \(describe(errno: answer)); trying again")
                }
                sleep(1)
            default:
                end(.failed(errno))
                return false
            }
        }
        return true
    }

    private func end(_ ending: Ending) {
        state.withLock {
            $0.ending = ending
            $0.isDrained = ending == .readerGone
        }
        endings.ring()
        drained.ring()
    }
}
