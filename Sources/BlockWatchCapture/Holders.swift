internal import BlockWatchBPF
internal import CLibbpf
internal import Glibc

/// One question of a pass over the open files: `struct bw_key` as bytes, and the flags of `struct bw_question`.
public struct HolderKey: Sendable, Hashable {
    public var bytes: [UInt8]
    public var flags: UInt32

    public init(bytes: [UInt8], flags: UInt32) {
        self.bytes = bytes
        self.flags = flags
    }
}

/// Asks the kernel who holds what, and what chosen threads are doing. The answers are records in a row, as bytes.
///
/// For one thread at a time; ``FilePass/run()`` alone may run elsewhere.
public struct Holders {
    private let fileLink, threadLink, registerLink, fileProgram, threadProgram, registerProgram: Int32
    private let questions, viewed: Int32
    private let control: SharedSection<bw_control>
    private let visitsSingly: Bool

    /// Keeps the descriptors open.
    private let owner: Links

    init(
        fileLink: Int32, threadLink: Int32, registerLink: Int32, fileProgram: Int32, threadProgram: Int32,
        registerProgram: Int32, questions: Int32, viewed: Int32,
        visitsSingly: Bool, control: SharedSection<bw_control>, owner: Links
    ) {
        self.visitsSingly = visitsSingly
        self.fileProgram = fileProgram
        self.threadProgram = threadProgram
        self.owner = owner
        self.fileLink = fileLink
        self.threadLink = threadLink
        self.registerLink = registerLink
        self.registerProgram = registerProgram
        self.questions = questions
        self.viewed = viewed
        self.control = control
    }

    /// At most so many keys are looked for in one pass.
    public static let mostKeys = Int(BW_QUESTIONS_MAX)

    /// Sets what the next pass looks for; the answers carry the place of their key in `keys`.
    ///
    /// - Parameter processes: the only ones that are to be visited, by their numbers in this process's PID namespace;
    ///   `nil` for all. A few are visited one by one.
    ///
    /// C function: `bpf_map_update_elem`
    public func prepare(_ keys: ArraySlice<HolderKey>, processes: Set<UInt32>? = nil) -> FilePass {
        var kinds: UInt32 = 0
        for (place, key) in zip(keys.indices, keys) where key.bytes.count == MemoryLayout<bw_key>.size {
            var question = bw_question(id: UInt32(place), flags: key.flags, locks_at: 0, session: 0)
            _ = unsafe bpf_map_update_elem(questions, key.bytes, &question, UInt64(BPF_ANY))
            kinds |= 1 << UInt32(key.bytes[0] & 31)
        }
        unsafe control.pointer.pointee.wanted = kinds
        let isSmall = visitsSingly && processes.map { $0.count <= Self.mostSingle } ?? false
        return FilePass(link: fileLink, program: fileProgram, processes: isSmall ? processes : nil)
    }

    /// - Returns: `nil` where that cannot be had: all threads are to be looked at.
    private func viewSingly(_ threads: [UInt32], _ processes: [UInt32]) throws(CaptureError) -> [UInt8]? {
        guard visitsSingly else { return nil }
        var bytes: [UInt8] = []
        for (numbers, isProcess) in [(threads, false), (processes, true)] {
            for number in numbers {
                let link =
                    isProcess
                    ? IteratorLink(program: threadProgram, process: number)
                    : IteratorLink(program: threadProgram, thread: number)
                guard let link else { return nil }
                bytes += try readIterator(link.descriptor, step: "look at a holder's threads")
            }
        }
        return bytes
    }

    /// Forgets what ``prepare(_:)`` asked for.
    ///
    /// C function: `bpf_map_delete_elem`
    public func finish(_ keys: ArraySlice<HolderKey>) {
        defer { withExtendedLifetime(owner) {} }
        unsafe control.pointer.pointee.wanted = 0
        for key in keys where key.bytes.count == MemoryLayout<bw_key>.size {
            _ = unsafe bpf_map_delete_elem(questions, key.bytes)
        }
    }

    /// A few threads and processes are looked at one by one, many in one pass over all threads.
    public static let mostSingle = 64

    /// What threads are doing now, whatever it is.
    ///
    /// - Parameters:
    ///   - keys: `struct bw_view_key` each.
    ///   - threads: the same threads by their numbers, `processes` the same processes, if they are all and the numbers
    ///     are those of this process's PID namespace: then only they are visited.
    /// - Returns: `struct bw_call` in a row. Never waits.
    public func view(
        _ keys: [[UInt8]], threads: [UInt32] = [], processes: [UInt32] = []
    ) throws(CaptureError) -> [UInt8] {
        var hasParents = false
        var hasInner = false
        for key in keys.prefix(Self.mostKeys) where key.count == MemoryLayout<bw_view_key>.size {
            var wanted: UInt32 = 1
            _ = unsafe bpf_map_update_elem(viewed, key, &wanted, UInt64(BPF_ANY))
            hasParents = hasParents || UInt32(key[0]) == BW_VIEW_PARENT.rawValue
            hasInner = hasInner || [BW_VIEW_INNER.rawValue, BW_VIEW_NAMESPACE.rawValue].contains(UInt32(key[0]))
        }
        unsafe control.pointer.pointee.wanted_parents = hasParents ? 1 : 0
        unsafe control.pointer.pointee.wanted_inner = hasInner ? 1 : 0
        defer {
            for key in keys.prefix(Self.mostKeys) where key.count == MemoryLayout<bw_view_key>.size {
                _ = unsafe bpf_map_delete_elem(viewed, key)
            }
        }
        return try withExtendedLifetime(owner) { () throws(CaptureError) in
            let singles = threads.count + processes.count
            if singles == keys.count, singles <= Self.mostSingle, let bytes = try viewSingly(threads, processes) {
                return bytes
            }
            return try readIterator(threadLink, step: "look at the holders' threads")
        }
    }
}

extension Holders {
    /// What threads left in their registers when they entered the kernel.
    ///
    /// - Parameter threads: by their numbers in the initial PID namespace, with those in this process's.
    /// - Returns: `struct bw_registers` in a row, of those that are there. Never waits.
    public func registers(of threads: [(kernel: UInt32, own: UInt32)]) throws(CaptureError) -> [UInt8] {
        let keys = threads.map { bw_view_key(kind: BW_VIEW_THREAD.rawValue, name_space: 0, number: $0.kernel) }
        for var key in keys {
            var wanted: UInt32 = 1
            _ = unsafe bpf_map_update_elem(viewed, &key, &wanted, UInt64(BPF_ANY))
        }
        defer { for var key in keys { _ = unsafe bpf_map_delete_elem(viewed, &key) } }
        return try withExtendedLifetime(owner) { () throws(CaptureError) in
            let step = "read the registers of threads"
            guard visitsSingly, threads.count <= Self.mostSingle else {
                return try readIterator(registerLink, step: step)
            }
            var bytes: [UInt8] = []
            for thread in threads {
                guard let link = IteratorLink(program: registerProgram, thread: thread.own) else {
                    return try readIterator(registerLink, step: step)
                }
                bytes += try readIterator(link.descriptor, step: step)
            }
            return bytes
        }
    }
}

/// A pass over all open files of the host. Whoever runs it may let go of the last reference to a file, and wait for
/// as long as that takes: run it where waiting does no harm.
public struct FilePass: Sendable {
    let link, program: Int32
    let processes: Set<UInt32>?

    /// - Returns: `struct bw_file`, `struct bw_lock` and `struct bw_member` in a row.
    public func run() throws(CaptureError) -> [UInt8] {
        guard let processes else { return try readIterator(link, step: "look at the open files") }
        var bytes: [UInt8] = []
        for process in processes {
            guard let link = IteratorLink(program: program, process: process) else {
                return try readIterator(self.link, step: "look at the open files")
            }
            bytes += try readIterator(link.descriptor, step: "look at the open files of process \(process)")
        }
        return bytes
    }
}

/// C function: `bpf_iter_create` and `read`
func readIterator(_ link: Int32, step: String) throws(CaptureError) -> [UInt8] {
    let iterator = bpf_iter_create(link)
    guard iterator >= 0 else {
        throw .answered(-iterator, step: step, next: "raise the limit of open files (ulimit -n)")
    }
    defer { close(iterator) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        let count = unsafe read(iterator, &chunk, chunk.count)
        if count > 0 {
            bytes += chunk[..<count]
            continue
        }
        if count == 0 { return bytes }
        // EAGAIN: a million objects passed, and the kernel wants us to breathe
        if Glibc.errno != EAGAIN && Glibc.errno != EINTR {
            throw .answered(Glibc.errno, step: step, next: "run blockwatch doctor")
        }
    }
}
