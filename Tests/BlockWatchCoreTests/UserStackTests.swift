import Testing

@testable import BlockWatchCore

/// What a worker answers is as hostile as what it read; what people and lines are told of it is not.
@Suite struct `Stacks of programs` {
    private func number(_ value: UInt64, _ size: Int) -> [UInt8] { (0..<size).map { UInt8(value >> (8 * $0) & 255) } }

    private func frame(
        _ function: String, module: String = "/usr/lib/libc.so.6", file: String = "", line: UInt64 = 0,
        flags: UInt64 = 0,
        offset: UInt64 = 0x123
    ) -> [UInt8] {
        number(offset, 8) + number(flags, 4) + number(line, 4) + number(UInt64(function.utf8.count), 2)
            + number(UInt64(module.utf8.count), 2) + number(UInt64(file.utf8.count), 2) + number(0, 2)
            + function.utf8 + module.utf8 + file.utf8
    }

    private func thread(_ frames: [[UInt8]], flags: UInt64 = 0, count: Int? = nil, errno: UInt64 = 0) -> [UInt8] {
        number(4711, 4) + number(UInt64(count ?? frames.count), 4) + number(flags, 4) + number(errno, 4) + number(0, 8)
            + frames.flatMap(\.self)
    }

    private func stack(_ frames: [[UInt8]]) throws -> UserStack {
        var bytes = thread(frames)[...]
        return try UserStack.thread(from: &bytes).stack
    }

    private func function(_ name: String, _ module: String = "/usr/lib/libc.so.6", flags: UInt64 = 0) -> [UInt8] {
        frame(name, module: module, flags: flags)
    }

    @Test func `frames come with functions, files and lines, innermost first`() throws {
        let frames = [
            frame("read"), frame("Pool::checkout", module: "/bin/worker", file: "/src/pool.cc", line: 41, flags: 1),
            frame("", module: "/lib/x.so (deleted)", offset: 0xabc),
        ]
        var bytes = (thread(frames, flags: 1) + thread([frame("other")]))[...]
        let (tid, stack, errno) = try UserStack.thread(from: &bytes)
        #expect(tid == 4711 && errno == 0 && stack.isCut && !stack.isLost)
        #expect(
            stack.frames.map { String(decoding: $0.name, as: UTF8.self) } == ["read", "Pool::checkout", "x.so+0xabc"])
        #expect(
            stack.frames[1].line == 41 && stack.frames[1].isInlined
                && stack.frames[1].file == Array("/src/pool.cc".utf8))
        #expect(try UserStack.thread(from: &bytes).stack.frames.count == 1)
        #expect(bytes.isEmpty)
    }

    @Test func `an answer that ends anywhere is refused and does not trap`() {
        let whole = thread([frame("read"), frame("main", file: "/src/a.c", line: 3)])
        for end in 0..<whole.count {
            var bytes = whole[..<end]
            #expect(throws: DecodeError.self) { try UserStack.thread(from: &bytes) }
        }
    }

    @Test func `numbers that are too large are bounded`() throws {
        var bytes = thread([frame("read")], count: Int(UInt32.max))[...]
        #expect(throws: DecodeError.self) { try UserStack.thread(from: &bytes) }
        var many = thread(Array(repeating: frame("deep"), count: 500))[...]
        let stack = try UserStack.thread(from: &many).stack
        #expect(stack.frames.count == 64 && stack.isCut && many.isEmpty)
    }

    @Test(arguments: [
        (["__futex_abstimed_wait_common64", "___pthread_cond_wait", "Pool::checkout"], "a condition variable"),
        (["__GI___lll_lock_wait_private", "__libc_malloc", "parse"], "malloc's own lock"),
        (["__lll_lock_wait", "___pthread_mutex_lock", "take"], "a mutex"),
        (["__lll_lock_wait_private", "_IO_puts", "say"], "the lock of a stdio stream"),
        (["__futex_abstimed_wait_common64", "__pthread_clockjoin_ex", "main"], "the end of a thread"),
        (["__poll", "send_dg", "__getaddrinfo", "connect_db"], "a name to be looked up"),
        (["pthread_cond_timedwait", "take_gil", "PyEval_RestoreThread"], "Python's GIL"),
    ])
    func `a wait is told by the function that waits`(names: [String], wait: String) throws {
        #expect(try stack(names.map { function($0) }).wait == wait)
    }

    @Test func `where in the program is its own innermost function`() throws {
        let frames = [
            function("__futex_abstimed_wait_common64"), function("pthread_cond_wait"),
            function("std::condition_variable::wait", "/usr/lib/libstdc++.so.6"),
            function("through", "/bin/worker", flags: 1), function("Pool::checkout", "/bin/worker"),
            function("main", "/bin/worker"),
        ]
        #expect(try stack(frames).site == Array("Pool::checkout".utf8))
        #expect(try stack(frames).clause == " for a condition variable in Pool::checkout")
        let isStatic = try stack(["__poll", "poll", "serve", "main"].map { function($0, "/bin/worker") })
        #expect(isStatic.wait == nil)
    }

    @Test func `where in a Go program is none of its library's functions`() throws {
        let names = [
            "runtime/internal/syscall.Syscall6", "syscall.read", "os.(*File).Read", "net.(*conn).Read", "shop/db.ask",
        ]
        #expect(try stack(names.map { function($0, "/bin/shop") }).site == Array("shop/db.ask".utf8))
        let poller = ["runtime.epollwait.abi0", "runtime.netpoll", "runtime.findRunnable", "runtime.mcall"]
        #expect(try stack(poller.map { function($0, "/bin/shop") }).clause == " for what goroutines wait for")
    }

    @Test func `a thread that blocks with the GIL says so, and its C is not where in the program it is`() throws {
        for (holder, clause) in [
            (4711, " with Python's GIL in ask_printer"), (4712, " in ask_printer"), (0, " in ask_printer"),
        ] {
            let frames = [
                function("pause"), function("ffi_call", "/lib/libffi.so.8"),
                function("call_function", "/bin/python3.11"),
                frame("ask_printer", module: "", file: "/srv/a.py", line: 3, flags: 4),
            ]
            var bytes = (thread([], count: 4).prefix(16) + number(UInt64(holder), 8) + frames.flatMap(\.self))[...]
            let (_, stack, _) = try UserStack.thread(from: &bytes)
            #expect(stack.clause == clause)
            var finding = Finding.nothing
            finding.take(waitOf: stack)
            #expect(finding.evidence.contains { $0.contains("GIL") } == (holder == 4711))
        }
    }

    @Test(arguments: [
        ("/usr/lib/jvm/java-17/bin/java", "jstack 7"), ("/usr/bin/node", "node inspect -p 7"),
        ("/opt/nodejs", "kill -USR2 7"),
        ("/usr/bin/ruby3.1", "rbspy snapshot --pid 7"), ("/usr/sbin/php-fpm8.2 (deleted)", "phpspy -l 1 -p 7"),
        ("/usr/bin/php", "slowlog"), ("/usr/bin/python3.11", "py-spy dump --pid 7"),
    ])
    func `the tool that knows more is that of the file it runs`(executable: String, tool: String) {
        let runtime = Runtime.of(executable: Array(executable.utf8), stacks: [])
        #expect(
            runtime?.commands(pid: 7).contains { $0.contains(tool) } == true,
            "\(executable): \(String(describing: runtime))")
    }

    @Test func `a name alone makes no run time, but a library does`() throws {
        for executable in [
            "/usr/bin/javac", "/usr/bin/node_exporter", "/bin/rubyist", "/srv/phpmyadmin", "/usr/bin/py", "3.11",
        ] {
            #expect(Runtime.of(executable: Array(executable.utf8), stacks: []) == nil, "\(executable)")
        }
        let php = try stack([function("read"), function("php_execute_script", "/usr/lib/apache2/modules/libphp8.2.so")])
        #expect(Runtime.of(executable: Array("/usr/sbin/apache2".utf8), stacks: [php]) == .php)
        let go = try stack([function("runtime.futex", "/bin/shop"), function("runtime.goexit", "/bin/shop")])
        #expect(Runtime.of(executable: Array("/bin/shop".utf8), stacks: [go]) == .go)
        #expect(Runtime.of(executable: nil, stacks: []) == nil)
    }

    @Test func `a name cannot write to the terminal`() throws {
        let stack = try stack([function("evil\u{1b}[2Jname", "/bin/x"), function("evil\u{1b}[2Jname", "/bin/x")])
        #expect(!stack.clause.contains("\u{1b}"))
    }
}
