/// One aligned line a report, for people at a terminal.
///
///     03:12:07  blocked       5.2s  cat[4711]            read          /tmp/x (fd 3)
public struct TextFormat: Sendable {
    private let usesColor: Bool

    public init(usesColor: Bool) { self.usesColor = usesColor }

    /// - Parameter offsetSeconds: of the local time zone, east of UTC.
    public func line(_ record: Record, offsetSeconds: Int64) -> [UInt8] {
        let seconds = Int64(record.wallNanoseconds / 1_000_000_000) + offsetSeconds
        let stamp = Timestamp.rfc3339(seconds: seconds, nanoseconds: 0)
        let time = String(stamp.dropFirst(11).prefix(8))
        let action = TerminalText.padded(label(record), to: 8)
        guard case .call(let report) = record.body else {
            return Array("\(time)  \(colored(action, record.action))  \(Sentence.text(record))\n".utf8)
        }
        let call = report.call
        let bound = call.startSource == .lastRan ? ">=" : ""
        let duration = TerminalText.padded(
            bound + TerminalText.duration(nanoseconds: report.durationNanoseconds), to: 8, .right)
        let who = TerminalText.padded(Sentence.who(call), to: 22)
        let step = TerminalText.padded(self.step(call), to: 15)
        var line = "\(time)  \(colored(action, record.action))  \(duration)  \(who)  \(step)  \(Sentence.what(call))"
        if let result = Sentence.result(report) { line += "  = \(result)" }
        if call.unresolved.contains(where: { $0.hasPrefix("resource") }) { line += "  (no longer open)" }
        if result(record) == nil {
            if report.call.stop != nil, report.finding?.reason == .stopped {
                line += "  <- stopped\(Sentence.stop(report.call))"
            } else if let root = report.finding.flatMap(Self.root) {
                line += "  <- \(root)"
            }
        }
        return Array((line + "\n").utf8)
    }

    private func result(_ record: Record) -> String? {
        record.action == .returned || record.action == .ended ? "" : nil
    }

    /// The root blocker.
    private static func root(_ finding: Finding) -> String? {
        guard let root = finding.root.value else { return nil }
        switch root.kind {
        case .deadlock: return "deadlock: " + TerminalText.cut(finding.chain, to: 160, keep: .headAndTail)
        case .remote:
            return TerminalText.escaped(root.address ?? "?") + (root.doing.map { " \($0)" } ?? "")
        case .network: return "network to \(TerminalText.escaped(root.address ?? "?")): \(root.doing ?? "")"
        case .device: return "device \(TerminalText.escaped(root.name ?? []))"
        case .nobody: return root.doing
        case .process, .thread:
            let name = TerminalText.escaped(root.name ?? [])
            return "\(name)[\(root.pid ?? 0)]" + (root.doing.map { " \($0)" } ?? "")
        }
    }

    private func step(_ call: BlockedCall) -> String {
        switch call.kind {
        case .systemCall, .ioWorker: call.call?.name ?? "?"
        case .page: "page fault"
        case .exiting: "exit"
        case .stopped: "stopped"
        case .running: "running"
        }
    }

    /// The verdict of what is blocked; of the rest, what happened.
    private func label(_ record: Record) -> String {
        guard case .call(let report) = record.body, record.action == .blocked || record.action == .stillBlocked else {
            return record.action.rawValue
        }
        return report.finding?.verdict.rawValue ?? record.action.rawValue
    }

    private func colored(_ text: String, _ action: Record.Action) -> String {
        guard usesColor else { return text }
        let code =
            switch action {
            case .blocked, .stillBlocked: "33"
            case .slow: "36"
            case .returned: "32"
            case .ended, .loss, .deadlock: "31"
            default: "2"
            }
        return "\u{1b}[\(code)m\(text)\u{1b}[0m"
    }
}
