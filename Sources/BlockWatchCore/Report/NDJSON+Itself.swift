/// Records about blockwatch itself: what stands in their `blockwatch`.
extension NDJSON {
    mutating func encode(_ summary: Summary) {
        json.integer("open", summary.open)
        json.integer("open_written", summary.openWritten)
        if let overhead = summary.overhead { encode(overhead) } else { json.string("engine", "scan") }
        counts("open_by_syscall", summary.openBySyscall, most: 32)
        counts("open_by_verdict", summary.openByVerdict, most: 5)
        counts("idle_by_reason", summary.idleByReason, most: 16)
        counts("busy_by_reason", summary.busyByReason, most: 8)
        json.integer("threads", summary.threads)
        json.beginObject("scan")
        json.nanoseconds("duration", summary.scanNanoseconds)
        json.nanoseconds("period", summary.scanPeriodNanoseconds)
        json.endObject()
        encode(summary.totals)
        encode(summary.usage)
        guard let stacks = summary.stacks else { return }
        json.beginObject("stacks")
        for (name, count) in stacks.named { json.integer(name, count) }
        json.bool("worker_blocked", stacks.isWorkerBlocked)
        json.endObject()
    }

    mutating func encode(_ stopped: Stopped) {
        json.string("reason", stopped.reason)
        json.integer("open", stopped.open)
        encode(stopped.totals)
        encode(stopped.usage)
    }

    mutating func encode(_ overhead: Overhead) {
        json.string("engine", overhead.engine)
        json.beginObject("overhead")
        if let share = overhead.share { json.millionths("share", share) }
        if let limit = overhead.limit { json.millionths("limit", limit) }
        if let rate = overhead.rate { json.integer("rate", rate) }
        json.integer("call", overhead.callNanoseconds)
        json.integer("changes", overhead.changes)
        json.endObject()
    }

    mutating func encode(_ totals: Totals) {
        json.beginObject("totals")
        json.integer("blocked", totals.blocked)
        json.integer("still_blocked", totals.stillBlocked)
        json.integer("returned", totals.returned)
        json.integer("ended", totals.ended)
        json.integer("slow", totals.slow)
        json.integer("deadlocks", totals.deadlocks)
        json.endObject()
        counts("hidden", totals.hidden, most: 24)
        counts("lost", totals.lost, most: 24)
    }

    mutating func encode(_ usage: OwnUsage) {
        json.beginObject("usage")
        json.nanoseconds("cpu", usage.cpuNanoseconds)
        json.integer("resident_bytes", usage.residentBytes)
        json.endObject()
    }

    /// The largest first, so that the line's limit cuts what matters least.
    private mutating func counts(_ key: String, _ counts: [String: UInt64], most: Int) {
        json.beginObject(key)
        for (name, count) in counts.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }).prefix(most) {
            json.integer(
                String(decoding: JSONWriter.cut(Array(name.utf8), budget: 64, keep: .head).bytes, as: UTF8.self), count)
        }
        json.endObject()
    }

    mutating func encode(_ started: Started) {
        json.string("version", started.version)
        json.string("engine", started.engine)
        json.string("scope", started.scope)
        json.nanoseconds("threshold", started.thresholdNanoseconds)
        var room = 1024
        json.beginArray("options")
        for option in started.options {
            let bytes = JSONWriter.cut(Array(option.utf8), budget: 256, keep: .head).bytes
            room -= JSONWriter.escapedCount(bytes) + 3
            if room < 0 { break }
            json.element(bytes)
        }
        json.endArray()
        json.strings("capabilities", started.capabilities)
    }
}
