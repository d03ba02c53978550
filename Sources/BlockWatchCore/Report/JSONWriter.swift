/// Writes JSON (RFC 8259) into a buffer of bytes.
///
/// Whatever the strings hold, the result is valid UTF-8 on one line and harmless in a terminal: control characters
/// (C0, DEL, C1) are written as `\u00XX`, bytes that are not UTF-8 as U+FFFD. The caller balances begin and end.
///
///     var json = JSONWriter()
///     json.beginObject()
///     json.string("verdict", "stuck")
///     json.beginObject("process")
///     json.integer("pid", 7)
///     json.endObject()
///     json.endObject()      // {"verdict":"stuck","process":{"pid":7}}
public struct JSONWriter: Sendable {
    /// What has been written so far.
    public private(set) var bytes: [UInt8] = []

    /// Whether a value of the innermost object or array precedes.
    private var needsComma = false

    /// - Parameter capacity: bytes to reserve: a record's length.
    public init(capacity: Int = 4096) {
        bytes.reserveCapacity(max(capacity, 0))
    }

    /// How many bytes have been written.
    public var count: Int { bytes.count }

    /// Forgets what was written and keeps the memory.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        needsComma = false
    }

    /// Ends a line of NDJSON.
    public mutating func newline() {
        bytes.append(UInt8(ascii: "\n"))
        needsComma = false
    }

    // MARK: - Objects and arrays

    /// `{`, at the top or as an element of an array.
    public mutating func beginObject() {
        separate()
        open(UInt8(ascii: "{"))
    }

    /// `"key":{`
    public mutating func beginObject(_ key: String) {
        writeKey(key)
        open(UInt8(ascii: "{"))
    }

    /// `}`
    public mutating func endObject() { close(UInt8(ascii: "}")) }

    /// `[`, at the top or as an element of an array.
    public mutating func beginArray() {
        separate()
        open(UInt8(ascii: "["))
    }

    /// `"key":[`
    public mutating func beginArray(_ key: String) {
        writeKey(key)
        open(UInt8(ascii: "["))
    }

    /// `]`
    public mutating func endArray() { close(UInt8(ascii: "]")) }

    // MARK: - Members of an object

    public mutating func string(_ key: String, _ value: String) {
        writeKey(key)
        quote(value.utf8.span)
    }

    /// - Parameter value: bytes that should be UTF-8 and need not be: paths, names.
    public mutating func string(_ key: String, _ value: [UInt8]) {
        writeKey(key)
        quote(value.span)
    }

    /// Of any width, signed or not. Readers hold numbers in doubles: what may reach 2^53 is a string's matter.
    public mutating func integer(_ key: String, _ value: some FixedWidthInteger) {
        writeKey(key)
        decimal(value)
    }

    /// A duration as an integer of nanoseconds; from 2^53 on (104 days) rounded down to whole milliseconds, which a
    /// double still holds exactly, and never more than a signed integer takes (292 years).
    public mutating func nanoseconds(_ key: String, _ value: UInt64) {
        integer(key, value < 1 << 53 ? value : min(value, UInt64(Int64.max)) / 1_000_000 * 1_000_000)
    }

    /// A share of one, with six decimals: 34210 is 0.034210.
    public mutating func millionths(_ key: String, _ value: UInt64) {
        let (whole, rest) = value.quotientAndRemainder(dividingBy: 1_000_000)
        writeKey(key)
        decimal(whole)
        bytes.append(UInt8(ascii: "."))
        bytes.append(contentsOf: String(1_000_000 + rest).utf8.dropFirst())
        needsComma = true
    }

    public mutating func bool(_ key: String, _ value: Bool) {
        writeKey(key)
        bytes.append(contentsOf: value ? "true".utf8 : "false".utf8)
    }

    public mutating func strings(_ key: String, _ values: [String]) {
        beginArray(key)
        for value in values { element(value) }
        endArray()
    }

    public mutating func strings(_ key: String, _ values: [[UInt8]]) {
        beginArray(key)
        for value in values { element(value) }
        endArray()
    }

    /// A value that was read, written anew: on one line, its strings harmless like all others.
    public mutating func copy(_ value: JSONValue) {
        separate()
        write(value)
    }

    private mutating func write(_ value: JSONValue) {
        switch value.kind {
        case .object:
            open(UInt8(ascii: "{"))
            for (key, member) in value.members {
                writeKey(key)
                write(member)
            }
            close(UInt8(ascii: "}"))
        case .array:
            open(UInt8(ascii: "["))
            for element in value.elements {
                separate()
                write(element)
            }
            close(UInt8(ascii: "]"))
        case .string:
            let text = value.bytes ?? []
            quote(text.span)
        case .number, .yes, .no, .null: bytes.append(contentsOf: value.text)
        }
    }

    // MARK: - Elements of an array

    public mutating func element(_ value: String) {
        separate()
        quote(value.utf8.span)
    }

    public mutating func element(_ value: [UInt8]) {
        separate()
        quote(value.span)
    }

    public mutating func element(_ value: some FixedWidthInteger) {
        separate()
        decimal(value)
    }

    public mutating func element(_ value: Bool) {
        separate()
        bytes.append(contentsOf: value ? "true".utf8 : "false".utf8)
    }

    // MARK: - Inside

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func writeKey(_ key: String) {
        separate()
        quote(key.utf8.span)
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func open(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func decimal<Number: FixedWidthInteger>(_ value: Number) {
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = value.magnitude
        let start = bytes.count
        repeat {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit))
            rest = quotient
        } while rest != 0
        bytes[start...].reverse()
    }

    private mutating func quote(_ text: Span<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        var index = 0
        var copied = 0
        while index < text.count {
            let byte = text[index]
            // Printable ASCII but quote and backslash: left for one copy of the whole run.
            if byte >= 0x20, byte < 0x7f, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                index += 1
                continue
            }
            let step = UTF8Step(text, at: index)
            if let scalar = step.scalar, scalar.value > 0x9f {
                index += step.length
                continue
            }
            copy(text, from: copied, to: index)
            writeEscape(of: step.scalar)
            index += step.length
            copied = index
        }
        copy(text, from: copied, to: index)
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func copy(_ text: Span<UInt8>, from start: Int, to end: Int) {
        guard start < end else { return }
        unsafe text.extracting(start..<end).withUnsafeBufferPointer { run in
            unsafe bytes.append(contentsOf: run)
        }
    }

    private mutating func writeEscape(of scalar: Unicode.Scalar?) {
        guard let scalar else {
            bytes.append(contentsOf: [0xef, 0xbf, 0xbd])
            return
        }
        if scalar == "\"" || scalar == "\\" {
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(UInt8(truncatingIfNeeded: scalar.value))
            return
        }
        bytes.append(contentsOf: "\\u00".utf8)
        for digit in [scalar.value >> 4 & 15, scalar.value & 15] {
            let value = UInt8(truncatingIfNeeded: digit)
            bytes.append(value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10)
        }
    }
}

// MARK: - Budgets

extension JSONWriter {
    /// Which part of a string that is too long stays.
    public enum Keep: Sendable {
        case head
        /// Half the budget each: what matters of a path is where it begins and where it ends.
        case headAndTail
    }

    /// How many bytes a string takes between its quotes.
    public static func escapedCount(_ text: [UInt8]) -> Int {
        let span = text.span
        var index = 0
        var total = 0
        while index < span.count {
            let step = UTF8Step(span, at: index)
            total += cost(of: step)
            index += step.length
        }
        return total
    }

    /// Cuts a string so that it takes at most `budget` bytes between its quotes, escapes counted; `…` marks the cut.
    ///
    /// Never inside a character or an escape. Below 3 bytes there is no room for the mark, and nothing stays.
    ///
    /// - Returns: bytes still to be escaped, and whether they are fewer than was given.
    public static func cut(_ text: [UInt8], budget: Int, keep: Keep) -> (bytes: [UInt8], wasCut: Bool) {
        let total = escapedCount(text)
        if total <= budget { return (text, false) }
        let ellipsis: [UInt8] = [0xe2, 0x80, 0xa6]
        guard budget >= ellipsis.count else { return ([], true) }

        let span = text.span
        let room = budget - ellipsis.count
        let headRoom = keep == .head ? room : (room + 1) / 2
        var head = 0
        var used = 0
        while head < span.count {
            let step = UTF8Step(span, at: head)
            guard used + cost(of: step) <= headRoom else { break }
            used += cost(of: step)
            head += step.length
        }
        // The tail is what is left once enough has gone by; walked forward, for invalid parts only have bounds there.
        var tail = text.count
        if keep == .headAndTail {
            tail = head
            var left = total - used
            while tail < span.count, left > room - used {
                let step = UTF8Step(span, at: tail)
                left -= cost(of: step)
                tail += step.length
            }
        }
        return (Array(text[..<head]) + ellipsis + Array(text[tail...]), true)
    }

    @inline(__always)
    private static func cost(of step: UTF8Step) -> Int {
        guard let scalar = step.scalar else { return 3 }
        if scalar.value < 0x20 || (scalar.value >= 0x7f && scalar.value <= 0x9f) { return 6 }
        if scalar == "\"" || scalar == "\\" { return 2 }
        return step.length
    }
}
