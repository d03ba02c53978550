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
        usesTerminal: Bool = false, processWatch: ProcessWatchSettings? = nil, stacks: StackPolicy = .none,
        stackServer: StackServer? = nil, log: Log
    ) {
        // a process of its own, begun before anything is read of others
        let server = stackServer ?? (stacks == .none ? nil : StackServer())
        let symbols = SymbolLoader(ProcFS(root: "/proc"))
        host = Host(procFS: ProcFS(root: "/proc"))
        host.requireScope(scope)
        host.requireCapabilities()
        var settings = CaptureSettings(
            thresholdNanoseconds: thresholdNanoseconds, trace: traces, filter: filter, verdicts: verdicts)
        settings.processWatch = processWatch
        do throws(CaptureError) { capture = try Capture(settings) } catch {
            fail(error.exitCode, error.description)
        }
        recorder = Recorder.begin(path: recordPath, host: host, symbols: symbols, log: log)
        Confinement.dropPrivileges(of: host)
        let holders = capture.holders
        risky = TapedReaders(
            readers: RiskyReaders(procFS: host.procFS), recorder: recorder,
            stacks: server.map {
                StackWalker(server: $0, holders: holders, milliseconds: 2000, mostMilliseconds: 2000)
            })
        source = LiveHolders(
            holders: capture.holders, runner: FilePassRunner(log: log),
            seesAllProcesses: host.isInInitialPIDNamespace, recorder: recorder, log: log)
        var pipelineSettings = Pipeline.Settings(
            thresholdNanoseconds: thresholdNanoseconds, newOnly: false, repeatNanoseconds: nil, maxRate: .max,
            filter: filter, ignoreRules: [], verdicts: verdicts)
        pipelineSettings.stacks = server == nil ? .none : stacks
        pipeline = TapedPipeline(
            pipelineSettings, host: host, identifier: Identifier.Settings(host, commandLine: commandLine),
            symbols: symbols,
            recorder: recorder, start: Clock.now().monotonic)
        Confinement.filterSystemCalls(appendsToFile: false, replacesFile: false, usesTerminal: usesTerminal, log: log)
    }

    /// Watches the block devices for as long as somebody waits for one of them and none of its requests has been seen to end,
    /// up to two seconds: what a device does shows only from one reading of its counters to the next.
    mutating func watchDevices() {
        for _ in 0..<20 {
            pipeline.relate(source: &source, risky: &risky, relooks: false, clock: Clock.now())
            let isSilent = pipeline.pure.waitsForDevices || (threadsWaitForDevices && !pipeline.pure.someDeviceMoves)
            guard isSilent else { return }
            usleep(110_000)
        }
    }

    /// `procs_blocked` of /proc/stat
    private var threadsWaitForDevices: Bool {
        let text = (try? host.procFS.readFile("stat", limit: 1 << 20)) ?? []
        let line = text.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: "procs_blocked ".utf8) }
        return line.map { !$0.elementsEqual("procs_blocked 0".utf8) } ?? false
    }

    /// Looks at all threads once, and for the other ends of those that are blocked.
    mutating func look() {
        watchDevices()
        for _ in 0..<64 {
            do throws(CaptureError) { try capture.scan() } catch { fail(error.exitCode, error.description) }
            pipeline.drain(capture, risky: &risky)
            pipeline.relate(source: &source, risky: &risky, relooks: false, clock: Clock.now())
            if capture.counters.scanDropped == 0 { break }
        }
    }

    /// Where in its program a thread is that is still in that call, in lines.
    mutating func functions(of wish: Top.StackWish) -> [String] {
        guard risky.stacks != nil else {
            return ["In the program: not known, stacks cannot be walked here; blockwatch doctor says why"]
        }
        return pipeline.pure.functions(of: wish.tid, in: wish.call, source: &source, risky: &risky)
    }

    /// The number that the kernel side knows a process by, which is the initial namespace's.
    ///
    /// - Parameter pid: in the namespace of blockwatch's own /proc.
    /// - Returns: `nil` if it is gone, or may not be looked at.
    mutating func kernelNumber(of pid: Int32) -> Int? {
        if host.isInInitialPIDNamespace { return Int(pid) }
        do throws(ProcError) {
            let link = String(decoding: try host.procFS.readLink("\(pid)/ns/pid"), as: UTF8.self)
            guard let tid = try host.procFS.status(pid: pid, tid: pid).namespaceIDs.last,
                let namespace = link.split(separator: "[").last.flatMap({ UInt32($0.dropLast()) })
            else { return nil }
            return source.threads([.inner(namespace: namespace, tid: Int(tid))]).first?.pid
        } catch { return nil }
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
