/// What a recording says at its end: who is open as trees, and what it all adds up to.
public struct ReplayReport {
    public struct Settings: Sendable {
        /// Idle calls too.
        public var all: Bool
        /// Which calls are shown; sums are of all.
        public var filter: Filter

        public init(all: Bool = false, filter: Filter = Filter()) {
            self.all = all
            self.filter = filter
        }
    }

    /// The last moment of a host.
    struct Host {
        var name: String
        /// Of its runs those that go on to the end, in order.
        var runs: [Int]
        var at: UInt64
    }

    private let recording: Recording
    private let settings: Settings
    private let hosts: [Host]
    private let calls: [OpenCall]
    private let joining: Joining
    /// The records of `calls`.
    private let records: [RecordedRecord]
    private let chains: [(id: UInt64, host: Int, chain: Run.Chain)]
    private let unkeptChains: UInt64

    public init(_ recording: Recording, _ settings: Settings = Settings()) {
        self.recording = recording
        self.settings = settings
        var hosts: [Host] = []
        var places: [String: Int] = [:]
        let runs = recording.runs
        let starts = runs.indices.sorted { runs[$0].firstAt < runs[$1].firstAt }
        for index in starts {
            let run = runs[index]
            if let place = places[run.hostName] {
                // blockwatch was started anew: what was open then, the new one has said again
                hosts[place].runs.removeAll { runs[$0].lastAt < run.firstAt }
                hosts[place].runs.append(index)
                hosts[place].at = max(hosts[place].at, run.lastAt)
            } else {
                places[run.hostName] = hosts.count
                hosts.append(Host(name: run.hostName, runs: [index], at: run.lastAt))
            }
        }
        hosts.sort { $0.name < $1.name }
        if let until = recording.until {
            for index in hosts.indices where hosts[index].runs.contains(where: { recording.runs[$0].stop == nil }) {
                hosts[index].at = max(hosts[index].at, min(until, recording.lastAt))
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
            for (index, run) in runs.enumerated() where run.hostName == host.name {
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

    private func shown(_ calls: [OpenCall]) -> [OpenCall] {
        calls.filter { isShown($0) }
    }

    private func isShown(_ call: OpenCall) -> Bool {
        (settings.all || call.report.finding?.verdict != .idle) && settings.filter.admits(call.report.subject())
    }

    // MARK: - text

    private static func stamp(_ wall: UInt64) -> String {
        Timestamp.rfc3339(seconds: Int64(wall / 1_000_000_000), nanoseconds: Int64(wall % 1_000_000_000))
            .prefix(19).replacing("T", with: " ") + "Z"
    }

    private func name(of host: Int) -> String {
        let name = TerminalText.cut(TerminalText.escaped(hosts[host].name), to: 64)
        return name.isEmpty ? "(no host name)" : name
    }

    private func plural(_ count: some BinaryInteger, _ noun: String) -> String {
        "\(count) \(noun)\(count == 1 ? "" : "s")"
    }

    /// - Returns: lines without newlines, safe for terminals.
    public func lines() -> [String] {
        var lines = [heading()]
        let trees = trees()
        for (place, host) in hosts.enumerated() {
            let mine = calls.filter { $0.host == place }
            let shown = mine.count(where: isShown)
            let idle = mine.count { $0.report.finding?.verdict == .idle }
            let note = idle > 0 && !settings.all ? ", \(idle) more idle by design (--all)" : ""
            let limit = Set(host.runs.compactMap { recording.runs[$0].thresholdNanoseconds }).sorted()
                .map { " longer than \(TerminalText.duration(nanoseconds: $0))" }.joined(separator: " or")
            lines += [
                "", "\(name(of: place)) at \(Self.stamp(host.at)): \(plural(shown, "thread")) blocked\(limit)\(note)",
            ]
            if let branches = trees[place], !branches.isEmpty { lines += [""] + branches }
        }
        lines += ["", "Totals"]
        for index in order() { lines += totals(recording.runs[index]).map { "  " + $0 } }
        lines += chainLines()
        lines += placeLines()
        return lines
    }

    private func order() -> [Int] {
        recording.runs.indices.sorted {
            let (a, b) = (recording.runs[$0], recording.runs[$1])
            return (a.hostName, a.firstAt, $0) < (b.hostName, b.firstAt, $1)
        }
    }

    private func heading() -> String {
        guard recording.records > 0 else { return "no record of blockwatch in \(plural(recording.lines, "line"))" }
        var parts = ["\(plural(recording.records, "record")) of \(plural(hosts.count, "host"))"]
        if recording.files > 1 { parts.append("in \(recording.files) files") }
        let first = recording.runs.map(\.firstAt).min() ?? 0
        parts.append("from \(Self.stamp(first)) to \(Self.stamp(recording.lastAt))")
        return parts.joined(separator: " ")
    }

    /// By the host of their roots.
    private func trees() -> [Int: [String]] {
        var shownThreads = Set(shown(calls).map(\.thread))
        // who others hang on is shown with them
        for link in joining.links.values where shownThreads.contains(link.from) { shownThreads.insert(link.to.thread) }
        let prefixes = hosts.count > 1 ? hosts.indices.map { name(of: $0) + ": " } : [""]
        var entries: [Int: [Trees.Entry]] = [:]
        var titles: [String: String] = [:]
        let deadlocks = hosts.flatMap(\.runs).flatMap { recording.runs[$0].deadlocks.values.map(\.report) }
        let byChain = Dictionary(deadlocks.compactMap { report in report.chainID.map { ($0, report) } }) { $1 }

        // calls that are roots of others' chains and have none themselves
        var groupOfRoot: [Trees.Thread: String] = [:]
        var places: [Joining.Group: (key: String, host: Int)] = [:]
        func place(_ group: Joining.Group, _ call: OpenCall) -> (key: String, host: Int) {
            if let known = places[group] { return known }
            var key = "\(group.host) \(group.chain)"
            var host = group.host
            if let end = joining.end(of: group) {
                host = end.call.host
                if let last = end.group {
                    // a circle of hosts has no end: one of them stands for it
                    key = "\(last.host) \(last.chain)"
                    let root = calls.lazy.compactMap {
                        $0.host == last.host && $0.chainID == last.chain ? $0.report.finding?.root.value : nil
                    }.first
                    titles[key] = root.map { prefixes[host] + Trees.title($0, deadlock: byChain[last.chain]) }
                } else {
                    key = "\(host) thread \(end.call.thread.tid)"
                    groupOfRoot[end.call.thread] = key
                    titles[key] = "\(prefixes[host])\(Sentence.who(end.call.report.call))"
                }
            } else if hosts.count > 1, let root = call.report.finding?.root.value {
                titles[key] = prefixes[host] + Trees.title(root, deadlock: byChain[group.chain])
            }
            places[group] = (key, host)
            return (key, host)
        }
        let visible = calls.filter { shownThreads.contains($0.thread) }
        for call in visible { if let chain = call.chainID { _ = place(.init(host: call.host, chain: chain), call) } }
        for call in visible {
            var entry = Trees.Entry(report: call.report, host: call.host, prefix: prefixes[call.host])
            if call.isPartial { entry.note = "(partial)" }
            var host = call.host
            if let chain = call.chainID {
                let group = Joining.Group(host: call.host, chain: chain)
                let place = place(group, call)
                entry.group = place.key
                host = place.host
                if let link = joining.links[group], link.from == call.thread || isEdge(call, like: link) {
                    entry.above = link.to.thread
                }
            } else if let key = groupOfRoot[call.thread] {
                entry.group = key
            }
            entries[host, default: []].append(entry)
        }
        return entries.mapValues { Trees($0, deadlocks: deadlocks, titles: titles).lines() }
    }

    /// A call that ends at the same far end as the one that was followed, with no thread between.
    private func isEdge(_ call: OpenCall, like link: Joining.Link) -> Bool {
        !call.waitsOn.isDisjoint(with: link.to.waitsOn.union(link.to.holds))
    }

    private func totals(_ run: Run) -> [String] {
        let host = TerminalText.cut(TerminalText.escaped(run.hostName), to: 64)
        func text(_ value: String) -> String { TerminalText.cut(TerminalText.escaped(value), to: 80) }
        func row(_ label: String, _ value: String) -> String { "  \(TerminalText.padded(label, to: 16))\(value)" }
        func list(_ counts: [String: UInt64]) -> String {
            counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(12)
                .map { "\(text($0.key)) \($0.value)" }.joined(separator: ", ")
        }
        let version = run.version.isEmpty ? "blockwatch" : "blockwatch \(text(run.version))"
        let beginning =
            run.startedAt == nil ? ", its beginning is not there (first record \(run.sequences.first ?? 0))" : ""
        let end = run.stop.map { "stopped (\(text($0.reason)))" } ?? "no end recorded"
        var lines = ["\(host)  \(version), \(Self.stamp(run.firstAt)) to \(Self.stamp(run.lastAt)), \(end)\(beginning)"]
        lines.append(row("records", run.totals.map { "\($0.name) \($0.count)" }.joined(separator: ", ")))
        for action in [Record.Action.blocked, .stillBlocked, .returned, .ended, .slow] {
            guard let verdicts = run.verdicts[action] else { continue }
            lines.append(row("  " + action.rawValue, Self.verdicts(verdicts)))
        }
        var verdicts = run.closedVerdicts
        for open in run.open.values { if let verdict = open.record?.verdict { verdicts[verdict, default: 0] += 1 } }
        if !verdicts.isEmpty {
            lines.append(row("calls", Self.verdicts(verdicts) + ", by the last that was said of each"))
        }
        for deadlock in run.deadlocks.values.sorted(by: { $0.report.id < $1.report.id }).prefix(8) {
            let members = deadlock.report.members.map { "\(TerminalText.escaped($0.name))[\($0.tid)]" }
            let part =
                deadlock.parts.count < deadlock.report.parts
                ? ", partial: \(deadlock.parts.count) of \(deadlock.report.parts) parts recorded" : ""
            lines.append(
                row("deadlock", TerminalText.cut(members.joined(separator: ", "), to: 160) + part))
        }
        let open = UInt64(run.open.count) + run.unkept
        lines.append(
            row(
                run.stop == nil ? "open" : "open at stop",
                "\(open)\(run.unkept > 0 ? ", \(run.unkept) of them more than are kept" : "")"))
        if run.unopened > 0 {
            lines.append(row("", "\(plural(run.unopened, "call")) ended whose beginning is not there"))
        }
        if let open = run.openAtSummary {
            let idle = run.idleAtSummary.map { ", \($0) of them idle by design" } ?? ""
            lines.append(row("last summary", "\(open) open\(idle)"))
        }
        if !run.lost.isEmpty { lines.append(row("lost", list(run.lost))) }
        let gaps = run.gaps
        if gaps.missing > 0 {
            let ranges = run.sequences.holes(most: 8).map {
                $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
            }.joined(separator: " ")
            let rest = gaps.missing - gaps.explained
            let why =
                rest == 0
                ? "all counted as lost lines"
                : "\(gaps.explained) counted as lost lines, \(rest) not explained by the recording"
            lines.append(row("gaps", "\(plural(gaps.missing, "record")) missing (\(ranges)): \(why)"))
        }
        if !run.truncated.isEmpty { lines.append(row("truncated", list(run.truncated))) }
        if !run.unresolved.isEmpty { lines.append(row("unresolved", list(run.unresolved))) }
        if run.stop != nil {
            let differences = run.differences.map { "\($0.name) \($0.here), said \($0.said)" }
            lines.append(
                row(
                    "",
                    differences.isEmpty
                        ? "the same as what the recording says"
                        : "DIFFERS from what the recording says: \(differences.joined(separator: "; "))"))
        }
        return lines
    }

    private static func verdicts(_ counts: [Verdict: UInt64]) -> String {
        Verdict.allCases.compactMap { verdict in counts[verdict].map { "\(verdict.rawValue) \($0)" } }
            .joined(separator: ", ")
    }

    private func deadlock(_ chain: UInt64) -> DeadlockReport? {
        for run in recording.runs {
            if let found = run.deadlocks.values.first(where: { $0.chain == chain }) { return found.report }
        }
        return nil
    }

    /// Roots by what they have cost.
    private func chainLines() -> [String] {
        guard !chains.isEmpty else { return [] }
        var lines = ["", "Chains, by the time that calls have waited behind them"]
        for (id, host, chain) in chains.prefix(20) {
            let root = chain.root.map { Trees.title($0, deadlock: deadlock(id)) } ?? "?"
            let place = hosts.count > 1 ? name(of: host) + ": " : ""
            let open = chain.open > 0 ? ", \(chain.open) open" : ""
            let partial = chain.isPartial ? "  (partial)" : ""
            lines.append(
                "  \(TerminalText.padded(TerminalText.duration(nanoseconds: chain.nanoseconds), to: 8, .right))  "
                    + "\(TerminalText.padded(chain.verdict.rawValue, to: 8))  "
                    + "\(plural(chain.calls, "call"))\(open), longest \(TerminalText.duration(nanoseconds: chain.longest))  "
                    + "\(place)\(TerminalText.cut(root, to: 100, keep: .headAndTail))\(partial)")
        }
        if chains.count > 20 { lines.append("  and \(chains.count - 20) more") }
        if unkeptChains > 0 { lines.append("  and \(plural(unkeptChains, "call")) of more chains than are kept") }
        return lines
    }

    /// Lines that were no records.
    private func placeLines() -> [String] {
        var lines: [String] = []
        var notes: [String] = []
        if recording.duplicates > 0 {
            notes.append("\(plural(recording.duplicates, "record")) more than once, counted once")
        }
        if recording.later > 0 { notes.append("\(plural(recording.later, "record")) of later moments left out") }
        let refused = recording.refused.values.reduce(0, +)
        if refused > 0 {
            let reasons = recording.refused.sorted { ($1.value, $0.key.words) < ($0.value, $1.key.words) }
                .map { "\($0.value) \($0.key.words)" }.joined(separator: ", ")
            notes.append("\(plural(refused, "line")) passed over: \(reasons); the first:")
        }
        if !notes.isEmpty { lines += ["", "Input"] + notes.map { "  " + $0 } }
        for place in recording.places {
            lines.append("    \(TerminalText.escaped(place.file)):\(place.line): \(place.refusal.words)")
        }
        return lines
    }

    // MARK: - NDJSON

    /// The last records of the calls that are shown, as they were recorded, then one `replay` a run, then one of all.
    ///
    /// - Parameter body: takes a line with its newline.
    public func ndjson(_ body: ([UInt8]) -> Void) {
        var json = JSONWriter()
        for (call, record) in zip(calls, records) where isShown(call) {
            json.removeAll()
            json.copy(record.value)
            json.newline()
            body(json.bytes)
        }
        for index in order() {
            json.removeAll()
            write(recording.runs[index], to: &json)
            json.newline()
            body(json.bytes)
        }
        json.removeAll()
        json.beginObject()
        head(&json, at: recording.lastAt, kind: "summary")
        json.beginObject("replay")
        json.integer("hosts", hosts.count)
        json.integer("runs", recording.runs.count)
        json.integer("files", recording.files)
        json.integer("lines", recording.lines)
        json.integer("records", recording.records)
        json.integer("open", calls.count)
        json.integer("open_shown", shown(calls).count)
        json.integer("duplicates", recording.duplicates)
        json.integer("later", recording.later)
        json.beginObject("passed_over")
        for (refusal, count) in recording.refused.sorted(by: { $0.key.words < $1.key.words }) {
            json.integer(refusal.words, count)
        }
        json.endObject()
        json.strings("first_passed_over", recording.places.map { "\($0.file):\($0.line): \($0.refusal.words)" })
        json.beginArray("chains")
        for (id, host, chain) in chains.prefix(20) {
            json.beginObject()
            let hex = String(id, radix: 16)
            json.string("chain_id", String(repeating: "0", count: 16 - hex.count) + hex)
            json.string("host", hosts[host].name)
            json.string("verdict", chain.verdict.rawValue)
            json.integer("calls", chain.calls)
            json.integer("open", chain.open)
            json.nanoseconds("duration", chain.nanoseconds)
            json.nanoseconds("longest", chain.longest)
            if let root = chain.root { json.string("root", Trees.title(root, deadlock: deadlock(id))) }
            json.bool("partial", chain.isPartial)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        json.endObject()
        json.newline()
        body(json.bytes)
    }

    private func head(_ json: inout JSONWriter, at wall: UInt64, kind: String) {
        json.string(
            "@timestamp",
            Timestamp.rfc3339(seconds: Int64(wall / 1_000_000_000), nanoseconds: Int64(wall % 1_000_000_000)))
        json.beginObject("event")
        json.string("kind", "metric")
        json.string("dataset", "blockwatch.replay")
        json.string("action", kind)
        json.endObject()
    }

    private func write(_ run: Run, to json: inout JSONWriter) {
        func counts(_ key: String, _ counts: some Sequence<(String, UInt64)>) {
            json.beginObject(key)
            for (name, count) in counts { json.integer(name, count) }
            json.endObject()
        }
        func sorted(_ counts: [String: UInt64]) -> [(String, UInt64)] {
            counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(16).map { ($0.key, $0.value) }
        }
        func verdicts(_ counts: [Verdict: UInt64]) -> [(String, UInt64)] {
            Verdict.allCases.compactMap { verdict in counts[verdict].map { (verdict.rawValue, $0) } }
        }
        json.beginObject()
        head(&json, at: run.lastAt, kind: "run")
        json.beginObject("host")
        json.string("name", run.hostName)
        json.beginObject("boot")
        json.string("id", run.bootID)
        json.endObject()
        json.endObject()
        json.beginObject("replay")
        if let startedAt = run.startedAt {
            json.string(
                "started",
                Timestamp.rfc3339(
                    seconds: Int64(startedAt / 1_000_000_000), nanoseconds: Int64(startedAt % 1_000_000_000)))
        }
        if let stop = run.stop { json.string("stopped", stop.reason) }
        counts("totals", run.totals.map { ($0.name, $0.count) })
        json.beginObject("verdicts")
        for action in [Record.Action.blocked, .stillBlocked, .returned, .ended, .slow] {
            if let found = run.verdicts[action] { counts(action.rawValue, verdicts(found)) }
        }
        json.endObject()
        var calls = run.closedVerdicts
        for open in run.open.values { if let verdict = open.record?.verdict { calls[verdict, default: 0] += 1 } }
        counts("calls", verdicts(calls))
        json.integer("open", UInt64(run.open.count) + run.unkept)
        json.integer("unopened", run.unopened)
        counts("lost", sorted(run.lost))
        let gaps = run.gaps
        json.beginObject("gaps")
        json.integer("missing", gaps.missing)
        json.integer("explained", gaps.explained)
        json.strings("first", run.sequences.holes(most: 8).map { "\($0.lowerBound)-\($0.upperBound)" })
        json.endObject()
        counts("truncated", sorted(run.truncated))
        counts("unresolved", sorted(run.unresolved))
        json.integer("partial_deadlocks", run.deadlocks.values.count { $0.parts.count < $0.report.parts })
        if run.stop != nil {
            json.bool("agrees", run.differences.isEmpty)
            json.strings("differences", run.differences.map { "\($0.name) \($0.here), said \($0.said)" })
        }
        json.endObject()
        json.endObject()
    }
}

extension Recording {
    /// The last moment of all.
    var lastAt: UInt64 { runs.map(\.lastAt).max() ?? 0 }
}
