/// Runs the pure part over a tape: the same bytes in, so the same lines out, on any machine.
public struct TapePlayer {
    /// What the pure part says on the way.
    public enum Saying {
        case record(Record)
        /// `nil`: the process has just ended.
        case explanation(pid: Int, Explanation?)
        /// What `snapshot` tells.
        case reports([CallReport], idle: Int, threads: UInt64)
    }

    /// Of a tape that was played.
    public struct Outcome: Sendable, Equatable {
        public var entries = 0
        public var steps = 0
        /// Records of the ring.
        public var kernelRecords = 0
        /// Records about calls and deadlocks, and threads explained or reported.
        public var callRecords = 0
        public var counts = TapeCounts()
        /// Entries and records that are not understood.
        public var broken = 0
        /// Entries that found no room when the tape was made.
        public var lost: UInt64 = 0
        /// The tape ends within an entry.
        public var isCut = false
    }

    public let host: TapeHost
    /// It ends with what `snapshot` tells.
    public private(set) var hasReports = false
    private let bytes: [UInt8]
    private let symbols: [UInt64: String]
    private let users: [UInt32: String]
    private var outcome = Outcome()
    private var sayings: [Record] = []

    /// Reads all of it once: every length and every kind is checked before anything is said.
    ///
    /// - Throws: ``TapeError``
    public init(_ bytes: [UInt8]) throws(TapeError) {
        var entries = try TapeEntries(bytes)
        guard case .settings(let settings) = try entries.next() else {
            throw TapeError(offset: TapeFile.magic.count, what: "the recording does not begin with its settings")
        }
        host = try TapeHost(settings, offset: TapeFile.magic.count)
        var symbols: [UInt64: String] = [:]
        var users: [UInt32: String] = [:]
        while let entry = try entries.next() {
            outcome.entries += 1
            switch entry {
            case .symbol(let address, let name): symbols[address] = name
            case .user(let id, let name): users[id] = name
            case .gap(let count): outcome.lost = outcome.lost.saturatingAdd(count)
            case .reports: hasReports = true
            case .settings: throw TapeError(offset: TapeFile.magic.count, what: "the recording has settings twice")
            default: break
            }
        }
        outcome.isCut = entries.isCut
        self.symbols = symbols
        self.users = users
        self.bytes = bytes
    }

    private static func text(_ symbols: [UInt64: String]) -> [UInt8] {
        Array(symbols.map { "\(String($0.key, radix: 16)) t \($0.value)\n" }.joined().utf8)
    }

    private static func text(_ users: [UInt32: String]) -> [UInt8] {
        Array(users.map { "\($0.value)::\($0.key):0\n" }.joined().utf8)
    }

    /// Plays it from its beginning to its end.
    public consuming func play(_ say: (Saying) -> Void) throws(TapeError) -> Outcome {
        var entries = try TapeEntries(bytes)
        let answers = TapeAnswers()
        let kallsyms = Self.text(symbols)
        var pipeline = Pipeline(
            host.pipeline,
            identifier: Identifier(
                procFS: ProcFS(root: "/proc", reader: answers), users: UserNames(passwd: Self.text(users)),
                settings: host.identifier, symbols: { KernelSymbols(kallsyms: kallsyms) }),
            now: host.startNanoseconds)
        var step: TapeEntry?
        var during: [TapeEntry] = []
        var ring: [KernelRecord] = []
        while true {
            let entry = try entries.next()
            if let entry, entry.isAnswer {
                during.append(entry)
                continue
            }
            switch entry {
            // names come while a step is at it
            case .symbol, .user, .gap, .settings: continue
            default: break
            }
            if let step {
                outcome.broken += answers.begin(during)
                run(step, &pipeline, &ring, answers, say)
                outcome.steps += 1
            }
            during = []
            step = entry
            if entry == nil { break }
        }
        take(&pipeline, say)
        outcome.counts = answers.counts
        return outcome
    }

    private mutating func run(
        _ step: TapeEntry, _ pipeline: inout Pipeline, _ ring: inout [KernelRecord], _ answers: TapeAnswers,
        _ say: (Saying) -> Void
    ) {
        var source = TapeHolders(answers: answers)
        var risky = TapeMemory(answers: answers)
        switch step {
        case .ring(let bytes):
            outcome.kernelRecords += 1
            do throws(DecodeError) { ring.append(try KernelRecord(bytes.span)) } catch { outcome.broken += 1 }
        case .ingest(let clock):
            pipeline.ingest(ring, clock: clock, risky: &risky)
            ring = []
        case .relate(let clock, let relooks):
            pipeline.relate(source: &source, risky: &risky, relooks: relooks, clock: clock)
        case .started(let body, let clock): pipeline.started(body, clock: clock)
        case .lost(let loss, let clock): pipeline.lost(loss, clock: clock)
        case .dueRepeats(let now, let most): _ = pipeline.dueRepeats(at: now, most: Int(clamping: most))
        case .endOfScan(let now): pipeline.endOfScan(at: now)
        case .vanished(let call, let clock): pipeline.vanished(call, clock: clock)
        case .summarize(let usage, let threads, let duration, let clock):
            var schedule = ScanSchedule(threshold: host.pipeline.thresholdNanoseconds, tick: 0, now: 0)
            schedule.finished(start: 0, end: duration, cost: 0, crossing: 0)
            pipeline.summarize(usage: usage, threads: threads, schedule: schedule, clock: clock)
        case .stopped(let reason, let usage, let clock):
            pipeline.stopped(reason: reason, usage: usage, clock: clock)
        case .engine(let overhead, let isChange, let clock):
            pipeline.engine(overhead, isChange: isChange, clock: clock)
        case .stackCounts(let counts): pipeline.stacks(counts)
        case .taken: take(&pipeline, say)
        case .dropped(let sequence):
            // once: its count goes down
            guard let place = sayings.firstIndex(where: { $0.sequence == sequence }) else { return }
            pipeline.wasDropped(sayings.remove(at: place))
        case .reports(let clock, let threads):
            take(&pipeline, say)
            let reports = pipeline.reports(clock: clock)
            outcome.callRecords += reports.count
            say(.reports(reports, idle: pipeline.count(of: .idle), threads: threads))
        case .explain(let pid, let clock):
            let explanation = pipeline.explain(pid: pid, source: &source, risky: &risky, clock: clock)
            outcome.callRecords += explanation?.threads.count ?? 0
            say(.explanation(pid: pid, explanation))
        default: break
        }
    }

    private mutating func take(_ pipeline: inout Pipeline, _ say: (Saying) -> Void) {
        sayings = pipeline.takeRecords()
        for record in sayings {
            switch record.body {
            case .call, .deadlock: outcome.callRecords += 1
            default: break
            }
            say(.record(record))
        }
    }
}
