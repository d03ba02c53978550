import BlockWatchCore
import Glibc

enum Clock {
    /// C function: `clock_gettime`
    static func now() -> ClockReading {
        ClockReading(monotonic: read(CLOCK_MONOTONIC), wall: read(CLOCK_REALTIME), boot: read(CLOCK_BOOTTIME))
    }

    /// The length of a jiffy.
    static var tickNanoseconds: UInt64 {
        var resolution = timespec()
        unsafe clock_getres(CLOCK_MONOTONIC_COARSE, &resolution)
        return UInt64(max(resolution.tv_nsec, 1_000_000))
    }

    /// What all threads of this process have used, in nanoseconds.
    static func processCPU() -> UInt64 { read(CLOCK_PROCESS_CPUTIME_ID) }

    /// What the calling thread has used, in nanoseconds.
    static func threadCPU() -> UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return UInt64(max(time.tv_sec, 0)) * 1_000_000_000 + UInt64(max(time.tv_nsec, 0))
    }
}
