/// Writes records as lines of the stream: RFC 8259, UTF-8, at most 4,080 bytes with the newline, so that one
/// write(2) puts the whole line into a pipe and no log shipper cuts it.
public struct NDJSON: Sendable {
    public static let lineLimit = 4080

    private let hostName: String
    private let bootID: String
    private var json = JSONWriter()

    public init(hostName: String, bootID: String) {
        self.hostName = hostName
        self.bootID = bootID
    }

    /// What strings may take, in escaped bytes. A line that is still too long gives up its least needed parts first.
    struct Budget {
        var stackFrames = 12
        var commandLine = 512
        var path = 512
        var name = 256
        var holders = 4
        var members = 8
        var chain = 512
        var heldSockets = 32
        /// In the order of the contract.
        static let steps: [@Sendable (inout Budget) -> Void] = [
            { $0.stackFrames = 0 },
            { $0.members = 1 },
            { $0.holders = 1 },
            { $0.heldSockets = 8 },
            { $0.heldSockets = 0 },
            { $0.chain = 192 },
            { $0.commandLine = 128 },
            { $0.commandLine = 0 },
            { $0.path = 256 },
            {
                $0.path = 96; $0.name = 96
            },
        ]
    }

    /// - Returns: the line with its newline.
    public mutating func line(_ record: Record) -> [UInt8] {
        var budget = Budget()
        var line = encode(record, budget)
        for step in Budget.steps where line.count > Self.lineLimit {
            step(&budget)
            line = encode(record, budget)
        }
        return line
    }

    private mutating func encode(_ record: Record, _ budget: Budget) -> [UInt8] {
        json.removeAll()
        json.beginObject()
        json.string("@timestamp", timestamp(record.wallNanoseconds))
        json.string("message", JSONWriter.cut(Array(Sentence.text(record).utf8), budget: 400, keep: .head).bytes)
        json.beginObject("event")
        json.string("kind", isMetric(record.action) ? "metric" : "event")
        json.string("dataset", "blockwatch.calls")
        json.string("action", record.action.rawValue)
        if case .call(let report) = record.body {
            json.string("id", report.call.eventID)
            json.integer("sequence", record.sequence)
            json.string("start", timestamp(report.startWallNanoseconds))
            json.string("start_source", report.call.startSource.rawValue)
            json.nanoseconds("duration", report.durationNanoseconds)
        } else if case .deadlock(let report) = record.body {
            json.string("id", report.id)
            json.integer("sequence", record.sequence)
            if report.parts > 1 {
                json.integer("part", report.part)
                json.integer("parts", report.parts)
            }
        } else {
            json.integer("sequence", record.sequence)
        }
        json.endObject()
        json.beginObject("log")
        json.string("level", level(record))
        json.endObject()
        json.beginObject("host")
        json.string("name", hostName)
        json.beginObject("boot")
        json.string("id", bootID)
        json.endObject()
        json.endObject()
        switch record.body {
        case .call(let report): encode(report, budget)
        case .deadlock(let report): encode(report, budget)
        case .summary(let summary): encode(summary)
        case .loss(let loss):
            json.beginObject("loss")
            json.string("what", loss.what)
            json.integer("count", loss.count)
            json.string("reason", loss.reason)
            json.endObject()
        case .started(let started): encode(started)
        case .stopped(let stopped):
            json.beginObject("blockwatch")
            json.string("reason", stopped.reason)
            json.integer("open", stopped.open)
            encode(stopped.totals)
            encode(stopped.usage)
            json.endObject()
        }
        json.endObject()
        json.newline()
        return json.bytes
    }

    private func isMetric(_ action: Record.Action) -> Bool { action == .summary }

    private func level(_ record: Record) -> String {
        switch record.action {
        case .deadlock: return "warning"
        case .loss: return "error"
        case .blocked, .stillBlocked, .slow: break
        default: return "info"
        }
        guard case .call(let report) = record.body, let finding = report.finding else { return "notice" }
        switch finding.verdict {
        case .deadlock, .stuck: return "warning"
        case .waiting: return "notice"
        case .busy: return "info"
        case .idle: return "debug"
        }
    }

    private func timestamp(_ wall: UInt64) -> String {
        Timestamp.rfc3339(seconds: Int64(wall / 1_000_000_000), nanoseconds: Int64(wall % 1_000_000_000))
    }

    // MARK: - a call

    private mutating func encode(_ report: CallReport, _ budget: Budget) {
        var truncated: [String] = []
        let call = report.call
        encode(call.process, budget, &truncated)
        if let systemCall = call.call {
            json.beginObject("syscall")
            json.string("name", systemCall.name)
            json.integer("number", systemCall.number)
            json.string("abi", systemCall.abi.rawValue)
            if !systemCall.arguments.isEmpty {
                json.strings("arguments", systemCall.arguments.map(CallKind.hex))
            }
            if let result = report.result {
                json.integer("result", result)
                if let name = ErrnoNames.name(result: result) { json.string("error", name) }
            }
            if let timeout = systemCall.timeout.value { json.nanoseconds("timeout", timeout) }
            if let renewals = systemCall.renewals { json.integer("renewals", renewals) }
            json.endObject()
        }
        if let stop = call.stop {
            json.beginObject("stop")
            json.string("signal", stop.signal)
            if let pid = stop.senderPID {
                json.beginObject("sender")
                json.integer("pid", pid)
                if let name = stop.senderName { json.string("name", name) }
                json.endObject()
            }
            json.endObject()
        }
        encode(call.resource, budget, &truncated)
        if let finding = report.finding { encode(finding, report.victims, budget, &truncated) }
        if !call.heldSockets.isEmpty {
            if budget.heldSockets > 0 {
                json.strings("held_sockets", Array(call.heldSockets.prefix(budget.heldSockets)))
            }
            if call.heldSockets.count > budget.heldSockets { truncated.append("held_sockets") }
        }
        if !call.stack.isEmpty {
            if budget.stackFrames > 0 {
                json.strings("stack", Array(call.stack.prefix(budget.stackFrames)))
            }
            if call.stack.count > budget.stackFrames { truncated.append("stack") }
        }
        let unresolved = call.unresolved + (report.finding?.unresolved ?? [])
        if !unresolved.isEmpty { json.strings("unresolved", unresolved) }
        if !truncated.isEmpty { json.strings("truncated", truncated) }
    }

    private mutating func encode(
        _ finding: Finding, _ victims: Int, _ budget: Budget, _ truncated: inout [String]
    ) {
        json.string("verdict", finding.verdict.rawValue)
        json.string("reason", finding.reason.rawValue)
        if !finding.members.isEmpty {
            if budget.members > 0 {
                json.beginArray("members")
                for member in finding.members.prefix(budget.members) { encode(member) }
                json.endArray()
            }
            if finding.memberCount > budget.members || finding.hasMoreMembers { truncated.append("members") }
        }
        if let first = finding.holders.first {
            json.beginObject("holder")
            json.integer("pid", first.pid)
            if let tid = first.tid { json.integer("tid", tid) }
            json.string("name", first.name)
            json.string("relation", first.role.rawValue)
            json.integer("count", finding.holderCount)
            json.endObject()
            json.beginArray("holders")
            for holder in finding.holders.prefix(budget.holders) { encode(holder) }
            json.endArray()
            if finding.holderCount > budget.holders { truncated.append("holders") }
        }
        if !finding.chain.isEmpty {
            let (bytes, wasCut) = JSONWriter.cut(Array(finding.chain.utf8), budget: budget.chain, keep: .headAndTail)
            if wasCut { truncated.append("chain") }
            json.string("chain", bytes)
        }
        if let root = finding.root.value {
            json.beginObject("root")
            json.string("kind", root.kind.rawValue)
            if let pid = root.pid { json.integer("pid", pid) }
            if let name = root.name { json.string("name", JSONWriter.cut(name, budget: 64, keep: .head).bytes) }
            if let doing = root.doing {
                json.string("doing", JSONWriter.cut(Array(doing.utf8), budget: 160, keep: .headAndTail).bytes)
            }
            if let address = root.address {
                json.string("address", JSONWriter.cut(Array(address.utf8), budget: 128, keep: .head).bytes)
            }
            json.endObject()
        }
        if case .unknown = finding.root {
            json.beginObject("root")
            json.string("kind", "unknown")
            json.endObject()
        }
        if let id = finding.chainID {
            json.string("chain_id", id)
            json.integer("victims", victims)
        }
    }

    private mutating func encode(_ member: SetMember) {
        let resource = member.resource
        json.beginObject()
        if let descriptor = resource.descriptor { json.integer("fd", descriptor) }
        json.string("kind", resource.kind.rawValue)
        json.string("name", JSONWriter.cut(resource.name, budget: 96, keep: .headAndTail).bytes)
        if let state = resource.network?.state { json.string("state", state) }
        json.string("reason", member.reason.rawValue)
        json.endObject()
    }

    private mutating func encode(_ holder: Holder) {
        json.beginObject()
        json.integer("pid", holder.pid)
        if let tid = holder.tid { json.integer("tid", tid) }
        json.string("name", holder.name)
        if let descriptor = holder.descriptor { json.integer("fd", descriptor) }
        if let access = holder.access, !access.isEmpty { json.string("access", access) }
        json.string("relation", holder.role.rawValue)
        if let doing = holder.doing {
            json.string("doing", JSONWriter.cut(Array(doing.utf8), budget: 120, keep: .headAndTail).bytes)
        }
        if let duration = holder.duration { json.nanoseconds("duration", duration) }
        if let verdict = holder.verdict { json.string("verdict", verdict.rawValue) }
        json.endObject()
    }

    private mutating func encode(_ report: DeadlockReport, _ budget: Budget) {
        json.string("verdict", Verdict.deadlock.rawValue)
        json.string("reason", Reason.cycle.rawValue)
        json.beginArray("members")
        for member in report.members {
            json.beginObject()
            json.integer("pid", member.pid)
            json.integer("tid", member.tid)
            json.string("name", member.name)
            json.string("syscall", member.call)
            // columns are no bound for bytes: some characters take none
            func cut(_ text: String) -> [UInt8] {
                JSONWriter.cut(Array(text.utf8), budget: min(budget.path, 512) / 4, keep: .headAndTail).bytes
            }
            json.string("wants", cut(member.wants))
            json.strings("holds", member.holds.prefix(budget.holders).map(cut))
            json.nanoseconds("duration", member.duration)
            json.endObject()
        }
        json.endArray()
        if !report.chain.isEmpty {
            json.string(
                "chain", JSONWriter.cut(Array(report.chain.utf8), budget: budget.chain, keep: .headAndTail).bytes)
        }
        json.beginObject("root")
        json.string("kind", Root.Kind.deadlock.rawValue)
        json.endObject()
        if let id = report.chainID {
            json.string("chain_id", id)
            json.integer("victims", report.victims)
        }
    }

    /// A string within its budget; what was cut is named.
    private mutating func limited(
        _ key: String, _ value: [UInt8], _ budget: Int, as field: String, _ truncated: inout [String],
        keep: JSONWriter.Keep = .headAndTail
    ) {
        let (bytes, wasCut) = JSONWriter.cut(value, budget: budget, keep: keep)
        if wasCut { truncated.append(field) }
        if budget > 0 { json.string(key, bytes) }
    }

    private mutating func encode(_ process: ProcessIdentity, _ budget: Budget, _ truncated: inout [String]) {
        json.beginObject("process")
        json.integer("pid", process.pid)
        json.beginObject("thread")
        json.integer("id", process.tid)
        json.string("name", process.threadName)
        json.endObject()
        json.string("name", process.name)
        if let executable = process.executable {
            limited("executable", executable, budget.path, as: "process.executable", &truncated)
        }
        if let commandLine = process.commandLine {
            limited(
                "command_line", Array(commandLine.utf8), budget.commandLine, as: "process.command_line", &truncated,
                keep: .head)
        }
        json.string("start", timestamp(process.startWallNanoseconds))
        json.string("state", process.state)
        json.string("entity_id", process.entityID)
        json.beginObject("parent")
        json.integer("pid", process.parentPID)
        json.endObject()
        json.beginObject("user")
        json.string("id", String(process.userID))
        if let name = process.userName {
            limited("name", Array(name.utf8), budget.name, as: "process.user.name", &truncated)
        }
        json.endObject()
        if let inner = process.innerPID {
            json.beginObject("namespace")
            json.integer("pid", inner)
            if let tid = process.innerTID { json.integer("thread_id", tid) }
            json.endObject()
        }
        json.endObject()
        if let id = process.cgroup.containerID {
            json.beginObject("container")
            limited("id", Array(id.utf8), budget.name, as: "container.id", &truncated)
            if let runtime = process.cgroup.containerRuntime { json.string("runtime", runtime) }
            json.endObject()
        }
        if let uid = process.cgroup.podUID {
            json.beginObject("k8s")
            json.beginObject("pod")
            json.string("uid", uid)
            json.endObject()
            json.endObject()
        }
        if let service = process.cgroup.serviceName {
            json.beginObject("service")
            limited("name", Array(service.utf8), budget.name, as: "service.name", &truncated)
            json.endObject()
        }
        json.beginObject("cgroup")
        limited("path", process.cgroupPath, budget.path, as: "cgroup.path", &truncated)
        json.endObject()
    }

    private mutating func encode(_ resource: Resource, _ budget: Budget, _ truncated: inout [String]) {
        json.beginObject("resource")
        json.string("kind", resource.kind.rawValue)
        if let descriptor = resource.descriptor { json.integer("fd", descriptor) }
        if !resource.name.isEmpty { limited("name", resource.name, budget.name, as: "resource.name", &truncated) }
        json.endObject()
        if let file = resource.file {
            json.beginObject("file")
            if let path = file.path {
                limited("path", path, budget.path, as: "file.path", &truncated)
                // exact bytes, where U+FFFD stands for some of them
                if String(validating: path, as: UTF8.self) == nil {
                    let exact = ByteText.base64(path)
                    if exact.utf8.count <= budget.path { json.string("path_base64", exact) }
                }
            }
            if let inode = file.inode { json.string("inode", String(inode)) }
            if let device = file.device { json.string("device", device) }
            if let fileSystem = file.fileSystem { json.string("filesystem", fileSystem) }
            if let server = file.server {
                limited("server", Array(server.utf8), budget.name, as: "file.server", &truncated)
            }
            json.bool("deleted", file.isDeleted)
            json.endObject()
        }
        if let pipe = resource.pipe {
            json.beginObject("pipe")
            json.string("inode", String(pipe.inode))
            json.integer("readers", pipe.readers)
            json.integer("writers", pipe.writers)
            json.integer("bytes", pipe.bytes)
            json.integer("capacity", pipe.capacity)
            json.endObject()
        }
        if let network = resource.network { encode(network, budget, &truncated) }
        if let lock = resource.lock {
            json.beginObject("lock")
            json.string("type", lock.type)
            json.string("mode", lock.mode)
            if let start = lock.start { json.nanoseconds("start", start) }
            if let end = lock.end { json.nanoseconds("end", end) }
            json.endObject()
        }
    }

    private mutating func encode(_ network: NetworkFields, _ budget: Budget, _ truncated: inout [String]) {
        json.beginObject("network")
        json.string("transport", network.transport)
        if let type = network.type { json.string("type", type) }
        if let id = network.communityID { json.string("community_id", id) }
        if let state = network.state { json.string("state", state) }
        for (key, endpoint) in [("local", network.local), ("peer", network.peer)] where endpoint != .init() {
            json.beginObject(key)
            if let address = endpoint.address { json.string("address", address) }
            if let port = endpoint.port { json.integer("port", port) }
            if let path = endpoint.path {
                limited("path", path, min(budget.path, 256), as: "network.\(key).path", &truncated)
            }
            if let inode = endpoint.inode { json.string("inode", String(inode)) }
            json.endObject()
        }
        if let inode = network.inode { json.string("inode", String(inode)) }
        if let retransmits = network.retransmits { json.integer("retransmits", retransmits) }
        if let queue = network.receiveQueue { json.integer("receive_queue", queue) }
        if let queue = network.sendQueue { json.integer("send_queue", queue) }
        if let age = network.lastSent { json.nanoseconds("last_sent", age) }
        if let age = network.lastReceived { json.nanoseconds("last_received", age) }
        json.endObject()
    }

    // MARK: - records about blockwatch itself

    private mutating func encode(_ summary: Summary) {
        json.beginObject("blockwatch")
        json.integer("open", summary.open)
        json.integer("open_written", summary.openWritten)
        counts("open_by_syscall", summary.openBySyscall, most: 32)
        counts("open_by_verdict", summary.openByVerdict, most: 5)
        counts("idle_by_reason", summary.idleByReason, most: 16)
        json.integer("threads", summary.threads)
        json.beginObject("scan")
        json.nanoseconds("duration", summary.scanNanoseconds)
        json.nanoseconds("period", summary.scanPeriodNanoseconds)
        json.endObject()
        encode(summary.totals)
        encode(summary.usage)
        json.endObject()
    }

    private mutating func encode(_ totals: Totals) {
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

    private mutating func encode(_ usage: OwnUsage) {
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

    private mutating func encode(_ started: Started) {
        json.beginObject("blockwatch")
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
        json.endObject()
        json.beginObject("os")
        json.string("kernel", started.kernel)
        json.string("machine", started.machine)
        json.endObject()
    }
}
