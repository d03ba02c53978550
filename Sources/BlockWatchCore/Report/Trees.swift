/// What is blocked now, as trees: root blocker first, deadlocks before all, equal siblings folded.
public struct Trees: Sendable {
    private let calls: [CallReport]
    private let deadlocks: [DeadlockReport]

    public init(calls: [CallReport], deadlocks: [DeadlockReport]) {
        self.calls = calls
        self.deadlocks = deadlocks
    }

    /// Calls behind one root.
    private struct Group {
        var title: String
        var rank: Int
        var calls: [CallReport]
        var note = ""
    }

    /// - Returns: lines without newlines, safe for terminals.
    public func lines() -> [String] {
        var lines: [String] = []
        for group in groups() {
            if !lines.isEmpty { lines.append("") }
            lines.append(group.title + (group.note.isEmpty ? "" : "  \(group.note)"))
            lines += branches(of: nil, in: Forest(group.calls), indent: "")
        }
        return lines
    }

    private func groups() -> [Group] {
        var byRoot: [String: [CallReport]] = [:]
        var alone: [CallReport] = []
        for call in calls {
            if let id = call.story?.chainID { byRoot[id, default: []].append(call) } else { alone.append(call) }
        }
        var groups = byRoot.compactMap { id, calls -> Group? in
            guard let root = calls.lazy.compactMap({ $0.story?.root }).first else { return nil }
            let rank = calls.compactMap { $0.story?.verdict.rank }.min() ?? 9
            return Group(title: title(root, id), rank: rank, calls: calls, note: note(calls))
        }
        // without another end: each is its own root, like with like
        var kinds: [String: [CallReport]] = [:]
        for call in alone { kinds["\(call.story?.verdict.rank ?? 9) \(label(call))", default: []].append(call) }
        groups += kinds.values.map { calls in
            Group(
                title: "\(verdict(calls[0])), nothing known of another end",
                rank: calls[0].story?.verdict.rank ?? 9, calls: calls)
        }
        return groups.sorted {
            ($0.rank, -$0.calls.count, $0.title) < ($1.rank, -$1.calls.count, $1.title)
        }
    }

    private func title(_ root: Root, _ id: String) -> String {
        switch root.kind {
        case .deadlock:
            let deadlock = deadlocks.first { $0.chainID == id }
            return "DEADLOCK" + (deadlock.map { " of \($0.threads) thread\($0.threads == 1 ? "" : "s")" } ?? "")
        case .nobody: return "nobody: \(root.doing ?? "")"
        case .remote: return "\(root.address ?? "?") (another host)"
        case .device: return "device \(TerminalText.escaped(root.name ?? []))"
        case .process, .thread:
            return "\(TerminalText.escaped(root.name ?? []))[\(root.pid ?? 0)] \(root.doing ?? "")"
        }
    }

    private func note(_ calls: [CallReport]) -> String {
        calls.count > 1 ? "(\(calls.count) threads behind it)" : ""
    }

    // MARK: - a tree

    /// Which call hangs on which.
    private struct Forest {
        var children: [Int?: [CallReport]] = [:]

        init(_ calls: [CallReport]) {
            let byThread = Dictionary(calls.map { ($0.call.process.tid, $0) }) { first, _ in first }
            // members of a circle stand side by side
            for call in calls {
                var parent: Int?
                if call.story?.verdict != .deadlock, let holder = call.story?.holders.first {
                    let tid = holder.tid ?? holder.pid
                    if byThread[tid] != nil, tid != call.call.process.tid { parent = tid }
                }
                children[parent, default: []].append(call)
            }
            // a circle that is no deadlock has no top: it is cut where it was entered
            var reached: Set<Int> = []
            var todo = (children[nil] ?? []).map(\.call.process.tid)
            while let tid = todo.popLast() {
                guard reached.insert(tid).inserted else { continue }
                todo += (children[tid] ?? []).map(\.call.process.tid)
            }
            for call in calls where !reached.contains(call.call.process.tid) {
                for (parent, members) in children {
                    children[parent] = members.filter { $0.call.process.tid != call.call.process.tid }
                }
                children[nil, default: []].append(call)
                todo = [call.call.process.tid]
                while let tid = todo.popLast() {
                    guard reached.insert(tid).inserted else { continue }
                    todo += (children[tid] ?? []).map(\.call.process.tid)
                }
            }
        }
    }

    private func branches(of parent: Int?, in forest: Forest, indent: String) -> [String] {
        // equal leaves are one line
        var order: [String] = []
        var folded: [String: [CallReport]] = [:]
        for call in (forest.children[parent] ?? []).sorted(by: { $0.durationNanoseconds > $1.durationNanoseconds }) {
            let isLeaf = forest.children[call.call.process.tid]?.isEmpty ?? true
            // members of a deadlock are told one by one
            let isAlone = !isLeaf || call.story?.verdict == .deadlock
            let key = isAlone ? "\(call.call.process.tid)" : label(call)
            if folded[key] == nil { order.append(key) }
            folded[key, default: []].append(call)
        }
        var lines: [String] = []
        for (place, key) in order.enumerated() {
            let calls = folded[key] ?? []
            let isLast = place == order.count - 1
            lines.append(indent + (isLast ? "└─ " : "├─ ") + line(calls))
            if calls.count == 1 {
                lines += branches(
                    of: calls[0].call.process.tid, in: forest, indent: indent + (isLast ? "   " : "│  "))
            }
        }
        return lines
    }

    /// What makes two waits equal for a reader.
    private func label(_ report: CallReport) -> String {
        let call = report.call
        return [
            String(decoding: call.process.name, as: UTF8.self), call.call?.name ?? "", call.resource.kind.rawValue,
            report.story?.reason.rawValue ?? "",
        ].joined(separator: "\u{1f}")
    }

    private func line(_ calls: [CallReport]) -> String {
        let first = calls[0]
        func span(_ report: CallReport) -> String {
            (report.call.startSource == .lastRan ? ">=" : "")
                + TerminalText.duration(nanoseconds: report.durationNanoseconds)
        }
        guard calls.count > 1, let last = calls.last else {
            let holds = deadlocks.lazy.flatMap(\.members).first { $0.tid == first.call.process.tid }?.holds ?? []
            let has = holds.isEmpty ? verdict(first) : "has \(holds.joined(separator: ", "))"
            return "\(Sentence.who(first.call)) \(Sentence.place(first.call))  \(span(first))  \(has)"
        }
        let processes = Set(calls.map(\.call.process.pid)).count
        let noun = processes == calls.count ? "processes" : "threads"
        let from = processes > 1 && processes < calls.count ? " in \(processes) processes" : ""
        let step = first.call.call?.name ?? "blocked"
        return
            "\(calls.count) \(noun) of \(TerminalText.escaped(first.call.process.name))\(from) wait here in \(step) on "
            + "\(first.call.resource.kind.rawValue)  \(span(last)) to \(span(first))  \(verdict(first))"
    }

    private func verdict(_ report: CallReport) -> String {
        guard let story = report.story else { return "blocked" }
        return story.verdict == .deadlock ? "deadlock" : "\(story.verdict.rawValue) (\(story.reason.words))"
    }
}

extension Reason {
    /// As a reader would say it.
    var words: String {
        switch self {
        case .connectUnanswered: "connect is not answered"
        case .connectBacklogFull: "the listener's queue is full"
        case .notAccepted: "never accepted"
        case .lockHeld: "the lock's holder does not move"
        case .peerGone: "nobody at the other end"
        case .peerStuck: "the other end is stuck itself"
        case .sendStalled: "the other end does not take the bytes"
        case .kernelStuck: "the kernel does not come back"
        case .overdue: "past its own time-out"
        case .replyPending: "no reply yet"
        case .peerBusy: "the other end is at work"
        case .peerSleeping: "the other end sleeps"
        case .lockBusy: "the lock's holder is at work"
        case .peerWaiting: "the other end waits itself"
        case .inProgress: "something moves"
        case .unknown: "nothing known"
        default: rawValue.split(separator: "_").joined(separator: " ")
        }
    }
}
