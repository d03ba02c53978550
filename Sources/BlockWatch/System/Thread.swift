import Glibc

/// Starts a thread that nobody waits for: it may hang in what it reads or writes, and the process ends without it.
///
/// C function: `pthread_create`
///
/// - Parameter stackBytes: of a thread that calls nothing deep.
func startDetachedThread(stackBytes: Int = 256 << 10, _ body: @escaping @Sendable () -> Void) -> Bool {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    let context = unsafe Unmanaged.passRetained(Box(body)).toOpaque()
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    unsafe pthread_attr_setstacksize(&attributes, stackBytes)
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
func startNeededThread(stackBytes: Int = 256 << 10, _ body: @escaping @Sendable () -> Void) {
    if startDetachedThread(stackBytes: stackBytes, body) { return }
    fail(.defect, "cannot start a thread: \(describe(errno: EAGAIN)); raise the limit of processes (ulimit -u)")
}
