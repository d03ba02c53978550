import BlockWatchCore
import Glibc
import Synchronization

/// Diagnostics, on stderr only, one write(2) a line, never mixed into the stream.
struct Log: Sendable {
    enum Level: Int, Comparable, Sendable {
        case error, warning, info, debug
        static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }

    var level: Level
    /// Writes in our stead; without one a line is written at once, and waits for whoever reads stderr.
    var writer: LogWriter?

    func error(_ text: @autoclosure () -> String) { say(.error, text()) }
    func warning(_ text: @autoclosure () -> String) { say(.warning, text()) }
    func info(_ text: @autoclosure () -> String) { say(.info, text()) }
    func debug(_ text: @autoclosure () -> String) { say(.debug, text()) }

    private func say(_ level: Level, _ text: @autoclosure () -> String) {
        guard level <= self.level else { return }
        let line = Array("blockwatch: \(TerminalText.escaped(text()))\n".utf8)
        if let writer { writer.push(line) } else { LogWriter.write(line) }
    }
}

/// A thread that writes to stderr, so that nobody else hangs when that is a pipe that nobody reads or a file on a disk
/// that has died.
final class LogWriter: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var dropped = 0
        var isWriting = false
    }

    private static let mostBytes = 64 << 10
    private let state = Mutex(State())
    private let work = Bell()
    private let idle = Bell()

    /// Until then lines wait.
    func start() { _ = startDetachedThread { [self] in serve() } }

    func push(_ line: [UInt8]) {
        state.withLock { state in
            if state.bytes.count + line.count > Self.mostBytes { state.dropped += 1 } else { state.bytes += line }
        }
        work.ring()
    }

    /// Waits for what has been said to be written, but not for long.
    func flush(withinMilliseconds patience: Int32) {
        _ = idle.take(withinMilliseconds: 0)
        if state.withLock({ $0.bytes.isEmpty && !$0.isWriting }) { return }
        _ = idle.take(withinMilliseconds: patience)
    }

    private func serve() {
        while true {
            let bytes = state.withLock { state -> [UInt8] in
                var bytes = state.bytes
                if state.dropped > 0 {
                    bytes += Array("blockwatch: \(state.dropped) lines for stderr were not read in time\n".utf8)
                }
                state.bytes = []
                state.dropped = 0
                state.isWriting = !bytes.isEmpty
                return bytes
            }
            if bytes.isEmpty {
                idle.ring()
                work.take()
            } else {
                Self.write(bytes)
            }
        }
    }

    static func write(_ bytes: [UInt8]) {
        var offset = 0
        while offset < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(STDERR_FILENO, $0.baseAddress! + offset, $0.count - offset)
            }
            if count > 0 { offset += count } else if errno != EINTR { return }
        }
    }
}

/// `No space left on device (ENOSPC)`
func describe(errno: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 128)
    let answer = unsafe buffer.withUnsafeMutableBytes { unsafe strerror_r(errno, $0.baseAddress!, $0.count) }
    let text = answer == 0 ? String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self) : "error \(errno)"
    return "\(text) (\(ErrnoNames.name(Int64(errno)) ?? "errno \(errno)"))"
}
