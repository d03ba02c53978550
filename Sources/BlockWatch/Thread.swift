import Glibc

/// Starts a thread that nobody waits for: it may hang in what it reads or writes, and the process ends without it.
///
/// C function: `pthread_create`
func startDetachedThread(_ body: @escaping @Sendable () -> Void) -> Bool {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    let context = unsafe Unmanaged.passRetained(Box(body)).toOpaque()
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    unsafe pthread_attr_setstacksize(&attributes, 256 << 10)
    var thread = pthread_t()
    let failure = unsafe pthread_create(
        &thread, &attributes,
        { context in
            unsafe Unmanaged<Box>.fromOpaque(context!).takeRetainedValue().body()
            return nil
        }, context)
    if failure != 0 { unsafe Unmanaged<Box>.fromOpaque(context).release() }
    return failure == 0
}

/// Starts a thread that blockwatch cannot do without, or ends.
func startNeededThread(_ body: @escaping @Sendable () -> Void) {
    if startDetachedThread(body) { return }
    fail(.defect, "cannot start a thread: \(describe(errno: EAGAIN)); raise the limit of processes (ulimit -u)")
}

/// A bell that threads ring and others wait for.
///
/// C function: `pipe`, never full: a bell that rings already need not ring louder
struct Bell: ~Copyable, Sendable {
    /// Readable while it rings.
    let descriptor: Int32
    private let ringing: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { fail(.defect, "cannot open a pipe: \(describe(errno: errno))") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        descriptor = ends[0]
        ringing = ends[1]
    }

    deinit {
        close(descriptor)
        close(ringing)
    }

    /// Wakes up to so many waiters.
    func ring(times: Int = 1) {
        let bytes = [UInt8](repeating: 1, count: max(times, 1))
        _ = unsafe write(ringing, bytes, bytes.count)
    }

    /// Waits for one ring and takes it.
    func take() {
        var byte: UInt8 = 0
        while unsafe read(descriptor, &byte, 1) < 0, errno == EINTR {}
    }

    /// Takes all rings there are.
    ///
    /// - Returns: false if there was none in time.
    func take(withinMilliseconds timeout: Int32) -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&request, 1, timeout) > 0 else { return false }
        var bytes = [UInt8](repeating: 0, count: 512)
        _ = unsafe read(descriptor, &bytes, bytes.count)
        return true
    }
}

#if UNCONFINED
    /// Instead of the toolchain's: that one calls futex from code which the thread sanitizer does not see, and every
    /// access under it would look like a race.
    ///
    /// C functions: `pthread_mutex_lock`, `pthread_mutex_unlock`
    final class Mutex<Value>: @unchecked Sendable {
        private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private var value: Value

        init(_ value: sending Value) {
            self.value = value
            unsafe lock.initialize(to: pthread_mutex_t())
            unsafe pthread_mutex_init(lock, nil)
        }

        deinit {
            unsafe pthread_mutex_destroy(lock)
            unsafe lock.deallocate()
        }

        func withLock<Result, Failure: Error>(
            _ body: (inout Value) throws(Failure) -> Result
        ) throws(Failure) -> Result {
            unsafe pthread_mutex_lock(lock)
            defer { unsafe pthread_mutex_unlock(lock) }
            return try body(&value)
        }
    }
#endif
