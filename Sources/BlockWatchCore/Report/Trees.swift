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

    /// How trees are ordered.
    public enum Order: String, Sendable, CaseIterable { case worst, victims, age, name }

    /// A line of a tree, with what it tells of.
    struct Row {
        /// The same from look to look.
        var key: String
        var indent = ""
        /// Without ages and verdicts.
        var subject: String
        /// What follows.
        var rest = ""
        /// The calls that it tells of; of a title, all of its tree.
        var entries: [Entry]
        /// How many others are behind them.
        var behind = 0
        var isTitle = false
        /// Something hangs on it, or it stands for several.
        var opens = false
    }

    /// Calls behind one root.
    private struct Group {
        var key: String
        var title: String
        var rank: Int
        var calls: [Entry]
        var note = ""

        /// What tells groups apart that are alike in all else: the first thread.
        var first: (Int, Int) { calls.first.map { ($0.thread.host, $0.thread.tid) } ?? (0, 0) }
        var oldest: UInt64 { calls.map(\.report.durationNanoseconds).max() ?? 0 }
    }

    /// - Returns: lines without newlines, safe for terminals.
    public func lines() -> [String] {
        var lines: [String] = []
        for tree in rows() {
            if !lines.isEmpty { lines.append("") }
            lines += tree.map { $0.indent + $0.subject + $0.rest }
        }
        return lines
    }

    /// The trees, each its title first.
    ///
    /// - Parameters:
    ///   - opened: keys of rows that stand for several, which are told one by one.
    ///   - closed: keys of rows whose branches are left out.
    func rows(order: Order = .worst, opened: Set<String> = [], closed: Set<String> = []) -> [[Row]] {
        groups(order).map { group in
            let note = group.note.isEmpty ? "" : "  \(group.note)"
            var rows = [
                Row(
                    key: group.key, subject: group.title, rest: note, entries: group.calls,
                    behind: group.calls.count, isTitle: true, opens: true)
            ]
            guard !closed.contains(group.key) else { return rows }
            let forest = Forest(group.calls)
            branches(of: nil, in: forest, indent: "", Shape(key: group.key, opened: opened, closed: closed), &rows)
            return rows
        }
    }

    private func groups(_ order: Order) -> [Group] {
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
            return Group(key: id, title: title, rank: rank, calls: calls, note: note(calls))
        }
        // without another end: each is its own root, like with like
        var kinds: [String: [Entry]] = [:]
        for entry in alone {
            kinds["\(entry.report.finding?.verdict.rank ?? 9) \(label(entry))", default: []].append(entry)
        }
        groups += kinds.map { kind, calls in
            Group(
                key: kind, title: "\(calls[0].prefix)\(verdict(calls[0].report)), nothing known of another end",
                rank: calls[0].report.finding?.verdict.rank ?? 9, calls: calls)
        }
        groups.sort {
            ($0.rank, -$0.calls.count, $0.title, $0.first.0, $0.first.1)
                < ($1.rank, -$1.calls.count, $1.title, $1.first.0, $1.first.1)
        }
        switch order {
        case .worst: return groups
        case .victims: return groups.sorted { $0.calls.count > $1.calls.count }
        case .age: return groups.sorted { $0.oldest > $1.oldest }
        case .name: return groups.sorted { $0.title < $1.title }
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

        /// How many calls hang on a thread, whatever lies between.
        func count(behind thread: Thread) -> Int {
            var todo = [thread]
            var count = 0
            while let next = todo.popLast() {
                let calls = children[next] ?? []
                count += calls.count
                todo += calls.map(\.thread)
            }
            return count
        }
    }

    /// A chain may be as long as there are threads; nobody reads on here.
    private static let deepest = 64

    /// What of a tree is shown.
    private struct Shape {
        var key: String
        var opened, closed: Set<String>
    }

    private func branches(
        of parent: Thread?, in forest: Forest, indent: String, depth: Int = 0, _ shape: Shape, _ rows: inout [Row]
    ) {
        guard depth < Self.deepest else {
            return rows.append(
                Row(
                    key: "\(shape.key) deep \(parent?.tid ?? 0)", indent: indent + "└─ ",
                    subject: "… and who waits for it", entries: []))
        }
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
            let key = isAlone ? key(call) : "\(shape.key) \(parent?.tid ?? 0) \(label(call))"
            if folded[key] == nil { order.append(key) }
            folded[key, default: []].append(call)
        }
        for (place, key) in order.enumerated() {
            let calls = folded[key] ?? []
            let isLast = place == order.count - 1
            let onward = indent + (isLast ? "   " : "│  ")
            let (subject, rest) = line(calls)
            var row = Row(
                key: key, indent: indent + (isLast ? "└─ " : "├─ "), subject: subject, rest: rest, entries: calls)
            if calls.count == 1 {
                row.key = self.key(calls[0])
                row.opens = forest.children[calls[0].thread]?.isEmpty == false
                if row.opens { row.behind = forest.count(behind: calls[0].thread) }
                rows.append(row)
                if row.opens, !shape.closed.contains(row.key) {
                    branches(of: calls[0].thread, in: forest, indent: onward, depth: depth + 1, shape, &rows)
                }
            } else {
                row.opens = true
                rows.append(row)
                guard shape.opened.contains(key) else { continue }
                for (place, call) in calls.enumerated() {
                    let (subject, rest) = line([call])
                    rows.append(
                        Row(
                            key: self.key(call), indent: onward + (place == calls.count - 1 ? "└─ " : "├─ "),
                            subject: subject, rest: rest, entries: [call]))
                }
            }
        }
    }

    private func key(_ entry: Entry) -> String { "\(entry.thread.host)/\(entry.thread.tid)" }

    /// What makes two waits equal for a reader.
    private func label(_ entry: Entry) -> String {
        let call = entry.report.call
        return [
            entry.prefix, String(decoding: call.process.name, as: UTF8.self), call.call?.name ?? "",
            call.resource.kind.rawValue, entry.report.finding?.reason.rawValue ?? "", entry.note,
        ].joined(separator: "\u{1f}")
    }

    /// Whom it tells of, and what follows.
    private func line(_ entries: [Entry]) -> (subject: String, rest: String) {
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
            return (
                "\(prefix)\(Sentence.who(first.call)) \(Sentence.place(first.call))", "  \(span(first))  \(has)\(note)"
            )
        }
        let processes = Set(calls.map(\.call.process.pid)).count
        let noun = processes == calls.count ? "processes" : "threads"
        let from = processes > 1 && processes < calls.count ? " in \(processes) processes" : ""
        let step = first.call.call?.name ?? "blocked"
        return (
            "\(prefix)\(calls.count) \(noun) of \(TerminalText.escaped(first.call.process.name))\(from) wait here in \(step) on "
                + "\(first.call.resource.kind.rawValue)",
            "  \(span(last)) to \(span(first))  \(verdict(first))\(note)"
        )
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
