/// What `top` shows, for which looks, keys and size: pure.
public struct Top: Sendable {
    /// What one look has brought.
    public struct Look: Sendable {
        var entries: [Trees.Entry]
        var deadlocks: [DeadlockReport]
        var titles: [String: String] = [:]
        /// Nanoseconds of any clock that only goes on.
        var at: UInt64
        /// Nanoseconds since 1970.
        var wallNanoseconds: UInt64
        public var threads: UInt64 = 0
        /// Of blockwatch itself: a share of one core in thousandths, and bytes.
        public var ownThousandths: UInt64?
        public var ownBytes: UInt64?
        /// Of a recording: where it begins and ends, nanoseconds since 1970.
        public var span: ClosedRange<UInt64>?

        public init(calls: [CallReport], deadlocks: [DeadlockReport], clock: ClockReading) {
            entries = calls.map { Trees.Entry(report: $0, group: $0.finding?.chainID) }
            self.deadlocks = deadlocks
            at = clock.monotonic
            wallNanoseconds = clock.wall
        }

        init(
            _ entries: [Trees.Entry], deadlocks: [DeadlockReport], titles: [String: String], at wall: UInt64,
            span: ClosedRange<UInt64>
        ) {
            self.entries = entries
            self.deadlocks = deadlocks
            self.titles = titles
            at = wall
            wallNanoseconds = wall
            self.span = span
        }
    }

    /// What a key asks for that is not the model's to do.
    public enum Action: Sendable, Equatable {
        case quit, write, draw
        /// Where in its program a thread is.
        case stack(StackWish)
        /// Of a recording: by so many hundredths of it.
        case seek(Int)
    }

    /// Whose functions are asked for: a thread, while it is in that call.
    public struct StackWish: Sendable, Equatable {
        public var tid: Int
        public var call: UInt64
        fileprivate var id: String
    }

    /// What is said of the functions of one call; `nil` as long as nobody has answered.
    struct Functions: Sendable {
        var id: String
        var lines: [String]?
    }

    struct Ended: Sendable {
        var entry: Trees.Entry
        var at: UInt64
    }

    /// What has ended stays so long.
    static let afterglow: UInt64 = 5_000_000_000

    let hostName: String
    let limit: String
    var look: Look?
    /// The last one while it was shown; what came since has not been looked at.
    var ended: [String: Ended] = [:]
    var order = Trees.Order.worst
    public private(set) var showsIdle = false
    public private(set) var isPaused = false
    public private(set) var showsHelp = false
    var filter = ""
    private(set) var isTyping = false
    private var filterBefore = ""
    private var opened: Set<String> = []
    private var closed: Set<String> = []
    private var cursor: String?
    var cursorPlace = 0
    var scroll = 0
    /// Lines of a page, as the last screen had them.
    var pageHeight = 10
    private(set) var functions: Functions?
    private(set) var message = ""
    private(set) var rows: [Trees.Row] = []

    public init(hostName: String, thresholdNanoseconds: UInt64, showsIdle: Bool = false) {
        self.hostName = TerminalText.cut(TerminalText.escaped(hostName), to: 40)
        limit = TerminalText.duration(nanoseconds: thresholdNanoseconds)
        self.showsIdle = showsIdle
    }

    // MARK: - looks

    /// What was found now. While it is paused nothing changes.
    public mutating func update(_ new: Look) {
        guard !isPaused || new.span != nil || look == nil else { return }
        let threads = Set(new.entries.map(\.thread))
        let ids = Set(new.entries.map(\.report.call.eventID))
        if let old = look, old.at <= new.at {
            for entry in old.entries where !ids.contains(entry.report.call.eventID) {
                var entry = entry
                entry.note = "(ended)"
                ended[entry.report.call.eventID] = Ended(entry: entry, at: new.at)
            }
        } else {
            // a recording that was turned back
            ended = [:]
        }
        ended = ended.filter { id, known in
            // its thread may have gone into another call
            new.at - min(known.at, new.at) < Self.afterglow && !ids.contains(id)
                && !threads.contains(known.entry.thread)
        }
        look = new
        arrange()
    }

    /// The answer to ``Action/stack(_:)``; of a call that nobody asks for any more it is dropped.
    ///
    /// - Parameter lines: safe for terminals.
    public mutating func told(_ wish: StackWish, _ lines: [String]) {
        if functions?.id == wish.id { functions?.lines = lines }
    }

    public mutating func say(_ text: String) { message = TerminalText.escaped(text) }

    // MARK: - rows

    func isEnded(_ entry: Trees.Entry) -> Bool { ended[entry.report.call.eventID] != nil }

    private func isShown(_ entry: Trees.Entry, _ words: [Substring]) -> Bool {
        guard showsIdle || entry.report.finding?.verdict != .idle else { return false }
        guard !words.isEmpty else { return true }
        let call = entry.report.call
        let finding = entry.report.finding
        let text = [
            entry.prefix, Sentence.who(call), Sentence.place(call), String(call.process.tid),
            finding?.verdict.rawValue ?? "", finding?.reason.rawValue ?? "", finding?.chain ?? "",
            finding?.root.value.map { Trees.title($0, deadlock: nil) } ?? "", call.process.userName ?? "",
            call.process.cgroup.serviceName ?? "", call.process.cgroup.containerID ?? "",
        ].joined(separator: " ").lowercased()
        return words.allSatisfy { text.contains($0) }
    }

    /// The rows anew; the cursor stays on what it was on.
    private mutating func arrange() {
        guard let look else { return }
        let words = filter.lowercased().split(separator: " ")
        let gone = ended.values.map(\.entry).sorted { $0.thread.tid < $1.thread.tid }
        let entries = (look.entries + gone).filter { isShown($0, words) }
        rows = Trees(entries, deadlocks: look.deadlocks, titles: look.titles)
            .rows(order: order, opened: opened, closed: closed).flatMap { $0 }
        if let cursor, let place = rows.firstIndex(where: { $0.key == cursor }) {
            cursorPlace = place
        } else {
            cursorPlace = min(cursorPlace, max(rows.count - 1, 0))
            cursor = rows.isEmpty ? nil : rows[cursorPlace].key
        }
    }

    var current: Trees.Row? { rows.indices.contains(cursorPlace) ? rows[cursorPlace] : nil }

    /// Of the line under the cursor the call that is told of: of a tree the worst off, of several the longest.
    var selected: Trees.Entry? {
        guard let row = current, row.isTitle else { return current?.entries.first }
        return row.entries.min { ($0.report.finding?.verdict.rank ?? 9) < ($1.report.finding?.verdict.rank ?? 9) }
    }

    /// All calls of the tree that the cursor is in.
    var currentTree: [Trees.Entry] {
        rows.indices.contains(cursorPlace) ? rows[...cursorPlace].last(where: \.isTitle)?.entries ?? [] : []
    }

    /// The tree under the cursor, to be drawn.
    public func picture() -> Picture? {
        guard let look, !currentTree.isEmpty else { return nil }
        var picture = Picture(currentTree, deadlocks: look.deadlocks, subject: [], showsIdle: true)
        picture.title = "\(hostName) at \(Self.stamp(look.wallNanoseconds))"
        return picture
    }

    static func stamp(_ wall: UInt64) -> String {
        Timestamp.rfc3339(seconds: Int64(wall / 1_000_000_000), nanoseconds: 0).prefix(19).replacing("T", with: " ")
            + "Z"
    }

    // MARK: - keys

    public mutating func press(_ key: Key) -> Action? {
        message = ""
        if isTyping {
            type(key)
            return nil
        }
        if showsHelp {
            showsHelp = false
            return key == .character("q") ? .quit : nil
        }
        switch key {
        case .up, .character("k"): move(by: -1)
        case .down, .character("j"): move(by: 1)
        case .pageUp: move(by: -max(pageHeight - 1, 1))
        case .pageDown: move(by: max(pageHeight - 1, 1))
        case .home: move(by: -rows.count)
        case .end: move(by: rows.count)
        case .left: if look?.span != nil { return .seek(-2) }
        case .right: if look?.span != nil { return .seek(2) }
        case .enter: fold()
        case .escape:
            if !filter.isEmpty {
                filter = ""
                arrange()
            }
        case .backspace: break
        case .character(let letter): return command(letter)
        }
        return nil
    }

    private mutating func command(_ letter: Unicode.Scalar) -> Action? {
        switch letter {
        case "q": return .quit
        case "w": return .write
        case "c": return askForFunctions()
        case "g": return currentTree.isEmpty ? nil : .draw
        case "/":
            isTyping = true
            filterBefore = filter
        case "a":
            showsIdle.toggle()
            arrange()
        case "s":
            let all = Trees.Order.allCases
            order = all[((all.firstIndex(of: order) ?? 0) + 1) % all.count]
            arrange()
        case "p", " ": isPaused.toggle()
        case "?", "h": showsHelp = true
        default: break
        }
        return nil
    }

    /// Of the line under the cursor; the same key again takes them away.
    private mutating func askForFunctions() -> Action? {
        guard let report = selected?.report else { return nil }
        let call = report.call
        if functions?.id == call.eventID {
            functions = nil
            return nil
        }
        functions = Functions(id: call.eventID)
        if look?.span != nil {
            functions?.lines = [
                "In the program: not shown of a recording; code.stack of its records has it, if --stacks was given"
            ]
            return nil
        }
        return .stack(StackWish(tid: call.process.tid, call: call.id, id: call.eventID))
    }

    private mutating func type(_ key: Key) {
        switch key {
        case .enter: isTyping = false
        case .escape:
            isTyping = false
            filter = filterBefore
        case .backspace: if !filter.isEmpty { filter.unicodeScalars.removeLast() }
        case .character(let character): if filter.unicodeScalars.count < 200 { filter.unicodeScalars.append(character) }
        case .up: move(by: -1)
        case .down: move(by: 1)
        default: break
        }
        arrange()
    }

    private mutating func move(by step: Int) {
        guard !rows.isEmpty else { return }
        cursorPlace = min(max(cursorPlace + step, 0), rows.count - 1)
        cursor = rows[cursorPlace].key
    }

    private mutating func fold() {
        guard let row = current, row.opens else { return }
        // several that are alike are closed at first, a tree is open
        let isSeveral = !row.isTitle && row.entries.count > 1
        if isSeveral {
            if opened.remove(row.key) == nil { opened.insert(row.key) }
        } else if closed.remove(row.key) == nil {
            closed.insert(row.key)
        }
        // keys of what has long ended are of no use
        if opened.count + closed.count > 10_000 { (opened, closed) = ([], []) }
        arrange()
    }

    func isOpen(_ row: Trees.Row) -> Bool {
        row.isTitle || row.entries.count < 2 ? !closed.contains(row.key) : opened.contains(row.key)
    }
}
