/// What processes of one id or name did while they were watched, for `explain --for`.
public struct ActivityReport: Sendable {
    /// One that is there, or was until a moment ago, with its threads.
    public struct Process: Sendable {
        public var life: ActivityLog.Life
        /// As it is at the end; `nil` of one that is gone.
        public var explanation: Explanation?
        public var threads: [ThreadActivity]

        public init(life: ActivityLog.Life, explanation: Explanation?, threads: [ThreadActivity]) {
            self.life = life
            self.explanation = explanation
            self.threads = threads
        }
    }

    public struct Losses: Sendable, Equatable {
        /// Calls that are in the sums and in no sequence, because there was no room for them.
        public var calls: UInt64 = 0
        public var lives: UInt64 = 0
        public var samples: UInt64 = 0
        /// Calls that are nowhere.
        public var sums: UInt64 = 0
        /// Why nobody looked where threads run.
        public var sampling: String?

        public init() {}
    }

    /// The word that was asked for.
    public var word: String
    public var isByName: Bool
    public var watchedNanoseconds: UInt64
    public var processes: [Process]
    public var log: ActivityLog
    public var sums: [CallSum]
    public var losses = Losses()
    /// Processes that are not told, because there are too many.
    public var more = 0
    /// It was ended before its time.
    public var wasInterrupted = false

    public init(
        word: String, isByName: Bool, watchedNanoseconds: UInt64, processes: [Process], log: ActivityLog,
        sums: [CallSum]
    ) {
        self.word = word
        self.isByName = isByName
        self.watchedNanoseconds = watchedNanoseconds
        self.processes = processes
        self.log = log
        self.sums = sums
    }

    // MARK: - what was found

    /// Processes that were asked for by name, came or went, and so often.
    var comings: Comings { Comings(log.lives.filter(\.isNamed), log, sums) }

    public var foundSomething: Bool {
        comings.isCrashing
            || processes.contains { process in
                process.threads.contains { $0.doing.isFinding }
                    || process.resting.map { $0.foundSomething } ?? false
            }
    }

    // MARK: - lines

    /// Of threads that do the same.
    private static let mostGroups = 12

    /// Lines for people, as wide as their terminal.
    private struct Page {
        var lines: [String] = []
        let width: Int?

        mutating func add(_ text: String) { lines += width.map { TerminalText.wrapped(text, to: $0) } ?? [text] }

        mutating func add(_ table: CallTable, titled title: String, most: Int) {
            let rows = table.lines(most: most)
            guard !rows.isEmpty else { return }
            lines += ["", title]
            lines += rows.map { row in width.map { TerminalText.cut(row, to: $0) } ?? row }
        }
    }

    /// - Parameter width: columns of a terminal.
    /// - Returns: lines without newlines, safe for terminals.
    public func lines(width: Int? = nil) -> [String] {
        var page = Page(width: width)
        let span = TerminalText.duration(nanoseconds: watchedNanoseconds)
        let comings = comings
        if comings.isWorthTelling || processes.isEmpty {
            for text in comings.lines(word: word, isByName: isByName, span: span) { page.add(text) }
        }
        for process in processes { add(process, to: &page) }
        if more > 0 { page.lines += ["", "and \(more) more of that name"] }
        addChildren(to: &page)
        addComers(comings, to: &page)
        let told = told(losses)
        if !told.isEmpty { page.lines.append("") }
        for text in told { page.add(text) }
        if wasInterrupted { page.add("Broken off after \(span): this is what was seen until then.") }
        return page.lines
    }

    private func add(_ process: Process, to page: inout Page) {
        if !page.lines.isEmpty { page.lines.append("") }
        page.add(process.heading + "; watched for \(process.span(of: watchedNanoseconds))")
        let groups = process.activeGroups
        for group in groups.prefix(Self.mostGroups) {
            let (what, more) = group[0].sentences()
            page.lines.append("")
            page.add("\(process.subject(group)) \(group.count == 1 ? what : "each " + what)")
            for text in more where !text.isEmpty { page.add("  " + text) }
        }
        if groups.count > Self.mostGroups {
            let rest = groups[Self.mostGroups...].reduce(0) { $0 + $1.count }
            page.lines += ["", "and \(rest) more threads that do something else"]
        }
        if let resting = process.resting {
            page.lines += resting.lines(width: page.width, isRest: process.activeGroups.isEmpty ? .whole : .part)
        }
        let own = sums.filter { sum in process.threads.contains { UInt64($0.tid) == sum.who } }
        page.add(CallTable(own), titled: "Calls of \(process.title), by time:", most: 15)
    }

    /// What the processes were that those asked for have started, by name.
    private func addChildren(to page: inout Page) {
        let children = log.lives.filter { !$0.isNamed }
        guard !children.isEmpty else { return }
        page.lines.append("")
        let groups = Comings.grouped(children)
        page.add("Processes that were started meanwhile: \(children.count)")
        for group in groups.prefix(6) { page.add("  " + Comings(group, log, sums).line) }
        if groups.count > 6 { page.add("  and \(groups.count - 6) more names") }
        let who = Comings.sumKeys(children, log)
        page.add(CallTable(sums.filter { who.contains($0.who) }), titled: "Their calls, by time:", most: 8)
    }

    /// The calls of those that came and are gone again.
    private func addComers(_ comings: Comings, to page: inout Page) {
        let shown = Set(processes.flatMap { $0.threads.map { UInt64($0.tid) } })
        let who = Comings.sumKeys(comings.lives, log).subtracting(shown)
        page.add(
            CallTable(sums.filter { who.contains($0.who) }), titled: "Calls of those that are gone, by time:", most: 12)
    }

    private func told(_ losses: Losses) -> [String] {
        var texts: [String] = []
        if losses.sums > 0 { texts.append("\(losses.sums) calls found no room and are not counted.") }
        if losses.calls > 0 || log.callsLeftOut > 0 {
            texts.append(
                "\(losses.calls + UInt64(log.callsLeftOut)) calls are counted, but were not seen one by one: there was no room for them."
            )
        }
        if losses.lives > 0 {
            texts.append("\(losses.lives) processes came or went unseen: there was no room for them.")
        }
        if losses.samples > 0 { texts.append("\(losses.samples) looks at where it runs found no room.") }
        if let reason = losses.sampling { texts.append("Where it runs was not looked at: \(reason)") }
        return texts
    }
}

extension ActivityReport.Process {
    var title: String { "\(TerminalText.escaped(life.name))[\(life.pid)]" }

    func span(of watched: UInt64) -> String {
        TerminalText.duration(nanoseconds: threads.map(\.wallNanoseconds).max() ?? watched)
    }

    var heading: String {
        if let explanation, let first = explanation.lines().first { return first }
        guard let status = life.status else { return title }
        return "\(title), which has ended (\(ExitStatus.text(status)))"
    }

    /// Those about which its calls and times say something, alike ones together.
    var activeGroups: [[ThreadActivity]] {
        var order: [String] = []
        var groups: [String: [ThreadActivity]] = [:]
        let active = threads.filter { $0.doing != .resting }
            .sorted { ($0.doing, $1.processorShare, $0.tid) < ($1.doing, $0.processorShare, $1.tid) }
        for thread in active {
            let key =
                "\(thread.doing) " + (thread.loop?.steps.map { "\($0.name) \($0.result)" }.joined(separator: ",") ?? "")
            if groups[key] == nil { order.append(key) }
            groups[key, default: []].append(thread)
        }
        return order.compactMap { groups[$0] }
    }

    /// What `explain` says of the others; `nil` if there are none.
    var resting: Explanation? {
        guard var explanation else { return nil }
        let active = Set(threads.filter { $0.doing != .resting }.map(\.tid))
        explanation.threads.removeAll { active.contains($0.call.process.tid) }
        return explanation.threads.isEmpty ? nil : explanation
    }

    func subject(_ group: [ThreadActivity]) -> String {
        let names = group.prefix(4).map { thread in
            thread.name == life.name || thread.name.isEmpty
                ? String(thread.tid) : "\(thread.tid) \(TerminalText.escaped(thread.name))"
        }
        if group.count == 1 { return "Thread \(names[0])" }
        return "\(group.count) threads (\(names.joined(separator: ", "))\(group.count > 4 ? ", ..." : ""))"
    }
}
