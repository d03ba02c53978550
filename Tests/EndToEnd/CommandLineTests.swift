import Foundation
import Testing

@Suite(.serialized) struct `The command line` {
    private func run(_ arguments: [String], _ program: String = Built.blockwatch) async throws -> (
        Int32, [String], String
    ) {
        let child = try Child(program, arguments)
        let code = try await child.exitCode(within: 30)
        return (code, child.lines, child.errorText)
    }

    @Test(arguments: [
        (["--threshold", "5"], 64, "write 5s or 5ms"), (["--threshold", "-1s"], 64, "--threshold"),
        (["--threshold", "0s"], 64, "1ms"),
        (["--threshold", "soon"], 64, "not a duration"), (["--syscall", "conect"], 64, "did you mean connect"),
        (["--user", "nobody-of-that-name"], 64, "no user"), (["--pid", "0"], 64, "pid"),
        (["--port", "70000"], 64, "port"),
        (["--no-such-option"], 64, "no-such-option"), (["--format", "xml"], 64, "ndjson"),
        (["frobnicate"], 64, "frobnicate"),
        (["--repeat", "often"], 64, "not a duration"), (["--max-rate", "0"], 64, "1 at the least"),
        (["--ring-size", "3000"], 64, "a power of two"), (["--ring-size", "512M"], 64, "to 256M"),
        (["--output", "/nonexistent/folder/log"], 74, "/nonexistent/folder/log"), (["--output", "/"], 74, "directory"),
        (["--config", "/nonexistent.conf"], 78, "/nonexistent.conf"),
    ])
    func `a mistake is one clear line, the right code, and nothing on stdout`(
        arguments: [String], code: Int32, says: String
    ) async throws {
        let (answer, lines, error) = try await run(arguments)
        #expect(answer == code)
        #expect(lines.isEmpty)
        #expect(error.hasPrefix("blockwatch: "))
        #expect(error.split(separator: "\n").count == 1, "\(error)")
        #expect(error.contains(says), "\(error)")
    }

    @Test(arguments: [
        ("threshold = 5s\ntreshold = 6s\n", 2), ("threshold = 5\n", 1), ("all = perhaps\n", 1), ("nonsense\n", 1),
        ("# fine\nignore.x = colour=red\n", 2), ("config = other\n", 1), ("syscall = raed\n", 1),
    ])
    func `a mistake in the config file is told with its line`(text: String, line: Int) async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).conf").path
        try text.write(toFile: file, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        for command in [[], ["doctor"]] {
            let (code, lines, error) = try await run(command + ["--config", file])
            #expect(code == 78)
            #expect(lines.isEmpty)
            #expect(error.hasPrefix("blockwatch: \(file):\(line): "), "\(error)")
        }
    }

    @Test func `a config file gives options and rules, and the command line wins`() async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).conf").path
        try "threshold = 1h\nnew-only = false\nignore.locks = syscall=flock max=1h\n".write(
            toFile: file, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await Hanging.run("flock") { ignored in
            try await Hanging.run("pipe-read") { shown in
                try await Watcher.run(["--config", file, "--threshold", "500ms", "--summary", "1s"]) { watcher in
                    _ = try await watcher.blocked(tid: shown.tid)
                    let summary = try await watcher.record("a summary that counts the rule") {
                        ($0["blockwatch.hidden"] as? [String: Any])?["ignore.locks"] != nil
                    }
                    #expect(summary.action == "summary")
                    #expect(!watcher.records.contains { $0.tid == ignored.tid })
                }
            }
        }
    }

    @Test func `filters show only what was asked for`() async throws {
        try await Hanging.run("flock") { lock in
            try await Hanging.run("tcp-accept") { socket in
                let port = try #require(socket.says.integer("local_port"))
                for (options, wanted, other) in [
                    (["--syscall", "flock"], lock, socket), (["--port", "\(port)"], socket, lock),
                    (["--pid", "\(lock.pid)"], lock, socket), (["--path", "\(lock.folder)/*"], lock, socket),
                    (["--comm", "hang", "--exclude-syscall", "flock"], socket, lock),
                ] {
                    try await Watcher.run(["--threshold", "500ms"] + options) { watcher in
                        _ = try await watcher.blocked(tid: wanted.tid)
                        #expect(!watcher.records.contains { $0.tid == other.tid }, "\(options)")
                    }
                }
            }
        }
    }

    @Test func `a reader that goes away is no error`() async throws {
        let (code, _, error) = try await run(
            [
                "-c",
                "set -o pipefail; \(Built.blockwatch) --threshold 1s --format ndjson --summary 100ms | head -n 2 >/dev/null",
            ], "/bin/bash")
        #expect(code == 0, "\(error)")
    }

    @Test func `--output is appended to, and opened again on SIGHUP and when it was moved away`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("blockwatch-\(UUID().uuidString)")
            .path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let log = folder + "/log"
        try "before\n".write(toFile: log, atomically: false, encoding: .utf8)
        let child = try Child(Built.blockwatch, ["--threshold", "1s", "--output", log, "--summary", "100ms"])
        func content(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
        _ = try await eventually("a summary") { content(log).contains("\"summary\"") ? true : nil }
        #expect(content(log).hasPrefix("before\n{"))
        #expect(rename(log, log + ".1") == 0)
        _ = try await eventually("a new file") { content(log).contains("\"summary\"") ? true : nil }
        #expect(rename(log, log + ".2") == 0)
        child.signal(SIGHUP)
        _ = try await eventually("a new file after SIGHUP") { content(log).contains("\"summary\"") ? true : nil }
        child.signal(SIGINT)
        #expect(try await child.exitCode() == 0)
        #expect(child.lines.isEmpty)
        let all = [log + ".1", log + ".2", log].flatMap { content($0).split(separator: "\n") }.dropFirst().compactMap {
            Fields(String($0))
        }
        #expect(
            all.compactMap { $0.integer("event.sequence") } == Array(1...all.count), "nothing is lost at the change")
        #expect(all.last?.action == "stopped")
    }

    @Test func `--metrics writes a Prometheus file anew, whole, for everybody to read`() async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).prom").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        try await Watcher.run(["--threshold", "500ms", "--metrics", file]) { watcher in
            try await Hanging.run("pipe-read") { hanging in
                _ = try await watcher.blocked(tid: hanging.tid)
                let text = try await eventually("an open call in the metrics") { () -> String? in
                    let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
                    return text.contains("\nblockwatch_open_calls 0\n") || text.isEmpty ? nil : text
                }
                for line in text.split(separator: "\n") where !line.hasPrefix("#") {
                    let form = /blockwatch_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.]+/
                    #expect(line.wholeMatch(of: form) != nil, "\(line)")
                }
            }
        }
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
        #expect(mode == 0o644)
    }

    @Test func `--metrics-mode says who may read it, and a mode that its owner could not write is refused`()
        async throws
    {
        for mode in ["0", "777", "0444", "0644x", "u+r"] {
            let (code, _, error) = try await run(["--metrics-mode", mode])
            #expect(code == 64)
            #expect(error.contains("an octal mode such as 0644"), "\(error)")
        }
    }

    @Test func `--duration ends with 0 and doctor finds nothing missing`() async throws {
        let (code, lines, _) = try await run(["--threshold", "1s", "--duration", "1s", "--format", "ndjson"])
        #expect(code == 0)
        #expect(lines.last?.contains("\"stopped\"") == true)
        let (health, report, _) = try await run(["doctor"])
        #expect(health == 0)
        #expect(report.contains { $0.hasPrefix("ok    program on_sys_enter") })
        #expect(report.contains { $0.hasPrefix("ok    stacks ") && $0.contains("taken in ") }, "\(report)")
        #expect(!report.contains { $0.hasPrefix("MISS") })
    }

    @Test func `spans of 584 years are taken as they are`() async throws {
        let long = "18446744073709551615ns"
        for engine in ["trace", "scan"] {
            try await Watcher.run(
                [
                    "--threshold", long, "--repeat", long, "--summary", long, "--duration", long, "--engine", engine,
                ]
            ) { watcher in
                watcher.child.signal(SIGUSR1)
                _ = try await watcher.record("started") { $0.action == "started" }
            }
        }
        let (code, lines, error) = try await run(["snapshot", "--threshold", long])
        #expect(code == 0 && lines.count == 1, "\(error)")
    }

    @Test(arguments: [
        "", "watch", "snapshot", "explain", "top", "graph", "replay", "doctor", "syscalls", "debug",
    ])
    func `--help fits 80 columns and shows an example`(command: String) async throws {
        let (code, lines, error) = try await run((command.isEmpty ? [] : [command]) + ["--help"])
        #expect(code == 0 && error.isEmpty, "\(error)")
        #expect(lines.count > 8)
        for line in lines { #expect(line.count <= 80, "\(line)") }
        let own = command.isEmpty || command == "watch" ? "blockwatch --threshold" : "blockwatch \(command)"
        #expect(lines.contains { $0.hasPrefix("  \(own)") || $0.hasPrefix("  zcat") }, "an example of it: \(lines)")
    }

    @Test func `what needs no privilege works for anybody`() async throws {
        let copy = try await Watcher.Copy()
        defer { copy.remove() }
        let folder = try Folder()
        defer { folder.remove() }
        var recorded: [String] = []
        try await Hanging.run("flock") { hanging in
            try await Watcher.run(["--threshold", "500ms", "--pid", "\(hanging.pid)"]) { watcher in
                _ = try await watcher.blocked(tid: hanging.tid)
                recorded = watcher.child.lines
            }
        }
        try folder.write("r.ndjson", recorded.map { $0 + "\n" }.joined())
        let file = folder.path + "/r.ndjson"
        for (arguments, says) in [
            (["replay", file], "flock on "), (["graph", "--replay", file], "digraph"), (["syscalls"], "connect"),
            (["top", "--help"], "--replay"),
        ] {
            let (code, lines, error) = try await run(
                ["--reuid", "65534", "--regid", "65534", "--clear-groups", copy.path] + arguments, "/usr/bin/setpriv")
            #expect(code == 0 && error.isEmpty, "\(arguments): \(error)")
            #expect(lines.contains { $0.contains(says) }, "\(arguments)")
        }
        // and the others name them
        for arguments in [[], ["snapshot"], ["explain", "1"], ["graph"], ["doctor"]] {
            let (code, lines, error) = try await run(
                ["--reuid", "65534", "--regid", "65534", "--clear-groups", copy.path] + arguments, "/usr/bin/setpriv")
            #expect(code == 77)
            #expect((lines.joined() + error).contains("graph --replay"), "\(arguments): \(error)")
        }
    }

    @Test func `syscalls prints the table`() async throws {
        let (code, lines, _) = try await run(["syscalls"])
        #expect(code == 0)
        #expect(lines.contains { $0.hasPrefix("42      362   connect ") })
    }

    @Test func `without privileges it ends with 77 and names them`() async throws {
        let copy = try await Watcher.Copy()
        defer { copy.remove() }
        for arguments in [["--threshold", "1s"], ["doctor"]] {
            let (code, lines, error) = try await run(
                ["--reuid", "65534", "--regid", "65534", "--clear-groups", copy.path] + arguments, "/usr/bin/setpriv")
            #expect(code == 77, "\(error)")
            if arguments != ["doctor"] {
                #expect(lines.isEmpty)
                #expect(error.contains("CAP_BPF and CAP_PERFMON"), "\(error)")
            }
        }
    }

    @Test func `without the kernel's type information it ends with 69 and names it`() async throws {
        let script = "mount -t tmpfs none /sys/kernel/btf && exec \(Built.blockwatch) --threshold 1s"
        let (code, lines, error) = try await run(["--mount", "/bin/sh", "-c", script], "/usr/bin/unshare")
        #expect(code == 69)
        #expect(lines.isEmpty)
        #expect(error.contains("/sys/kernel/btf/vmlinux"), "\(error)")
    }

    @Test func `in a PID namespace it ends with 77 and names hostPID, or watches the namespace`() async throws {
        let inside = ["--pid", "--fork", "--mount-proc", "--kill-child"]
        let (code, lines, error) = try await run(
            inside + [Built.blockwatch, "--threshold", "500ms"], "/usr/bin/unshare")
        #expect(code == 77)
        #expect(lines.isEmpty)
        #expect(error.contains("hostPID: true"), "\(error)")
        let script =
            "sleep 60 & exec \(Built.blockwatch) --threshold 500ms --all --scope namespace --duration 2s --format ndjson"
        let (answer, output, trouble) = try await run(inside + ["/bin/sh", "-c", script], "/usr/bin/unshare")
        #expect(answer == 0, "\(trouble)")
        let records = output.compactMap(Fields.init)
        #expect(records.first?.text("blockwatch.scope") == "namespace")
        let sleep = try #require(records.first { $0.text("process.name") == "sleep" })
        #expect(sleep.text("process.executable")?.hasSuffix("sleep") == true)
        #expect(sleep.integer("process.namespace.pid") ?? 0 < 10)
        #expect(sleep.integer("process.pid") ?? 0 > 10)
    }

    @Test func `the binary needs no library that a server does not have`() async throws {
        let (code, lines, error) = try await run([Built.blockwatch], "/usr/bin/ldd")
        let isStatic = (lines.joined() + error).contains("not a dynamic executable")
        #expect(code == (isStatic ? 1 : 0), "\(error)")
        for line in lines where !isStatic {
            let name = line.split(separator: " ").first.map { $0.trimmingCharacters(in: .whitespaces) } ?? ""
            let isExpected = ["linux-vdso", "libc.so", "libm.so", "libstdc++", "libgcc_s", "/lib64/ld-linux"].contains {
                name.hasPrefix($0)
            }
            #expect(isExpected, "\(line)")
        }
        let size = try FileManager.default.attributesOfItem(atPath: Built.blockwatch)[.size] as? Int ?? 0
        #expect(size < 30_000_000, "\(size) bytes: full Foundation has crept in")
    }
}
