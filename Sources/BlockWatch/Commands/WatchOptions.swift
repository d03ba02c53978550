import ArgumentParser
import BlockWatchCapture
import BlockWatchCore
import Glibc

enum Engine: String, ExpressibleByArgument, CaseIterable, Sendable { case trace, scan }
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable { case auto, ndjson, text }
enum Scope: String, ExpressibleByArgument, CaseIterable, Sendable { case host, namespace }
enum LevelName: String, ExpressibleByArgument, CaseIterable, Sendable { case error, warning, info, debug }

/// `5s`, or `never`.
struct Span: Sendable, Equatable {
    /// `nil` for never.
    var nanoseconds: UInt64?
}

/// `1%`, or `none`.
struct Share: Sendable, Equatable {
    /// Of one; `nil` for no limit.
    var value: Double?
}

/// `0644`
struct FileModeBits: Sendable, Equatable {
    var value: UInt32
}

private let commandLinePolicies = CompletionKind.list(["full", "redacted", "none"])

/// The options of `watch`: CONTRACT, section 1.
struct WatchOptions: ParsableArguments {
    @Option(
        help: "Report calls blocked longer: 500ms, 5s, 1m30s, 2h; 1ms is the least (default: 5s).",
        transform: Self.threshold)
    var threshold: UInt64 = 5_000_000_000

    @Option(
        help: "trace: exact times and results. scan: no probe in any system call, times from the scheduler, no result.")
    var engine: Engine = .trace

    @Option(
        name: .customLong("max-overhead"),
        help:
            "The share of all processor time that engine trace may take, else only scans look: 1%, 0.2%; or none (default: 1%).",
        transform: Self.share)
    var maxOverhead = Share(value: defaultMaxOverhead)
    static let defaultMaxOverhead = 0.01

    @Option(
        name: .customLong("debug-switch-probes"),
        help: ArgumentHelp(
            "Take the probes out, or put them in, so often, whatever they cost.", visibility: .hidden),
        transform: Self.span)
    var switchProbes = Span(nanoseconds: nil)

    @Option(help: "auto: text on a terminal, NDJSON anywhere else.")
    var format: OutputFormat = .auto

    @Option(help: "Append to this file; reopened on SIGHUP and when it was moved away.", completion: .file())
    var output: String?

    @Flag(help: "Calls that are idle by design too.")
    var all = false

    @Option(
        help: "Only these verdicts: deadlock, stuck, waiting, busy, idle; lists with commas (default: all but idle).",
        completion: .list(Verdict.allCases.map(\.rawValue)), transform: Self.verdicts)
    var verdict: Set<Verdict>?

    @Option(
        name: .customLong("busy-after"),
        help: "Say a call that waits for somebody who is at work after this, the threshold at the least (default: 1m).",
        transform: Self.threshold)
    var busyAfter: UInt64 = 60_000_000_000

    @OptionGroup var filters: FilterOptions

    @Option(
        help: "Read options and named ignore rules from this file, again on SIGHUP; the command line wins.",
        completion: .file())
    var config: String?

    @Option(
        name: .customLong("repeat"),
        help:
            "Say a call that is still blocked again after this (default: the threshold, 10s at the least), doubling up to 1h; or never.",
        transform: Self.span)
    var repetition: Span?

    @Option(
        name: .customLong("max-rate"), help: "At most so many records a second (default: 1000).", transform: Self.rate)
    var maxRate: UInt64 = 1000

    @Option(help: "How often a summary is said, or never (default: 1m).", transform: Self.span)
    var summary = Span(nanoseconds: 60_000_000_000)

    @Option(help: "host: refuse to run where the host's processes cannot be seen. namespace: watch this PID namespace.")
    var scope: Scope = .host

    @Flag(
        name: .customLong("held-sockets"), inversion: .prefixedNo,
        help:
            "Add the connections that a blocked process holds besides (held_sockets), so that hosts can be joined (default: in NDJSON)."
    )
    var heldSockets: Bool?

    @Option(
        help: "Add where in its program a thread waits, by names (code.stack): none, stuck or all (default: none).",
        completion: .list(WatchOptions.stackPolicies.map(\.rawValue)), transform: Self.stackPolicy)
    var stacks = StackPolicy.none

    @Flag(name: .customLong("new-only"), help: "Leave out calls that were blocked already when blockwatch started.")
    var newOnly = false

    @Option(help: "Stop after this long.", transform: Self.duration)
    var duration: UInt64?

    @Option(
        name: .customLong("command-line"),
        help: "Command lines can hold secrets: full, redacted or none (default: redacted).",
        completion: commandLinePolicies, transform: Self.policy)
    var commandLine: CommandLinePolicy = .redacted

    @Option(help: "Write a Prometheus text file for node_exporter's textfile collector.", completion: .file())
    var metrics: String?

    @Option(
        name: .customLong("metrics-mode"),
        help: "Who may read the file of --metrics, as chmod takes it (default: 0644).",
        transform: Self.fileMode)
    var metricsMode = FileModeBits(value: 0o644)

    @Option(
        name: .customLong("ring-size"),
        help:
            "Room for what the kernel side has to say: 2M, 64K, 4096; a power of two, a page at the least (default: 2M).",
        transform: Self.ringSize)
    var ringSize = CaptureSettings.defaultRingBytes

    @Option(name: .customLong("log-level"), help: "Diagnostics on stderr: error, warning, info, debug.")
    var logLevel: LevelName = .info

    @OptionGroup var recording: RecordOptions

    /// Records as NDJSON, which somebody may gather from many hosts.
    var isForPrograms: Bool { format == .ndjson || (format == .auto && (output != nil || !Terminal.isThere)) }

    // MARK: - values

    private static func duration(_ text: String) throws -> UInt64 {
        do throws(DurationError) { return try parseDuration(text) } catch { throw ValidationError(error.description) }
    }

    static func threshold(_ text: String) throws -> UInt64 {
        let value = try duration(text)
        guard value >= 1_000_000 else { throw ValidationError("1ms is the least") }
        return value
    }

    /// The verdicts that are written.
    var verdicts: Set<Verdict> {
        all ? Set(Verdict.allCases) : verdict ?? Set(Verdict.allCases).subtracting([.idle])
    }

    static func verdicts(_ text: String) throws -> Set<Verdict> {
        let names = FilterField.elements(text)
        let known = Verdict.allCases.map(\.rawValue).joined(separator: ", ")
        return Set(
            try names.map { name in
                guard let verdict = Verdict(rawValue: name) else {
                    throw ValidationError("there is no verdict \(name); there are \(known)")
                }
                return verdict
            })
    }

    private static func span(_ text: String) throws -> Span {
        if text == "never" { return Span(nanoseconds: nil) }
        let value = try duration(text)
        guard value >= 1_000_000 else { throw ValidationError("1ms is the least; or never") }
        return Span(nanoseconds: value)
    }

    static func share(_ text: String) throws -> Share {
        if text == "none" { return Share(value: nil) }
        let digits = text.hasSuffix("%") ? text.dropLast() : text[...]
        let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2e }
        guard isNumber, let percent = Double(String(digits)), percent <= 100 else {
            throw ValidationError("a share of all processor time from 0% to 100%, such as 1% or 0.2%; or none")
        }
        return Share(value: percent / 100)
    }

    private static func fileMode(_ text: String) throws -> FileModeBits {
        // its owner writes it anew, and nobody runs it
        guard (3...4).contains(text.utf8.count), let mode = UInt32(text, radix: 8), mode & ~0o666 == 0,
            mode & 0o600 == 0o600
        else { throw ValidationError("an octal mode such as 0644 or 0640, with 6 for the owner and nothing to run") }
        return FileModeBits(value: mode)
    }

    static func policy(_ text: String) throws -> CommandLinePolicy {
        guard let policy = CommandLinePolicy(rawValue: text) else { throw ValidationError("full, redacted or none") }
        return policy
    }

    /// Names only: lines cost more than a record is worth.
    fileprivate static let stackPolicies: [StackPolicy] = [.none, .stuck, .all]

    private static func stackPolicy(_ text: String) throws -> StackPolicy {
        guard let policy = StackPolicy(rawValue: text), stackPolicies.contains(policy) else {
            throw ValidationError("none, stuck or all")
        }
        return policy
    }

    private static func rate(_ text: String) throws -> UInt64 {
        guard let rate = UInt64(text), rate >= 1 else { throw ValidationError("a number of records, 1 at the least") }
        return rate
    }

    private static func ringSize(_ text: String) throws -> UInt32 {
        let page = sysconf(Int32(_SC_PAGESIZE))
        let unit: UInt32? =
            switch text.last {
            case "K": 1 << 10
            case "M": 1 << 20
            default: nil
            }
        guard let number = UInt32(unit == nil ? text[...] : text.dropLast()),
            case let (bytes, isTooMuch) = number.multipliedReportingOverflow(by: unit ?? 1), !isTooMuch,
            bytes.nonzeroBitCount == 1, bytes >= page, bytes <= 256 << 20
        else { throw ValidationError("a power of two in bytes, K or M, from \(page) to 256M") }
        return bytes
    }

    func validate() throws {
        for (option, name) in [("--output", output), ("--metrics", metrics), ("--config", config)]
        where name?.isEmpty == true {
            throw ValidationError("\(option): an empty name")
        }
    }
}

/// For whoever looks into a verdict: docs/debugging-a-verdict.md.
struct RecordOptions: ParsableArguments {
    @Option(
        name: .customLong("debug-record"),
        help: ArgumentHelp("Write what the verdicts come from into this new file.", visibility: .hidden))
    var path: String?

    func validate() throws {
        if path?.isEmpty == true { throw ValidationError("--debug-record: an empty name") }
    }
}

/// Which calls are wanted: by watch, snapshot and the rules of a config file.
struct FilterOptions: ParsableArguments {
    @Option(name: .customLong("syscall"), help: "Only these system calls; lists with commas, globs, repeatable.")
    var syscalls: [String] = []
    @Option(name: .customLong("pid"), help: "Only these processes.") var pids: [String] = []
    @Option(name: .customLong("comm"), help: "Only processes or threads of these names.") var comms: [String] = []
    @Option(name: .customLong("user"), help: "Only these users, by name or id.") var users: [String] = []
    @Option(name: .customLong("cgroup"), help: "Only these cgroup paths.") var cgroups: [String] = []
    @Option(name: .customLong("unit"), help: "Only these systemd units.") var units: [String] = []
    @Option(name: .customLong("container"), help: "Only these containers, by id or its first 6 characters.")
    var containers: [String] = []
    @Option(name: .customLong("path"), help: "Only these files and unix sockets.") var paths: [String] = []
    @Option(name: .customLong("port"), help: "Only these local or peer ports.") var ports: [String] = []

    @Option(
        name: .customLong("reason"), help: "Only these reasons: lock_held, reply_pending, ...",
        completion: .list(Reason.allCases.map(\.rawValue)))
    var reasons: [String] = []

    @Option(name: .customLong("exclude-syscall"), help: "Not these; the same for each of the above.")
    var excludedSyscalls: [String] = []
    @Option(name: .customLong("exclude-pid"), help: .hidden) var excludedPIDs: [String] = []
    @Option(name: .customLong("exclude-comm"), help: .hidden) var excludedComms: [String] = []
    @Option(name: .customLong("exclude-user"), help: .hidden) var excludedUsers: [String] = []
    @Option(name: .customLong("exclude-cgroup"), help: .hidden) var excludedCgroups: [String] = []
    @Option(name: .customLong("exclude-unit"), help: .hidden) var excludedUnits: [String] = []
    @Option(name: .customLong("exclude-container"), help: .hidden) var excludedContainers: [String] = []
    @Option(name: .customLong("exclude-path"), help: .hidden) var excludedPaths: [String] = []
    @Option(name: .customLong("exclude-port"), help: .hidden) var excludedPorts: [String] = []
    @Option(name: .customLong("exclude-reason"), help: .hidden) var excludedReasons: [String] = []

    /// The lists, by field: included and excluded.
    var lists: [(field: FilterField, option: String, values: [String], isExclusion: Bool)] {
        let included = [syscalls, pids, comms, users, cgroups, units, containers, paths, ports, reasons]
        let excluded = [
            excludedSyscalls, excludedPIDs, excludedComms, excludedUsers, excludedCgroups, excludedUnits,
            excludedContainers, excludedPaths, excludedPorts, excludedReasons,
        ]
        return zip(FilterField.allCases, included).map { ($0, "--\($0.rawValue)", $1, false) }
            + zip(FilterField.allCases, excluded).map { ($0, "--exclude-\($0.rawValue)", $1, true) }
    }

    func validate() throws {
        for list in lists { _ = try Self.elements(list.values, of: list.field, option: list.option) }
    }

    /// The filter; every value was checked when it was parsed.
    var filter: Filter {
        var include: [FilterField: [String]] = [:]
        var exclude: [FilterField: [String]] = [:]
        for list in lists {
            let elements = (try? Self.elements(list.values, of: list.field, option: list.option)) ?? []
            if list.isExclusion { exclude[list.field] = elements } else { include[list.field] = elements }
        }
        return Filter(include: include, exclude: exclude)
    }

    /// Commas taken apart, each value checked.
    static func elements(_ values: [String], of field: FilterField, option: String) throws -> [String] {
        let elements = values.flatMap(FilterField.elements)
        for element in elements {
            do throws(FilterError) { try field.check(element) } catch { throw ValidationError("\(option): \(error)") }
            if field == .syscall, let problem = syscallProblem(element) {
                throw ValidationError("\(option): \(problem)")
            }
        }
        return elements
    }

    /// Why no call can have this name; `nil` if one has.
    static func syscallProblem(_ pattern: String) -> String? {
        let names = Set((SyscallTable.table(for: Host.nativeABI).all + SyscallTable.table(for: .i386).all).map(\.name))
        guard !names.contains(where: { glob(pattern, $0) }) else { return nil }
        let list = "blockwatch syscalls --all lists them"
        if FilterField.isPattern(pattern) { return "no system call fits \(pattern); \(list)" }
        let text = pattern.lowercased()
        let nearest = names.map { (distance($0, text), $0) }.min { $0 < $1 }
        // too far off is no help
        guard let nearest, nearest.0 <= max(2, text.utf8.count / 3) else {
            return "there is no system call \(pattern); \(list)"
        }
        return "there is no system call \(pattern); did you mean \(nearest.1)? \(list)"
    }

    /// Levenshtein.
    static func distance(_ a: String, _ b: String) -> Int {
        let b = Array(b.utf8)
        var row = Array(0...b.count)
        for (i, x) in a.utf8.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let cost = min(row[j] + 1, row[j + 1] + 1, diagonal + (x == y ? 0 : 1))
                diagonal = row[j + 1]
                row[j + 1] = cost
            }
        }
        return row[b.count]
    }
}

/// What snapshot, graph and top have in common: at whom they look, and what they show of them.
struct LookOptions: ParsableArguments {
    @OptionGroup var filters: FilterOptions
    @Option(help: "host: refuse to run where the host's processes cannot be seen. namespace: this PID namespace.")
    var scope: Scope = .host
    @Option(
        name: .customLong("command-line"),
        help: "Command lines can hold secrets: full, redacted or none (default: redacted).",
        completion: commandLinePolicies, transform: WatchOptions.policy)
    var commandLine: CommandLinePolicy = .redacted
}
