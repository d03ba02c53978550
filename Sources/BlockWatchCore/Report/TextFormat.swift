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
        let time = String(stamp.dropFirst(11).prefix(8))
        switch record.body {
        case .call(let report):
            if isToldOfAll(record.action, report) { return [] }
            return bytes([line(time, record, report)])
        case .deadlock(let report):
            if told.count >= Self.mostTold { told = [:] }
            if let id = report.chainID, told[id] == nil { told[id] = report.members.map(\.tid).min() }
            return bytes(lines(time, record, report))
        case .summary, .loss, .started, .stopped: return bytes([plain(time, record, Sentence.text(record))])
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
        let head =
            "\(time)  \(label(record))  \(TerminalText.padded(TerminalText.duration(nanoseconds: oldest), to: 9, .right))  "
        let what =
            report.threads == 1
            ? "a thread waits for itself\(part)" : "\(report.threads) threads wait for each other for ever\(part)"
        return [colored(cut(head + what), record)]
            + report.members.enumerated().map { place, member in
                let isLast = place == report.members.count - 1
                return cut("          \(isLast ? "└─" : "├─") " + Self.text(member))
            }
    }

    /// `flock[12] flock /tmp/a, has /tmp/b`
    static func text(_ member: DeadlockMember) -> String {
        let name = TerminalText.escaped(member.name)
        let who = member.tid == member.pid ? "\(name)[\(member.pid)]" : "\(name)[\(member.pid)/\(member.tid)]"
        let step = [who, member.call, TerminalText.escaped(Array(member.wants.utf8))].filter { !$0.isEmpty }
        return ([step.joined(separator: " ")] + Self.having(member.holds)).joined(separator: ", ")
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
        var note: String
        var root: [String]
    }

    private func line(_ time: String, _ record: Record, _ report: CallReport) -> String {
        let call = report.call
        let bound = call.startSource == .lastRan ? ">=" : ""
        let isOver = record.action == .returned || record.action == .ended || record.action == .slow
        let culprit = isOver ? nil : Culprit(report)
        var note = ""
        if let result = Sentence.result(report) { note += "  = \(result)" }
        if call.unresolved.contains(where: { $0.hasPrefix("resource") }) { note += "  (no longer open)" }
        let parts = Parts(
            time: time, label: label(record),
            duration: bound + TerminalText.duration(nanoseconds: report.durationNanoseconds),
            who: Self.who(call), step: Self.step(call), what: call.resource.spoken(besides: culprit), note: note,
            root: root(report, culprit))
        return colored(fitted(parts), record)
    }

    private func root(_ report: CallReport, _ culprit: Culprit?) -> [String] {
        guard let finding = report.finding, let culprit else { return [] }
        guard finding.verdict == .deadlock else { return culprit.variants }
        let chain = TerminalText.cut(finding.chain, to: 160, keep: .headAndTail)
        return (chain.isEmpty ? [] : ["deadlock: \(chain)"]) + culprit.variants
    }

    /// On a terminal all of it fits a line: blanks go first, then descriptor, the middle of long names, the details of
    /// what makes the root one; the root's own name last.
    private func fitted(_ parts: Parts) -> String {
        let roots = parts.root
        func text(_ who: String, _ what: String, _ root: String?, isWide: Bool) -> String {
            let gap = isWide ? "  " : " "
            var line = parts.time + gap + TerminalText.padded(parts.label, to: 8) + gap
            line += TerminalText.padded(parts.duration, to: isWide ? 9 : 7, .right) + gap
            line += isWide ? TerminalText.padded(who, to: 22) : who
            line += gap + (isWide ? TerminalText.padded(parts.step, to: 15) : parts.step)
            if !what.isEmpty { line += gap + what }
            line += isWide ? parts.note : parts.note.replacing("  ", with: " ")
            if let root { line += gap + "<- " + root }
            return line
        }
        let who = parts.who, what = parts.what
        let wide = text(who[0], what[0], roots.first, isWide: true)
        guard let width, TerminalText.width(wide) > width else { return wide }
        func fits(_ line: String) -> Bool { TerminalText.width(line) <= width }
        // who is at the root is worth more than the whole name of what is waited for
        for root in roots.isEmpty ? [nil] : roots.map(Optional.some) {
            let isLast = root == roots.last
            for (name, least) in [(who[0], 28), (who[who.count - 1], 12)] {
                for shorter in what {
                    let line = text(name, shorter, root, isWide: false)
                    if fits(line) { return line }
                }
                let room = width - TerminalText.width(text(name, "", root, isWide: false)) - 1
                if room >= least || isLast && room >= 4 {
                    return text(name, TerminalText.cut(what[what.count - 1], to: room, keep: .headAndTail), root, isWide: false)
                }
            }
        }
        return TerminalText.cut(text(who[who.count - 1], "", roots.last, isWide: false), to: width, keep: .headAndTail)
    }

    private static func who(_ call: BlockedCall) -> [String] {
        let process = call.process
        let name = TerminalText.escaped(process.name)
        let short = TerminalText.cut(name, to: 9, keep: .headAndTail)
        let number = process.tid == process.pid ? "[\(process.pid)]" : "[\(process.pid)/\(process.tid)]"
        return [Sentence.who(call), name + number, short + number]
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
        colored(cut("\(time)  \(label(record))  \(text)"), record)
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
        return TerminalText.padded(label, to: 8)
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
        case .call, .summary, .started, .stopped: "2"
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
    func spoken(besides culprit: Culprit?) -> [String] {
        let name = TerminalText.escaped(self.name)
        let descriptor = self.descriptor.map { "fd \($0)" }
        guard !name.isEmpty else { return [descriptor ?? ""] }
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
