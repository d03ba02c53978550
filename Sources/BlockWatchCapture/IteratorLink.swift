internal import CLibbpf
internal import Glibc

/// A task iterator that visits one thread, or the threads of one process.
struct IteratorLink: ~Copyable {
    let descriptor: Int32

    /// - Returns: `nil` if the kernel refuses. A thread that is gone is no failure: nothing is visited.
    ///
    /// C function: `bpf_link_create`, with `bpf_iter_link_info.task`
    init?(program: Int32, thread: UInt32 = 0, process: UInt32 = 0) {
        var what = bpf_iter_link_info()
        unsafe what.task.tid = thread
        unsafe what.task.pid = process
        let link = unsafe withUnsafeMutablePointer(to: &what) { what in
            var options = unsafe bpf_link_create_opts()
            unsafe options.sz = MemoryLayout<bpf_link_create_opts>.size
            unsafe options.iter_info = what
            unsafe options.iter_info_len = UInt32(MemoryLayout<bpf_iter_link_info>.size)
            return unsafe bpf_link_create(program, 0, BPF_TRACE_ITER, &options)
        }
        guard link >= 0 else { return nil }
        descriptor = link
    }

    deinit { close(descriptor) }

    /// Whether the kernel has them (6.1 on): it refuses to be asked for a thread and a process at once, where an older
    /// one does not look at what it is asked.
    static func isSupported(program: Int32) -> Bool {
        IteratorLink(program: program, thread: UInt32(getpid()), process: UInt32(getpid())) == nil
    }
}
