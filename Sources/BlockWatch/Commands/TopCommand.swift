import ArgumentParser
import BlockWatchCore
import Glibc
import Synchronization

struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Watch what is blocked full screen: trees by root blocker, the worst first.",
        discussion: """
            Below the trees stands why the line under the cursor hangs. Keys as in htop;
            ? lists them, q quits.
              blockwatch top --threshold 500ms --comm nginx
              blockwatch top --replay blockwatch.ndjson
            """)

    @Option(help: "Calls blocked longer: 500ms, 5s, 1m30s (default: 1s).", transform: WatchOptions.threshold)
    var threshold: UInt64 = 1_000_000_000
    @Option(help: "trace: exact times. scan: no probe in any system call.") var engine: Engine = .trace
    @Option(
        name: .customLong("replay"),
        help: ArgumentHelp("Play this recorded stream; needs no root; repeatable.", valueName: "file"),
        completion: .file())
    var recordings: [String] = []
    @Option(help: "With --replay: from this moment on.", transform: RecordingFiles.moment) var at: UInt64?
    @Flag(help: "Calls that are idle by design too; the key a.") var all = false
    @OptionGroup var looking: LookOptions

    func validate() throws {
        try RecordingFiles.validate(recordings)
        if at != nil, recordings.isEmpty { throw ValidationError("--at needs a recording: --replay FILE") }
    }

    func run() throws {
        if let problem = Settings.userProblem(looking.filters) { fail(.wrongUsage, problem) }
        let terminal = TerminalDevice()
        // what is said meanwhile would stand in the midst of the screen
        let later = LogWriter()
        let log = Log(level: .warning, writer: later)
        let signals = Signals(also: [SIGTSTP, SIGCONT, SIGWINCH])
        let files = KeptFiles()
        // before anything is read of others: later nothing can be started
        let graphviz = try? Graphviz(isLazy: true)
        let stacks = recordings.isEmpty ? StackServer() : nil
        Ending.register { terminal.leave() }
        let desk = LookDesk()

        func show(_ top: Top) {
            signals.start()
            startNeededThread(stackBytes: 1 << 20) {
                var loop = TopLoop(top, terminal, signals, files, desk, graphviz, isRecorded: !recordings.isEmpty)
                loop.run()
                terminal.leave()
                later.start()
                later.flush(withinMilliseconds: 200)
                Glibc.exit(0)
            }
        }

        if recordings.isEmpty {
            let inspection = inspection(without: [graphviz?.processID, stacks?.processID], stacks, log)
            show(Top(hostName: inspection.host.name, thresholdNanoseconds: threshold, showsIdle: all))
            var source = LiveTop(inspection)
            desk.serve(&source)
        } else {
            var player = RecordingPlayer(filter: looking.filters.filter)
            let failure = RecordingFiles.read(recordings, into: &player)
            if let failure { log.warning(failure) }
            player.begin(at: at)
            show(
                Top(hostName: player.hostName, thresholdNanoseconds: player.thresholdNanoseconds, showsIdle: all))
            var source = RecordedTop(player)
            desk.serve(&source)
        }
    }

    /// - Parameter helpers: processes of ours, which wait for us.
    private func inspection(without helpers: [Int?], _ stacks: StackServer?, _ log: Log) -> Inspection {
        var filter = looking.filters.filter
        for helper in helpers.compactMap(\.self) { filter.exclude[.pid, default: []].append(String(helper)) }
        return Inspection(
            scope: looking.scope, thresholdNanoseconds: threshold, filter: filter, commandLine: looking.commandLine,
            recordPath: nil, traces: engine == .trace, usesTerminal: true, stackServer: stacks, log: log)
    }
}

/// What must be done however the process ends by itself.
enum Ending {
    private static let work = Mutex<(@Sendable () -> Void)?>(nil)

    /// C function: `atexit`
    static func register(_ body: @escaping @Sendable () -> Void) {
        work.withLock { $0 = body }
        atexit { Ending.work.withLock { $0 }?() }
    }
}
