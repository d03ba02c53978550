import Foundation
import Testing

/// What the real binary has recorded, told again without root.
@Suite(.serialized) struct `A recording is replayed` {
    /// Into a file, as one does with much output.
    private func replay(_ arguments: [String]) async throws -> (code: Int32, lines: [String], error: String) {
        let output = try file("")
        defer { try? FileManager.default.removeItem(atPath: output) }
        let child = try Child(
            "/bin/sh",
            ["-c", "output=$1; shift; exec \"$0\" replay \"$@\" >\"$output\"", Built.blockwatch, output] + arguments)
        let code = try await child.exitCode(within: 60)
        let text = try String(contentsOfFile: output, encoding: .utf8)
        return (
            code, text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init),
            child.errorText
        )
    }

    /// A name that nobody else has: what else hangs on this machine is not recorded.
    private func withProgram<T>(_ body: (_ name: String, _ path: String) async throws -> T) async throws -> T {
        let name = "hang\(UInt32.random(in: 10_000_000...99_999_999))"
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
        try FileManager.default.copyItem(atPath: Built.hang, toPath: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await body(name, path)
    }

    private func file(_ text: String) throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).ndjson").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// The lines of the trees that name one of these processes.
    private func branches(_ lines: [String], _ name: String) -> [String] {
        lines.filter { $0.contains("\(name)[") && $0.contains("─ ") }
            // ages differ, and by them the order of equals
            .map { $0.replacing(#/ +(>=)?[0-9a-zµ.]+  +/#, with: " ").replacing("├", with: "└") }.sorted()
    }

    @Test func `the same trees as snapshot, the same verdicts, chains and totals as the stream`() async throws {
        try await withProgram { name, program in
            try await Hanging.run("chain-three", program: program) { chain in
                try await Hanging.run("deadlock-flock", program: program) { circle in
                    var child: Child?
                    try await Watcher.run(["--threshold", "500ms", "--repeat", "1s", "--comm", name]) { watcher in
                        child = watcher.child
                        // one that comes and goes
                        let tid = try await Hanging.run("pipe-read", program: program) { hanging in
                            _ = try await watcher.blocked(tid: hanging.tid)
                            return hanging.tid
                        }
                        _ = try await watcher.record("its end") { $0.action == "ended" && $0.tid == tid }
                        _ = try await watcher.record("the deadlock") {
                            $0.action == "deadlock" && $0.memberThreads.contains(circle.tid)
                        }
                        let waiter = try await watcher.blocked(tid: chain.tid)
                        _ = try await watcher.record("said again") {
                            $0.action == "still_blocked" && $0.id == waiter.id
                        }
                    }
                    let recorded = try #require(child)
                    let path = try file(recorded.lines.map { $0 + "\n" }.joined())
                    defer { try? FileManager.default.removeItem(atPath: path) }

                    let (code, records, error) = try await replay([path, "--format", "ndjson", "--all", "--exit-code"])
                    #expect(code == 1 && error.isEmpty, "\(error)")
                    let said = records.compactMap(Fields.init)
                    let run = try #require(said.first { $0.action == "run" })
                    #expect((run["replay.agrees"] as? Bool) == true, "\(run)")
                    let stopped = try #require(recorded.records.last)
                    for name in ["blocked", "still_blocked", "returned", "ended", "slow", "deadlocks"] {
                        #expect(run.integer("replay.totals.\(name)") == stopped.integer("blockwatch.totals.\(name)"))
                        #expect(
                            name == "deadlocks"
                                || run.integer("replay.totals.\(name)") == recorded.records.count { $0.action == name })
                    }
                    #expect(run.integer("replay.open") == stopped.integer("blockwatch.open"))
                    // the last that was said of each open call, to the byte
                    for call in said where call.id != nil {
                        let last = try #require(recorded.records.last { $0.id == call.id })
                        #expect(call.line == last.line)
                        #expect(last.action == "blocked" || last.action == "still_blocked")
                    }
                    let open = Set(said.compactMap(\.tid))
                    #expect(open.isSuperset(of: [chain.tid, circle.tid]))
                    let chains = said.last?["replay.chains"] as? [[String: Any]] ?? []
                    let waiter = try #require(said.first { $0.tid == chain.tid })
                    #expect(chains.contains { $0["chain_id"] as? String == waiter.text("chain_id") })

                    let (_, trees, _) = try await replay([path])
                    let expected = branches(trees, name)
                    #expect(expected.count == 4, "\(trees)")
                    let look = try await eventually("a snapshot with the same trees as \(trees)") {
                        () async throws -> Bool? in
                        let snapshot = try Child(
                            Built.blockwatch, ["snapshot", "--threshold", "500ms", "--comm", name])
                        #expect(try await snapshot.exitCode() == 0)
                        return branches(snapshot.lines, name) == expected ? true : nil
                    }
                    #expect(look)
                    #expect(trees.contains { $0.hasPrefix("DEADLOCK of 2 threads") })
                }
            }
        }
    }

    @Test func `through a pipe, as nobody, with whatever a log has between the lines`() async throws {
        try await withProgram { name, program in
            var lines: [String] = []
            try await Hanging.run("flock", program: program) { hanging in
                var child: Child?
                try await Watcher.run(["--threshold", "500ms", "--comm", name]) { watcher in
                    child = watcher.child
                    _ = try await watcher.blocked(tid: hanging.tid)
                }
                lines = try #require(child).lines
                let log = try file(
                    "\u{1b}[2J boot\n" + String(repeating: "x", count: 3_000_000) + "\n"
                        + lines.map { "Nov 14 22:13:21 host blockwatch[7]: \($0)\n" }.joined() + "{\"@timestamp\":\"20")
                defer { try? FileManager.default.removeItem(atPath: log) }
                let copy = FileManager.default.temporaryDirectory.appendingPathComponent(
                    "blockwatch-\(UUID().uuidString)"
                )
                .path
                try FileManager.default.copyItem(atPath: Built.blockwatch, toPath: copy)
                defer { try? FileManager.default.removeItem(atPath: copy) }
                chmod(copy, 0o755)
                let script = "cat \(log) | setpriv --reuid 65534 --regid 65534 --clear-groups \(copy) replay -"
                let shell = try Child("/bin/bash", ["-c", "set -o pipefail; " + script])
                #expect(try await shell.exitCode(within: 60) == 0, "\(shell.errorText)")
                #expect(shell.lines.contains { $0.contains("\(name)[\(hanging.pid)]") && $0.contains("flock on") })
                #expect(
                    shell.lines.contains {
                        $0.contains("3 lines passed over: 1 cut off, 1 longer than 65536 bytes, 1 not of blockwatch")
                    })
                #expect(shell.lines.contains("    standard input:2: longer than 65536 bytes"))
                #expect(shell.lines.contains { $0.hasSuffix("the same as what the recording says") })
            }
        }
    }

    @Test(arguments: [
        ([], 64, "file"), (["/nonexistent.ndjson"], 64, "/nonexistent.ndjson"), (["/"], 64, "EISDIR"),
        (["-", "-"], 64, "twice"),
        (["-", "--at", "yesterday"], 64, "2026-03-01T09:05:00Z"), (["/proc/self/mem"], 74, "EIO"),
        (["-", "--reason", "nonsense"], 64, "reason"),
    ])
    func `a mistake is one clear line and the right code`(arguments: [String], code: Int32, says: String) async throws {
        let (answer, _, error) = try await replay(arguments)
        #expect(answer == code)
        #expect(error.hasPrefix("blockwatch: ") && error.split(separator: "\n").count == 1, "\(error)")
        #expect(error.lowercased().contains(says.lowercased()), "\(error)")
    }
}
