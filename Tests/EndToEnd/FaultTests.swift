import Foundation
import Testing

/// A host that is sick: the other tools hang, the disks fill, nobody reads. docs/reliability.md is the table of these.
@Suite(.serialized) struct `The watch goes on` {
    // MARK: - helpers

    /// `hang` by a name of its own: whatever else the host does is left out by `--comm`.
    private static let sick: String = {
        let path = Built.programs + "/sick"
        try? FileManager.default.removeItem(atPath: path)
        try? FileManager.default.linkItem(atPath: Built.hang, toPath: path)
        return path
    }()

    private func hang<T>(_ mode: String, _ numbers: [Int] = [], _ body: (Hanging) async throws -> T) async throws -> T {
        try await Hanging.run(mode, numbers, program: Self.sick, body)
    }

    private func watch<T>(
        _ arguments: [String], through prefix: [String] = [], binary: String = Built.blockwatch, losses: [String] = [],
        _ body: (Watcher) async throws -> T
    ) async throws -> T {
        try await Watcher.run(
            arguments + ["--comm", "sick,sh,bash,sleep"], through: prefix, binary: binary, losses: losses, body)
    }

    /// Runs a script of bash.
    @discardableResult
    private func shell(_ script: String, within seconds: Double = 60) async throws -> (code: Int32, lines: [String]) {
        let child = try Child("/bin/bash", ["-c", script])
        do {
            let code = try await child.exitCode(within: seconds)
            return (code, child.lines + child.errorText.split(separator: "\n").map(String.init))
        } catch {
            await child.end()
            throw error
        }
    }

    private func must(_ script: String) async throws {
        let (code, lines) = try await shell(script)
        guard code == 0 else { throw Failure(description: "\(script): \(code): \(lines.joined(separator: "; "))") }
    }

    /// That another tool gets no answer in two seconds.
    private func hangs(_ tool: String) async throws -> Bool {
        try await shell("timeout -s KILL 2 \(tool) >/dev/null 2>&1").code == 137
    }

    /// The letter of /proc/PID/stat; empty if it is gone.
    private func state(_ pid: Int32) -> String {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
        return text.split(separator: ")").last?.split(separator: " ").first.map(String.init) ?? ""
    }

    private func resident(_ pid: Int32) -> Int {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8)) ?? ""
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * Int(getpagesize())
    }

    /// blockwatch with an output of its own, ended with the body.
    private func watching<T>(
        _ arguments: [String], through prefix: [String] = [], _ body: (Child) async throws -> T
    ) async throws -> T {
        let words =
            prefix + [Built.blockwatch, "--threshold", "500ms", "--max-rate", "1000000", "--format", "ndjson"]
            + ["--comm", "sick"] + arguments
        let child = try Child(words[0], Array(words.dropFirst()))
        do {
            let result = try await body(child)
            await child.end()
            return result
        } catch {
            await child.end()
            throw error
        }
    }

    /// A file system in a file, mounted in `folder/mount`, taken apart in the end.
    private func mounted<T>(_ folder: Folder, _ body: (String) async throws -> T) async throws -> T {
        let (image, mount) = (folder.path + "/image", folder.path + "/mount")
        func clear() async {
            _ = try? await shell(
                "fsfreeze -u \(mount); umount -l \(mount); for i in $(losetup -n -O NAME -j \(image)); do losetup -d $i; done"
            )
        }
        try await must(
            "mkdir \(mount) && truncate -s 16M \(image) && mkfs.ext4 -q \(image) && mount -o loop \(image) \(mount)")
        do {
            let result = try await body(mount)
            await clear()
            return result
        } catch {
            await clear()
            throw error
        }
    }

    private func parse(_ text: String) -> [Fields] { text.split(separator: "\n").compactMap { Fields(String($0)) } }

    /// Whole lines, and no gap in `event.sequence` but those of lines that a loss counts.
    private func check(_ text: String, loses: Bool = false) {
        let lines = text.split(separator: "\n")
        let records = lines.compactMap { Fields(String($0)) }
        #expect(records.count == lines.count, "lines that are no JSON")
        let sequence = records.compactMap { $0.integer("event.sequence") }
        #expect(sequence == sequence.sorted())
        guard let last = sequence.last else {
            Issue.record("no records")
            return
        }
        let missing = last - sequence.count
        let told = records.filter { $0.action == "loss" && $0.text("loss.what") == "lines" }
            .reduce(0) { $0 + ($1.integer("loss.count") ?? 0) }
        #expect(missing == told, "\(missing) records are missing, \(told) are said to be lost")
        #expect((told > 0) == loses)
        var open: Set<String> = []
        for record in records {
            guard let id = record.id, record.action != "slow", record.action != "deadlock" else { continue }
            switch record.action {
            case "blocked": #expect(open.insert(id).inserted, "\(id) opened twice")
            case "returned", "ended": #expect(open.remove(id) != nil, "\(id) closed and not open")
            default: break
            }
        }
        if let left = records.last(where: { $0.action == "stopped" })?.integer("blockwatch.open") {
            #expect(open.count == left, "calls that were never closed")
        }
    }

    // MARK: - processes that hang whoever asks about them

    @Test func `a FUSE server that is dead, where lsof hangs`() async throws {
        try await hang("fuse-dead") { hanging in
            try await watch(["--threshold", "500ms"]) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("file.path") == hanging.says.text("path"))
                #expect(record.text("file.filesystem") == "fuse.hang")
                #expect(record.text("reason") == "kernel_stuck")
                #expect(try await hangs("lsof -p \(hanging.pid)"))
                try await hang("pipe-read") { _ = try await watcher.blocked(tid: $0.tid, within: 10) }
                for command in ["snapshot", "explain \(hanging.pid)"] {
                    let (code, lines) = try await shell("timeout -s KILL 20 \(Built.blockwatch) \(command)")
                    #expect(code == 0)
                    #expect(lines.contains { $0.contains("sick[\(hanging.pid)]") }, "\(command): \(lines)")
                }
            }
        }
    }

    @Test func `an address space that is locked for ever, where ps and cat of its cmdline hang`() async throws {
        try await hang("mmap-lock") { hanging in
            // from here on its command line can be read by nobody
            _ = try await eventually("a locked address space") {
                try await hangs("cat /proc/\(hanging.pid)/cmdline") ? true : nil
            }
            #expect(try await hangs("ps -fp \(hanging.pid)"))
            try await watch(["--threshold", "500ms"]) { watcher in
                let fault = try await watcher.blocked(tid: hanging.tid)
                #expect(fault.text("process.name") == "sick")
                #expect(fault.text("resource.kind") == "page")
                let behind = try await watcher.record("the thread behind it") {
                    $0.action == "blocked" && $0.integer("process.pid") == hanging.pid && $0.tid != hanging.tid
                }
                #expect(behind.text("syscall.name") == "mmap")
                #expect(behind.text("reason") == "kernel_stuck")
                for record in [fault, behind] {
                    #expect(record.strings("unresolved").contains("process.command_line=timed_out"), "\(record)")
                }
                // nobody else has to wait for it, and nobody else's fields are missing
                try await hang("poll") { other in
                    let record = try await watcher.blocked(tid: other.tid, within: 10)
                    #expect(record.text("process.command_line")?.contains("poll") == true, "\(record)")
                }
                let (code, lines) = try await shell("timeout -s KILL 20 \(Built.blockwatch) snapshot --threshold 500ms")
                #expect(code == 0)
                #expect(lines.contains { $0.contains("sick[\(hanging.pid)]") })
            }
        }
    }

    @Test func `an epoll that nobody can look into, where cat of its fdinfo hangs in D`() async throws {
        try await hang("userfaultfd-epoll") { hanging in
            let fd = try #require(hanging.says.integer("fd"))
            let reader = try await eventually("cat in D") { () async throws -> Child? in
                // one that comes before the call has begun gets its answer
                let reader = try Child("/bin/cat", ["/proc/\(hanging.pid)/fdinfo/\(fd)"])
                return try? await eventually(within: 1, "D") { state(reader.pid) == "D" ? reader : nil }
            }
            reader.signal(SIGKILL)
            try await watch(["--threshold", "500ms"]) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("syscall.name") == "epoll_wait")
                #expect(record.text("reason") == "kernel_stuck")
                #expect(state(reader.pid) == "D", "not even SIGKILL ends it")
                for _ in 0..<3 {
                    try await hang("epoll-wait") { other in
                        let record = try await watcher.blocked(tid: other.tid, within: 10)
                        #expect(!((record["members"] as? [Any]) ?? []).isEmpty, "\(record)")
                    }
                }
            }
        }
    }

    // MARK: - file systems

    @Test func `a frozen file system, whose writers hang in D`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await mounted(folder) { mount in
            try await must("fsfreeze -f \(mount)")
            let writer = try Child("/bin/sh", ["-c", "echo x > \(mount)/file"])
            _ = try await eventually("a writer in D") { state(writer.pid) == "D" ? true : nil }
            try await watch(["--threshold", "500ms"]) { watcher in
                let record = try await watcher.blocked(tid: Int(writer.pid))
                #expect(record.text("verdict") == "stuck")
                #expect(record.text("reason") == "kernel_stuck")
                #expect(record.text("file.path") == "\(mount)/file")
                writer.signal(SIGKILL)
                #expect(state(writer.pid) == "D", "not even SIGKILL ends it")
            }
            try await must("fsfreeze -u \(mount)")
            try await writer.exitCode()
        }
    }

    @Test func `its own output on a file system that freezes`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await mounted(folder) { mount in
            let log = mount + "/log"
            func text() -> String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
            try await watching(["--output", log, "--metrics", folder.path + "/metrics", "--summary", "200ms", "--all"])
            { child in
                _ = try await eventually("a summary") { text().contains("\"summary\"") ? true : nil }
                try await must("fsfreeze -f \(mount)")
                let before = text().utf8.count
                try await hang("pipe-read") { hanging in
                    // the stream is stuck; capture is not
                    let open = openCalls(folder)
                    _ = try await eventually("the call is counted") { openCalls(folder) > open ? true : nil }
                    #expect(text().utf8.count == before)
                    try await must("fsfreeze -u \(mount)")
                    _ = try await eventually("the call is told") {
                        parse(text()).first { $0.action == "blocked" && $0.tid == hanging.tid }
                    }
                }
                // once more: nothing of it stays in the kernel, though its writer cannot die
                let owned = try Kernel.owned(by: child.pid)
                try await must("fsfreeze -f \(mount)")
                child.signal(SIGTERM)
                _ = try await eventually("its programs are gone") {
                    try await Kernel.ids().isDisjoint(with: owned) ? true : nil
                }
                try await must("fsfreeze -u \(mount)")
                #expect(try await child.exitCode() == 74)
                #expect(child.errorText.contains("nobody took the last lines"), "\(child.errorText)")
            }
        }
    }

    @Test func `its output on a file system that is frozen already`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await mounted(folder) { mount in
            let log = mount + "/log"
            try await must("fsfreeze -f \(mount)")
            try await watching(["--output", log, "--metrics", folder.path + "/metrics", "--summary", "200ms", "--all"])
            { child in
                _ = try await eventually("a word about it") {
                    child.errorText.contains("the file system of the output \(log) does not answer") ? true : nil
                }
                try await hang("pipe-read") { hanging in
                    let open = openCalls(folder)
                    _ = try await eventually("the call is counted") { openCalls(folder) > open ? true : nil }
                    try await must("fsfreeze -u \(mount)")
                    _ = try await eventually("the call is told") {
                        parse((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").first {
                            $0.action == "blocked" && $0.tid == hanging.tid
                        }
                    }
                }
                child.signal(SIGTERM)
                #expect(try await child.exitCode() == 0, "\(child.errorText)")
            }
        }
    }

    private func openCalls(_ folder: Folder) -> Int {
        let line = folder.text("metrics").split(separator: "\n").first { $0.hasPrefix("blockwatch_open_calls ") }
        return line.flatMap { Int($0.dropFirst("blockwatch_open_calls ".count)) } ?? 0
    }

    @Test func `its own output on a file system that is full`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let mount = folder.path + "/mount"
        try await must("mkdir \(mount) && mount -t tmpfs -o size=64m none \(mount)")
        func text() -> String { (try? String(contentsOfFile: mount + "/log", encoding: .utf8)) ?? "" }
        do {
            try await watching(["--output", mount + "/log", "--summary", "100ms", "--all"]) { child in
                _ = try await eventually("a summary") { text().contains("\"summary\"") ? true : nil }
                try await shell("dd if=/dev/zero of=\(mount)/filler bs=4k")
                _ = try await eventually("a word about it") { child.errorText.contains("ENOSPC") ? true : nil }
                try await hang("pipe-read") { hanging in
                    try await Task.sleep(for: .seconds(1))
                    // room for what has waited
                    try await must("rm \(mount)/filler && mount -o remount,size=256m \(mount)")
                    _ = try await eventually("the call is told") {
                        parse(text()).first { $0.action == "blocked" && $0.tid == hanging.tid }
                    }
                }
                child.signal(SIGTERM)
                #expect(try await child.exitCode() == 0)
                let complaints = child.errorText.split(separator: "\n").filter { $0.contains("ENOSPC") }
                #expect(complaints.count == 1, "said once: \(child.errorText)")
                check(text())
            }
        } catch {
            try await shell("umount -l \(mount)")
            throw error
        }
        try await must("umount \(mount)")
    }

    @Test func `its own output on a file system that turns read-only`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await mounted(folder) { mount in
            let log = mount + "/log"
            func text() -> String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
            try await watching(["--output", log, "--summary", "200ms", "--all"]) { child in
                _ = try await eventually("a summary") { text().contains("\"summary\"") ? true : nil }
                try await must("mount -o remount,abort \(mount)")
                _ = try await eventually("a word about it") {
                    child.errorText.contains("EROFS") || child.errorText.contains("EIO") ? true : nil
                }
                try await hang("pipe-read") { hanging in
                    try await Task.sleep(for: .seconds(1))
                    #expect(child.process.isRunning)
                    // its folder is there again, on another file system: the file is opened anew
                    try await must("umount -l \(mount)")
                    _ = try await eventually("the call is told") {
                        parse(text()).first { $0.action == "blocked" && $0.tid == hanging.tid }
                    }
                }
                child.signal(SIGTERM)
                #expect(try await child.exitCode() == 0)
                let records = parse(text())
                #expect(records.count == text().split(separator: "\n").count, "whole lines")
                #expect(records.last?.action == "stopped")
            }
        }
    }

    @Test func `the log is truncated, deleted and moved away`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await watching(["--output", folder.path + "/log", "--summary", "100ms"]) { child in
            func told() -> Int { parse(folder.text("log")).count { $0.action == "summary" } }
            _ = try await eventually("a summary") { told() > 2 ? true : nil }
            truncate(folder.path + "/log", 0)
            _ = try await eventually("lines from the start of the file") { told() > 0 ? true : nil }
            #expect(folder.text("log").hasPrefix("{"))
            unlink(folder.path + "/log")
            _ = try await eventually("a new file") { told() > 0 ? true : nil }
            rename(folder.path + "/log", folder.path + "/log.1")
            _ = try await eventually("a new file again") { told() > 0 ? true : nil }
            child.signal(SIGTERM)
            #expect(try await child.exitCode() == 0)
            check(folder.text("log.1") + folder.text("log"), from: parse(folder.text("log.1")).first)
            #expect(child.errorText.isEmpty, "\(child.errorText)")
        }
    }

    private func check(_ text: String, from first: Fields?) {
        let sequence = parse(text).compactMap { $0.integer("event.sequence") }
        guard let start = first?.integer("event.sequence") else {
            Issue.record("no records")
            return
        }
        #expect(sequence == Array(start..<(start + sequence.count)))
    }

    // MARK: - readers

    @Test func `nobody reads stdout: capture goes on, memory stays, drops are told, closings are kept`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let output = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Built.blockwatch)
        process.arguments = [
            "--threshold", "500ms", "--max-rate", "1000000", "--format", "ndjson", "--all", "--repeat", "2s",
            "--metrics",
            folder.path + "/metrics", "--comm", "sick",
        ]
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
        let reader = output.fileHandleForReading
        let first = try #require(try reader.read(upToCount: 1))
        try await hang("many-threads", [6000]) { _ in
            try await hang("many-threads", [6000]) { _ in
                _ = try await eventually(within: 120, "12,000 calls are counted") {
                    openCalls(folder) >= 12000 ? true : nil
                }
                // for a minute: repeated lines fill it up and make room again
                try await Task.sleep(for: .seconds(60))
                #expect(openCalls(folder) >= 12000)
            }
        }
        _ = try await eventually(within: 60, "the end of them all is seen") { openCalls(folder) < 6000 ? true : nil }
        let size = resident(process.processIdentifier)
        #expect(size < 300_000_000, "\(size) bytes")
        print("nobody read: \(size >> 20) MB resident")
        // somebody reads again
        let rest = Task.detached { try reader.readToEnd() ?? Data() }
        try await hang("flock") { hanging in
            _ = try await eventually("a new call is counted") { openCalls(folder) > 0 ? true : nil }
            try await Task.sleep(for: .seconds(2))
            kill(process.processIdentifier, SIGTERM)
            let text = String(decoding: try await first + rest.value, as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
            check(text, loses: true)
            #expect(parse(text).contains { $0.action == "blocked" && $0.tid == hanging.tid })
        }
    }

    @Test func `the reader is killed`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let script =
            "set -o pipefail; \(Built.blockwatch) --threshold 500ms --summary 100ms | (echo $BASHPID > \(folder.path)/pid; exec cat >/dev/null)"
        let child = try Child("/bin/bash", ["-c", script])
        let reader = try await eventually("the reader") { Int32(folder.text("pid").trimmingCharacters(in: .newlines)) }
        try await Task.sleep(for: .seconds(1))
        kill(reader, SIGKILL)
        // of blockwatch 0; of the pipeline the reader's
        #expect(try await child.exitCode() == 137)
        #expect(!child.errorText.contains("blockwatch:"), "it ends quietly: \(child.errorText)")
    }

    @Test func `stderr and stdout are closed, and nothing else takes their place`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let log = folder.path + "/log"
        let (code, _) = try await shell(
            "\(Built.blockwatch) --threshold 500ms --log-level debug --duration 2s --output \(log) <&- >&- 2>&-")
        #expect(code == 0)
        #expect(parse(folder.text("log")).last?.action == "stopped")
        #expect(!folder.text("log").contains("blockwatch: "), "diagnostics in the log")
        check(folder.text("log"))
        let (failed, lines) = try await shell("\(Built.blockwatch) --threshold 500ms --duration 2s >&-")
        #expect(failed == 74)
        #expect(lines.contains { $0.contains("EBADF") }, "\(lines)")
    }

    @Test func `nobody reads stderr, and it is full`() async throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        let bytes = [UInt8](repeating: 10, count: 4096)
        while write(ends[1], bytes, bytes.count) > 0 {}
        _ = fcntl(ends[1], F_SETFL, 0)
        defer {
            close(ends[0])
            close(ends[1])
        }
        let output = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Built.blockwatch)
        process.arguments = [
            "--threshold", "500ms", "--log-level", "debug", "--format", "ndjson", "--max-rate", "1000000",
        ]
        process.standardOutput = output
        process.standardError = FileHandle(fileDescriptor: ends[1])
        try process.run()
        let text = Task.detached { try output.fileHandleForReading.readToEnd() ?? Data() }
        try await hang("flock") { hanging in
            try await Task.sleep(for: .seconds(3))
            kill(process.processIdentifier, SIGTERM)
            let records = parse(String(decoding: try await text.value, as: UTF8.self))
            #expect(records.contains { $0.action == "blocked" && $0.tid == hanging.tid })
            #expect(records.last?.action == "stopped")
        }
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    // MARK: - the host

    @Test(arguments: [true, false]) func `proc mounted with hidepid=2`(mayTrace: Bool) async throws {
        let copy = try await Watcher.Copy()
        defer { copy.remove() }
        try await hang("flock") { hanging in
            let list = "-all,+bpf,+perfmon,+dac_read_search,+ipc_lock" + (mayTrace ? ",+sys_ptrace" : "")
            let script = "mount -t proc -o hidepid=2 none /proc && exec \"$0\" \"$@\""
            try await watch(
                ["--threshold", "500ms"],
                through: ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", script]
                    + ["/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
                    + ["--inh-caps", list, "--ambient-caps", list], binary: copy.path
            ) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("process.name") == "sick")
                #expect(record.text("reason") == "lock_held", "what the kernel side says needs no /proc")
                #expect((record.text("process.command_line") != nil) == mayTrace, "\(record)")
                #expect((record.text("file.path") != nil) == mayTrace)
            }
        }
    }

    @Test func `blockwatch is stopped and continued: one loss, and no hang that is none`() async throws {
        let busy = try Child("/bin/bash", ["-c", "while sleep 0.1; do :; done"])
        let innocent = Int(busy.pid)
        do {
            try await watch(["--threshold", "500ms"], losses: ["held up"]) { watcher in
                try await hang("pipe-read") { hanging in
                    let first = try await watcher.blocked(tid: hanging.tid)
                    watcher.child.signal(SIGSTOP)
                    try await Task.sleep(for: .seconds(60))
                    watcher.child.signal(SIGCONT)
                    _ = try await watcher.record("the loss") { $0.text("loss.reason")?.contains("held up") == true }
                    try await hang("flock") { _ = try await watcher.blocked(tid: $0.tid) }
                    checkPause(watcher.records, of: first.id, innocent: innocent)
                }
            }
        } catch {
            await busy.end()
            throw error
        }
        await busy.end()
    }

    private func checkPause(_ records: [Fields], of id: String?, innocent: Int) {
        let losses = records.compactMap { $0.text("loss.reason") }.filter {
            $0.contains("held up for 59") || $0.contains("held up for 1m")
        }
        #expect(losses.count == 1, "\(losses)")
        #expect(records.count { $0.action == "blocked" && $0.id == id } == 1)
        for record in records {
            let pids = [record.integer("process.pid"), record.integer("process.parent.pid")]
            if pids.contains(innocent) { Issue.record("it never waits longer than 100 ms: \(record)") }
        }
    }

    @Test func `64 MB of memory for it, with 5,000 threads to watch`() async throws {
        let group = Group("memory", limit: ("memory.limit_in_bytes", "memory.max"), 64 << 20)
        try group.make()
        defer { group.remove() }
        try await hang("many-threads", [5000]) { hanging in
            let script = "echo $$ > \(group.path)/cgroup.procs && exec \"$0\" \"$@\""
            try await watch(
                ["--threshold", "500ms"], through: ["/bin/sh", "-c", script]
            ) { watcher in
                _ = try await eventually(within: 60, "5,000 records") {
                    watcher.records.count { $0.action == "blocked" && $0.integer("process.pid") == hanging.pid } > 5000
                        ? true : nil
                }
                try await Task.sleep(for: .seconds(3))
                #expect(watcher.child.process.isRunning)
                let inside = try String(contentsOfFile: group.path + "/cgroup.procs", encoding: .utf8)
                #expect(inside.contains("\(watcher.child.pid)"), "it runs in the group")
                print("64 MB group: \(resident(watcher.child.pid) >> 20) MB resident")
            }
        }
    }

    @Test func `30,000 threads`() async throws {
        // a host of its default would have no numbers left for others
        let limit = "/proc/sys/kernel/pid_max"
        let before = try String(contentsOfFile: limit, encoding: .utf8)
        if Int(before.trimmingCharacters(in: .newlines)) ?? 0 < 100_000 { try await must("echo 100000 > \(limit)") }
        defer { try? before.write(toFile: limit, atomically: false, encoding: .utf8) }
        let folder = try Folder()
        defer { folder.remove() }
        let log = folder.path + "/log"
        let said = "grep '\"action\":\"blocked\"' \(log) | grep -o '\"thread\":{\"id\":[0-9]*'"
        func count(_ script: String) async throws -> Int {
            try await shell(script).lines.first.flatMap { Int($0) } ?? 0
        }
        try await hang("many-threads", [30000]) { _ in
            try await watching(["--output", log, "--all", "--repeat", "2s"]) { child in
                _ = try await eventually(within: 120, "30,000 records") {
                    try await count("\(said) | sort -u | wc -l") >= 30001 ? true : nil
                }
                print("30,000 threads: \(resident(child.pid) >> 20) MB resident")
                #expect(try await count("\(said) | sort | uniq -d | wc -l") == 0, "once each")
                // and while these are said again and again, a new one as soon as ever
                try await hang("flock") { hanging in
                    let began = ContinuousClock.now
                    _ = try await eventually("the new one") {
                        try await count("\(said) | grep -c ':\(hanging.tid)$'") == 1 ? true : nil
                    }
                    print("30,000 threads: a new one was told after \(ContinuousClock.now - began)")
                }
            }
        }
    }

    @Test func `the same pid again and again is never taken for the one before`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        // two programs take turns as PID 500 of a namespace
        let script = """
            "$0" --scope namespace --threshold 200ms --all --format ndjson --output \(folder.path)/log &
            watcher=$!
            turn=0
            for i in 1 2 3 4 5 6; do
              for mode in pipe-read flock; do
                echo 499 > /proc/sys/kernel/ns_last_pid
                HANG_UNLEASHED=1 \(Self.sick) $mode \(folder.path)/ > /dev/null &
                [ $! = 500 ] || { echo "PID $! and not 500" >&2; exit 1; }
                turn=$((turn + 1))
                for wait in $(seq 300); do
                  [ "$(grep '"action":"blocked"' \(folder.path)/log | grep -c '"namespace":{"pid":500,')" = $turn ] && break
                  sleep 0.1
                done
                kill -9 $!; wait $! 2>/dev/null
              done
            done
            kill $watcher; wait $watcher
            """
        let child = try Child(
            "/usr/bin/unshare",
            ["--pid", "--fork", "--mount-proc", "--kill-child", "/bin/bash", "-c", script, Built.blockwatch])
        #expect(try await child.exitCode(within: 300) == 0, "\(child.errorText)")
        check(folder.text("log"))
        let turns = parse(folder.text("log")).filter {
            $0.action == "blocked" && $0.integer("process.namespace.pid") == 500
        }
        #expect(turns.count == 12, "\(turns.map { $0.text("message") ?? "" })")
        #expect(
            Set(turns.compactMap { $0.text("process.entity_id") }).count == turns.count, "each is somebody of its own")
        for turn in turns {
            let mode = turn.text("syscall.name") == "flock" ? "flock" : "pipe-read"
            // it may come too late, but never from somebody else
            let line = turn.text("process.command_line")
            let isLate = turn.strings("unresolved").contains("process.command_line=timed_out")
            #expect(line?.contains(mode) ?? isLate, "\(turn)")
            #expect(turn.text("file.path")?.hasSuffix("/lock") ?? true == true)
        }
    }

    // MARK: - the kernel side

    @Test func `another tracer's programs on the same tracepoints`() async throws {
        let tracer = try Child(Built.programs + "/tracer", [Built.programs + "/empty.bpf.o"])
        do {
            _ = try await eventually("the other tracer; it says: \(tracer.errorText)") {
                tracer.lines.first == "ready" ? true : nil
            }
            try await watch(["--threshold", "500ms"]) { one in
                try await watch(["--threshold", "500ms"]) { two in
                    try await hang("crossing") { hanging in
                        for watcher in [one, two] {
                            _ = try await watcher.record("a call that crosses the threshold and returns") {
                                $0.integer("process.pid") == hanging.pid && $0.text("event.start_source") == "entry"
                                    && ["returned", "slow"].contains($0.action)
                            }
                        }
                    }
                }
            }
        } catch {
            await tracer.end()
            throw error
        }
        await tracer.end()
    }

    @Test func `killed at any moment it leaves nothing in the kernel`() async throws {
        for moment in stride(from: 50, through: 950, by: 100) {
            try await watching(["--output", "/dev/null"]) { child in
                try await Task.sleep(for: .milliseconds(moment))
                let owned = try Kernel.owned(by: child.pid)
                child.signal(SIGKILL)
                #expect(try await child.exitCode() == -SIGKILL)
                if moment > 900 { #expect(owned.count > 10, "programs, maps and links: \(owned)") }
                _ = try await eventually("all of \(owned) are gone") {
                    try await Kernel.ids().isDisjoint(with: owned) ? true : nil
                }
            }
        }
        _ = try await eventually("nothing that nobody owns") { try await Kernel.orphans().isEmpty ? true : nil }
    }

    @Test func `killed for its memory it leaves nothing in the kernel`() async throws {
        let group = Group("memory", limit: ("memory.limit_in_bytes", "memory.max"), 512 << 20)
        try group.make()
        defer { group.remove() }
        let script = "echo $$ > \(group.path)/cgroup.procs && exec \"$0\" \"$@\""
        let child = try Child(
            "/bin/sh", ["-c", script, Built.blockwatch, "--threshold", "500ms", "--output", "/dev/null"])
        let owned = try await eventually("its programs") { () -> Set<String>? in
            let owned = try Kernel.owned(by: child.pid)
            return owned.contains { $0.hasPrefix("link") } ? owned : nil
        }
        // somebody in its group wants more than there is; of the two the kernel is told to take blockwatch
        try "1000".write(toFile: "/proc/\(child.pid)/oom_score_adj", atomically: false, encoding: .utf8)
        let eater = try Child(
            "/bin/sh",
            [
                "-c",
                "echo $$ > \(group.path)/cgroup.procs && exec python3 -c 'import time; x = bytearray(700 << 20); time.sleep(60)'",
            ])
        #expect(try await child.exitCode(within: 60) == -SIGKILL)
        await eater.end()
        _ = try await eventually("all of \(owned) are gone") {
            try await Kernel.ids().isDisjoint(with: owned) ? true : nil
        }
    }
}

/// BPF programs, maps and links by id: `prog 12`.
private enum Kernel {
    static func ids() async throws -> Set<String> {
        let lister = try Child(Built.programs + "/tracer", ["ids"])
        guard try await lister.exitCode() == 0 else { throw Failure(description: lister.errorText) }
        return Set(lister.lines)
    }

    /// From /proc/PID/fdinfo.
    static func owned(by pid: Int32) throws -> Set<String> {
        let folder = "/proc/\(pid)/fdinfo"
        var found: Set<String> = []
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            // reading what an epoll has in it can hang
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\(name)")
            guard target?.contains("bpf") == true else { continue }
            let text = (try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)) ?? ""
            for line in text.split(separator: "\n") {
                for kind in ["prog", "map", "link"] where line.hasPrefix("\(kind)_id:") {
                    found.insert("\(kind) \(line.dropFirst(kind.count + 4).trimmingCharacters(in: .whitespaces))")
                }
            }
        }
        return found
    }

    /// Programs and links that no process has open.
    static func orphans() async throws -> Set<String> {
        let before = try await ids()
        var owned: Set<String> = []
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc") {
            if let pid = Int32(name) { owned.formUnion(try self.owned(by: pid)) }
        }
        // what came or went meanwhile is somebody else's
        return try await ids().intersection(before).subtracting(owned).filter { $0.hasPrefix("link") }
    }
}

/// A control group of the version that this machine has.
private struct Group {
    let path: String
    private let limit: (file: String, value: Int)

    init(_ controller: String, limit: (v1: String, v2: String), _ value: Int) {
        let isUnified = FileManager.default.fileExists(atPath: "/sys/fs/cgroup/cgroup.controllers")
        path = "/sys/fs/cgroup/" + (isUnified ? "" : controller + "/") + "blockwatch-\(UUID().uuidString)"
        self.limit = (isUnified ? limit.v2 : limit.v1, value)
    }

    func make() throws {
        guard mkdir(path, 0o755) == 0 else {
            throw Failure(description: "this machine has no memory controller: mkdir \(path): errno \(errno)")
        }
        try "\(limit.value)".write(toFile: path + "/" + limit.file, atomically: false, encoding: .utf8)
    }

    /// Empty at last: the kernel needs a moment after the last process.
    func remove() {
        for _ in 0..<100 where rmdir(path) != 0 && errno == EBUSY { usleep(20000) }
    }
}
