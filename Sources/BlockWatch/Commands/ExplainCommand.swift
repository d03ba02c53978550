import ArgumentParser
import BlockWatchCapture
import BlockWatchCore
import Glibc

enum ActivityFormat: String, ExpressibleByArgument, CaseIterable, Sendable { case text, json }

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say in sentences why a process hangs: what each thread waits for, and who is at the root.",
        usage: """
            blockwatch explain PROCESS [--for DURATION [--format json]] [OPTIONS]
            blockwatch explain --verdict NAME
            """,
        discussion: """
            Takes a process id, a thread id, or a name.
            With --for 3s it watches the process call by call: on a processor where, or round and round in which calls.
            With --verdict NAME it says what a verdict or a reason means instead.
              blockwatch explain 4711
              blockwatch explain mysqld
              blockwatch explain --for 3s worker
              blockwatch explain --verdict peer_stuck
            """)

    @Argument(help: "A process, by its id or name; a thread id stands for its process.") var process: String?

    @Option(
        help: ArgumentHelp("What a verdict or reason means (peer_stuck), or all of them (all).", valueName: "name"),
        completion: .list(["all"] + Verdict.allCases.map(\.rawValue) + Reason.allCases.map(\.rawValue)))
    var verdict: String?

    @Option(
        name: .customLong("for"),
        help: ArgumentHelp(
            "Watch it for so long, call by call, and say what it does: 3s, 500ms; a process of that name may come and go.",
            valueName: "duration"), transform: WatchOptions.threshold)
    var span: UInt64?

    @Option(help: "Of --for: text, or json, one object.") var format: ActivityFormat = .text

    @Option(
        help:
            "host: refuse to run where the host's processes cannot be seen. namespace: this PID namespace, by its numbers."
    )
    var scope: Scope = .host
    @OptionGroup var recording: RecordOptions
    @Flag(name: .customLong("exit-code"), help: "End with 1 if something was found.") var exitCode = false

    /// Processes of one name that are told one after the other.
    private static let mostProcesses = 20

    func validate() throws {
        guard (process == nil) != (verdict == nil) else {
            throw ValidationError("explain takes a process (its id or name), or --verdict NAME")
        }
        guard format == .text || span != nil else {
            throw ValidationError(
                "--format json is for --for; blockwatch snapshot --format ndjson --pid PID tells what is blocked")
        }
        guard span == nil || verdict == nil else {
            throw ValidationError("--for watches a process: it does not go with --verdict")
        }
    }

    func run() throws {
        if let verdict { return try explain(verdict: verdict) }
        guard let process else { return }
        if let span { return watch(process, nanoseconds: span) }
        let procFS = ProcFS(root: "/proc")
        let processes = ProcessFinder(procFS: procFS).find(process)
        var pids: [Int32] = []
        switch processes {
        case .nobody: failForNobody(process)
        case .kernelThread, .zombie: tellNothingToWatch(process, processes)
        case .thread(let pid): pids = [pid]
        case .processes(let found): pids = found
        }
        var look = Inspection(
            scope: scope, thresholdNanoseconds: 1_000_000_000, filter: Filter(), commandLine: .none,
            recordPath: recording.path, stacks: .lines, log: Log(level: .warning))
        look.watchDevices()
        var lines: [String] = []
        if case .thread(let pid) = processes { lines.append("\(process) is a thread of process \(pid).") }
        var foundSomething = false
        for pid in pids.prefix(Self.mostProcesses) {
            if !lines.isEmpty { lines.append("") }
            let number = look.kernelNumber(of: pid)
            let explanation = number.flatMap {
                look.pipeline.explain(pid: $0, source: &look.source, risky: &look.risky, clock: Clock.now())
            }
            if let explanation {
                lines += explanation.lines(width: Terminal.width)
                foundSomething = foundSomething || explanation.foundSomething
            } else {
                // a main thread that has ended cannot be looked up by its link, though others go on
                lines.append(
                    ProcFS(root: "/proc").numbers(in: "\(pid)/task").isEmpty
                        ? "PID \(pid) has just ended." : "PID \(pid) is there, but may not be looked at.")
            }
        }
        look.endRecording()
        if pids.count > Self.mostProcesses {
            lines += ["", "and \(pids.count - Self.mostProcesses) more of that name"]
        }
        printLines(lines)
        Glibc.exit(exitCode && foundSomething ? 1 : 0)
    }

    /// Of a process that makes no calls: what it is, and the end.
    func tellNothingToWatch(_ process: String, _ found: ProcessFinder.Found) {
        switch found {
        case .kernelThread(let name):
            printLines([
                "\(TerminalText.escaped(name))[\(process)] is a thread of the kernel itself. It makes no system calls; what it does:",
                "  cat /proc/\(process)/stack /proc/\(process)/wchan",
            ])
            Glibc.exit(0)
        case .zombie(let name, let parent):
            printLines([
                "\(TerminalText.escaped(name))[\(process)] has ended and is a zombie: it waits for nothing and holds nothing.",
                "  Its parent, PID \(parent), has not called wait for it: blockwatch explain \(parent)",
            ])
            Glibc.exit(0)
        case .processes, .thread, .nobody: break
        }
    }

    func failForNobody(_ process: String) -> Never {
        fail(
            .wrongUsage,
            Int32(process) == nil
                ? "no process is named \(process); pgrep -l \(process) lists similar names"
                : "there is no process or thread \(process): it has ended, or never was; blockwatch snapshot shows what is blocked"
        )
    }

    private func explain(verdict name: String) throws {
        guard let lines = Meaning.lines(of: name) else {
            let known = Verdict.allCases.map(\.rawValue) + Reason.allCases.map(\.rawValue)
            fail(
                .wrongUsage,
                "there is no verdict or reason \(TerminalText.escaped(name)): \(known.joined(separator: ", "))")
        }
        printLines(lines.flatMap { TerminalText.wrapped($0, to: Terminal.width ?? 100, hang: 0) })
    }
}

/// Which processes a word stands for, from /proc.
struct ProcessFinder {
    enum Found {
        case processes([Int32])
        /// The process that the thread belongs to.
        case thread(of: Int32)
        case kernelThread(name: [UInt8])
        case zombie(name: [UInt8], parent: Int32)
        case nobody
    }

    let procFS: ProcFS

    func find(_ word: String) -> Found {
        guard let number = Int32(word), number > 0 else { return byName(word) }
        // /proc has a folder for every thread, not only for those it lists
        guard let status = try? procFS.status(pid: number, tid: number) else { return .nobody }
        if status.processID != number { return .thread(of: status.processID) }
        let name = read("\(number)/comm").prefix { $0 != 10 }
        let stat = read("\(number)/stat")
        let fields = stat.split(separator: UInt8(ascii: ")")).last?.split(separator: UInt8(ascii: " ")) ?? []
        if fields.first?.elementsEqual("Z".utf8) == true, threads(of: number).count < 2 {
            return .zombie(name: [UInt8](name), parent: status.parentID)
        }
        // PF_KTHREAD in field 9
        if fields.count > 6, let flags = UInt32(String(decoding: fields[6], as: UTF8.self)), flags & 0x20_0000 != 0 {
            return .kernelThread(name: [UInt8](name))
        }
        return .processes([number])
    }

    /// Empty if it is gone.
    private func read(_ path: String) -> [UInt8] {
        do { return try procFS.readFile(path, limit: 4096) } catch { return [] }
    }

    private func threads(of pid: Int32) -> [Int32] { procFS.numbers(in: "\(pid)/task") }

    private func byName(_ name: String) -> Found {
        // the kernel keeps 15 bytes of a name
        let wanted = Array(name.utf8.prefix(15))
        let own = getpid()
        let found = procFS.numbers().filter { pid in
            pid != own && read("\(pid)/comm").prefix { $0 != 10 }.elementsEqual(wanted)
        }
        return found.isEmpty ? .nobody : .processes(found.sorted())
    }
}
