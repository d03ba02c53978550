/// Something of a process whose reading may block for ever: its memory lock may be held, or a page
/// of it may lie on a file system that does not answer. It is asked of somebody who can be left waiting.
public enum RiskyQuestion: Hashable, Sendable {
    /// The arguments of a process: `/proc/PID/task/TID/cmdline`.
    case commandLine(pid: Int32, tid: Int32)
    /// Bytes of its memory, up to `length`; fewer when the next page is not there.
    case memory(pid: Int32, address: UInt64, length: Int)
    /// The mounts as a thread sees them: `/proc/PID/task/TID/mountinfo`.
    case mounts(pid: Int32, tid: Int32)
    /// The shared mappings of a process: lines of `/proc/PID/maps`, each without its path.
    case sharedMemory(pid: Int32)
    /// A System V semaphore of a process, if its IPC namespace is blockwatch's own. The answer is five little-endian
    /// numbers of 8 bytes: its value; the process that changed it last, in blockwatch's PID namespace; seconds since an
    /// operation on the set was done, negative for never; seconds since it was made or set by hand; the age of that process
    /// in seconds, negative if there is none.
    case semaphore(pid: Int32, set: Int32, number: UInt16)
    /// Where in its program a thread is, as ``UserStack`` reads it.
    case userStack(StackQuestion)
    /// What the block devices have done so far: `/proc/diskstats`.
    case blockDevices
    /// The file behind a loop device, as the kernel encodes its number: the path in the first line, behind it the mounts as
    /// blockwatch sees them.
    case loopFile(device: UInt32)
}

/// A thread whose stack is wanted. The answer is worth something only while it has not moved.
public struct StackQuestion: Hashable, Sendable {
    /// As blockwatch's own /proc has them.
    public var pid, tid: Int32
    /// In the initial PID namespace.
    public var kernelTID: UInt32
    /// How often it had been switched out when it was seen.
    public var switches: UInt64
    /// Files, lines and inlined functions too.
    public var hasLines: Bool

    public init(pid: Int32, tid: Int32, kernelTID: UInt32, switches: UInt64, hasLines: Bool) {
        self.pid = pid
        self.tid = tid
        self.kernelTID = kernelTID
        self.switches = switches
        self.hasLines = hasLines
    }

    init(_ record: CallRecord, hasLines: Bool) {
        self.init(
            pid: Int32(clamping: record.procPID), tid: Int32(clamping: record.procTID),
            kernelTID: UInt32(clamping: record.tid), switches: record.contextSwitches, hasLines: hasLines)
    }
}

public enum RiskyAnswer: Sendable, Equatable {
    case bytes([UInt8])
    /// With its errno.
    case failed(Int32)
    /// No answer before the deadline.
    case timedOut

    /// Why there is none; `nil` for an answer.
    public var gap: Gap? {
        switch self {
        case .bytes: nil
        case .failed(1), .failed(13), .failed(18): .notPermitted  // EPERM, EACCES, EXDEV: of another namespace
        case .failed(7): .tooMany  // E2BIG
        case .failed(2), .failed(3): .processGone  // ENOENT, ESRCH
        case .failed: .inFlight  // a page that is not there
        case .timedOut: .timedOut
        }
    }

    /// The reason that `unresolved` gives.
    public var reason: String? { gap?.rawValue }
}

/// Answers risky questions before a deadline of its own.
public protocol RiskyReading {
    mutating func answer(_ questions: [RiskyQuestion]) -> [RiskyQuestion: RiskyAnswer]
}
