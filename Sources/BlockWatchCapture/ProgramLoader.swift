internal import BlockWatchBPF
internal import CLibbpf
internal import Glibc
internal import Synchronization

/// Has the kernel verify all programs of an object at the same time, each on a thread of its own, and says what they attach to.
///
/// libbpf verifies one after the other, and reads all of the kernel's types to find the few numbers of what programs attach
/// to. It offers a hook before each program: there the finished program is taken over, and libbpf is given one of two
/// instructions instead.
@safe final class ProgramLoader {
    /// A program as libbpf has made it, on its way through the verifier.
    @safe private final class Job: @unchecked Sendable {
        let name: String
        private let type: bpf_prog_type
        private var instructions: [bpf_insn]
        private var functions, lines: [UInt8]
        private var options: bpf_prog_load_opts
        /// `nil` if there was none to be had.
        private var thread: pthread_t?
        private(set) var answer: Int32 = -EAGAIN

        init(_ name: String, _ program: OpaquePointer, _ options: bpf_prog_load_opts) {
            self.name = name
            type = BPF_PROG_TYPE_TRACING
            unsafe instructions = Array(
                UnsafeBufferPointer(start: bpf_program__insns(program), count: bpf_program__insn_cnt(program)))
            func copy(_ start: UnsafeRawPointer?, _ count: UInt32, _ size: UInt32) -> [UInt8] {
                unsafe Array(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(count * size)))
            }
            functions = unsafe copy(options.func_info, options.func_info_cnt, options.func_info_rec_size)
            lines = unsafe copy(options.line_info, options.line_info_cnt, options.line_info_rec_size)
            unsafe self.options = options
        }

        /// The instructions as they are loaded.
        var bytes: [UInt8] { unsafe instructions.withUnsafeBytes { unsafe Array($0) } }

        /// C function: `pthread_create`
        func start() {
            let job = unsafe Unmanaged.passRetained(self)
            var thread = pthread_t()
            let failed = unsafe pthread_create(
                &thread, nil,
                { job in
                    unsafe Unmanaged<Job>.fromOpaque(job!).takeRetainedValue().load()
                    return nil
                }, job.toOpaque())
            if failed == 0 {
                self.thread = thread
            } else {
                unsafe job.release()
                load()
            }
        }

        func join() {
            if let thread { pthread_join(thread, nil) }
            thread = nil
        }

        /// C function: `bpf_prog_load`
        func load() {
            unsafe functions.withUnsafeBytes { functions in
                unsafe lines.withUnsafeBytes { lines in
                    unsafe options.func_info = functions.isEmpty ? nil : functions.baseAddress
                    unsafe options.line_info = lines.isEmpty ? nil : lines.baseAddress
                    let descriptor = unsafe bpf_prog_load(
                        type, name, ProgramLoader.license, instructions, instructions.count, &options)
                    answer = descriptor >= 0 ? descriptor : -Glibc.errno
                }
            }
        }
    }

    static let license = "Dual BSD/GPL"

    private let targets: [String: UInt32]
    private var jobs: [Job] = []

    /// - Parameter targets: see ``NeededTypes/targets``.
    private init(_ targets: [String: UInt32]) { self.targets = targets }

    struct Failure: Error { let errno: Int32 }

    /// Loads an object that was opened after ``registerHandlers``.
    ///
    /// - Parameter inspect: is handed each program's name, and its instructions as they go to the kernel.
    /// - Returns: descriptors of the programs by name, to be closed by who takes them.
    ///
    /// C function: `bpf_object__load`
    static func load(
        _ object: OpaquePointer, targets: [String: UInt32], inspect: (String, [UInt8]) -> Void = { _, _ in }
    ) throws(Failure) -> [String: Int32] {
        let loader = ProgramLoader(targets)
        var failure = oneAtATime.withLock { _ in
            unsafe current = loader
            defer { unsafe current = nil }
            return unsafe bpf_object__load(object) == 0 ? 0 : Glibc.errno
        }
        var programs: [String: Int32] = [:]
        for job in loader.jobs {
            job.join()
            inspect(job.name, job.bytes)
            if job.answer >= 0 { programs[job.name] = job.answer } else if failure == 0 { failure = -job.answer }
        }
        if failure != 0 {
            for descriptor in programs.values { close(descriptor) }
            throw Failure(errno: failure)
        }
        return programs
    }

    // MARK: - libbpf's hook

    private static let oneAtATime = Mutex<Void>(())
    /// Whose programs libbpf is loading; only while ``oneAtATime`` is held.
    nonisolated(unsafe) private static var current: ProgramLoader?

    /// Programs of these sections are not tracing programs to libbpf: it would read all types of the kernel for them.
    ///
    /// C function: `libbpf_register_prog_handler`
    static let registerHandlers: Bool = {
        var options = libbpf_prog_handler_opts()
        options.sz = MemoryLayout<libbpf_prog_handler_opts>.size
        unsafe options.prog_prepare_load_fn = { program, options, _ in
            guard let program = unsafe program, let options = unsafe options, let loader = unsafe current else {
                return -EINVAL
            }
            return unsafe loader.take(program, &options.pointee)
        }
        let sections = [("tp_btf+", BPF_TRACE_RAW_TP), ("iter+", BPF_TRACE_ITER)]
        return sections.allSatisfy {
            unsafe libbpf_register_prog_handler($0.0, BPF_PROG_TYPE_RAW_TRACEPOINT, $0.1, &options) > 0
        }
    }()

    /// What a program of this section attaches to, as the kernel's types name it.
    static func target(ofSection section: String) -> (name: String, kind: TypeTable.Kind)? {
        let parts = section.split(separator: "/", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        switch parts[0] {
        case "tp_btf": return ("btf_trace_\(parts[1])", .typedef)
        case "iter": return ("bpf_iter_\(parts[1])", .function)
        default: return nil
        }
    }

    private func take(_ program: OpaquePointer, _ options: inout bpf_prog_load_opts) -> Int32 {
        guard let section = unsafe bpf_program__section_name(program), let name = unsafe bpf_program__name(program),
            let target = unsafe Self.target(ofSection: String(cString: section)), let id = targets[target.name]
        else { return -ESRCH }
        unsafe options.attach_btf_id = id
        let job = unsafe Job(String(cString: name), program, options)
        jobs.append(job)
        job.start()
        // r0 = 0; exit
        var nothing = [bpf_insn](repeating: bpf_insn(), count: 2)
        nothing[0].code = 0xb7
        nothing[1].code = 0x95
        unsafe options.func_info_cnt = 0
        unsafe options.line_info_cnt = 0
        let refused = unsafe bpf_program__set_type(program, BPF_PROG_TYPE_TRACING)
        return refused != 0 ? refused : unsafe bpf_program__set_insns(program, &nothing, nothing.count)
    }
}
