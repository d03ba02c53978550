/// The report for programs.
extension ReplayReport {
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
            json.string("chain_id", ByteText.hex(id))
            json.string("host", hosts[host].name)
            if let id = hosts[host].id { json.string("host_id", id) }
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
        json.host(of: run.origin)
        if run.origin.runID != nil {
            json.beginObject("blockwatch")
            json.run(of: run.origin)
            json.endObject()
        }
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
