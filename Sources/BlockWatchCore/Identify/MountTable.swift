/// `/proc/self/mountinfo`
enum MountTable {
    struct Mount: Equatable {
        /// `major:minor`
        var device: String
        var type, source: String
    }

    /// The mount that a path leads into: of those above it the deepest, of several in one place the last.
    static func mount(ofPath path: [UInt8], mountinfo: [UInt8]) -> Mount? {
        var found: (depth: Int, mount: Mount)?
        for line in mountinfo.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "))
            guard fields.count > 6, let dash = fields.firstIndex(where: { $0.elementsEqual([UInt8(ascii: "-")]) }),
                dash + 2 < fields.count
            else { continue }
            let place = unescaped(fields[4])
            let isRoot = place == [UInt8(ascii: "/")]
            guard isRoot || path.starts(with: place),
                isRoot || path.count == place.count
                    || path[place.count] == UInt8(ascii: "/"), place.count >= found?.depth ?? 0
            else { continue }
            func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: unescaped(bytes), as: UTF8.self) }
            found = (
                place.count,
                Mount(device: text(fields[2]), type: text(fields[dash + 1]), source: text(fields[dash + 2]))
            )
        }
        return found?.mount
    }

    /// Blanks, tabs, newlines and backslashes are written as `\\040`.
    private static func unescaped(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var plain: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(
                    String(decoding: digits, as: UTF8.self), radix: 8)
            {
                plain.append(value)
                rest = rest.dropFirst(3)
            } else {
                plain.append(byte)
            }
        }
        return plain
    }

    /// The source of the mount with this `major:minor`.
    static func source(ofDevice device: String, mountinfo: [UInt8]) -> String? {
        let wanted = Array(device.utf8)
        for line in mountinfo.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "))
            guard fields.count > 6, fields[2].elementsEqual(wanted) else { continue }
            guard let dash = fields.firstIndex(where: { $0.elementsEqual([UInt8(ascii: "-")]) }),
                dash + 2 < fields.count
            else { continue }
            return String(decoding: fields[dash + 2], as: UTF8.self)
        }
        return nil
    }
}
