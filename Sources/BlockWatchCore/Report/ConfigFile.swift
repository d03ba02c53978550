/// The lines of a config file: `key = value`, `#` begins a comment line.
public struct ConfigFile: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        /// From 1.
        public var line: Int
        public var key: String
        public var value: String
    }

    /// What is wrong, and in which line.
    public struct ParseError: Error, Equatable, Sendable {
        public var line: Int
        public var what: String

        public init(line: Int, what: String) {
            self.line = line
            self.what = what
        }
    }

    /// Options, in order.
    public var entries: [Entry] = []
    public var ignoreRules: [IgnoreRule] = []

    public static let sizeLimit = 1 << 20

    /// - Parameter checkRule: what only the host knows about a rule: whether its users exist.
    public init(
        _ bytes: [UInt8], checkRule: (IgnoreRule) throws(FilterError) -> Void = { (_) throws(FilterError) in }
    ) throws(ParseError) {
        guard bytes.count < Self.sizeLimit else { throw ParseError(line: 1, what: "larger than 1 MiB") }
        for (index, raw) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let number = index + 1
            guard let text = String(validating: raw, as: UTF8.self), !raw.contains(0) else {
                throw ParseError(line: number, what: "not UTF-8 text")
            }
            // some editors begin a file with a byte order mark
            let isMarked = index == 0 && text.unicodeScalars.first == "\u{feff}"
            let line = Self.trimmed(isMarked ? Substring(text.unicodeScalars.dropFirst()) : text[...])
            if line.isEmpty || line.first == "#" { continue }
            guard let equals = line.firstIndex(of: "=") else {
                throw ParseError(line: number, what: "not of the form key = value")
            }
            let key = String(Self.trimmed(line[..<equals]))
            let value = String(Self.trimmed(line[line.index(after: equals)...]))
            guard !key.isEmpty else { throw ParseError(line: number, what: "no key before =") }
            guard key.hasPrefix("ignore.") else {
                entries.append(Entry(line: number, key: key, value: value))
                continue
            }
            let name = String(key.dropFirst("ignore.".count))
            guard !name.isEmpty else { throw ParseError(line: number, what: "a rule needs a name: ignore.NAME") }
            guard !ignoreRules.contains(where: { $0.name == name }) else {
                throw ParseError(line: number, what: "there is a rule \(name) already")
            }
            do throws(FilterError) {
                let rule = try IgnoreRule(name: name, text: value)
                try checkRule(rule)
                ignoreRules.append(rule)
            } catch {
                throw ParseError(line: number, what: "ignore.\(name): \(error)")
            }
        }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
