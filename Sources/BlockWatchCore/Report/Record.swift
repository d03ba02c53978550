/// One line of the stream before it is written.
public struct Record: Sendable {
    public enum Action: String, Sendable {
        case blocked
        case stillBlocked = "still_blocked"
        case returned, ended, slow
        /// Threads that can never go on.
        case deadlock
        case summary, loss, started, stopped
        /// The probes on system calls were taken out or put in.
        case engine
    }

    public var action: Action
    /// +1 a record; a gap is something that could not be written.
    public var sequence: UInt64
    /// Nanoseconds since 1970.
    public var wallNanoseconds: UInt64
    public var body: Body

    public enum Body: Sendable {
        case call(CallReport)
        case deadlock(DeadlockReport)
        case summary(Summary)
        case loss(Loss)
        case started(Started)
        case stopped(Stopped)
        case engine(Overhead)
    }
}

/// Where records come from: what every one of them says.
public struct RecordOrigin: Sendable, Hashable {
    public var hostName: String
    /// /etc/machine-id: host names repeat in a fleet.
    public var hostID: String?
    public var bootID: String
    /// Of this start of blockwatch: numbers and totals count within it.
    public var runID: String?
    /// By which other hosts know it; said with what is said of blockwatch itself.
    public var addresses: [String]

    public init(
        hostName: String, hostID: String? = nil, bootID: String, runID: String? = nil, addresses: [String] = []
    ) {
        self.addresses = addresses
        self.hostName = hostName
        self.hostID = hostID
        self.bootID = bootID
        self.runID = runID
    }

    /// - Parameter bits: any; 64 of them are enough to tell the starts on one host apart.
    /// - Returns: 16 hexadecimal digits.
    public static func runID(_ bits: UInt64) -> String { ByteText.hex(bits) }

    static func isRunID(_ text: String) -> Bool { text.utf8.count == 16 && MachineID.isHexadecimal(text.utf8) }
}

/// What is said of one call.
public struct CallReport: Sendable {
    public var call: BlockedCall
    public var startWallNanoseconds: UInt64
    public var durationNanoseconds: UInt64
    /// What it returned, if somebody saw it.
    public var result: Int64?
    /// Who, why, how bad; `nil` where nobody has looked yet.
    public var finding: Finding?
    /// How many open calls are behind the same root, this one counted.
    public var victims = 0
}

/// A set of threads that wait for each other in a circle, or a part of it.
public struct DeadlockReport: Sendable {
    /// `event.id`: the same for the same threads in the same calls.
    public var id: String
    /// In all parts.
    public var threads: Int
    public var members: [DeadlockMember]
    /// From 1.
    public var part, parts: Int
    public var chain: String
    public var chainID: String?
    public var victims: Int
}

/// Something may have been missed.
public struct Loss: Sendable, Equatable {
    /// What was lost: `records`, `closings`, `calls`, `returns`, `stamps`, `program_runs`, `exits`, `lines`, `scans`.
    public var what: String
    static let kinds = ["records", "closings", "calls", "returns", "stamps", "program_runs", "exits", "lines", "scans"]
    public var count: UInt64
    public var reason: String

    public init(what: String, count: UInt64, reason: String) {
        self.what = what
        self.count = count
        self.reason = reason
    }
}

/// How blockwatch itself does.
public struct OwnUsage: Sendable, Equatable {
    public var cpuNanoseconds: UInt64
    public var residentBytes: UInt64

    public init(cpuNanoseconds: UInt64, residentBytes: UInt64) {
        self.cpuNanoseconds = cpuNanoseconds
        self.residentBytes = residentBytes
    }
}

/// Counts since start.
public struct Totals: Sendable, Equatable {
    public var blocked: UInt64 = 0
    public var stillBlocked: UInt64 = 0
    public var returned: UInt64 = 0
    public var ended: UInt64 = 0
    public var slow: UInt64 = 0
    public var deadlocks: UInt64 = 0
    /// Calls not written because of an option, by its name: `verdict`, `busy_after`, `filter`, `new_only`, `over`,
    /// `ignore.NAME`, `max_rate`.
    public var hidden: [String: UInt64] = [:]
    /// By what was lost.
    public var lost: [String: UInt64] = [:]
}

/// What the probes on system calls take, or would take if they were in.
public struct Overhead: Sendable, Equatable {
    /// They are in: engine trace; else engine scan.
    public var isTraced: Bool
    /// System calls a second of the whole host, when they were last counted.
    public var rate: UInt64?
    /// Of one system call, nanoseconds.
    public var callNanoseconds: UInt64
    /// Of all processor time, and the most of it: millionths. No limit: `nil`.
    public var share, limit: UInt64?
    /// How often they were taken out or put in.
    public var changes: UInt64

    public var engine: String { isTraced ? "trace" : "scan" }

    public init(
        isTraced: Bool, rate: UInt64?, callNanoseconds: UInt64, share: UInt64?, limit: UInt64?, changes: UInt64
    ) {
        self.isTraced = isTraced
        self.rate = rate
        self.callNanoseconds = callNanoseconds
        self.share = share
        self.limit = limit
        self.changes = changes
    }

    /// 34210 millionths are 3.4%, 1230 are 0.123%.
    static func percent(millionths: UInt64) -> String {
        let isSmall = millionths < 10_000
        var digits = String(isSmall ? (millionths + 5) / 10 + 1000 : (millionths + 500) / 1000 + 10)
        if isSmall && digits == "2000" { return "1%" }
        let whole = isSmall ? "0" : String((millionths + 500) / 1000 / 10)
        digits = isSmall ? String(digits.dropFirst()) : String(digits.suffix(1))
        while digits.last == "0" { digits.removeLast() }
        return digits.isEmpty ? "\(whole)%" : "\(whole).\(digits)%"
    }
}

/// What became of the stacks that were asked for, thread by thread, since start.
public struct StackCounts: Sendable, Equatable {
    public var taken: UInt64 = 0
    /// Its worker was killed after the deadline.
    public var late: UInt64 = 0
    /// Its worker died, or nothing in its answer is a stack.
    public var failed: UInt64 = 0
    /// Thrown away, or not begun: the thread has been on a processor meanwhile, or is gone.
    public var moved: UInt64 = 0
    /// Not tried: the share of a processor was used up, its process has been late, or a worker stays blocked.
    public var skipped: UInt64 = 0
    /// A worker that was killed has not ended: until it has there are no stacks.
    public var isWorkerBlocked = false

    public init() {}

    /// Counters by what became of them, as `summary` and the metrics name them.
    var named: [(name: String, count: UInt64)] {
        [("taken", taken), ("late", late), ("failed", failed), ("moved", moved), ("skipped", skipped)]
    }
}

public struct Summary: Sendable {
    /// `nil` with engine scan.
    public var overhead: Overhead?
    /// `nil` where none are asked for.
    public var stacks: StackCounts?
    /// Calls in flight past the threshold.
    public var open: UInt64
    /// Of these, by system call.
    public var openBySyscall: [String: UInt64]
    public var openByVerdict: [String: UInt64]
    public var idleByReason, busyByReason: [String: UInt64]
    /// Of these, those whose `blocked` was written.
    public var openWritten: UInt64
    public var totals: Totals
    public var usage: OwnUsage
    public var threads: UInt64
    public var scanNanoseconds: UInt64
    public var scanPeriodNanoseconds: UInt64
}

public struct Started: Sendable, Equatable {
    public var version: String
    public var options: [String]
    public var kernel: String
    public var machine: String
    public var engine: String
    public var scope: String
    public var capabilities: [String]
    public var thresholdNanoseconds: UInt64

    public init(
        version: String, options: [String], kernel: String, machine: String, engine: String, scope: String,
        capabilities: [String], thresholdNanoseconds: UInt64
    ) {
        self.version = version
        self.options = options
        self.kernel = kernel
        self.machine = machine
        self.engine = engine
        self.scope = scope
        self.capabilities = capabilities
        self.thresholdNanoseconds = thresholdNanoseconds
    }
}

public struct Stopped: Sendable {
    /// `duration`, `signal`, ...
    public var reason: String
    public var totals: Totals
    public var open: UInt64
    public var usage: OwnUsage
}
