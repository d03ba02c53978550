/// The record as one English sentence, escaped for terminals: `message`, and what text output is made from.
enum Sentence {
    static let limit = 200

    static func text(_ record: Record) -> String {
        let text =
            switch record.body {
            case .call(let report): call(record.action, report)
            case .deadlock(let report): deadlock(report)
            case .summary(let summary):
                "\(summary.open) calls are blocked past the threshold among \(summary.threads) threads; "
                    + "\(summary.totals.blocked) reported since start"
            case .loss(let loss):
                "\(loss.count) \(loss.what.split(separator: "_").joined(separator: " ")) may have been missed: \(loss.reason)"
            case .started(let started):
                "blockwatch \(started.version) watches for calls blocked longer than "
                    + TerminalText.duration(nanoseconds: started.thresholdNanoseconds)
            case .stopped(let stopped):
                "blockwatch stopped (\(stopped.reason)) after \(stopped.totals.blocked) blocked calls, \(stopped.open) still open"
            case .engine(let overhead): overhead.sentence
            }
        return text.count <= limit ? text : String(text.prefix(limit - 1)) + "…"
    }

    /// What is waited for gives way first, then the details of the root; who waits and who holds it up stay.
    private static func call(_ action: Record.Action, _ report: CallReport) -> String {
        let causes = cause(report)
        for room in [100, 64, 32, 16] {
            let text = clause(action, report, room) + (causes.first ?? "")
            if text.count <= limit { return text }
        }
        let beginning = clause(action, report, 16)
        return beginning + (causes.first { beginning.count + $0.count <= limit } ?? causes.last ?? "")
    }

    private static func clause(_ action: Record.Action, _ report: CallReport, _ room: Int) -> String {
        let call = report.call
        let who = who(call)
        let where_ = place(call, room)
        let time =
            (call.startSource == .lastRan ? "at least " : "")
            + TerminalText.duration(nanoseconds: report.durationNanoseconds)
        switch action {
        case .returned, .slow:
            let result = result(report).map { " with \($0)" } ?? ""
            return "\(who) returned\(result) after \(time) in \(where_)"
        case .ended: return "\(who) died after \(time) in \(where_)"
        default:
            if call.kind == .stopped { return "\(who) has been stopped for \(time)\(stop(call))" }
            if call.stop != nil { return "\(who) has been blocked for \(time) in \(where_), stopped\(stop(call))" }
            return "\(who) has been blocked for \(time) in \(where_)"
        }
    }

    /// Why, as far as the chain tells; from the whole to the shortest. What is over is told without.
    private static func cause(_ report: CallReport) -> [String] {
        guard report.result == nil, report.call.stop == nil, let finding = report.finding else { return [] }
        if finding.verdict == .deadlock {
            let other = finding.holders.first.map { " with \(TerminalText.escaped($0.name))[\($0.pid)]" } ?? ""
            let set = finding.root.value?.doing ?? "deadlock"
            return [", in a \(set)" + (finding.holders.first?.pid == report.call.process.pid ? "" : other)]
        }
        guard let culprit = Culprit(report) else { return [] }
        // a name alone is no sentence
        return culprit.variants.map { (culprit.isClause && $0 != culprit.name ? ": " : ", held up by ") + $0 }
    }

    /// ` by SIGSTOP from bash[12]`
    static func stop(_ call: BlockedCall) -> String {
        guard let stop = call.stop else { return "" }
        if stop.signal == "SIGTTIN" { return " by SIGTTIN: it wants input from a terminal in whose background it is" }
        if stop.signal == "SIGTTOU" { return " by SIGTTOU: it writes to a terminal in whose background it is" }
        let sender = stop.senderPID.map { pid in
            pid == call.process.pid
                ? " that it sent itself"
                : " from \(TerminalText.escaped(stop.senderName ?? []))[\(pid)]"
        }
        return " by \(stop.signal)" + (sender ?? "")
    }

    private static func deadlock(_ report: DeadlockReport) -> String {
        let names = report.members.map { member in
            let name = TerminalText.escaped(member.name)
            return member.tid == member.pid ? "\(name)[\(member.pid)]" : "\(name)[\(member.pid)/\(member.tid)]"
        }
        let part = report.parts > 1 ? " (part \(report.part) of \(report.parts))" : ""
        let noun = report.threads == 1 ? "waits for itself" : "wait for each other"
        return "deadlock\(part): \(names.joined(separator: ", ")) \(noun) and can never go on"
    }

    static func who(_ call: BlockedCall) -> String {
        let process = call.process
        let name = TerminalText.escaped(process.name)
        guard process.tid != process.pid else { return "\(name)[\(process.pid)]" }
        let thread = TerminalText.escaped(process.threadName)
        return "\(name)[\(process.pid)]"
            + (thread == name ? " thread \(process.tid)" : " thread \(thread)[\(process.tid)]")
    }

    /// `read on pipe:[123] (fd 3)`
    static func place(_ call: BlockedCall, _ room: Int = 100) -> String {
        let name = what(call, room)
        let place = name.isEmpty ? step(call) : "\(step(call)) on \(name)"
        // of a narrow line the culprit is worth more
        return room > 32 ? place + (call.userStack?.clause ?? "") : place
    }

    /// The call, or what else it is in.
    static func step(_ call: BlockedCall) -> String {
        switch call.kind {
        case .page: "a page fault"
        case .exiting: "its exit, releasing files and memory"
        case .stopped: "a stop"
        case .running: "running"
        case .systemCall, .ioWorker: call.call?.name ?? "a system call"
        }
    }

    /// - Parameter room: columns for the name.
    static func what(_ call: BlockedCall, _ room: Int = 100) -> String {
        let name = TerminalText.cut(TerminalText.escaped(call.resource.name), to: room, keep: .headAndTail)
        let descriptor = call.resource.descriptor.map { "fd \($0)" }
        guard !name.isEmpty else { return descriptor ?? "" }
        guard let descriptor, name != descriptor, room > 32 else { return name }
        return "\(name) (\(descriptor))"
    }

    /// How long they have been blocked, from the shortest to the longest.
    static func span(_ reports: [CallReport]) -> String {
        let durations = reports.map(\.durationNanoseconds)
        return TerminalText.span(
            durations.min() ?? 0, durations.max() ?? 0, isBound: reports.contains { $0.call.startSource == .lastRan })
    }

    static func result(_ report: CallReport) -> String? {
        report.result.map { result in
            ErrnoNames.name(result: result) ?? String(result)
        }
    }
}
