/// Processes of one name that come and go.
struct Comings {
    let lives: [ActivityLog.Life]
    private let log: ActivityLog
    private let sums: [CallSum]

    init(_ lives: [ActivityLog.Life], _ log: ActivityLog, _ sums: [CallSum]) {
        self.lives = lives
        self.log = log
        self.sums = sums
    }

    private var born: [ActivityLog.Life] { lives.filter { $0.bornNanoseconds != nil } }
    private var ended: [ActivityLog.Life] { lives.filter { $0.exitedNanoseconds != nil } }

    /// Some came or went.
    var isWorthTelling: Bool { !born.isEmpty || !ended.isEmpty }
    /// They end with a failure, and others come in their place.
    var isCrashing: Bool { ended.count >= 2 && born.count >= 2 && ended.contains { $0.status != 0 } }

    /// By name, those of which there are most first.
    static func grouped(_ lives: [ActivityLog.Life]) -> [[ActivityLog.Life]] {
        Dictionary(grouping: lives, by: \.name).values
            .sorted { ($1.count, $0[0].pid) < ($0.count, $1[0].pid) }
    }

    /// In whose sums their calls are: their threads', or those of their name.
    static func sumKeys(_ lives: [ActivityLog.Life], _ log: ActivityLog) -> Set<UInt64> {
        var keys: Set<UInt64> = []
        let pids = Set(lives.map(\.pid))
        for life in lives { keys.insert(life.isApart ? UInt64(life.pid) : life.who) }
        for (tid, calls) in log.calls where calls.first.map({ pids.contains($0.pid) }) ?? false {
            keys.insert(calls[0].who)
            keys.insert(UInt64(tid))
        }
        return keys
    }

    /// `curl: 12 times, for 21ms each; exit status 7 each time, after connect 127.0.0.1:1 = ECONNREFUSED`
    var line: String {
        guard let first = lives.first else { return "" }
        var text = "\(TerminalText.escaped(first.name)): \(times(lives.count))"
        if let length = meanLength { text += ", for \(TerminalText.duration(nanoseconds: length)) each" }
        if let ends { text += "; \(ends)" }
        let running = lives.count - ended.count
        if running > 0 { text += "; \(running == lives.count ? "still there" : "\(running) still there")" }
        if ended.contains(where: { $0.status != 0 }), let last = lastFailure { text += ", after \(last)" }
        return text
    }

    private func times(_ count: Int) -> String { count == 1 ? "once" : count == 2 ? "twice" : "\(count) times" }

    private var meanLength: UInt64? {
        let lengths = lives.compactMap { life -> UInt64? in
            guard let born = life.bornNanoseconds, let exited = life.exitedNanoseconds else { return nil }
            return exited - min(born, exited)
        }
        return lengths.isEmpty ? nil : lengths.reduce(0, +) / UInt64(lengths.count)
    }

    private var ends: String? {
        var counts: [String: Int] = [:]
        for life in ended { counts[life.status.map(ExitStatus.text) ?? "an unknown status", default: 0] += 1 }
        guard !counts.isEmpty else { return nil }
        if counts.count == 1, let only = counts.first { return only.key + (only.value > 1 ? " each time" : "") }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(4)
            .map { "\($0.key) \(times($0.value))" }.joined(separator: ", ")
    }

    /// The call whose failure they most likely ended for, if that is the same for most: of those that failed to reach or start
    /// something the last, else the last file that was not there.
    private var lastFailure: String? {
        var counts: [String: Int] = [:]
        var asked = 0
        for life in ended.suffix(200) where life.status != 0 {
            guard let calls = log.calls[life.pid] else { continue }
            let own = CallArguments.withAddresses(
                calls.filter { $0.pid == life.pid && $0.startNanoseconds >= (life.bornNanoseconds ?? 0) })
            asked += 1
            guard
                let last = own.last(where: { isTelling($0, essential: true) })
                    ?? own.last(where: { isTelling($0, essential: false) })
            else { continue }
            counts[CallArguments.text(last), default: 0] += 1
        }
        guard let most = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }), most.value * 2 > asked else {
            return nil
        }
        return most.key
    }

    /// What every program looks for in vain says nothing: the loader's files, a name service that is not there.
    private func isTelling(_ call: WatchedCall, essential: Bool) -> Bool {
        guard let info = SyscallTable.table(for: call.abi)[call.number], CallArguments.isError(call.result, info) else {
            return false
        }
        let detail = CallArguments.detail(call, info) ?? ""
        let usual = ["/nscd/", "ld.so", ".so", "locale", "gconv", "/proc/", "/etc/nsswitch", "resolv", "userdb"]
        guard !usual.contains(where: detail.contains), ![-11, -4, -115].contains(call.result) else { return false }
        if essential { return ThreadActivity.essential.contains(info.name) }
        return info.class == .path
            && !["readlink", "readlinkat", "access", "faccessat", "faccessat2"].contains(info.name)
    }

    /// The same for programs: what `lines` and ``line`` are made from.
    func encode(_ json: inout JSONWriter) {
        json.integer("there", lives.count - ended.count)
        json.integer("started", born.count)
        json.integer("ended", ended.count)
        if let length = meanLength { json.nanoseconds("mean_life", length) }
        var counts: [String: Int] = [:]
        for life in ended { counts[life.status.map(ExitStatus.text) ?? "an unknown status", default: 0] += 1 }
        json.beginArray("ends")
        for (text, count) in counts.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            json.beginObject()
            json.string("how", text)
            json.integer("count", count)
            json.endObject()
        }
        json.endArray()
        if ended.contains(where: { $0.status != 0 }), let last = lastFailure { json.string("last_failure", last) }
        if let starter = (born.first { $0.parentPID > 0 }) ?? lives.first(where: { $0.parentPID > 0 }) {
            json.beginObject("started_by")
            json.integer("pid", starter.parentPID)
            json.string("name", starter.parentName)
            json.endObject()
        }
    }

    /// What is to be said of those that were asked for.
    func lines(word: String, isByName: Bool, span: String) -> [String] {
        let name = TerminalText.escaped(word)
        guard let first = lives.first else { return ["No process \(name) was there within \(span)."] }
        let there = lives.count - ended.count
        var lines: [String] = []
        if ended.count == 1, born.count <= 1 {
            let end = ended[0].status.map { ": \(ExitStatus.text($0))" } ?? ""
            lines.append("\(TerminalText.escaped(ended[0].name))[\(ended[0].pid)] has ended meanwhile\(end).")
            if let length = meanLength {
                lines.append("  It was there for \(TerminalText.duration(nanoseconds: length)).")
            }
        } else if ended.isEmpty {
            lines.append(
                "\(name) started \(times(born.count)) within \(span), and \(there == 1 ? "is" : "\(there) are") still there."
            )
        } else {
            lines.append("\(name) comes and goes: \(born.count) started and \(ended.count) ended within \(span).")
            if let ends { lines.append("  How they ended: \(ends).") }
            if let length = meanLength {
                lines.append("  Each was there for \(TerminalText.duration(nanoseconds: length)).")
            }
        }
        if ended.contains(where: { $0.status != 0 }), let last = lastFailure {
            lines.append("  The last call that failed before: \(last).")
        }
        if let starter = (born.first { $0.parentPID > 0 }) ?? (first.parentPID > 0 ? first : nil) {
            lines.append(
                "  Started by \(TerminalText.escaped(starter.parentName))[\(starter.parentPID)]: blockwatch explain --for 3s \(starter.parentPID)"
            )
        }
        return lines
    }
}
