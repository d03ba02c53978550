import BlockWatchCore
import Glibc

extension ExplainCommand {
    /// Processes of one name that are watched from the beginning on.
    private static let mostWatched = 1000

    /// `--for`: what a process does that does not hang, or that comes and goes.
    func watch(_ process: String, nanoseconds: UInt64) {
        let found = ProcessFinder(procFS: ProcFS(root: "/proc")).find(process)
        let isByName = Int32(process).map { $0 <= 0 } ?? true
        var pids: [Int32] = []
        switch found {
        // a process of that name may yet come
        case .nobody: if !isByName { failForNobody(process) }
        case .kernelThread, .zombie: tellNothingToWatch(process, found)
        case .thread(let pid): pids = [pid]
        case .processes(let all): pids = Array(all.prefix(Self.mostWatched))
        }
        var watch = ActivityWatch(name: isByName ? process : nil, scope: scope, recordPath: recording.path)
        let report = watch.run(pids: pids, word: process, isByName: isByName, nanoseconds: nanoseconds)
        guard !report.log.lives.isEmpty else {
            if !isByName { fail(.wrongUsage, "PID \(process) has just ended, or may not be looked at") }
            fail(
                .wrongUsage,
                "no process is named \(process), and none came within "
                    + TerminalText.duration(nanoseconds: report.watchedNanoseconds)
                    + "; pgrep -l \(process) lists similar names")
        }
        let code: Int32 = exitCode && report.foundSomething ? 1 : 0
        if format == .json {
            var process: Int?
            if case .thread(let pid) = found { process = Int(pid) }
            printOut(report.json(threadOf: process))
            Glibc.exit(code)
        }
        var lines: [String] = []
        if case .thread(let pid) = found { lines.append("\(process) is a thread of process \(pid).") }
        lines += report.lines(width: Terminal.width)
        printLines(lines)
        Glibc.exit(code)
    }
}
