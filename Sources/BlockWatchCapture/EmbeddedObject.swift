internal import BlockWatchBPF
internal import CLibbpf
internal import Glibc

/// The BPF object inside this executable, opened and not yet loaded.
///
/// Owns a `struct bpf_object` and the loaded programs; closing it unloads programs and maps.
@safe struct EmbeddedObject: ~Copyable {
    /// Which of the kernel's types libbpf is given.
    enum Types {
        /// What the programs need; where that cannot be told, all.
        case needed
        /// All, as libbpf finds them.
        case whole
    }

    let pointer: OpaquePointer
    /// What the kernel's types are read from while loading; -1 if libbpf looks for them by itself.
    private let types: Int32
    /// What programs attach to: ``NeededTypes/targets``; `nil` before it was asked for.
    private let targets: [String: UInt32]?
    /// The whole of the types is what libbpf was given.
    let hasWholeTypes: Bool
    private var programs: [String: Int32] = [:]

    /// Parses the embedded bytes. Needs no privilege.
    ///
    /// C function: `bpf_object__open_mem`
    init(types wanted: Types = .whole) throws(CaptureError) {
        // libbpf writes to stderr by itself otherwise
        unsafe libbpf_set_print(nil)
        let bytes = unsafe UnsafeRawBufferPointer(start: bw_object_bytes(), count: bw_object_size())
        let needed = wanted == .needed ? KernelTypes.neededByObject() : nil
        let file = needed.flatMap { KernelTypes.inMemory($0.description) }
        let substitute = file.map { ("/proc/self/fd/\($0)", $0) } ?? KernelTypes.substitute()
        hasWholeTypes = file == nil
        targets = needed?.targets
        types = substitute?.1 ?? -1
        guard ProgramLoader.registerHandlers, let object = unsafe Self.open(bytes, typesFrom: substitute?.0) else {
            if types >= 0 { close(types) }
            throw CaptureError(
                .defect, step: "open the embedded BPF object", errno: Glibc.errno,
                next: "this build is broken: run make verify-bpf")
        }
        unsafe pointer = object
        // nobody pays for the room of what only explain --for loads
        for name in ProcessWatch.maps {
            if let map = unsafe bpf_object__find_map_by_name(object, name) {
                _ = unsafe bpf_map__set_autocreate(map, false)
            }
        }
    }

    deinit {
        for descriptor in programs.values { close(descriptor) }
        unsafe bpf_object__close(pointer)
        if types >= 0 { close(types) }
    }

    private static func open(_ bytes: UnsafeRawBufferPointer, typesFrom path: String?) -> OpaquePointer? {
        guard let path else { return unsafe bpf_object__open_mem(bytes.baseAddress, bytes.count, nil) }
        return unsafe path.withCString { path in
            var options = unsafe bpf_object_open_opts()
            unsafe options.sz = MemoryLayout<bpf_object_open_opts>.size
            unsafe options.btf_custom_path = path
            return unsafe bpf_object__open_mem(bytes.baseAddress, bytes.count, &options)
        }
    }

    /// Relocates, makes the maps, and has the kernel verify the programs that are not left out.
    ///
    /// - Parameter inspect: is handed each program's name, and its instructions as they go to the kernel.
    mutating func load(inspect: (String, [UInt8]) -> Void = { _, _ in }) throws(ProgramLoader.Failure) {
        let targets = targets ?? KernelTypes.targets(of: KernelTypes.attached)
        programs = unsafe try ProgramLoader.load(pointer, targets: targets, inspect: inspect)
        // in their place libbpf has empty ones
        for name in programs.keys {
            if let empty = unsafe bpf_object__find_program_by_name(pointer, name) { unsafe bpf_program__unload(empty) }
        }
    }

    /// Of a program that was loaded.
    func descriptor(of name: String) throws(CaptureError) -> Int32 {
        if let descriptor = programs[name] { return descriptor }
        _ = unsafe try program(name)
        return -1
    }

    /// C function: `bpf_object__find_program_by_name`
    func program(_ name: String) throws(CaptureError) -> OpaquePointer {
        guard let program = unsafe bpf_object__find_program_by_name(pointer, name) else {
            throw CaptureError(
                .defect, step: "find the program \(name)", errno: 0, next: "this build is broken: run make verify-bpf")
        }
        return unsafe program
    }

    /// C function: `bpf_object__find_map_by_name`
    func map(_ name: String) throws(CaptureError) -> OpaquePointer {
        guard let map = unsafe bpf_object__find_map_by_name(pointer, name) else {
            throw CaptureError(
                .defect, step: "find the map \(name)", errno: 0, next: "this build is broken: run make verify-bpf")
        }
        return unsafe map
    }

    /// The initial value of a data section, to be filled in before loading.
    ///
    /// C function: `bpf_map__initial_value`
    func section<Value>(_ name: String, as type: Value.Type) throws(CaptureError) -> UnsafeMutablePointer<Value> {
        var size = 0
        guard let memory = unsafe bpf_map__initial_value(try map(name), &size), size >= MemoryLayout<Value>.size else {
            throw CaptureError(
                .defect, step: "read the section \(name)", errno: 0, next: "this build is broken: run make verify-bpf")
        }
        return unsafe UnsafeMutableRawPointer(mutating: memory).assumingMemoryBound(to: type)
    }
}

/// A data section of the loaded object as memory shared with its programs.
///
/// Owns the mapping.
@safe final class SharedSection<Value> {
    let pointer: UnsafeMutablePointer<Value>
    private let bytes: Int

    /// C function: `mmap` of the map
    init(
        _ name: String, of object: borrowing EmbeddedObject, as type: Value.Type, count: Int = 1
    ) throws(CaptureError) {
        bytes = MemoryLayout<Value>.stride * count
        let descriptor = unsafe bpf_map__fd(try object.map(name))
        let memory = unsafe mmap(
            nil, bytes, PROT_READ | PROT_WRITE, Int32(MAP_SHARED), descriptor, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            throw .answered(errno, step: "map the section \(name)", next: "needs kernel 5.5 or newer")
        }
        unsafe pointer = memory.assumingMemoryBound(to: type)
    }

    deinit { unsafe munmap(pointer, bytes) }
}
