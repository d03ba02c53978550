/// Which file lies at an address of a process: what there is without symbols.
///
/// From `/proc/PID/maps`, whose paths the process chooses.
public struct CodeMap: Sendable {
    private struct Mapping: Sendable {
        var start, end, offset: UInt64
        var path: [UInt8]
    }

    /// Those that may be executed, in order.
    private let mappings: [Mapping]

    public init(maps: [UInt8]) {
        var mappings: [Mapping] = []
        for line in maps.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
            guard fields.count >= 5, fields[1].count == 4, fields[1].dropFirst(2).first == UInt8(ascii: "x") else {
                continue
            }
            let range = fields[0].split(separator: UInt8(ascii: "-")).map { Self.hexadecimal($0) }
            guard range.count == 2, let start = range[0], let end = range[1], start < end,
                let offset = Self.hexadecimal(fields[2])
            else { continue }
            let path = fields.count > 5 ? fields[5].drop { $0 == UInt8(ascii: " ") } : []
            mappings.append(Mapping(start: start, end: end, offset: offset, path: Array(path)))
        }
        self.mappings = mappings.sorted { $0.start < $1.start }
    }

    private static func hexadecimal(_ text: ArraySlice<UInt8>) -> UInt64? {
        UInt64(String(decoding: text, as: UTF8.self), radix: 16)
    }

    /// `libc.so.6+0x10a3f0`, an offset into the file, as addr2line takes it for shared objects; `nil` where no code lies.
    public func place(_ address: UInt64) -> String? {
        guard let mapping = mappings.last(where: { $0.start <= address }), address < mapping.end else { return nil }
        let offset = (address - mapping.start).saturatingAdd(mapping.offset)
        guard let name = mapping.path.split(separator: UInt8(ascii: "/")).last else {
            return "code without a file at 0x" + String(address, radix: 16)
        }
        return TerminalText.escaped(Array(name)) + "+0x" + String(offset, radix: 16)
    }
}
