/// What a recording says at its end: who is open as trees, and what it all adds up to.
public struct ReplayReport {
    public struct Settings: Sendable {
        /// Idle calls too.
        public var all: Bool
        /// Which calls are shown; sums are of all.
        public var filter: Filter
        /// What is shown goes on until then, though nothing was said any more.
        public var moment: UInt64?

        public init(all: Bool = false, filter: Filter = Filter(), moment: UInt64? = nil) {
            self.all = all
            self.filter = filter
            self.moment = moment
        }
    }

    let recording: Recording
    let settings: Settings
    let hosts: [RecordedHost]
    let calls: [OpenCall]
    let joining: Joining
    /// The records of `calls`.
    let records: [RecordedRecord]
    let chains: [(id: UInt64, host: Int, chain: Run.Chain)]
    let unkeptChains: UInt64

    public init(_ recording: Recording, _ settings: Settings = Settings()) {
        self.recording = recording
        self.settings = settings
        let runs = recording.runs
        var hosts = RecordedHost.all(of: runs)
        if let until = settings.moment ?? recording.until {
            for index in hosts.indices where hosts[index].runs.contains(where: { recording.runs[$0].stop == nil }) {
                hosts[index].at = max(hosts[index].at, settings.moment ?? min(until, recording.lastAt))
            }
        }
        self.hosts = hosts

        var records: [RecordedRecord] = []
        var calls: [OpenCall] = []
        var chains: [(id: UInt64, host: Int, chain: Run.Chain)] = []
        var unkept: UInt64 = 0
        for (place, host) in hosts.enumerated() {
            // two of blockwatch at once say each call twice
            var threads: Set<Int> = []
            var sums: [UInt64: Run.Chain] = [:]
            for index in host.allRuns.sorted() {
                let run = runs[index]
                let isLast = host.runs.contains(index)
                for (id, chain) in run.chains { Self.merge(chain, id, into: &sums) }
                unkept += run.unkeptChains
                for open in run.open.sorted(by: { $0.value.sequence < $1.value.sequence }).reversed() {
                    guard let record = open.value.record else { continue }
                    _ = Run.sum(record, into: &sums, isOpen: isLast, until: isLast ? host.at : nil)
                    guard isLast else { continue }
                    let call = OpenCall(record, host: place, at: host.at)
                    guard threads.insert(call.report.call.process.tid).inserted else { continue }
                    calls.append(call)
                    records.append(record)
                }
            }
            chains += sums.map { ($0.key, place, $0.value) }
        }
        self.calls = calls
        self.records = records
        self.chains = chains.sorted { ($1.chain.nanoseconds, $0.id) < ($0.chain.nanoseconds, $1.id) }
        unkeptChains = unkept
        joining = Joining(calls)
    }

    private static func merge(_ chain: Run.Chain, _ id: UInt64, into sums: inout [UInt64: Run.Chain]) {
        guard var known = sums[id] else {
            sums[id] = chain
            return
        }
        known.calls += chain.calls
        known.nanoseconds =
            known.nanoseconds.addingReportingOverflow(chain.nanoseconds).overflow
            ? .max : known.nanoseconds + chain.nanoseconds
        known.longest = max(known.longest, chain.longest)
        if chain.verdict.rank < known.verdict.rank { known.verdict = chain.verdict }
        known.isPartial = known.isPartial || chain.isPartial
        if chain.at > known.at {
            known.at = chain.at
            known.root = chain.root
        }
        sums[id] = known
    }

    /// Something that is not idle by design was open at the end.
    public var foundSomething: Bool { shown(calls).contains { $0.report.finding?.verdict != .idle } }

    func shown(_ calls: [OpenCall]) -> [OpenCall] {
        calls.filter { isShown($0) }
    }

    func isShown(_ call: OpenCall) -> Bool {
        (settings.all || call.report.finding?.verdict != .idle) && settings.filter.admits(call.report.subject())
    }

    /// Runs by host, then by their beginning.
    func order() -> [Int] {
        recording.runs.indices.sorted {
            let (a, b) = (recording.runs[$0], recording.runs[$1])
            return (a.hostName, a.origin.hostID ?? "", a.firstAt, $0) < (
                b.hostName, b.origin.hostID ?? "", b.firstAt, $1
            )
        }
    }

    func deadlock(_ chain: UInt64) -> DeadlockReport? {
        for run in recording.runs {
            if let found = run.deadlocks.values.first(where: { $0.chain == chain }) { return found.report }
        }
        return nil
    }
}

extension Recording {
    /// The last moment of all.
    var lastAt: UInt64 { runs.map(\.lastAt).max() ?? 0 }
}
