import BlockWatchCapture
import BlockWatchCore
import Glibc

/// `blockwatch watch`: the one thread that owns capture, tracking and report, and its loop.
struct Watch: ~Copyable {
    var settings: Settings
    let log: Log
    let host: Host
    let capture: Capture
    private let output: Output
    private let recorder: Recorder?
    var risky: TapedReaders
    var pipeline: TapedPipeline
    var schedule: ScanSchedule
    private var formats: Formats
    /// `nil` with engine scan.
    var budget: OverheadBudget?
    /// While no probes are in.
    var endings: EndingWatch
    /// `--debug-switch-probes`
    var nextSwitch: UInt64?
    var service: Service
    private let signals: Signals
    private let events: EventSet
    let metrics: MetricsFile?
    /// When the file for Prometheus is written next.
    var nextMetrics: UInt64 = 0
    let startWall: UInt64
    var known = CaptureCounters()
    /// CLOCK_MONOTONIC, nanoseconds: the last scan that began while the probes were out.
    var lastUntraced: UInt64?
    private var droppedLines: UInt64 = 0
    /// Until when a round may wait for a writer that gets on.
    private var patience: UInt64 = 0
    private var toldWidened = false
    private let filePasses: FilePassRunner
    private let seesAllProcesses: Bool
    /// When calls that were said already may be looked at again: a scan has its budget, this has another.
    private var nextRelook: UInt64 = 0
    private static let relookShare: UInt64 = 400
    private static let (stackMilliseconds, mostStackMilliseconds): (UInt32, UInt32) = (20, 200)
    /// When written calls may be said again: they have a budget too.
    private var nextRepeats: UInt64 = 0
    private static let repeatShare: UInt64 = 20
    /// SIGUSR1: every one of them, after the next scan.
    private var saysAll = false
    /// Calls that are over wait so long for others, that one pass over the open files serves them all.
    private var nextRelate: UInt64 = 0
    /// What looking for other ends may cost before that: a hang now and then is told at once.
    private var relating: Allowance
    private static let leastPause: UInt64 = 10_000_000
    private static let shortestPause: UInt64 = 50_000_000
    private var longestPause: UInt64 { max(settings.thresholdNanoseconds / 10, 250_000_000) / 2 }
    private var nextSummary: UInt64?
    private let end: UInt64?

    /// Everything that can fail before the first record: nothing has been written to stdout yet.
    init(_ settings: consuming Settings, log: Log) {
        Heap.keepSmall()
        let stackServer = settings.pipeline.stacks == .none ? nil : StackServer.begin(log)
        // ends before long, and reads nothing of others
        let symbols = SymbolLoader(ProcFS(root: "/proc"))
        let logWriter = LogWriter()
        let manager = ServiceManager(log: log)
        var log = log
        self.settings = settings
        let host = Host(procFS: ProcFS(root: "/proc"))
        self.host = host
        host.requireScope(settings.scope)
        host.requireCapabilities()
        host.warnOfMissingCapabilities(log)
        // signals first: a thread started later inherits the mask
        signals = Signals()
        do throws(CaptureError) {
            capture = try Capture(
                CaptureSettings(
                    thresholdNanoseconds: settings.thresholdNanoseconds, trace: settings.engine == .trace,
                    filter: settings.pipeline.filter, verdicts: settings.pipeline.verdicts,
                    ringBytes: settings.ringBytes))
        } catch {
            fail(error.exitCode, error.description)
        }
        // a host that is overloaded is what it is here to explain
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, -10)
        log.writer = logWriter
        self.log = log
        // a copy: a closure over a part of what is not all there yet is compiled wrongly
        let startTimes = capture.startTimes
        log.debug("the programs are loaded: \(startTimes)")
        do throws(SafePath.PathError) {
            output = try Output(path: settings.outputPath, log: log)
        } catch {
            let advice = error.refusal == nil ? "; name a file in an existing folder that may be written" : ""
            fail(
                .cannotWriteOutput,
                "cannot open the output \(settings.outputPath ?? "stdout"): \(error.description)\(advice)")
        }
        recorder = Recorder.begin(path: settings.recordPath, host: host, symbols: symbols, log: log)
        // capabilities belong to threads: there is only this one yet
        Confinement.dropPrivileges(of: host)
        logWriter.start()
        signals.start()
        output.start()
        if let problem = output.reopeningProblem { log.warning(problem) }
        // after loading, which takes long on a slow machine
        let now = Clock.now()
        startWall = now.wall
        metrics = settings.metricsPath.map { MetricsFile(path: $0, mode: settings.metricsMode, log: log) }
        let holders = capture.holders
        risky = TapedReaders(
            readers: RiskyReaders(procFS: host.procFS), recorder: recorder,
            stacks: stackServer.map {
                StackWalker(
                    server: $0, holders: holders, milliseconds: Self.stackMilliseconds,
                    mostMilliseconds: Self.mostStackMilliseconds,
                    allowance: Allowance(onePartIn: 100, most: 1_000_000_000, now: now.monotonic))
            })
        filePasses = FilePassRunner(log: log)
        seesAllProcesses = host.isInInitialPIDNamespace
        let names = ContainerNameReader()
        names.start(root: host.root)
        schedule = ScanSchedule(
            threshold: settings.thresholdNanoseconds, tick: Clock.tickNanoseconds, now: now.monotonic)
        pipeline = TapedPipeline(
            settings.pipeline, host: host, identifier: Identifier.Settings(host, commandLine: settings.commandLine),
            symbols: symbols, names: names,
            recorder: recorder, start: now.monotonic)
        endings = EndingWatch(threshold: settings.thresholdNanoseconds, now: now.monotonic)
        relating = Allowance(onePartIn: 100, most: 1_000_000_000, now: now.monotonic)
        budget = capture.probes.map {
            OverheadBudget(
                limit: settings.maxOverhead, callNanoseconds: $0.callNanoseconds, processors: Host.processorCount,
                calls: $0.calls, now: now.monotonic)
        }
        nextSwitch = settings.switchProbesNanoseconds.map { now.monotonic.saturatingAdd($0) }
        formats = Formats(settings, origin: host.origin)
        nextSummary = settings.summaryNanoseconds.map { now.monotonic.saturatingAdd($0) }
        end = settings.durationNanoseconds.map { now.monotonic.saturatingAdd($0) }
        let reloader = settings.configPath.map { Reloader(path: $0, arguments: settings.commandLineOptions) }
        service = Service(manager: manager, reloader: reloader, now: now.monotonic)
        events = EventSet(
            capture.descriptor, signals.descriptor, output.endings.descriptor, reloader?.done.descriptor ?? -1)
        Heap.giveBack()
        // its own pages may lie on the disk that has died
        if mlockall(Int32(MCL_CURRENT) | Int32(MCL_FUTURE) | lockOnFault) != 0 {
            let answer = errno
            log.info("memory is not locked: \(describe(errno: answer)); needs CAP_IPC_LOCK")
        }
        metrics?.start()
        reloader?.start()
        Confinement.filterSystemCalls(
            appendsToFile: settings.outputPath != nil, replacesFile: settings.metricsPath != nil, log: log)
    }

    /// - Returns: the exit code.
    mutating func run() -> ExitCode {
        let options = settings.commandLineOptions
        pipeline.started(
            Started(
                version: blockwatchVersion, options: options, kernel: host.kernelRelease, machine: host.machine,
                engine: settings.engine.rawValue, scope: settings.scope.rawValue, capabilities: host.capabilities(),
                thresholdNanoseconds: settings.thresholdNanoseconds), clock: Clock.now())
        flush()
        service.manager.ready(status)
        while true {
            events.wait(milliseconds: timeToNextWork())
            if let ending = output.ending {
                switch ending {
                case .readerGone: return .success
                case .failed(let errno):
                    log.error("cannot write the output: \(describe(errno: errno))")
                    return .cannotWriteOutput
                }
            }
            drain()
            if let reason = handleSignals() { return stop(reason) }
            keepWithinBudget()
            let now = Clock.now()
            if schedule.isDue(at: now.monotonic) || saysAll {
                scan(now)
            } else {
                scan(threads: schedule.dueThreads(at: now.monotonic))
            }
            lookForEndings(at: now.monotonic)
            // of calls that are over already, and of single threads
            if pipeline.hasPending, now.monotonic >= nextRelate { relate(isLast: false) }
            if let due = nextSummary, now.monotonic >= due { summarize(now, due) }
            flush()
            serve(at: now.monotonic)
            if let end, now.monotonic >= end { return stop("duration") }
        }
    }

    // MARK: - the steps of a round

    private func timeToNextWork() -> Int32 {
        let now = Clock.now().monotonic
        var next = min(schedule.next, service.next)
        if let nextSummary { next = min(next, nextSummary) }
        if let budget { next = min(next, budget.next, nextSwitch ?? .max) }
        if pipeline.hasPending { next = min(next, nextRelate) }
        next = min(next, endings.next)
        if let end { next = min(next, end) }
        let nanoseconds = next > now ? next - now : 0
        return Int32(clamping: nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 > 0 ? 1 : 0))
    }

    /// Takes what the programs have said.
    private mutating func drain() {
        pipeline.drain(capture, risky: &risky) { error in
            log.error("a record of the kernel side is not understood: \(error)")
        }
    }

    /// - Parameter isDue: by the schedule, which can be late.
    mutating func scan(_ now: ClockReading, isDue: Bool = true) {
        let lateness = isDue ? schedule.lateness(at: now.monotonic) : 0
        if lateness > max(settings.thresholdNanoseconds, 1_000_000_000) {
            pipeline.lost(
                Loss(
                    what: "scans", count: 1,
                    reason: "blockwatch itself was held up for \(TerminalText.duration(nanoseconds: lateness))"),
                clock: now)
            schedule.postpone(from: now.monotonic)
            return
        }
        tellGap(at: now)
        let (start, finish, cost) = look(isClose: schedule.isClose, mayRelook: true)
        let counters = capture.counters
        schedule.finished(
            start: start, end: finish, cost: cost, crossing: counters.nextCrossingNanoseconds,
            crossings: capture.crossings)
        tellLosses(counters)
        checkThreads(all: counters.lostClosings != known.lostClosings)
        known = counters
        pipeline.endOfScan(at: finish)
        if schedule.isWidened != toldWidened {
            toldWidened = schedule.isWidened
            if toldWidened {
                pipeline.lost(
                    Loss(
                        what: "scans", count: 1,
                        reason: "a scan of \(counters.scanThreads) threads takes "
                            + "\(TerminalText.duration(nanoseconds: cost)) of a core; scanning less often"),
                    clock: Clock.now())
            }
        }
        if saysAll {
            saysAll = false
            sayAgain(pipeline.writtenCalls)
        } else if finish >= nextRepeats {
            let before = Clock.processCPU()
            sayAgain(pipeline.dueRepeats(at: now.monotonic, most: capture.mostRefreshes))
            nextRepeats = finish + (Clock.processCPU() - before) * Self.repeatShare
        }
        if finish >= nextMetrics { writeMetrics(at: finish) }
    }

    /// Has the programs look at all threads, and says what they bring up. A ringful at a time, so that memory stays small
    /// whatever the number of threads, nor do the lines of tens of thousands of them wait for each other.
    ///
    /// - Parameter mayRelook: after the last round at calls that were said already, too.
    /// - Returns: when the last round began and ended, and the CPU time of all in the kernel.
    private mutating func look(isClose: Bool, mayRelook: Bool) -> (start: UInt64, finish: UInt64, cost: UInt64) {
        var start = Clock.now().monotonic
        var finish = start
        var cost: UInt64 = 0
        // the ring may have had no room for all: drain it and look again, but not for ever
        for _ in 0..<64 {
            start = Clock.now().monotonic
            let before = Clock.threadCPU()
            do throws(CaptureError) {
                try capture.scan(horizon: schedule.horizon(at: start), isClose: isClose)
            } catch {
                pipeline.lost(Loss(what: "scans", count: 1, reason: error.description), clock: Clock.now())
                break
            }
            finish = Clock.now().monotonic
            cost += Clock.threadCPU() - before
            let isWhole = capture.counters.scanDropped == 0
            drain()
            relate(isLast: isWhole && mayRelook)
            flush()
            if isWhole || signals.wantEnd { break }
        }
        return (start, finish, cost)
    }

    /// Writes these calls again, as they are now. Not of the scan's own account: however many there are, new ones are
    /// found as soon as ever.
    private mutating func sayAgain(_ calls: [UInt64]) {
        var rest = calls[...]
        while !rest.isEmpty, !signals.wantEnd {
            let some = rest.prefix(capture.mostRefreshes)
            rest = rest.dropFirst(some.count)
            capture.requestRefresh(of: some)
            _ = look(isClose: true, mayRelook: false)
            capture.endRefresh(of: some)
        }
    }

    /// Looks at those threads whose calls have just crossed the threshold. What finds no room is seen by the next scan.
    mutating func scan(threads: [UInt32]) {
        guard !threads.isEmpty else { return }
        do throws(CaptureError) { try capture.scan(threads: threads) } catch {
            log.warning(error.description)
        }
        drain()
    }

    /// Finds the other ends of what the scan brought up, and says it.
    private mutating func relate(isLast: Bool) {
        let start = Clock.now()
        let before = Clock.processCPU()
        let relooks = isLast && start.monotonic >= nextRelook
        var source = LiveHolders(
            holders: capture.holders, runner: filePasses, seesAllProcesses: seesAllProcesses, recorder: recorder,
            log: log)
        pipeline.relate(source: &source, risky: &risky, relooks: relooks, clock: start)
        let end = Clock.now().monotonic
        if source.questionCount > 0 {
            log.debug(
                "asked for \(source.questionCount) other ends: open files \(source.filesNanoseconds / 1000) us, threads "
                    + "\(source.threadsNanoseconds / 1000) us, in all \((end - start.monotonic) / 1000) us")
        }
        if !isTraced, capture.visitsSingly { endings.resume(at: end) }
        let cost = Clock.processCPU() - before
        relating.spend(cost)
        // as rarely as the budget wants, and as often as what was seen must be said
        relating.advance(to: end)
        nextRelate =
            end + (relating.isOpen ? Self.leastPause : min(max(Self.shortestPause, cost * 100), longestPause))
        if relooks {
            nextRelook = start.monotonic + max(1_000_000_000, (Clock.processCPU() - before) * Self.relookShare)
        }
    }

    /// What the programs counted as lost since the last look.
    private mutating func tellLosses(_ counters: CaptureCounters) {
        let clock = Clock.now()
        let rows: [(String, UInt64, UInt64, String)] = [
            ("records", counters.lostRecords, known.lostRecords, "the ring buffer was full"),
            ("closings", counters.lostClosings, known.lostClosings, "the ring buffer was full"),
            ("calls", counters.lostCalls, known.lostCalls, "a thread died in a call that no scan had come to"),
            ("stamps", counters.nullStorage, known.nullStorage, "the kernel gave no storage for a thread"),
            ("program_runs", counters.skippedRuns, known.skippedRuns, "the kernel skipped a run of a program"),
            ("exits", counters.missedExits, known.missedExits, "a call's return was not seen"),
            (
                "returns", counters.unseenCalls, known.unseenCalls,
                "while the probes were out, a call that a scan had seen was over before the next one"
            ),
        ]
        for (what, total, before, reason) in rows where total > before {
            pipeline.lost(Loss(what: what, count: total - before, reason: reason), clock: clock)
        }
    }

    /// Threads that fire no event any more when they go.
    private mutating func checkThreads(all: Bool) {
        for thread in pipeline.threadsToCheck(all: all) {
            do throws(ProcError) { _ = try host.procFS.threadStart(pid: thread.pid, tid: thread.tid) } catch {
                if error.isGone { pipeline.vanished(thread.call, clock: Clock.now()) }
            }
        }
    }

    /// - Returns: why to stop, if a signal says so.
    private mutating func handleSignals() -> String? {
        for signal in signals.take() {
            switch signal {
            case SIGINT: return "SIGINT"
            case SIGTERM: return "SIGTERM"
            case SIGHUP: reload()
            case SIGUSR1: saysAll = true
            default: break
            }
        }
        return nil
    }

    private mutating func summarize(_ now: ClockReading, _ due: UInt64) {
        if let budget { pipeline.engine(budget.overhead, isChange: false, clock: now) }
        if let stacks = risky.stacks { pipeline.stacks(stacks.counts) }
        pipeline.summarize(
            usage: host.usage(), threads: known.scanThreads, schedule: schedule, clock: now)
        nextSummary = settings.summaryNanoseconds.map { max(due.saturatingAdd($0), now.monotonic) }
    }

    /// SIGHUP
    func reopenOutput() { output.reopen() }

    private mutating func stop(_ reason: String) -> ExitCode {
        service.manager.stopping("stopping: \(reason)")
        drain()
        if pipeline.hasPending { relate(isLast: false) }
        // since the last scan
        tellLosses(capture.counters)
        flush(isLast: true)
        pipeline.stopped(reason: reason, usage: host.usage(), clock: Clock.now())
        flush()
        if output.close(withinMilliseconds: 2000) { return .success }
        log.error("cannot write the output: nobody took the last lines within 2 s")
        return .cannotWriteOutput
    }

    /// Takes the programs out of the kernel now.
    consuming func release() {
        recorder?.close()
        log.writer?.flush(withinMilliseconds: 200)
    }

    // MARK: - lines

    private mutating func flush(isLast: Bool = false) {
        patience = Clock.now().monotonic + 100_000_000
        for record in pipeline.takeRecords() { push(record) }
        // told once there is room again: as long as nobody reads, one would follow the other
        guard droppedLines > 0, isLast || output.hasRoom else { return }
        let loss = Loss(what: "lines", count: droppedLines, reason: "the output was not read fast enough")
        pipeline.lost(loss, clock: Clock.now())
        droppedLines = 0
        for record in pipeline.takeRecords() { push(record) }
    }

    private mutating func push(_ record: Record) {
        if case .call(let report) = record.body, let finding = report.finding {
            log.debug(
                "\(report.call.eventID) \(record.action.rawValue): \(finding.verdict.rawValue) "
                    + "\(finding.reason.rawValue) by rule \(finding.rule?.rawValue ?? "none"); "
                    + finding.evidence.dropFirst().joined(separator: ", "))
        }
        let line = formats.line(record)
        guard !line.isEmpty else { return }
        var fate = output.push(line, record.importance)
        while fate == .dropped, Clock.now().monotonic < patience, output.waitForProgress() {
            fate = output.push(line, record.importance)
        }
        switch fate {
        case .queued: break
        case .queuedInsteadOf(let evicted): droppedLines += UInt64(evicted)
        case .dropped:
            droppedLines += 1
            pipeline.wasDropped(record)
        }
    }
}

/// `MCL_ONFAULT`: what is never touched takes no memory.
private let lockOnFault: Int32 = 4
