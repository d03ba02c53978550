/// Who waits: the process, its program, what filters look at.
extension Identifier {
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

    private func eventID(_ record: CallRecord) -> String {
        let text =
            "\(settings.bootID) \(record.threadStartNanoseconds) \(record.id) \(record.startNanoseconds) \(record.tid)"
        return ByteText.hex([UInt8](SHA1.digest(Array(text.utf8)).prefix(8)))
    }

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
        if process.cgroup.containerID != nil || process.cgroup.podUID != nil {
            process.cgroup = process.cgroup.named(by: containerNames())
        }
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
}
