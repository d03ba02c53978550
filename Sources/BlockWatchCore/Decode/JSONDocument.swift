/// One JSON value (RFC 8259) read strictly from bytes that anybody may have written: any input gives a document or an
/// error, in time and memory proportional to its length, and never a trap.
///
/// The value may stand at any place of the bytes and what follows it is left alone: log shippers put text around lines.
/// Numbers are checked for their form and read when they are asked for; of equal keys the first counts.
public struct JSONDocument: Sendable {
    public static let depthLimit = 32

    public struct Failure: Error, Equatable, Sendable {
        public enum What: Sendable, Equatable {
            /// The bytes end inside of the value.
            case cutOff
            case malformed
            case tooDeep
        }
        public var what: What
        /// Where, in bytes from the beginning.
        public var offset: Int
    }

    enum Kind: UInt8, Sendable { case object, array, string, number, yes, no, null }

    /// A value, or a key in front of its value. Of a string the bytes between its quotes.
    struct Node: Sendable {
        var kind: Kind
        var hasEscapes = false
        var start: Int
        var end: Int
        /// The first node behind it and all that is in it.
        var next: Int
    }

    let bytes: [UInt8]
    let nodes: [Node]
    /// Where the value began and where the first byte behind it is.
    public let range: Range<Int>

    public init(_ bytes: [UInt8], at start: Int = 0) throws(Failure) {
        var parser = JSONParser(bytes: bytes, at: max(start, 0))
        parser.skipBlanks()
        let begin = parser.at
        try parser.value(depth: 0)
        self.bytes = bytes
        nodes = parser.nodes
        range = begin..<parser.at
    }

    public var root: JSONValue { JSONValue(document: self, index: 0) }
}

/// A value inside of a document.
public struct JSONValue: Sendable {
    let document: JSONDocument
    let index: Int

    private var node: JSONDocument.Node { document.nodes[index] }

    var kind: JSONDocument.Kind { node.kind }
    public var isObject: Bool { node.kind == .object }

    /// The JSON text of anything but a string.
    var text: [UInt8] { [UInt8](document.bytes[node.start..<node.end]) }

    /// A member of an object, through several levels: `record["process", "thread", "id"]`.
    public subscript(path: String...) -> JSONValue? {
        var value = self
        for key in path {
            guard let next = value.member(key) else { return nil }
            value = next
        }
        return value
    }

    private func member(_ key: String) -> JSONValue? {
        guard node.kind == .object else { return nil }
        var at = index + 1
        while at < node.next {
            let name = JSONValue(document: document, index: at)
            let value = document.nodes[at].next
            if name.equals(key) { return JSONValue(document: document, index: value) }
            at = document.nodes[value].next
        }
        return nil
    }

    private func equals(_ key: String) -> Bool {
        let node = node
        if node.hasEscapes { return bytes?.elementsEqual(key.utf8) ?? false }
        // most keys differ in length
        return node.end - node.start == key.utf8.count
            && document.bytes[node.start..<node.end].elementsEqual(key.utf8)
    }

    /// Of an object, in order.
    public var members: [(key: String, value: JSONValue)] {
        guard node.kind == .object else { return [] }
        var all: [(String, JSONValue)] = []
        var at = index + 1
        while at < node.next {
            let value = document.nodes[at].next
            all.append(
                (JSONValue(document: document, index: at).string ?? "", JSONValue(document: document, index: value)))
            at = document.nodes[value].next
        }
        return all
    }

    /// Of an array, in order.
    public var elements: [JSONValue] {
        guard node.kind == .array else { return [] }
        var all: [JSONValue] = []
        var at = index + 1
        while at < node.next {
            all.append(JSONValue(document: document, index: at))
            at = document.nodes[at].next
        }
        return all
    }

    /// A string's characters in UTF-8, escapes resolved.
    public var bytes: [UInt8]? {
        guard node.kind == .string else { return nil }
        let text = document.bytes[node.start..<node.end]
        return node.hasEscapes ? Self.unescaped(text) : [UInt8](text)
    }

    public var string: String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

    public var bool: Bool? {
        switch node.kind {
        case .yes: true
        case .no: false
        default: nil
        }
    }

    /// A whole number; also one that somebody has written as `5e9` or `5.0`, as far as a double holds it exactly.
    public var integer: Int64? {
        guard node.kind == .number, node.end - node.start <= 64 else { return nil }
        let text = String(decoding: document.bytes[node.start..<node.end], as: UTF8.self)
        if let integer = Int64(text) { return integer }
        guard text.contains(where: { ".eE".contains($0) }), let double = Double(text), abs(double) < 0x1p53 else {
            return nil
        }
        return Int64(exactly: double)
    }

    /// Not negative.
    public var count: UInt64? { integer.flatMap { UInt64(exactly: $0) } }

    /// The parser has seen that every escape is whole.
    private static func unescaped(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var at = text.startIndex
        while at < text.endIndex {
            guard text[at] == UInt8(ascii: "\\"), at + 1 < text.endIndex else {
                result.append(text[at])
                at += 1
                continue
            }
            let letter = text[at + 1]
            at += 2
            switch letter {
            case UInt8(ascii: "b"): result.append(8)
            case UInt8(ascii: "t"): result.append(9)
            case UInt8(ascii: "n"): result.append(10)
            case UInt8(ascii: "f"): result.append(12)
            case UInt8(ascii: "r"): result.append(13)
            case UInt8(ascii: "u"):
                var value = JSONParser.hex(text, at: at) ?? 0xfffd
                at = min(at + 4, text.endIndex)
                if (0xd800...0xdbff).contains(value), let low = JSONParser.hex(text, at: at + 2) {
                    value = 0x10000 + (value - 0xd800) << 10 + (low & 0x3ff)
                    at = min(at + 6, text.endIndex)
                }
                let scalar = Unicode.Scalar(value) ?? "\u{fffd}"
                result.append(contentsOf: String(scalar).utf8)
            default: result.append(letter)
            }
        }
        return result
    }
}

/// The grammar.
struct JSONParser {
    let bytes: [UInt8]
    var at: Int
    var nodes: [JSONDocument.Node] = []

    typealias Failure = JSONDocument.Failure

    init(bytes: [UInt8], at: Int) {
        self.bytes = bytes
        self.at = min(at, bytes.count)
        nodes.reserveCapacity(192)
    }

    private func failure() -> Failure { Failure(what: at >= bytes.count ? .cutOff : .malformed, offset: at) }

    mutating func skipBlanks() {
        while at < bytes.count {
            switch bytes[at] {
            case 0x20, 0x09, 0x0a, 0x0d: at += 1
            default: return
            }
        }
    }

    private mutating func open(_ kind: JSONDocument.Kind) -> Int {
        nodes.append(JSONDocument.Node(kind: kind, start: at, end: at, next: 0))
        return nodes.count - 1
    }

    private mutating func close(_ node: Int) {
        nodes[node].end = at
        nodes[node].next = nodes.count
    }

    mutating func value(depth: Int) throws(Failure) {
        guard at < bytes.count else { throw failure() }
        switch bytes[at] {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard depth < JSONDocument.depthLimit else { throw Failure(what: .tooDeep, offset: at) }
            try container(bytes[at] == UInt8(ascii: "{"), depth: depth)
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "t"): try word("true", .yes)
        case UInt8(ascii: "f"): try word("false", .no)
        case UInt8(ascii: "n"): try word("null", .null)
        default: try number()
        }
    }

    private mutating func container(_ isObject: Bool, depth: Int) throws(Failure) {
        let node = open(isObject ? .object : .array)
        let end = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
        at += 1
        skipBlanks()
        if at < bytes.count, bytes[at] == end {
            at += 1
            return close(node)
        }
        while true {
            if isObject {
                guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw failure() }
                try string()
                skipBlanks()
                guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else { throw failure() }
                at += 1
                skipBlanks()
            }
            try value(depth: depth + 1)
            skipBlanks()
            guard at < bytes.count else { throw failure() }
            if bytes[at] == end {
                at += 1
                return close(node)
            }
            guard bytes[at] == UInt8(ascii: ",") else { throw failure() }
            at += 1
            skipBlanks()
        }
    }

    private mutating func word(_ text: StaticString, _ kind: JSONDocument.Kind) throws(Failure) {
        let node = open(kind)
        for byte in text.description.utf8 {
            guard at < bytes.count, bytes[at] == byte else { throw failure() }
            at += 1
        }
        close(node)
    }

    private mutating func digits() throws(Failure) {
        let start = at
        while at < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[at]) { at += 1 }
        guard at > start else { throw failure() }
    }

    private mutating func number() throws(Failure) {
        let node = open(.number)
        if bytes[at] == UInt8(ascii: "-") { at += 1 }
        if at < bytes.count, bytes[at] == UInt8(ascii: "0") { at += 1 } else { try digits() }
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            try digits()
        }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
            try digits()
        }
        close(node)
    }

    private mutating func string() throws(Failure) {
        at += 1
        let node = open(.string)
        var hasEscapes = false
        while true {
            guard at < bytes.count else { throw failure() }
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") { break }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                try escape()
            } else if byte >= 0x80 {
                let step = UTF8Step(bytes.span, at: at)
                guard step.scalar != nil else {
                    throw Failure(what: at + step.length >= bytes.count ? .cutOff : .malformed, offset: at)
                }
                at += step.length
            } else {
                guard byte >= 0x20 else { throw failure() }
                at += 1
            }
        }
        close(node)
        nodes[node].hasEscapes = hasEscapes
        at += 1
    }

    private mutating func escape() throws(Failure) {
        at += 1
        guard at < bytes.count else { throw failure() }
        switch bytes[at] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            at += 1
        case UInt8(ascii: "u"):
            at += 1
            let first = try fourDigits()
            guard (0xd800...0xdfff).contains(first) else { return }
            // the second half of a pair must follow, and must not come alone
            guard first < 0xdc00 else { throw failure() }
            for byte in [UInt8(ascii: "\\"), UInt8(ascii: "u")] {
                guard at < bytes.count, bytes[at] == byte else { throw failure() }
                at += 1
            }
            guard (0xdc00...0xdfff).contains(try fourDigits()) else { throw failure() }
        default: throw failure()
        }
    }

    private mutating func fourDigits() throws(Failure) -> UInt32 {
        guard let value = Self.hex(bytes[...], at: at) else {
            at = min(at + 4, bytes.count)
            throw failure()
        }
        at += 4
        return value
    }

    /// Four hexadecimal digits.
    static func hex(_ text: ArraySlice<UInt8>, at start: Int) -> UInt32? {
        guard start >= text.startIndex, text.endIndex - start >= 4 else { return nil }
        var value: UInt32 = 0
        for byte in text[start..<start + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}
