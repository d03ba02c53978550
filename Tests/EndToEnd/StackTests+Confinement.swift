import Foundation
import Testing

/// What the process that walks stacks may do, and the workers that it starts: docs/confinement.md.
@Suite(.serialized) struct `Nothing gets out of a stack` {
    /// CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_CHECKPOINT_RESTORE
    private static let three = "0000010000080004"
    private static let none = "0000000000000000"

    private func status(_ pid: Int) -> [String: String] {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        return Dictionary(
            text.split(separator: "\n").compactMap { line in
                let parts = line.split(separator: ":", maxSplits: 1)
                return parts.count == 2 ? (String(parts[0]), parts[1].trimmingCharacters(in: .whitespaces)) : nil
            }, uniquingKeysWith: { first, _ in first })
    }

    private func children(of pid: Int) -> [Int] {
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return threads.flatMap { thread in
            let text = try? String(contentsOfFile: "/proc/\(pid)/task/\(thread)/children", encoding: .utf8)
            return (text ?? "").split(separator: " ").compactMap { Int($0) }
        }
    }

    /// The server of a blockwatch, once it is confined.
    private func server(of pid: Int) async throws -> Int {
        try await eventually("the server of \(pid)") {
            children(of: pid).first { child in
                let words = (try? String(contentsOfFile: "/proc/\(child)/cmdline", encoding: .utf8)) ?? ""
                return words.contains("stacks-server") && status(child)["Seccomp"] == "2"
            }
        }
    }

    private func check(_ pid: Int, filters: String, _ what: String) {
        let status = status(pid)
        for set in ["CapEff", "CapPrm", "CapBnd"] { #expect(status[set] == Self.three, "\(what): \(set)") }
        for set in ["CapInh", "CapAmb"] { #expect(status[set] == Self.none, "\(what): \(set)") }
        #expect(status["NoNewPrivs"] == "1" && status["Seccomp"] == "2", "\(what)")
        #expect(status["Seccomp_filters"] == filters, "\(what): \(status["Seccomp_filters"] ?? "-") filters")
        for ids in ["Uid", "Gid"] {
            #expect(status[ids]?.split(separator: "\t") == Array(repeating: "65534", count: 4), "\(what): \(ids)")
        }
        #expect(status["Groups"] == "", "\(what): \(status["Groups"] ?? "-")")
        #expect(status["Threads"] == "1", "\(what)")
    }

    private func open(_ pid: Int) throws -> [String: String] {
        let folder = "/proc/\(pid)/fd"
        return Dictionary(
            uniqueKeysWithValues: try FileManager.default.contentsOfDirectory(atPath: folder).map {
                ($0, try FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)"))
            })
    }

    @Test func `the server is nobody with three capabilities, two pipes and a filter`() async throws {
        try await Hanging.run("semaphore", program: "\(Built.programs)/where") { hanging in
            try await Watcher.run(["--threshold", "300ms", "--stacks", "all"]) { watcher in
                // it has walked one
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(!record.strings("code.stack").isEmpty, "\(record)")
                let server = try await server(of: Int(watcher.child.pid))
                check(server, filters: "1", "server")
                let files = try open(server)
                #expect(files.count == 3 && files["2"] == "/dev/null", "\(files)")
                #expect(["0", "1"].allSatisfy { files[$0]?.hasPrefix("pipe:") == true }, "\(files)")
                #expect(children(of: server).isEmpty, "a worker that stays")
            }
        }
    }

    #if arch(x86_64)
        @Test func `an intruder in the server can write to nothing, connect to nothing and run nothing`() async throws {
            let folder = try Folder()
            defer { folder.remove() }
            try await Watcher.run(["--threshold", "300ms", "--stacks", "all"]) { watcher in
                let server = try await server(of: Int(watcher.child.pid))
                // openat for writing, to read and write, to create, to truncate; open(2), creat, connect, sendto, memfd_create, rename,
                // mmap and mprotect with PROT_EXEC, clone with CLONE_NEWUSER, setuid, bpf, process_vm_writev is below
                for (call, answer) in [
                    (["257", "-100", "0", "1"], "-1"), (["257", "-100", "0", "2"], "-1"),
                    (["257", "-100", "0", "0100"], "-1"), (["257", "-100", "0", "01000"], "-1"),
                    (["2", "0", "1"], "-38"), (["85", "0", "0"], "-38"), (["42", "0", "0", "16"], "-38"),
                    (["44", "0", "0", "0"], "-38"), (["319", "0", "0"], "-38"), (["82", "0", "0"], "-38"),
                    (["9", "0", "4096", "7", "34", "-1", "0"], "-1"), (["10", "0", "4096", "5"], "-1"),
                    (["56", "0x10000011", "0", "0", "0", "0"], "-1"), (["105", "0"], "-38"),
                    (["321", "5", "0", "0"], "-38"),
                    (["39"], "\(server)"),
                ] {
                    let intruder = try Child(Built.programs + "/tracer", ["call", "\(server)"] + call)
                    #expect(try await intruder.exitCode() == 0, "\(intruder.errorText)")
                    #expect(intruder.lines == [answer], "call \(call)")
                }
                // and works on
                try await Hanging.run("condition", program: "\(Built.programs)/where") { hanging in
                    let record = try await watcher.blocked(tid: hanging.tid)
                    #expect(!record.strings("code.stack").isEmpty, "\(record)")
                }
            }
            // socket, execve, ptrace, process_vm_writev end it, and the watch goes on without stacks
            for call in [
                ["41", "2", "1", "0"], ["59", "0", "0", "0"], ["101", "0", "1"], ["311", "1", "0", "0", "0", "0", "0"],
            ] {
                try await Watcher.run(["--threshold", "300ms", "--stacks", "all"]) { watcher in
                    let server = try await server(of: Int(watcher.child.pid))
                    let intruder = try Child(Built.programs + "/tracer", ["call", "\(server)"] + call)
                    _ = try await intruder.exitCode()
                    _ = try await eventually("the end of the server by call \(call)") {
                        ["Z (zombie)", nil].contains(status(server)["State"]) ? true : nil
                    }
                    try await Hanging.run("condition", program: "\(Built.programs)/where") { hanging in
                        let record = try await watcher.blocked(tid: hanging.tid)
                        #expect(record["code"] == nil, "\(record)")
                    }
                }
            }
        }
    #endif

    @Test func `a worker has a second filter and its limits, and is killed when it is late`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let mount = folder.path + "/served"
        try folder.make("served")
        // a program whose own file lies on a file system that has died: the worker waits for it
        let files = try Child(Built.programs + "/slowfs", [mount, "1"])
        func clear() async {
            files.signal(SIGKILL)
            files.signal(SIGCONT)
            _ = try? await Child("/usr/bin/umount", ["-l", mount]).exitCode()
            await files.end()
        }
        do {
            _ = try await eventually("the mount; \(files.errorText)") { files.lines.first == "ready" ? true : nil }
            let copy = try Child(
                "/usr/bin/dd", ["if=\(Built.programs)/where", "of=\(mount)/img", "conv=notrunc", "bs=64k"])
            #expect(try await copy.exitCode() == 0, "\(copy.errorText)")
            let dead = try Child("/lib64/ld-linux-x86-64.so.2", ["\(mount)/img", "deep", folder.path, "2"])
            _ = try await eventually("the program; it says \(dead.errorText)") { dead.lines.first }
            files.signal(SIGSTOP)
            let looking = try Child(Built.blockwatch, ["explain", "\(dead.pid)"])
            let server = try await server(of: Int(looking.pid))
            let worker = try await eventually("a worker that waits for the dead file system") {
                children(of: server).first { worker in
                    let stack = try? String(contentsOfFile: "/proc/\(worker)/stack", encoding: .utf8)
                    return stack?.contains("fuse") == true
                }
            }
            check(worker, filters: "2", "worker")
            let limits = (try? String(contentsOfFile: "/proc/\(worker)/limits", encoding: .utf8)) ?? ""
            for (name, most) in [
                ("Max cpu time", 5), ("Max file size", 0), ("Max data size", 512 << 20), ("Max core file size", 0),
                ("Max open files", 1024), ("Max address space", 8 << 30),
            ] {
                let words = limits.split(separator: "\n").first { $0.hasPrefix(name + " ") }?.dropFirst(name.count)
                    .split(separator: " ").prefix(2)
                #expect(words.map(Array.init) == ["\(most)", "\(most)"], "\(name): \(words ?? [])")
            }
            let descriptors = try open(worker)
            let pipes = descriptors.filter { !$1.hasPrefix("/") }
            #expect(pipes.keys.sorted() == ["1"], "what is asked is not its own to read: \(descriptors)")
            #expect(try await looking.exitCode(within: 15) == 0)
            _ = try await eventually("the end of the worker") { status(worker)["State"] == nil ? true : nil }
            files.signal(SIGCONT)
            await dead.end()
        } catch {
            await clear()
            throw error
        }
        await clear()
    }
}
