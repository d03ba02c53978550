import ArgumentParser
import BlockWatchCapture
import BlockWatchCore
import Glibc

/// What `snapshot` and `explain` share: everything that one look needs, and no program on any system call.
struct Inspection: ~Copyable {
    let host: Host
    let capture: Capture
    var pipeline: Pipeline
    var source: LiveHolders
    var risky: RiskyReaders

    init(
        scope: Scope, thresholdNanoseconds: UInt64, filter: Filter, commandLine: CommandLinePolicy,
        verdicts: Set<Verdict> = Set(Verdict.allCases), log: Log
    ) {
        let symbols = SymbolLoader(ProcFS(root: "/proc"))
        host = Host(procFS: ProcFS(root: "/proc"))
        host.requireScope(scope)
        host.requireCapabilities()
        do throws(CaptureError) {
            capture = try Capture(
                CaptureSettings(
                    thresholdNanoseconds: thresholdNanoseconds, trace: false, filter: filter, verdicts: verdicts))
        } catch {
            fail(error.exitCode, error.description)
        }
        Confinement.dropPrivileges(of: host)
        risky = RiskyReaders(procFS: host.procFS)
        source = LiveHolders(
            holders: capture.holders, runner: FilePassRunner(log: log),
            seesAllProcesses: host.isInInitialPIDNamespace, log: log)
        pipeline = Pipeline(
            Pipeline.Settings(
                thresholdNanoseconds: thresholdNanoseconds, newOnly: false, repeatNanoseconds: nil, maxRate: .max,
                filter: filter, ignoreRules: [], verdicts: verdicts),
            identifier: Identifier(
                procFS: host.procFS, users: host.users,
                settings: Identifier.Settings(
                    bootID: host.bootID, commandLine: commandLine,
                    clockTicksPerSecond: UInt64(max(sysconf(Int32(_SC_CLK_TCK)), 1)), nativeABI: Host.nativeABI),
                symbols: { symbols.take() }),
            now: Clock.now().monotonic)
        Confinement.filterSystemCalls(appendsToFile: false, replacesFile: false, log: log)
    }

    /// Looks at all threads once, and for the other ends of those that are blocked.
    mutating func look() {
        for _ in 0..<64 {
            do throws(CaptureError) { try capture.scan() } catch { fail(error.exitCode, error.description) }
            var records: [KernelRecord] = []
            capture.consume { bytes in if let record = try? KernelRecord(bytes) { records.append(record) } }
            pipeline.ingest(records, clock: Clock.now(), risky: &risky)
            pipeline.relate(source: &source, risky: &risky, relooks: false, clock: Clock.now())
            if capture.counters.scanDropped == 0 { break }
        }
    }
}
