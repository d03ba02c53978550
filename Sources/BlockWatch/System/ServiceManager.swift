import Glibc

/// Tells whoever started blockwatch how it goes: datagrams to the socket that NOTIFY_SOCKET names, as sd_notify(3) has
/// them, without its library.
///
/// Opened before system calls are filtered, and connected once: afterwards write(2) is all it takes. The kernel says who
/// has written.
struct ServiceManager: ~Copyable, Sendable {
    /// -1 where nobody wants to know.
    private let socket: Int32
    /// Half of what WATCHDOG_USEC allows, nanoseconds; `nil` if nobody watches.
    let watchdogInterval: UInt64?

    /// C functions: `socket`, `connect`
    ///
    /// - Parameter environment: looks up a variable.
    init(environment: (String) -> String? = Self.variable, log: Log) {
        guard let address = environment("NOTIFY_SOCKET"), !address.isEmpty else {
            (socket, watchdogInterval) = (-1, nil)
            return
        }
        var answer: Int32 = 0
        socket = Self.connected(to: address, failure: &answer)
        guard answer == 0 else {
            watchdogInterval = nil
            log.warning(
                "cannot reach the service manager at \(address): \(describe(errno: answer)); it will not be told how it goes"
            )
            return
        }
        watchdogInterval = Self.watchdogInterval(
            microseconds: environment("WATCHDOG_USEC"), process: environment("WATCHDOG_PID"), own: getpid())
    }

    deinit { if socket >= 0 { close(socket) } }

    static func variable(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }

    static func watchdogInterval(microseconds: String?, process: String?, own: pid_t) -> UInt64? {
        guard let microseconds = microseconds.flatMap({ UInt64($0) }), microseconds > 0 else { return nil }
        // meant for another process, whose child this is
        if let process, process != String(own) { return nil }
        return max(microseconds.multipliedReportingOverflow(by: 500).partialValue, 1_000_000)
    }

    /// - Returns: -1 with a reason, or a socket that never waits: a manager that does not read is not waited for.
    private static func connected(to text: String, failure: inout Int32) -> Int32 {
        var bytes = Array(text.utf8)
        var address = sockaddr_un()
        let room = MemoryLayout.size(ofValue: address.sun_path)
        // a path, or @ for a name in the abstract namespace, which has no end mark
        guard bytes.first == UInt8(ascii: "/") || bytes.first == UInt8(ascii: "@"), bytes.count > 1 else {
            failure = EAFNOSUPPORT
            return -1
        }
        guard bytes.count < room else {
            failure = ENAMETOOLONG
            return -1
        }
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let length = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + bytes.count + (bytes[0] == 0 ? 0 : 1)
        let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = Glibc.socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else {
            failure = errno
            return -1
        }
        let result = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(length))
            }
        }
        guard result != 0 else { return descriptor }
        failure = errno
        close(descriptor)
        return -1
    }

    // MARK: - what is told

    func ready(_ status: String) { tell("READY=1\nSTATUS=\(Self.oneLine(status))") }
    func status(_ text: String) { tell("STATUS=\(Self.oneLine(text))") }
    func isAlive() { tell("WATCHDOG=1") }
    func stopping(_ status: String) { tell("STOPPING=1\nSTATUS=\(Self.oneLine(status))") }

    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds.
    func reloading(at now: UInt64) { tell("RELOADING=1\nMONOTONIC_USEC=\(now / 1000)") }

    /// C function: `write`; a socket that has no room loses it, and the next one comes
    private func tell(_ text: String) {
        guard socket >= 0 else { return }
        let bytes = Array(text.utf8)
        _ = unsafe write(socket, bytes, bytes.count)
    }

    private static func oneLine(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }
}
