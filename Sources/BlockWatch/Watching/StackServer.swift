import BlockWatchBPF
import BlockWatchCapture
import BlockWatchCore
internal import CStacks
import Glibc
import Synchronization

/// The process that walks stacks: blockwatch started anew, before it reads anything of others. It forks a worker for each
/// request, one at a time; see `stacks.h`.
final class StackServer: Sendable {
    /// Why there is no answer.
    enum Failure: Error {
        /// Killed after the deadline.
        case late
        /// The worker died, or what it answered was none.
        case failed
        /// A worker that was killed has not ended; or the server is gone.
        case blocked
    }

    private struct State {
        /// The server is gone.
        var isOver = false
        var isBlocked = false
    }

    private let state = Mutex(State())
    private let input, output: Int32
    let processID: Int

    /// - Returns: `nil` where no stack can be walked, or the process cannot be started.
    init?() {
        guard Host.nativeABI == .x86_64 else { return nil }
        var ends: (Int32, Int32) = (-1, -1)
        #if UNCONFINED
            let flags = UInt32(STACKS_UNCONFINED)
        #else
            let flags: UInt32 = 0
        #endif
        let answer = unsafe stacks_start(flags, &ends.0, &ends.1)
        guard answer > 0 else { return nil }
        (input, output) = ends
        processID = Int(answer)
    }

    /// - Returns: `nil`, which is told, where there is none.
    static func begin(_ log: Log) -> StackServer? {
        if let server = StackServer() { return server }
        log.warning("no stacks: they are walked on x86_64 only, by a process that could not be started")
        return nil
    }

    deinit {
        close(input)
        close(output)
    }

    /// As the last answer said: a worker that was killed has not ended, or the server is gone.
    var isBlocked: Bool { state.withLock { $0.isBlocked } }

    /// - Parameter tid: a thread of the process that is alive.
    /// - Returns: threads in a row, for ``UserStack/thread(from:)``.
    func walk(
        _ threads: [stacks_thread], pid: Int32, tid: Int32, hasLines: Bool, milliseconds: UInt32
    ) throws(Failure) -> [UInt8] {
        let body = unsafe threads.withUnsafeBytes { unsafe [UInt8]($0) }
        return try ask(
            STACKS_WALK, body, count: threads.count, pid, tid, flags: hasLines ? UInt32(STACKS_LINES) : 0, milliseconds)
    }

    /// What functions these addresses of a process are in.
    ///
    /// - Parameter tid: a thread of the process that is alive.
    /// - Returns: a stack of one frame for each, those that were inlined there in front of it; in order.
    func functions(
        at addresses: [UInt64], pid: Int32, tid: Int32, hasLines: Bool = false, milliseconds: UInt32
    ) throws(Failure) -> [UserStack] {
        let body = unsafe addresses.withUnsafeBytes { unsafe [UInt8]($0) }
        var rest = try ask(
            STACKS_NAMES, body, count: addresses.count, pid, tid, flags: hasLines ? UInt32(STACKS_LINES) : 0,
            milliseconds)[...]
        var stacks: [UserStack] = []
        for _ in addresses {
            guard let thread = try? UserStack.thread(from: &rest) else { throw .failed }
            stacks.append(thread.stack)
        }
        return stacks
    }

    private func ask(
        _ kind: stacks_kind, _ body: [UInt8], count: Int, _ pid: Int32, _ tid: Int32, flags: UInt32,
        _ milliseconds: UInt32
    ) throws(Failure) -> [UInt8] {
        var request = stacks_request()
        request.bytes = UInt32(MemoryLayout<stacks_request>.size + body.count)
        request.kind = kind.rawValue
        request.pid = pid
        request.tid = tid
        request.count = UInt32(count)
        request.milliseconds = milliseconds
        request.flags = flags
        let head = unsafe withUnsafeBytes(of: request) { unsafe [UInt8]($0) }
        return try state.withLock { state throws(Failure) in
            guard !state.isOver else { throw .blocked }
            // the server itself opens nothing of others: it answers soon after the deadline
            let end = Clock.now().monotonic + (UInt64(milliseconds) + 500) * 1_000_000
            guard send(head + body, until: end), let answer = receive(until: end) else {
                state.isOver = true
                state.isBlocked = true
                throw .blocked
            }
            let (reply, bytes) = answer
            state.isBlocked = reply.is_blocked != 0
            switch reply.status {
            case STACKS_DONE.rawValue: return bytes
            case STACKS_LATE.rawValue: throw .late
            case STACKS_BLOCKED.rawValue: throw .blocked
            default: throw .failed
            }
        }
    }

    /// C functions: `poll`, `write`
    private func send(_ bytes: [UInt8], until end: UInt64) -> Bool {
        var offset = 0
        while offset < bytes.count {
            guard isReady(input, POLLOUT, until: end) else { return false }
            let count = unsafe bytes.withUnsafeBytes {
                unsafe write(input, $0.baseAddress! + offset, $0.count - offset)
            }
            if count > 0 { offset += count }
            if count < 0, errno != EAGAIN, errno != EINTR { return false }
        }
        return true
    }

    /// C functions: `poll`, `read`
    private func receive(until end: UInt64) -> (stacks_reply, [UInt8])? {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        var wanted = MemoryLayout<stacks_reply>.size
        var reply = stacks_reply()
        while bytes.count < wanted || reply.bytes == 0 {
            guard isReady(output, POLLIN, until: end) else { return nil }
            let count = unsafe read(output, &chunk, min(chunk.count, wanted - bytes.count))
            if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { return nil }
            if count > 0 { bytes += chunk[..<count] }
            guard bytes.count >= MemoryLayout<stacks_reply>.size, reply.bytes == 0 else { continue }
            unsafe withUnsafeMutableBytes(of: &reply) { unsafe $0.copyBytes(from: bytes) }
            guard reply.bytes >= wanted, reply.bytes <= UInt32(STACKS_MOST_ANSWER) + UInt32(wanted) else {
                return nil
            }
            wanted = Int(reply.bytes)
        }
        return (reply, Array(bytes.dropFirst(MemoryLayout<stacks_reply>.size)))
    }

    private func isReady(_ descriptor: Int32, _ event: Int32, until end: UInt64) -> Bool {
        let now = Clock.now().monotonic
        guard now < end else { return false }
        var request = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        let answer = unsafe poll(&request, 1, Int32(clamping: (end - now) / 1_000_000 + 1))
        return answer > 0 || (answer < 0 && errno == EINTR)
    }
}
