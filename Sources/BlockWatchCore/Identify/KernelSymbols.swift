/// The kernel's functions by address, from the text of /proc/kallsyms.
public struct KernelSymbols: Sendable {
    private var addresses: [UInt64] = []
    /// Where each name begins in `names`.
    private var offsets: [UInt32] = []
    private var names: [UInt8] = []

    public init() {}

    /// - Parameter kallsyms: lines of `address type name [module]`; addresses of zero (kptr_restrict) and lines
    ///   that are none of this are passed over.
    public init(kallsyms: [UInt8]) {
        var reader = Reader()
        reader.read(kallsyms.span)
        self = reader.finish()
    }

    /// Five megabytes of text on a common kernel: read piece by piece, and only the functions kept.
    public init(_ procFS: ProcFS) {
        var reader = Reader()
        try? procFS.readPieces("kallsyms") { reader.read($0) }
        self = reader.finish()
    }

    /// Takes the text in pieces of any size.
    struct Reader {
        private enum Field { case address, type, name, rest }

        private var symbols = KernelSymbols()
        private var field = Field.address
        private var address: UInt64 = 0
        private var digits = 0
        private var type: UInt8 = 0
        private var nameStart = 0
        private var isSorted = true

        mutating func read(_ piece: Span<UInt8>) {
            for index in piece.indices { read(piece[index]) }
        }

        private mutating func read(_ byte: UInt8) {
            guard byte != UInt8(ascii: "\n") else { return endLine() }
            switch field {
            case .address:
                if let digit = hexDigit(byte), digits < 16 {
                    address = address << 4 | UInt64(digit)
                    digits += 1
                } else {
                    field = byte == UInt8(ascii: " ") && digits > 0 && address != 0 ? .type : .rest
                }
            case .type:
                if type == 0 { type = byte } else { field = byte == UInt8(ascii: " ") && isFunction ? .name : .rest }
            case .name:
                if byte > UInt8(ascii: " ") { symbols.names.append(byte) } else { field = .rest }
            case .rest: break
            }
        }

        /// t, T, w and W
        private var isFunction: Bool { type | 0x20 == UInt8(ascii: "t") || type | 0x20 == UInt8(ascii: "w") }

        private mutating func endLine() {
            if symbols.names.count > nameStart {
                if let last = symbols.addresses.last, last > address { isSorted = false }
                if symbols.addresses.last == address {
                    // of several names the first
                    symbols.names.removeLast(symbols.names.count - nameStart)
                } else {
                    symbols.addresses.append(address)
                    symbols.offsets.append(UInt32(truncatingIfNeeded: nameStart))
                    nameStart = symbols.names.count
                }
            }
            field = .address
            address = 0
            digits = 0
            type = 0
        }

        consuming func finish() -> KernelSymbols {
            endLine()
            symbols.offsets.append(UInt32(truncatingIfNeeded: symbols.names.count))
            return isSorted ? symbols : symbols.sorted()
        }
    }

    /// Modules come after the kernel, and older kernels do not sort at all.
    private func sorted() -> KernelSymbols {
        var sorted = KernelSymbols()
        let order = addresses.indices.sorted { (addresses[$0], $0) < (addresses[$1], $1) }
        for index in order where sorted.addresses.last != addresses[index] {
            sorted.addresses.append(addresses[index])
            sorted.offsets.append(UInt32(truncatingIfNeeded: sorted.names.count))
            sorted.names.append(contentsOf: names[Int(offsets[index])..<Int(offsets[index + 1])])
        }
        sorted.offsets.append(UInt32(truncatingIfNeeded: sorted.names.count))
        return sorted
    }

    public var isEmpty: Bool { addresses.isEmpty }

    /// The function that an address lies in; `nil` if there is none before it. Where the kernel lies in memory is a secret
    /// of the host: the address itself is never said.
    public func name(of address: UInt64) -> String? {
        var low = 0
        var high = addresses.count
        while low < high {
            let middle = (low + high) / 2
            if addresses[middle] <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return nil }
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
