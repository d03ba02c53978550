/// What a recorded stream tells: fed line by line, of any number of hosts and runs of blockwatch, in any order.
///
/// Only sums and what is open are kept, each within a bound; what lies beyond is counted.
public struct Recording: Sendable {
    /// Runs that are kept apart: a host that was booted anew or blockwatch started anew is another run.
    public static let mostRuns = 4096
    /// Records of open calls, in bytes.
    static let mostOpenBytes = 256 << 20
    static let mostChains = 65_536
    static let mostDeadlocks = 4096
    /// Ended calls of a run whose openings may still come.
    static let mostClosed = 65_536
    static let mostPlaces = 8

    /// Where a line was.
    public struct Place: Sendable, Equatable {
        public var file: String
        /// From 1.
        public var line: Int
        public var refusal: RecordedRecord.Refusal
    }

    /// Where records of later moments are left out: nanoseconds since 1970.
    public let until: UInt64?
    public private(set) var files = 0
    public private(set) var lines: UInt64 = 0
    public private(set) var records: UInt64 = 0
    public private(set) var duplicates: UInt64 = 0
    /// Left out because of ``until``.
    public private(set) var later: UInt64 = 0
    public private(set) var refused: [RecordedRecord.Refusal: UInt64] = [:]
    /// The first ones that were refused; first those that were blockwatch's.
    public private(set) var places: [Place] = []
    public internal(set) var runs: [Run] = []
    private var runsOf: [RecordOrigin: [Int]] = [:]
    /// The run that a file is in the midst of.
    private var current: [RecordOrigin: Int] = [:]
    private var file = ""
    private var line = 0
    private var openBytes = 0

    public init(until: UInt64? = nil) { self.until = until }

    // MARK: - lines

    public mutating func beginFile(_ name: String) {
        file = name
        line = 0
        files += 1
        current = [:]
    }

    public mutating func add(_ line: LineSplitter.Line) {
        self.line += 1
        lines += 1
        switch line {
        case .tooLong: refuse(.tooLong)
        case .whole(let bytes):
            for content in RecordedLine.contents(bytes) {
                switch content {
                case .success(let record): add(record)
                case .failure(let refusal): refuse(refusal)
                }
            }
        }
    }

    private mutating func refuse(_ refusal: RecordedRecord.Refusal) {
        refused[refusal, default: 0] += 1
        let place = Place(file: file, line: line, refusal: refusal)
        if places.count < Self.mostPlaces {
            places.append(place)
        } else if refusal != .foreign, let last = places.lastIndex(where: { $0.refusal == .foreign }) {
            places.remove(at: last)
            places.append(place)
        }
    }

    private mutating func add(_ record: RecordedRecord) {
        if let until, record.wallNanoseconds > until {
            later += 1
            return
        }
        guard let (index, isNew) = run(of: record) else { return refuse(.tooMany) }
        guard isNew else {
            duplicates += 1
            return
        }
        records += 1
        runs[index].add(record, room: &openBytes)
    }

    // MARK: - runs

    /// The run that a record belongs to, and whether it is not there already; `nil` if there are too many.
    ///
    /// Where a record does not name its run, `started` begins one, and numbers and times tell the rest.
    private mutating func run(of record: RecordedRecord) -> (index: Int, isNew: Bool)? {
        let origin = record.origin
        let known = runsOf[origin] ?? []
        if origin.runID != nil {
            guard let mine = known.first else { return begin(origin, record) }
            return (mine, !runs[mine].sequences.contains(record.sequence))
        }
        let wall = record.wallNanoseconds
        if record.action == .started {
            if let same = known.first(where: { runs[$0].startedAt == wall }) {
                current[origin] = same
                return (same, !runs[same].sequences.contains(record.sequence))
            }
            // what came before its beginning: an older file that is read later, lines in disorder
            if let headless = known.first(where: { index in
                runs[index].startedAt == nil && wall <= runs[index].firstAt
                    && !runs[index].sequences.contains(record.sequence)
            }) {
                current[origin] = headless
                return (headless, true)
            }
            return begin(origin, record)
        }
        let last = known.last
        let fitting = known.filter { wall >= runs[$0].startedAt ?? 0 }
        // the next number of a run is surely its own
        let next = fitting.filter { runs[$0].sequences.last.map { $0 &+ 1 } == record.sequence }
        if let mine = next.first(where: { $0 == current[origin] }) ?? next.last { return (mine, true) }
        let unseen = fitting.filter { !runs[$0].sequences.contains(record.sequence) }
        if let mine = unseen.first(where: { $0 == current[origin] }) ?? unseen.last { return (mine, true) }
        // all have that number; a later moment tells that it is of one whose beginning is not there
        let seen = fitting.filter { wall <= runs[$0].lastAt }
        if let copy = seen.first(where: { $0 == current[origin] }) ?? seen.last { return (copy, false) }
        if fitting.isEmpty, let last, runs[last].sequences.contains(record.sequence), wall <= runs[last].lastAt {
            return (last, false)
        }
        return begin(origin, record)
    }

    private mutating func begin(_ origin: RecordOrigin, _ record: RecordedRecord) -> (index: Int, isNew: Bool)? {
        guard runs.count < Self.mostRuns else { return nil }
        runs.append(Run(origin, at: record.wallNanoseconds))
        runsOf[origin, default: []].append(runs.count - 1)
        current[origin] = runs.count - 1
        return (runs.count - 1, true)
    }
}

// MARK: - one run

/// blockwatch on one host from its start to its stop, as far as it was recorded.
public struct Run: Sendable {
    /// The last record of a call, as text: a document takes three times as much.
    struct Open: Sendable {
        var text: [UInt8]
        var sequence: UInt64
        /// Its `blocked` was seen.
        var isOpened: Bool

        init(_ record: RecordedRecord, isOpened: Bool) {
            text = [UInt8](record.value.document.bytes[record.value.document.range])
            sequence = record.sequence
            self.isOpened = isOpened
        }

        /// It was read before, and reads the same again.
        var record: RecordedRecord? {
            do { return try RecordedRecord(JSONDocument(text).root) } catch { return nil }
        }

        /// What it takes, in bytes.
        var size: Int { text.count + 128 }
    }

    /// What calls behind one root have cost.
    struct Chain: Sendable {
        var calls: UInt64 = 0
        var nanoseconds: UInt64 = 0
        var longest: UInt64 = 0
        var open: UInt64 = 0
        var verdict = Verdict.idle
        var root: Root?
        var chain = ""
        /// Its text was cut, or some of its ends were not found out.
        var isPartial = false
        var at: UInt64 = 0
    }

    struct Deadlock: Sendable {
        var report: DeadlockReport
        var parts: Set<Int>
        var chain: UInt64?
    }

    /// Of `stopped`.
    struct Stop: Sendable {
        var reason: String
        var open: UInt64?
        var totals: [String: UInt64]
        var at: UInt64
    }

    public let origin: RecordOrigin
    public var hostName: String { origin.hostName }
    var version = ""
    var engine = ""
    var thresholdNanoseconds: UInt64?
    /// When its `started` was written.
    var startedAt: UInt64?
    var firstAt: UInt64
    public internal(set) var lastAt: UInt64
    var sequences = SequenceSet()
    public internal(set) var actions: [Record.Action: UInt64] = [:]
    /// Records of calls.
    var verdicts: [Record.Action: [Verdict: UInt64]] = [:]
    /// Calls by the last that was said of them: those that are over.
    var closedVerdicts: [Verdict: UInt64] = [:]
    var open: [UInt64: Open] = [:]
    /// Ended calls, kept while something before their ends is missing.
    private var closed: Set<UInt64> = []
    /// Ends whose openings are not there.
    public internal(set) var unopened: UInt64 = 0
    /// Open calls for which there was no room.
    var unkept: UInt64 = 0
    var chains: [UInt64: Chain] = [:]
    var unkeptChains: UInt64 = 0
    var deadlocks: [UInt64: Deadlock] = [:]
    var lost: [String: UInt64] = [:]
    /// Records by what is missing in them: `truncated` and `unresolved`.
    var truncated: [String: UInt64] = [:]
    var unresolved: [String: UInt64] = [:]
    var idleAtSummary: UInt64?
    var openAtSummary: UInt64?
    var summaryAt: UInt64 = 0
    var stop: Stop?

    init(_ origin: RecordOrigin, at wall: UInt64) {
        self.origin = origin
        firstAt = wall
        lastAt = wall
    }

    /// Fields without which a chain is only partly there.
    static let chainFields: Set<String> = ["chain", "holders", "members"]

    static func isPartial(_ record: RecordedRecord) -> Bool {
        let cut = record.value["truncated"]?.elements ?? []
        let unknown = record.value["unresolved"]?.elements ?? []
        return cut.contains { $0.string.map(chainFields.contains) ?? false }
            || unknown.contains { value in
                value.string.map { chainFields.contains(String($0.prefix { $0 != "=" })) } ?? false
            }
    }

    mutating func add(_ record: RecordedRecord, room: inout Int) {
        sequences.insert(record.sequence)
        firstAt = min(firstAt, record.wallNanoseconds)
        lastAt = max(lastAt, record.wallNanoseconds)
        actions[record.action, default: 0] += 1
        note("truncated", record.value, in: &truncated)
        note("unresolved", record.value, in: &unresolved)
        switch record.action {
        case .blocked, .stillBlocked, .returned, .ended, .slow:
            if let verdict = record.verdict { verdicts[record.action, default: [:]][verdict, default: 0] += 1 }
            if let id = record.id { addCall(record, id, room: &room) }
        case .deadlock: addDeadlock(record)
        case .loss:
            guard let what = record.value["loss", "what"]?.string, let count = record.value["loss", "count"]?.count
            else { break }
            sum(what, count, in: &lost)
        case .started:
            startedAt = record.wallNanoseconds
            version = record.value["blockwatch", "version"]?.string ?? ""
            engine = record.value["blockwatch", "engine"]?.string ?? ""
            thresholdNanoseconds = record.value["blockwatch", "threshold"]?.count
        // `engine` stays what was asked for
        case .engine: break
        case .summary:
            guard record.wallNanoseconds >= summaryAt else { break }
            summaryAt = record.wallNanoseconds
            openAtSummary = record.value["blockwatch", "open"]?.count
            idleAtSummary = record.value["blockwatch", "open_by_verdict", "idle"]?.count
        case .stopped:
            var totals: [String: UInt64] = [:]
            for name in Self.totalNames { totals[name] = record.value["blockwatch", "totals", name]?.count }
            stop = Stop(
                reason: record.value["blockwatch", "reason"]?.string ?? "",
                open: record.value["blockwatch", "open"]?.count, totals: totals, at: record.wallNanoseconds)
        }
    }

    /// Texts come from a file: not every one gets its own sum.
    private func sum(_ key: String, _ count: UInt64, in sums: inout [String: UInt64]) {
        let key = sums[key] != nil || sums.count < 64 && key.utf8.count <= 64 ? key : "other"
        let (total, overflow) = sums[key, default: 0].addingReportingOverflow(count)
        sums[key] = overflow ? .max : total
    }

    private func note(_ key: String, _ value: JSONValue, in sums: inout [String: UInt64]) {
        guard let elements = value[key]?.elements else { return }
        for element in elements { if let text = element.string { sum(text, 1, in: &sums) } }
    }

    // MARK: - calls

    private mutating func addCall(_ record: RecordedRecord, _ id: UInt64, room: inout Int) {
        switch record.action {
        case .blocked, .stillBlocked:
            if closed.contains(id) {
                if record.action == .blocked, unopened > 0 { unopened -= 1 }
                return
            }
            let isOpening = record.action == .blocked
            if let known = open[id] {
                if known.sequence < record.sequence {
                    let fresh = Open(record, isOpened: known.isOpened || isOpening)
                    room += fresh.size - known.size
                    open[id] = fresh
                } else if isOpening {
                    open[id]?.isOpened = true
                }
                return
            }
            let fresh = Open(record, isOpened: isOpening)
            if room + fresh.size <= Recording.mostOpenBytes {
                room += fresh.size
                open[id] = fresh
            } else {
                unkept += 1
            }
        case .slow: finish(record)
        default:
            if let known = open.removeValue(forKey: id) {
                room -= known.size
                if !known.isOpened { unopened += 1 }
            } else if unkept > 0 {
                unkept -= 1
            } else {
                unopened += 1
            }
            // something that comes late must not open it again
            if sequences.hasHole(before: record.sequence), closed.count < Recording.mostClosed { closed.insert(id) }
            finish(record)
        }
    }

    private mutating func finish(_ record: RecordedRecord) {
        if let verdict = record.verdict { closedVerdicts[verdict, default: 0] += 1 }
        unkeptChains += Self.sum(record, into: &chains, isOpen: false, until: nil) ? 0 : 1
    }

    /// - Parameter until: of an open call, when its duration is taken.
    /// - Returns: false if there are too many chains.
    static func sum(_ record: RecordedRecord, into chains: inout [UInt64: Chain], isOpen: Bool, until: UInt64?) -> Bool
    {
        guard let id = record.chainID else { return true }
        guard chains[id] != nil || chains.count < Recording.mostChains else { return false }
        var chain = chains[id] ?? Chain()
        let duration = Self.duration(of: record, until: until)
        chain.calls += 1
        if isOpen { chain.open += 1 }
        let (total, overflow) = chain.nanoseconds.addingReportingOverflow(duration)
        chain.nanoseconds = overflow ? .max : total
        chain.longest = max(chain.longest, duration)
        if let verdict = record.verdict, verdict.rank < chain.verdict.rank { chain.verdict = verdict }
        if Run.isPartial(record) { chain.isPartial = true }
        if record.wallNanoseconds >= chain.at {
            chain.at = record.wallNanoseconds
            chain.root = Root(recorded: record.value["root"])
        }
        chains[id] = chain
        return true
    }

    static func duration(of record: RecordedRecord, until: UInt64?) -> UInt64 {
        let said = record.value["event", "duration"]?.count ?? 0
        guard let until, until > record.wallNanoseconds else { return said }
        let (sum, overflow) = said.addingReportingOverflow(until - record.wallNanoseconds)
        return overflow ? .max : sum
    }

    private mutating func addDeadlock(_ record: RecordedRecord) {
        guard let id = record.id else { return }
        var report = DeadlockReport(recorded: record)
        if var known = deadlocks[id] {
            // parts of one
            guard known.parts.insert(report.part).inserted, known.parts.count <= 4096 else { return }
            known.report.members += report.members
            known.report.threads += report.threads
            deadlocks[id] = known
        } else if deadlocks.count < Recording.mostDeadlocks {
            report.parts = max(report.parts, 1)
            deadlocks[id] = Deadlock(report: report, parts: [report.part], chain: record.chainID)
        }
    }

    // MARK: - what it adds up to

    /// Those of the contract, and which records make them.
    static let totalNames = ["blocked", "still_blocked", "returned", "ended", "slow", "deadlocks"]

    /// Its records, counted as blockwatch counts them.
    public var totals: [(name: String, count: UInt64)] {
        Self.totalNames.map { name in
            (
                name,
                name == "deadlocks"
                    ? UInt64(deadlocks.count) : Record.Action(rawValue: name).flatMap { actions[$0] } ?? 0
            )
        }
    }

    /// Where `stopped` says something else, as far as it was recorded.
    var differences: [(name: String, here: UInt64, said: UInt64)] {
        guard let stop else { return [] }
        var all = totals.compactMap { name, count in
            stop.totals[name].flatMap { $0 == count ? nil : (name: name, here: count, said: $0) }
        }
        let open = UInt64(open.count) + unkept
        if let said = stop.open, said != open { all.append(("open", open, said)) }
        return all
    }

    /// Numbers that are missing, and how many of them a `loss` of lines explains.
    var gaps: (missing: UInt64, explained: UInt64) {
        let missing = sequences.missing
        return (missing, min(missing, lost["lines"] ?? 0))
    }
}
