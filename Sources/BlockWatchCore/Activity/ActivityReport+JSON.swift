/// What was seen as one JSON object, for programs: the facts of which ``ActivityReport/lines(width:)`` makes sentences.
extension ActivityReport {
    /// Threads of a process, and rows of a table.
    private static let (mostThreads, mostRows) = (1000, 512)

    /// - Parameter threadOf: the process of the thread that was asked for.
    /// - Returns: UTF-8 with a newline. Names and paths are what programs have chosen.
    public func json(threadOf process: Int? = nil) -> [UInt8] {
        var json = JSONWriter(capacity: 1 << 14)
        json.beginObject()
        json.string("asked", word)
        json.bool("by_name", isByName)
        if let process { json.integer("thread_of", process) }
        json.nanoseconds("watched", watchedNanoseconds)
        json.bool("interrupted", wasInterrupted)
        json.bool("found", foundSomething)
        json.beginArray("processes")
        for process in processes { encode(process, &json) }
        json.endArray()
        json.integer("processes_left_out", more)
        json.beginObject("comings")
        comings.encode(&json)
        json.endObject()
        let shown = Set(processes.flatMap { $0.threads.map { UInt64($0.tid) } })
        let gone = Comings.sumKeys(comings.lives, log).subtracting(shown)
        encode(CallTable(sums.filter { gone.contains($0.who) }), "calls_of_gone", &json)
        let children = log.lives.filter { !$0.isNamed }
        json.beginArray("children")
        for group in Comings.grouped(children) {
            json.beginObject()
            json.string("name", group[0].name)
            Comings(group, log, sums).encode(&json)
            json.endObject()
        }
        json.endArray()
        let born = Comings.sumKeys(children, log)
        encode(CallTable(children.isEmpty ? [] : sums.filter { born.contains($0.who) }), "calls_of_children", &json)
        json.beginObject("losses")
        json.integer("sums", losses.sums)
        json.integer("calls", losses.calls + UInt64(log.callsLeftOut))
        json.integer("lives", losses.lives)
        json.integer("samples", losses.samples)
        if let reason = losses.sampling { json.string("sampling", reason) }
        json.endObject()
        json.endObject()
        json.newline()
        return json.bytes
    }

    private func encode(_ process: Process, _ json: inout JSONWriter) {
        json.beginObject()
        json.integer("pid", process.life.pid)
        json.string("name", process.life.name)
        if process.life.exitedNanoseconds != nil {
            json.string("ended", process.life.status.map(ExitStatus.text) ?? "an unknown status")
        }
        json.nanoseconds("watched", process.threads.map(\.wallNanoseconds).max() ?? watchedNanoseconds)
        let blocked = Dictionary(
            (process.explanation?.threads ?? []).map { ($0.call.process.tid, $0) }, uniquingKeysWith: { a, _ in a })
        json.beginArray("threads")
        for thread in process.threads.sorted(by: { ($0.doing, $0.tid) < ($1.doing, $1.tid) }).prefix(Self.mostThreads) {
            encode(thread, blocked[thread.tid], &json)
        }
        json.endArray()
        json.integer("threads_left_out", max(process.threads.count - Self.mostThreads, 0))
        json.endObject()
    }

    private func encode(_ thread: ThreadActivity, _ now: Explanation.Thread?, _ json: inout JSONWriter) {
        json.beginObject()
        json.integer("tid", thread.tid)
        json.string("name", thread.name)
        json.string("doing", thread.doing.name)
        json.nanoseconds("watched", thread.wallNanoseconds)
        if let nanoseconds = thread.processorNanoseconds { json.nanoseconds("on_processor", nanoseconds) }
        if let nanoseconds = thread.queuedNanoseconds { json.nanoseconds("in_queue", nanoseconds) }
        json.integer("bytes_read", thread.table.bytesRead)
        json.integer("bytes_written", thread.table.bytesWritten)
        if let loop = thread.loop { encode(loop, &json) }
        json.beginArray("places")
        for spot in thread.spots {
            json.beginObject()
            json.string("place", spot.place)
            json.millionths("share", UInt64(min(max(spot.share, 0), 1) * 1_000_000))
            json.endObject()
        }
        json.endArray()
        encode(thread.table, "calls", &json)
        if let now, thread.doing == .resting, !now.isRunning { encode(now, &json) }
        json.endObject()
    }

    private func encode(_ loop: Loop, _ json: inout JSONWriter) {
        json.beginObject("rounds")
        json.integer("count", loop.count)
        json.bool("estimate", loop.isEstimate)
        if let round = loop.roundNanoseconds { json.nanoseconds("duration", round) }
        json.millionths("coverage", UInt64(min(max(loop.coverage, 0), 1) * 1_000_000))
        json.beginArray("steps")
        for step in loop.steps {
            json.beginObject()
            json.string("call", step.name)
            if let detail = step.detail { json.string("on", detail) }
            if let descriptor = step.descriptor { json.integer("fd", descriptor) }
            if let name = step.descriptorName { json.string("fd_name", name) }
            if let child = step.child { json.string("child", child) }
            json.string("result", step.result)
            json.bool("error", step.isError)
            json.nanoseconds("mean", step.meanNanoseconds)
            json.endObject()
        }
        json.endArray()
        json.endObject()
    }

    private func encode(_ table: CallTable, _ key: String, _ json: inout JSONWriter) {
        json.beginArray(key)
        for row in table.rows.prefix(Self.mostRows) {
            json.beginObject()
            json.string("call", row.name)
            json.string("abi", row.abi.rawValue)
            json.integer("count", row.count)
            json.nanoseconds("total", row.totalNanoseconds)
            json.nanoseconds("longest", row.longestNanoseconds)
            json.integer("bytes", row.bytes)
            json.beginArray("errors")
            for error in row.errors {
                json.beginObject()
                json.string("error", error.name)
                json.integer("count", error.count)
                json.endObject()
            }
            json.endArray()
            json.endObject()
        }
        json.endArray()
    }

    /// What it is in, as `explain` has it.
    private func encode(_ thread: Explanation.Thread, _ json: inout JSONWriter) {
        let (call, finding) = (thread.call, thread.finding)
        json.beginObject("blocked")
        json.string("call", Sentence.step(call))
        json.nanoseconds("duration", thread.durationNanoseconds)
        if !call.resource.name.isEmpty { json.string("on", call.resource.name) }
        json.string("verdict", finding.verdict.rawValue)
        json.string("reason", finding.reason.rawValue)
        if !finding.chain.isEmpty { json.string("chain", finding.chain(within: 4096)) }
        json.endObject()
    }
}
