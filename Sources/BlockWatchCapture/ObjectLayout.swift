internal import CLibbpf

/// The layout of a struct as the compiler of the BPF side saw it, from the object's own type information.
struct ObjectLayout: Equatable {
    var size: Int
    /// Bytes from the start, by member.
    var offsets: [String: Int]

    /// - Returns: `nil` if the object has no struct of that name.
    init?(of name: String, in object: borrowing EmbeddedObject) {
        guard let btf = unsafe bpf_object__btf(object.pointer) else { return nil }
        unsafe self.init(of: name, in: btf)
    }

    /// The same from an object in a file, of whatever architecture.
    ///
    /// C function: `btf__parse_elf`
    init?(of name: String, inFile path: String) {
        guard let btf = unsafe btf__parse_elf(path, nil) else { return nil }
        defer { unsafe btf__free(btf) }
        unsafe self.init(of: name, in: btf)
    }

    /// C function: `btf__find_by_name_kind`
    private init?(of name: String, in btf: OpaquePointer) {
        let structKind: UInt32 = 4
        let id = unsafe btf__find_by_name_kind(btf, name, structKind)
        guard id > 0, let type = unsafe btf__type_by_id(btf, UInt32(id)) else { return nil }
        size = Int(unsafe type.pointee.size)
        offsets = [:]
        // members follow the type; bit 31 of `info` says that offsets carry a bit-field's width in the top byte
        let count = Int(unsafe type.pointee.info & 0xffff)
        let mask: UInt32 = unsafe type.pointee.info >> 31 == 1 ? 0xff_ffff : .max
        let members = unsafe UnsafeRawPointer(type + 1).assumingMemoryBound(to: btf_member.self)
        for index in 0..<count {
            let member = unsafe members[index]
            guard let text = unsafe btf__name_by_offset(btf, member.name_off) else { continue }
            unsafe offsets[String(cString: text)] = Int(member.offset & mask) / 8
        }
    }
}
