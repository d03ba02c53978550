import Glibc
import Synchronization

/// The terminal as `top` uses it: its keys one by one, a screen that nothing scrolls, and everything as it was at the end.
///
/// By a descriptor of its own, so that it never blocks and the one that others share stays as it is.
final class TerminalDevice: Sendable {
    private struct State {
        var saved = termios()
        var isEntered = false
        /// What the terminal has not taken yet.
        var pending: [UInt8] = []
        var isGone = false
    }

    let descriptor: Int32
    let usesColor: Bool
    let isASCII: Bool
    /// The console and old terminals have one screen only.
    private let hasSecondScreen: Bool
    private let state: Mutex<State>

    /// Ends with 64 where there is no terminal to draw on.
    init() {
        let type = Terminal.type
        guard isatty(STDOUT_FILENO) == 1 else {
            fail(
                .wrongUsage,
                "top draws on a terminal, and stdout is none: blockwatch snapshot looks once, watch streams")
        }
        guard !type.isEmpty, type != "dumb" else {
            fail(
                .wrongUsage,
                "top needs a terminal that can move its cursor, and TERM is \(type.isEmpty ? "not set" : type): blockwatch snapshot "
                    + "looks once, watch streams")
        }
        let flags = O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
        var opened = unsafe open("/proc/self/fd/1", flags)
        if opened < 0 { opened = unsafe open("/dev/tty", flags) }
        guard opened >= 0 else {
            fail(.wrongUsage, "cannot open the terminal: \(describe(errno: errno)); blockwatch snapshot needs none")
        }
        descriptor = opened
        let isPlain = type.hasPrefix("vt1") || type.hasPrefix("vt2") || type.hasSuffix("-m") || type.hasSuffix("-mono")
        usesColor = !Terminal.refusesColor && !isPlain
        hasSecondScreen = type != "linux" && !type.hasPrefix("vt1") && !type.hasPrefix("vt2")
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(Terminal.variable).first { !$0.isEmpty } ?? ""
        let charset = locale.lowercased()
        isASCII = !charset.contains("utf-8") && !charset.contains("utf8")
        state = Mutex(State())
    }

    /// The terminal has been closed.
    var isGone: Bool { state.withLock { $0.isGone } }
    var hasPending: Bool { state.withLock { !$0.pending.isEmpty } }

    /// Columns and lines now.
    var size: (width: Int, height: Int) {
        guard let size = Terminal.size(of: descriptor), size.columns > 0, size.rows > 0 else { return (80, 24) }
        return (size.columns, size.rows)
    }

    // MARK: - in and out

    /// C functions: `tcgetattr`, `tcsetattr`
    func enter() {
        // from the background a terminal's modes are set all the same: it is only put back
        signal(SIGTTOU, SIG_IGN)
        state.withLock { state in
            if !state.isEntered { unsafe tcgetattr(descriptor, &state.saved) }
            state.isEntered = true
            state.pending = []
            var raw = state.saved
            raw.c_lflag &= ~tcflag_t(ICANON | ECHO | IEXTEN)
            raw.c_iflag &= ~tcflag_t(IXON | INLCR | ISTRIP)
            raw.c_iflag |= tcflag_t(ICRNL)
            unsafe withUnsafeMutableBytes(of: &raw.c_cc) { characters in
                unsafe characters[Int(VMIN)] = 0
                unsafe characters[Int(VTIME)] = 0
            }
            unsafe tcsetattr(descriptor, TCSANOW, &raw)
        }
        // no wrapping: what is written into the last column must not scroll
        send(Array(((hasSecondScreen ? "\u{1b}[?1049h" : "") + "\u{1b}[?25l\u{1b}[?7l").utf8))
    }

    /// Everything as it was; from any thread, more than once.
    func leave() {
        let wasEntered = state.withLock { state in
            defer { state.isEntered = false }
            // a frame that was half sent may have ended within a sequence: CAN ends that
            if state.isEntered { state.pending = state.pending.isEmpty ? [] : [0x18] }
            return state.isEntered
        }
        guard wasEntered else { return }
        let height = size.height
        send(
            Array(
                ("\u{1b}[0m\u{1b}[?7h\u{1b}[?25h"
                    + (hasSecondScreen ? "\u{1b}[?1049l" : "\u{1b}[\(height);1H\u{1b}[K\r\n")).utf8))
        // a terminal that takes nothing is not waited for
        for _ in 0..<10 where hasPending && !isGone {
            var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            _ = unsafe poll(&request, 1, 30)
            flush()
        }
        state.withLock { state in unsafe _ = tcsetattr(descriptor, TCSANOW, &state.saved) }
    }

    /// Its other end is closed.
    func close() { state.withLock { $0.isGone = true } }

    // MARK: - bytes

    func send(_ bytes: [UInt8]) {
        state.withLock { $0.pending += bytes }
        flush()
    }

    /// As much as the terminal takes without waiting.
    func flush() {
        state.withLock { state in
            while !state.pending.isEmpty, !state.isGone {
                let count = unsafe state.pending.withUnsafeBytes {
                    unsafe Glibc.write(descriptor, $0.baseAddress!, $0.count)
                }
                if count > 0 {
                    state.pending.removeFirst(count)
                } else if errno == EINTR {
                    continue
                } else {
                    if errno != EAGAIN { state.isGone = true }
                    return
                }
            }
        }
    }

    /// What was typed; empty where nothing was.
    func read() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
        if count < 0, errno != EAGAIN, errno != EINTR { state.withLock { $0.isGone = true } }
        return count > 0 ? Array(bytes[..<count]) : []
    }
}
