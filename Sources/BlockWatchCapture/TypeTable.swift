internal import Glibc

/// The types of one BTF description, read in place: where each begins, and its name.
///
/// Source: Documentation/bpf/btf.rst of the kernel. Not for use after the bytes are gone.
@safe struct TypeTable {
    /// `BTF_KIND_*`
    enum Kind: UInt32 {
        case int = 1, pointer, array, structure, union, enumeration, forward, typedef, volatile, const, restrict,
            function
        case prototype, variable, section, float, declarationTag, typeTag, enumeration64

        /// Bytes behind the twelve that all types have.
        func trailer(count: Int) -> Int {
            switch self {
            case .int, .variable, .declarationTag: 4
            case .array: 12
            case .structure, .union, .section, .enumeration64: 12 * count
            case .enumeration, .prototype: 8 * count
            default: 0
            }
        }

        /// What a relocation of this kind of type may be matched with.
        var matched: Kind { self == .enumeration64 ? .enumeration : self }
    }

    private let bytes: UnsafeRawBufferPointer
    private let types, strings: Range<Int>
    /// Of the first type here: 1, or behind those of vmlinux.
    let firstID: Int
    /// Of the first string here: 0, or behind those of vmlinux.
    let firstString: Int
    /// Where each type begins, by its number less ``firstID``.
    private let offsets: [UInt32]

    /// - Parameter base: what the numbers go on from, for a module.
    /// - Returns: `nil` where it is cut short, or has kinds of types that are not known here.
    init?(_ bytes: UnsafeRawBufferPointer, base: TypeTable? = nil) {
        func number(_ offset: Int) -> Int {
            Int(unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self).littleEndian)
        }
        guard bytes.count >= 24, number(0) & 0xffffff == 0x01eb9f else { return nil }
        let header = number(4)
        let types = header + number(8)..<header + number(8) + number(12)
        let strings = header + number(16)..<header + number(16) + number(20)
        guard types.upperBound <= bytes.count, strings.upperBound <= bytes.count, strings.isEmpty == false,
            unsafe bytes[strings.upperBound - 1] == 0
        else { return nil }
        var offsets: [UInt32] = []
        offsets.reserveCapacity(types.count / 24)
        var at = types.lowerBound
        while at < types.upperBound {
            guard at + 12 <= types.upperBound else { return nil }
            let info = number(at + 4)
            guard let kind = Kind(rawValue: UInt32(info >> 24 & 0x1f)) else { return nil }
            offsets.append(UInt32(at))
            at += 12 + kind.trailer(count: info & 0xffff)
        }
        guard at == types.upperBound else { return nil }
        unsafe self.bytes = bytes
        self.types = types
        self.strings = strings
        self.offsets = offsets
        firstID = base.map { $0.endID } ?? 1
        firstString = base.map { $0.firstString + $0.strings.count } ?? 0
    }

    var endID: Int { firstID + offsets.count }

    /// One type: what it says of itself, and the words behind that.
    struct Entry {
        var kind: Kind
        var name, info, reference: UInt32
        var words: [UInt32]
        var count: Int { Int(info & 0xffff) }
    }

    private func word(_ offset: Int) -> UInt32 {
        unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self).littleEndian
    }

    func entry(_ id: Int) -> Entry? {
        guard id >= firstID, id < endID else { return nil }
        let at = Int(offsets[id - firstID])
        let info = word(at + 4)
        guard let kind = Kind(rawValue: info >> 24 & 0x1f) else { return nil }
        let trailer = kind.trailer(count: Int(info & 0xffff)) / 4
        return Entry(
            kind: kind, name: word(at), info: info, reference: word(at + 8),
            words: (0..<trailer).map { word(at + 12 + 4 * $0) })
    }

    /// Where the name begins and ends; `nil` for one that lies elsewhere.
    private func nameRange(_ offset: Int) -> Range<Int>? {
        guard offset >= firstString, offset - firstString < strings.count else { return nil }
        let start = strings.lowerBound + offset - firstString
        // the last byte of all is a zero
        return start..<start
            + (unsafe strlen(bytes.baseAddress!.advanced(by: start).assumingMemoryBound(to: CChar.self)))
    }

    func name(_ offset: UInt32) -> [UInt8]? {
        nameRange(Int(offset)).map { unsafe Array(bytes[$0]) }
    }

    /// Visits all types whose name, without a `___flavor`, and kind are wanted.
    func forEach(of wanted: WantedTypes, _ body: (_ id: Int, _ key: Int) -> Void) {
        for index in offsets.indices {
            let at = Int(offsets[index])
            let kind = word(at + 4) >> 24 & 0x1f
            guard wanted.kinds & 1 << kind != 0 else { continue }
            let offset = Int(word(at))
            guard offset > 0, let range = nameRange(offset), let matched = Kind(rawValue: kind)?.matched,
                let key = unsafe wanted.find(UnsafeRawBufferPointer(rebasing: bytes[range]), matched)
            else { continue }
            body(firstID + index, key)
        }
    }
}

/// Names and kinds of types that are looked for.
struct WantedTypes {
    struct Key: Hashable {
        var name: [UInt8]
        var kind: TypeTable.Kind
    }

    private(set) var keys: [Key] = []
    /// A bit for each kind that is looked at.
    private(set) var kinds: UInt32 = 0
    /// Indices of ``keys`` by the hash of the name.
    private var slots = [Int16](repeating: -1, count: 1024)

    /// - Parameter name: a flavor is cut off.
    /// - Returns: false if there is no room for more.
    mutating func insert(_ name: [UInt8], _ kind: TypeTable.Kind) -> Bool {
        let kind = kind.matched
        let essence = Array(name.prefix(unsafe name.withUnsafeBytes { unsafe Self.essence($0) }))
        let key = Key(name: essence, kind: kind)
        if keys.contains(key) { return true }
        guard keys.count < slots.count / 2 else { return false }
        var slot = (unsafe essence.withUnsafeBytes { unsafe Self.hash($0) }) % slots.count
        while slots[slot] >= 0 { slot = (slot + 1) % slots.count }
        slots[slot] = Int16(keys.count)
        keys.append(key)
        kinds |= 1 << kind.rawValue
        if kind == .enumeration { kinds |= 1 << TypeTable.Kind.enumeration64.rawValue }
        return true
    }

    func find(_ name: UnsafeRawBufferPointer, _ kind: TypeTable.Kind) -> Int? {
        let essence = unsafe UnsafeRawBufferPointer(rebasing: name[..<(unsafe Self.essence(name))])
        var slot = unsafe Self.hash(essence) % slots.count
        while slots[slot] >= 0 {
            let key = keys[Int(slots[slot])]
            if key.kind == kind, key.name.count == essence.count, unsafe key.name.elementsEqual(essence) {
                return Int(slots[slot])
            }
            slot = (slot + 1) % slots.count
        }
        return nil
    }

    /// How much of a name counts: up to the last `___` between two other characters, as libbpf has it.
    private static func essence(_ name: UnsafeRawBufferPointer) -> Int {
        let line = UInt8(ascii: "_")
        var index = name.count - 5
        while index >= 0 {
            if unsafe name[index + 1] == line, unsafe name[index + 2] == line, unsafe name[index + 3] == line,
                unsafe name[index] != line, unsafe name[index + 4] != line
            {
                return index + 1
            }
            index -= 1
        }
        return name.count
    }

    private static func hash(_ name: UnsafeRawBufferPointer) -> Int {
        var hash: UInt32 = 2_166_136_261
        for index in name.indices { hash = (hash ^ UInt32(unsafe name[index])) &* 16_777_619 }
        return Int(hash)
    }
}
