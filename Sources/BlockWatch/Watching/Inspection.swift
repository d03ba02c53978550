import ArgumentParser
import BlockWatchCapture
import BlockWatchCore
import Glibc

/// What `snapshot` and `explain` share: everything that one look needs, and no program on any system call.
struct Inspection: ~Copyable {
    let host: Host
    let capture: Capture
    var pipeline: TapedPipeline
    var source: LiveHolders
    var risky: TapedReaders
    private let recorder: Recorder?

    init(
        scope: Scope, thresholdNanoseconds: UInt64, filter: Filter, commandLine: CommandLinePolicy,
        verdicts: Set<Verdict> = Set(Verdict.allCases), recordPath: String?, traces: Bool = false,
        usesTerminal: Bool = false, log: Log
    ) {
        let symbols = SymbolLoader(ProcFS(root: "/proc"))
        host = Host(procFS: ProcFS(root: "/proc"))
        host.requireScope(scope)
        host.requireCapabilities()
        do throws(CaptureError) {
            capture = try Capture(
                CaptureSettings(
                    thresholdNanoseconds: thresholdNanoseconds, trace: traces, filter: filter, verdicts: verdicts))
        } catch {
            fail(error.exitCode, error.description)
        }
        recorder = Recorder.begin(path: recordPath, host: host, symbols: symbols, log: log)
        Confinement.dropPrivileges(of: host)
        risky = TapedReaders(readers: RiskyReaders(procFS: host.procFS), recorder: recorder)
        source = LiveHolders(
            holders: capture.holders, runner: FilePassRunner(log: log),
            seesAllProcesses: host.isInInitialPIDNamespace, recorder: recorder, log: log)
        pipeline = TapedPipeline(
            Pipeline.Settings(
                thresholdNanoseconds: thresholdNanoseconds, newOnly: false, repeatNanoseconds: nil, maxRate: .max,
                filter: filter, ignoreRules: [], verdicts: verdicts),
            host: host, identifier: Identifier.Settings(host, commandLine: commandLine), symbols: symbols,
            recorder: recorder, start: Clock.now().monotonic)
        Confinement.filterSystemCalls(appendsToFile: false, replacesFile: false, usesTerminal: usesTerminal, log: log)
    }

    /// Looks at all threads once, and for the other ends of those that are blocked.
    mutating func look() {
        for _ in 0..<64 {
            do throws(CaptureError) { try capture.scan() } catch { fail(error.exitCode, error.description) }
            pipeline.drain(capture, risky: &risky)
            pipeline.relate(source: &source, risky: &risky, relooks: false, clock: Clock.now())
            if capture.counters.scanDropped == 0 { break }
        }
    }

    /// Looks once more, for what is new, what is over, and what has changed.
    ///
    /// - Parameters:
    ///   - relooks: calls that were looked at before are looked at again.
    ///   - lostClosings: how many ends were lost until the last time; after more of them every thread is asked for.
    mutating func lookAgain(relooks: Bool, lostClosings: inout UInt64) {
        for _ in 0..<64 {
            do throws(CaptureError) { try capture.scan() } catch { break }
            let isWhole = capture.counters.scanDropped == 0
            pipeline.drain(capture, risky: &risky)
            pipeline.relate(source: &source, risky: &risky, relooks: relooks && isWhole, clock: Clock.now())
            if isWhole { break }
        }
        let lost = capture.counters.lostClosings
        for thread in pipeline.threadsToCheck(all: lost != lostClosings) {
            do throws(ProcError) { _ = try host.procFS.threadStart(pid: thread.pid, tid: thread.tid) } catch {
                if error.isGone { pipeline.vanished(thread.call, clock: Clock.now()) }
            }
        }
        lostClosings = lost
        pipeline.endOfScan(at: Clock.now().monotonic)
    }

    /// Writes the rest of the recording.
    func endRecording() { recorder?.close() }
}
