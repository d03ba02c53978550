/// What a terminal shows: lines of spans, each in one style.
public struct Screen: Sendable, Equatable {
    public enum Color: UInt8, Sendable { case red = 1, green, yellow, blue, magenta, cyan }

    public struct Style: Sendable, Equatable {
        public var color: Color?
        public var isBold = false
        public var isDim = false
        public var isReverse = false

        public init(_ color: Color? = nil, bold: Bool = false, dim: Bool = false, reverse: Bool = false) {
            (self.color, isBold, isDim, isReverse) = (color, bold, dim, reverse)
        }
    }

    public struct Span: Sendable, Equatable {
        public var text: String
        public var style: Style
    }

    public struct Line: Sendable, Equatable {
        public var spans: [Span] = []

        public init(_ spans: [Span] = []) { self.spans = spans }
        public init(_ text: String, _ style: Style = Style()) { spans = [Span(text: text, style: style)] }

        public var text: String { spans.map(\.text).joined() }

        /// All of it in this style too, over the whole width.
        func highlighted(to width: Int) -> Line {
            var line = fitted(to: width)
            let missing = width - TerminalText.width(line.text)
            if missing > 0 { line.spans.append(Span(text: String(repeating: " ", count: missing), style: Style())) }
            for index in line.spans.indices {
                line.spans[index].style = Style(bold: line.spans[index].style.isBold, reverse: true)
            }
            return line
        }

        /// In at most so many columns; what is cut ends with `…`.
        func fitted(to width: Int) -> Line {
            guard TerminalText.width(text) > width else { return self }
            var fitted = Line()
            var room = width
            for span in spans {
                let columns = TerminalText.width(span.text)
                if columns <= room, !(columns == room && span != spans.last) {
                    fitted.spans.append(span)
                    room -= columns
                } else {
                    fitted.spans.append(Span(text: TerminalText.cut(span.text + "  ", to: room), style: span.style))
                    break
                }
            }
            return fitted
        }
    }

    public var width, height: Int
    /// As many as it is high, none wider than it.
    public var lines: [Line]
}

/// A screen as bytes for a terminal: only the lines that are not there yet.
///
/// Of all control sequences those few that xterm, linux, screen, tmux and vt100 have in common.
public struct Painter: Sendable {
    private let usesColor: Bool
    private let isASCII: Bool
    private var shown: [[UInt8]] = []
    private var size = (width: 0, height: 0)

    /// - Parameter isASCII: the terminal takes no UTF-8.
    public init(usesColor: Bool, isASCII: Bool) {
        self.usesColor = usesColor
        self.isASCII = isASCII
    }

    /// Whatever is on the terminal is not ours.
    public mutating func forget() { shown = [] }

    public mutating func paint(_ screen: Screen) -> [UInt8] {
        var bytes: [UInt8] = []
        if shown.isEmpty || size != (screen.width, screen.height) {
            bytes += Array("\u{1b}[0m\u{1b}[2J".utf8)
            shown = Array(repeating: [], count: screen.height)
            size = (screen.width, screen.height)
        }
        for (row, line) in screen.lines.prefix(screen.height).enumerated() {
            let wanted = encoded(line)
            guard wanted != shown[row] else { continue }
            // erased first: behind a character in the last column the cursor still stands on it
            bytes += Array("\u{1b}[\(row + 1);1H\u{1b}[0m\u{1b}[K".utf8) + wanted
            shown[row] = wanted
        }
        return bytes
    }

    private func encoded(_ line: Screen.Line) -> [UInt8] {
        var bytes: [UInt8] = []
        for span in line.spans where !span.text.isEmpty {
            let style = code(span.style)
            if !style.isEmpty { bytes += Array("\u{1b}[\(style)m".utf8) }
            bytes += isASCII ? Self.ascii(span.text) : Array(span.text.utf8)
            if !style.isEmpty { bytes += Array("\u{1b}[0m".utf8) }
        }
        return bytes
    }

    private func code(_ style: Screen.Style) -> String {
        var codes: [String] = []
        if style.isBold { codes.append("1") }
        if style.isDim { codes.append("2") }
        if style.isReverse { codes.append("7") }
        if usesColor, let color = style.color { codes.append("3\(color.rawValue)") }
        return codes.joined(separator: ";")
    }

    private static func ascii(_ text: String) -> [UInt8] {
        text.unicodeScalars.map { scalar in
            switch scalar {
            case "├", "└": UInt8(ascii: "`")
            case "│": UInt8(ascii: "|")
            case "─": UInt8(ascii: "-")
            case "…": UInt8(ascii: "~")
            case "▸": UInt8(ascii: "+")
            case "▾": UInt8(ascii: "-")
            case _ where scalar.isASCII: UInt8(scalar.value)
            default: UInt8(ascii: "?")
            }
        }
    }
}
