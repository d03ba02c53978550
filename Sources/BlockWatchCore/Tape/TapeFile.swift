internal import BlockWatchBPF

/// The form of a tape: a line that says what it is, then entries, each with its length before it.
public enum TapeFile {
    private static let title = "blockwatch debug recording "
    /// With the version of the form, and the sizes of the kernel side's records, which stand in it as they came.
    public static let magic = Array("\(title)2 \(layout)\n".utf8)
    fileprivate static let anyMagic = Array(title.utf8)

    private static var layout: String {
        let sizes = [
            MemoryLayout<bw_call>.size, MemoryLayout<bw_object>.size, MemoryLayout<bw_file>.size,
            MemoryLayout<bw_member>.size, MemoryLayout<bw_lock>.size, MemoryLayout<bw_set>.size,
            MemoryLayout<bw_inet>.size,
        ]
        return sizes.map { "\($0)" }.joined(separator: ".")
    }
    /// Of one entry, unpacked: what a pass over a host with very many threads answers.
    static let mostBytes = 128 << 20
    /// Of all entries, unpacked.
    static let mostInAll = 4 << 30
    /// Of times in nanoseconds: the sum of two is still a number.
    static let mostAmount: UInt64 = 1 << 62
    /// Of what is added up.
    static let mostCount: UInt64 = 1 << 40

    /// An entry as it stands in the file.
    public static func frame(_ entry: TapeEntry) -> [UInt8] {
        let packed = TapePacking.packed(entry.encoded())
        var frame = TapeWriter()
        frame.text(packed)
        return frame.bytes
    }
}

/// The entries of a tape, one after the other.
struct TapeEntries {
    private let bytes: [UInt8]
    private var at: Int
    private var unpacked = 0
    /// The tape ends within an entry: whoever wrote it was killed.
    private(set) var isCut = false

    /// - Throws: ``TapeError`` if the bytes are no tape.
    init(_ bytes: [UInt8]) throws(TapeError) {
        guard bytes.starts(with: TapeFile.magic) else {
            let isOther = bytes.starts(with: TapeFile.anyMagic)
            throw TapeError(
                offset: 0,
                what: isOther
                    ? "a recording of another version; play it with the blockwatch that wrote it"
                    : "no recording: it does not begin with \"blockwatch debug recording\"")
        }
        self.bytes = bytes
        at = TapeFile.magic.count
    }

    /// - Returns: `nil` at the end.
    mutating func next() throws(TapeError) -> TapeEntry? {
        guard at < bytes.count else { return nil }
        guard bytes.count - at >= 4 else {
            isCut = true
            at = bytes.count
            return nil
        }
        let length = (0..<4).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) }
        guard length > 0, length <= TapeFile.mostBytes else {
            throw TapeError(offset: at, what: "an entry of \(length) bytes")
        }
        guard bytes.count - at - 4 >= length else {
            isCut = true
            at = bytes.count
            return nil
        }
        guard
            let entry = TapePacking.unpacked(bytes[(at + 4)..<(at + 4 + length)], most: TapeFile.mostBytes)
        else { throw TapeError(offset: at, what: "an entry that cannot be unpacked") }
        unpacked += entry.count
        guard unpacked <= TapeFile.mostInAll else { throw TapeError(offset: at, what: "more than can be played") }
        defer { at += 4 + length }
        return try TapeEntry(entry, offset: at)
    }
}
