import Foundation
import Testing

/// A call from its beginning to its end, through signals, stops and deaths.
@Suite(.serialized) struct `A call is followed to its end` {
    /// Nanoseconds.
    private func duration(_ record: Fields) -> Int { record.integer("event.duration") ?? -1 }

    @Test func `one that never returns is said in time, again, and closed when its thread dies`() async throws {
        try await Watcher.run(["--threshold", "1s", "--repeat", "1s"]) { watcher in
            try await Hanging.run("pipe-read") { hanging in
                let first = try await watcher.blocked(tid: hanging.tid)
                let late = Int(250_000_000 * patience)
                #expect((1_000_000_000...1_000_000_000 + late).contains(duration(first)), "\(duration(first)) ns")
                #expect(first.text("event.start_source") == "entry")
                let again = try await watcher.record("still_blocked") {
                    $0.action == "still_blocked" && $0.id == first.id
                }
                #expect(duration(again) > duration(first))
                #expect(again.text("event.start") == first.text("event.start"))
                hanging.child.signal(SIGKILL)
                let end = try await watcher.record("ended") { $0.action == "ended" && $0.id == first.id }
                #expect(duration(end) > duration(again))
                #expect(end["process"] as? NSDictionary != nil)
            }
        }
    }

    @Test func `one that returns tells its result`() async throws {
        try await Watcher.run(["--threshold", "500ms"]) { watcher in
            try await Hanging.run("read-until-signal") { hanging in
                let first = try await watcher.blocked(tid: hanging.tid)
                hanging.child.signal(SIGUSR1)
                let end = try await watcher.record("returned") { $0.action == "returned" && $0.id == first.id }
                #expect(end.integer("syscall.result") == 1)
                #expect(end["syscall.error"] == nil)
            }
        }
    }

    @Test func `one that is older than blockwatch has a start right to half a second`() async throws {
        try await Hanging.run("pipe-read") { hanging in
            try await Task.sleep(for: .seconds(3))
            try await Watcher.run(["--threshold", "1s"]) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("event.start_source") == "last_ran")
                let format = ISO8601DateFormatter()
                format.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
                func moment(_ key: String) throws -> Date {
                    // six digits are more than this reader takes
                    try #require(record.text(key).flatMap { format.date(from: String($0.prefix(23)) + "Z") })
                }
                // it hangs as soon as it has begun; this test may be late
                let start = try moment("event.start")
                #expect(abs(start.timeIntervalSince(try moment("process.start"))) < 0.5, "\(record)")
                let span = try moment("@timestamp").timeIntervalSince(start)
                // the record is made after the look, which may be late on a busy host
                #expect(span >= 3 && abs(Double(duration(record)) / 1e9 - span) < 0.5, "\(record)")
            }
        }
    }

    @Test func `--new-only leaves out older ones, and their ends`() async throws {
        try await Hanging.run("pipe-read") { old in
            try await Watcher.run(["--threshold", "500ms", "--new-only"]) { watcher in
                try await Hanging.run("fifo-read") { new in
                    _ = try await watcher.blocked(tid: new.tid)
                    #expect(!watcher.records.contains { $0.tid == old.tid })
                }
            }
        }
    }

    @Test(arguments: ["restart-timer", "restart-sigaltstack"])
    func `a read restarted again and again by a handler grows old as one call`(mode: String) async throws {
        try await Watcher.run(["--threshold", "1s", "--repeat", "1s"]) { watcher in
            try await Hanging.run(mode, [200]) { hanging in
                let first = try await watcher.blocked(tid: hanging.tid)
                let later = try await watcher.record("4 s of it") {
                    $0.action == "still_blocked" && $0.id == first.id && duration($0) > 2_900_000_000
                }
                #expect(later.text("syscall.name") == "read")
                #expect(later.integer("resource.fd") == first.integer("resource.fd"))
                #expect(later.strings("syscall.arguments") == first.strings("syscall.arguments"))
                #expect(watcher.records.count { $0.tid == hanging.tid && $0.action == "blocked" } == 1)
                #expect(!watcher.records.contains { $0.tid == hanging.tid && $0.action == "returned" })
            }
        }
    }

    @Test func `an older read that handlers restart keeps its start`() async throws {
        try await Hanging.run("restart-timer", [300]) { hanging in
            try await Task.sleep(for: .seconds(1))
            try await Watcher.run(["--threshold", "2s", "--repeat", "1s"]) { watcher in
                let first = try await watcher.blocked(tid: hanging.tid)
                #expect(first.text("syscall.name") == "read")
                _ = try await watcher.record("growing") {
                    $0.action == "still_blocked" && $0.id == first.id && duration($0) > 3_000_000_000
                }
            }
        }
    }

    @Test func `a poll that handlers end again and again is one wait, renewed`() async throws {
        try await Watcher.run(["--threshold", "1s"]) { watcher in
            try await Hanging.run("ppoll-eintr-loop", [300]) { hanging in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("event.start_source") == "renewed")
                #expect(record.integer("syscall.renewals") ?? 0 >= 2)
                hanging.child.signal(SIGKILL)
                _ = try await watcher.record("its end") {
                    $0.id == record.id && ["ended", "returned"].contains($0.action)
                }
            }
        }
    }

    @Test func `a poll that is stopped and continued is one call, through restart_syscall`() async throws {
        try await Watcher.run(["--threshold", "1s", "--repeat", "1s"]) { watcher in
            try await Hanging.run("poll-simple") { hanging in
                let first = try await watcher.blocked(tid: hanging.tid)
                hanging.child.signal(SIGSTOP)
                let stopped = try await watcher.record("the stop") {
                    $0.action == "still_blocked" && $0.id == first.id && $0.text("process.state") == "T"
                }
                #expect(stopped.text("syscall.name") == "poll")
                #expect(stopped.text("reason") == "stopped")
                #expect(stopped.text("stop.signal") == "SIGSTOP")
                #expect(stopped.integer("stop.sender.pid") == Int(getpid()))
                hanging.child.signal(SIGCONT)
                let on = try await watcher.record("going on") {
                    $0.id == first.id && $0.text("process.state") == "S" && duration($0) > duration(stopped)
                }
                #expect(on.text("syscall.name") == "poll")
                #expect(on.strings("syscall.arguments") == first.strings("syscall.arguments"))
                #expect(watcher.records.count { $0.tid == hanging.tid && $0.action == "blocked" } == 1)
            }
        }
    }

    @Test func `a debugger that comes and goes does not end a call`() async throws {
        try await Watcher.run(["--threshold", "1s", "--repeat", "1s"]) { watcher in
            try await Hanging.run("pipe-read") { hanging in
                let first = try await watcher.blocked(tid: hanging.tid)
                let debugger = try Child(Built.hang, ["debugger", "\(hanging.pid)", "300"])
                #expect(try await debugger.exitCode() == 0)
                let later = try await watcher.record("after the debugger", within: 15) {
                    $0.action == "still_blocked" && $0.id == first.id && duration($0) > 2_500_000_000
                }
                #expect(later.text("syscall.name") == "read")
                #expect(!watcher.records.contains { $0.id == first.id && $0.action == "returned" })
            }
        }
    }

    @Test func `a call left by longjmp is closed`() async throws {
        try await Watcher.run(["--threshold", "500ms"]) { watcher in
            try await Hanging.run("longjmp-out") { hanging in
                let first = try await watcher.blocked(tid: hanging.tid)
                hanging.child.signal(SIGUSR1)
                _ = try await watcher.record("returned") { $0.action == "returned" && $0.id == first.id }
                let next = try await watcher.record("pause") {
                    $0.action == "blocked" && $0.tid == hanging.tid && $0.text("syscall.name") == "pause"
                }
                #expect(next.id != first.id)
            }
        }
    }

    @Test(arguments: ["group-exit", "exec-from-thread"])
    func `killed by a sibling, a call is closed once`(mode: String) async throws {
        try await Watcher.run(["--threshold", "500ms"]) { watcher in
            try await Hanging.run(mode) { hanging in
                let first = try await watcher.blocked(tid: hanging.tid)
                hanging.child.signal(SIGUSR1)
                let end = try await watcher.record("ended") { $0.id == first.id && $0.action == "ended" }
                #expect(end.integer("process.pid") == hanging.pid)
                #expect(end.integer("process.thread.id") == hanging.tid, "process.* is as at first")
            }
        }
    }

    @Test(arguments: ["fuse-flush-exit", "fuse-flush-kill"])
    func `a process that hangs in closing its files is a call of its own: exit_group`(mode: String) async throws {
        try await Watcher.run(["--threshold", "500ms"]) { watcher in
            try await Hanging.run(mode) { hanging in
                let record = try await watcher.record("exit_group") {
                    $0.tid == hanging.tid && $0.text("syscall.name") == "exit_group" && $0.action == "blocked"
                }
                #expect(record.text("resource.kind") == "none")
                #expect(!record.strings("stack").isEmpty)
                #expect(record.strings("stack").contains { $0.hasPrefix("fuse_") })
                // the server's end lets it go
                hanging.child.signal(SIGKILL)
                _ = try await watcher.record("its end") { $0.id == record.id && $0.action == "ended" }
            }
        }
    }

    @Test func `calls that last just longer than the threshold are slow`() async throws {
        try await Watcher.run(["--threshold", "50ms", "--comm", "hang"]) { watcher in
            try await Hanging.run("crossing", [60]) { hanging in
                let slow = try await watcher.record("a slow call") { $0.action == "slow" && $0.tid == hanging.tid }
                #expect((50_000_000...500_000_000).contains(duration(slow)))
                #expect(slow["syscall.result"] != nil)
            }
        }
    }

    @Test func `seccomp's supervisor lets a call go on, and it stays one call`() async throws {
        try await Watcher.run(["--threshold", "1s", "--repeat", "1s"]) { watcher in
            try await Hanging.run("seccomp-notify-continue") { hanging in
                let first = try await watcher.blocked(tid: hanging.tid)
                #expect(first.text("syscall.name") == "read")
                hanging.child.signal(SIGUSR1)
                let later = try await watcher.record("after CONTINUE") {
                    $0.action == "still_blocked" && $0.id == first.id && duration($0) > 3_000_000_000
                }
                #expect(later.text("syscall.name") == "read")
            }
        }
    }

    @Test(arguments: [("duty-cycle", "child_pid"), ("fault-loop", "tid")])
    func `what the thread leaves between two looks is not one wait outside of calls`(
        mode: String, thread: String
    ) async throws {
        try await Watcher.run(["--threshold", "1s"]) { watcher in
            try await Hanging.run(mode) { hanging in
                // 4 s of short stops or faults, then one that stays
                let began = ContinuousClock.now
                let record = try await watcher.blocked(tid: try #require(hanging.says.integer(thread)))
                #expect(began.duration(to: .now) > .seconds(4.5), "said of what was over: \(record)")
                #expect(record.text("reason") == (mode == "duty-cycle" ? "stopped" : "kernel_stuck"))
            }
        }
    }

    /// Both freezers, where the host has them mounted.
    @Test func `a frozen call goes on, and a thread frozen outside any call is said`() async throws {
        let places = [
            ("/sys/fs/cgroup/freezer", "freezer.state", "FROZEN", "THAWED"),
            ("/sys/fs/cgroup/unified", "cgroup.freeze", "1", "0"), ("/sys/fs/cgroup", "cgroup.freeze", "1", "0"),
        ].filter { access("\($0.0)/cgroup.procs", F_OK) == 0 }
        try #require(!places.isEmpty, "no freezer is mounted")
        for (base, file, frozen, thawed) in places {
            let cgroup = "\(base)/blockwatch-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: cgroup, withIntermediateDirectories: true)
            func put(_ text: String, _ file: String) throws {
                try text.write(toFile: "\(cgroup)/\(file)", atomically: false, encoding: .utf8)
            }
            try await Watcher.run(["--threshold", "1s", "--repeat", "1s"]) { watcher in
                try await Hanging.run("pipe-read") { reading in
                    try await Hanging.run("idle") { running in
                        let first = try await watcher.blocked(tid: reading.tid)
                        try put("\(reading.pid)", "cgroup.procs")
                        try put("\(running.pid)", "cgroup.procs")
                        try put(frozen, file)
                        let still = try await watcher.record("the frozen read") {
                            $0.action == "still_blocked" && $0.id == first.id && duration($0) > 3_000_000_000
                        }
                        #expect(still.text("syscall.name") == "read")
                        let outside = try await watcher.blocked(tid: running.tid)
                        #expect(["none", "timer"].contains(outside.text("resource.kind")))
                        try put(thawed, file)
                        _ = try await watcher.record("its end") { $0.action == "returned" && $0.id == outside.id }
                        let on = try await watcher.record("the read after the thaw") {
                            $0.id == first.id && duration($0) > duration(still) + 1_000_000_000
                        }
                        #expect(on.action == "still_blocked")
                    }
                }
            }
            rmdir(cgroup)
        }
    }

    @Test func `a sleeper that a freezer takes inside of its call is stopped, and idle again after the thaw`()
        async throws
    {
        let base = ["/sys/fs/cgroup/freezer", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"].first {
            access("\($0)/cgroup.procs", F_OK) == 0
        }
        let cgroup = try #require(base) + "/blockwatch-\(UUID().uuidString)"
        let isOld = base == "/sys/fs/cgroup/freezer"
        try FileManager.default.createDirectory(atPath: cgroup, withIntermediateDirectories: true)
        func put(_ text: String, _ file: String) throws {
            try text.write(toFile: "\(cgroup)/\(file)", atomically: false, encoding: .utf8)
        }
        try await Watcher.run(["--threshold", "500ms", "--all"]) { watcher in
            try await Hanging.run("nanosleep") { hanging in
                let first = try await watcher.blocked(tid: hanging.tid)
                #expect(first.text("reason") == "timer")
                try put("\(hanging.pid)", "cgroup.procs")
                for (word, reason) in [(isOld ? "FROZEN" : "1", "stopped"), (isOld ? "THAWED" : "0", "timer")] {
                    try put(word, isOld ? "freezer.state" : "cgroup.freeze")
                    let record = try await watcher.record("\(reason) at once", within: 10) {
                        $0.tid == hanging.tid && $0.action != "returned" && $0.text("reason") == reason
                            && $0.id == first.id && $0.integer("event.sequence") != first.integer("event.sequence")
                    }
                    #expect(record.action == "still_blocked")
                }
            }
        }
        rmdir(cgroup)
    }

    // a client on another host waits for it, and only this host can tell
    @Test func `a server at rest that is stopped is said to be at once, and idle again when it goes on`() async throws {
        try await Watcher.run(["--threshold", "500ms", "--all"]) { watcher in
            try await Hanging.run("tcp-accept") { hanging in
                let first = try await watcher.blocked(tid: hanging.tid)
                #expect(first.text("reason") == "listening")
                defer { kill(pid_t(hanging.pid), SIGCONT) }
                for (signal, reason) in [(SIGSTOP, "stopped"), (SIGCONT, "listening"), (SIGSTOP, "stopped")] {
                    let before = watcher.records.count
                    kill(pid_t(hanging.pid), signal)
                    let record = try await watcher.record("\(reason) at once", within: 10) { record in
                        record.id == first.id && record.text("reason") == reason
                            && (record.integer("event.sequence") ?? 0) > before
                    }
                    #expect(record.action == "still_blocked")
                }
            }
        }
    }

    @Test func `a server at rest whose processor time somebody limits by stopping it again and again is idle`()
        async throws
    {
        try await Watcher.run(["--threshold", "500ms", "--all"]) { watcher in
            try await Hanging.run("tcp-accept") { hanging in
                defer { kill(pid_t(hanging.pid), SIGCONT) }
                #expect(try await watcher.blocked(tid: hanging.tid).text("reason") == "listening")
                for _ in 0..<30 {
                    kill(pid_t(hanging.pid), SIGSTOP)
                    try await Task.sleep(for: .milliseconds(80))
                    kill(pid_t(hanging.pid), SIGCONT)
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(!watcher.records.contains { $0.tid == hanging.tid && $0.text("reason") == "stopped" })
            }
        }
    }

    @Test func `an io_uring worker is not taken for its creator`() async throws {
        try await Watcher.run(["--threshold", "500ms"]) { watcher in
            try await Hanging.run("io-uring-worker") { hanging in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("syscall.name") == "io_uring_enter")
                let worker = try #require(hanging.says.integer("worker_tid"))
                #expect(!watcher.records.contains { $0.tid == worker })
            }
        }
    }

    @Test func `engine scan finds them too, and the end without a result`() async throws {
        try await Hanging.run("fifo-read") { old in
            try await Watcher.run(["--threshold", "1s", "--engine", "scan"]) { watcher in
                #expect(try await watcher.blocked(tid: old.tid).text("resource.kind") == "fifo")
                try await Hanging.run("read-until-signal") { hanging in
                    let first = try await watcher.blocked(tid: hanging.tid)
                    #expect(first.text("event.start_source") == "last_ran")
                    #expect(first.text("resource.kind") == "pipe")
                    hanging.child.signal(SIGUSR1)
                    let end = try await watcher.record("returned") { $0.action == "returned" && $0.id == first.id }
                    #expect(end["syscall.result"] == nil)
                }
            }
        }
    }
}
