import ArgumentParser
import BlockWatchCapture
import BlockWatchCore
import Glibc

struct SnapshotCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Say what is blocked right now, once, as trees by root blocker.",
        discussion: """
            Times are lower bounds (>=): they count from when a thread last ran.
            With --format ndjson the same calls as records of the stream.
              blockwatch snapshot --threshold 500ms
              blockwatch snapshot --user postgres --exit-code
            """)

    @Option(help: "Calls blocked longer: 500ms, 5s, 1m30s (default: 1s).", transform: WatchOptions.threshold)
    var threshold: UInt64 = 1_000_000_000

    @Option(help: "auto and text: trees for people; ndjson: records.") var format: OutputFormat = .auto
    @Flag(help: "Calls that are idle by design too.") var all = false
    @Flag(help: "Where in its program each thread waits: functions, files and lines.") var stacks = false
    @OptionGroup var looking: LookOptions
    @OptionGroup var recording: RecordOptions
    @Flag(name: .customLong("exit-code"), help: "End with 1 if something was found.") var exitCode = false

    func run() throws {
        if let problem = Settings.userProblem(looking.filters) { fail(.wrongUsage, problem) }
        var look = Inspection(
            scope: looking.scope, thresholdNanoseconds: threshold, filter: looking.filters.filter,
            commandLine: looking.commandLine,
            verdicts: all ? Set(Verdict.allCases) : Set(Verdict.allCases).subtracting([.idle]),
            recordPath: recording.path, stacks: stacks ? .lines : .none, log: Log(level: .warning))
        look.look()
        let clock = Clock.now()
        let records = look.pipeline.takeRecords()
        let threads = look.capture.counters.scanThreads
        let calls = look.pipeline.reports(threads: threads, clock: clock)
        let idle = look.pipeline.count(of: .idle)
        look.endRecording()
        if format == .ndjson {
            var ndjson = NDJSON(look.host.origin)
            printOut(records.map { String(decoding: ndjson.line($0), as: UTF8.self) }.joined())
        } else {
            let deadlocks = records.compactMap { if case .deadlock(let report) = $0.body { report } else { nil } }
            printLines(
                Self.lines(
                    calls, deadlocks, threads: threads, thresholdNanoseconds: threshold, hiddenIdle: all ? 0 : idle,
                    width: Terminal.width, usesColor: Terminal.usesColor))
        }
        Glibc.exit(exitCode && !calls.isEmpty ? 1 : 0)
    }

    static func lines(
        _ calls: [CallReport], _ deadlocks: [DeadlockReport], threads: UInt64, thresholdNanoseconds: UInt64,
        hiddenIdle: Int, width: Int? = nil, usesColor: Bool = false
    ) -> [String] {
        let limit = TerminalText.duration(nanoseconds: thresholdNanoseconds)
        let idleNote = hiddenIdle > 0 ? ", \(hiddenIdle) more idle by design (--all)" : ""
        let heading = "\(calls.count) of \(threads) threads blocked longer than \(limit)\(idleNote)"
        let trees = Trees(calls: calls, deadlocks: deadlocks).lines(width: width, usesColor: usesColor)
        return [heading] + (trees.isEmpty ? [] : [""] + trees)
    }
}
