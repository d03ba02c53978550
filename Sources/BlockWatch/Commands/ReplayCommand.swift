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
              blockwatch replay blockwatch.ndjson --at 2026-03-01T09:05:00Z
              zcat web*.ndjson.gz | blockwatch replay - --comm nginx
            """)

    @Argument(help: "Recorded streams, in any order; - for standard input.", completion: .file())
    var files: [String]

    @Option(help: "The state at this moment: 2026-03-01T09:05:00Z.", transform: RecordingFiles.moment) var at: UInt64?
    @Option(help: "auto and text: trees and sums for people; ndjson: records and sums.") var format: OutputFormat =
        .auto
    @Flag(help: "Calls that are idle by design too.") var all = false
    @OptionGroup var filters: FilterOptions
    @Flag(name: .customLong("exit-code"), help: "End with 1 if something was blocked at the end.") var exitCode = false

    func validate() throws {
        try RecordingFiles.validate(files)
    }

    func run() throws {
        let (recording, failure) = RecordingFiles.read(files, until: at)
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
            printLines(report.lines(width: Terminal.width))
        }
        if let failure { fail(.cannotReadInput, failure) }
        Glibc.exit(exitCode && report.foundSomething ? 1 : 0)
    }
}
