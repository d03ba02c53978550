import Foundation
import Testing

/// What blockwatch may do, and what it has given up once it watches.
@Suite(.serialized) struct `Nothing gets in` {
    /// CAP_DAC_READ_SEARCH, CAP_IPC_LOCK, CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF
    private static let five: UInt64 = 1 << 2 | 1 << 14 | 1 << 19 | 1 << 38 | 1 << 39
    private static let names = ["bpf", "perfmon", "sys_ptrace", "dac_read_search", "ipc_lock"]

    /// setpriv's words for nobody with these capabilities.
    private func nobody(_ capabilities: [String]) -> [String] {
        let list = (["-all"] + capabilities.map { "+\($0)" }).joined(separator: ",")
        return [
            "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", list, "--ambient-caps", list,
        ]
    }

    private func status(_ path: String) -> [String: String] {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return Dictionary(
            text.split(separator: "\n").compactMap { line in
                let parts = line.split(separator: ":", maxSplits: 1)
                return parts.count == 2 ? (String(parts[0]), parts[1].trimmingCharacters(in: .whitespaces)) : nil
            }, uniquingKeysWith: { first, _ in first })
    }

    private func sockets(of process: Int32) -> Set<String> {
        let folder = "/proc/\(process)/fd"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let targets = names.compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: folder + "/" + $0)
        }
        return Set(targets.filter { $0.hasPrefix("socket:") })
    }

    /// Every thread of it is confined.
    private func check(_ pid: Int32, keeps: UInt64) throws {
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")
        #expect(threads.count > 3)
        for thread in threads {
            let status = status("/proc/\(pid)/task/\(thread)/status")
            for set in ["CapEff", "CapPrm"] { #expect(status[set] == hex(keeps), "thread \(thread): \(set)") }
            for set in ["CapInh", "CapAmb"] { #expect(status[set] == hex(0), "thread \(thread): \(set)") }
            #expect(status["NoNewPrivs"] == "1")
            #expect(status["Seccomp"] == "2", "a filter")
        }
    }

    private func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    @Test func `nobody with five capabilities sees everything`() async throws {
        let five = try await Watcher.Copy()
        defer { five.remove() }
        try await Hanging.run("flock") { hanging in
            try await Hanging.run("userfaultfd-read") { other in
                try await Watcher.run(
                    ["--threshold", "500ms"], through: ["/usr/bin/setpriv"] + nobody(Self.names), binary: five.path
                ) { watcher in
                    let record = try await watcher.blocked(tid: hanging.tid)
                    #expect(record.text("file.path") == hanging.says.text("path"))
                    #expect(record.text("process.executable")?.hasSuffix("/hang") == true)
                    #expect(record.text("process.command_line")?.contains("flock") == true)
                    #expect(record.strings("unresolved").isEmpty, "\(record)")
                    _ = try await watcher.blocked(tid: other.tid)
                    #expect(status("/proc/\(watcher.child.pid)/status")["Uid"]?.hasPrefix("65534") == true)
                    try check(watcher.child.pid, keeps: Self.five)
                    #expect(!watcher.child.errorText.contains("CAP_"), "\(watcher.child.errorText)")
                }
            }
        }
    }

    @Test(arguments: ["bpf", "perfmon"]) func `without one of two it ends with 77 and names it`(missing: String)
        async throws
    {
        let copy = try await Watcher.Copy()
        defer { copy.remove() }
        let child = try Child(
            "/usr/bin/setpriv", nobody(Self.names.filter { $0 != missing }) + [copy.path, "--threshold", "1s"])
        #expect(try await child.exitCode() == 77)
        #expect(child.lines.isEmpty)
        #expect(child.errorText.split(separator: "\n").count == 1, "\(child.errorText)")
        #expect(child.errorText.contains(" needs CAP_\(missing.uppercased());"), "\(child.errorText)")
    }

    @Test(arguments: ["sys_ptrace", "dac_read_search", "ipc_lock"])
    func `without one of three it says so in one line and tells less`(missing: String) async throws {
        let copy = try await Watcher.Copy()
        defer { copy.remove() }
        try await Hanging.run("flock") { hanging in
            try await Watcher.run(
                ["--threshold", "500ms"],
                // what a user may lock without the capability must not do instead
                through: ["/usr/bin/prlimit", "--memlock=65536", "/usr/bin/setpriv"]
                    + nobody(Self.names.filter { $0 != missing }), binary: copy.path
            ) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                let unresolved = record.strings("unresolved")
                switch missing {
                case "sys_ptrace":
                    #expect(unresolved.contains("process.executable=not_permitted"), "\(record)")
                    #expect(unresolved.contains("file.path=not_permitted"), "\(record)")
                case "dac_read_search":
                    #expect(unresolved == ["file.path=not_permitted"], "\(record)")
                    #expect(record.text("process.executable") != nil)
                default:
                    #expect(unresolved.isEmpty, "\(record)")
                    #expect(status("/proc/\(watcher.child.pid)/status")["VmLck"] == "0 kB")
                }
                let lines = try await eventually("a line about CAP_\(missing)") { () -> [Substring]? in
                    let lines = watcher.child.errorText.split(separator: "\n").filter { $0.contains("CAP_") }
                    return lines.isEmpty ? nil : lines
                }
                #expect(lines.count == 1 && lines[0].contains("CAP_\(missing.uppercased())"), "\(lines)")
            }
        }
    }

    @Test func `root gives up everything else, in every thread, and opens no socket`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await Hanging.run("poll") { hanging in
            let options = ["--output", folder.path + "/log", "--metrics", folder.path + "/metrics.prom"]
            // without what the test's own process may have handed down
            let closing =
                #"for f in /proc/$$/fd/*; do n=${f##*/}; [ $n -gt 2 ] && eval "exec $n>&-"; done; exec "$0" "$@""#
            let child = try Child(
                "/bin/bash",
                ["-c", closing, Built.blockwatch, "--threshold", "500ms", "--all", "--pid", "\(hanging.pid)"] + options)
            do {
                _ = try await eventually("the hang in the log; stderr: \(child.errorText)") {
                    folder.text("log").contains("\"pid\":\(hanging.pid),") ? true : nil
                }
                try check(child.pid, keeps: Self.five)
                #expect(status("/proc/\(child.pid)/status")["CapBnd"] == hex(Self.five))
                #expect(sockets(of: child.pid).isEmpty, "it listens on nothing and talks to nobody")
                child.signal(SIGTERM)
                #expect(try await child.exitCode() == 0, "\(child.errorText)")
            } catch {
                await child.end()
                throw error
            }
        }
        // one look is confined as well
        let look = try Child("/usr/bin/strace", ["-f", "-e", "trace=seccomp,capset", Built.blockwatch, "snapshot"])
        #expect(try await look.exitCode(within: 60) == 0)
        #expect(look.errorText.contains("SECCOMP_FILTER_FLAG_TSYNC"), "\(look.errorText)")
        #expect(look.errorText.contains("capset("), "\(look.errorText)")
    }

    #if arch(x86_64)
        @Test func `an intruder in it gets no socket, no file, no memory that runs, and no program`() async throws {
            try await Watcher.run(["--threshold", "500ms"]) { watcher in
                // socket, open(2), memfd_create, kill(1, 9), mprotect(…, PROT_EXEC), bpf(BPF_PROG_LOAD), clone
                for (call, answer) in [
                    (["41", "2", "1", "0"], "-38"), (["2", "0", "2"], "-38"), (["319", "0", "0"], "-38"),
                    (["62", "1", "9"], "-38"), (["10", "0", "4096", "5"], "-1"), (["321", "5", "0", "0"], "-1"),
                    (["56", "17", "0", "0", "0", "0"], "-1"), (["39"], "\(watcher.child.pid)"),
                ] {
                    let intruder = try Child(Built.programs + "/tracer", ["call", "\(watcher.child.pid)"] + call)
                    #expect(try await intruder.exitCode() == 0, "\(intruder.errorText)")
                    #expect(intruder.lines == [answer], "call \(call)")
                }
                try await Hanging.run("pipe-read") { _ = try await watcher.blocked(tid: $0.tid) }
            }
            let child = try Child(Built.blockwatch, ["--threshold", "500ms", "--format", "ndjson"])
            _ = try await eventually("a record") { child.records.first { $0.action == "started" } }
            _ = try await eventually("the filter") {
                status("/proc/\(child.pid)/status")["Seccomp"] == "2" ? true : nil
            }
            let intruder = try Child(Built.programs + "/tracer", ["call", "\(child.pid)", "59", "0", "0", "0"])
            _ = try await intruder.exitCode()
            #expect(try await child.exitCode() == -SIGSYS, "execve ends it")
        }
    #endif

    // MARK: - files

    /// Starts it with these options, and ends it once it watches.
    private func tryOut(_ options: [String], umask mask: String = "0022") async throws -> (Int32, String) {
        let script = "umask \(mask); exec \"$0\" \"$@\""
        let child = try Child(
            "/bin/sh", ["-c", script, Built.blockwatch, "--threshold", "1h", "--duration", "700ms"] + options)
        let code = try await child.exitCode(within: 30)
        return (code, child.errorText)
    }

    @Test func `the log is created 0640 less the umask, and the metrics file as its option says whatever the umask`()
        async throws
    {
        for (umask, options, log, metrics) in [
            ("0", [], 0o640, 0o644), ("077", [], 0o600, 0o644), ("027", ["--metrics-mode", "664"], 0o640, 0o664),
            ("0", ["--metrics-mode", "0600"], 0o640, 0o600),
        ] {
            let folder = try Folder()
            defer { folder.remove() }
            let (code, error) = try await tryOut(
                ["--output", folder.path + "/log", "--metrics", folder.path + "/metrics.prom"] + options, umask: umask)
            #expect(code == 0, "\(error)")
            for (name, wanted) in [("log", log), ("metrics.prom", metrics)] {
                let mode =
                    try FileManager.default.attributesOfItem(atPath: folder.path + "/" + name)[.posixPermissions]
                    as? Int
                #expect(mode == wanted, "\(name), umask \(umask)")
            }
            #expect(try folder.names() == ["log", "metrics.prom"], "nothing is left beside them")
        }
    }

    @Test func `a link in a folder that others may write to is refused, wherever it stands in the path`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try folder.make("open", mode: 0o1777)
        try folder.make("closed", mode: 0o755)
        try folder.make("group", mode: 0o775)
        try folder.make("theirs", mode: 0o755)
        try folder.write("victim", "precious\n")
        chown(folder.path + "/theirs", 65534, 65534)
        for name in ["open", "group", "theirs"] {
            symlink(folder.path + "/victim", folder.path + "/\(name)/link")
            symlink(folder.path + "/closed", folder.path + "/\(name)/folder")
            for path in ["\(name)/link", "\(name)/folder/log", "closed/../\(name)/link"] {
                let (code, error) = try await tryOut(["--output", folder.path + "/" + path])
                #expect(code == 74, "\(path)")
                #expect(error.contains("\(folder.path)/\(path): "), "\(error)")
                #expect(error.contains("is a symbolic link in a folder that others may write to"), "\(error)")
                #expect(error.split(separator: "\n").count == 1, "\(error)")
                let (fine, warning) = try await tryOut(["--metrics", folder.path + "/" + path])
                // the last step of a metrics file is replaced, never followed; but it has no business to be a link
                #expect(fine == 0)
                #expect(warning.contains("is a symbolic link in a folder"), "\(path): \(warning)")
            }
        }
        #expect(folder.text("victim") == "precious\n")
        #expect(try folder.names("closed").isEmpty)
        // where only root can have put it, it is followed
        symlink("closed", folder.path + "/good")
        symlink("../victim", folder.path + "/closed/log")
        let (code, error) = try await tryOut(["--output", folder.path + "/good/log"])
        #expect(code == 0, "\(error)")
        #expect(folder.text("victim").hasPrefix("precious\n{"))
        symlink("circle", folder.path + "/circle")
        let (circle, said) = try await tryOut(["--output", folder.path + "/circle/log"])
        #expect(circle == 74)
        #expect(said.contains("ELOOP"), "\(said)")
    }

    @Test func `somebody else's file in a shared folder is refused, and one with a second name`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try folder.make("open", mode: 0o1777)
        try folder.write("open/theirs", "")
        try folder.write("victim", "precious\n")
        chown(folder.path + "/open/theirs", 65534, 65534)
        link(folder.path + "/victim", folder.path + "/open/second")
        for name in ["theirs", "second"] {
            let (code, error) = try await tryOut(["--output", folder.path + "/open/" + name])
            #expect(code == 74, "\(name)")
            #expect(error.contains("EACCES") || error.contains("belongs to somebody else"), "\(error)")
        }
        #expect(folder.text("victim") == "precious\n")
        #expect(folder.text("open/theirs").isEmpty)
        let (code, error) = try await tryOut(["--output", folder.path + "/open/log"])
        #expect(code == 0, "\(error)")
        #expect(folder.text("open/log").contains("\"stopped\""))
    }

    @Test func `devices, FIFOs and what stdout leads to still do as an output`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let (code, error) = try await tryOut(["--output", "/dev/null"])
        #expect(code == 0, "\(error)")
        for path in ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"] {
            let child = try Child(Built.blockwatch, ["--threshold", "1h", "--duration", "700ms", "--output", path])
            #expect(try await child.exitCode() == 0, "\(path): \(child.errorText)")
            #expect(child.records.last?.action == "stopped", "\(path)")
        }
        let fifo = folder.path + "/fifo"
        mkfifo(fifo, 0o600)
        // nobody reads yet: it watches all the same, and tells what it saw once somebody does
        try await Hanging.run("pipe-read") { hanging in
            let child = try Child(
                Built.blockwatch, ["--threshold", "500ms", "--all", "--output", fifo, "--pid", "\(hanging.pid)"])
            let metrics = try Child("/bin/sh", ["-c", "sleep 2; exec cat \(fifo)"])
            do {
                _ = try await eventually("the hang, through the FIFO") {
                    metrics.records.first { $0.action == "blocked" && $0.tid == hanging.tid }
                }
                child.signal(SIGTERM)
                #expect(try await child.exitCode() == 0, "\(child.errorText)")
                _ = try await metrics.exitCode()
                #expect(metrics.records.last?.action == "stopped")
            } catch {
                await child.end()
                await metrics.end()
                throw error
            }
        }
    }

    @Test func `a folder that it can open files in only at the start is told`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try folder.make("theirs", mode: 0o755)
        chown(folder.path + "/theirs", 65534, 65534)
        let (code, error) = try await tryOut(["--output", folder.path + "/theirs/log"])
        #expect(code == 0)
        #expect(error.contains("cannot open the output \(folder.path)/theirs/log anew"), "\(error)")
        #expect(error.contains("CAP_DAC_OVERRIDE"), "\(error)")
        #expect(folder.text("theirs/log").contains("\"stopped\""))
    }
}
