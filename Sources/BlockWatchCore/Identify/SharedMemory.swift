/// A mapping that other processes may have too.
public struct SharedMemory: Equatable, Sendable {
    /// `MAJOR:MINOR` and inode, which anonymous shared memory has as well.
    private var object: [ArraySlice<UInt8>]
    private var start, end, offset: UInt64

    /// - Parameter line: `7f2a4000-7f2a5000 rw-s 00000000 00:01 1234`
    private init?(line: ArraySlice<UInt8>) {
        let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
        guard fields.count >= 5, fields[1].last == UInt8(ascii: "s"), fields[4] != [UInt8(ascii: "0")] else {
            return nil
        }
        let range = fields[0].split(separator: UInt8(ascii: "-"))
        func hexadecimal(_ text: ArraySlice<UInt8>) -> UInt64? {
            UInt64(String(decoding: text, as: UTF8.self), radix: 16)
        }
        guard range.count == 2, let start = hexadecimal(range[0]), let end = hexadecimal(range[1]),
            let offset = hexadecimal(fields[2])
        else { return nil }
        object = [fields[3], fields[4]]
        (self.start, self.end, self.offset) = (start, end, offset)
    }

    /// Those lines of `/proc/PID/maps` that tell of shared mappings, each without its path.
    public static func lines(maps: [UInt8]) -> [UInt8] {
        var kept: [UInt8] = []
        for line in maps.split(separator: UInt8(ascii: "\n")) where SharedMemory(line: line) != nil {
            kept += line.split(separator: UInt8(ascii: " ")).prefix(5).joined(separator: [UInt8(ascii: " ")])
            kept.append(UInt8(ascii: "\n"))
        }
        return kept
    }

    /// What lies at an address, as a place that means the same in every process: the object, and where in it.
    struct Place: Hashable, Sendable {
        fileprivate var object: [[UInt8]]
        fileprivate var offset: UInt64
    }

    /// - Returns: `nil` for private memory.
    static func place(of address: UInt64, lines: [UInt8]) -> Place? {
        for line in lines.split(separator: UInt8(ascii: "\n")) {
            guard let mapping = SharedMemory(line: line),
                (mapping.start..<max(mapping.start, mapping.end)).contains(address)
            else { continue }
            return Place(
                object: mapping.object.map { Array($0) },
                offset: (address - mapping.start).saturatingAdd(mapping.offset))
        }
        return nil
    }

    static func has(_ place: Place, lines: [UInt8]) -> Bool {
        lines.split(separator: UInt8(ascii: "\n")).contains { line in
            guard let mapping = SharedMemory(line: line), mapping.end > mapping.start else { return false }
            let last = mapping.offset.saturatingAdd(mapping.end - mapping.start)
            return mapping.object.map { Array($0) } == place.object
                && (mapping.offset..<max(mapping.offset, last)).contains(place.offset)
        }
    }
}
