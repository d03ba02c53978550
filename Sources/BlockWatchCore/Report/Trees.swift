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
        /// Whom it tells of, without ages and verdicts; from the longest to the shortest.
        var subjects: [String]
        /// What follows, likewise.
        var rests: [String] = []
        /// The calls that it tells of; of a title, all of its tree.
        var entries: [Entry]
        /// How many others are behind them.
        var behind = 0
        var isTitle = false
        /// Something hangs on it, or it stands for several.
        var opens = false

        var subject: String { subjects.first ?? "" }
        var rest: String { rests.first ?? "" }
    }

    /// Calls behind one root.
    private struct Group {
        var key: String
        var titles: [String]
        var rank: Int
        var calls: [Entry]
        var note = ""

        var oldest: UInt64 { calls.map(\.report.durationNanoseconds).max() ?? 0 }

        /// By severity, victims and age; what tells those apart that are alike in all else is the first thread.
        var place: Place {
            let first = calls.first?.thread
            return Place(
                numbers: [rank, -calls.count], age: oldest, title: titles.first ?? "",
                thread: [first?.host ?? 0, first?.tid ?? 0])
        }

        struct Place: Comparable {
            let numbers: [Int]
            let age: UInt64
            let title: String
            let thread: [Int]

            static func < (one: Place, other: Place) -> Bool {
                if one.numbers != other.numbers { return one.numbers.lexicographicallyPrecedes(other.numbers) }
                if one.age != other.age { return one.age > other.age }
                if one.title != other.title { return one.title < other.title }
                return one.thread.lexicographicallyPrecedes(other.thread)
            }
        }
    }

    /// - Parameters:
    ///   - width: columns of a terminal; `nil`: nothing is cut.
    ///   - usesColor: verdicts are coloured as well.
    /// - Returns: lines without newlines, safe for terminals.
    public func lines(width: Int? = nil, usesColor: Bool = false) -> [String] {
        var lines: [String] = []
        for tree in rows() {
            if !lines.isEmpty { lines.append("") }
            for row in tree {
                lines.append(text(row, width, usesColor))
                lines += stacks(below: row, width)
            }
        }
        return lines
    }

    /// Short forms first, then the middle of what it tells of gives way to what follows.
    private func text(_ row: Row, _ width: Int?, _ usesColor: Bool) -> String {
        let (subject, rest) = fitted(row, width)
        let line = row.indent + subject + rest
        if let width, TerminalText.width(line) > width { return TerminalText.cut(line, to: width, keep: .headAndTail) }
        guard usesColor, !row.isTitle, let verdict = row.entries.first?.report.finding?.verdict else { return line }
        return "\(row.indent)\(subject)\u{1b}[\(verdict.colorCode)m\(rest)\u{1b}[0m"
    }

    private func fitted(_ row: Row, _ width: Int?) -> (subject: String, rest: String) {
        guard let width else { return (row.subject, row.rest) }
        let rests = row.rests.isEmpty ? [""] : row.rests
        if row.isTitle {
            let room = width - TerminalText.width(row.indent)
            for subject in row.subjects {
                for rest in rests where TerminalText.width(subject + rest) <= room { return (subject, rest) }
            }
        }
        for rest in rests {
            let room = width - TerminalText.width(row.indent) - TerminalText.width(rest)
            for subject in row.subjects where TerminalText.width(subject) <= room { return (subject, rest) }
        }
        let rest = rests[rests.count - 1]
        let room = width - TerminalText.width(row.indent) - TerminalText.width(rest)
        return (Self.subject(row, max(room, 16)), rest)
    }

    /// Whom a row tells of in so many columns; of a root the beginning says who it is.
    static func subject(_ row: Row, _ room: Int?) -> String {
        guard let room else { return row.subject }
        if let whole = row.subjects.first(where: { TerminalText.width($0) <= room }) { return whole }
        return TerminalText.cut(row.subjects.last ?? "", to: room, keep: row.isTitle ? .head : .headAndTail)
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
                    key: group.key, subjects: group.titles, rests: [note, ""], entries: group.calls,
                    behind: group.calls.count, isTitle: true, opens: true)
            ]
            guard !closed.contains(group.key) else { return rows }
            let forest = Forest(group.calls)
            branches(of: [nil], in: forest, indent: "", Shape(key: group.key, opened: opened, closed: closed), &rows)
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
            let findings = calls.compactMap(\.report.finding).filter { $0.root.value != nil }
            // who hangs on the root itself knows most of it
            let first =
                findings.first { $0.root.value?.pid != nil && $0.holders.first?.pid == $0.root.value?.pid }
                ?? findings.first
            let deadlock = first?.chainID.flatMap { deadlocks[$0] }
            guard let root = first?.root.value else { return nil }
            let titles = self.titles[id].map { [$0] } ?? Self.titles(root, first, deadlock: deadlock)
            let rank = calls.compactMap { $0.report.finding?.verdict.rank }.min() ?? 9
            return Group(key: id, titles: titles, rank: rank, calls: calls, note: note(calls, deadlock))
        }
        // without another end: each is its own root, like with like
        var kinds: [String: [Entry]] = [:]
        for entry in alone {
            kinds["\(entry.report.finding?.verdict.rank ?? 9) \(label(entry))", default: []].append(entry)
        }
        groups += kinds.map { kind, calls in
            let culprit = Culprit(calls[0].report)?.variants ?? [verdict(calls[0].report)]
            return Group(
                key: kind, titles: culprit.map { calls[0].prefix + $0 },
                rank: calls[0].report.finding?.verdict.rank ?? 9, calls: calls)
        }
        groups.sort { $0.place < $1.place }
        switch order {
        case .worst: return groups
        case .victims: return groups.sorted { $0.calls.count > $1.calls.count }
        case .age: return groups.sorted { $0.oldest > $1.oldest }
        case .name: return groups.sorted { $0.titles[0] < $1.titles[0] }
        }
    }

    static func title(_ root: Root, deadlock: DeadlockReport?) -> String { titles(root, nil, deadlock: deadlock)[0] }

    /// - Parameter finding: of a call behind it.
    private static func titles(_ root: Root, _ finding: Finding?, deadlock: DeadlockReport?) -> [String] {
        if root.kind == .deadlock {
            let words = deadlock.map { "deadlock of \($0.threads) thread\($0.threads == 1 ? "" : "s")" }
            let text = words ?? root.doing ?? "deadlock"
            return [text.replacing("deadlock", with: "DEADLOCK", maxReplacements: 1)]
        }
        let variants = Culprit(root, finding).variants
        guard let place = finding?.rootPlace, !place.isEmpty, let first = variants.first else { return variants }
        return [first + place] + variants
    }

    private func note(_ calls: [Entry], _ deadlock: DeadlockReport?) -> String {
        let inside = deadlock?.threads ?? 0
        if inside > 0 { return calls.count > inside ? "(\(calls.count - inside) more behind it)" : "" }
        return calls.count > 1 ? "(\(calls.count) threads behind it)" : ""
    }

    // MARK: - a tree

    /// A chain may be as long as there are threads; nobody reads on here.
    private static let deepest = 64

    /// What of a tree is shown.
    private struct Shape {
        var key: String
        var opened, closed: Set<String>
    }

    /// A fold is one line, and what hangs on any of its threads is told below it.
    private func branches(
        of parents: [Thread?], in forest: Forest, indent: String, depth: Int = 0, _ shape: Shape, _ rows: inout [Row]
    ) {
        let place = parents.first.flatMap(\.self)?.tid ?? 0
        guard depth < Self.deepest else {
            return rows.append(
                Row(
                    key: "\(shape.key) deep \(place)", indent: indent + "└─ ",
                    subjects: ["… and who waits for it"], entries: []))
        }
        let calls = forest.calls(behind: parents).sorted {
            ($1.report.durationNanoseconds, $0.thread.tid) < ($0.report.durationNanoseconds, $1.thread.tid)
        }
        let folds = folds(of: calls, in: forest)
        for (index, fold) in folds.enumerated() {
            let isLast = index == folds.count - 1
            let onward = indent + (isLast ? "   " : "│  ")
            let lead = indent + (isLast ? "└─ " : "├─ ")
            guard fold.calls.count > 1 else {
                one(fold.calls[0], in: forest, lead: lead, onward: onward, depth, shape, &rows)
                continue
            }
            let (subjects, rests) = fold.isRest ? others(fold.calls) : line(fold.calls)
            let threads = fold.calls.map(\.thread)
            let key = "\(shape.key) \(place) \(fold.key)"
            rows.append(
                Row(
                    key: key, indent: lead, subjects: subjects, rests: rests, entries: fold.calls,
                    behind: threads.reduce(0) { $0 + forest.count(behind: $1) }, opens: true))
            guard shape.opened.contains(key) else {
                if !fold.isRest, threads.contains(where: forest.hasCalls), !shape.closed.contains(key) {
                    branches(of: threads, in: forest, indent: onward, depth: depth + 1, shape, &rows)
                }
                continue
            }
            for (index, call) in fold.calls.enumerated() {
                let isLast = index == fold.calls.count - 1
                one(
                    call, in: forest, lead: onward + (isLast ? "└─ " : "├─ "),
                    onward: onward + (isLast ? "   " : "│  "),
                    depth + 1, shape, &rows)
            }
        }
    }

    private func one(
        _ call: Entry, in forest: Forest, lead: String, onward: String, _ depth: Int, _ shape: Shape,
        _ rows: inout [Row]
    ) {
        let (subjects, rests) = line([call])
        var row = Row(key: key(call), indent: lead, subjects: subjects, rests: rests, entries: [call])
        row.opens = forest.hasCalls(behind: call.thread)
        if row.opens { row.behind = forest.count(behind: call.thread) }
        rows.append(row)
        if row.opens, !shape.closed.contains(row.key) {
            branches(of: [call.thread], in: forest, indent: onward, depth: depth + 1, shape, &rows)
        }
    }

    private func key(_ entry: Entry) -> String { "\(entry.thread.host)/\(entry.thread.tid)" }

    // MARK: - folds

    /// Siblings that a reader need not tell apart.
    private struct Fold {
        var key: String
        var calls: [Entry]
        /// What is left where there are too many kinds.
        var isRest = false
    }

    /// A reader's screen is short: more siblings than these are folded by what they do, then the rest of them.
    private static let mostSiblings = 12

    private func folds(of calls: [Entry], in forest: Forest) -> [Fold] {
        // members of a deadlock are told one by one
        func isAlone(_ call: Entry) -> Bool { call.report.finding?.verdict == .deadlock }
        var folds = grouped(calls) { call in
            isAlone(call) ? key(call) : signature(call, in: forest, isExact: true)
        }
        if folds.count > Self.mostSiblings {
            folds = grouped(calls) { call in isAlone(call) ? key(call) : signature(call, in: forest, isExact: false) }
        }
        guard folds.count > Self.mostSiblings else { return folds }
        let rest = folds.dropFirst(Self.mostSiblings - 1).flatMap(\.calls)
        return folds.prefix(Self.mostSiblings - 1) + [Fold(key: "rest", calls: rest, isRest: true)]
    }

    private func grouped(_ calls: [Entry], by key: (Entry) -> String) -> [Fold] {
        var order: [String] = []
        var byKey: [String: [Entry]] = [:]
        for call in calls {
            let key = key(call)
            if byKey[key] == nil { order.append(key) }
            byKey[key, default: []].append(call)
        }
        return order.map { Fold(key: $0, calls: byKey[$0] ?? []) }
    }

    /// How far down two trees are compared.
    private static let comparedLevels = 4

    /// What makes two waits, and what hangs on them, equal for a reader.
    private func signature(_ entry: Entry, in forest: Forest, isExact: Bool, level: Int = 0) -> String {
        var text = label(entry)
        if isExact, level == 0 { text += "\u{1f}" + Shared.key(entry.report.call.resource) }
        guard level < Self.comparedLevels else { return text }
        let below = Set(
            forest.calls(behind: [entry.thread]).map { signature($0, in: forest, isExact: isExact, level: level + 1) })
        return below.isEmpty ? text : text + "\u{1e}(" + below.sorted().joined(separator: "\u{1e}") + ")"
    }

    /// What makes two waits equal, whatever they are on.
    private func label(_ entry: Entry) -> String {
        let call = entry.report.call
        return [
            entry.prefix, String(decoding: call.process.name, as: UTF8.self), call.call?.name ?? "",
            call.resource.kind.rawValue, call.resource.member?.kind.rawValue ?? "",
            entry.report.finding?.reason.rawValue ?? "",
        ].joined(separator: "\u{1f}")
    }

    // MARK: - lines

    /// Whom it tells of, and what follows.
    private func line(_ entries: [Entry]) -> (subjects: [String], rests: [String]) {
        let calls = entries.map(\.report)
        let first = calls[0]
        let prefix = entries[0].prefix
        let note = entries.first { !$0.note.isEmpty }.map { "  \($0.note)" } ?? ""
        guard calls.count > 1 else {
            let holds = first.finding?.chainID.flatMap { self.holds[$0]?[first.call.process.tid] } ?? []
            let has = holds.isEmpty ? verdict(first) : TextFormat.having(holds).joined(separator: ", ")
            let short = holds.isEmpty ? brief(first) : TerminalText.cut(has, to: 28, keep: .headAndTail)
            return (
                subjects(first).map { prefix + $0 },
                ["  \(Sentence.span(calls))  \(has)\(note)", "  \(Sentence.span(calls))  \(short)\(note)"]
            )
        }
        let name = TerminalText.escaped(first.call.process.name)
        let what = Shared.text(calls.map(\.call.resource))
        let who = "\(prefix)\(number(of: calls)) of \(name)\(inProcesses(calls))"
        let step = Sentence.step(first.call)
        return (
            ["\(who) wait here in \(step)", "\(who) in \(step)"].map { what.isEmpty ? $0 : "\($0) on \(what)" },
            [
                "  \(Sentence.span(calls))  \(verdict(first))\(note)",
                "  \(Sentence.span(calls))  \(brief(first))\(note)",
            ]
        )
    }

    private func subjects(_ report: CallReport) -> [String] {
        let call = report.call
        let names = TextFormat.who(call)
        guard call.kind != .stopped else { return names.map { "\($0) stopped\(Sentence.stop(call))" } + names }
        let step = Sentence.step(call)
        return names.prefix(2).flatMap { who in
            call.resource.spoken(in: step, besides: Culprit(report)).map { what in
                what.isEmpty ? "\(who) \(step)" : "\(who) \(step) on \(what)"
            }
        }
    }

    private func number(of calls: [CallReport]) -> String {
        let processes = Set(calls.map(\.call.process.pid)).count
        return "\(calls.count) \(processes == calls.count ? "processes" : "threads")"
    }

    private func inProcesses(_ calls: [CallReport]) -> String {
        let processes = Set(calls.map(\.call.process.pid)).count
        return processes > 1 && processes < calls.count ? " in \(processes) processes" : ""
    }

    /// Of those that are too many to be told: which programs they are of.
    private func others(_ entries: [Entry]) -> (subjects: [String], rests: [String]) {
        var counts: [String: Int] = [:]
        for entry in entries { counts[TerminalText.escaped(entry.report.call.process.name), default: 0] += 1 }
        let names = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        let told = names.prefix(4).map { $0.value > 1 ? "\($0.value) of \($0.key)" : $0.key }.joined(separator: ", ")
        let more = names.count > 4 ? ", ..." : ""
        let worst = entries.compactMap { $0.report.finding?.verdict }.min { $0.rank < $1.rank }
        return (
            ["and \(entries.count) others: \(told)\(more)"],
            ["  \(Sentence.span(entries.map(\.report)))  \(worst.map { "\($0.rawValue) at the worst" } ?? "blocked")"]
        )
    }

    private func verdict(_ report: CallReport) -> String {
        guard let finding = report.finding else { return "blocked" }
        return finding.verdict == .deadlock
            ? finding.verdict.rawValue : "\(finding.verdict.rawValue) (\(finding.reason.words))"
    }

    /// Where there is no room for the reason.
    private func brief(_ report: CallReport) -> String { report.finding?.verdict.rawValue ?? "blocked" }
}
