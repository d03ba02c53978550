/// Programs' stacks for people.
extension UserStack {
    /// Where some threads are in their programs, equal stacks once; innermost first.
    ///
    /// - Returns: lines without newlines, safe for terminals; empty if no stack is known.
    static func paragraphs(of calls: [BlockedCall], mostStacks: Int, mostLines: Int) -> [String] {
        var order: [[String]] = []
        var threads: [[String]: [Int]] = [:]
        for call in calls {
            guard let lines = call.userStack?.lines(most: mostLines) else { continue }
            if threads[lines] == nil { order.append(lines) }
            threads[lines, default: []].append(call.process.tid)
        }
        order.sort { (threads[$0]?.count ?? 0) > (threads[$1]?.count ?? 0) }
        var text: [String] = []
        for stack in order.prefix(mostStacks) {
            let tids = threads[stack] ?? []
            switch (calls.count, tids.count) {
            case (1, _): text.append("In the program:")
            case (_, 1): text.append("In the program, thread \(tids[0]):")
            case (_, let count): text.append("In the program, \(count) threads here:")
            }
            text += stack.map { "  \($0)" }
        }
        let rest = order.dropFirst(mostStacks)
        if !rest.isEmpty {
            let count = rest.reduce(0) { $0 + (threads[$1]?.count ?? 0) }
            text.append("and \(count) thread\(count == 1 ? "" : "s") elsewhere in the program")
        }
        return text
    }

    func lines(most: Int) -> [String] {
        var lines = frames.prefix(most).map(\.text)
        let rest = frames.count - lines.count
        if rest > 0 {
            lines.append("and \(rest)\(isCut ? " or more" : "") callers")
        } else if isCut {
            lines.append("and more callers")
        } else if isLost {
            lines.append("(who called that was not found)")
        }
        return lines
    }
}

extension UserStack.Frame {
    /// `Pool::checkout`, `memcpy (libc.so.6)`; `nil` of a function that nothing names. Safe for terminals.
    public var callName: String? {
        guard function != nil else { return nil }
        let text = TerminalText.cut(TerminalText.escaped(name), to: 80, keep: .headAndTail)
        guard let moduleName, String(decoding: moduleName, as: UTF8.self).contains(".so") else { return text }
        return "\(text) (\(TerminalText.escaped(moduleName)))"
    }

    /// `Pool::checkout  pool.cc:41`, `poll  libc.so.6`
    fileprivate var text: String {
        var text = TerminalText.cut(TerminalText.escaped(name), to: 120, keep: .headAndTail)
        if isSignal { text += " <signal>" }
        if let file {
            let last = file.split(separator: UInt8(ascii: "/")).last.map { Array($0) } ?? file
            return text + "  \(TerminalText.escaped(last))" + (line.map { ":\($0)" } ?? "")
        }
        guard function != nil, let moduleName else { return text }
        return text + "  \(TerminalText.escaped(moduleName))"
    }
}

extension Trees {
    private static let (mostStacks, mostLines) = (3, 10)

    /// Where in their programs the threads of a row are, where somebody has asked.
    func stacks(below row: Row, _ width: Int?) -> [String] {
        guard !row.isTitle else { return [] }
        let calls = row.entries.map(\.report.call)
        let lead = row.indent.replacing("├─", with: "│ ").replacing("└─", with: "  ") + "    "
        let lines = UserStack.paragraphs(of: calls, mostStacks: Self.mostStacks, mostLines: Self.mostLines)
        return lines.map { line in
            guard let width else { return lead + line }
            return TerminalText.cut(lead + line, to: width, keep: .headAndTail)
        }
    }
}
