import Glibc

/// A bell that threads ring and others wait for.
///
/// C function: `pipe`, never full: a bell that rings already need not ring louder
struct Bell: ~Copyable, Sendable {
    /// Readable while it rings.
    let descriptor: Int32
    private let ringing: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else {
            fail(.defect, "cannot open a pipe: \(describe(errno: errno)); raise the limit of files (ulimit -n)")
        }
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
