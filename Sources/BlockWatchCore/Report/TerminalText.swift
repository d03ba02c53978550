/// Text for people at a terminal: a process chooses its names and paths, and must not write to the operator's screen.
public enum TerminalText {
    // MARK: - Escaping

    /// The text with everything that a terminal would obey or hide made visible: `\n`, `\x1b`, `\u{202e}`; a byte that
    /// is not UTF-8 becomes `\xNN`. A backslash stays as it is: escapes are for the eye, the stream has the bytes.
    public static func escaped(_ text: [UInt8]) -> String { escaped(text.span) }

    public static func escaped(_ text: String) -> String { escaped(text.utf8.span) }

    private static func escaped(_ text: Span<UInt8>) -> String {
        var result = String.UnicodeScalarView()
        var index = 0
        while index < text.count {
            let step = UTF8Step(text, at: index)
            if let scalar = step.scalar {
                switch scalar {
                case "\n": result.append(contentsOf: "\\n".unicodeScalars)
                case "\r": result.append(contentsOf: "\\r".unicodeScalars)
                case "\t": result.append(contentsOf: "\\t".unicodeScalars)
                default:
                    if scalar.value < 0x20 || scalar.value == 0x7f {
                        result.append(contentsOf: "\\x\(twoDigits(scalar.value))".unicodeScalars)
                    } else if isTreacherous(scalar) {
                        result.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
                    } else {
                        result.append(scalar)
                    }
                }
            } else {
                for offset in 0..<step.length {
                    result.append(contentsOf: "\\x\(twoDigits(UInt32(text[index + offset])))".unicodeScalars)
                }
            }
            index += step.length
        }
        return String(result)
    }

    private static func twoDigits(_ value: UInt32) -> String {
        (value < 16 ? "0" : "") + String(value, radix: 16)
    }

    /// C1 controls, and characters that reorder, break or hide text.
    private static func isTreacherous(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x80...0x9f,  // C1: 0x9b is another ESC [
            0x061c, 0x200e, 0x200f, 0x202a...0x202e, 0x2066...0x2069,  // direction
            0x2028, 0x2029,  // line and paragraph
            0x200b, 0x2060, 0xfeff, 0xfff9...0xfffb, 0xe0000...0xe007f:  // invisible
            true
        default: false
        }
    }

    // MARK: - Durations

    /// As people say it, always rounded down: `850µs`, `450ms`, `12.3s`, `3m 5s`, `2h 14m`, `3d 4h`. At most seven columns up
    /// to 99 days.
    public static func duration(nanoseconds: UInt64) -> String {
        switch nanoseconds {
        case 0..<1_000: return "\(nanoseconds)ns"
        case 1_000..<1_000_000: return "\(nanoseconds / 1_000)µs"
        case 1_000_000..<1_000_000_000: return "\(nanoseconds / 1_000_000)ms"
        default: break
        }
        let seconds = nanoseconds / 1_000_000_000
        if seconds < 60 { return "\(seconds).\(nanoseconds / 100_000_000 % 10)s" }
        if seconds < 3_600 { return pair(seconds / 60, "m", seconds % 60, "s") }
        if seconds < 86_400 { return pair(seconds / 3_600, "h", seconds / 60 % 60, "m") }
        return pair(seconds / 86_400, "d", seconds / 3_600 % 24, "h")
    }

    private static func pair(_ large: UInt64, _ largeUnit: String, _ small: UInt64, _ smallUnit: String) -> String {
        small == 0 ? "\(large)\(largeUnit)" : "\(large)\(largeUnit) \(small)\(smallUnit)"
    }

    /// From the shortest to the longest of several, once where they read alike: `>=8.6s`, `8.6s to 12.1s`.
    ///
    /// - Parameter isBound: they are lower bounds.
    public static func span(_ shortest: UInt64, _ longest: UInt64, isBound: Bool) -> String {
        let (first, last) = (duration(nanoseconds: shortest), duration(nanoseconds: longest))
        return (isBound ? ">=" : "") + (first == last ? first : "\(first) to \(last)")
    }

    // MARK: - Columns

    /// How many columns the text takes, approximately: wide East Asian characters and emoji 2, combining ones 0.
    public static func width(_ text: String) -> Int {
        var total = 0
        for scalar in text.unicodeScalars { total += width(scalar) }
        return total
    }

    /// The side on which blanks are added.
    public enum Alignment: Sendable {
        case left
        case right
    }

    /// The text filled up with blanks to `width` columns; a longer one stays as it is.
    public static func padded(_ text: String, to width: Int, _ alignment: Alignment = .left) -> String {
        let missing = width - Self.width(text)
        guard missing > 0 else { return text }
        let blanks = String(repeating: " ", count: missing)
        return alignment == .left ? text + blanks : blanks + text
    }

    /// The text in at most `width` columns, with `…` where something was cut.
    public static func cut(_ text: String, to width: Int, keep: JSONWriter.Keep = .head) -> String {
        guard Self.width(text) > width else { return text }
        guard width > 0 else { return "" }
        let scalars = Array(text.unicodeScalars)
        let room = width - 1
        let headRoom = keep == .head ? room : (room + 1) / 2
        var head = 0
        var used = 0
        while head < scalars.count, used + Self.width(scalars[head]) <= headRoom {
            used += Self.width(scalars[head])
            head += 1
        }
        var tail = scalars.count
        if keep == .headAndTail {
            var taken = 0
            while tail > head, taken + Self.width(scalars[tail - 1]) <= room - used {
                tail -= 1
                taken += Self.width(scalars[tail])
            }
            // A combining character must not land on the mark.
            while tail < scalars.count, Self.width(scalars[tail]) == 0 { tail += 1 }
        }
        var result = String.UnicodeScalarView(scalars[..<head])
        result.append("\u{2026}")
        result.append(contentsOf: scalars[tail...])
        return String(result)
    }

    /// Long lines go on below, as far in as they began and `hang` columns more. A word that is wider than a line is cut.
    public static func wrapped(_ line: String, to width: Int, hang: Int = 4) -> [String] {
        guard Self.width(line) > width else { return [line] }
        let start = line.prefix { $0 == " " }
        let indent = String(repeating: " ", count: min(start.count + hang, width / 2))
        var lines: [String] = []
        var current = String(start)
        for word in line.dropFirst(start.count).split(separator: " ", omittingEmptySubsequences: false) {
            let isFirst = current.allSatisfy { $0 == " " }
            let wider = isFirst ? current + word : current + " " + word
            if Self.width(wider) <= width || isFirst {
                current = wider
            } else {
                lines.append(current)
                current = indent + word
            }
        }
        return (lines + [current]).map { cut($0, to: width, keep: .headAndTail) }
    }

    private static func width(_ scalar: Unicode.Scalar) -> Int {
        if scalar.value < 0x300 { return 1 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: break
        }
        switch scalar.value {
        case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0x33ff, 0x3400...0x4dbf, 0x4e00...0x9fff, 0xa000...0xa4cf,
            0xa960...0xa97f, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6,
            0x1f300...0x1f64f, 0x1f680...0x1f6ff, 0x1f900...0x1faff, 0x20000...0x3fffd:
            return 2
        default: return 1
        }
    }
}
