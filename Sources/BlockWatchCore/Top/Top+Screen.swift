/// Where everything stands on the screen.
extension Top {
    private static let help = [
        "arrows, PgUp, PgDn, Home, End   move", "Enter   open or fold what the cursor is on",
        "/       filter by words: names, ids, paths, verdicts; Esc takes it back", "a       idle calls too",
        "c       the functions of its program in which the thread waits; c again takes them away",
        "s       sort trees: worst first, by victims, by age, by name", "p       pause, go on",
        "g       picture of this tree: a file for Graphviz, and drawn where that is there",
        "w       write what is seen to a file",
        "left, right   in a recording: back and forth", "q       quit",
        "", "VERDICT and AGE of a tree are its worst and its oldest; BEHIND is how many wait behind it.",
        "What has ended stays dimmed for 5 s. Ages with >= are lower bounds.",
    ]

    /// - Parameter now: of the same clock as the last look; ages go on until then.
    public mutating func screen(width: Int, height: Int, at now: UInt64) -> Screen {
        let width = max(width, 20)
        let height = max(height, 4)
        // header, totals, heads; list; rule and explanation; keys
        let paneHeight = height < 14 ? 0 : (height - 5) * 2 / 5
        pageHeight = max(height - 4 - paneHeight - (paneHeight > 0 ? 1 : 0), 0)
        if cursorPlace < scroll { scroll = cursorPlace }
        if cursorPlace >= scroll + pageHeight { scroll = cursorPlace - pageHeight + 1 }
        scroll = max(0, min(scroll, rows.count - pageHeight))
        var lines = [header(width, at: now), totals(), heads()]
        var list: [Screen.Line] = showsHelp ? Self.help.map { Screen.Line("  " + $0) } : []
        if !showsHelp {
            for place in rows.indices.dropFirst(scroll).prefix(pageHeight) {
                let line = line(rows[place], width, at: now)
                list.append(place == cursorPlace ? line.highlighted(to: width) : line)
            }
            if rows.isEmpty, look != nil { list.append(Screen.Line("  " + nothing)) }
        }
        lines += (list + Array(repeating: Screen.Line(), count: pageHeight)).prefix(pageHeight)
        if paneHeight > 0 {
            lines.append(Screen.Line(String(repeating: "─", count: width), Screen.Style(dim: true)))
            let text = explanation(at: now).flatMap { TerminalText.wrapped($0, to: width) }
            lines += (text.map { Screen.Line($0) } + Array(repeating: Screen.Line(), count: paneHeight)).prefix(
                paneHeight)
        }
        lines.append(footer())
        return Screen(width: width, height: height, lines: lines.prefix(height).map { $0.fitted(to: width) })
    }

    private var nothing: String {
        !filter.isEmpty
            ? "nothing fits the filter"
            : "nothing is blocked longer than \(limit)" + (showsIdle ? "" : " but what is idle by design (a)")
    }

    // MARK: - above and below

    private static let longestBetween: UInt64 = 20_000_000_000

    private func header(_ width: Int, at now: UInt64 = 0) -> Screen.Line {
        guard let look else { return Screen.Line(" blockwatch top  \(hostName)  looking...").highlighted(to: width) }
        var text = " blockwatch top  \(hostName)  \(Self.stamp(look.wallNanoseconds))"
        if let span = look.span {
            let length = max(span.upperBound - span.lowerBound, 1)
            let done = min(max(look.wallNanoseconds, span.lowerBound), span.upperBound) - span.lowerBound
            let columns = 20
            let filled = Int(Double(done) / Double(length) * Double(columns))
            text +=
                "  [" + String(repeating: "=", count: filled) + String(repeating: ".", count: columns - filled) + "] "
            text += "\(TerminalText.duration(nanoseconds: done)) of \(TerminalText.duration(nanoseconds: length))"
        } else {
            if let own = look.ownThousandths { text += "  own cost \(own / 10).\(own % 10)% of a core" }
            if let bytes = look.ownBytes { text += ", \(bytes >> 20) MB" }
            // the machine, or one look, takes very long
            if !isPaused, now > look.at, now - look.at >= Self.longestBetween {
                text += "  no look for \(TerminalText.duration(nanoseconds: now - look.at))"
            }
        }
        return Screen.Line(text).highlighted(to: width)
    }

    private func totals() -> Screen.Line {
        guard let look else { return Screen.Line() }
        var counts: [Verdict: Int] = [:]
        for entry in look.entries { counts[entry.report.finding?.verdict ?? .waiting, default: 0] += 1 }
        let idle = counts[.idle] ?? 0
        let blocked = look.entries.count - (showsIdle ? 0 : idle)
        let sets = Set(look.entries.filter { $0.report.finding?.verdict == .deadlock }.compactMap(\.group)).count
        let all = look.threads > 0 ? "/\(look.threads)" : ""
        var spans = [Screen.Span(text: " \(blocked)\(all) >\(limit): ", style: Screen.Style())]
        for verdict in Verdict.allCases {
            let count = counts[verdict] ?? 0
            var text = "\(count) \(verdict.rawValue)"
            if verdict == .deadlock, sets > 0 { text = "\(count) in \(sets) deadlock\(sets == 1 ? "" : "s")" }
            spans.append(
                Screen.Span(text: text, style: count > 0 ? Self.style(verdict) : Screen.Style(dim: true)))
            if verdict != .idle { spans.append(Screen.Span(text: ", ", style: Screen.Style())) }
        }
        return Screen.Line(spans)
    }

    private func heads() -> Screen.Line {
        var text = " VERDICT       AGE  BEHIND  WHO WAITS FOR WHAT, BY ROOT"
        if order != .worst { text += "  [by \(order.rawValue)]" }
        if showsIdle { text += "  [idle too]" }
        if !filter.isEmpty { text += "  [/\(TerminalText.escaped(filter))]" }
        if isPaused { text += "  [paused]" }
        return Screen.Line(text, Screen.Style(bold: true))
    }

    private func footer() -> Screen.Line {
        if isTyping { return Screen.Line(" filter: \(TerminalText.escaped(filter))_", Screen.Style(bold: true)) }
        if !message.isEmpty { return Screen.Line(" " + message, Screen.Style(bold: true)) }
        return Screen.Line(
            " Enter fold  / filter  a idle  c code  s sort  p pause  g draw  ? help  q quit",
            Screen.Style(dim: true))
    }

    // MARK: - a row

    static func style(_ verdict: Verdict?) -> Screen.Style {
        switch verdict {
        case .deadlock: Screen.Style(.red, bold: true)
        case .stuck: Screen.Style(.yellow, bold: true)
        case .waiting: Screen.Style(.yellow)
        case .busy: Screen.Style(.cyan)
        case .idle: Screen.Style(.green)
        case nil: Screen.Style()
        }
    }

    private func verdict(_ row: Trees.Row) -> (text: String, verdict: Verdict?) {
        let live = row.entries.filter { !isEnded($0) }
        guard !live.isEmpty else { return (row.entries.isEmpty ? "" : "ended", nil) }
        let worst = live.compactMap { $0.report.finding?.verdict }.min { $0.rank < $1.rank }
        return (worst?.rawValue ?? "blocked", worst)
    }

    private func age(_ row: Trees.Row, at now: UInt64) -> String {
        guard let look, let oldest = row.entries.max(by: { duration($0, look, now) < duration($1, look, now) }) else {
            return ""
        }
        return (oldest.report.call.startSource == .lastRan ? ">=" : "")
            + TerminalText.duration(nanoseconds: duration(oldest, look, now))
    }

    /// Until now; of what has ended, until it did.
    private func duration(_ entry: Trees.Entry, _ look: Look, _ now: UInt64) -> UInt64 {
        if isEnded(entry) || isPaused || look.span != nil { return entry.report.durationNanoseconds }
        let (sum, overflow) = entry.report.durationNanoseconds.addingReportingOverflow(now - min(look.at, now))
        return overflow ? .max : sum
    }

    private func line(_ row: Trees.Row, _ width: Int? = nil, at now: UInt64) -> Screen.Line {
        let (text, verdict) = verdict(row)
        let isGone = text == "ended"
        let style = isGone ? Screen.Style(dim: true) : Self.style(verdict)
        let plain = Screen.Style(bold: row.isTitle && !isGone, dim: isGone)
        let mark = row.opens ? (isOpen(row) ? "▾ " : "▸ ") : ""
        let behind = row.behind > 0 ? String(row.behind) : ""
        let columns =
            " \(TerminalText.padded(age(row, at: now), to: 9, .right)) \(TerminalText.padded(behind, to: 6, .right))  "
        let lead = " " + TerminalText.padded(text, to: 8)
        let room = width.map { $0 - TerminalText.width(lead + columns + row.indent + mark) }
        return Screen.Line([
            Screen.Span(text: lead, style: style), Screen.Span(text: columns, style: plain),
            Screen.Span(text: row.indent, style: Screen.Style(dim: true)),
            Screen.Span(text: mark + Trees.subject(row, room), style: plain),
        ])
    }

    // MARK: - explain

    /// Of the line under the cursor: what its record says, as `explain` says it.
    func explanation(at now: UInt64) -> [String] {
        guard let look, let row = current, let worst = selected else { return [] }
        var lines: [String] = []
        if row.isTitle {
            lines.append(
                "\(row.subject): \(row.behind) thread\(row.behind == 1 ? "" : "s") behind it; of these the worst off:")
        } else if row.entries.count > 1 {
            lines.append("\(row.subject); of these the one that has waited longest:")
        }
        let report = worst.report
        if let functions, functions.id == report.call.eventID {
            let heading = "\(Sentence.who(report.call)) in \(Sentence.place(report.call))"
            return lines + [heading] + (functions.lines ?? ["In the program: …"])
        }
        let explanation = Explanation(threads: [
            Explanation.Thread(
                call: report.call, durationNanoseconds: duration(worst, look, now),
                finding: report.finding ?? Finding(),
                isRunning: false, tracerPID: 0)
        ])
        // the process, then straight on: there is little room
        return lines + explanation.lines().filter { !$0.isEmpty }
    }

    /// What is seen, for a file: all rows, not only those that have room.
    public func text(at now: UInt64) -> [String] {
        [header(200).text.trimmed, totals().text.trimmed, heads().text] + rows.map { line($0, at: now).text.trimmed }
            + [""] + explanation(at: now)
    }
}

extension String {
    /// Without blanks at its end.
    fileprivate var trimmed: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
