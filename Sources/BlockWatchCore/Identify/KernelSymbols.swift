/// The kernel's functions by address, from the text of /proc/kallsyms.
public struct KernelSymbols: Sendable {
    private var addresses: [UInt64] = []
    /// Where each name begins in `names`.
    private var offsets: [UInt32] = []
    private var names: [UInt8] = []

    /// - Parameter kallsyms: lines of `address type name [module]`; addresses of zero (kptr_restrict) and lines
    ///   that are none of this are passed over.
    public init(kallsyms: [UInt8]) {
        var rows: [(address: UInt64, start: Int, end: Int)] = []
        rows.reserveCapacity(kallsyms.count / 60)
        var index = 0
        while index < kallsyms.count {
            var address: UInt64 = 0
            var digits = 0
            while index < kallsyms.count, let digit = hexDigit(kallsyms[index]), digits < 16 {
                address = address << 4 | UInt64(digit)
                digits += 1
                index += 1
            }
            let lineEnd = kallsyms[index...].firstIndex(of: UInt8(ascii: "\n")) ?? kallsyms.count
            // " t name": functions are t, T, w and W
            if digits > 0, address != 0, index + 3 < lineEnd, kallsyms[index] == UInt8(ascii: " "),
                [UInt8(ascii: "t"), UInt8(ascii: "T"), UInt8(ascii: "w"), UInt8(ascii: "W")].contains(
                    kallsyms[index + 1])
            {
                var end = index + 3
                while end < lineEnd, kallsyms[end] > UInt8(ascii: " ") { end += 1 }
                rows.append((address, index + 3, end))
            }
            index = lineEnd + 1
        }
        rows.sort { $0.address < $1.address }
        for row in rows where addresses.last != row.address {
            addresses.append(row.address)
            offsets.append(UInt32(truncatingIfNeeded: names.count))
            names.append(contentsOf: kallsyms[row.start..<row.end])
        }
        offsets.append(UInt32(truncatingIfNeeded: names.count))
    }

    public var isEmpty: Bool { addresses.isEmpty }

    /// The function that an address lies in; a hexadecimal number if there is none before it.
    public func name(of address: UInt64) -> String {
        var low = 0
        var high = addresses.count
        while low < high {
            let middle = (low + high) / 2
            if addresses[middle] <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return "0x" + String(address, radix: 16) }
        return String(decoding: names[Int(offsets[low - 1])..<Int(offsets[low])], as: UTF8.self)
    }
}

private func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    default: nil
    }
}
