/// A tape that cannot be what blockwatch has written.
public struct TapeError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Of the entry, in bytes from the beginning of the tape.
    public var offset: Int
    public var what: String

    public init(offset: Int, what: String) {
        self.offset = offset
        self.what = what
    }

    public var description: String { "at byte \(offset): \(what)" }
}

/// Values in a row, little-endian, texts with their length before them.
struct TapeWriter {
    private(set) var bytes: [UInt8] = []

    mutating func byte(_ value: UInt8) { bytes.append(value) }
    mutating func flag(_ value: Bool) { bytes.append(value ? 1 : 0) }
    mutating func word(_ value: UInt32) {
        for step in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * step))) }
    }
    mutating func long(_ value: UInt64) {
        for step in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * step))) }
    }
    mutating func text(_ value: [UInt8]) {
        word(UInt32(truncatingIfNeeded: value.count))
        bytes += value
    }
    mutating func text(_ value: String) { text(Array(value.utf8)) }
    mutating func list<Value>(_ values: [Value], _ write: (inout TapeWriter, Value) -> Void) {
        word(UInt32(truncatingIfNeeded: values.count))
        for value in values { write(&self, value) }
    }
    mutating func clock(_ clock: ClockReading) {
        long(clock.monotonic)
        long(clock.wall)
        long(clock.boot)
    }
}

/// The same values back, from bytes of anybody's.
struct TapeReader {
    private let bytes: [UInt8]
    private var at = 0
    /// Of the entry on its tape.
    private let offset: Int

    init(_ bytes: [UInt8], offset: Int) {
        self.bytes = bytes
        self.offset = offset
    }

    var isAtEnd: Bool { at == bytes.count }

    func error(_ what: String) -> TapeError { TapeError(offset: offset, what: what) }

    private mutating func take(_ count: Int) throws(TapeError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.count - at else {
            throw error("an entry of \(bytes.count) bytes ends where \(count) more were to come")
        }
        defer { at += count }
        return bytes[at..<at + count]
    }

    private mutating func number(_ size: Int) throws(TapeError) -> UInt64 {
        try take(size).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func byte() throws(TapeError) -> UInt8 { UInt8(truncatingIfNeeded: try number(1)) }
    mutating func flag() throws(TapeError) -> Bool { try number(1) != 0 }
    mutating func word() throws(TapeError) -> UInt32 { UInt32(truncatingIfNeeded: try number(4)) }
    mutating func long() throws(TapeError) -> UInt64 { try number(8) }
    mutating func text() throws(TapeError) -> [UInt8] { [UInt8](try take(Int(try word()))) }
    mutating func string() throws(TapeError) -> String { String(decoding: try text(), as: UTF8.self) }
    mutating func list<Value>(
        _ read: (inout TapeReader) throws(TapeError) -> Value
    ) throws(TapeError) -> [Value] {
        var values: [Value] = []
        // each takes a byte at the least: a count that lies ends at the end
        for _ in 0..<(try word()) { values.append(try read(&self)) }
        return values
    }
    /// A time, or what else is no more than can be reckoned with.
    mutating func amount(most: UInt64 = TapeFile.mostAmount) throws(TapeError) -> UInt64 {
        let value = try long()
        guard value <= most else { throw error("a time or count of \(value)") }
        return value
    }
    mutating func clock() throws(TapeError) -> ClockReading {
        ClockReading(monotonic: try amount(), wall: try amount(), boot: try amount())
    }
}

/// Records of the kernel are mostly zeros: runs of them are counted instead of written.
///
/// `literal count, literal bytes, zero count`, again and again, each count in groups of 7 bits, the lowest first.
enum TapePacking {
    /// No entry becomes more than that many times as long as it is on the tape, and a page.
    static let mostGrowth = 512
    private static let leastGrown = 4096
    /// A shorter run is cheaper as it is.
    private static let leastRun = 4

    static func packed(_ bytes: [UInt8]) -> [UInt8] {
        var packed: [UInt8] = []
        var at = 0
        while at < bytes.count {
            // up to a run that is worth it, or to the end
            var end = at
            var zeros = 0
            while end < bytes.count {
                if bytes[end] != 0 {
                    end += 1
                    continue
                }
                // a run too long for what stands here is told in pieces
                var run = 1
                while end + run < bytes.count, run < 1024, bytes[end + run] == 0 { run += 1 }
                if run >= leastRun {
                    zeros = run
                    break
                }
                end += run
            }
            append(end - at, to: &packed)
            packed += bytes[at..<end]
            append(zeros, to: &packed)
            at = end + zeros
        }
        return packed
    }

    /// - Returns: `nil` if that is not what ``packed(_:)`` makes.
    static func unpacked(_ packed: ArraySlice<UInt8>, most: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = packed
        let room = min(most, packed.count.multipliedReportingOverflow(by: mostGrowth).partialValue + leastGrown)
        while !rest.isEmpty {
            guard let literals = takeCount(&rest), literals <= rest.count, bytes.count + literals <= room else {
                return nil
            }
            bytes += rest.prefix(literals)
            rest = rest.dropFirst(literals)
            guard let zeros = takeCount(&rest), bytes.count + zeros <= room, literals + zeros > 0 else { return nil }
            bytes.append(contentsOf: repeatElement(0, count: zeros))
        }
        return bytes
    }

    private static func append(_ count: Int, to bytes: inout [UInt8]) {
        var count = count
        while count >= 0x80 {
            bytes.append(UInt8(count & 0x7f) | 0x80)
            count >>= 7
        }
        bytes.append(UInt8(count))
    }

    /// At most four groups: 256 MiB.
    private static func takeCount(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        var count = 0
        for step in 0..<4 {
            guard let byte = bytes.popFirst() else { return nil }
            count |= Int(byte & 0x7f) << (7 * step)
            if byte & 0x80 == 0 { return count }
        }
        return nil
    }
}
