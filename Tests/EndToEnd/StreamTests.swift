import Foundation
import Testing

@Suite(.serialized) struct `The stream is true and whole` {
    @Test func `a storm of 2,000 processes a second leaves no record that is not true`() async throws {
        try await Watcher.run(["--threshold", "1s"]) { watcher in
            let storm = try Child(Built.hang, ["fork-storm", "2000", "5"])
            #expect(try await storm.exitCode(within: 60) == 0)
            for record in watcher.records where record.action == "blocked" {
                // whoever is said to be blocked is there: the storm's children live a few milliseconds
                let pid = try #require(record.integer("process.pid"))
                let tid = try #require(record.tid)
                _ = try await eventually(within: 5, "the thread, or the end of its call: \(record)") {
                    let isThere = access("/proc/\(pid)/task/\(tid)", F_OK) == 0
                    let isClosed = watcher.records.contains {
                        $0.id == record.id && ["ended", "returned"].contains($0.action)
                    }
                    return isThere || isClosed ? true : nil
                }
                #expect(record.text("process.name") != "true")
            }
        }
    }

    @Test func `many threads at once are all said`() async throws {
        try await Hanging.run("many-threads", [2000]) { hanging in
            try await Watcher.run(["--threshold", "1s", "--max-rate", "1000000"]) { watcher in
                _ = try await eventually(within: 20, "2,000 records") {
                    watcher.records.count { $0.action == "blocked" && $0.integer("process.pid") == hanging.pid } > 2000
                        ? true : nil
                }
                let tids = Set(watcher.records.filter { $0.integer("process.pid") == hanging.pid }.compactMap(\.tid))
                #expect(tids.count == 2001)
            }
        }
    }

    @Test func `two at once do not disturb each other, and neither says its own threads`() async throws {
        try await Watcher.run(["--threshold", "500ms"]) { one in
            try await Watcher.run(["--threshold", "500ms"]) { two in
                try await Hanging.run("pipe-read") { hanging in
                    _ = try await one.blocked(tid: hanging.tid)
                    _ = try await two.blocked(tid: hanging.tid)
                    try await Task.sleep(for: .seconds(1))
                }
                #expect(!one.records.contains { $0.integer("process.pid") == Int(one.child.pid) })
                #expect(!two.records.contains { $0.integer("process.pid") == Int(two.child.pid) })
            }
        }
    }

    @Test func `SIGUSR1 says every open call again, a summary is said, and stopped is the last`() async throws {
        try await Watcher.run(["--threshold", "500ms", "--repeat", "never", "--summary", "1s"]) { watcher in
            try await Hanging.run("flock") { hanging in
                let first = try await watcher.blocked(tid: hanging.tid)
                watcher.child.signal(SIGUSR1)
                _ = try await watcher.record("said again") { $0.action == "still_blocked" && $0.id == first.id }
                let summary = try await watcher.record("summary") { $0.action == "summary" }
                #expect(summary.text("event.kind") == "metric")
                #expect(summary.integer("blockwatch.usage.resident_bytes") ?? 0 > 1_000_000)
                #expect(summary.integer("blockwatch.open") != nil)
            }
        }
    }

    @Test func `a long busy call is said once, not by --repeat, and again to whoever asks; a summary counts it`()
        async throws
    {
        let options = ["--threshold", "500ms", "--busy-after", "1s", "--repeat", "1s", "--summary", "1s"]
        try await Watcher.run(options, all: false) { watcher in
            // who reads waits for who writes, and that one is at work
            let shell = try Child(
                "/bin/sh",
                [
                    "-c",
                    "exec 3>&1; sh -c 'echo worker $$ >&3; while :; do :; done' | sh -c 'echo reader $$ >&3; exec cat'",
                ])
            func pid(_ name: String) async throws -> Int {
                try await eventually("the \(name)'s number") {
                    shell.lines.first { $0.hasPrefix(name + " ") }.flatMap { Int($0.dropFirst(name.count + 1)) }
                }
            }
            let worker = try await pid("worker")
            defer { kill(Int32(worker), SIGKILL) }
            let first = try await watcher.blocked(tid: try await pid("reader"))
            #expect(first.text("verdict") == "busy", "\(first)")
            #expect(first.integer("event.duration") ?? 0 >= 1_000_000_000)
            #expect(first.integer("root.pid") == worker)
            // what hangs is said again meanwhile: after 1, 2 and 4 s
            try await Hanging.run("flock") { hanging in
                _ = try await eventually("said three times again") {
                    let again = watcher.records.filter { $0.action == "still_blocked" && $0.tid == hanging.tid }
                    return again.count >= 3 ? true : nil
                }
            }
            #expect(watcher.records(of: first.id).count == 1)
            _ = try await watcher.record("a summary that counts it") {
                ($0["blockwatch.busy_by_reason"] as? [String: Any])?["peer_busy"] != nil
            }
            watcher.child.signal(SIGUSR1)
            _ = try await watcher.record("said to whoever asks") { $0.action == "still_blocked" && $0.id == first.id }
            kill(Int32(worker), SIGKILL)
            _ = try await watcher.record("its end") { $0.action == "returned" && $0.id == first.id }
            await shell.end()
        }
    }

    @Test func `bytes sent and not acknowledged are told apart from those that were never sent`() async throws {
        try await Watcher.run(["--threshold", "500ms"]) { watcher in
            // its reader takes nothing: the window is closed, and most was never sent
            try await Hanging.run("tcp-write") { hanging in
                let record = try await watcher.blocked(tid: hanging.tid)
                let queued = try #require(record.integer("network.send_queue"))
                let sent = try #require(record.integer("network.unacknowledged"))
                #expect(sent < queued, "\(record)")
            }
            // nobody answers a connect: a SYN is no byte
            try await Hanging.run("poll-connect") { hanging in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.integer("network.unacknowledged") == 0)
            }
            try await Hanging.run("unix-named-read") { hanging in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record["network.unacknowledged"] == nil)
            }
        }
    }

    @Test func `held_sockets names the connections that a blocked process holds besides`() async throws {
        try await Hanging.run("tcp-chain") { client in
            try await Watcher.run(["--threshold", "500ms"]) { watcher in
                let reading = try await watcher.blocked(tid: client.tid)
                let connection = try #require(reading.text("network.community_id"))
                #expect(!reading.strings("held_sockets").contains(connection), "its own is no other")
                let server = try #require(client.says.integer("holder_pid"))
                #expect(try await watcher.blocked(tid: server).strings("held_sockets") == [connection])
            }
            try await Watcher.run(["--threshold", "500ms", "--no-held-sockets"]) { watcher in
                let server = try #require(client.says.integer("holder_pid"))
                #expect(try await watcher.blocked(tid: server)["held_sockets"] == nil, "when it is not wanted")
            }
        }
    }

    @Test func `hostile names and paths stay data`() async throws {
        for mode in ["weird-names", "weird-thread-name", "long-path", "unix-abstract-read"] {
            try await Hanging.run(mode) { hanging in
                try await Watcher.run(["--threshold", "500ms"]) { watcher in
                    let record = try await watcher.blocked(tid: hanging.tid)
                    // whatever it is called, no control byte reaches the line
                    #expect(!record.line.utf8.contains { $0 < 0x20 || $0 == 0x7f })
                    if mode == "weird-names" { #expect(record.text("file.path_base64") != nil) }
                    if mode == "long-path" { #expect(record.strings("truncated").contains("file.path")) }
                    if mode == "unix-abstract-read" {
                        let paths = [record.text("network.local.path"), record.text("network.peer.path")].compactMap {
                            $0
                        }
                        #expect(paths.contains { $0.hasPrefix("@") })
                    }
                }
                let text = try Child(
                    Built.blockwatch, ["--threshold", "500ms", "--all", "--format", "text", "--duration", "2s"])
                #expect(try await text.exitCode() == 0)
                #expect(text.lines.contains { $0.contains("[\(hanging.pid)]") })
                #expect(!text.lines.joined().unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f })
            }
        }
    }

    @Test func `secrets on command lines are hidden unless asked for`() async throws {
        try await Hanging.run("secrets") { hanging in
            for (policy, shows, has) in [("redacted", false, true), ("full", true, true), ("none", false, false)] {
                try await Watcher.run(["--threshold", "500ms", "--command-line", policy]) { watcher in
                    let record = try await watcher.blocked(tid: hanging.tid)
                    #expect(record.line.contains("hunter2") == shows, "\(policy): \(record)")
                    #expect((record.text("process.command_line") != nil) == has)
                }
            }
        }
    }

    @Test func `identity: user, start, parent, executable, container and unit of its cgroup`() async throws {
        let id = String(repeating: "0123456789abcdef", count: 4)
        let base =
            FileManager.default.fileExists(atPath: "/sys/fs/cgroup/cgroup.controllers")
            ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids"
        let folder = "\(base)/docker-\(UUID().uuidString)"
        let cgroup = "\(folder)/docker-\(id).scope"
        try FileManager.default.createDirectory(atPath: cgroup, withIntermediateDirectories: true)
        defer {
            rmdir(cgroup)
            rmdir(folder)
        }
        try await Hanging.run("pipe-read") { hanging in
            try "\(hanging.pid)".write(toFile: "\(cgroup)/cgroup.procs", atomically: false, encoding: .utf8)
            try await Watcher.run(["--threshold", "500ms"]) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("process.name") == "hang")
                #expect(
                    record.text("process.executable") == URL(fileURLWithPath: Built.hang).resolvingSymlinksInPath().path
                )
                #expect(record.text("process.command_line")?.contains("pipe-read") == true)
                #expect(record.integer("process.parent.pid") == Int(getpid()))
                #expect(record.text("process.user.id") == "0")
                #expect(record.text("process.user.name") == "root")
                #expect(record.text("container.id") == id)
                #expect(record.text("container.runtime") == "docker")
                #expect(record.text("cgroup.path")?.hasSuffix("docker-\(id).scope") == true)
                #expect(record.text("host.boot.id")?.count == 36)
                let machine = (try? String(contentsOfFile: "/etc/machine-id", encoding: .utf8))?.trimmingCharacters(
                    in: .newlines)
                #expect(record.text("host.id") == (machine?.count == 32 ? machine : nil))
                #expect(record.text("blockwatch.run.id")?.count == 16)
            }
        }
    }
}
