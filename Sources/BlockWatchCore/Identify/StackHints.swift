/// What the functions on a kernel stack tell of a wait.
struct StackHints: OptionSet {
    var rawValue: UInt8
    /// Copying from or to the program's memory, which does not come.
    static let pageFault = StackHints(rawValue: 1)
    static let fifoOpen = StackHints(rawValue: 2)
    static let seccomp = StackHints(rawValue: 4)
    /// The thread wakes up by itself again and again until something has room.
    static let ownClock = StackHints(rawValue: 8)
    /// The answer of a FUSE server.
    static let fuseRequest = StackHints(rawValue: 16)
    /// The end of a PID namespace whose last processes are not gone.
    static let lastOfNamespace = StackHints(rawValue: 32)
    /// A memory cgroup that is full, with nobody to be killed for it.
    static let memoryCgroup = StackHints(rawValue: 64)

    private static let ownClocks: Set<String> = [
        "balance_dirty_pages", "balance_dirty_pages_ratelimited_flags", "reclaim_throttle", "congestion_wait",
        "throttle_direct_reclaim",
    ]
    /// Compilers take some of them into each other.
    private static let fuseRequests: Set<String> = [
        "request_wait_answer", "fuse_simple_request", "__fuse_simple_request", "fuse_request_send",
        "__fuse_request_send",
    ]

    init(rawValue: UInt8) { self.rawValue = rawValue }
    init(function name: String) {
        self = []
        // behind a point stands what a compiler has made of it
        let plain = String(name.prefix { $0 != "." })
        if name.hasSuffix("exc_page_fault") || name == "handle_userfault" || name == "do_mem_abort" {
            insert(.pageFault)
        }
        if name == "fifo_open" || name == "wait_for_partner" { insert(.fifoOpen) }
        if Self.ownClocks.contains(plain) { insert(.ownClock) }
        if Self.fuseRequests.contains(plain) { insert(.fuseRequest) }
        if plain == "zap_pid_ns_processes" { insert(.lastOfNamespace) }
        if plain == "mem_cgroup_oom_synchronize" { insert(.memoryCgroup) }
        if name.hasPrefix("seccomp_do_user_notification") || name == "__seccomp_filter" { insert(.seccomp) }
    }
}

/// Names kernel stacks. Threads wait in a few places of the kernel: each address is looked up once.
struct StackReader {
    private struct Frame {
        /// `nil`: nobody knows.
        var name: String?
        var hints: StackHints

        init(_ name: String?) {
            self.name = name
            hints = name.map { StackHints(function: $0) } ?? []
        }
    }
    private static let mostFrames = 8192

    private let source: KernelNames
    private var frames: [UInt64: Frame] = [:]

    init(_ source: @escaping KernelNames) { self.source = source }

    mutating func hints(of record: CallRecord) -> StackHints {
        learn(record)
        var hints: StackHints = []
        for index in 0..<record.stackDepth { hints.formUnion(frames[record.stackFrame(index)]?.hints ?? []) }
        return hints
    }

    /// - Returns: the functions, innermost first; `nil` if there is a stack and nobody knows any function of it.
    mutating func names(of record: CallRecord) -> [String]? {
        learn(record)
        let names = record.stack.map { frames[$0]?.name }
        return !names.isEmpty && names.allSatisfy { $0 == nil } ? nil : names.map { $0 ?? "[unknown]" }
    }

    /// All that are new at once.
    private mutating func learn(_ record: CallRecord) {
        // of a thousand threads in the same place only the first gets beyond this
        guard (0..<record.stackDepth).contains(where: { frames[record.stackFrame($0)] == nil }) else { return }
        if frames.count >= Self.mostFrames { frames.removeAll(keepingCapacity: true) }
        let unknown = Set(record.stack).filter { frames[$0] == nil }.sorted()
        guard let names = source(unknown) else { return }
        for address in unknown { frames[address] = Frame(names[address]) }
    }
}
