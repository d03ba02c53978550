import BlockWatchCore
import Glibc

/// Diagnostics, on stderr only, one write(2) a line, never mixed into the stream.
struct Log: Sendable {
    enum Level: Int, Comparable, Sendable {
        case error, warning, info, debug
        static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }

    var level: Level

    func error(_ text: @autoclosure () -> String) { say(.error, text()) }
    func warning(_ text: @autoclosure () -> String) { say(.warning, text()) }
    func info(_ text: @autoclosure () -> String) { say(.info, text()) }
    func debug(_ text: @autoclosure () -> String) { say(.debug, text()) }

    private func say(_ level: Level, _ text: @autoclosure () -> String) {
        guard level <= self.level else { return }
        let line = Array("blockwatch: \(TerminalText.escaped(text()))\n".utf8)
        _ = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// `No space left on device (ENOSPC)`
func describe(errno: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 128)
    let answer = unsafe buffer.withUnsafeMutableBytes { unsafe strerror_r(errno, $0.baseAddress!, $0.count) }
    let text = answer == 0 ? String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self) : "error \(errno)"
    return "\(text) (\(ErrnoNames.name(Int64(errno)) ?? "errno \(errno)"))"
}
