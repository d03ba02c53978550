import Foundation
import Testing

/// Two system calls a byte, as fast as they go: four of them, so that whatever else runs leaves some room.
func underLoad<T>(_ body: () async throws -> T) async throws -> T {
    var all: [Child] = []
    func end() async { for child in all { await child.end() } }
    do {
        for _ in 0..<4 { all.append(try Child("/usr/bin/dd", ["if=/dev/zero", "of=/dev/null", "bs=1"])) }
        let first = all[0].pid
        _ = try await eventually("the load") {
            try String(contentsOfFile: "/proc/\(first)/io", encoding: .utf8).contains("syscr: 0\n") ? nil : true
        }
        let result = try await body()
        await end()
        return result
    } catch {
        await end()
        throw error
    }
}

/// `--max-overhead`: the probes on system calls are in where they cost little, and out where they cost much.
@Suite(.serialized) struct `The probes keep within their budget` {
    /// A byte comes after 0.3 s, again and again, for as long as somebody reads.
    private static let reads = """
        import os, threading, time
        ends = os.pipe()
        def feed():
            while True:
                time.sleep(0.3)
                os.write(ends[1], b"x")
        threading.Thread(target=feed, daemon=True).start()
        while True:
            os.read(ends[0], 1)
        """

    private static func nanoseconds(_ stamp: String) throws -> Int {
        let parts = stamp.split(separator: ".")
        let date = try #require(parts.first.flatMap { ISO8601DateFormatter().date(from: $0 + "Z") })
        let microseconds = try #require(parts.last.flatMap { Int($0.dropLast()) })
        return Int(date.timeIntervalSince1970) * 1_000_000_000 + microseconds * 1000
    }

    private func changes(_ watcher: Watcher, to engine: String, at least: Int = 1) async throws -> Fields {
        try await watcher.record("the change to \(engine)") {
            $0.action == "engine" && $0.text("blockwatch.engine") == engine
                && $0.integer("blockwatch.overhead.changes")! >= least
        }
    }

    /// From then until somebody was told.
    private func seconds(until record: Fields, from start: Date) throws -> Double {
        Double(try Self.nanoseconds(record.text("@timestamp")!)) / 1e9 - start.timeIntervalSince1970
    }

    @Test func `a load takes them out, hangs are told as soon as ever, and after it they come in again`() async throws {
        let limit = ["--threshold", "1s", "--max-overhead", "1%", "--summary", "500ms"]
        try await Watcher.run(limit, losses: ["while the probes were out"]) { watcher in
            let end = try await underLoad {
                let began = Date()
                let out = try await changes(watcher, to: "scan")
                let delay = try seconds(until: out, from: began)
                #expect(delay < 2 * patience, "\(delay) s")
                let share = try #require(out.number("blockwatch.overhead.share"))
                #expect(share > 0.01 && share < 1)
                #expect(out.number("blockwatch.overhead.limit") == 0.01)
                let rate = try #require(out.integer("blockwatch.overhead.rate"))
                let call = try #require(out.integer("blockwatch.overhead.call"))
                #expect(rate > 10_000 && call >= 20)
                try await Hanging.run("pipe-read") { hanging in
                    let first = try await watcher.blocked(tid: hanging.tid)
                    #expect(first.text("event.start_source") == "last_ran")
                    let late = 1_000_000_000 + Int(250_000_000 * patience)
                    #expect((1_000_000_000...late).contains(first.integer("event.duration")!), "\(first)")
                }
                let summary = try await watcher.record("a summary without probes") {
                    $0.action == "summary" && $0.text("blockwatch.engine") == "scan"
                        && $0.integer("blockwatch.overhead.changes") == 1
                }
                #expect(summary.number("blockwatch.overhead.share") ?? 0 > 0.001)
                return Date()
            }
            let back = try await changes(watcher, to: "trace", at: 2)
            // what others do on this host may have been too much for a while
            let busy = watcher.records.last {
                $0.action == "summary" && $0.text("blockwatch.engine") == "scan"
                    && $0.number("blockwatch.overhead.share") ?? 0 >= 0.005
            }
            let fell = max(0, try busy.map { try seconds(until: $0, from: end) } ?? 0)
            let delay = try seconds(until: back, from: end) - fell
            #expect(delay < 2 * patience, "\(delay) s")
            try await Hanging.run("read-until-signal") { hanging in
                let first = try await watcher.blocked(tid: hanging.tid)
                #expect(first.text("event.start_source") == "entry")
                hanging.child.signal(SIGUSR1)
                let end = try await watcher.record("returned") { $0.action == "returned" && $0.id == first.id }
                #expect(end.integer("syscall.result") == 1)
            }
        }
    }

    @Test
    func `calls in flight keep their id and start, and one that returns meanwhile says that its result is missing`()
        async throws
    {
        let limit = ["--threshold", "500ms", "--max-overhead", "1%", "--repeat", "500ms"]
        try await Watcher.run(limit, losses: ["while the probes were out"]) { watcher in
            try await Hanging.run("read-until-signal") { stays in
                try await Hanging.run("read-until-signal") { leaves in
                    let ids = [
                        try await watcher.blocked(tid: stays.tid).id, try await watcher.blocked(tid: leaves.tid).id,
                    ]
                    try await underLoad {
                        _ = try await changes(watcher, to: "scan")
                        leaves.child.signal(SIGUSR1)
                        let end = try await watcher.record("its end") { $0.action == "returned" && $0.id == ids[1] }
                        #expect(end["syscall.result"] == nil)
                        #expect(end.strings("unresolved").contains("syscall.result=not_traced"), "\(end)")
                        #expect(end.text("event.start_source") == "entry")
                        _ = try await watcher.record("the other goes on") {
                            $0.action == "still_blocked" && $0.id == ids[0]
                                && $0.integer("event.sequence")! > end.integer("event.sequence")!
                        }
                    }
                    _ = try await changes(watcher, to: "trace", at: 2)
                    stays.child.signal(SIGUSR1)
                    let end = try await watcher.record("returned") { $0.action == "returned" && $0.id == ids[0] }
                    #expect(end.integer("syscall.result") == 1)
                    #expect(end.text("event.start_source") == "entry")
                    let openings = watcher.records.filter {
                        $0.action == "blocked" && $0.text("syscall.name") == "read"
                    }
                    #expect(openings.count { $0.tid == stays.tid } == 1)
                    #expect(openings.count { $0.tid == leaves.tid && $0.id == ids[1] } == 1)
                }
            }
        }
    }

    @Test func `what was in flight when they came in is not taken for a call that began meanwhile`() async throws {
        // reads of 0.3 s, one after the other, at the same place: never past the threshold, whatever is switched
        try await Watcher.run(
            ["--threshold", "1s", "--debug-switch-probes", "150ms"], losses: ["while the probes were out"]
        ) { watcher in
            let reader = try Child("/usr/bin/python3", ["-c", Self.reads])
            do {
                _ = try await changes(watcher, to: "trace", at: 40)
                #expect(reader.process.isRunning, "\(reader.errorText)")
            } catch {
                await reader.end()
                throw error
            }
            // of the writer's naps neither
            let told = watcher.records.filter { $0.integer("process.pid") == Int(reader.pid) }
            await reader.end()
            #expect(told.isEmpty, "\(told.first.map(String.init(describing:)) ?? "")")
        }
    }

    @Test func `without a limit they stay in, and the price is told all the same`() async throws {
        try await Watcher.run(["--threshold", "1s", "--max-overhead", "none", "--summary", "500ms"]) { watcher in
            try await underLoad {
                let summary = try await watcher.record("a summary of the load") {
                    $0.action == "summary" && $0.number("blockwatch.overhead.share") ?? 0 > 0.01
                }
                #expect(summary.text("blockwatch.engine") == "trace")
                #expect(summary["blockwatch.overhead.limit"] == nil)
            }
            #expect(!watcher.records.contains { $0.action == "engine" })
        }
    }
}
