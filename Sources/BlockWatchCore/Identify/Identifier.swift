/// Turns what the kernel said of calls into names: who, in which call, on what.
///
/// Reads links and small files of /proc that cannot block; everything that might goes through ``RiskyReading``.
public struct Identifier {
    public struct Settings: Sendable {
        public var bootID: String
        public var commandLine: CommandLinePolicy
        /// `sysconf(_SC_CLK_TCK)`: the unit of process starts in /proc.
        public var clockTicksPerSecond: UInt64
        public var nativeABI: ABI

        public init(bootID: String, commandLine: CommandLinePolicy, clockTicksPerSecond: UInt64, nativeABI: ABI) {
            self.bootID = bootID
            self.commandLine = commandLine
            self.clockTicksPerSecond = max(clockTicksPerSecond, 1)
            self.nativeABI = nativeABI
        }
    }

    let procFS: ProcFS
    let users: UserNames
    let settings: Settings
    private let native: SyscallTable
    private let compat: SyscallTable
    private var stacks: StackReader
    let containerNames: @Sendable () -> ContainerNames
    var namesOfCgroups: [[UInt8]: CgroupIdentity] = [:]

    /// - Parameters:
    ///   - kernelNames: asked once for each address.
    ///   - containerNames: as they were read last.
    public init(
        procFS: ProcFS, users: UserNames, settings: Settings, kernelNames: @escaping KernelNames = { _ in nil },
        containerNames: @escaping @Sendable () -> ContainerNames = { ContainerNames() }
    ) {
        self.containerNames = containerNames
        stacks = StackReader(kernelNames)
        self.procFS = procFS
        self.users = users
        self.settings = settings
        native = SyscallTable.table(for: settings.nativeABI)
        compat = SyscallTable.table(for: .i386)
    }

    var bootID: String { settings.bootID }
    var nativeABI: ABI { settings.nativeABI }

    static let pathLimit = 4096

    /// - Parameter isBrief: without what only the lines about a waiter say: its names, its program, its command line,
    ///   its event. ``complete(_:clock:risky:)`` adds that to the few that are written.
    /// - Returns: one call a record, in order.
    public mutating func identify(
        _ records: [CallRecord], clock: ClockReading, isBrief: Bool = false, risky: inout some RiskyReading
    ) -> [BlockedCall] {
        let calls = records.map(systemCall)
        var questions: Set<RiskyQuestion> = []
        for (record, call) in zip(records, calls) {
            if let call { for (_, question) in memoryQuestions(record, call) { questions.insert(question) } }
            if let question = mountQuestion(record) { questions.insert(question) }
        }
        let answers = questions.isEmpty ? [:] : risky.answer(Array(questions))
        let storages = storages(of: records, &risky)
        var brief = zip(records, calls).map { build($0, $1, answers, clock) }
        for (index, storage) in storages { brief[index].storage = storage }
        findMounts(of: &brief, records, &risky)
        return isBrief ? brief : complete(Array(zip(records, brief)), clock: clock, risky: &risky)
    }

    private func systemCall(_ record: CallRecord) -> SystemCall? {
        let abi = record.isCompat ? ABI.i386 : settings.nativeABI
        switch record.kind {
        case .page, .stopped, .running: return nil
        case .exiting, .ioWorker:
            // a worker does what its process handed over by this call
            let name = record.kind == .exiting ? "exit_group" : "io_uring_enter"
            let number = (record.isCompat ? compat : native).number(named: name) ?? 0
            return SystemCall(name: name, number: number, abi: abi, arguments: [])
        case .systemCall:
            let name = info(record)?.name ?? "syscall_\(record.number)"
            return SystemCall(
                name: name, number: record.number, abi: abi, arguments: record.arguments,
                renewals: record.renewals > 0 ? record.renewals : nil)
        }
    }

    func info(_ record: CallRecord) -> SyscallInfo? {
        record.kind == .systemCall ? (record.isCompat ? compat : native)[record.number] : nil
    }

    private mutating func build(
        _ record: CallRecord, _ call: SystemCall?, _ answers: [RiskyQuestion: RiskyAnswer], _ clock: ClockReading
    ) -> BlockedCall {
        var unresolved: [String] = []
        var call = call
        let onStack = stacks.hints(of: record)

        var memory: [Purpose: [UInt8]] = [:]
        if let asked = call {
            for (purpose, question) in memoryQuestions(record, asked) {
                switch answers[question] ?? .timedOut {
                case .bytes(let bytes): memory[purpose] = bytes
                case let other:
                    let field =
                        switch purpose {
                        case .timeout: "syscall.timeout"
                        case .path: "file.path"
                        case .lock: "lock"
                        case .descriptor: "resource.fd"
                        }
                    unresolved.append("\(field)=\(other.reason ?? "timed_out")")
                }
            }
            if let timeout = info(record)?.timeout {
                call?.timeout = self.timeout(timeout, record, asked, memory[.timeout], clock)
            } else {
                call?.timeout = socketTimeout(record, asked).map { .known($0) } ?? .absent
            }
        }
        let resource = self.resource(
            record, call, memory: memory, onStack: onStack, answers: answers, unresolved: &unresolved)
        let stack = isStuck(record, resource) ? stacks.names(of: record) : []
        if stack == nil { unresolved.append("stack=not_permitted") }
        var blocked = BlockedCall(
            id: record.id, eventID: "", kind: record.kind, startNanoseconds: record.startNanoseconds,
            startWallNanoseconds: clock.wall(ofMonotonic: record.startNanoseconds),
            startSource: record.renewals > 0 ? .renewed : record.isOlder ? .lastRan : .entry,
            process: ProcessIdentity(record), call: call, resource: resource,
            stack: stack ?? [], unresolved: unresolved,
            isSupervised: onStack.contains(.seccomp))
        blocked.stop = StopFields(record)
        blocked.hints = onStack
        return blocked
    }

    /// Whether the kernel's own functions tell more than the call's name.
    private func isStuck(_ record: CallRecord, _ resource: Resource) -> Bool {
        record.isUninterruptible || record.kind == .exiting || resource.kind == .page
            || info(record).map { $0.class == .path || $0.class == .kernel } ?? true
    }

    static func reason(_ error: ProcError) -> String {
        error.isNotPermitted ? "not_permitted" : error.isGone ? "process_gone" : "in_flight"
    }
}
