import Foundation
import Testing

/// A host that is short of something.
extension `The watch goes on` {

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
        let group = ControlGroup("memory", limit: ("memory.limit_in_bytes", "memory.max"), 64 << 20)
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
}
