internal import Glibc

/// Of the kernel's description of its types only what the programs' relocations look at: libbpf goes through all of it for
/// each of some seventy types, which takes longer than the rest of loading.
struct NeededTypes {
    /// A description of its own, with numbers of its own.
    private(set) var description: [UInt8] = []
    /// The numbers in vmlinux of what programs attach to, by its name there: `btf_trace_sys_enter`, `bpf_iter_task`.
    private(set) var targets: [String: UInt32] = [:]

    /// - Parameters:
    ///   - wanted: what relocations begin at.
    ///   - targets: typedefs and functions that programs attach to.
    ///   - modules: looked at for what vmlinux does not have at all, as libbpf does.
    /// - Returns: `nil` where anything is not as it is known here: then libbpf is to look at the whole.
    init?(
        of wanted: WantedTypes, targets names: [(name: String, kind: TypeTable.Kind)],
        in vmlinux: UnsafeRawBufferPointer,
        modules: () -> [[UInt8]]
    ) {
        guard let base = unsafe TypeTable(vmlinux) else { return nil }
        var all = wanted
        for name in names { guard all.insert(Array(name.name.utf8), name.kind) else { return nil } }
        var found: [(id: Int, key: Int)] = []
        base.forEach(of: all) { found.append(($0, $1)) }
        var have = Set<Int>()
        var selection = Selection(base)
        for (id, key) in found {
            have.insert(key)
            if key < wanted.keys.count { guard selection.add(id, in: base, module: 0) != nil else { return nil } }
        }
        for target in names {
            let ids = found.filter {
                all.keys[$0.key] == .init(name: Array(target.name.utf8), kind: target.kind)
                    && base.entry($0.id).flatMap { base.name($0.name) } == Array(target.name.utf8)
            }
            guard let first = ids.first else { return nil }
            targets[target.name] = UInt32(first.id)
        }
        if wanted.keys.indices.contains(where: { !have.contains($0) }) {
            for (index, bytes) in modules().enumerated() {
                let isWhole = unsafe bytes.withUnsafeBytes { bytes -> Bool in
                    guard let module = unsafe TypeTable(bytes, base: base) else { return false }
                    var roots: [Int] = []
                    module.forEach(of: wanted) { id, key in if !have.contains(key) { roots.append(id) } }
                    for root in roots where selection.add(root, in: module, module: index + 1) == nil { return false }
                    return selection.follow(module)
                }
                guard isWhole else { return nil }
            }
        }
        guard selection.follow(nil) else { return nil }
        description = selection.description
    }

    /// Types that were chosen, renumbered.
    private struct Selection {
        private struct Key: Hashable { var module, id: Int }

        private let base: TypeTable
        private var numbers: [Key: UInt32] = [:]
        /// Chosen and not yet written.
        private var pending: [(key: Key, number: Int)] = []
        private var written: [Int: [UInt32]] = [:]
        private var strings: [UInt8] = [0]
        private var offsets: [Key: UInt32] = [:]

        init(_ base: TypeTable) { self.base = base }

        /// - Returns: its number; 0 for void, `nil` for one that is not there.
        mutating func add(_ id: Int, in table: TypeTable, module: Int) -> UInt32? {
            if id == 0 { return 0 }
            guard id < table.endID else { return nil }
            let key = Key(module: id < base.endID ? 0 : module, id: id)
            if let known = numbers[key] { return known }
            let number = UInt32(numbers.count + 1)
            numbers[key] = number
            pending.append((key, Int(number)))
            return number
        }

        /// Writes what is pending, and whatever lies in it. What is only pointed at is left out: relocations do not follow.
        mutating func follow(_ module: TypeTable?) -> Bool {
            while let next = pending.popLast() {
                guard let table = next.key.module == 0 ? base : module, var type = table.entry(next.key.id),
                    let name = name(type.name, in: table, module: next.key.module)
                else { return false }
                // a module's members may be types of vmlinux
                let within = module ?? base
                switch type.kind {
                case .int, .float, .forward: break
                case .pointer: type.reference = 0
                case .typedef, .volatile, .const, .restrict, .typeTag:
                    guard let number = add(Int(type.reference), in: within, module: next.key.module) else {
                        return false
                    }
                    type.reference = number
                case .array:
                    for index in 0..<2 {
                        guard let number = add(Int(type.words[index]), in: within, module: next.key.module) else {
                            return false
                        }
                        type.words[index] = number
                    }
                case .structure, .union:
                    for member in 0..<type.count {
                        guard let name = self.name(type.words[3 * member], in: table, module: next.key.module),
                            let number = add(Int(type.words[3 * member + 1]), in: within, module: next.key.module)
                        else { return false }
                        type.words[3 * member] = name
                        type.words[3 * member + 1] = number
                    }
                case .enumeration, .enumeration64:
                    let stride = type.kind == .enumeration ? 2 : 3
                    for value in 0..<type.count {
                        guard let name = self.name(type.words[stride * value], in: table, module: next.key.module)
                        else {
                            return false
                        }
                        type.words[stride * value] = name
                    }
                case .function, .prototype, .variable, .section, .declarationTag: return false
                }
                written[next.number] = [name, type.info, type.reference] + type.words
            }
            return true
        }

        private mutating func name(_ offset: UInt32, in table: TypeTable, module: Int) -> UInt32? {
            if offset == 0 { return 0 }
            let isOfBase = Int(offset) < table.firstString
            let key = Key(module: isOfBase ? 0 : module, id: Int(offset))
            if let known = offsets[key] { return known }
            guard let bytes = (isOfBase ? base : table).name(offset) else { return nil }
            let place = UInt32(strings.count)
            strings += bytes + [0]
            offsets[key] = place
            return place
        }

        var description: [UInt8] {
            let types = numbers.isEmpty ? [] : (1...numbers.count).flatMap { written[$0] ?? [] }
            let header = [24, 0, types.count * 4, types.count * 4, strings.count].map { UInt32($0) }
            var bytes: [UInt8] = [0x9f, 0xeb, 1, 0]
            bytes.reserveCapacity(24 + types.count * 4 + strings.count)
            for word in header + types {
                unsafe withUnsafeBytes(of: word.littleEndian) { unsafe bytes.append(contentsOf: $0) }
            }
            return bytes + strings
        }
    }
}

/// What the embedded object says its relocations begin at.
extension WantedTypes {
    /// From `.BTF` and `.BTF.ext` of an ELF object.
    ///
    /// - Returns: `nil` if it cannot be read, or asks for a type's number, which would be another one in a smaller description.
    init?(relocationsOf object: UnsafeRawBufferPointer) {
        self.init()
        let reader = unsafe Reader(object)
        guard let types = unsafe reader.section(".BTF"), let table = unsafe TypeTable(types),
            let extra = unsafe reader.section(".BTF.ext").map({ unsafe Reader($0) }),
            let header = extra.word(4), header >= 32, let start = extra.word(24), let length = extra.word(28),
            let size = extra.word(header + start), size >= 16, length >= 4
        else { return nil }
        var at = header + start + 4
        let end = header + start + length
        while at < end {
            guard let count = extra.word(at + 4) else { return nil }
            at += 8
            for _ in 0..<count {
                // BPF_CORE_TYPE_ID_TARGET
                guard let id = extra.word(at + 4), let kind = extra.word(at + 12), kind != 7,
                    let type = table.entry(id), let name = table.name(type.name), !name.isEmpty
                else { return nil }
                guard insert(name, type.kind) else { return nil }
                at += size
            }
        }
    }

    @safe private struct Reader {
        let bytes: UnsafeRawBufferPointer

        init(_ bytes: UnsafeRawBufferPointer) { unsafe self.bytes = bytes }

        func word(_ offset: Int) -> Int? {
            guard offset >= 0, unsafe offset + 4 <= bytes.count else { return nil }
            return Int(unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self).littleEndian)
        }

        /// A section of a 64-bit ELF object, by its name.
        func section(_ name: String) -> UnsafeRawBufferPointer? {
            guard let table = word(0x28), let counts = word(0x3c) else { return nil }
            let header = { (index: Int) in table + 64 * index }
            guard let names = word(header(counts >> 16) + 24) else { return nil }
            for index in 0..<counts & 0xffff {
                guard let place = word(header(index)), let offset = word(header(index) + 24),
                    let size = word(header(index) + 32), unsafe offset + size <= bytes.count
                else { return nil }
                let wanted = Array(name.utf8) + [0]
                let start = names + place
                if unsafe start + wanted.count <= bytes.count,
                    unsafe bytes[start..<start + wanted.count].elementsEqual(wanted)
                {
                    return unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + size])
                }
            }
            return nil
        }
    }
}
