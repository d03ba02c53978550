internal import BlockWatchBPF
internal import CLibbpf
internal import Glibc

/// The kernel's own description of its types (BTF), for the offsets that the programs read at.
///
/// What vmlinux does not have libbpf looks for in the modules, and asks the kernel for a list of them. That takes
/// CAP_SYS_ADMIN, and libbpf 1.1 gives up where it is refused: with CAP_BPF and CAP_PERFMON alone no kernel whose FUSE
/// is a module would do. Their files may be read by everybody, so it is given vmlinux and FUSE as one description.
enum KernelTypes {
    private static let folder = "/sys/kernel/btf"
    private static let mostBytes = 64 << 20

    /// - Returns: a file to take the types from, and the descriptor that keeps it (-1 if none does); `nil` where libbpf may look by
    ///   itself.
    ///
    /// C function: `bpf_btf_get_next_id`
    static func substitute() -> (path: String, descriptor: Int32)? {
        var id: UInt32 = 0
        guard unsafe bpf_btf_get_next_id(0, &id) != 0, Glibc.errno == EPERM else { return nil }
        let kernel = "\(folder)/vmlinux"
        // in the order of what is missed most: one module is all that goes on where vmlinux ends
        guard let module = ["fuse", "vsock"].lazy.compactMap({ read("\(folder)/\($0)") }).first,
            let base = read(kernel), let whole = joined(base, module), let descriptor = inMemory(whole)
        else { return (kernel, -1) }
        return ("/proc/self/fd/\(descriptor)", descriptor)
    }

    /// What programs of the embedded object attach to.
    static let attached: [(name: String, kind: TypeTable.Kind)] = [
        "tp_btf/sys_enter", "tp_btf/sys_exit", "tp_btf/sched_process_exit", "tp_btf/signal_generate",
        "tp_btf/sched_process_fork", "tp_btf/task_rename", "iter/task", "iter/task_file",
    ].compactMap(ProgramLoader.target(ofSection:))

    /// - Returns: `nil` where the whole must do.
    static func needed(of object: UnsafeRawBufferPointer) -> NeededTypes? {
        guard let wanted = unsafe WantedTypes(relocationsOf: object) else { return nil }
        return unsafe withBytes(of: "\(folder)/vmlinux") { vmlinux in
            unsafe NeededTypes(of: wanted, targets: attached, in: vmlinux, modules: modules)
        }
    }

    /// Of the object inside this executable.
    static func neededByObject() -> NeededTypes? {
        unsafe needed(of: UnsafeRawBufferPointer(start: bw_object_bytes(), count: bw_object_size()))
    }

    /// The same numbers from libbpf, which reads all types for them.
    ///
    /// C function: `btf__find_by_name_kind`
    static func targets(of names: [(name: String, kind: TypeTable.Kind)]) -> [String: UInt32] {
        guard let types = unsafe btf__load_vmlinux_btf() else { return [:] }
        defer { unsafe btf__free(types) }
        var targets: [String: UInt32] = [:]
        for name in names {
            let id = unsafe btf__find_by_name_kind(types, name.name, name.kind.rawValue)
            if id > 0 { targets[name.name] = UInt32(id) }
        }
        return targets
    }

    /// The types of all modules that are loaded; those that cannot be read are left out.
    private static func modules() -> [[UInt8]] {
        guard let directory = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            if !name.hasPrefix("."), name != "vmlinux" { names.append(name) }
        }
        return names.sorted().compactMap { read("\(folder)/\($0)") }
    }

    /// Newer kernels let it be mapped; read, it comes a page at a time.
    ///
    /// C function: `mmap`
    static func withBytes<Result>(of path: String, _ body: (UnsafeRawBufferPointer) -> Result?) -> Result? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        if unsafe fstat(descriptor, &status) == 0, status.st_size > 0, status.st_size <= mostBytes,
            let memory = unsafe mmap(nil, Int(status.st_size), PROT_READ, Int32(MAP_PRIVATE) | populate, descriptor, 0),
            unsafe memory != MAP_FAILED
        {
            defer { unsafe munmap(memory, Int(status.st_size)) }
            return unsafe body(UnsafeRawBufferPointer(start: memory, count: Int(status.st_size)))
        }
        return read(path).flatMap { bytes in unsafe bytes.withUnsafeBytes { unsafe body($0) } }
    }

    /// `MAP_POPULATE`
    private static let populate: Int32 = 0x8000

    /// The header of `struct btf_header`, with its sections as ranges of the file.
    private struct Layout {
        var types, strings: Range<Int>

        init?(_ bytes: [UInt8]) {
            func number(_ offset: Int) -> Int {
                (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
            }
            guard bytes.count >= 24, bytes[0] == 0x9f, bytes[1] == 0xeb, bytes[2] == 1 else { return nil }
            let header = number(4)
            types = header + number(8)..<header + number(8) + number(12)
            strings = header + number(16)..<header + number(16) + number(20)
            guard types.upperBound <= bytes.count, strings.upperBound <= bytes.count else { return nil }
        }
    }

    /// A module's types and strings are numbered on from those of vmlinux: one behind the other they are one description.
    static func joined(_ base: [UInt8], _ module: [UInt8]) -> [UInt8]? {
        guard let first = Layout(base), let second = Layout(module) else { return nil }
        let types = base[first.types] + module[second.types]
        let strings = base[first.strings] + module[second.strings]
        let numbers = [24, 0, types.count, types.count, strings.count]
        let header = numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
        return [0x9f, 0xeb, 1, 0] + header + types + strings
    }

    private static func read(_ path: String) -> [UInt8]? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while bytes.count < mostBytes {
            let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 { return nil }
            if count == 0 { return bytes.isEmpty ? nil : bytes }
            bytes += chunk.prefix(count)
        }
        return nil
    }

    /// C function: `memfd_create`
    static func inMemory(_ bytes: [UInt8]) -> Int32? {
        let descriptor = unsafe memfd_create("kernel types", 1)  // MFD_CLOEXEC
        guard descriptor >= 0 else { return nil }
        var offset = 0
        while offset < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe write(descriptor, $0.baseAddress! + offset, $0.count - offset)
            }
            guard count > 0 else {
                close(descriptor)
                return nil
            }
            offset += count
        }
        return descriptor
    }
}
