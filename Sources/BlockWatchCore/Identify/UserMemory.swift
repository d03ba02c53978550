/// What a call's own arguments point at in its process: how many bytes to ask for, and what they mean.
enum UserMemory {
    /// A little-endian signed integer.
    static func integer(_ bytes: [UInt8], at offset: Int, size: Int) -> Int64? {
        guard offset >= 0, offset + size <= bytes.count else { return nil }
        var value: UInt64 = 0
        for index in 0..<size { value |= UInt64(bytes[offset + index]) << UInt64(8 * index) }
        let shift = UInt64(64 - 8 * size)
        return Int64(bitPattern: value << shift) >> Int64(shift)
    }

    // MARK: - locks

    struct LockCall {
        var type: String
        /// Address and length of the `struct flock`; flock(2) has none.
        var structure: (address: UInt64, length: Int)?
        var isWide: Bool
    }

    /// A call that waits for a file lock, by name and command; `nil` for other commands of fcntl.
    static func lockCall(_ call: SystemCall) -> LockCall? {
        if call.name == "flock" { return LockCall(type: "flock", structure: nil, isWide: true) }
        guard call.name == "fcntl" || call.name == "fcntl64" else { return nil }
        // numbers of F_SETLKW, F_SETLKW64 and F_OFD_SETLKW
        let isPOSIX = call.arguments[1] == 7 || call.arguments[1] == 14 && call.abi == .i386
        guard isPOSIX || call.arguments[1] == 38 else { return nil }
        let isWide = call.abi != .i386 || call.arguments[1] != 7
        let length = call.abi != .i386 ? 32 : isWide ? 24 : 16
        return LockCall(type: isPOSIX ? "posix" : "ofd", structure: (call.arguments[2], length), isWide: isWide)
    }

    /// - Parameters:
    ///   - memory: of the `struct flock`, if it could be read.
    ///   - object: the file, for locks counted from its position or end.
    static func lockFields(_ lock: LockCall, _ call: SystemCall, memory: [UInt8]?, object: KernelObject?) -> LockFields?
    {
        guard lock.structure != nil else {
            return LockFields(type: "flock", mode: call.arguments[1] & 3 == 1 ? "read" : "write")
        }
        guard let memory, let type = integer(memory, at: 0, size: 2), let whence = integer(memory, at: 2, size: 2)
        else { return nil }
        let is64 = call.abi != .i386
        let width = lock.isWide ? 8 : 4
        guard let offset = integer(memory, at: is64 ? 8 : 4, size: width),
            let length = integer(memory, at: is64 ? 16 : 4 + width, size: width)
        else { return nil }
        var fields = LockFields(type: lock.type, mode: type == 0 ? "read" : "write")
        let base: UInt64? = whence == 0 ? 0 : whence == 1 ? object?.position : object?.size
        guard let base else { return fields }
        let from = Int64(bitPattern: base).addingReportingOverflow(offset)
        guard !from.overflow, from.partialValue >= 0 else { return fields }
        let to = from.partialValue.addingReportingOverflow(length)
        guard !to.overflow, to.partialValue >= 0 else { return fields }
        if length >= 0 {
            fields.start = UInt64(from.partialValue)
            if length > 0 { fields.end = UInt64(to.partialValue - 1) }
        } else {
            fields.start = UInt64(to.partialValue)
            fields.end = UInt64(max(from.partialValue - 1, 0))
        }
        return fields
    }

    // MARK: - time-outs

    /// Where a time-out lies that a register only points at.
    static func timeoutStructure(_ timeout: SyscallTimeout, _ call: SystemCall) -> (address: UInt64, length: Int)? {
        guard timeout.argument < call.arguments.count else { return nil }
        let length: Int
        switch timeout.unit {
        case .timespec, .timeval: length = 16
        case .timespec32, .timeval32: length = 8
        default: return nil
        }
        let address = call.arguments[timeout.argument]
        return address == 0 ? nil : (address, length)
    }

    /// Nanoseconds, a span or, where ``deadlineClock(_:)`` has one, a moment of that clock; absent for none and for ever.
    ///
    /// - Parameter memory: of the structure that a register points at, if there is one.
    static func timeout(_ timeout: SyscallTimeout, _ call: SystemCall, memory: Evidence<[UInt8]>) -> Evidence<UInt64> {
        guard timeout.argument < call.arguments.count else { return .unknown(.inFlight) }
        let value = call.arguments[timeout.argument]
        let width: Int
        let scale: Int64
        switch timeout.unit {
        case .milliseconds:
            let milliseconds = Int32(truncatingIfNeeded: value)
            return milliseconds < 0 ? .absent : .known(UInt64(milliseconds) * 1_000_000)
        case .seconds: return value < 1 << 33 ? .known(value * 1_000_000_000) : .absent
        case .timespec: (width, scale) = (8, 1)
        case .timeval: (width, scale) = (8, 1000)
        case .timespec32: (width, scale) = (4, 1)
        case .timeval32: (width, scale) = (4, 1000)
        }
        if value == 0 { return .absent }
        switch memory {
        case .absent: return .absent
        case .unknown(let gap): return .unknown(gap)
        case .known(let bytes):
            guard let seconds = integer(bytes, at: 0, size: width), let rest = integer(bytes, at: width, size: width),
                seconds >= 0, rest >= 0, seconds < 1 << 33, rest < 1_000_000_000
            else { return .unknown(.inFlight) }
            return .known(UInt64(seconds) * 1_000_000_000 + UInt64(rest * scale))
        }
    }

    enum DeadlineClock { case realtime, monotonic, boottime }

    /// The clock of a time-out that is a moment; `nil` for one that is a span.
    static func deadlineClock(_ call: SystemCall) -> DeadlineClock? {
        func clock(_ id: UInt64) -> DeadlineClock? {
            switch Int32(truncatingIfNeeded: id) {
            case 0, 8, 11: .realtime  // CLOCK_REALTIME, its alarm, CLOCK_TAI but for 37 s
            case 1, 4: .monotonic
            case 7, 9: .boottime
            default: nil
            }
        }
        switch call.name {
        case "futex", "futex_time64":
            switch call.arguments[1] & 0x7f {
            case 6: return .realtime  // FUTEX_LOCK_PI
            // FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI, FUTEX_LOCK_PI2; FUTEX_CLOCK_REALTIME
            case 9, 11, 13: return call.arguments[1] & 0x100 != 0 ? .realtime : .monotonic
            default: return nil
            }
        case "futex_waitv": return clock(call.arguments[4])
        case "futex_wait": return clock(call.arguments[5])
        case "clock_nanosleep", "clock_nanosleep_time64":
            return call.arguments[1] & 1 != 0 ? clock(call.arguments[0]) : nil
        default: return call.name.hasPrefix("mq_timed") ? .realtime : nil
        }
    }
}
