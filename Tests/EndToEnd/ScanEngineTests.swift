import Foundation
import Testing

/// `--engine scan`: no program is on any system call.
@Suite struct `What looks alone can see` {
    private func moment(_ record: Fields) throws -> Date {
        let format = ISO8601DateFormatter()
        format.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        // six digits are more than this reader takes
        return try #require(record.text("@timestamp").flatMap { format.date(from: String($0.prefix(23)) + "Z") })
    }

    @Test func `the end of a written call is seen long before the next scan`() async throws {
        // which come every two seconds
        try await Watcher.run(["--threshold", "4s", "--engine", "scan"]) { watcher in
            try await Hanging.run("read-until-signal") { first in
                try await Hanging.run("read-until-signal") { second in
                    try await Hanging.run("read-until-signal") { third in
                        for hanging in [first, second, third] { _ = try await watcher.blocked(tid: hanging.tid) }
                        for hanging in [first, second, third] {
                            let id = try await watcher.blocked(tid: hanging.tid).id
                            let began = Date()
                            hanging.child.signal(SIGUSR1)
                            let end = try await watcher.record("returned") { $0.action == "returned" && $0.id == id }
                            let late = try moment(end).timeIntervalSince(began)
                            #expect(late < 0.25 * patience, "\(late) s")
                            // one after the other, at other times between two scans
                            try await Task.sleep(for: .milliseconds(500))
                        }
                    }
                }
            }
        }
    }

    @Test func `a poll that times out again and again is one wait, renewed`() async throws {
        try await Watcher.run(["--threshold", "2s", "--engine", "scan"]) { watcher in
            try await Hanging.run("poll-renewed", [300]) { hanging in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("event.start_source") == "renewed")
                #expect(record.integer("syscall.renewals") ?? 0 >= 4)
                #expect(record.integer("event.duration")! >= 2_000_000_000)
            }
        }
    }

    @Test func `a wait that its time-outs renew is not past them, however often it is looked at`() async throws {
        try await Watcher.run(["--threshold", "2s", "--engine", "scan", "--all", "--repeat", "1s"]) { watcher in
            try await Hanging.run("poll-renewed", [1000]) { hanging in
                // looks at idle calls have a budget: some come before these
                for seconds in [4, 6] {
                    let again = try await watcher.record("said again") {
                        $0.tid == hanging.tid && $0.action == "still_blocked"
                            && $0.integer("event.duration") ?? 0 >= seconds * 1_000_000_000
                    }
                    #expect(again.text("verdict") == "idle", "\(again)")
                    #expect(again.text("event.start_source") == "renewed")
                }
            }
        }
    }
}
