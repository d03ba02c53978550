internal import CLibbpf
internal import Glibc

/// One thing that blockwatch asks of the kernel, tried and not guessed from a version.
public struct KernelProbe: Sendable {
    public enum Result: Sendable, Equatable {
        case present
        /// With the kernel's answer, an errno; 0 where it has none.
        case missing(Int32)
        case refused(Int32)
    }

    public let name: String
    /// What it is needed for.
    public let neededFor: String
    /// What to do where it is missing.
    public let remedy: String
    private let attempt: @Sendable () -> Result

    public func run() -> Result { attempt() }

    public static let all: [KernelProbe] = [
        KernelProbe(
            name: "kernel type information (BTF)", neededFor: "reading the kernel's structures",
            remedy: "needs CONFIG_DEBUG_INFO_BTF; Debian 12, Ubuntu 22.04, RHEL 9 and newer have it"
        ) {
            unsafe access("/sys/kernel/btf/vmlinux", R_OK) == 0 ? .present : .missing(errno)
        },
        KernelProbe(
            name: "BPF ring buffer", neededFor: "records", remedy: "needs kernel 5.8 or newer"
        ) { mapType(BPF_MAP_TYPE_RINGBUF) },
        KernelProbe(
            name: "BPF task storage", neededFor: "the state of each thread", remedy: "needs kernel 5.11 or newer"
        ) { mapType(BPF_MAP_TYPE_TASK_STORAGE) },
        KernelProbe(
            name: "task storage for tracing programs (bpf_task_storage_get)",
            neededFor: "the state of each thread", remedy: "needs kernel 5.11 or newer"
        ) { kernelHas(function: "bpf_task_storage_get") },
        KernelProbe(
            name: "registers of other threads (bpf_task_pt_regs)", neededFor: "calls older than blockwatch",
            remedy: "needs kernel 5.15 or newer"
        ) { kernelHas(function: "bpf_task_pt_regs") },
    ]

    /// C function: `libbpf_probe_bpf_map_type`
    private static func mapType(_ type: bpf_map_type) -> Result {
        verdict(libbpf_probe_bpf_map_type(type, nil))
    }

    /// Helpers of tracing programs cannot be probed by loading one line; the kernel's own type
    /// information names their implementations.
    ///
    /// C function: `btf__find_by_name_kind`
    private static func kernelHas(function: String) -> Result {
        guard let btf = unsafe btf__load_vmlinux_btf() else { return .missing(errno) }
        defer { unsafe btf__free(btf) }
        return unsafe btf__find_by_name_kind(btf, function, functionKind) > 0 ? .present : .missing(0)
    }

    /// `BTF_KIND_FUNC`, which two of the headers define.
    private static let functionKind: UInt32 = 12

    private static func verdict(_ answer: Int32) -> Result {
        switch answer {
        case 1: .present
        case 0: .missing(0)
        case -EPERM, -EACCES: .refused(-answer)
        default: .missing(-answer)
        }
    }
}

/// A program of the object, with what it is for, tried on its own.
public struct ProgramProbe: Sendable {
    public let name: String
    public let neededFor: String

    public static let all: [ProgramProbe] = [
        ProgramProbe(name: "on_sys_enter", neededFor: "stamping calls as they begin (tp_btf/sys_enter)"),
        ProgramProbe(name: "on_sys_exit", neededFor: "results and exact durations (tp_btf/sys_exit)"),
        ProgramProbe(name: "on_process_exit", neededFor: "calls whose thread dies (tp_btf/sched_process_exit)"),
        ProgramProbe(name: "on_signal", neededFor: "who stopped a process (tp_btf/signal_generate)"),
        ProgramProbe(name: "scan", neededFor: "calls in flight, also older than blockwatch (iter/task)"),
        ProgramProbe(name: "view", neededFor: "what the holders' threads are doing (iter/task)"),
        ProgramProbe(name: "user_registers", neededFor: "where in their programs threads are (iter/task)"),
        ProgramProbe(name: "symbol_names", neededFor: "what the kernel's functions are called (iter/task)"),
        ProgramProbe(name: "holders", neededFor: "who holds the other end (iter/task_file)"),
    ]

    /// Loads this program and its maps and nothing else.
    ///
    /// - Throws: ``CaptureError`` with the kernel's answer.
    ///
    /// C function: `bpf_object__load`
    public func run() throws(CaptureError) {
        var object = try EmbeddedObject(types: .needed)
        for other in Self.all { unsafe bpf_program__set_autoload(try object.program(other.name), other.name == name) }
        do throws(ProgramLoader.Failure) { try object.load() } catch {
            throw .answered(error.errno, step: "load the program \(name)", next: "needs kernel 5.15 or newer with BTF")
        }
    }
}
