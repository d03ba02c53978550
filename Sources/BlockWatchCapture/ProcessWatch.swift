internal import BlockWatchBPF
internal import CLibbpf
internal import Glibc

/// Whom to watch call by call, and what to read of their calls' arguments.
public struct ProcessWatchSettings: Sendable {
    /// Processes that come to have this name are watched too: 15 bytes of it count. Empty for none.
    public var name: [UInt8]
    /// One byte a system call of the native ABI: `enum bw_argument` << 4 | argument.
    public var argumentsNative: [UInt8]
    /// The same for 32-bit calls.
    public var argumentsCompat: [UInt8]

    public init(name: [UInt8], argumentsNative: [UInt8], argumentsCompat: [UInt8]) {
        self.name = name
        self.argumentsNative = argumentsNative
        self.argumentsCompat = argumentsCompat
    }
}

/// What was not seen, counted since the watch began.
public struct ProcessWatchLosses: Sendable, Equatable {
    /// Calls that are in the sums, and missing where calls are told one by one.
    public var calls: UInt64 = 0
    /// Processes that came or went.
    public var lives: UInt64 = 0
    public var samples: UInt64 = 0
    /// Calls that are nowhere.
    public var sums: UInt64 = 0
    /// Calls that are summed up without what they were on.
    public var lumped: UInt64 = 0

    public init() {}
}

/// The programs that watch a few processes call by call, and the ring and the sums that they write.
///
/// Not for use from several threads.
@safe public final class ProcessWatch {
    static let programs = ["watch_enter", "watch_exit", "watch_fork", "watch_name", "watch_end"]
    private static let sampler = "watch_sample"
    static let maps = [
        "watched", "watch_totals", "watched_threads", "watch_records", "watch_scratch", ".rodata.watch", ".data.watch",
        ".data.watch_control", ".data.watch_born",
    ]
    /// How often a processor is looked at, a second: beside a hundred that programs' own timers like.
    public static let samplesPerSecond: UInt64 = 99

    private let ring: Ring
    private let watched, totals: Int32
    private let counters: SharedSection<bw_watch_counters>
    private let control: SharedSection<bw_watch_control>
    /// Of the programs, without which nobody is watched.
    private var links: [Int32]
    private var timers: [OpaquePointer]
    /// Keeps the descriptors open.
    private let owner: Links
    /// Why nobody looks where a thread runs: the kernel's answer; 0 where somebody does.
    public let samplingErrno: Int32

    /// Has the programs and their maps loaded with the others.
    ///
    /// C functions: `bpf_program__set_autoload`, `bpf_map__set_autocreate`
    static func include(
        in object: borrowing EmbeddedObject, _ settings: ProcessWatchSettings
    ) throws(CaptureError) {
        for name in programs + [sampler] { unsafe bpf_program__set_autoload(try object.program(name), true) }
        for name in maps { _ = unsafe bpf_map__set_autocreate(try object.map(name), true) }
        let values = unsafe try object.section(".rodata.watch", as: bw_watch_settings.self)
        unsafe withUnsafeMutableBytes(of: &values.pointee.name) { target in
            for (index, byte) in settings.name.prefix(target.count - 1).enumerated() { unsafe target[index] = byte }
        }
        unsafe withUnsafeMutableBytes(of: &values.pointee.arguments) { target in
            let half = target.count / 2
            for (index, byte) in settings.argumentsNative.prefix(half).enumerated() { unsafe target[index] = byte }
            for (index, byte) in settings.argumentsCompat.prefix(half).enumerated() {
                unsafe target[half + index] = byte
            }
        }
    }

    /// Attaches. Nobody is watched before ``start()``.
    init(of object: borrowing EmbeddedObject, owner: Links) throws(CaptureError) {
        watched = unsafe bpf_map__fd(try object.map("watched"))
        totals = unsafe bpf_map__fd(try object.map("watch_totals"))
        counters = try SharedSection(".data.watch", of: object, as: bw_watch_counters.self)
        control = try SharedSection(".data.watch_control", of: object, as: bw_watch_control.self)
        ring = try Ring(of: unsafe bpf_map__fd(try object.map("watch_records")))
        self.owner = owner
        unsafe control.pointer.pointee.is_over = 1
        var links: [Int32] = []
        // the exit first: a call whose beginning was noted must find it
        for name in ["watch_exit"] + Self.programs.filter({ $0 != "watch_exit" }) {
            let link = bpf_link_create(try object.descriptor(of: name), 0, BPF_TRACE_RAW_TP, nil)
            guard link >= 0 else {
                for link in links { close(link) }
                throw .answered(-link, step: "attach \(name)", next: "run blockwatch doctor")
            }
            links.append(link)
        }
        var timers: [OpaquePointer] = unsafe []
        samplingErrno = unsafe Self.startTimers(try object.program(Self.sampler), &timers)
        self.links = links
        unsafe self.timers = timers
    }

    deinit { end() }

    /// One timer a processor; one that is not there has none.
    ///
    /// - Returns: an errno, if there is not a single one.
    ///
    /// C functions: `perf_event_open`, `bpf_program__attach_perf_event`
    private static func startTimers(_ program: OpaquePointer, _ links: inout [OpaquePointer]) -> Int32 {
        var answer: Int32 = 0
        var count = 0
        for processor in 0..<Int32(clamping: sysconf(Int32(_SC_NPROCESSORS_CONF))) {
            let timer = linux_open_processor_timer(processor, samplesPerSecond)
            guard timer >= 0 else {
                if Glibc.errno != ENODEV { answer = Glibc.errno }
                continue
            }
            guard let link = unsafe bpf_program__attach_perf_event(program, timer) else {
                answer = Glibc.errno
                close(timer)
                continue
            }
            unsafe links.append(link)
            count += 1
        }
        return count > 0 ? 0 : answer
    }

    /// Watches a process that is there already.
    ///
    /// - Parameters:
    ///   - process: its id as the kernel has it, that of the initial PID namespace.
    ///   - shown: its id in the PID namespace of whoever watches.
    ///
    /// C function: `bpf_map_update_elem`
    public func add(process: UInt32, shown: UInt32) {
        var key = process
        var value = bw_watched(who: 0, flags: UInt32(BW_WATCHED_NAMED), tgid: shown)
        _ = unsafe bpf_map_update_elem(watched, &key, &value, UInt64(BPF_ANY))
    }

    public func start() {
        renewBudgets()
        unsafe control.pointer.pointee.is_over = 0
    }

    /// Gives each thread another run of calls that are told one by one.
    public func renewBudgets() { unsafe control.pointer.pointee.turn &+= 1 }

    /// From here on nobody is watched; what there is stays to be read.
    public func end() {
        unsafe control.pointer.pointee.is_over = 1
        while let timer = unsafe timers.popLast() { unsafe bpf_link__destroy(timer) }
        while let link = links.popLast() { close(link) }
    }

    /// Takes everything out of the ring and hands over each record's bytes. Never waits.
    public func consume(_ body: (Span<UInt8>) -> Void) {
        ring.inbox.clear()
        _ = unsafe ring_buffer__consume(ring.pointer)
        ring.inbox.forEach(body)
    }

    /// All rows: `struct bw_total_key` and `struct bw_total` one behind the other.
    ///
    /// C functions: `bpf_map_get_next_key`, `bpf_map_lookup_elem`
    public func sums() -> [UInt8] {
        var bytes: [UInt8] = []
        var key = bw_total_key()
        var next = bw_total_key()
        var value = bw_total()
        var isFirst = true
        // as many as there can be: a map that changes meanwhile may begin anew
        for _ in 0..<Int(BW_TOTALS_MAX) {
            let answer =
                isFirst
                ? unsafe bpf_map_get_next_key(totals, nil, &next) : unsafe bpf_map_get_next_key(totals, &key, &next)
            guard answer == 0 else { break }
            isFirst = false
            key = next
            guard unsafe bpf_map_lookup_elem(totals, &key, &value) == 0 else { continue }
            unsafe withUnsafeBytes(of: key) { unsafe bytes.append(contentsOf: $0) }
            unsafe withUnsafeBytes(of: value) { unsafe bytes.append(contentsOf: $0) }
        }
        return bytes
    }

    public var losses: ProcessWatchLosses {
        let raw = unsafe counters.pointer.pointee
        var losses = ProcessWatchLosses()
        losses.calls = raw.lost_calls
        losses.lives = raw.lost_lives
        losses.samples = raw.lost_samples
        losses.sums = raw.lost_sums + raw.null_storage
        losses.lumped = raw.lumped
        return losses
    }
}
