/// The clocks at one moment, nanoseconds.
public struct ClockReading: Sendable, Equatable {
    public var monotonic: UInt64
    /// Since 1970.
    public var wall: UInt64
    /// CLOCK_BOOTTIME: with the time the host was suspended.
    public var boot: UInt64

    public init(monotonic: UInt64, wall: UInt64, boot: UInt64) {
        self.monotonic = monotonic
        self.wall = wall
        self.boot = boot
    }

    public func wall(ofMonotonic time: UInt64) -> UInt64 { shift(time, from: monotonic, to: wall) }
    public func boot(ofMonotonic time: UInt64) -> UInt64 { shift(time, from: monotonic, to: boot) }
    public func wall(ofBoot time: UInt64) -> UInt64 { shift(time, from: boot, to: wall) }

    private func shift(_ time: UInt64, from: UInt64, to: UInt64) -> UInt64 {
        time <= from ? to - min(to, from - time) : to &+ (time - from)
    }
}

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

    private let procFS: ProcFS
    private let users: UserNames
    private let settings: Settings
    private let native: SyscallTable
    private let compat: SyscallTable
    /// Asked when the first stack is to be named.
    private let symbolSource: @Sendable () -> KernelSymbols
    private var symbols: KernelSymbols?
    private var frames: [UInt64: Frame] = [:]
    private var namesOfCgroups: [[UInt8]: CgroupIdentity] = [:]

    /// - Parameter symbols: for whoever has read them already; else they are read when they are needed.
    public init(
        procFS: ProcFS, users: UserNames, settings: Settings, symbols: (@Sendable () -> KernelSymbols)? = nil
    ) {
        symbolSource = symbols ?? { KernelSymbols(procFS) }
        self.procFS = procFS
        self.users = users
        self.settings = settings
        native = SyscallTable.table(for: settings.nativeABI)
        compat = SyscallTable.table(for: .i386)
    }

    var bootID: String { settings.bootID }
    var nativeABI: ABI { settings.nativeABI }

    private static let pathLimit = 4096

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
        let brief = zip(records, calls).map { build($0, $1, answers, clock) }
        return isBrief ? brief : complete(Array(zip(records, brief)), clock: clock, risky: &risky)
    }

    /// Adds who the waiters are.
    ///
    /// - Parameter calls: as ``identify(_:clock:isBrief:risky:)`` made them, with their records.
    public mutating func complete(
        _ calls: [(record: CallRecord, call: BlockedCall)], clock: ClockReading, risky: inout some RiskyReading
    ) -> [BlockedCall] {
        // threads of one process share its program and its arguments
        var programs: [ProgramKey: Program] = [:]
        var questions: [RiskyQuestion] = []
        for (record, _) in calls where programs[ProgramKey(record)] == nil {
            let question = commandLineQuestion(record)
            programs[ProgramKey(record)] = Program(question: question)
            if let question { questions.append(question) }
        }
        let answers = questions.isEmpty ? [:] : risky.answer(questions)
        return calls.map { record, call in
            var call = call
            // a thread may be gone where its process is not: the next one asks for itself
            let known = programs[ProgramKey(record)]?.known
            let program = known.flatMap { $0.isStill ? $0 : nil } ?? self.program(record, programs, answers)
            programs[ProgramKey(record)]?.known = program
            call.eventID = eventID(record)
            call.process = identity(record, clock)
            if program.isStill {
                call.process.executable = program.executable
                call.process.commandLine = program.commandLine
            } else if call.resource.kind == .file || call.resource.kind == .directory || call.resource.kind == .fifo {
                // a pid that was given to somebody else while we looked must not lend its names
                call.resource.file?.path = nil
                call.resource.name = record.object?.name ?? []
            }
            call.unresolved += program.unresolved
            return call
        }
    }

    private struct ProgramKey: Hashable {
        var pid: Int
        var start: UInt64
        /// A dying thread has let go of its program already.
        var isExiting: Bool

        init(_ record: CallRecord) {
            pid = record.pid
            start = record.processStartNanoseconds
            isExiting = record.kind == .exiting
        }
    }

    /// What the threads of one process have in common.
    private struct Program {
        struct Known {
            var executable: [UInt8]?
            var commandLine: String?
            var unresolved: [String] = []
            /// The pid still was the same process's after all of this had been read.
            var isStill = false
        }
        var question: RiskyQuestion?
        var known: Known?
    }

    private func program(
        _ record: CallRecord, _ programs: [ProgramKey: Program], _ answers: [RiskyQuestion: RiskyAnswer]
    ) -> Program.Known {
        var program = Program.Known()
        if record.kind != .exiting {
            do {
                program.executable = try procFS.executable(
                    pid: Int32(clamping: record.procPID), tid: Int32(clamping: record.procTID))
            } catch {
                program.unresolved.append("process.executable=\(Self.reason(error))")
            }
        }
        if let question = programs[ProgramKey(record)]?.question {
            switch answers[question] ?? .timedOut {
            case .bytes(let bytes):
                program.commandLine = settings.commandLine.render(ProcFS.arguments(commandLine: bytes))
            case let other: program.unresolved.append("process.command_line=\(other.reason ?? "timed_out")")
            }
        }
        program.isStill = isStill(record)
        if !program.isStill { program.unresolved = ["process=process_gone"] }
        return program
    }

    // MARK: - questions

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

    private func info(_ record: CallRecord) -> SyscallInfo? {
        record.kind == .systemCall ? (record.isCompat ? compat : native)[record.number] : nil
    }

    private func commandLineQuestion(_ record: CallRecord) -> RiskyQuestion? {
        settings.commandLine == .none || record.kind == .exiting
            ? nil : .commandLine(pid: Int32(clamping: record.procPID), tid: Int32(clamping: record.procTID))
    }

    private enum Purpose { case timeout, path, lock, descriptor }

    /// Memory is only read where the call's own arguments point, and only while it is in flight.
    private func memoryQuestions(
        _ record: CallRecord, _ call: SystemCall
    ) -> [(purpose: Purpose, question: RiskyQuestion)] {
        guard record.kind == .systemCall, record.occasion != .slow, let info = info(record) else { return [] }
        let pid = Int32(clamping: record.procPID)
        var questions: [(Purpose, RiskyQuestion)] = []
        if let timeout = info.timeout, let place = UserMemory.timeoutStructure(timeout, call) {
            questions.append((.timeout, .memory(pid: pid, address: place.address, length: place.length)))
        }
        if let place = UserMemory.lockCall(call)?.structure {
            questions.append((.lock, .memory(pid: pid, address: place.address, length: place.length)))
        }
        if info.name == "socketcall" {
            questions.append((.descriptor, .memory(pid: pid, address: call.arguments[1], length: 4)))
        }
        if info.class == .path, let argument = pathArgument(info), argument < call.arguments.count {
            questions.append(
                (.path, .memory(pid: pid, address: call.arguments[argument], length: Self.pathLimit)))
        }
        return questions
    }

    /// Whether its time-out was read from the memory of its program.
    func hasTimeoutInMemory(_ record: CallRecord, _ call: SystemCall) -> Bool {
        info(record)?.timeout.map { UserMemory.timeoutStructure($0, call) != nil } ?? false
    }

    /// The kernel keeps the server of a network file system, or the source of a FUSE mount, with the mount.
    private func mountQuestion(_ record: CallRecord) -> RiskyQuestion? {
        guard let object = record.object, object.family == .file else { return nil }
        let type = object.fileSystem
        let isRemote = ["nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "afs", "lustre", "glusterfs"].contains(type)
        guard isRemote || type.hasPrefix("fuse") else { return nil }
        return .mounts(pid: Int32(clamping: record.procPID), tid: Int32(clamping: record.procTID))
    }

    private func pathArgument(_ info: SyscallInfo) -> Int? {
        info.directoryArgument.map { $0 + 1 } ?? 0
    }

    // MARK: - answers

    private mutating func build(
        _ record: CallRecord, _ call: SystemCall?, _ answers: [RiskyQuestion: RiskyAnswer], _ clock: ClockReading
    ) -> BlockedCall {
        var unresolved: [String] = []
        var call = call
        let marks = marks(of: record)

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
            record, call, memory: memory, marks: marks, answers: answers, unresolved: &unresolved)
        var stack = isStuck(record, resource) ? record.stack.map { frame(at: $0).name } : []
        // kptr_restrict hides them from everybody
        if !stack.isEmpty, symbols?.isEmpty == true {
            stack = []
            unresolved.append("stack=not_permitted")
        }
        var blocked = BlockedCall(
            id: record.id, eventID: "", kind: record.kind, startNanoseconds: record.startNanoseconds,
            startWallNanoseconds: clock.wall(ofMonotonic: record.startNanoseconds),
            startSource: record.renewals > 0 ? .renewed : record.isOlder ? .lastRan : .entry,
            process: ProcessIdentity(record), call: call, resource: resource,
            stack: stack, unresolved: unresolved,
            isSupervised: marks.contains(.seccomp))
        blocked.stop = StopFields(record)
        return blocked
    }

    /// Whether the kernel's own functions tell more than the call's name.
    private func isStuck(_ record: CallRecord, _ resource: Resource) -> Bool {
        record.isUninterruptible || record.kind == .exiting || resource.kind == .page
            || info(record).map { $0.class == .path || $0.class == .kernel } ?? true
    }

    /// A span from the call's start, also where the call names a moment.
    private func timeout(
        _ timeout: SyscallTimeout, _ record: CallRecord, _ call: SystemCall, _ memory: [UInt8]?, _ clock: ClockReading
    ) -> Evidence<UInt64> {
        let read = UserMemory.timeout(timeout, call, memory: memory.map { .known($0) } ?? .unknown(.inFlight))
        guard let deadline = UserMemory.deadlineClock(call) else { return read }
        let start = record.startNanoseconds
        return read.map { moment in
            switch deadline {
            case .realtime: moment - min(moment, clock.wall(ofMonotonic: start))
            case .monotonic: moment - min(moment, start)
            case .boottime: moment - min(moment, clock.boot(ofMonotonic: start))
            }
        }
    }

    private func socketTimeout(_ record: CallRecord, _ call: SystemCall) -> UInt64? {
        guard let object = record.object, object.family == .socket else { return nil }
        let sends = ["write", "writev", "send", "sendto", "sendmsg", "sendmmsg", "sendfile", "connect"]
        let value = sends.contains(call.name) ? object.sendTimeoutNanoseconds : object.receiveTimeoutNanoseconds
        return value == 0 ? nil : value
    }

    private func eventID(_ record: CallRecord) -> String {
        let text =
            "\(settings.bootID) \(record.threadStartNanoseconds) \(record.id) \(record.startNanoseconds) \(record.tid)"
        return ByteText.hex([UInt8](SHA1.digest(Array(text.utf8)).prefix(8)))
    }

    /// What functions on a kernel stack say of a wait.
    private struct Marks: OptionSet {
        var rawValue: UInt8
        /// Copying from or to the program's memory, which does not come.
        static let pageFault = Marks(rawValue: 1)
        static let fifoOpen = Marks(rawValue: 2)
        static let seccomp = Marks(rawValue: 4)

        init(rawValue: UInt8) { self.rawValue = rawValue }
        init(_ name: String) {
            self = []
            if name.hasSuffix("exc_page_fault") || name == "handle_userfault" || name == "do_mem_abort" {
                insert(.pageFault)
            }
            if name == "fifo_open" || name == "wait_for_partner" { insert(.fifoOpen) }
            if name.hasPrefix("seccomp_do_user_notification") || name == "__seccomp_filter" { insert(.seccomp) }
        }
    }

    private struct Frame {
        var name: String
        var marks: Marks
    }

    /// Threads wait in a few places of the kernel: each address is looked up once.
    private mutating func frame(at address: UInt64) -> Frame {
        if let known = frames[address] { return known }
        let symbols = self.symbols ?? symbolSource()
        self.symbols = symbols
        let name = symbols.name(of: address) ?? "[unknown]"
        let frame = Frame(name: name, marks: Marks(name))
        if frames.count >= Self.mostFrames { frames.removeAll(keepingCapacity: true) }
        frames[address] = frame
        return frame
    }

    private static let mostFrames = 8192

    private mutating func marks(of record: CallRecord) -> Marks {
        var marks: Marks = []
        for index in 0..<record.stackDepth { marks.formUnion(frame(at: record.stackFrame(index)).marks) }
        return marks
    }

    // MARK: - resource

    private func resource(
        _ record: CallRecord, _ call: SystemCall?, memory: [Purpose: [UInt8]], marks: Marks,
        answers: [RiskyQuestion: RiskyAnswer], unresolved: inout [String]
    ) -> Resource {
        switch record.kind {
        case .exiting, .stopped, .running: return Resource(.none)
        case .ioWorker: return Resource(.ioUring, name: Array("io_uring worker \(record.tid)".utf8))
        case .page:
            // asleep outside any call, and not in a fault: the way back to the program, a task's work
            return record.stackDepth == 0 || marks.contains(.pageFault) ? page(record) : Resource(.none)
        case .systemCall:
            break
        }
        guard let call else { return Resource(.none) }
        guard let descriptor = record.descriptor ?? socketcallDescriptor(call, memory[.descriptor]) else {
            let info = info(record)
            let path = path(record, call, memory[.path])
            if let object = record.object, object.family == .pipe {
                // its open file was found on the kernel stack: inode and counts are known too
                var resource = PipeKind.resource(object, path: path)
                resource.descriptor = nil
                return resource
            }
            return CallKind.resource(call, info: info, path: path, isFIFO: marks.contains(.fifoOpen))
        }
        if record.descriptorIsClosed || record.descriptorIsOther { unresolved.append("resource.fd=closed") }
        guard let object = record.object else {
            if !record.descriptorIsClosed { unresolved.append("resource=in_flight") }
            return Resource(.none, name: Array("fd \(descriptor)".utf8), descriptor: descriptor)
        }
        var resource: Resource
        switch object.family {
        case .socket: resource = SocketKind.resource(object)
        case .pipe: resource = PipeKind.resource(object, path: target(record, descriptor, object, &unresolved))
        case .anonymous: resource = AnonymousKind.resource(object)
        case .file: resource = FileKind.resource(object, path: target(record, descriptor, object, &unresolved))
        }
        resource.descriptor = descriptor
        if let lock = UserMemory.lockCall(call) {
            resource.lock = UserMemory.lockFields(lock, call, memory: memory[.lock], object: object)
        }
        if let question = mountQuestion(record) {
            switch answers[question] ?? .timedOut {
            case .bytes(let table):
                resource.file?.server = MountTable.source(ofDevice: object.device, mountinfo: table)
            case let other: unresolved.append("file.server=\(other.reason ?? "timed_out")")
            }
        }
        // the file is not what it waits for
        if marks.contains(.pageFault) {
            resource.kind = .page
            resource.name = page(record).name
        }
        return resource
    }

    /// A member of a set, without its path: there may be thousands.
    func resource(of object: KernelObject, descriptor: Int) -> Resource {
        var resource =
            switch object.family {
            case .socket: SocketKind.resource(object)
            case .pipe: PipeKind.resource(object, path: nil)
            case .anonymous: AnonymousKind.resource(object)
            case .file: FileKind.resource(object, path: nil)
            }
        resource.descriptor = descriptor
        return resource
    }

    /// The kernel does not keep the address of a fault in progress; the instruction tells the program's place.
    private func page(_ record: CallRecord) -> Resource {
        let place = record.kind == .page ? " touched at \(CallKind.hex(record.instructionPointer))" : ""
        return Resource(.page, name: Array("a page of memory\(place)".utf8))
    }

    /// The first word of the arguments that i386's socketcall points at.
    private func socketcallDescriptor(_ call: SystemCall, _ memory: [UInt8]?) -> Int? {
        guard call.name == "socketcall" else { return nil }
        return memory.flatMap { UserMemory.integer($0, at: 0, size: 4) }.flatMap { $0 >= 0 ? Int($0) : nil }
    }

    /// The path of a descriptor, as its process sees it.
    private func target(
        _ record: CallRecord, _ descriptor: Int, _ object: KernelObject, _ unresolved: inout [String]
    ) -> [UInt8]? {
        let pid = Int32(clamping: record.procPID)
        let tid = Int32(clamping: record.procTID)
        // the number now names another file, or none
        guard object.fileSystem != "pipefs", !record.descriptorIsOther, !record.descriptorIsClosed else { return nil }
        do {
            let path = try procFS.descriptorTarget(pid: pid, tid: tid, fd: Int32(clamping: descriptor))
            guard path.first == UInt8(ascii: "/") else { return nil }
            return withoutRoot(path, pid: pid, tid: tid)
        } catch {
            unresolved.append("file.path=\(error.isGone ? "closed" : Self.reason(error))")
            return nil
        }
    }

    /// A process in a chroot does not see what lies above its root.
    private func withoutRoot(_ path: [UInt8], pid: Int32, tid: Int32) -> [UInt8] {
        guard let root = try? procFS.rootDirectory(pid: pid, tid: tid), root.count > 1,
            path.starts(with: root), path.count > root.count, path[root.count] == UInt8(ascii: "/")
        else { return path }
        return [UInt8](path.dropFirst(root.count))
    }

    /// The path that a call names in its memory, made absolute by links of /proc, without asking the file system.
    private func path(_ record: CallRecord, _ call: SystemCall, _ memory: [UInt8]?) -> [UInt8]? {
        guard let memory, let info = info(record), !memory.isEmpty else { return nil }
        let path = [UInt8](memory.prefix { $0 != 0 })
        guard let first = path.first, first != UInt8(ascii: "/") else { return path.isEmpty ? nil : path }
        let pid = Int32(clamping: record.procPID)
        let tid = Int32(clamping: record.procTID)
        let folder: [UInt8]?
        let directory = info.directoryArgument.map { Int32(truncatingIfNeeded: call.arguments[$0]) } ?? -100
        if directory == -100 {  // AT_FDCWD
            folder = try? procFS.workingDirectory(pid: pid, tid: tid)
        } else {
            folder = try? procFS.descriptorTarget(pid: pid, tid: tid, fd: directory)
        }
        guard let folder, folder.first == UInt8(ascii: "/") else { return path }
        let base = withoutRoot(folder, pid: pid, tid: tid)
        return (base == [UInt8(ascii: "/")] ? [] : base) + [UInt8(ascii: "/")] + path
    }

    // MARK: - identity

    private mutating func identity(_ record: CallRecord, _ clock: ClockReading) -> ProcessIdentity {
        let entity = "\(settings.bootID) \(record.pid) \(record.processStartNanoseconds)"
        var process = ProcessIdentity(record)
        process.name = record.processName
        process.threadName = record.threadName
        process.startWallNanoseconds = clock.wall(ofBoot: record.processStartNanoseconds)
        process.entityID = ByteText.hex([UInt8](SHA1.digest(Array(entity.utf8)).prefix(8)))
        process.userName = users.name(uid: record.userID)
        process.cgroupPath = record.cgroupPath
        process.cgroup = names(ofCgroup: process.cgroupPath)
        return process
    }

    private mutating func names(ofCgroup path: [UInt8]) -> CgroupIdentity {
        if let known = namesOfCgroups[path] { return known }
        if namesOfCgroups.count > 4096 { namesOfCgroups.removeAll() }
        let names = CgroupIdentity(path: String(decoding: path, as: UTF8.self))
        namesOfCgroups[path] = names
        return names
    }

    /// What filters look at.
    mutating func subject(_ record: CallRecord, _ call: BlockedCall, duration: UInt64) -> FilterSubject {
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        let cgroup = record.cgroupPath
        let names = names(ofCgroup: cgroup)
        let network = call.resource.network
        return FilterSubject(
            syscall: call.call?.name, pid: record.pid, tid: record.tid,
            names: [text(record.processName), text(record.threadName)], userID: Int(record.userID),
            userName: users.name(uid: record.userID), cgroup: text(cgroup), unit: names.serviceName,
            container: names.containerID,
            path: (call.resource.file?.path ?? network?.local.path ?? network?.peer.path).map(text),
            ports: [network?.local.port, network?.peer.port].compactMap { $0.map(Int.init) },
            durationNanoseconds: duration)
    }

    /// (tid, start) still name the same thread.
    private func isStill(_ record: CallRecord) -> Bool {
        let pid = Int32(clamping: record.procPID)
        let tid = Int32(clamping: record.procTID)
        guard let ticks = try? procFS.threadStart(pid: pid, tid: tid) else { return false }
        // /proc rounds down to clock ticks; a boot-time offset between namespaces does not reach the kernel's stamp
        let expected = record.threadStartNanoseconds / (1_000_000_000 / settings.clockTicksPerSecond)
        return max(ticks, expected) - min(ticks, expected) <= 1
    }

    static func reason(_ error: ProcError) -> String {
        error.isNotPermitted ? "not_permitted" : error.isGone ? "process_gone" : "in_flight"
    }
}

/// `/proc/self/mountinfo`
enum MountTable {
    /// The source of the mount with this `major:minor`.
    static func source(ofDevice device: String, mountinfo: [UInt8]) -> String? {
        let wanted = Array(device.utf8)
        for line in mountinfo.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "))
            guard fields.count > 6, fields[2].elementsEqual(wanted) else { continue }
            guard let dash = fields.firstIndex(where: { $0.elementsEqual([UInt8(ascii: "-")]) }),
                dash + 2 < fields.count
            else { continue }
            return String(decoding: fields[dash + 2], as: UTF8.self)
        }
        return nil
    }
}
