import Foundation
import Testing

/// What a service manager listens at, as systemd does: a socket for datagrams, with a path or an abstract name.
private final class Manager: @unchecked Sendable {
    let address: String
    private let socket: Int32
    private let path: String?
    private var collected: [String] = []

    init(isAbstract: Bool = false) throws {
        let name = "/tmp/blockwatch-notify-\(UUID().uuidString)"
        path = isAbstract ? nil : name
        address = isAbstract ? "@" + name.dropFirst() : name
        socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var bytes = Array(address.utf8)
        if isAbstract { bytes[0] = 0 }
        var place = sockaddr_un()
        place.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: bytes) }
        let length = 2 + bytes.count + (isAbstract ? 0 : 1)
        let answer = withUnsafePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, socklen_t(length)) }
        }
        guard answer == 0 else { throw Failure(description: "bind \(address): errno \(errno)") }
        if let path { chmod(path, 0o777) }
    }

    deinit {
        close(socket)
        if let path { unlink(path) }
    }

    /// All datagrams so far.
    var messages: [String] {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = recv(socket, &buffer, buffer.count, 0), count >= 0 {
            collected.append(String(decoding: buffer[..<count], as: UTF8.self))
        }
        return collected
    }

    /// - Returns: how many datagrams there are with it.
    func message(_ part: String, after count: Int = 0) async throws -> Int {
        try await eventually("\(part) among \(messages)") {
            messages.indices.dropFirst(count).first { messages[$0].contains(part) }.map { $0 + 1 }
        }
    }
}

/// Under a service manager: what it is told, what privileges that takes, and what a reload changes.
@Suite struct `As a service` {
    /// CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF
    private static let four: UInt64 = 1 << 2 | 1 << 19 | 1 << 38 | 1 << 39
    /// As packaging/systemd/blockwatch.service has it.
    private static let unprivileged: [String] = {
        let list = "-all,+bpf,+perfmon,+sys_ptrace,+dac_read_search"
        return [
            "/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs",
            "--bounding-set",
            list, "--inh-caps", list, "--ambient-caps", list,
        ]
    }()

    @Test(arguments: [false, true])
    func `with four capabilities it sees all, and tells that it is ready, lives and stops`(isAbstract: Bool)
        async throws
    {
        let copy = try await Watcher.Copy()
        defer { copy.remove() }
        let manager = try Manager(isAbstract: isAbstract)
        try await Hanging.run("flock") { hanging in
            try await Watcher.run(
                ["--threshold", "500ms"], environment: ["NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000"],
                through: Self.unprivileged, binary: copy.path
            ) { watcher in
                #expect(try await manager.message("READY=1\nSTATUS=watching for calls blocked longer than 500ms") == 1)
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("file.path") == hanging.says.text("path"))
                #expect(record.text("process.executable")?.hasSuffix("/hang") == true)
                #expect(record.strings("unresolved").isEmpty, "\(record)")
                try await Watcher.run(["--threshold", "500ms", "--pid", "\(hanging.pid)"]) { root in
                    let same = try await root.blocked(tid: hanging.tid)
                    for field in [
                        "verdict", "reason", "syscall.name", "resource.kind", "resource.name", "process.command_line",
                        "process.user.name", "holder.name", "holder.relation", "chain", "root.kind", "root.doing",
                    ] { #expect(record.text(field) == same.text(field), "\(field), as root: \(same)") }
                    #expect(record.text("holder.name") != nil)
                }
                var count = 1
                for _ in 0..<3 { count = try await manager.message("WATCHDOG=1", after: count) }
                _ = try await manager.message("STATUS=watching")
                let pid = watcher.child.pid
                for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task") {
                    let status = try String(contentsOfFile: "/proc/\(pid)/task/\(thread)/status", encoding: .utf8)
                    let hex = String(Self.four, radix: 16)
                    for set in ["CapPrm", "CapEff", "CapBnd"] {
                        #expect(status.contains("\(set):\t" + String(repeating: "0", count: 16 - hex.count) + hex))
                    }
                    #expect(status.contains("Uid:\t65534\t65534"))
                }
                // how much may be locked is a limit, not a capability: the unit raises it
                let missing = watcher.child.errorText.split(separator: "\n").filter { $0.contains("CAP_") }
                #expect(missing.allSatisfy { $0.contains("memory is not locked") }, "\(missing)")
            }
        }
        #expect(manager.messages.last { !$0.contains("WATCHDOG") } == "STOPPING=1\nSTATUS=stopping: SIGTERM")
    }

    @Test func `a manager that is not there or does not read is not waited for`() async throws {
        let manager = try Manager()
        for (address, complaint) in [(manager.address, false), ("/nowhere/socket", true), ("vsock:2:1234", true)] {
            try await Hanging.run("pipe-read") { hanging in
                try await Watcher.run(
                    ["--threshold", "500ms"], environment: ["NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000"]
                ) { watcher in
                    _ = try await watcher.blocked(tid: hanging.tid)
                    let told = watcher.child.errorText.contains("cannot reach the service manager at \(address): ")
                    #expect(told == complaint, "\(address): \(watcher.child.errorText)")
                }
            }
        }
    }

    @Test func `a reload takes the config file's filters, and one that is bad changes nothing`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let manager = try Manager()
        let path = folder.path + "/conf"
        try await Hanging.run("pipe-read") { hidden in
            try await Hanging.run("flock") { seen in
                try folder.write("conf", "threshold = 500ms\nexclude-pid = \(hidden.pid)\n")
                try await Watcher.run(["--config", path], environment: ["NOTIFY_SOCKET": manager.address]) { watcher in
                    let child = watcher.child
                    /// - Returns: what it says on stderr about it.
                    func reload(_ expected: String) async throws {
                        let count = manager.messages.count
                        child.signal(SIGHUP)
                        let begun = try await manager.message("RELOADING=1\nMONOTONIC_USEC=", after: count)
                        _ = try await manager.message("READY=1\n", after: begun)
                        _ = try await eventually("\(expected) on stderr: \(child.errorText)") {
                            child.errorText.contains(expected) ? true : nil
                        }
                    }
                    _ = try await watcher.blocked(tid: seen.tid)
                    #expect(!watcher.records.contains { $0.tid == hidden.tid })

                    try folder.write("conf", "threshold = 500ms\nnonsense = 1\n")
                    try await reload("\(path):2: unknown key nonsense; keeping the settings as they were")
                    try FileManager.default.removeItem(atPath: path)
                    try await reload("cannot open the config file \(path): ")
                    #expect(!watcher.records.contains { $0.tid == hidden.tid })

                    try folder.write("conf", "threshold = 3s\nexclude-pid = \(seen.pid)\nengine = scan\n")
                    try await reload("\(path): threshold, engine: takes effect when blockwatch starts again")
                    let first = try await watcher.blocked(tid: hidden.tid)
                    // what was written is closed, whatever the filters say now
                    let opened = try await watcher.blocked(tid: seen.tid)
                    seen.child.signal(SIGKILL)
                    _ = try await watcher.record("the end of \(seen.tid)") {
                        $0.id == opened.id && ["ended", "returned"].contains($0.action)
                    }
                    #expect(first.text("resource.kind") == "pipe")
                }
            }
        }
    }

    @Test func `a reload can begin and end repetitions, and wants a start for calls that no filter let through`()
        async throws
    {
        let folder = try Folder()
        defer { folder.remove() }
        let path = folder.path + "/conf"
        try folder.write("conf", "threshold = 500ms\nrepeat = never\nexclude-syscall = flock\n")
        try await Hanging.run("pipe-read") { hanging in
            try await Watcher.run(["--config", path]) { watcher in
                let opened = try await watcher.blocked(tid: hanging.tid)
                try folder.write("conf", "threshold = 500ms\nrepeat = 1s\n")
                watcher.child.signal(SIGHUP)
                _ = try await watcher.record("a repetition") { $0.id == opened.id && $0.action == "still_blocked" }
                _ = try await eventually("what needs a start: \(watcher.child.errorText)") {
                    watcher.child.errorText.contains(
                        "system calls that no filter let through so far: takes effect when blockwatch starts again")
                        ? true : nil
                }
            }
        }
    }

    @Test func `man pages, completions and the config file are what --help says`() async throws {
        let check = try Child(
            Built.root + "/tools/gen-man.py", [Built.blockwatch, Built.root + "/packaging", "--check"],
            environment: ["PYTHONDONTWRITEBYTECODE": "1"])
        #expect(try await check.exitCode(within: 60) == 0, "\(check.errorText)")
        // every key with its default or example is understood
        let folder = try Folder()
        defer { folder.remove() }
        let text = try String(contentsOfFile: Built.root + "/packaging/blockwatch.conf", encoding: .utf8)
        let lines = text.split(separator: "\n").map { line in
            line.hasPrefix("#") && !line.hasPrefix("# ") ? String(line.dropFirst()) : String(line)
        }
        #expect(lines.count { !$0.hasPrefix("#") } > 25)
        let known = lines.joined(separator: "\n").replacing("www-data", with: "root")
        try folder.write("conf", known + "\n")
        let doctor = try Child(Built.blockwatch, ["doctor", "--config", folder.path + "/conf"])
        _ = try await doctor.exitCode(within: 60)
        #expect(doctor.lines.first?.contains("2 ignore rules") == true, "\(doctor.lines) \(doctor.errorText)")
    }
}
