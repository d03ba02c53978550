import ArgumentParser
import BlockWatchCore
import Glibc

/// What is wrong with a config file, and where.
struct ConfigError: Error {
    var text: String
}

/// What `watch` runs with: the config file's options as if they stood before those of the command line. Of an option
/// with one value the command line's wins; lists are joined.
struct Settings: Sendable {
    /// Filters, rules and rates: what a reload changes, but for the threshold.
    var pipeline: Pipeline.Settings
    var engine: Engine
    /// Of one; `nil` for no limit.
    var maxOverhead: Double?
    var switchProbesNanoseconds: UInt64?
    var format: OutputFormat
    var outputPath: String?
    var summaryNanoseconds: UInt64?
    var scope: Scope
    var durationNanoseconds: UInt64?
    var commandLine: CommandLinePolicy
    var metricsPath: String?
    var metricsMode: UInt32
    var recordPath: String?
    var ringBytes: UInt32
    var logLevel: Log.Level
    /// As given, for the `started` record.
    var commandLineOptions: [String]
    var configPath: String?
    let watched: Watched

    var thresholdNanoseconds: UInt64 { pipeline.thresholdNanoseconds }

    /// - Parameter arguments: those of the command line, without the program's name.
    static func load(_ options: WatchOptions, arguments: [String]) -> Settings {
        if let problem = userProblem(options.filters) { fail(.wrongUsage, problem) }
        let own = arguments.first == WatchCommand._commandName ? Array(arguments.dropFirst()) : arguments
        guard let path = options.config else { return Settings(options, rules: [], arguments: own) }
        do throws(ConfigError) { return try read(path, arguments: own) } catch { fail(.badConfig, error.text) }
    }

    /// The config file's options, then those of the command line.
    ///
    /// - Parameter arguments: without the subcommand.
    static func read(_ path: String, arguments: [String]) throws(ConfigError) -> Settings {
        let config = try read(path)
        let given = try words(of: config, in: path)
        let options: WatchOptions
        do { options = try WatchOptions.parse(given + arguments) } catch {
            throw ConfigError(text: "\(path): \(WatchOptions.message(for: error))")
        }
        return Settings(options, rules: config.ignoreRules, arguments: arguments)
    }

    private init(_ options: WatchOptions, rules: [IgnoreRule], arguments: [String]) {
        pipeline = Pipeline.Settings(
            thresholdNanoseconds: options.threshold, newOnly: options.newOnly,
            repeatNanoseconds: (options.repetition ?? Span(nanoseconds: max(options.threshold, 10_000_000_000)))
                .nanoseconds,
            maxRate: options.maxRate, filter: options.filters.filter, ignoreRules: rules, verdicts: options.verdicts,
            tellsHeldSockets: options.heldSockets ?? options.isForPrograms,
            busyAfterNanoseconds: max(options.busyAfter, options.threshold))
        pipeline.stacks = options.stacks
        engine = options.engine
        maxOverhead = options.maxOverhead.value
        switchProbesNanoseconds = options.switchProbes.nanoseconds
        format = options.format
        outputPath = options.output
        summaryNanoseconds = options.summary.nanoseconds
        scope = options.scope
        durationNanoseconds = options.duration
        commandLine = options.commandLine
        metricsPath = options.metrics
        metricsMode = options.metricsMode.value
        recordPath = options.recording.path
        ringBytes = options.ringSize
        logLevel =
            switch options.logLevel {
            case .error: .error
            case .warning: .warning
            case .info: .info
            case .debug: .debug
            }
        commandLineOptions = arguments
        configPath = options.config
        watched = Watched(filter: pipeline.filter, verdicts: pipeline.verdicts)
    }

    // MARK: - the config file

    private static func read(_ path: String) throws(ConfigError) -> ConfigFile {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ConfigError(
                text: "cannot open the config file \(path): \(describe(errno: errno)); name a file that may be read")
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while bytes.count <= ConfigFile.sizeLimit {
            let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 {
                throw ConfigError(
                    text: "cannot read the config file \(path): \(describe(errno: errno)); name a file that can be read"
                )
            }
            if count == 0 { break }
            bytes += chunk.prefix(count)
        }
        do throws(ConfigFile.ParseError) { return try ConfigFile(bytes, checkRule: check) } catch {
            throw ConfigError(text: "\(path):\(error.line): \(error.what)")
        }
    }

    private static let flags = ["all", "new-only", "held-sockets"]

    /// The file as arguments, each line such as the command line would understand. Of a flag the last line counts.
    private static func words(of config: ConfigFile, in path: String) throws(ConfigError) -> [String] {
        let last = Dictionary(config.entries.map { ($0.key, $0.line) }, uniquingKeysWith: max)
        var all: [String] = []
        for entry in config.entries {
            let words = try words(of: entry, in: path)
            if !flags.contains(entry.key) || last[entry.key] == entry.line { all += words }
        }
        return all
    }

    private static func words(of entry: ConfigFile.Entry, in path: String) throws(ConfigError) -> [String] {
        func bad(_ what: String) -> ConfigError { ConfigError(text: "\(path):\(entry.line): \(what)") }
        if entry.key == "config" { throw bad("config: a config file cannot name another") }
        if flags.contains(entry.key) {
            switch entry.value {
            case "true": return ["--\(entry.key)"]
            // the one that is on by itself
            case "false": return entry.key == "held-sockets" ? ["--no-\(entry.key)"] : []
            default: throw bad("\(entry.key): true or false, not \(entry.value)")
            }
        }
        let arguments = ["--\(entry.key)=\(entry.value)"]
        let options: WatchOptions
        do { options = try WatchOptions.parse(arguments) } catch {
            let text = WatchOptions.message(for: error)
            // options of the parser's own, such as --help, are no keys and end with success
            let isUnknown = text.hasPrefix("Unknown option") || WatchOptions.exitCode(for: error) == .success
            throw bad(isUnknown ? "unknown key \(entry.key)" : text)
        }
        if let problem = userProblem(options.filters) { throw bad(problem) }
        return arguments
    }

    /// What a rule names must exist, as on the command line: a rule with a typo would never ignore anything.
    private static func check(_ rule: IgnoreRule) throws(FilterError) {
        for pattern in rule.conditions[.syscall] ?? [] {
            if let problem = FilterOptions.syscallProblem(pattern) { throw FilterError("syscall: \(problem)") }
        }
        if let user = unknownUser(in: rule.conditions[.user] ?? []) {
            throw FilterError("user: there is no user \(user) in /etc/passwd")
        }
    }

    // MARK: - users

    /// A name that nobody has would silently hide everything.
    static func userProblem(_ options: FilterOptions) -> String? {
        for list in options.lists where list.field == .user {
            if let user = unknownUser(in: list.values.flatMap(FilterField.elements)) {
                return "\(list.option): there is no user \(user) in /etc/passwd"
            }
        }
        return nil
    }

    private static func unknownUser(in names: [String]) -> String? {
        let names = names.filter { UInt32($0) == nil && !FilterField.isPattern($0) }
        guard !names.isEmpty else { return nil }
        let users = UserNames(passwd: (try? ProcFS(root: "/etc").readFile("passwd", limit: 4 << 20)) ?? [])
        return names.first { users.uid(name: $0) == nil }
    }
}
