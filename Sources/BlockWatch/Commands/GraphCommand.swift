import ArgumentParser
import BlockWatchCapture
import BlockWatchCore
import Glibc

enum PictureFormat: String, ExpressibleByArgument, CaseIterable, Sendable { case dot, mermaid, json, svg, html }

struct GraphCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "graph",
        abstract: "Draw who waits for whom: of all that is blocked, or of what one process is part of.",
        discussion: """
            Threads, what they wait for, who holds that, up to the roots; deadlocks are
            red, roots bold, threads that are alike one node.
              blockwatch graph --format html > hang.html
              blockwatch graph mysqld | dot -Tpng > hang.png
              blockwatch graph --replay blockwatch.ndjson --at 2026-03-01T09:05:00Z
            """)

    @Argument(help: "A process, by its id or name.") var process: String?

    @Option(help: "dot, mermaid, json; svg and html by Graphviz's dot.") var format: PictureFormat = .dot
    @Option(help: "Calls blocked longer: 500ms, 5s, 1m30s (default: 1s).", transform: WatchOptions.threshold)
    var threshold: UInt64 = 1_000_000_000
    @Option(
        name: .customLong("replay"),
        help: ArgumentHelp("Of this recorded stream; needs no root; repeatable.", valueName: "file"),
        completion: .file())
    var recordings: [String] = []
    @Option(help: "With --replay: at this moment, as 2026-03-01T09:05:00Z.", transform: RecordingFiles.moment)
    var at: UInt64?
    @Flag(help: "Calls that are idle by design too.") var all = false
    @Flag(help: "Pointing at a thread tells the functions in which it waits.") var stacks = false
    @OptionGroup var looking: LookOptions
    @OptionGroup var recording: RecordOptions
    @Flag(name: .customLong("exit-code"), help: "End with 1 if something was found.") var exitCode = false

    func validate() throws {
        try RecordingFiles.validate(recordings)
        if at != nil, recordings.isEmpty { throw ValidationError("--at needs a recording: --replay FILE") }
        if stacks, !recordings.isEmpty {
            throw ValidationError("--stacks takes stacks of threads that hang now, and cannot be given with --replay")
        }
        if process?.isEmpty == true {
            throw ValidationError("an empty name: give a process id or a name, or nothing for all")
        }
    }

    func run() throws {
        if let problem = Settings.userProblem(looking.filters) { fail(.wrongUsage, problem) }
        // it must be there before anything is read of others
        let graphviz =
            format == .svg || format == .html ? Self.orFail { () throws(Graphviz.Failure) in try Graphviz() } : nil
        var failure: String?
        var picture: Picture
        if recordings.isEmpty {
            picture = live()
        } else {
            let (recording, problem) = RecordingFiles.read(recordings, until: at)
            failure = problem
            let report = ReplayReport(recording, ReplayReport.Settings(all: all, filter: looking.filters.filter))
            picture = report.picture(of: process)
        }
        if picture.components.isEmpty {
            picture.title += process.map { ": nothing of \($0)" } ?? ": nothing is blocked"
        }
        printOut(bytes(of: picture, graphviz))
        if let failure { fail(.cannotReadInput, failure) }
        Glibc.exit(exitCode && picture.foundSomething ? 1 : 0)
    }

    private static func orFail<Result>(_ body: () throws(Graphviz.Failure) -> Result) -> Result {
        do throws(Graphviz.Failure) { return try body() } catch { fail(error.code, error.message) }
    }

    private func bytes(of picture: Picture, _ graphviz: Graphviz?) -> [UInt8] {
        switch format {
        case .dot: return Array(picture.dot().utf8)
        case .mermaid: return Array(picture.mermaid().utf8)
        case .json: return picture.json()
        case .svg, .html:
            guard let graphviz else { return [] }
            let svg = Self.orFail { () throws(Graphviz.Failure) in
                try graphviz.svg(of: Array(picture.dot().utf8), isLast: true)
            }
            return format == .svg ? svg : PicturePage.html(picture, svg: svg)
        }
    }

    private func live() -> Picture {
        var subject: Set<Int> = []
        if let process {
            let found = ProcessFinder(procFS: ProcFS(root: "/proc")).find(process)
            switch found {
            case .processes(let pids): subject = Set(pids.map { Int($0) })
            case .thread(let pid): subject = [Int(pid)]
            case .nobody, .kernelThread, .zombie:
                fail(.wrongUsage, "no process \(process) makes system calls; blockwatch explain \(process) says more")
            }
        }
        let wantsIdle = all || !subject.isEmpty
        var look = Inspection(
            scope: looking.scope, thresholdNanoseconds: threshold, filter: looking.filters.filter,
            commandLine: looking.commandLine,
            verdicts: wantsIdle ? Set(Verdict.allCases) : Set(Verdict.allCases).subtracting([.idle]),
            recordPath: recording.path, stacks: stacks ? .all : .none, log: Log(level: .warning))
        look.look()
        let clock = Clock.now()
        let deadlocks = look.pipeline.takeRecords().compactMap {
            if case .deadlock(let report) = $0.body { report } else { nil }
        }
        let calls = look.pipeline.reports(threads: look.capture.counters.scanThreads, clock: clock)
        look.endRecording()
        var picture = Picture(calls: calls, deadlocks: deadlocks, subject: subject, showsIdle: all)
        let stamp = Timestamp.rfc3339(seconds: Int64(clock.wall / 1_000_000_000), nanoseconds: 0).prefix(19)
        let limit = TerminalText.duration(nanoseconds: threshold)
        picture.title = "\(look.host.name) at \(stamp.replacing("T", with: " "))Z, blocked longer than \(limit)"
        return picture
    }
}
