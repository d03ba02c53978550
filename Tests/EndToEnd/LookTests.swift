import Foundation
import Testing

/// One look at the host, and one process explained.
@Suite(.serialized) struct `One look` {
    private func run(_ arguments: [String]) async throws -> (code: Int32, lines: [String], error: String) {
        let child = try Child(Built.blockwatch, arguments)
        let code = try await child.exitCode(within: 30)
        return (code, child.lines, child.errorText)
    }

    @Test func `snapshot draws trees, root first, deadlocks before all, equal ones folded`() async throws {
        try await Hanging.run("chain-three") { chain in
            try await Hanging.run("deadlock-flock") { circle in
                try await Hanging.run("many-waiters", [30]) { many in
                    let root = try #require(chain.says.integer("root_pid"))
                    let middle = try #require(chain.says.integer("holder_pid"))
                    let text = try await eventually("the trees") { () async throws -> [String]? in
                        let (code, lines, error) = try await run(["snapshot", "--threshold", "500ms"])
                        #expect(code == 0, "\(error)")
                        return lines.contains { $0.contains("30 processes of hang wait here") }
                            && lines.contains { $0.contains("hang[\(chain.tid)]") } ? lines : nil
                    }
                    // other tests may have theirs
                    let titles = text.dropFirst(2).filter { $0.first.map { !" └├│".contains($0) } ?? false }
                    let circles = titles.count { $0.hasPrefix("DEADLOCK") }
                    #expect(circles > 0 && titles.prefix(circles).allSatisfy { $0.hasPrefix("DEADLOCK") }, "\(text)")
                    #expect(text.contains { $0.contains("hang[\(circle.tid)] flock") && $0.contains(" has ") })
                    let top = try #require(text.firstIndex { $0.hasPrefix("hang[\(root)] has the lock, sleeping") })
                    #expect(text[top + 1].hasPrefix("└─ hang[\(middle)] flock"))
                    #expect(text[top + 2].hasPrefix("   └─ hang[\(chain.tid)] read"))
                    #expect(text[top + 2].contains(">="), "a lower bound is said to be one")
                    #expect(text.contains { $0.contains("hang[\(many.says.integer("holder_pid") ?? 0)]") })
                }
            }
        }
    }

    @Test func `snapshot gives records too, and an exit code`() async throws {
        try await Hanging.run("flock") { hanging in
            var last = ""
            let record = try await eventually("the record; snapshot says: \(last)") { () async throws -> Fields? in
                let (code, lines, error) = try await run(
                    [
                        "snapshot", "--threshold", "200ms", "--format", "ndjson", "--exit-code", "--pid",
                        "\(hanging.pid)",
                    ])
                last = "\(code) \(lines) \(error)"
                let records = lines.compactMap(Fields.init)
                guard let record = records.first(where: { $0.tid == hanging.tid }) else { return nil }
                #expect(code == 1)
                try await Schema.check(lines)
                return record
            }
            #expect(record.integer("holder.pid") == hanging.says.integer("holder_pid"))
            let (code, lines, _) = try await run(["snapshot", "--pid", "1", "--exit-code", "--threshold", "1000h"])
            #expect(code == 0)
            #expect(lines.count == 1, "only the heading: \(lines)")
        }
    }

    @Test func `explain tells the chain of a process, by pid and by thread`() async throws {
        try await Hanging.run("chain-three") { chain in
            let root = try #require(chain.says.integer("root_pid"))
            let text = try await eventually("the chain") { () async throws -> String? in
                let (code, lines, error) = try await run(["explain", "\(chain.pid)", "--exit-code"])
                #expect(error.isEmpty, "\(error)")
                let text = lines.joined(separator: "\n")
                return code == 1 && text.contains("stuck itself") ? text : nil
            }
            #expect(text.contains("hang[\(root)], sleeping"))
            #expect(text.contains("blockwatch explain \(root)"), "what to do next")
            #expect(text.contains("readlink /proc/\(chain.pid)/task/\(chain.tid)/fd/"), "see for yourself")
        }
        try await Hanging.run("deadlock-mutex") { hanging in
            let other = try #require(hanging.says.integer("member_1"))
            let text = try await eventually("the deadlock") { () async throws -> String? in
                let text = try await run(["explain", "\(other)"]).lines.joined(separator: "\n")
                return text.contains("deadlock") ? text : nil
            }
            #expect(text.hasPrefix("\(other) is a thread of process \(hanging.pid)."))
            #expect(text.contains("can ever go on by itself"))
        }
    }

    @Test func `a semaphore that a process took and died with is told with the reason`() async throws {
        try await Hanging.run("sem-dead") { hanging in
            let dead = try #require(hanging.says.integer("dead_pid"))
            try await Watcher.run(["--threshold", "500ms"]) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("verdict") == "stuck")
                #expect(record.text("reason") == "owner_gone")
                #expect(record.text("root.kind") == "nobody")
                #expect(record.strings("evidence") == ["rule=lock", "last taken by \(dead), which has died"])
                #expect(record["unresolved"] == nil)
            }
            let set = try #require(hanging.says.integer("ipc_id"))
            let text = try await run(["explain", "\(hanging.pid)"]).lines.joined(separator: "\n")
            #expect(text.contains("ipcs -s -i \(set)"), "\(text)")
        }
        try await Hanging.run("semop") { hanging in
            try await Watcher.run(["--threshold", "500ms"]) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("reason") == "unknown")
                #expect(record.strings("unresolved") == ["holders=not_permitted"], "in an IPC namespace of its own")
            }
        }
    }

    /// In a namespace of its own: a process, and one of a namespace inside.
    private static let inside = """
        "$HANG" condition-wait "$FOLDER" > "$FOLDER/first" & first=$!
        unshare --pid --fork --kill-child "$HANG" pause "$FOLDER" > "$FOLDER/second" & outer=$!
        until grep -q . "$FOLDER/first" && grep -q . "$FOLDER/second"; do :; done
        read -r second < "/proc/$outer/task/$outer/children"
        for pid in $first $second; do "$BLOCKWATCH" explain --scope namespace $pid; done
        kill $first $outer
        """

    @Test func `explain takes the numbers of its own PID namespace`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("blockwatch-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let shell = try Child(
            "/usr/bin/unshare", ["--pid", "--fork", "--mount-proc", "--kill-child", "/bin/sh", "-c", Self.inside],
            environment: ["HANG": Built.hang, "FOLDER": folder.path, "BLOCKWATCH": Built.blockwatch])
        #expect(try await shell.exitCode(within: 60) == 0)
        let text = shell.lines.joined(separator: "\n")
        #expect(text.contains("futex"), "the first of them: \(text)")
        #expect(text.contains("none of its threads is left to end that"))
        #expect(text.contains("pause on a signal"))
        #expect(text.contains("PID 1 in its own PID namespace"))
    }

    @Test func `explain has an answer for whatever it is asked`() async throws {
        let (gone, _, error) = try await run(["explain", "4194303"])
        #expect(gone == 64)
        #expect(error.contains("there is no process or thread 4194303"))
        let (unnamed, _, nobody) = try await run(["explain", "no-such-name"])
        #expect(unnamed == 64)
        #expect(nobody.contains("no process is named no-such-name"))
        let (kernel, lines, _) = try await run(["explain", "2"])
        #expect(kernel == 0)
        #expect(lines.first?.contains("is a thread of the kernel itself") == true)
        try await Hanging.run("zombie") { hanging in
            let zombie = try #require(hanging.says.integer("child_pid"))
            let (code, lines, _) = try await run(["explain", "\(zombie)"])
            #expect(code == 0)
            #expect(lines.first?.contains("is a zombie") == true)
            #expect(lines.contains { $0.contains("blockwatch explain \(hanging.pid)") })
        }
        try await Hanging.run("spin") { hanging in
            let (code, lines, _) = try await run(["explain", "\(hanging.pid)", "--exit-code"])
            #expect(code == 0)
            #expect(lines.contains { $0.contains("not blocked") }, "\(lines)")
        }
        let (named, own, _) = try await run(["explain", "swift-test"])
        #expect(named == 0 || named == 64, "\(own)")
    }
}
