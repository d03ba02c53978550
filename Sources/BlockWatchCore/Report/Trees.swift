/// What is blocked now, as trees: root blocker first, deadlocks before all, equal siblings folded.
public struct Trees: Sendable {
    private let entries: [Entry]
    private let deadlocks: [String: DeadlockReport]
    /// What members of deadlocks have, by chain and thread.
    private let holds: [String: [Int: [String]]]
    private let titles: [String: String]

    /// A thread of one of the hosts that are looked at together.
    struct Thread: Hashable {
        var host: Int
        var tid: Int
    }

    /// A call, and its place where there are several hosts.
    struct Entry {
        var report: CallReport
        var host = 0
        /// In front of its line: `web1: `
        var prefix = ""
        /// Calls of one tree have the same.
        var group: String?
        /// On whom it hangs, if that is on another host.
        var above: Thread?
        /// Behind its line.
        var note = ""

        var thread: Thread { Thread(host: host, tid: report.call.process.tid) }
    }

    public init(calls: [CallReport], deadlocks: [DeadlockReport]) {
        self.init(calls.map { Entry(report: $0, group: $0.finding?.chainID) }, deadlocks: deadlocks)
    }

    /// - Parameter titles: of groups, where it is not the root that the calls name.
    init(_ entries: [Entry], deadlocks: [DeadlockReport], titles: [String: String] = [:]) {
        self.entries = entries
        let chains = deadlocks.compactMap { report in report.chainID.map { ($0, report) } }
        self.deadlocks = Dictionary(chains) { first, _ in first }
        holds = self.deadlocks.mapValues { report in
            Dictionary(report.members.map { ($0.tid, $0.holds) }) { first, _ in first }
        }
        self.titles = titles
    }

    /// Calls behind one root.
    private struct Group {
        var title: String
        var rank: Int
        var calls: [Entry]
        var note = ""

        /// What tells groups apart that are alike in all else: the first thread.
        var first: (Int, Int) { calls.first.map { ($0.thread.host, $0.thread.tid) } ?? (0, 0) }
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
        var byRoot: [String: [Entry]] = [:]
        var alone: [Entry] = []
        for entry in entries {
            if let id = entry.group { byRoot[id, default: []].append(entry) } else { alone.append(entry) }
        }
        var groups = byRoot.compactMap { id, calls -> Group? in
            let first = calls.lazy.compactMap(\.report.finding).first { $0.root.value != nil }
            let deadlock = first?.chainID.flatMap { deadlocks[$0] }
            guard let title = titles[id] ?? first?.root.value.map({ Self.title($0, deadlock: deadlock) }) else {
                return nil
            }
            let rank = calls.compactMap { $0.report.finding?.verdict.rank }.min() ?? 9
            return Group(title: title, rank: rank, calls: calls, note: note(calls))
        }
        // without another end: each is its own root, like with like
        var kinds: [String: [Entry]] = [:]
        for entry in alone {
            kinds["\(entry.report.finding?.verdict.rank ?? 9) \(label(entry))", default: []].append(entry)
        }
        groups += kinds.values.map { calls in
            Group(
                title: "\(calls[0].prefix)\(verdict(calls[0].report)), nothing known of another end",
                rank: calls[0].report.finding?.verdict.rank ?? 9, calls: calls)
        }
        return groups.sorted {
            ($0.rank, -$0.calls.count, $0.title, $0.first.0, $0.first.1)
                < ($1.rank, -$1.calls.count, $1.title, $1.first.0, $1.first.1)
        }
    }

    static func title(_ root: Root, deadlock: DeadlockReport?) -> String {
        switch root.kind {
        case .deadlock:
            return "DEADLOCK" + (deadlock.map { " of \($0.threads) thread\($0.threads == 1 ? "" : "s")" } ?? "")
        case .nobody: return "nobody: \(root.doing ?? "")"
        case .remote: return "\(TerminalText.escaped(root.address ?? "?")) (another host)"
        case .network: return "network to \(TerminalText.escaped(root.address ?? "?")): \(root.doing ?? "")"
        case .device: return "device \(TerminalText.escaped(root.name ?? []))"
        case .process, .thread:
            return "\(TerminalText.escaped(root.name ?? []))[\(root.pid ?? 0)] \(root.doing ?? "")"
        }
    }

    private func note(_ calls: [Entry]) -> String {
        calls.count > 1 ? "(\(calls.count) threads behind it)" : ""
    }

    // MARK: - a tree

    /// Which call hangs on which.
    private struct Forest {
        var children: [Thread?: [Entry]] = [:]

        init(_ calls: [Entry]) {
            let threads = Set(calls.map(\.thread))
            var parents: [Thread: Thread] = [:]
            // members of a circle stand side by side
            for call in calls {
                var parent: Thread?
                let finding = call.report.finding
                if let above = call.above, threads.contains(above), above != call.thread {
                    parent = above
                } else if finding?.verdict != .deadlock, let holder = finding?.holders.first {
                    let thread = Thread(host: call.host, tid: holder.tid ?? holder.pid)
                    if threads.contains(thread), thread != call.thread { parent = thread }
                }
                children[parent, default: []].append(call)
                parents[call.thread] = parent
            }
            // a circle that is no deadlock has no top: it is cut where it was entered
            var reached: Set<Thread> = []
            func reach(_ calls: [Entry]) {
                var todo = calls.map(\.thread)
                while let thread = todo.popLast() {
                    guard reached.insert(thread).inserted else { continue }
                    todo += (children[thread] ?? []).map(\.thread)
                }
            }
            reach(children[nil] ?? [])
            for call in calls where !reached.contains(call.thread) {
                if let parent = parents[call.thread] { children[parent]?.removeAll { $0.thread == call.thread } }
                children[nil, default: []].append(call)
                reach([call])
            }
        }
    }

    /// A chain may be as long as there are threads; nobody reads on here.
    private static let deepest = 64

    private func branches(of parent: Thread?, in forest: Forest, indent: String, depth: Int = 0) -> [String] {
        guard depth < Self.deepest else { return [indent + "└─ … and who waits for it"] }
        // equal leaves are one line
        var order: [String] = []
        var folded: [String: [Entry]] = [:]
        let calls = (forest.children[parent] ?? []).sorted {
            ($1.report.durationNanoseconds, $0.thread.tid) < ($0.report.durationNanoseconds, $1.thread.tid)
        }
        for call in calls {
            let isLeaf = forest.children[call.thread]?.isEmpty ?? true
            // members of a deadlock are told one by one
            let isAlone = !isLeaf || call.report.finding?.verdict == .deadlock
            let key = isAlone ? "\(call.thread)" : label(call)
            if folded[key] == nil { order.append(key) }
            folded[key, default: []].append(call)
        }
        var lines: [String] = []
        for (place, key) in order.enumerated() {
            let calls = folded[key] ?? []
            let isLast = place == order.count - 1
            lines.append(indent + (isLast ? "└─ " : "├─ ") + line(calls))
            if calls.count == 1 {
                let indent = indent + (isLast ? "   " : "│  ")
                if forest.children[calls[0].thread]?.isEmpty == false {
                    lines += branches(of: calls[0].thread, in: forest, indent: indent, depth: depth + 1)
                }
            }
        }
        return lines
    }

    /// What makes two waits equal for a reader.
    private func label(_ entry: Entry) -> String {
        let call = entry.report.call
        return [
            entry.prefix, String(decoding: call.process.name, as: UTF8.self), call.call?.name ?? "",
            call.resource.kind.rawValue, entry.report.finding?.reason.rawValue ?? "", entry.note,
        ].joined(separator: "\u{1f}")
    }

    private func line(_ entries: [Entry]) -> String {
        let calls = entries.map(\.report)
        let first = calls[0]
        let prefix = entries[0].prefix
        let note = entries[0].note.isEmpty ? "" : "  \(entries[0].note)"
        func span(_ report: CallReport) -> String {
            (report.call.startSource == .lastRan ? ">=" : "")
                + TerminalText.duration(nanoseconds: report.durationNanoseconds)
        }
        guard calls.count > 1, let last = calls.last else {
            let holds = first.finding?.chainID.flatMap { self.holds[$0]?[first.call.process.tid] } ?? []
            let has = holds.isEmpty ? verdict(first) : "has \(holds.joined(separator: ", "))"
            return "\(prefix)\(Sentence.who(first.call)) \(Sentence.place(first.call))  \(span(first))  \(has)\(note)"
        }
        let processes = Set(calls.map(\.call.process.pid)).count
        let noun = processes == calls.count ? "processes" : "threads"
        let from = processes > 1 && processes < calls.count ? " in \(processes) processes" : ""
        let step = first.call.call?.name ?? "blocked"
        return
            "\(prefix)\(calls.count) \(noun) of \(TerminalText.escaped(first.call.process.name))\(from) wait here in \(step) on "
            + "\(first.call.resource.kind.rawValue)  \(span(last)) to \(span(first))  \(verdict(first))\(note)"
    }

    private func verdict(_ report: CallReport) -> String {
        guard let finding = report.finding else { return "blocked" }
        return finding.verdict == .deadlock ? "deadlock" : "\(finding.verdict.rawValue) (\(finding.reason.words))"
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
        case .ownerGone: "its owner is gone and cannot let go of it"
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
