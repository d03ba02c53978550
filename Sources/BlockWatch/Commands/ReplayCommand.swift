import ArgumentParser
import BlockWatchCore
import Glibc

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Trees, chains and totals again from recorded NDJSON, of many hosts too; needs no root.",
        discussion: """
            Shows what was open at the end of the recording, as trees by root blocker, then sums of all of it. Lines of other \
            programs are passed over. Filters choose the calls that are shown; totals are of all.
            With --format ndjson the last records of the calls shown, then sums.
            """)

    @Argument(help: "Recorded streams, in any order; - for standard input.") var files: [String]

    @Option(help: "The state at this moment: 2026-03-01T09:05:00Z.", transform: Self.moment) var at: UInt64?
    @Option(help: "auto and text: trees and sums for people; ndjson: records and sums.") var format: OutputFormat =
        .auto
    @Flag(help: "Calls that are idle by design too.") var all = false
    @OptionGroup var filters: FilterOptions
    @Flag(name: .customLong("exit-code"), help: "End with 1 if something was blocked at the end.") var exitCode = false

    private static func moment(_ text: String) throws -> UInt64 {
        guard let moment = Timestamp.nanoseconds(rfc3339: text.utf8) else {
            throw ValidationError("not a time: write for example 2026-03-01T09:05:00Z or 2026-03-01T10:05:00+01:00")
        }
        return moment
    }

    func validate() throws {
        guard files.count(where: { $0 == "-" }) < 2 else { throw ValidationError("- is given twice") }
        guard !files.contains("") else { throw ValidationError("an empty file name") }
    }

    func run() throws {
        // all of them first: a typo in the last name must not cost an hour of reading
        let inputs = files.map { ($0, descriptor: Self.open($0)) }
        var recording = Recording(until: at)
        var failure: String?
        for (name, descriptor) in inputs {
            recording.beginFile(name == "-" ? "standard input" : name)
            if let answer = Self.read(descriptor, into: &recording) {
                failure = failure ?? "cannot read \(name) to its end: \(describe(errno: answer)); what was read is told"
            }
            if descriptor != STDIN_FILENO { close(descriptor) }
        }
        let report = ReplayReport(recording, ReplayReport.Settings(all: all, filter: filters.filter))
        if format == .ndjson {
            var text: [UInt8] = []
            report.ndjson { line in
                text += line
                if text.count > 1 << 16 {
                    printOut(text)
                    text.removeAll(keepingCapacity: true)
                }
            }
            printOut(text)
        } else {
            printLines(report.lines())
        }
        if let failure { fail(.cannotReadInput, failure) }
        Glibc.exit(exitCode && report.foundSomething ? 1 : 0)
    }

    private static func open(_ name: String) -> Int32 {
        if name == "-" { return STDIN_FILENO }
        let descriptor = unsafe Glibc.open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        var answer = errno
        var status = stat()
        if descriptor >= 0, unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            answer = EISDIR
        }
        guard descriptor >= 0, answer != EISDIR else {
            fail(
                .wrongUsage,
                "cannot open the recording \(name): \(describe(errno: answer)); name files that may be read")
        }
        return descriptor
    }

    /// - Returns: the errno of read(2) if it failed.
    private static func read(_ descriptor: Int32, into recording: inout Recording) -> Int32? {
        var lines = LineSplitter(limit: RecordedLine.limit)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count <= 0 {
                let answer = errno
                lines.finish { recording.add($0) }
                return count < 0 ? answer : nil
            }
            lines.feed(buffer[..<count]) { recording.add($0) }
        }
    }
}
