/// What was fixed when a recording began: the host and the options that change what is said.
public struct TapeHost: Sendable {
    public var pipeline: Pipeline.Settings
    public var identifier: Identifier.Settings
    public var origin: RecordOrigin
    /// CLOCK_MONOTONIC, nanoseconds.
    public var startNanoseconds: UInt64

    public init(
        pipeline: Pipeline.Settings, identifier: Identifier.Settings, origin: RecordOrigin, startNanoseconds: UInt64
    ) {
        self.pipeline = pipeline
        self.identifier = identifier
        self.origin = origin
        self.startNanoseconds = startNanoseconds
    }

    public var entry: TapeEntry {
        var list = [
            TapeSetting("host", origin.hostName), TapeSetting("boot_id", identifier.bootID),
            TapeSetting("start", "\(startNanoseconds)"), TapeSetting("abi", identifier.nativeABI.rawValue),
            TapeSetting("clock_ticks", "\(identifier.clockTicksPerSecond)"),
            TapeSetting("command-line", identifier.commandLine.rawValue),
            TapeSetting("threshold", "\(pipeline.thresholdNanoseconds)"),
            TapeSetting("repeat", pipeline.repeatNanoseconds.map { "\($0)" } ?? "never"),
            TapeSetting("max-rate", "\(pipeline.maxRate)"), TapeSetting("new-only", "\(pipeline.newOnly)"),
            TapeSetting("held-sockets", "\(pipeline.tellsHeldSockets)"),
            TapeSetting("stacks", pipeline.stacks.rawValue),
            TapeSetting("busy-after", "\(pipeline.busyAfterNanoseconds)"),
        ]
        if let id = origin.hostID { list.append(TapeSetting("host_id", id)) }
        if let id = origin.runID { list.append(TapeSetting("run_id", id)) }
        list += pipeline.verdicts.map(\.rawValue).sorted().map { TapeSetting("verdict", $0) }
        for field in FilterField.allCases {
            list += (pipeline.filter.include[field] ?? []).map { TapeSetting(field.rawValue, $0) }
            list += (pipeline.filter.exclude[field] ?? []).map { TapeSetting("exclude-\(field.rawValue)", $0) }
        }
        list += pipeline.ignoreRules.map { TapeSetting("ignore.\($0.name)", $0.text) }
        return .settings(list)
    }

    /// - Throws: ``TapeError`` for a name or value that no blockwatch has written.
    init(_ settings: [TapeSetting], offset: Int) throws(TapeError) {
        var pipeline = Pipeline.Settings(
            thresholdNanoseconds: 0, newOnly: false, repeatNanoseconds: nil, maxRate: .max, filter: Filter(),
            ignoreRules: [], verdicts: [])
        var identifier = Identifier.Settings(
            bootID: "", commandLine: .full, clockTicksPerSecond: 100, nativeABI: .x86_64)
        var origin = RecordOrigin(hostName: "", bootID: "")
        var start: UInt64 = 0
        for setting in settings {
            let value = setting.value
            func known<Value>(_ value: Value?) throws(TapeError) -> Value {
                if let value { return value }
                throw TapeError(offset: offset, what: "\(setting.name) cannot be \(setting.value)")
            }
            func amount() throws(TapeError) -> UInt64 {
                try known(UInt64(value).flatMap { $0 <= TapeFile.mostAmount ? $0 : nil })
            }
            switch setting.name {
            case "host": origin.hostName = value
            case "host_id": origin.hostID = try known(MachineID.text(Array(value.utf8)))
            case "run_id": origin.runID = try known(RecordOrigin.isRunID(value) ? value : nil)
            case "boot_id":
                identifier.bootID = value
                origin.bootID = value
            case "start": start = try amount()
            case "abi": identifier.nativeABI = try known(ABI(rawValue: value))
            case "clock_ticks":
                identifier.clockTicksPerSecond = try known(
                    UInt64(value).flatMap { (1...1_000_000).contains($0) ? $0 : nil })
            // those on the tape are redacted already
            case "command-line":
                identifier.commandLine = try known(CommandLinePolicy(rawValue: value)) == .none ? .none : .full
            case "threshold": pipeline.thresholdNanoseconds = try amount()
            case "repeat": pipeline.repeatNanoseconds = value == "never" ? nil : try known(UInt64(value))
            case "max-rate": pipeline.maxRate = try known(UInt64(value))
            case "new-only": pipeline.newOnly = try known(Bool(value))
            case "busy-after": pipeline.busyAfterNanoseconds = try amount()
            case "stacks": pipeline.stacks = try known(StackPolicy(rawValue: value))
            case "held-sockets": pipeline.tellsHeldSockets = try known(Bool(value))
            case "verdict": pipeline.verdicts.insert(try known(Verdict(rawValue: value)))
            default: try Self.take(setting, &pipeline, offset)
            }
        }
        self.init(pipeline: pipeline, identifier: identifier, origin: origin, startNanoseconds: start)
    }

    /// A filter or a rule.
    private static func take(
        _ setting: TapeSetting, _ pipeline: inout Pipeline.Settings, _ offset: Int
    ) throws(TapeError) {
        do throws(FilterError) {
            if setting.name.hasPrefix("ignore.") {
                pipeline.ignoreRules.append(
                    try IgnoreRule(name: String(setting.name.dropFirst("ignore.".count)), text: setting.value))
                return
            }
            let isExclusion = setting.name.hasPrefix("exclude-")
            guard let field = FilterField(rawValue: isExclusion ? String(setting.name.dropFirst(8)) : setting.name)
            else {
                throw FilterError("an unknown setting")
            }
            try field.check(setting.value)
            if isExclusion {
                pipeline.filter.exclude[field, default: []].append(setting.value)
            } else {
                pipeline.filter.include[field, default: []].append(setting.value)
            }
        } catch { throw TapeError(offset: offset, what: "\(setting.name): \(error)") }
    }
}
