internal import BlockWatchBPF

/// What came out of the ring buffer could not be one of the kernel side's records.
public enum DecodeError: Error, Equatable, Sendable {
    case short(bytes: Int, needed: Int)
    case unknownType(UInt32)
}

/// One record of the kernel side.
public enum KernelRecord: Sendable {
    case call(CallRecord)
    case closed(ClosedRecord)

    /// The one door from bytes to values.
    ///
    /// - Parameter bytes: `struct bw_call` or `struct bw_close`.
    /// - Throws: ``DecodeError``; never traps, whatever the bytes are.
    public init(_ bytes: Span<UInt8>) throws(DecodeError) {
        guard bytes.count >= 4 else { throw .short(bytes: bytes.count, needed: 4) }
        let type = UInt32(bytes[0]) | UInt32(bytes[1]) << 8 | UInt32(bytes[2]) << 16 | UInt32(bytes[3]) << 24
        switch type {
        case BW_RECORD_CALL.rawValue, BW_RECORD_REFRESH.rawValue, BW_RECORD_SLOW.rawValue,
            BW_RECORD_VIEW.rawValue:
            self = .call(CallRecord(raw: try load(bytes, as: bw_call(), atLeast: CallRecord.fixedSize)))
        case BW_RECORD_CLOSE.rawValue:
            let raw = try load(bytes, as: bw_close(), atLeast: MemoryLayout<bw_close>.size)
            self = .closed(ClosedRecord(raw: raw))
        default:
            throw .unknownType(type)
        }
    }
}

/// Copies the bytes over `zero`; what a shorter record leaves out stays zero.
func load<Raw>(_ bytes: Span<UInt8>, as zero: Raw, atLeast needed: Int) throws(DecodeError) -> Raw {
    guard bytes.count >= needed else { throw .short(bytes: bytes.count, needed: needed) }
    var raw = zero
    unsafe withUnsafeMutableBytes(of: &raw) { target in
        unsafe bytes.withUnsafeBytes { source in
            unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source.prefix(target.count)))
        }
    }
    return raw
}

/// `struct bw_close`: a reported call is over.
public struct ClosedRecord: Sendable, Equatable {
    public enum Reason: Sendable, Equatable {
        case returned
        /// Its thread died inside it.
        case ended
        /// Nobody saw the result.
        case unseen
    }

    public var call: UInt64
    public var reason: Reason
    /// CLOCK_MONOTONIC, nanoseconds.
    public var nowNanoseconds: UInt64
    /// What the call returned: a count, or a negative errno.
    public var result: Int64

    public init(call: UInt64, reason: Reason, nowNanoseconds: UInt64, result: Int64) {
        self.call = call
        self.reason = reason
        self.nowNanoseconds = nowNanoseconds
        self.result = result
    }

    init(raw: bw_close) {
        let reason: Reason =
            switch raw.reason {
            case BW_CLOSE_RETURNED.rawValue: .returned
            case BW_CLOSE_ENDED.rawValue: .ended
            default: .unseen
            }
        self.init(call: raw.id, reason: reason, nowNanoseconds: raw.now_ns, result: raw.result)
    }
}

/// `struct bw_call`: one blocked call as the kernel told it. Here the kernel's `tgid` becomes the
/// users' pid, and its `pid` their thread id.
public struct CallRecord: Sendable {
    public enum Kind: Sendable, Equatable {
        case systemCall
        /// A page fault outside any call.
        case page
        /// Dying: its calls are over, and releasing its files or memory takes its time.
        case exiting
        /// Stopped, traced or frozen outside any call.
        case stopped
        /// An io_uring worker that only the kernel can wake.
        case ioWorker
        /// Awake, or in no call: only of threads that were asked for.
        case running
    }
    public enum Occasion: Sendable, Equatable {
        /// In flight, past the threshold, for the first time.
        case found
        /// The same, asked for again.
        case refreshed
        /// It returned past the threshold before a scan saw it.
        case slow
        /// Asked for, whatever it does.
        case viewed
    }

    /// The record and its object have kilobytes: they are shared, not copied.
    private final class Body: Sendable {
        let raw: bw_call
        init(_ raw: bw_call) { self.raw = raw }
    }
    private let body: Body
    private var raw: bw_call { _read { yield body.raw } }
    /// What its descriptor is; `nil` where the call has none or it is closed.
    public private(set) var object: KernelObject?
    public private(set) var descriptor: Int?

    init(raw: bw_call) {
        body = Body(raw)
        object = raw.object.kind == BW_OBJECT_NONE.rawValue ? nil : KernelObject(raw: raw.object)
        descriptor = raw.fd >= 0 ? Int(raw.fd) : nil
    }

    /// All but the cgroup path at the end, of which only the used part is sent.
    static let fixedSize = MemoryLayout<bw_call>.size - Int(BW_CGROUP_LEN)

    /// Bytes sent: all but the unused end of the cgroup's path, in steps of 8.
    var size: Int {
        let used = min(Int(raw.cgroup_len), Int(BW_CGROUP_LEN))
        return min((Self.fixedSize + used + 7) & ~7, MemoryLayout<bw_call>.size)
    }

    public var occasion: Occasion {
        switch raw.type {
        case BW_RECORD_REFRESH.rawValue: .refreshed
        case BW_RECORD_SLOW.rawValue: .slow
        case BW_RECORD_VIEW.rawValue: .viewed
        default: .found
        }
    }
    public var kind: Kind {
        switch raw.kind {
        case BW_KIND_PAGE.rawValue: .page
        case BW_KIND_EXITING.rawValue: .exiting
        case BW_KIND_STOPPED.rawValue: .stopped
        case BW_KIND_IO_WORKER.rawValue: .ioWorker
        case BW_KIND_RUNNING.rawValue: .running
        default: .systemCall
        }
    }
    public var id: UInt64 { raw.id }
    /// CLOCK_MONOTONIC, nanoseconds.
    public var nowNanoseconds: UInt64 { raw.now_ns }
    public var startNanoseconds: UInt64 { min(raw.start_ns, raw.now_ns) }
    /// Of a slow call only.
    public var result: Int64 { raw.result }
    public var pid: Int { Int(raw.tgid) }
    public var tid: Int { Int(raw.pid) }
    public var parentPID: Int { Int(raw.parent_tgid) }
    public var innerPID: Int { Int(raw.own_tgid) }
    public var innerTID: Int { Int(raw.own_pid) }
    /// As this process's /proc names them.
    public var procPID: Int { Int(raw.reader_tgid) }
    public var procTID: Int { Int(raw.reader_pid) }
    public var userID: UInt32 { raw.uid }
    public var tracerPID: Int { Int(raw.tracer_tgid) }
    public var number: Int { Int(raw.number) }
    public var isCompat: Bool { raw.abi == BW_ABI_COMPAT.rawValue }
    /// CLOCK_BOOTTIME, nanoseconds.
    public var threadStartNanoseconds: UInt64 { raw.thread_start_ns }
    public var processStartNanoseconds: UInt64 { raw.process_start_ns }
    public var arguments: [UInt64] {
        let a = raw.args
        return [a.0, a.1, a.2, a.3, a.4, a.5]
    }
    var firstArgument: UInt64 { raw.args.0 }
    /// Where in the program.
    public var instructionPointer: UInt64 { raw.ip }
    public var stackPointer: UInt64 { raw.sp }
    public var threadName: [UInt8] { cString(raw.comm) }
    public var processName: [UInt8] { cString(raw.leader_comm) }

    /// The start is when the thread last ran, a lower bound of the duration.
    public var isOlder: Bool { has(BW_CALL_OLD) }
    /// Interrupted: it has left the call and will restart it.
    public var isInterrupted: Bool { has(BW_CALL_INTERRUPTED) }
    public var isStopped: Bool { has(BW_CALL_STOPPED) }
    public var isTraced: Bool { has(BW_CALL_TRACED) }
    public var isFrozen: Bool { has(BW_CALL_FROZEN) }
    public var isOnCPU: Bool { has(BW_CALL_ON_CPU) }
    public var isSingleThreaded: Bool { has(BW_CALL_SINGLE) }
    /// How often the wait ended by its own time-out with nothing received, and was begun again at once.
    public var renewals: Int { Int(raw.renewals) }
    /// How many threads its process has.
    public var threadCount: Int { Int(raw.threads) }
    /// A timer will send its process a signal.
    public var hasAlarm: Bool { has(BW_CALL_ALARM) }
    public var hasPendingSignal: Bool { has(BW_CALL_SIGNAL) }
    /// What its parent knows its process by, in its own PID namespace; 0 where it has no number there.
    public var numberForParent: Int { Int(raw.parents_tgid) }
    public var groupForParent: Int { Int(raw.parents_group) }
    /// Its process group.
    public var groupID: Int { Int(raw.group) }
    /// The table of its descriptors, as an address: the owner of its POSIX locks.
    public var descriptorTable: UInt64 { raw.files }
    /// Who owns the kernel lock that it waits for.
    public var kernelLockOwner: Int? { raw.blocker_pid == 0 ? nil : Int(raw.blocker_pid) }
    /// It sleeps until some input or output is done, and not for a lock or a thaw.
    public var waitsForIO: Bool { has(BW_CALL_IO_WAIT) }
    /// It is the last of several readers.
    public var kernelLockHasReaders: Bool { has(BW_CALL_READERS) }
    /// Inode numbers of its namespaces.
    public var pidNamespace: UInt32 { raw.pid_namespace }
    /// PROC_PID_INIT_INO: the initial PID namespace has the same inode on every Linux.
    public static let initialPIDNamespace: UInt32 = 4_026_531_836
    /// The same number inside and outside says nothing: it may be chance.
    public var hasPIDNamespaceOfItsOwn: Bool { pidNamespace != 0 && pidNamespace != Self.initialPIDNamespace }
    public var netNamespace: UInt32 { raw.net_namespace }
    /// CLOCK_MONOTONIC, nanoseconds; when the thread last was on a processor.
    public var lastRanNanoseconds: UInt64? { raw.last_ran_ns == 0 ? nil : raw.last_ran_ns }
    /// Of a stopped thread: the signal's number.
    public var stopSignal: Int? { raw.stop_signal == 0 ? nil : Int(raw.stop_signal) }
    /// Who sent that signal, if it was seen.
    public var stopper: (pid: Int, name: [UInt8])? {
        raw.stopper_tgid == 0 ? nil : (Int(raw.stopper_tgid), cString(raw.stopper_comm))
    }
    /// The number of the thread's last call that moved bytes on a descriptor; `nil` for none seen, or long ago.
    public func lastIO(on descriptor: Int) -> Int? {
        io(on: descriptor).map { Int($0.number & BW_IO_NUMBER) }
    }
    /// This thread has sent on this descriptor, and bytes have come in to it since, at some time.
    public func hasBeenAnswered(on descriptor: Int) -> Bool { has(BW_IO_ANSWERED, on: descriptor) }
    /// The first bytes that this thread moved on this descriptor came in: it was asked, and did not ask.
    public func wasToldFirst(on descriptor: Int) -> Bool { has(BW_IO_TOLD_FIRST, on: descriptor) }
    /// This thread has connected it, and blockwatch has seen that.
    public func hasConnected(_ descriptor: Int) -> Bool { has(BW_IO_CONNECTED, on: descriptor) }
    /// The last bytes on this descriptor went out after a wait that its own time-out had ended.
    public func hasSentByClock(on descriptor: Int) -> Bool { has(BW_IO_BY_CLOCK, on: descriptor) }

    private func has(_ flag: UInt32, on descriptor: Int) -> Bool {
        io(on: descriptor).map { $0.number & flag != 0 } ?? false
    }
    private func io(on descriptor: Int) -> bw_io? {
        lastIOs.first { $0.number & BW_IO_SEEN != 0 && Int($0.fd) == descriptor }
    }
    private var lastIOs: [bw_io] {
        let io = raw.last_io
        return [io.0, io.1, io.2, io.3, io.4, io.5, io.6, io.7]
    }
    public var contextSwitches: UInt64 { raw.switches }
    /// Exited, and not waited for yet.
    public var isZombie: Bool { raw.state & 0x30 != 0 }
    public var descriptorIsClosed: Bool { has(BW_CALL_FD_CLOSED) }
    public var descriptorIsOther: Bool { has(BW_CALL_FD_OTHER) }

    private func has(_ flag: Int32) -> Bool { raw.flags & UInt32(flag) != 0 }

    /// The letter that ps shows.
    public var stateLetter: String {
        let state = raw.state
        if state & 0x10 != 0 { return "X" }
        if state & 0x20 != 0 { return "Z" }
        if state & 0x8 != 0 { return "t" }
        if state & 0x4 != 0 { return "T" }
        if state & 0x2 != 0 { return state & 0x400 != 0 ? "I" : "D" }
        if state & 0x1 != 0 { return "S" }
        return state & 0x8000 != 0 ? "D" : "R"
    }

    /// Uninterruptible: only the kernel can end this wait.
    public var isUninterruptible: Bool { raw.state & 0x2 != 0 && raw.state & 0x400 == 0 }

    /// Kernel addresses, innermost first.
    public var stack: [UInt64] { (0..<stackDepth).map(stackFrame) }
    var stackDepth: Int { min(Int(raw.stack_depth), Int(BW_STACK_DEPTH)) }
    func stackFrame(_ index: Int) -> UInt64 {
        unsafe withUnsafeBytes(of: raw.stack) { unsafe $0.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self) }
    }

    /// The path of its cgroup below the hierarchy's root, `/` for the root itself.
    public var cgroupPath: [UInt8] {
        let length = min(Int(raw.cgroup_len), Int(BW_CGROUP_LEN))
        let bytes = unsafe withUnsafeBytes(of: raw.cgroup) { unsafe [UInt8]($0.prefix(length)) }
        let names = bytes.split(separator: 0, omittingEmptySubsequences: true)
        return names.isEmpty ? [UInt8(ascii: "/")] : names.reversed().flatMap { [UInt8(ascii: "/")] + $0 }
    }

    /// The same thread, as if it waited for one member of its set alone.
    func waiting(for object: KernelObject, descriptor: Int) -> CallRecord {
        var alone = self
        alone.object = object
        alone.descriptor = descriptor
        return alone
    }
}

/// The bytes of a fixed array up to its first NUL.
func cString<Array>(_ array: Array) -> [UInt8] {
    unsafe withUnsafeBytes(of: array) { unsafe [UInt8]($0.prefix { $0 != 0 }) }
}
