/// What a thread's functions say of its wait: what kind it is, and where in the program.
extension UserStack {
    static let gil = "Python's GIL"

    /// Names of C's and other runtimes' own functions that wait, without the underscores in front of them.
    private static let waits: [(words: String, functions: Set<String>)] = [
        ("a condition variable", ["pthread_cond_wait", "pthread_cond_timedwait", "pthread_cond_clockwait"]),
        ("a semaphore", ["sem_wait", "sem_timedwait", "sem_clockwait", "new_sem_wait", "new_sem_wait_slow64"]),
        (
            "a mutex",
            [
                "pthread_mutex_lock", "pthread_mutex_timedlock", "pthread_mutex_clocklock", "lll_lock_wait",
                "lll_lock_wait_private",
            ]
        ),
        (
            "a read-write lock",
            [
                "pthread_rwlock_rdlock", "pthread_rwlock_wrlock", "pthread_rwlock_timedrdlock",
                "pthread_rwlock_timedwrlock", "pthread_rwlock_clockrdlock", "pthread_rwlock_clockwrlock",
            ]
        ),
        (
            "the end of a thread",
            ["pthread_join", "pthread_clockjoin_ex", "pthread_timedjoin_np", "pthread_clockjoin_np"]
        ),
        ("a barrier", ["pthread_barrier_wait"]),
        ("another thread's pthread_once", ["pthread_once", "pthread_once_slow"]),
        ("a lock of its Python program", ["PyThread_acquire_lock_timed"]),
        (gil, ["take_gil", "PyEval_AcquireLock", "PyGILState_Ensure"]),
        ("a name to be looked up", ["getaddrinfo", "gethostbyname", "gethostbyname_r", "gethostbyname2_r"]),
    ]
    /// The same by a part of the name, for languages whose names are paths.
    private static let parts: [(words: String, part: String)] = [
        ("a condition variable", "std::condition_variable"), ("a condition variable", "Condvar>::wait"),
        ("a mutex", "Mutex>::lock_contended"), ("a mutex", "Mutex::lock_contended"),
        ("a thread to unpark it", "std::thread::park"),
        ("a Java monitor", "ObjectMonitor::"), ("a Java thread to unpark it", "Unsafe_Park"),
        ("a goroutine to run", "runtime.notesleep"), ("a goroutine to run", "runtime.stopm"),
        ("what goroutines wait for", "runtime.netpoll"),
    ]
    /// Whose own lock it is, if somebody waits for one below them.
    private static let owners: [(words: String, prefixes: [String])] = [
        (
            "malloc's own lock",
            [
                "malloc", "free", "calloc", "realloc", "int_malloc", "int_free", "arena_get", "tcache", "libc_malloc",
                "libc_free",
            ]
        ),
        (
            "the lock of a stdio stream",
            [
                "IO_", "fputs", "puts", "printf", "vfprintf", "vprintf", "fwrite", "fread", "fgets", "getc", "putc",
                "fflush",
                "fputc", "fgetc", "getline", "getdelim", "flockfile", "fclose", "perror",
            ]
        ),
        ("the dynamic loader's lock", ["dl_", "dlopen", "dlsym", "dlclose", "dlerror", "tls_get_addr"]),
    ]
    /// No program's own function is deeper.
    private static let mostRuntimeFrames = 16

    /// `a condition variable`, `malloc's own lock`; `nil` if its functions do not tell.
    public var wait: String? {
        let names = frames.prefix(Self.mostRuntimeFrames).compactMap { $0.function.map(Self.plain) }
        var found: (words: String, place: Int)?
        for (place, name) in names.enumerated() {
            let words =
                Self.waits.last { $0.functions.contains(name) }?.words
                ?? Self.parts.first { name.contains($0.part) }?.words
            // what calls another one that waits tells more
            if let words, found == nil || isRuntime(place) { found = (words, place) }
        }
        guard let found else { return nil }
        guard found.words == "a mutex" else { return found.words }
        for name in names.dropFirst(found.place + 1).prefix(6) {
            if let owner = Self.owners.first(where: { $0.prefixes.contains { name.hasPrefix($0) } }) {
                return owner.words
            }
        }
        return found.words
    }

    /// The program's own innermost function: bytes of others, not escaped.
    public var site: [UInt8]? {
        for (place, frame) in frames.enumerated() where !isRuntime(place) {
            if frame.function != nil, !frame.isInlined { return frame.function }
        }
        return nil
    }

    /// Of the C library and its like, not the program's own.
    private func isRuntime(_ place: Int) -> Bool {
        let frame = frames[place]
        if frame.isPython { return Self.isLibrary(frame) }
        guard let function = frame.function else { return true }
        if let module = frame.moduleName, Self.modules.contains(where: { module.starts(with: $0.utf8) }) { return true }
        let name = String(decoding: function, as: UTF8.self)
        // linked statically they are in the program's own file
        if place == 0 || name.hasPrefix("_") || Self.libraries.contains(where: name.hasPrefix) { return true }
        let plain = Self.plain(function)
        return Self.waits.contains { $0.functions.contains(plain) }
    }

    /// What comes with Python; what was installed besides is the program's own.
    private static func isLibrary(_ frame: UserStack.Frame) -> Bool {
        guard let file = frame.file else { return true }
        let path = String(decoding: file, as: UTF8.self)
        return path.hasPrefix("<frozen ")
            || (path.contains("/lib/python3.") && !path.contains("-packages/"))
    }

    /// In front of names of C++, Rust and Go.
    private static let libraries = [
        "std::", "core::", "<std::", "<core::",
        "runtime.", "runtime/", "syscall.", "internal/", "os.", "io.", "bufio.", "net.", "sync.", "time.",
        "crypto/tls.",
    ]

    private static let modules = [
        "libc.so", "libc-", "libpthread", "ld-linux", "ld-", "ld.so", "libstdc++", "libgcc_s", "libm.so", "librt",
        "[vdso]",
        "libc++", "libswift", "libpython", "python3", "_ctypes.", "libffi.", "libjvm", "libuv", "ld-musl", "libresolv",
    ]

    /// `___pthread_cond_wait`, `__GI___libc_read` and the like, as others call them.
    private static func plain(_ function: [UInt8]) -> String {
        var name = String(decoding: function, as: UTF8.self)[...]
        while true {
            name = name.drop { $0 == "_" }
            guard name.hasPrefix("GI_") else { break }
            name = name.dropFirst(3)
        }
        return String(name)
    }
}

extension UserStack {
    /// ` for a condition variable, in Pool::checkout`: what a sentence says of it, escaped for terminals.
    var clause: String {
        let wait = (self.wait.map { " for \($0)" } ?? "") + (holdsGIL ? " with \(Self.gil)" : "")
        guard let site else { return wait }
        let function = TerminalText.cut(TerminalText.escaped(site), to: 60, keep: .headAndTail)
        return wait + " in \(function)"
    }
}
