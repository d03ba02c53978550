internal import BlockWatchBPF

/// What a call's arguments say of what it is on, and how that is read and told.
public enum CallArguments {
    enum Kind: UInt8 { case none, descriptor, path, address, time, poll, socketError }

    /// Of a call by its name; the argument from 0.
    static func meaning(_ info: SyscallInfo) -> (kind: Kind, argument: Int) {
        switch info.name {
        case "connect", "bind": return (.address, 1)
        case "nanosleep": return (.time, 0)
        case "clock_nanosleep", "clock_nanosleep_time64": return (.time, 2)
        case "poll", "ppoll", "ppoll_time64": return (.poll, 0)
        case "getsockopt": return (.socketError, 0)
        default: break
        }
        if info.class == .path {
            if let directory = info.directoryArgument { return (.path, directory + 1) }
            if info.descriptorArgument == nil, !withoutPath.contains(info.name) { return (.path, 0) }
        }
        if let descriptor = info.descriptorArgument { return (.descriptor, descriptor) }
        return (.none, 0)
    }

    /// Their first argument is none, though they are about paths.
    private static let withoutPath: Set<String> = ["fsmount", "fsopen", "quotactl", "sysfs", "ustat", "move_mount"]

    /// `bw_watch_settings.arguments` of one ABI.
    public static func kernelBytes(_ abi: ABI) -> [UInt8] {
        let table = SyscallTable.table(for: abi)
        var bytes = [UInt8](repeating: 0, count: SyscallTable.kernelTableSize)
        for info in table.all where info.number < bytes.count {
            let (kind, argument) = meaning(info)
            bytes[info.number] = kind.rawValue << 4 | UInt8(argument)
        }
        return bytes
    }

    /// Calls that are made around others and say little by themselves, where they succeed.
    static let housekeeping: Set<String> = [
        "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigprocmask", "sigreturn", "sigaction", "sigaltstack",
        "brk", "mmap", "mmap2", "munmap", "mprotect", "madvise", "mremap", "close", "fcntl", "fcntl64", "socket",
        "setsockopt", "getsockopt", "getsockname", "getpeername", "dup", "dup2", "dup3", "pipe", "pipe2",
        "set_robust_list", "rseq", "set_tid_address", "arch_prctl", "prlimit64", "getrlimit", "getpid", "gettid",
        "getppid", "getuid", "geteuid", "getgid", "getegid", "getpgrp", "setpgid", "clone", "clone3", "fork", "vfork",
        "clock_gettime", "clock_gettime64", "gettimeofday", "time", "getrandom", "fstat", "newfstatat", "lseek",
        "_llseek", "ioctl", "bind", "shutdown", "epoll_ctl", "getrusage", "times", "set_thread_area", "alarm",
        "setitimer", "timer_settime", "timerfd_settime", "prctl", "sched_getaffinity", "uname", "umask",
    ]

    /// Waits for children: what a shell's loop is made of.
    static let waitsForChildren: Set<String> = ["wait4", "waitid", "waitpid"]
    /// Waits that end by their own time-out with 0.
    static let sets: Set<String> = [
        "poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64", "epoll_wait",
        "epoll_pwait", "epoll_pwait2",
    ]
    static let sleeps: Set<String> = ["nanosleep", "clock_nanosleep", "clock_nanosleep_time64"]

    // MARK: - telling

    /// A call as people say it: `connect 127.0.0.1:1 = ECONNREFUSED`.
    static func text(_ call: WatchedCall) -> String {
        guard let info = SyscallTable.table(for: call.abi)[call.number] else { return "call \(call.number)" }
        let told = telling(call, info)
        return told.name + (detail(call, info).map { " \($0)" } ?? "") + " = " + told.result
    }

    /// Name and result: of a connect that fails later, those of the connect.
    static func telling(_ call: WatchedCall, _ info: SyscallInfo) -> (name: String, result: String) {
        let result = result(call.result, info)
        guard info.name == "getsockopt", call.result < 0, address(call.payload) != nil else {
            return (info.name, result)
        }
        return ("connect", result + " (by SO_ERROR)")
    }

    /// What the call was on, as people say it: `127.0.0.1:1`, `/etc/x`, `0.5s`; `nil` where that is a descriptor, or
    /// nothing is known.
    static func detail(_ call: WatchedCall, _ info: SyscallInfo) -> String? {
        switch meaning(info).kind {
        case .none, .descriptor: setDetail(call, info)
        case .socketError: call.result < 0 ? address(call.payload) ?? "SO_ERROR" : nil
        case .path: path(call.payload)
        case .address: address(call.payload)
        case .time: isAbsolute(call, info) ? nil : time(call.payload, isShort: isShort(info)).map(span)
        case .poll: setDetail(call, info)
        }
    }

    /// Where a socket's error is asked for, the address it was to be connected to.
    ///
    /// - Parameter calls: in order.
    static func withAddresses(_ calls: [WatchedCall]) -> [WatchedCall] {
        var addresses: [Int: [UInt8]] = [:]
        var told = calls
        for (place, call) in calls.enumerated() {
            guard let info = SyscallTable.table(for: call.abi)[call.number], let descriptor = descriptor(call, info)
            else { continue }
            switch info.name {
            case "connect": addresses[descriptor] = call.payload
            case "getsockopt" where call.result < 0: told[place].payload = addresses[descriptor] ?? []
            case "close": addresses[descriptor] = nil
            default: break
            }
        }
        return told
    }

    private static func isAbsolute(_ call: WatchedCall, _ info: SyscallInfo) -> Bool {
        info.name.hasPrefix("clock_nanosleep") && call.arguments.count > 1 && call.arguments[1] & 1 == 1
    }

    private static func isShort(_ info: SyscallInfo) -> Bool {
        info.timeout.map { $0.unit == .timespec32 || $0.unit == .timeval32 } ?? false
    }

    private static func path(_ payload: [UInt8]) -> String? {
        let path = payload.prefix { $0 != 0 }
        guard !path.isEmpty else { return nil }
        let isCut = payload.count >= Int(BW_PAYLOAD_LEN) && path.count >= payload.count - 1
        return TerminalText.escaped(Array(path)) + (isCut ? "…" : "")
    }

    /// `struct timespec` of 64 bits, or of 32.
    static func time(_ payload: [UInt8], isShort: Bool) -> UInt64? {
        let width = isShort ? 4 : 8
        guard payload.count >= 2 * width else { return nil }
        let seconds = number(payload[0..<width])
        let rest = number(payload[width..<2 * width])
        guard seconds < 1 << 33, rest < 1_000_000_000 else { return nil }
        return seconds * 1_000_000_000 + rest
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// `struct sockaddr`
    static func address(_ payload: [UInt8]) -> String? {
        guard payload.count >= 2 else { return nil }
        switch Int(payload[0]) | Int(payload[1]) << 8 {
        case 1:
            let path = payload.dropFirst(2)
            if path.first == 0 {
                let name = path.dropFirst().prefix { $0 != 0 }
                return "unix @" + TerminalText.escaped(Array(name))
            }
            return "unix " + TerminalText.escaped(Array(path.prefix { $0 != 0 }))
        case 2 where payload.count >= 8:
            return InternetAddress(Array(payload[4..<8])).endpoint(UInt16(payload[2]) << 8 | UInt16(payload[3]))
        case 10 where payload.count >= 24:
            return InternetAddress(Array(payload[8..<24])).endpoint(UInt16(payload[2]) << 8 | UInt16(payload[3]))
        case 16: return "netlink"
        case 0, 2, 10: return nil
        case let family: return "address of family \(family)"
        }
    }

    /// The descriptors of a poll and how long it may wait.
    private static func setDetail(_ call: WatchedCall, _ info: SyscallInfo) -> String? {
        guard sets.contains(info.name), call.arguments.count > 3 else { return nil }
        var parts: [String] = []
        if info.name.hasPrefix("p"), info.name.contains("poll") || info.name == "poll" {
            let count = call.arguments[1]
            if count == 1, call.payload.count >= 4 {
                parts.append("fd \(Int32(truncatingIfNeeded: Int64(number(call.payload[0..<4]))))")
            } else {
                parts.append("\(count) descriptors")
            }
        }
        let milliseconds: Int32? =
            switch info.name {
            case "poll": Int32(truncatingIfNeeded: Int64(truncatingIfNeeded: call.arguments[2]))
            case "epoll_wait", "epoll_pwait": Int32(truncatingIfNeeded: Int64(truncatingIfNeeded: call.arguments[3]))
            default: nil
            }
        if let milliseconds, milliseconds >= 0 {
            parts.append(
                milliseconds == 0 ? "without waiting" : "for \(span(UInt64(milliseconds) * 1_000_000)) at most")
        }
        return parts.isEmpty ? nil : parts.joined(separator: " ")
    }

    /// `0.5s`, `20ms`, `1.5s`
    static func span(_ nanoseconds: UInt64) -> String {
        if (100_000_000..<1_000_000_000).contains(nanoseconds), nanoseconds % 100_000_000 == 0 {
            return "0.\(nanoseconds / 100_000_000)s"
        }
        return TerminalText.duration(nanoseconds: nanoseconds)
    }

    /// Which descriptor it is on.
    static func descriptor(_ call: WatchedCall, _ info: SyscallInfo) -> Int? {
        let argument: Int
        switch meaning(info) {
        case (.descriptor, let place): argument = place
        case (.address, _), (.socketError, _): argument = 0
        default: return nil
        }
        guard call.arguments.indices.contains(argument) else { return nil }
        return Int(Int32(truncatingIfNeeded: Int64(bitPattern: call.arguments[argument])))
    }

    /// How it ended: an error's name, `0`, a number.
    static func result(_ result: Int64, _ info: SyscallInfo) -> String {
        if info.name == "rt_sigreturn" || info.name == "sigreturn" { return "0" }
        switch result {
        case -512, -513, -514, -516: return "interrupted"
        case -4095..<0: return ErrnoNames.name(-result) ?? "errno \(-result)"
        default: return String(result)
        }
    }

    /// The call failed.
    static func isError(_ result: Int64, _ info: SyscallInfo) -> Bool {
        (-4095..<0).contains(result) && info.name != "rt_sigreturn" && info.name != "sigreturn"
    }
}
