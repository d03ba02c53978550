/// What of a command line is shown.
public enum CommandLinePolicy: String, CaseIterable, Sendable {
    case full
    /// The values of what looks like a secret become `***`.
    case redacted
    case none

    /// The arguments as one line that a shell would read back: quoted where they hold blanks, quotes or characters a
    /// shell obeys, separated by a blank. A single argument is a title that the process gave itself and stays unquoted.
    ///
    /// - Parameter arguments: bytes as the process has them; what is not UTF-8 becomes U+FFFD. Control characters stay:
    ///   whoever writes the line escapes them.
    /// - Returns: nil for `none`, and without arguments. At most four times as long as what was given, and two more
    ///   bytes an argument.
    public func render(_ arguments: [[UInt8]]) -> String? {
        guard self != .none, !arguments.isEmpty else { return nil }
        let shown = self == .full ? arguments : CommandLineRedaction.redacted(arguments)
        var line: [UInt8] = []
        for (index, argument) in shown.enumerated() {
            if index > 0 { line.append(UInt8(ascii: " ")) }
            if shown.count == 1 { line += argument } else { Self.appendQuoted(argument, to: &line) }
        }
        return String(decoding: line, as: UTF8.self)
    }

    private static func appendQuoted(_ argument: [UInt8], to line: inout [UInt8]) {
        var isPlain = !argument.isEmpty
        var hasApostrophe = false
        var isObeyedInQuotes = false
        for byte in argument {
            switch byte {
            case 0...0x20, 0x7f, UInt8(ascii: "&"), UInt8(ascii: "|"), UInt8(ascii: ";"), UInt8(ascii: "<"),
                UInt8(ascii: ">"), UInt8(ascii: "("), UInt8(ascii: ")"):
                isPlain = false
            case UInt8(ascii: "'"):
                isPlain = false
                hasApostrophe = true
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "$"), UInt8(ascii: "`"), UInt8(ascii: "!"):
                isPlain = isPlain && byte == UInt8(ascii: "!")
                isObeyedInQuotes = true
            default: break
            }
        }
        if isPlain {
            line += argument
        } else if hasApostrophe, !isObeyedInQuotes {
            line.append(UInt8(ascii: "\""))
            line += argument
            line.append(UInt8(ascii: "\""))
        } else {
            line.append(UInt8(ascii: "'"))
            for byte in argument {
                if byte == UInt8(ascii: "'") { line += "'\\''".utf8 } else { line.append(byte) }
            }
            line.append(UInt8(ascii: "'"))
        }
    }
}
