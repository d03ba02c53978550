import Foundation
import Testing

/// What would disturb everybody else on the host: run on the virtual machines of `make test-kernels` only.
@Suite(.serialized) struct `On a machine of its own` {
    private func moveWallClock(days: Int) throws {
        var time = timespec()
        guard clock_gettime(CLOCK_REALTIME, &time) == 0 else { throw Failure(description: "clock_gettime: \(errno)") }
        time.tv_sec += days * 86400
        guard clock_settime(CLOCK_REALTIME, &time) == 0 else { throw Failure(description: "clock_settime: \(errno)") }
    }

    @Test func `the wall clock is set back and forth a day, and no wait grows or shrinks`() async throws {
        guard ProcessInfo.processInfo.environment["BLOCKWATCH_MACHINE"] != nil else {
            throw Failure(description: "it sets the clock, and this machine is not its own: make test-kernels")
        }
        let began = ContinuousClock.now
        try await Watcher.run(["--threshold", "500ms", "--repeat", "1s", "--summary", "1s"]) { watcher in
            try await Hanging.run("pipe-read") { first in
                let opening = try await watcher.blocked(tid: first.tid)
                for days in [-1, 1, 1, -1] {
                    try moveWallClock(days: days)
                    try await Hanging.run("flock") { _ = try await watcher.blocked(tid: $0.tid) }
                    let count = watcher.records.count
                    _ = try await watcher.record("the first again, after \(days) days") {
                        $0.id == opening.id && $0.action == "still_blocked"
                            && $0.integer("event.sequence") ?? 0 > count
                    }
                }
            }
            let most = Int((ContinuousClock.now - began).components.seconds + 1) * 1_000_000_000
            let records = watcher.records
            for record in records {
                if record.action == "loss" { Issue.record("nothing was missed: \(record)") }
                // what has waited since before is not this test's
                guard record.text("event.start_source") != "last_ran" else { continue }
                if let duration = record.integer("event.duration") { #expect(duration <= most, "\(record)") }
            }
            for (_, all) in Dictionary(grouping: records.filter { $0.id != nil }, by: { $0.id! }) {
                #expect(Set(all.compactMap { $0.text("event.start") }).count == 1, "\(all)")
            }
            let days = Set(records.compactMap { $0.text("@timestamp")?.prefix(10) })
            #expect(days.count >= 3, "stamps are the wall clock's: \(days)")
        }
    }
}
