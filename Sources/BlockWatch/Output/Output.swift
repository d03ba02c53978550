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
        /// `blocked`, `slow`, `summary`
        case new
        /// Deadlocks and losses: may use as much room again.
        case precious
        /// Closings, the first and last record: never given up. There are as many at most as calls whose opening
        /// was queued or written.
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
        var repeatedCount = 0
        /// Of the lines, and of those that the writer has taken and not written yet.
        var byteCount = 0
        var isClosing = false
        var isDrained = false
        var ending: Ending?
        var wantsReopen = false
        /// Lines written so far, and whether somebody waits for more.
        var writtenCount = 0
        var isAwaited = false
        /// Nothing was written while somebody waited.
        var isStuck = false
    }

    static let mostBytes = 8 << 20

    private let state = Mutex(State())
    private let work = Bell()
    private let drained = Bell()
    private let moved = Bell()
    /// Raised when the output has ended by itself.
    let endings = Bell()
    private let path: String?
    private let log: Log
    private let first: First

    /// What the writer's thread begins with.
    private enum First: Sendable {
        case descriptor(Int32)
        /// Opened by that thread: it waits for a reader.
        case fifo
        /// A file system that has not answered yet.
        case awaited(Opening)
    }
    private static let millisecondsToOpen: Int32 = 2000

    /// Opens the file; nothing is written before ``start()``. To be called before privileges are dropped.
    ///
    /// - Parameter path: a file to append to; `nil` for standard output.
    init(path: String?, log: Log) throws(SafePath.PathError) {
        self.path = path
        self.log = log
        // now: later the file system may not have answered yet, and umask(2) is not left
        _ = FileMode.log
        guard let path else {
            first = .descriptor(STDOUT_FILENO)
            return
        }
        let opening = Opening(path)
        if let answer = opening.take(withinMilliseconds: Self.millisecondsToOpen) {
            first = try answer.get()
        } else {
            log.warning("the file system of the output \(path) does not answer; lines wait until it does")
            first = .awaited(opening)
        }
    }

    /// The first opening, by a thread of its own: a file system that is frozen or dead swallows whoever opens.
    private final class Opening: Sendable {
        private let answer = Mutex<Result<First, SafePath.PathError>?>(nil)
        private let isDone = Bell()

        init(_ path: String) {
            startNeededThread { [self] in
                let found = Result { () throws(SafePath.PathError) in
                    let place = try SafePath(path)
                    return place.kind == S_IFIFO && !place.isInProc
                        ? First.fifo : First.descriptor(try place.open(O_APPEND))
                }
                answer.withLock { $0 = found }
                isDone.ring()
            }
        }

        /// - Returns: `nil` if it has not come in time.
        func take(withinMilliseconds timeout: Int32) -> Result<First, SafePath.PathError>? {
            _ = isDone.take(withinMilliseconds: timeout)
            return answer.withLock { $0 }
        }

        func take() -> Result<First, SafePath.PathError> {
            while true {
                if let found = answer.withLock({ $0 }) { return found }
                isDone.take()
            }
        }
    }

    /// Starts the writer's thread.
    func start() { startNeededThread { [self] in serve() } }

    /// Why the file could not be opened anew after it has been moved away, with the privileges left; `nil` if it can.
    var reopeningProblem: String? {
        if case .awaited = first { return nil }
        guard let path, let place = try? SafePath(path), !place.isInProc, !place.isWritable else { return nil }
        return "cannot open the output \(path) anew once it is moved away: its folder belongs to somebody else, and "
            + "blockwatch gives up CAP_DAC_OVERRIDE; give the folder to this user, or have the file copied and truncated"
    }

    /// Room for what can wait until somebody reads.
    var hasRoom: Bool { state.withLock { $0.byteCount < Self.mostBytes / 2 } }

    func push(_ bytes: [UInt8], _ importance: Importance) -> Fate {
        let fate = state.withLock { state -> Fate in
            func isTooMuch(_ limit: Int) -> Bool { state.byteCount + bytes.count > limit }
            var evicted = 0
            if isTooMuch(Self.mostBytes) {
                if importance == .repeated { return .dropped }
                if state.repeatedCount > 0 {
                    evicted = state.repeatedCount
                    for line in state.lines where line.importance == .repeated { state.byteCount -= line.bytes.count }
                    state.lines.removeAll { $0.importance == .repeated }
                    state.repeatedCount = 0
                }
                if importance == .new, isTooMuch(Self.mostBytes) { return .dropped }
                if importance == .precious, isTooMuch(2 * Self.mostBytes) { return .dropped }
            }
            state.lines.append(Line(bytes: bytes, importance: importance))
            state.byteCount += bytes.count
            if importance == .repeated { state.repeatedCount += 1 }
            return evicted > 0 ? .queuedInsteadOf(evicted) : .queued
        }
        if fate != .dropped { work.ring() }
        return fate
    }

    /// Waits for the writer to get on, but not for long: a burst may be more than the queue has room for, and a disk
    /// takes it in no time.
    ///
    /// - Returns: false if it stands still; at once, if it has stood still since the last time.
    func waitForProgress() -> Bool {
        let before = state.withLock { state -> Int? in
            state.isAwaited = !state.isStuck
            return state.isStuck ? nil : state.writtenCount
        }
        guard let before else { return false }
        _ = moved.take(withinMilliseconds: 20)
        return state.withLock { state in
            state.isAwaited = false
            state.isStuck = state.writtenCount == before
            return !state.isStuck
        }
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

    private struct Writing {
        var descriptor: Int32
        /// Said once, not at every try.
        var hasComplained = false
        var cannotReopen = false
    }

    private func serve() {
        var writing: Writing
        do throws(SafePath.PathError) { writing = Writing(descriptor: try openFirst()) } catch {
            log.error("cannot open the output \(path ?? ""): \(error.description)")
            return end(.failed(error.errno))
        }
        while true {
            let (batch, isClosing) = state.withLock { state -> (Deque<Line>, Bool) in
                defer {
                    state.lines = []
                    state.repeatedCount = 0
                }
                return (state.lines, state.isClosing)
            }
            // a file that was moved away or deleted is noticed at the next line
            reopenIfNeeded(&writing, looksForItself: !batch.isEmpty)
            for line in batch {
                guard write(line.bytes, &writing) else { return }
                let isAwaited = state.withLock { state in
                    state.byteCount -= line.bytes.count
                    state.writtenCount += 1
                    state.isStuck = false
                    return state.isAwaited
                }
                if isAwaited { moved.ring() }
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

    private func openFirst() throws(SafePath.PathError) -> Int32 {
        var found = first
        if case .awaited(let opening) = found {
            found = try opening.take().get()
            log.info("the file system of the output \(path ?? "") has answered")
        }
        if case .descriptor(let descriptor) = found { return descriptor }
        return try SafePath(path ?? "").open(O_APPEND)
    }

    private func isMovedAway(_ descriptor: Int32) -> Bool {
        guard let path else { return false }
        var ours = stat()
        var named = stat()
        guard unsafe fstat(descriptor, &ours) == 0 else { return false }
        guard unsafe stat(path, &named) == 0 else { return errno == ENOENT }
        return ours.st_ino != named.st_ino || ours.st_dev != named.st_dev
    }

    /// - Returns: whether there is another file now.
    @discardableResult
    private func reopenIfNeeded(_ writing: inout Writing, looksForItself: Bool) -> Bool {
        guard let path else { return false }
        let isAsked = state.withLock { state in
            defer { state.wantsReopen = false }
            return state.wantsReopen
        }
        guard isAsked || looksForItself && isMovedAway(writing.descriptor) else { return false }
        do throws(SafePath.PathError) {
            let descriptor = try SafePath(path).open(O_APPEND)
            Glibc.close(writing.descriptor)
            writing = Writing(descriptor: descriptor)
            return true
        } catch {
            if !writing.cannotReopen {
                log.warning("cannot reopen the output \(path): \(error.description); writing on to the old file")
            }
            writing.cannotReopen = true
            return false
        }
    }

    /// - Returns: false if the output has ended.
    private func write(_ bytes: [UInt8], _ writing: inout Writing) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(writing.descriptor, buffer.baseAddress! + offset, buffer.count - offset)
            }
            if count >= 0 {
                offset += count
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                // somebody gave us a non-blocking descriptor; it is theirs, so we wait instead of changing it
                var request = pollfd(fd: writing.descriptor, events: Int16(POLLOUT), revents: 0)
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
                if !writing.hasComplained {
                    writing.hasComplained = true
                    log.warning("cannot write the output \(path ?? "stdout"): \(describe(errno: answer)); trying again")
                }
                sleep(1)
                // in another file the line begins anew
                if reopenIfNeeded(&writing, looksForItself: true) { offset = 0 }
            default:
                end(.failed(errno))
                return false
            }
        }
        if writing.hasComplained {
            writing.hasComplained = false
            log.info("writing the output \(path ?? "stdout") again")
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
