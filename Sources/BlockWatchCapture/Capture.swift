internal import BlockWatchBPF
internal import CLibbpf
internal import Glibc

/// What the programs are told before they are loaded.
public struct CaptureSettings: Sendable {
    /// Calls blocked longer are reported; at least 1 ms.
    public var thresholdNanoseconds: UInt64
    /// Engine trace; false for engine scan, which puts no program on any system call.
    public var trace: Bool
    /// One byte a system call (`enum bw_class` and its flags) of the native ABI, `BW_SYSCALLS_MAX` of them.
    public var watchedNative: [UInt8]
    /// The same for 32-bit calls.
    public var watchedCompat: [UInt8]
    /// One byte a system call of the native ABI: `BW_TRAIT_SENDS`, `BW_TRAIT_POLLS`.
    public var traitsNative: [UInt8] = []
    /// The same for 32-bit calls.
    public var traitsCompat: [UInt8] = []

    /// Some calls that can block are left out of these tables.
    public var isNarrow: Bool
    /// One process is to be watched closely.
    public var processWatch: ProcessWatchSettings?
    /// Room for records: a power of two, and a multiple of the page size.
    public var ringBytes: UInt32

    public static let defaultRingBytes: UInt32 = 2 << 20

    public init(
        thresholdNanoseconds: UInt64, trace: Bool, watchedNative: [UInt8], watchedCompat: [UInt8], isNarrow: Bool,
        ringBytes: UInt32 = defaultRingBytes
    ) {
        self.ringBytes = ringBytes
        self.isNarrow = isNarrow
        self.thresholdNanoseconds = thresholdNanoseconds
        self.trace = trace
        self.watchedNative = watchedNative
        self.watchedCompat = watchedCompat
    }
}

/// What the programs counted since they were loaded, and what the last scan saw.
public struct CaptureCounters: Sendable, Equatable {
    public var lostRecords: UInt64 = 0
    public var lostClosings: UInt64 = 0
    public var lostCalls: UInt64 = 0
    public var nullStorage: UInt64 = 0
    public var missedExits: UInt64 = 0
    public var slowCalls: UInt64 = 0
    /// Returned while the probes were out, perhaps past the threshold, and never said.
    public var unseenCalls: UInt64 = 0
    /// Runs that the kernel skipped because the same program was running on that CPU already.
    public var skippedRuns: UInt64 = 0
    public var scanThreads: UInt64 = 0
    /// Candidates of the last scan that found the ring full: scan again after draining it.
    public var scanDropped: UInt64 = 0
    /// CLOCK_MONOTONIC, nanoseconds, at which the first call crosses the threshold before the horizon of the last scan;
    /// 0 for none.
    public var nextCrossingNanoseconds: UInt64 = 0

    public init() {}
}

/// The loaded and attached programs, and the ring through which they speak.
///
/// Not for use from several threads. Letting go of it detaches everything.
@safe public struct Capture: ~Copyable {
    private let links: Links
    private let ring: Ring
    private let counterMemory: SharedSection<bw_counters>
    private let controlMemory: SharedSection<bw_control>
    /// The programs on system calls; `nil` with engine scan.
    public let probes: SystemCallProbes?
    private let crossingMemory: SharedSection<bw_crossing>
    private let refreshMap: Int32
    private let scanLink: Int32
    private let scanProgram: Int32
    /// The kernel can visit single threads: ``scan(threads:)`` looks at no others.
    public let visitsSingly: Bool
    private let tracing: [Int32]
    /// `nil` unless it was asked for.
    public let processWatch: ProcessWatch?
    /// What starting took, step by step, for people.
    public let startTimes: String
    /// What the kernel's functions are called.
    public let symbolNames: SymbolNames
    /// Who holds what, and what any thread is doing.
    public let holders: Holders

    /// Loads and attaches. From here on threads are stamped.
    ///
    /// - Throws: ``CaptureError`` with the step that failed.
    public init(_ settings: CaptureSettings) throws(CaptureError) {
        try Capture.requireTypeInformation()
        var clock = StartClock()
        let object = try Capture.loaded(settings, &clock)
        let counterMemory = try SharedSection(".data.counters", of: object, as: bw_counters.self)
        let controlMemory = try SharedSection(".data.control", of: object, as: bw_control.self)
        let crossingMemory = try SharedSection(
            ".data.crossings", of: object, as: bw_crossing.self, count: Int(BW_CROSSINGS_MAX))
        let refreshMap = unsafe bpf_map__fd(try object.map("refresh"))

        let ring = try Ring(of: unsafe bpf_map__fd(try object.map("records")))

        let links = Links()
        var tracing: [Int32] = []
        var iterators: [Int32] = []
        for name in ["holders", "view", "scan", "user_registers", "symbol_names"] {
            let link = bpf_link_create(try object.descriptor(of: name), 0, BPF_TRACE_ITER, nil)
            guard link >= 0 else {
                throw .answered(-link, step: "attach the iterator \(name)", next: "needs kernel 5.8 or newer")
            }
            links.add(link)
            iterators.append(link)
        }
        for name in ["on_process_exit", "on_signal"] {
            let program = try object.descriptor(of: name)
            let link = bpf_link_create(program, 0, BPF_TRACE_RAW_TP, nil)
            guard link >= 0 else { throw .answered(-link, step: "attach \(name)", next: "run blockwatch doctor") }
            links.add(link)
            tracing.append(program)
        }
        // last, and soon before the first scan: a call that restarts between the two would seem to begin there
        let probes = settings.trace ? try SystemCallProbes(of: object, control: controlMemory) : nil
        if let probes { tracing += probes.tracing }
        let processWatch = settings.processWatch == nil ? nil : try ProcessWatch(of: object, owner: links)
        clock.mark("attaching")
        let scanProgram = try object.descriptor(of: "scan")
        let visitsSingly = IteratorLink.isSupported(program: scanProgram)
        let symbolNames = try SymbolNames(
            link: iterators[4], program: try object.descriptor(of: "symbol_names"), visitsSingly: visitsSingly,
            of: object, owner: links)
        holders = Holders(
            fileLink: iterators[0], threadLink: iterators[1], registerLink: iterators[3],
            fileProgram: try object.descriptor(of: "holders"),
            threadProgram: try object.descriptor(of: "view"),
            registerProgram: try object.descriptor(of: "user_registers"),
            questions: unsafe bpf_map__fd(try object.map("questions")),
            viewed: unsafe bpf_map__fd(try object.map("viewed")), visitsSingly: visitsSingly, control: controlMemory,
            owner: links)
        // all at once: a half-made owner cannot be thrown away
        self.processWatch = processWatch
        self.symbolNames = symbolNames
        self.counterMemory = counterMemory
        self.controlMemory = controlMemory
        self.crossingMemory = crossingMemory
        self.scanProgram = scanProgram
        self.visitsSingly = visitsSingly
        // a call takes 2 KB at the most, and the scan leaves the last quarter to exits
        mostRefreshes = min(max(Int(settings.ringBytes) / 4096, 1), Int(BW_REFRESH_MAX))
        self.refreshMap = refreshMap
        scanLink = iterators[2]
        self.ring = ring
        self.tracing = tracing
        self.probes = probes
        startTimes = clock.text
        links.object = consume object
        self.links = links
    }

    /// Becomes readable when there are records.
    ///
    /// C function: `ring_buffer__epoll_fd`
    public var descriptor: Int32 { unsafe ring_buffer__epoll_fd(ring.pointer) }

    /// Looks at every thread of the host once; what it finds comes through the ring. Never waits.
    ///
    /// - Parameters:
    ///   - horizon: CLOCK_MONOTONIC, nanoseconds, of the next scan: calls that cross before are told in ``crossings``.
    ///   - isClose: also at the registers of threads whose call has been reported already.
    ///
    /// C function: `bpf_iter_create` and `read`
    public func scan(horizon: UInt64 = 0, isClose: Bool = true) throws(CaptureError) {
        unsafe controlMemory.pointer.pointee.horizon_ns = horizon
        unsafe controlMemory.pointer.pointee.look_closely = isClose ? 1 : 0
        try run(scanLink)
    }

    /// Has every thread that sleeps noted as such, before the probes are taken out: the first scan after that finds out who
    /// has slept through.
    public func noteSleepers() throws(CaptureError) {
        unsafe controlMemory.pointer.pointee.only_note = 1
        defer { unsafe controlMemory.pointer.pointee.only_note = 0 }
        try run(scanLink)
    }

    /// Looks at some threads only. What finds no room in the ring is seen by the next scan of all.
    ///
    /// C function: `bpf_link_create`
    public func scan(threads: [UInt32]) throws(CaptureError) {
        unsafe controlMemory.pointer.pointee.horizon_ns = 0
        unsafe controlMemory.pointer.pointee.look_closely = 0
        for thread in threads {
            guard let link = IteratorLink(program: scanProgram, thread: thread) else {
                throw .answered(Glibc.errno, step: "look at thread \(thread)", next: "the next scan sees it")
            }
            try run(link.descriptor)
        }
    }

    /// The calls that will cross the threshold before the next scan, as the last one saw them.
    ///
    /// - Returns: `nil` if they cannot be looked at one by one: they are too many, or the kernel cannot.
    public var crossings: [(at: UInt64, thread: UInt32)]? {
        let count = unsafe counterMemory.pointer.pointee.scan_crossings
        guard visitsSingly, count <= UInt64(BW_CROSSINGS_MAX) else { return nil }
        return (0..<Int(count)).map { index in
            let crossing = unsafe crossingMemory.pointer[index]
            return (crossing.at_ns, crossing.tid)
        }
    }

    private func run(_ link: Int32) throws(CaptureError) {
        let iterator = bpf_iter_create(link)
        guard iterator >= 0 else {
            throw .answered(-iterator, step: "start a scan", next: "raise the limit of open files (ulimit -n)")
        }
        defer { close(iterator) }
        var byte: UInt8 = 0
        while true {
            let count = unsafe read(iterator, &byte, 1)
            if count == 0 { return }
            // EAGAIN: a million objects passed, and the kernel wants us to breathe
            if count < 0 && Glibc.errno != EAGAIN && Glibc.errno != EINTR {
                throw .answered(Glibc.errno, step: "scan the threads", next: "run blockwatch doctor")
            }
        }
    }

    /// Takes everything out of the ring and hands over each record's bytes.
    ///
    /// C function: `ring_buffer__consume`
    public func consume(_ body: (Span<UInt8>) -> Void) {
        repeat {
            ring.inbox.clear()
            _ = unsafe ring_buffer__consume(ring.pointer)
            ring.inbox.forEach(body)
        } while !ring.inbox.isEmpty
    }

    /// As many calls as one scan can say again with room left for others.
    public let mostRefreshes: Int

    /// Asks the next scan to say these calls again; what the ring has no room for then, the one after it says.
    ///
    /// - Parameter calls: ids of reported calls, ``mostRefreshes`` at most.
    public func requestRefresh(of calls: some Sequence<UInt64>) {
        unsafe controlMemory.pointer.pointee.refresh_some = 1
        for var id in calls {
            var wanted: UInt32 = 1
            _ = unsafe bpf_map_update_elem(refreshMap, &id, &wanted, UInt64(BPF_ANY))
        }
    }

    /// Withdraws what ``requestRefresh(of:)`` asked for: these calls are over.
    public func endRefresh(of calls: some Sequence<UInt64>) {
        unsafe controlMemory.pointer.pointee.refresh_some = 0
        for var id in calls { _ = unsafe bpf_map_delete_elem(refreshMap, &id) }
    }

    /// The programs' counters now.
    public var counters: CaptureCounters {
        let raw = unsafe counterMemory.pointer.pointee
        var counters = CaptureCounters()
        counters.lostRecords = raw.lost_records
        counters.lostClosings = raw.lost_closings
        counters.lostCalls = raw.lost_calls
        counters.nullStorage = raw.null_storage
        counters.missedExits = raw.missed_exits
        counters.slowCalls = raw.slow_calls
        counters.unseenCalls = raw.unseen_calls
        counters.skippedRuns = skippedRuns()
        counters.scanThreads = raw.scan_threads
        counters.scanDropped = raw.scan_dropped
        counters.nextCrossingNanoseconds = raw.scan_next_ns
        return counters
    }

    /// C function: `bpf_obj_get_info_by_fd`
    private func skippedRuns() -> UInt64 {
        var sum: UInt64 = 0
        for program in tracing {
            var info = bpf_prog_info()
            var size = UInt32(MemoryLayout<bpf_prog_info>.size)
            if unsafe bpf_obj_get_info_by_fd(program, &info, &size) == 0 { sum += info.recursion_misses }
        }
        return sum
    }

    // MARK: - loading

    /// With the few types that are needed, and where the kernel does not take that, once more with all of them.
    private static func loaded(
        _ settings: CaptureSettings, _ clock: inout StartClock
    ) throws(CaptureError) -> EmbeddedObject {
        var types = EmbeddedObject.Types.needed
        while true {
            var object = try EmbeddedObject(types: types)
            clock.mark("types")
            let values = unsafe try object.section(".rodata.settings", as: bw_settings.self)
            unsafe fill(&values.pointee, from: settings)
            for name in SystemCallProbes.programs {
                unsafe bpf_program__set_autoload(try object.program(name), settings.trace)
            }
            if let watch = settings.processWatch { try ProcessWatch.include(in: object, watch) }
            unsafe bpf_map__set_max_entries(try object.map("records"), settings.ringBytes)
            unsafe bpf_map__set_max_entries(try object.map("homes"), UInt32(1) << homesBits(settings))
            do throws(ProgramLoader.Failure) {
                try object.load()
                clock.mark("relocations and verification")
                return object
            } catch {
                if object.hasWholeTypes || error.errno == EPERM || error.errno == EACCES {
                    throw explainLoadFailure(errno: error.errno)
                }
                types = .whole
            }
        }
    }

    private static func requireTypeInformation() throws(CaptureError) {
        guard unsafe access("/sys/kernel/btf/vmlinux", R_OK) == 0 else {
            throw CaptureError(
                .missingFeature, step: "read the kernel's type information /sys/kernel/btf/vmlinux", errno: Glibc.errno,
                next: "needs a kernel with CONFIG_DEBUG_INFO_BTF and a mounted /sys")
        }
    }

    static func fill(_ values: inout bw_settings, from settings: CaptureSettings) {
        let tick = tickNanoseconds()
        // a tick is too coarse below 100 ms; from there on jiffies cost half of what the clock costs
        let precise = settings.thresholdNanoseconds < 100_000_000
        values.threshold_ns = settings.thresholdNanoseconds
        values.tick_ns = tick
        values.precise = precise ? 1 : 0
        values.trace = settings.trace ? 1 : 0
        values.narrow = settings.isNarrow ? 1 : 0
        if precise {
            values.sure_age = settings.thresholdNanoseconds
            values.near_age = settings.thresholdNanoseconds / 4 * 3
        } else {
            // a stamp may be up to one tick older than the call: one more makes it sure
            values.sure_age = settings.thresholdNanoseconds / tick + (settings.thresholdNanoseconds % tick > 0 ? 2 : 1)
            values.near_age = values.sure_age - min(values.sure_age / 4, 8)
        }
        let grace = max(settings.thresholdNanoseconds / 10, 250_000_000) / (precise ? 1 : tick)
        values.late_age = values.sure_age.addingReportingOverflow(grace).overflow ? .max : values.sure_age + grace
        values.short_age = precise ? UInt32(min(values.near_age, 1_000_000)) : 1
        values.homes_shift = 32 - homesBits(settings)
        fill(
            &values.calls, watched: [settings.watchedNative, settings.watchedCompat],
            traits: [settings.traitsNative, settings.traitsCompat])
    }

    /// Binary logarithm of how many threads have their state where entry and exit find it fastest: 2.5 MB for 4,096. Without
    /// probes there are no entries.
    private static func homesBits(_ settings: CaptureSettings) -> UInt32 { settings.trace ? 12 : 1 }

    /// A row of `struct bw_call_class` for each number, from columns by ABI.
    private static func fill<Table>(_ table: inout Table, watched: [[UInt8]], traits: [[UInt8]]) {
        unsafe withUnsafeMutableBytes(of: &table) { table in
            let columns = watched + traits
            for (column, bytes) in columns.enumerated() {
                for (number, byte) in bytes.prefix(table.count / columns.count).enumerated() {
                    unsafe table[number * columns.count + column] = byte
                }
            }
        }
    }

    /// Length of a jiffy.
    ///
    /// C function: `clock_getres(CLOCK_MONOTONIC_COARSE)`
    static func tickNanoseconds() -> UInt64 {
        var resolution = timespec()
        guard unsafe clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) == 0, resolution.tv_nsec > 0 else {
            return 4_000_000
        }
        return UInt64(resolution.tv_sec) * 1_000_000_000 + UInt64(resolution.tv_nsec)
    }

    /// Loading failed as a whole: find out which piece the kernel does not have.
    private static func explainLoadFailure(errno: Int32) -> CaptureError {
        if errno == EPERM || errno == EACCES { return .answered(errno, step: "load the BPF programs", next: "") }
        for probe in KernelProbe.all {
            if case .missing(let answer) = probe.run() {
                return CaptureError(
                    .missingFeature, step: "load the BPF programs: this kernel has no \(probe.name)", errno: answer,
                    next: probe.remedy)
            }
        }
        return CaptureError(
            .missingFeature, step: "load the BPF programs", errno: errno,
            next: "blockwatch needs kernel 5.15 or newer with BTF, run blockwatch doctor")
    }
}

/// Owns the user side of the ring buffer.
@safe final class Ring {
    let inbox = Inbox()
    let pointer: OpaquePointer

    /// C function: `ring_buffer__new`
    init(of map: Int32) throws(CaptureError) {
        let context = unsafe Unmanaged.passUnretained(inbox).toOpaque()
        guard let ring = unsafe ring_buffer__new(map, Inbox.receive, context, nil) else {
            throw .answered(errno, step: "map the ring buffer", next: "needs kernel 5.8 or newer")
        }
        unsafe pointer = ring
    }

    deinit { unsafe ring_buffer__free(pointer) }
}

/// Owns the object and the links of its attached programs.
final class Links {
    var object: EmbeddedObject?
    private var all: [Int32] = []
    func add(_ link: Int32) { all.append(link) }
    deinit { for link in all.reversed() { close(link) } }
}

/// Where the ring's callback puts records: bytes are copied before the kernel may use their room again.
final class Inbox {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []

    var isEmpty: Bool { ends.isEmpty }

    func clear() {
        bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 20)
        ends.removeAll(keepingCapacity: true)
    }

    func forEach(_ body: (Span<UInt8>) -> Void) {
        var start = 0
        for end in ends {
            body(bytes.span.extracting(start..<end))
            start = end
        }
    }

    static let receive: ring_buffer_sample_fn = { context, data, size in
        guard let context = unsafe context, let data = unsafe data else { return 0 }
        let inbox = unsafe Unmanaged<Inbox>.fromOpaque(context).takeUnretainedValue()
        unsafe inbox.bytes.append(contentsOf: UnsafeRawBufferPointer(start: data, count: size))
        inbox.ends.append(inbox.bytes.count)
        return 0
    }
}
