internal import BlockWatchBPF
internal import CLibbpf
internal import Glibc

/// The programs on sys_enter and sys_exit: in, out, or out and counted.
///
/// Owns their links.
@safe public final class SystemCallProbes {
    private enum State {
        case out
        case counting(Link)
        case traced(entry: Link, exit: Link)
    }

    /// A program on its tracepoint; letting go of it detaches it.
    private final class Link {
        let descriptor: Int32

        /// C function: `bpf_link_create`, with `BPF_TRACE_RAW_TP`
        init(_ program: Int32, _ name: String) throws(CaptureError) {
            let link = bpf_link_create(program, 0, BPF_TRACE_RAW_TP, nil)
            guard link >= 0 else { throw .answered(-link, step: "attach \(name)", next: "run blockwatch doctor") }
            descriptor = link
        }

        deinit { close(descriptor) }
    }

    static let programs = ["on_sys_enter", "on_sys_exit", "count_calls"]

    private var state = State.out
    private let entry, exit, counter: Int32
    private let control: SharedSection<bw_control>
    private let tallies: SharedSection<bw_tally>

    /// What both programs together add to a system call that can block and does not, nanoseconds: measured once, at the
    /// start, by this thread's own calls in a loop, times ``loopFactor``.
    public let callNanoseconds: Double

    var tracing: [Int32] { [entry, exit] }

    /// Measures the price and puts them in.
    init(of object: borrowing EmbeddedObject, control: SharedSection<bw_control>) throws(CaptureError) {
        entry = try object.descriptor(of: "on_sys_enter")
        exit = try object.descriptor(of: "on_sys_exit")
        counter = try object.descriptor(of: "count_calls")
        self.control = control
        tallies = try SharedSection(".data.tallies", of: object, as: bw_tally.self, count: Int(BW_PROCESSORS_MAX))
        let bare = CallTimer.fastest()
        let links = try SystemCallProbes.attach(entry: entry, exit: exit)
        let added = (CallTimer.fastest() - bare) * SystemCallProbes.loopFactor
        callNanoseconds = max(added, SystemCallProbes.leastPrice)
        state = .traced(entry: links.entry, exit: links.exit)
    }

    /// Servers use caches and branch predictors for themselves: a call costs them so many times what it costs in a loop
    /// (docs/max-overhead.md).
    private static let loopFactor = 1.5
    /// Nothing measured cheaper: it is the noise of a busy host, or another tracer has paid for the tracepoints.
    private static let leastPrice = 20.0

    /// Exit first: a call stamped by entry must find its exit attached.
    private static func attach(entry: Int32, exit: Int32) throws(CaptureError) -> (entry: Link, exit: Link) {
        let exit = try Link(exit, "on_sys_exit")
        return (try Link(entry, "on_sys_enter"), exit)
    }

    /// From here on calls are seen to begin and to end. A scan must follow soon: until it has come by a thread, what that
    /// returns from is told without result.
    public func putIn() throws(CaptureError) {
        if case .traced = state { return }
        // a counter that were left beside them would count every call twice
        state = .out
        let links = try SystemCallProbes.attach(entry: entry, exit: exit)
        state = .traced(entry: links.entry, exit: links.exit)
        unsafe control.pointer.pointee.untraced = 0
    }

    /// From here on calls are seen by scans only. ``Capture/noteSleepers()`` must come before, and a scan after.
    public func takeOut() {
        state = .out
        unsafe control.pointer.pointee.untraced = 1
    }

    /// Counts calls with the cheapest program there is, while the others are out.
    public func beginCounting() throws(CaptureError) {
        if case .out = state { state = .counting(try Link(counter, "count_calls")) }
    }

    public func endCounting() { if case .counting = state { state = .out } }

    /// All system calls of the host that any of these programs has seen to begin.
    public var calls: UInt64 {
        (0..<Int(BW_PROCESSORS_MAX)).reduce(0) { sum, index in
            sum &+ (unsafe UnsafePointer<UInt64>(OpaquePointer(tallies.pointer + index)).pointee)
        }
    }
}

/// Times this thread's own system calls.
enum CallTimer {
    /// Short, so that one falls into a moment at which nobody else has the other half of the core.
    private static let calls = 100
    private static let leastNanoseconds: UInt64 = 2_000_000
    private static let mostNanoseconds: UInt64 = 12_000_000
    /// So many chunks as fast as the fastest, within so much: that was no moment's luck.
    private static let agreeing = 24
    private static let agreement = 1.01

    /// Nanoseconds of one call in the fastest of some chunks: a byte of /dev/zero, which can block and never does. On a quiet
    /// host it is known after 2 ms, on a busy one it takes 12.
    ///
    /// C functions: `read`, `clock_gettime`
    static func fastest() -> Double {
        let zero = unsafe open("/dev/zero", O_RDONLY | O_CLOEXEC)
        // without it they fail at once, as calls that are watched all the same
        defer { if zero >= 0 { close(zero) } }
        var byte: UInt8 = 0
        var fastest = Double.infinity
        var agreed = 0
        let begin = now()
        var start = begin
        while start - begin < mostNanoseconds, start - begin < leastNanoseconds || agreed < agreeing {
            for _ in 0..<calls { _ = unsafe read(zero, &byte, 1) }
            let next = now()
            let taken = Double(next - start) / Double(calls)
            if taken * agreement < fastest { agreed = 0 }
            if taken <= fastest * agreement { agreed += 1 }
            fastest = min(fastest, taken)
            start = next
        }
        return fastest
    }

    static func now() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
