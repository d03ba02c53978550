import BlockWatchCapture
import BlockWatchCore

/// The pure part with whatever goes into it; all of that is written down first where somebody wants it.
struct TapedPipeline {
    private(set) var pure: Pipeline
    private let recorder: Recorder?

    /// - Parameter start: CLOCK_MONOTONIC, nanoseconds.
    init(
        _ settings: Pipeline.Settings, host: Host, identifier: Identifier.Settings, symbols: SymbolLoader,
        names: ContainerNameReader? = nil, recorder: Recorder?, start: UInt64
    ) {
        self.recorder = recorder
        var procFS = host.procFS
        if let recorder {
            procFS = ProcFS(root: procFS.root, reader: TapedProc(procFS: procFS, recorder: recorder))
            recorder.start(
                TapeHost(
                    pipeline: settings, identifier: identifier, origin: host.origin, startNanoseconds: start))
        }
        pure = Pipeline(
            settings,
            identifier: Identifier(
                procFS: procFS, users: host.users, settings: identifier,
                symbols: { recorder?.symbols() ?? symbols.take() },
                // a tape does not have them, and is to tell the same again
                containerNames: { recorder == nil ? names?.latest ?? ContainerNames() : ContainerNames() }),
            now: start)
    }

    // MARK: - from the kernel

    /// Everything that came out of the ring at once.
    ///
    /// - Parameter misunderstood: told of a record that is not.
    mutating func drain(
        _ capture: borrowing Capture, risky: inout TapedReaders, misunderstood: (DecodeError) -> Void = { _ in }
    ) {
        var records: [KernelRecord] = []
        capture.consume { bytes in
            if let recorder { recorder.note(.ring(unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) })) }
            do throws(DecodeError) { records.append(try KernelRecord(bytes)) } catch { misunderstood(error) }
        }
        guard !records.isEmpty else { return }
        let clock = Clock.now()
        if let recorder {
            recorder.sawCalls(records.compactMap { if case .call(let call) = $0 { call } else { nil } })
            recorder.note(.ingest(clock))
        }
        pure.ingest(records, clock: clock, risky: &risky)
    }

    mutating func relate(
        source: inout LiveHolders, risky: inout TapedReaders, relooks: Bool, clock: ClockReading
    ) {
        recorder?.note(.relate(clock, relooks: relooks))
        pure.relate(source: &source, risky: &risky, relooks: relooks, clock: clock)
    }

    mutating func explain(
        pid: Int, source: inout LiveHolders, risky: inout TapedReaders, clock: ClockReading
    ) -> Explanation? {
        recorder?.note(.explain(pid: pid, clock))
        return pure.explain(pid: pid, source: &source, risky: &risky, clock: clock)
    }

    // MARK: - by time

    var hasPending: Bool { pure.hasPending }
    var writtenCalls: [UInt64] { pure.writtenCalls }
    var writtenThreads: [(start: UInt64, thread: UInt32)] { pure.writtenThreads }

    mutating func dueRepeats(at now: UInt64, most: Int) -> [UInt64] {
        recorder?.note(.dueRepeats(at: now, most: UInt64(most)))
        return pure.dueRepeats(at: now, most: most)
    }

    mutating func endOfScan(at now: UInt64) {
        recorder?.note(.endOfScan(at: now))
        pure.endOfScan(at: now)
    }

    func threadsToCheck(all: Bool) -> [(call: UInt64, pid: Int32, tid: Int32)] { pure.threadsToCheck(all: all) }

    mutating func vanished(_ call: UInt64, clock: ClockReading) {
        recorder?.note(.vanished(call: call, clock))
        pure.vanished(call, clock: clock)
    }

    /// Not of a recording, which has the settings that it began with.
    mutating func reconfigure(_ settings: Pipeline.Settings, at now: UInt64) { pure.reconfigure(settings, at: now) }

    // MARK: - about blockwatch itself

    mutating func started(_ body: Started, clock: ClockReading) {
        recorder?.note(.started(body, clock))
        pure.started(body, clock: clock)
    }

    mutating func lost(_ loss: Loss, clock: ClockReading) {
        recorder?.note(.lost(loss, clock))
        pure.lost(loss, clock: clock)
    }

    mutating func engine(_ overhead: Overhead, isChange: Bool, clock: ClockReading) {
        recorder?.note(.engine(overhead, isChange: isChange, clock))
        pure.engine(overhead, isChange: isChange, clock: clock)
    }

    mutating func stacks(_ counts: StackCounts) {
        recorder?.note(.stackCounts(counts))
        pure.stacks(counts)
    }

    mutating func summarize(usage: OwnUsage, threads: UInt64, schedule: ScanSchedule, clock: ClockReading) {
        recorder?.note(.summarize(usage, threads: threads, scanNanoseconds: schedule.lastDuration, clock))
        pure.summarize(usage: usage, threads: threads, schedule: schedule, clock: clock)
    }

    mutating func stopped(reason: String, usage: OwnUsage, clock: ClockReading) {
        recorder?.note(.stopped(reason: reason, usage, clock))
        pure.stopped(reason: reason, usage: usage, clock: clock)
    }

    // MARK: - lines

    mutating func takeRecords() -> [Record] {
        let records = pure.takeRecords()
        if !records.isEmpty { recorder?.note(.taken) }
        return records
    }

    mutating func wasDropped(_ record: Record) {
        recorder?.note(.dropped(sequence: record.sequence))
        pure.wasDropped(record)
    }

    /// What is open now, for `snapshot`.
    func reports(threads: UInt64, clock: ClockReading) -> [CallReport] {
        recorder?.note(.reports(clock, threads: threads))
        return pure.reports(clock: clock)
    }

    var openCount: Int { pure.openCount }
    func count(of verdict: Verdict) -> Int { pure.count(of: verdict) }
}
