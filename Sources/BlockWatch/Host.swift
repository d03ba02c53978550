import BlockWatchCapture
import BlockWatchCore
import Glibc
import Synchronization

/// The machine and this process on it.
struct Host: Sendable {
    let procFS: ProcFS
    let name: String
    let kernelRelease: String
    let machine: String
    let bootID: String
    let users: UserNames

    #if arch(arm64)
        static let nativeABI = ABI.aarch64
    #else
        static let nativeABI = ABI.x86_64
    #endif

    init(procFS: ProcFS) {
        self.procFS = procFS
        var names = utsname()
        unsafe uname(&names)
        func text<T>(_ field: T) -> String {
            unsafe withUnsafeBytes(of: field) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        name = text(names.nodename)
        kernelRelease = text(names.release)
        machine = text(names.machine)
        bootID = (try? procFS.bootID()) ?? ""
        users = UserNames(passwd: (try? ProcFS(root: "/etc").readFile("passwd", limit: 4 << 20)) ?? [])
    }

    /// PROC_PID_INIT_INO: the initial PID namespace has the same inode on every Linux.
    static let initialPIDNamespace: UInt64 = 4_026_531_836

    var isInInitialPIDNamespace: Bool {
        ((try? procFS.ownNamespaceInode("pid")) ?? Self.initialPIDNamespace) == Self.initialPIDNamespace
    }

    func requireScope(_ scope: Scope) {
        guard scope == .host, !isInInitialPIDNamespace else { return }
        fail(
            .missingPrivilege,
            "this is a PID namespace of its own, from which the host's processes cannot be seen; "
                + "run the pod with hostPID: true (docker: --pid=host), or say --scope namespace")
    }

    /// The kernel would refuse later and say less.
    func requireCapabilities() {
        guard !mayLoadPrograms, let first = Self.neededCapabilities.first else { return }
        let missing = Self.neededCapabilities.filter { !has($0.number) }
        fail(
            .missingPrivilege,
            "\(first.purpose) needs \(missing.map(\.name).joined(separator: " and ")); run blockwatch as root or give it "
                + "the capabilities, and see blockwatch doctor")
    }

    struct Capability: Sendable {
        var number: Int
        var name: String
        var purpose: String
        var isOptional = false
    }

    static let sysAdmin = 21
    static let neededCapabilities = [
        Capability(number: 39, name: "CAP_BPF", purpose: "loading BPF programs"),
        Capability(number: 38, name: "CAP_PERFMON", purpose: "reading the kernel's structures"),
    ]
    static let usefulCapabilities = [
        Capability(number: 19, name: "CAP_SYS_PTRACE", purpose: "paths, executables and memory of others' processes"),
        Capability(number: 2, name: "CAP_DAC_READ_SEARCH", purpose: "descriptors and memory of other users' processes"),
        Capability(
            number: 14, name: "CAP_IPC_LOCK", purpose: "keeping its own pages in memory when a disk has died",
            isOptional: true),
    ]

    private var capabilityBits: UInt64 {
        guard let status = try? procFS.readFile("self/status", limit: 16384) else { return 0 }
        for line in String(decoding: status, as: UTF8.self).split(separator: "\n") where line.hasPrefix("CapEff:") {
            return UInt64(line.dropFirst(7).drop { $0 == "\t" || $0 == " " }, radix: 16) ?? 0
        }
        return 0
    }

    func has(_ capability: Int) -> Bool { capabilityBits >> UInt64(capability) & 1 == 1 }

    var mayLoadPrograms: Bool { has(Self.sysAdmin) || Self.neededCapabilities.allSatisfy { has($0.number) } }

    /// Those of its capabilities that watching takes.
    var keptCapabilities: UInt64 {
        var kept: UInt64 = 0
        for capability in Self.neededCapabilities + Self.usefulCapabilities { kept |= 1 << UInt64(capability.number) }
        // before Linux 5.8, and wherever only this was granted, it stands for the first two
        let isGranted = Self.neededCapabilities.allSatisfy { has($0.number) }
        if !isGranted { kept |= 1 << UInt64(Self.sysAdmin) }
        return kept & capabilityBits
    }

    /// What will be missing, each with its purpose.
    func warnOfMissingCapabilities(_ log: Log) {
        for capability in Self.usefulCapabilities where !capability.isOptional && !has(capability.number) {
            log.warning("without \(capability.name) there is less detail: it is needed for \(capability.purpose)")
        }
    }

    /// Those of blockwatch's interest that it has.
    func capabilities() -> [String] {
        (Self.neededCapabilities + Self.usefulCapabilities
            + [Capability(number: Self.sysAdmin, name: "CAP_SYS_ADMIN", purpose: "")])
            .filter { has($0.number) }.map(\.name)
    }

    /// C function: `getrusage`, and `statm` for the resident set
    func usage() -> OwnUsage {
        var usage = rusage()
        unsafe getrusage(RUSAGE_SELF.rawValue, &usage)
        func nanoseconds(_ time: timeval) -> UInt64 {
            UInt64(max(time.tv_sec, 0)) * 1_000_000_000 + UInt64(max(time.tv_usec, 0)) * 1000
        }
        let statm = (try? procFS.readFile("self/statm", limit: 256)) ?? []
        let pages = String(decoding: statm, as: UTF8.self).split(separator: " ").dropFirst().first.flatMap {
            UInt64($0)
        }
        return OwnUsage(
            cpuNanoseconds: nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime),
            residentBytes: (pages ?? 0) * UInt64(max(sysconf(Int32(_SC_PAGESIZE)), 1)))
    }
}

enum Clock {
    /// C function: `clock_gettime`
    static func now() -> ClockReading {
        ClockReading(monotonic: read(CLOCK_MONOTONIC), wall: read(CLOCK_REALTIME), boot: read(CLOCK_BOOTTIME))
    }

    /// The length of a jiffy.
    static var tickNanoseconds: UInt64 {
        var resolution = timespec()
        unsafe clock_getres(CLOCK_MONOTONIC_COARSE, &resolution)
        return UInt64(max(resolution.tv_nsec, 1_000_000))
    }

    /// What all threads of this process have used, in nanoseconds.
    static func processCPU() -> UInt64 { read(CLOCK_PROCESS_CPUTIME_ID) }

    /// What the calling thread has used, in nanoseconds.
    static func threadCPU() -> UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return UInt64(max(time.tv_sec, 0)) * 1_000_000_000 + UInt64(max(time.tv_nsec, 0))
    }
}

/// INT, TERM, HUP and USR1, taken by a thread that does nothing else.
///
/// C function: `sigwait`
final class Signals: Sendable {
    private let arrived = Mutex<[Int32]>([])
    private let bell = Bell()

    var descriptor: Int32 { bell.descriptor }

    private static var set: sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for number in [SIGINT, SIGTERM, SIGHUP, SIGUSR1] { unsafe sigaddset(&set, number) }
        return set
    }

    /// Blocks them in the calling thread, from which threads started later inherit that. From ``start()`` on they
    /// are taken.
    init() {
        var set = Self.set
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        // a reader that goes away is an errno, not a death
        signal(SIGPIPE, SIG_IGN)
    }

    func start() {
        let set = Self.set
        startNeededThread { [self, set] in
            var set = set
            while true {
                var number: Int32 = 0
                guard unsafe sigwait(&set, &number) == 0 else { continue }
                arrived.withLock { $0.append(number) }
                bell.ring()
            }
        }
    }

    /// INT or TERM waits to be taken: whatever takes long is broken off.
    var wantEnd: Bool { arrived.withLock { $0.contains(SIGINT) || $0.contains(SIGTERM) } }

    func take() -> [Int32] {
        _ = bell.take(withinMilliseconds: 0)
        return arrived.withLock { arrived in
            defer { arrived = [] }
            return arrived
        }
    }
}

/// What the loop waits for.
struct EventSet {
    private let descriptors: [Int32]

    init(_ descriptors: Int32...) { self.descriptors = descriptors }

    /// C function: `poll`
    func wait(milliseconds: Int32) {
        var requests = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        _ = unsafe poll(&requests, nfds_t(requests.count), milliseconds)
    }
}

extension CaptureSettings {
    /// Watches only calls that could be written.
    init(
        thresholdNanoseconds: UInt64, trace: Bool, filter: Filter, verdicts: Set<Verdict>,
        ringBytes: UInt32 = defaultRingBytes
    ) {
        func mayAdmit(_ call: SyscallInfo) -> Bool { filter.mayAdmit(call, verdicts: verdicts) }
        let native = SyscallTable.table(for: Host.nativeABI)
        self.init(
            thresholdNanoseconds: thresholdNanoseconds, trace: trace,
            watchedNative: native.kernelBytes(watching: mayAdmit),
            watchedCompat: SyscallTable.table(for: .i386).kernelBytes(watching: mayAdmit),
            isNarrow: native.isNarrow(watching: mayAdmit), ringBytes: ringBytes)
    }
}

extension Identifier.Settings {
    init(_ host: borrowing Host, commandLine: CommandLinePolicy) {
        self.init(
            bootID: host.bootID, commandLine: commandLine,
            clockTicksPerSecond: UInt64(max(sysconf(Int32(_SC_CLK_TCK)), 1)), nativeABI: Host.nativeABI)
    }
}

extension CaptureError {
    var exitCode: ExitCode {
        switch cause {
        case .missingFeature: .missingFeature
        case .missingPrivilege: .missingPrivilege
        case .defect: .defect
        }
    }
}
