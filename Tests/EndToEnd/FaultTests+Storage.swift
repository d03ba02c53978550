import Foundation
import Testing

/// File systems and devices that take their time, and ones that do not come back: Programs/slowfs.c.
extension `The watch goes on` {
    /// A FUSE file system in `folder/served`, whose server takes so long for each write.
    private func served(_ folder: Folder, milliseconds: Int, _ body: (String, Child) async throws -> Void) async throws
    {
        let mount = folder.path + "/served"
        try folder.make("served")
        let server = try Child(Built.programs + "/slowfs", [mount, "\(milliseconds)"])
        func clear() async {
            server.signal(SIGKILL)
            server.signal(SIGCONT)
            _ = try? await shell("umount -l \(mount)")
            await server.end()
        }
        do {
            _ = try await eventually("the mount; its server says: \(server.errorText)") {
                server.lines.first == "ready" ? true : nil
            }
            try await body(mount, server)
            await clear()
        } catch {
            await clear()
            throw error
        }
    }

    private func observe<T>(_ names: String, _ body: (Watcher) async throws -> T) async throws -> T {
        try await Watcher.run(["--threshold", "500ms", "--busy-after", "500ms", "--comm", names], body)
    }

    @Test func `a library on a file system that has died holds up neither the watch nor the stacks of others`()
        async throws
    {
        let folder = try Folder()
        defer { folder.remove() }
        try await served(folder, milliseconds: 1) { mount, server in
            try await must("dd if=\(Built.programs)/where of=\(mount)/img conv=notrunc bs=64k status=none")
            let dead = try Child(
                "/lib64/ld-linux-x86-64.so.2", ["\(mount)/img", "deep", folder.path, "2"])
            _ = try await eventually("the program; it says \(dead.errorText)") { dead.lines.first }
            server.signal(SIGSTOP)
            try await Watcher.run(["--threshold", "500ms", "--stacks", "all", "--comm", "where,ld-linux*"]) { watcher in
                let record = try await watcher.blocked(tid: Int(dead.pid))
                #expect(
                    record["code"] == nil && record.strings("unresolved").contains("code.stack=timed_out"), "\(record)")
                try await Hanging.run("semaphore", program: "\(Built.programs)/where") { other in
                    let start = Date()
                    _ = try await watcher.blocked(tid: other.tid)
                    #expect(Date().timeIntervalSince(start) < 3 * patience, "the watch was held up")
                }
            }
            let looking = try Child(Built.blockwatch, ["explain", "\(dead.pid)"])
            #expect(try await looking.exitCode(within: 15) == 0)
            server.signal(SIGCONT)
            await dead.end()
        }
    }

    @Test func `a device that is slow gets on, younger and older, and one whose server has stopped is stuck`()
        async throws
    {
        let folder = try Folder()
        defer { folder.remove() }
        try await served(folder, milliseconds: 100) { mount, server in
            try await must("losetup -f --show \(mount)/img > \(folder.path)/loop")
            let loop = folder.text("loop").trimmingCharacters(in: .whitespacesAndNewlines)
            let number = try await shell("cat /sys/block/\(loop.split(separator: "/").last ?? "")/dev").lines[0]
            do {
                try await observe("dd") { younger in
                    let direct = try Child(
                        "/bin/dd", ["if=/dev/zero", "of=\(loop)", "bs=40M", "count=1", "oflag=direct"])
                    let first = try await younger.blocked(tid: Int(direct.pid))
                    #expect(first.text("reason") == "in_progress")
                    try await observe("dd") { older in
                        let same = try await older.blocked(tid: Int(direct.pid))
                        #expect(same.text("reason") == "in_progress")
                        let evidence = first.strings("evidence") + same.strings("evidence")
                        #expect(evidence.contains { $0.contains("(\(number)) completed") }, "\(evidence)")
                        server.signal(SIGSTOP)
                        for watcher in [younger, older] {
                            let record = try await watcher.record("stuck, once the server has stopped") {
                                $0.integer("process.pid") == Int(direct.pid) && $0.text("reason") == "kernel_stuck"
                            }
                            #expect(record.integer("root.pid") == Int(server.pid))
                            #expect(record.text("holder.relation") == "server")
                        }
                        server.signal(SIGCONT)
                        _ = try await younger.record("it gets on") {
                            $0.integer("process.pid") == Int(direct.pid) && $0.text("reason") == "in_progress"
                                && $0.action == "still_blocked"
                        }
                    }
                    direct.signal(SIGKILL)
                    // what is under way must be done first
                    server.signal(SIGKILL)
                    _ = try? await direct.exitCode()
                }
                try await must("losetup -d \(loop)")
            } catch {
                server.signal(SIGKILL)
                _ = try? await shell("losetup -d \(loop)")
                throw error
            }
        }
    }

    @Test func `calls on paths of a server that lost a request, those behind their lock, and who waits for them`()
        async throws
    {
        let folder = try Folder()
        defer { folder.remove() }
        try await served(folder, milliseconds: 0) { mount, server in
            let first = try Child("/bin/mkdir", [mount + "/never"])
            _ = try await eventually("the first waits for its answer") {
                let stack = (try? String(contentsOfFile: "/proc/\(first.pid)/stack", encoding: .utf8)) ?? ""
                return stack.contains("fuse") ? true : nil
            }
            let second = try Child("/bin/mkdir", [mount + "/other"])
            _ = try await eventually("the second waits for the folder's lock") { state(second.pid) == "D" ? true : nil }
            let lock = folder.path + "/lock"
            let holder = try Child("/usr/bin/flock", [lock, "/bin/mkdir", mount + "/third"])
            _ = try await eventually("the lock is taken") {
                try await shell("flock -n \(lock) true").code == 1 ? true : nil
            }
            let waiter = try Child("/usr/bin/flock", [lock, "true"])
            // older ones; and one that is younger
            try await observe("mkdir,flock") { watcher in
                let fourth = try Child("/bin/mkdir", [mount + "/fourth"])
                var chains: Set<String> = []
                for child in [first, second, fourth, waiter] {
                    let record = try await watcher.blocked(tid: Int(child.pid))
                    #expect(record.text("verdict") == "stuck")
                    #expect(record.text("reason") == (child === waiter ? "lock_held" : "kernel_stuck"))
                    #expect(record.integer("root.pid") == Int(server.pid), "\(record)")
                    chains.insert(record.text("chain_id") ?? "")
                }
                #expect(chains.count == 1, "one root, one tree")
                server.signal(SIGKILL)
                for child in [first, second, fourth, holder, waiter] { _ = try await child.exitCode() }
            }
        }
    }

    /// Two that leave their pipe where the other call's own file is looked for.
    @Test(arguments: ["os.write(1, b'x'); os.statvfs(path)", "os.open('/dev/stdout', 1); os.open(path, 0)"])
    func `what the thread has written to before is not what its call on a path waits for`(calls: String) async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await served(folder, milliseconds: 0) { mount, server in
            let asker = try Child(
                "/usr/bin/python3", ["-c", "import os, sys; path = sys.argv[1]; \(calls)", mount + "/slow"])
            let record = try await eventually("its call") {
                let look = try Child(
                    Built.blockwatch,
                    ["snapshot", "--threshold", "200ms", "--format", "ndjson", "--all", "--pid", "\(asker.pid)"])
                _ = try await look.exitCode()
                let found = look.records.first { $0.tid == Int(asker.pid) }
                return found?.strings("stack").contains { $0.contains("fuse") } == true ? found : nil
            }
            #expect(record.text("resource.kind") == "file", "\(record)")
            #expect(record.integer("root.pid") == Int(server.pid), "\(record)")
            server.signal(SIGKILL)
            _ = try await asker.exitCode()
        }
    }

    @Test func `a server that takes its time and answers others meanwhile`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await served(folder, milliseconds: 0) { mount, server in
            let asker = try Child("/usr/bin/stat", [mount + "/slow"])
            _ = try await eventually("it waits for its answer") {
                let stack = (try? String(contentsOfFile: "/proc/\(asker.pid)/stack", encoding: .utf8)) ?? ""
                return stack.contains("fuse") ? true : nil
            }
            // once in half a second: none of its threads is seen at work
            let others = try Child("/bin/bash", ["-c", "while :; do stat -f \(mount) > /dev/null; sleep 0.5; done"])
            for _ in 1...2 {
                try await observe("stat") { watcher in
                    let record = try await watcher.blocked(tid: Int(asker.pid))
                    #expect(["in_progress", "peer_sleeping"].contains(record.text("reason")), "\(record)")
                    #expect(record.integer("root.pid") == Int(server.pid))
                }
            }
            await others.end()
            server.signal(SIGKILL)
            _ = try await asker.exitCode()
        }
    }
}
