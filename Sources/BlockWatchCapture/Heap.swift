internal import CLibbpf

/// How the heap behaves: blockwatch stays for months, and its peaks are short.
public enum Heap {
    /// Large blocks go back to the kernel as soon as they are let go of, and threads share two arenas. To be called
    /// before there are threads.
    ///
    /// C function: `mallopt`
    public static func keepSmall() {
        _ = mallopt(M_MMAP_THRESHOLD, 256 << 10)
        _ = mallopt(M_TRIM_THRESHOLD, 512 << 10)
        _ = mallopt(M_ARENA_MAX, 2)
    }

    /// What was used once and is free now.
    ///
    /// C function: `malloc_trim`
    public static func giveBack() { _ = malloc_trim(0) }
}
