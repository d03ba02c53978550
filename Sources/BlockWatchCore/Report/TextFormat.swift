/// One aligned line a report, for people at a terminal.
///
///     03:12:07  stuck         5.2s  psql[812]  poll  tcp ->10.0.0.5:5432 SYN_SENT  <- 10.0.0.5:5432 does not answer
public struct TextFormat: Sendable {
    /// Columns of the terminal; `nil`: nothing is cut.
    public var width: Int?
    private let usesColor: Bool
    /// Of deadlocks that have been told, by chain: the member whose repeats stand for all.
    private var told: [String: Int] = [:]
    private static let mostTold = 1024

    public init(usesColor: Bool, width: Int? = nil) {
        self.usesColor = usesColor
        self.width = width
    }

    /// - Parameter offsetSeconds: of the local time zone, east of UTC.
    /// - Returns: nothing for what another line has said: that a thread is in a deadlock which has been told.
    public mutating func line(_ record: Record, offsetSeconds: Int64) -> [UInt8] {
        let seconds = Int64(record.wallNanoseconds / 1_000_000_000) + offsetSeconds
        let stamp = Timestamp.rfc3339(seconds: seconds, nanoseconds: 0)
        let time = String(stamp.dropFirst(11).prefix(isNarrow ? 5 : 8))
        switch record.body {
        case .call(let report):
            if isToldOfAll(record.action, report) { return [] }
            return bytes([line(time, record, report)])
        case .deadlock(let report):
            if told.count >= Self.mostTold { told = [:] }
            if let id = report.chainID, told[id] == nil { told[id] = report.members.map(\.tid).min() }
            return bytes(lines(time, record, report))
        case .summary, .loss, .started, .stopped, .engine: return bytes([plain(time, record, Sentence.text(record))])
        }
    }

    private func bytes(_ lines: [String]) -> [UInt8] { Array((lines.joined(separator: "\n") + "\n").utf8) }

    // MARK: - deadlocks

    /// A deadlock is one line and its members; what is said of it again stands for all of them.
    private func isToldOfAll(_ action: Record.Action, _ report: CallReport) -> Bool {
        guard report.finding?.verdict == .deadlock, let id = report.finding?.chainID, let speaker = told[id] else {
            return false
        }
        switch action {
        case .blocked: return true
        case .stillBlocked: return report.call.process.tid != speaker
        default: return false
        }
    }

    private func lines(_ time: String, _ record: Record, _ report: DeadlockReport) -> [String] {
        let oldest = report.members.map(\.duration).max() ?? 0
        let part = report.parts > 1 ? ", part \(report.part) of \(report.parts)" : ""
        let head = head(
            Parts(
                time: time, label: label(record), duration: TerminalText.duration(nanoseconds: oldest), who: [],
                step: "", what: [], note: "", root: []))
        let what =
            report.threads == 1
            ? "a thread waits for itself\(part)" : "\(report.threads) threads wait for each other for ever\(part)"
        return [colored(cut(head + what), record)]
            + report.members.enumerated().map { place, member in
                let isLast = place == report.members.count - 1
                return text(member, lead: String(repeating: " ", count: isNarrow ? 6 : 10) + (isLast ? "└─ " : "├─ "))
            }
    }

    /// `flock[12] flock /tmp/a, has /tmp/b`; the middle of both names gives way.
    private func text(_ member: DeadlockMember, lead: String) -> String {
        let name = TerminalText.escaped(member.name)
        let who = member.tid == member.pid ? "\(name)[\(member.pid)]" : "\(name)[\(member.pid)/\(member.tid)]"
        var wants = TerminalText.escaped(Array(member.wants.utf8))
        if member.call == "futex", wants.hasPrefix("futex ") { wants.removeFirst("futex ".count) }
        let start = lead + [who, member.call].filter { !$0.isEmpty }.joined(separator: " ")
        let holds = Self.having(member.holds).joined(separator: ", ")
        func joined(_ wants: String, _ holds: String) -> String {
            start + (wants.isEmpty ? "" : " " + wants) + (holds.isEmpty ? "" : ", " + holds)
        }
        guard let width, TerminalText.width(joined(wants, holds)) > width else { return joined(wants, holds) }
        let room = max(width - TerminalText.width(start) - 3, 8)
        let half = max(room / 2, room - TerminalText.width(wants))
        let shorter = TerminalText.cut(holds, to: half, keep: .headAndTail)
        return cut(
            joined(TerminalText.cut(wants, to: max(room - TerminalText.width(shorter), 4), keep: .headAndTail), shorter)
        )
    }

    /// What others of a deadlock want of a member, in words.
    static func having(_ holds: [String]) -> [String] {
        let things = holds.filter { !$0.hasPrefix(DeadlockMember.awaited) }.map { TerminalText.escaped(Array($0.utf8)) }
        return (things.isEmpty ? [] : ["has \(things.joined(separator: ", "))"])
            + holds.filter { $0.hasPrefix(DeadlockMember.awaited) }.map { TerminalText.escaped(Array($0.utf8)) }
    }

    // MARK: - calls

    /// What a line of a call is made of, each from the longest to the shortest.
    private struct Parts {
        var time: String
        var label: String
        var duration: String
        var who: [String]
        var step: String
        var what: [String]
        /// What is left of that where there is no room for any of it.
        var kind = ""
        var note: String
        var root: [String]
    }

    private func line(_ time: String, _ record: Record, _ report: CallReport) -> String {
        let call = report.call
        let bound = call.startSource == .lastRan ? ">=" : ""
        let isOver = record.action == .returned || record.action == .ended || record.action == .slow
        let culprit = isOver ? nil : Culprit(report)
        var note = ""
        if let result = Sentence.result(report) { note = "= \(result)" }
        if call.unresolved.contains(where: { $0.hasPrefix("resource") }) {
            note += (note.isEmpty ? "" : " ") + "(no longer open)"
        }
        let parts = Parts(
            time: time, label: label(record),
            duration: bound + TerminalText.duration(nanoseconds: report.durationNanoseconds),
            who: Self.who(call), step: Self.step(call),
            what: call.resource.spoken(in: Self.step(call), besides: culprit),
            kind: (call.resource.member?.kind ?? call.resource.kind).rawValue, note: note,
            root: root(report, culprit))
        return colored(fitted(parts), record)
    }

    private func root(_ report: CallReport, _ culprit: Culprit?) -> [String] {
        guard let finding = report.finding, let culprit else { return [] }
        guard finding.verdict == .deadlock else { return culprit.variants }
        let chain = TerminalText.cut(finding.chain(within: 160), to: 160, keep: .headAndTail)
        return (chain.isEmpty ? [] : ["deadlock: \(chain)"]) + culprit.variants
    }

    /// On a terminal all of it fits a line: blanks and the descriptor go first, then the middle of what is waited for, then
    /// the details of the root; the root's own name last.
    private func fitted(_ parts: Parts) -> String {
        func text(_ who: String, _ what: String, _ root: String?) -> String {
            var words = [who, parts.step, what].filter { !$0.isEmpty }
            if !parts.note.isEmpty { words.append(parts.note) }
            if let root { words.append("<- \(root)") }
            return head(parts) + words.joined(separator: " ")
        }
        let roots = parts.root.map(Optional.some)
        let wide =
            [
                head(parts), TerminalText.padded(parts.who[0], to: 22), "  ", TerminalText.padded(parts.step, to: 15),
                parts.what[0].isEmpty ? "" : "  " + parts.what[0], parts.note.isEmpty ? "" : "  " + parts.note,
                parts.root.first.map { "  <- " + $0 } ?? "",
            ].joined()
        guard let width, TerminalText.width(wide) > width else { return wide }
        // who is at the root is worth more than the whole name of what is waited for
        for (place, root) in (roots.isEmpty ? [nil] : roots).enumerated() {
            // the details that come first say what the call says, too
            let least = place == 0 && roots.count > 2 ? 14 : 4
            for who in parts.who {
                for what in parts.what where TerminalText.width(text(who, what, root)) <= width {
                    return text(who, what, root)
                }
                let room = width - TerminalText.width(text(who, "", root)) - 1
                guard room >= least else { continue }
                // a few columns say less of a name than the word for what it is
                if room < 9, TerminalText.width(parts.kind) <= room { return text(who, parts.kind, root) }
                let what = parts.what[parts.what.count - 1]
                return text(who, TerminalText.cut(what, to: room, keep: .headAndTail), root)
            }
        }
        let who = parts.who[parts.who.count - 1]
        let shortest = text(who, parts.kind, roots.last ?? nil)
        if TerminalText.width(shortest) <= width { return shortest }
        return TerminalText.cut(text(who, "", roots.last ?? nil), to: width, keep: .headAndTail)
    }

    /// Time, verdict and duration, in columns.
    private func head(_ parts: Parts) -> String {
        guard isNarrow else {
            return parts.time + "  " + parts.label + "  " + TerminalText.padded(parts.duration, to: 9, .right) + "  "
        }
        return parts.time + " " + parts.label + " "
            + TerminalText.padded(parts.duration, to: 7, .right) + " "
    }

    /// There is no room for seconds and blanks.
    private var isNarrow: Bool { width.map { $0 < 100 } ?? false }

    /// A thread, from the longest to the shortest.
    static func who(_ call: BlockedCall) -> [String] {
        let process = call.process
        let name = TerminalText.escaped(process.name)
        let number = process.tid == process.pid ? "[\(process.pid)]" : "[\(process.pid)/\(process.tid)]"
        let shorter = [9, 5].map { TerminalText.cut(name, to: $0, keep: .headAndTail) + number }
        return [Sentence.who(call), name + number] + shorter
    }

    private static func step(_ call: BlockedCall) -> String {
        switch call.kind {
        case .systemCall, .ioWorker: call.call?.name ?? "?"
        case .page: "page fault"
        case .exiting: "exit"
        case .stopped: "stopped"
        case .running: "running"
        }
    }

    // MARK: - the rest

    private func plain(_ time: String, _ record: Record, _ text: String) -> String {
        let gap = isNarrow ? " " : "  "
        return colored(cut("\(time)\(gap)\(label(record))\(gap)\(text)"), record)
    }

    private func cut(_ line: String) -> String {
        width.map { TerminalText.cut(line, to: $0, keep: .headAndTail) } ?? line
    }

    /// The verdict of what is blocked; of the rest, what happened.
    private func label(_ record: Record) -> String {
        var label = record.action.rawValue
        if case .call(let report) = record.body, record.action == .blocked || record.action == .stillBlocked {
            label = report.finding?.verdict.rawValue ?? label
        }
        return TerminalText.padded(label, to: isNarrow ? 7 : 8)
    }

    /// The line with its verdict coloured.
    private func colored(_ line: String, _ record: Record) -> String {
        guard usesColor else { return line }
        let label = label(record)
        guard let range = line.firstRange(of: label) else { return line }
        return "\(line[..<range.lowerBound])\u{1b}[\(code(record))m\(label)\u{1b}[0m\(line[range.upperBound...])"
    }

    private func code(_ record: Record) -> String {
        switch record.body {
        case .call(let report) where record.action == .blocked || record.action == .stillBlocked:
            report.finding?.verdict.colorCode ?? "33"
        case .deadlock: Verdict.deadlock.colorCode
        case .loss: "31"
        case .call, .summary, .started, .stopped, .engine: "2"
        }
    }
}

extension Verdict {
    /// The number of its colour on a terminal (SGR, ECMA-48): the same in all commands, and never all that says it.
    public var colorCode: String {
        switch self {
        case .deadlock: "1;31"
        case .stuck: "1;33"
        case .waiting: "33"
        case .busy: "36"
        case .idle: "32"
        }
    }
}

extension Resource {
    /// Its name on a line, from the whole to what is left of it beside a root that says the same.
    func spoken(in step: String, besides culprit: Culprit?) -> [String] {
        var name = TerminalText.escaped(self.name)
        if kind == .futex, name.hasPrefix("futex "), lock != nil || step == "futex" {
            name = (lock == nil ? "" : "mutex ") + name.dropFirst("futex ".count)
        }
        let descriptor = self.descriptor.map { "fd \($0)" }
        guard !name.isEmpty else { return [descriptor ?? ""] }
        if kind == .page, member == nil { return [name, ""] }
        var names = [name]
        if let descriptor, name != descriptor { names.insert("\(name) (\(descriptor))", at: 0) }
        guard let network, let arrow = name.firstRange(of: "->") else { return names }
        // whom it is connected with says more than its own address
        names.append("\(network.transport) \(name[arrow.lowerBound...])")
        let peer = name[arrow.upperBound...].prefix { $0 != " " }
        names.append("\(network.transport) ->\(peer)")
        if let culprit, culprit.name.contains(peer) { names.append(network.transport) }
        return names
    }
}
