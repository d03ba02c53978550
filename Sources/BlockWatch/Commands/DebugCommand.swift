import ArgumentParser
import BlockWatchCore
import Glibc

struct DebugCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "debug",
        abstract: "Say again what a recording of --debug-record leads to; needs no root.",
        discussion: """
            Runs everything behind the kernel's answers over the recording: the same file gives the same lines, on any \
            machine. On stderr: how much was played, and what was asked that was never recorded.
              blockwatch debug hang.tape --format text
            """,
        shouldDisplay: false)

    @Argument(help: "A file that --debug-record has written.") var file: String
    @Option(help: "auto and ndjson: lines of the stream; text: lines and trees for people.") var format: OutputFormat =
        .auto

    /// More is no recording of a few minutes.
    private static let mostBytes = 1 << 30

    func run() throws {
        let bytes = read()
        do throws(TapeError) {
            let player = try TapePlayer(bytes)
            printOutcome(try play(player))
        } catch { fail(.wrongUsage, "cannot play \(file): \(error)") }
    }

    private func play(_ player: consuming TapePlayer) throws(TapeError) -> TapePlayer.Outcome {
        let host = player.host
        let hasTrees = player.hasReports
        var text = format == .text ? TextFormat(usesColor: false) : nil
        var ndjson = NDJSON(host.origin)
        var deadlocks: [DeadlockReport] = []
        var lines: [UInt8] = []
        let outcome = try player.play { saying in
            switch saying {
            case .record(let record):
                if case .deadlock(let report) = record.body { deadlocks.append(report) }
                if text != nil, hasTrees { return }
                lines += text?.line(record, offsetSeconds: 0) ?? ndjson.line(record)
            case .explanation(let pid, let explanation):
                let told = explanation?.lines() ?? ["PID \(pid) has just ended."]
                lines += told.flatMap { Array("\($0)\n".utf8) }
            case .reports(let calls, let idle, let threads):
                guard text != nil else { return }
                let isShown = host.pipeline.verdicts.contains(.idle)
                let told = SnapshotCommand.lines(
                    calls, deadlocks, threads: threads, thresholdNanoseconds: host.pipeline.thresholdNanoseconds,
                    hiddenIdle: isShown ? 0 : idle)
                lines += told.flatMap { Array("\($0)\n".utf8) }
            }
            if lines.count > 1 << 16 {
                printOut(lines)
                lines.removeAll(keepingCapacity: true)
            }
        }
        printOut(lines)
        return outcome
    }

    private func printOutcome(_ outcome: TapePlayer.Outcome) {
        let log = Log(level: .info)
        let counts = outcome.counts
        log.info(
            "played \(outcome.steps) steps with \(outcome.kernelRecords) records of the kernel: "
                + "\(outcome.callRecords) told of calls; questions: \(counts.answered) answered, "
                + "\(counts.older) by an older answer, \(counts.missed) not recorded")
        for missed in counts.firstMissed { log.info("not recorded: \(missed)") }
        if outcome.broken > 0 { log.warning("\(outcome.broken) records are not understood") }
        if outcome.lost > 0 {
            log.warning("the recording is incomplete: \(outcome.lost) entries found no room when it was made")
        }
        if outcome.isCut { log.warning("the recording is incomplete: it ends within an entry") }
    }

    private func read() -> [UInt8] {
        let descriptor = unsafe open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else {
            fail(
                .wrongUsage,
                "cannot open the recording \(file): \(describe(errno: errno)); name a file that may be read")
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 {
                fail(
                    .cannotReadInput,
                    "cannot read the recording \(file): \(describe(errno: errno)); name a copy that can be read")
            }
            if count == 0 { return bytes }
            bytes += chunk.prefix(count)
            guard bytes.count <= Self.mostBytes else {
                fail(.wrongUsage, "the recording \(file) is larger than 1 GiB: record for a shorter time")
            }
        }
    }
}
