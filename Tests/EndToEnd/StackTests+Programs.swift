import Foundation
import Testing

/// Stacks of programs that are not C's, and of those that are not where they seem to be.
@Suite(.serialized) struct `Stacks of all kinds of programs` {
    /// The record of a thread, as soon as a snapshot tells its stack.
    static func record(pid: Int, tid: Int) async throws -> Fields {
        var last: [String] = []
        return try await eventually(within: 30, "the stack of \(tid); snapshot says: \(last)") {
            () async throws -> Fields? in
            let child = try Child(
                Built.blockwatch,
                [
                    "snapshot", "--stacks", "--all", "--threshold", "200ms", "--format", "ndjson", "--pid", "\(pid)",
                ])
            #expect(try await child.exitCode(within: 60) == 0, "\(child.errorText)")
            last = child.lines
            let record = last.compactMap(Fields.init).first { $0.tid == tid }
            guard let record, !record.strings("code.stack").isEmpty else { return nil }
            try await Schema.check(last)
            return record
        }
    }

    static func explanation(pid: Int) async throws -> String {
        let child = try Child(Built.blockwatch, ["explain", "\(pid)"])
        #expect(try await child.exitCode(within: 30) == 0, "\(child.errorText)")
        return child.lines.joined(separator: "\n")
    }

    /// Functions in this order, nothing between them.
    static func expect(_ names: [String], in record: Fields, _ what: String) {
        let stack = record.strings("code.stack")
        let isThere = stack.indices.contains { Array(stack[$0...].prefix(names.count)) == names }
        #expect(isThere, "\(what): no \(names) in \(stack)")
    }

    private static let deep = [
        "main.readNothing", "main.goDeeper", "main.goDeeper", "main.goDeeper", "main.goDeeper", "main.main.func1",
        "runtime.goexit",
    ]

    @Test(arguments: ["where-go", "where-go-stripped"])
    func `a goroutine in a system call is told by its functions, with symbols and without`(program: String)
        async throws
    {
        let path = "\(Built.programs)/\(program)"
        try await Hanging.run("deep", program: path) { hanging in
            let record = try await Self.record(pid: hanging.pid, tid: hanging.tid)
            Self.expect(Self.deep, in: record, program)
            #expect(record.text("message")?.contains("in main.readNothing") == true, "\(record)")
            let text = try await Self.explanation(pid: hanging.pid)
            #expect(text.contains("main.goDeeper  where.go:"), "\(text)")
        }
        try await Hanging.run("flock", program: path) { hanging in
            let record = try await Self.record(pid: hanging.pid, tid: hanging.tid)
            Self.expect(["syscall.Flock", "main.lockFile", "main.main.func1"], in: record, program)
        }
    }

    @Test(arguments: ["where-go", "where-go-stripped"])
    func `from C the walk goes on to the goroutine that has called it`(program: String) async throws {
        try await Hanging.run("cgo", program: "\(Built.programs)/\(program)") { hanging in
            let record = try await Self.record(pid: hanging.pid, tid: hanging.tid)
            Self.expect(
                [
                    "runtime.asmcgocall", "runtime.cgocall", "main._Cfunc_c_waits", "main.intoC", "main.main.func1",
                    "runtime.goexit",
                ], in: record, program)
            #expect(record.strings("code.stack").first?.hasSuffix("read") == true, "\(record)")
        }
    }

    @Test func `a goroutine that waits for another is on no thread: the thread waits for one to run`() async throws {
        try await Hanging.run("channel", program: "\(Built.programs)/where-go-stripped") { hanging in
            let record = try await Self.record(pid: hanging.pid, tid: hanging.tid)
            let stack = record.strings("code.stack")
            #expect(stack.contains("runtime.stoplockedm") && stack.last == "runtime.mcall", "\(stack)")
            #expect(!stack.contains("main.checkout"), "\(stack)")
            #expect(record.strings("evidence").contains("waits for a goroutine to run"), "\(record)")
        }
    }

    @Test func `of Node it names the tools that know its functions`() async throws {
        try await Self.shell("echo '{}'; exec /usr/bin/node -e 'setInterval(() => {}, 1e6)'") { pid, _ in
            _ = try await eventually("node's advice") { () async throws -> String? in
                let text = try await Self.explanation(pid: pid)
                return text.contains("node inspect -p \(pid)") && text.contains("kill -USR2 \(pid)") ? text : nil
            }
        }
    }

    // MARK: - files

    private static let deepInC = ["read_nothing", "go_deeper", "go_deeper", "go_deeper", "main"]

    @Test func `symbols that are packed away are read, and a library that was loaded later`() async throws {
        try await Hanging.run("deep", [2], program: "\(Built.programs)/where-mini") { hanging in
            // no other symbols are there
            let tool = try Child("/usr/bin/nm", ["\(Built.programs)/where-mini"])
            _ = try await tool.exitCode()
            #expect(tool.errorText.contains("no symbols") && tool.lines.isEmpty, "\(tool.lines)")
            let record = try await Self.record(pid: hanging.pid, tid: hanging.tid)
            Self.expect(Self.deepInC, in: record, "mini")
        }
        try await Hanging.run("library", program: "\(Built.programs)/where-loader") { hanging in
            let record = try await Self.record(pid: hanging.pid, tid: hanging.tid)
            Self.expect(["read_in_library", "library_waits", "main"], in: record, "loader")
        }
    }

    /// Runs a script with `$X` as a folder of its own, and hands over the process that it has become, and a thread of it.
    private static func shell(_ script: String, _ body: (Int, Int) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("blockwatch-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let child = try Child(
            "/usr/bin/unshare",
            ["--mount", "--propagation", "private", "/bin/sh", "-euc", script],
            environment: [
                "X": folder.path, "PROGRAMS": Built.programs, "SOURCES": "\(Built.root)/Tests/EndToEnd/Programs",
            ])
        func clear() async {
            await child.end()
            try? FileManager.default.removeItem(at: folder)
        }
        do {
            let says = try await eventually("the first line of \(script); it says: \(child.errorText)") {
                child.lines.first.flatMap(Fields.init)
            }
            let pid = Int(child.pid)
            try await body(pid, says.integer("tid") ?? pid)
        } catch {
            await clear()
            throw error
        }
        await clear()
    }

    @Test func `in another mount namespace the program is its own, and not the file that has its name here`()
        async throws
    {
        let script = """
            cp "$PROGRAMS/where" "$X/mine"
            cp "$PROGRAMS/hang" "$X/program"
            mount --bind "$X/mine" "$X/program"
            exec "$X/program" deep "$X" 2
            """
        try await Self.shell(script) { pid, tid in
            let record = try await Self.record(pid: pid, tid: tid)
            Self.expect(Self.deepInC, in: record, "mount namespace")
        }
    }

    @Test func `below another root the program and its libraries are its own`() async throws {
        // /bin/sleep in there is another program than here, and its C library lies where here nothing does
        let script = """
            mkdir -p "$X/bin" "$X/own"
            cp "$PROGRAMS/where" "$X/bin/sleep"
            loader=$(ldd "$PROGRAMS/where" | sed -n 's/^\\t\\(\\/[^ ]*\\) .*/\\1/p')
            mkdir -p "$X$(dirname "$loader")"
            cp "$loader" "$X$loader"
            cp "$(ldd "$PROGRAMS/where" | sed -n 's/.*libc.so.6 => \\([^ ]*\\) .*/\\1/p')" "$X/own/libc.so.6"
            LD_LIBRARY_PATH=/own exec chroot "$X" /bin/sleep deep / 2
            """
        try await Self.shell(script) { pid, tid in
            let record = try await Self.record(pid: pid, tid: tid)
            Self.expect(Self.deepInC, in: record, "chroot")
            #expect(record.strings("code.stack").first?.hasSuffix("read") == true, "\(record)")
        }
    }

    // MARK: - Python

    @Test func `who blocks with the GIL is told as who has it`() async throws {
        for (mode, has) in [("keep", true), ("leave", false)] {
            try await Self.shell("exec /usr/bin/python3 \"$SOURCES/gil.py\" \(mode)") { pid, tid in
                let record = try await eventually("pause; \(mode)") { () async throws -> Fields? in
                    let record = try await Self.record(pid: pid, tid: tid)
                    return record.text("syscall.name") == "pause" ? record : nil
                }
                Self.expect(["wait_in_c", "<module>"], in: record, mode)
                #expect(record.strings("evidence").contains { $0.hasPrefix("has Python's GIL") } == has, "\(record)")
                let words = has ? "with Python's GIL in wait_in_c" : "on a signal in wait_in_c"
                #expect(record.text("message")?.contains(words) == true, "\(record)")
            }
        }
    }

    @Test func `a Python program in a PID namespace of its own is walked like any other`() async throws {
        let folder = "\(Built.root)/Tests/EndToEnd/Programs"
        let child = try Child(
            "/usr/bin/unshare", ["--pid", "--fork", "--kill-child", "/usr/bin/python3", "\(folder)/gil.py", "keep"])
        do {
            let says = try await eventually("its first line; \(child.errorText)") {
                child.lines.first.flatMap(Fields.init)
            }
            #expect(says.integer("pid") == 1)
            let children = try String(contentsOfFile: "/proc/\(child.pid)/task/\(child.pid)/children", encoding: .utf8)
            let pid = try #require(Int(children.split(separator: " ").first ?? ""))
            let record = try await eventually("pause") { () async throws -> Fields? in
                let record = try await Self.record(pid: pid, tid: pid)
                return record.text("syscall.name") == "pause" ? record : nil
            }
            Self.expect(["wait_in_c", "<module>"], in: record, "namespace")
            #expect(record.strings("evidence").contains { $0.hasPrefix("has Python's GIL") }, "\(record)")
        } catch {
            await child.end()
            throw error
        }
        await child.end()
    }
}
