/// The report for people.
extension ReplayReport {
    static func stamp(_ wall: UInt64) -> String {
        Timestamp.rfc3339(seconds: Int64(wall / 1_000_000_000), nanoseconds: Int64(wall % 1_000_000_000))
            .prefix(19).replacing("T", with: " ") + "Z"
    }

    func name(of host: Int) -> String {
        named(hosts[host].name, hosts[host].id)
    }

    /// With the beginning of its id where others have that name too.
    private func named(_ name: String, _ id: String?) -> String {
        let text = TerminalText.cut(TerminalText.escaped(name), to: 64)
        let isShared = hosts.count { $0.name == name } > 1
        let mark = isShared ? " (\(id.map { TerminalText.escaped(String($0.prefix(8))) } ?? "no id"))" : ""
        return (text.isEmpty ? "(no host name)" : text) + mark
    }

    func plural(_ count: some BinaryInteger, _ noun: String) -> String {
        "\(count) \(noun)\(count == 1 ? "" : "s")"
    }

    /// - Parameter width: columns of a terminal; `nil`: nothing is cut.
    /// - Returns: lines without newlines, safe for terminals.
    public func lines(width: Int? = nil) -> [String] {
        guard let width else { return told(nil) }
        return told(width).flatMap { TerminalText.wrapped($0, to: width) }
    }

    private func told(_ width: Int?) -> [String] {
        var lines = [heading()]
        let trees = trees(width: width)
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

    private func heading() -> String {
        guard recording.records > 0 else { return "no record of blockwatch in \(plural(recording.lines, "line"))" }
        var parts = ["\(plural(recording.records, "record")) of \(plural(hosts.count, "host"))"]
        if recording.files > 1 { parts.append("in \(recording.files) files") }
        let first = recording.runs.map(\.firstAt).min() ?? 0
        parts.append("from \(Self.stamp(first)) to \(Self.stamp(recording.lastAt))")
        return parts.joined(separator: " ")
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

    private func totals(_ run: Run) -> [String] {
        let host = named(run.hostName, run.origin.hostID)
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
}
