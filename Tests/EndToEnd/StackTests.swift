import Foundation
import Testing

/// Where in its program a thread hangs, told without stopping it.
@Suite(.serialized) struct `Stacks` {
    private static let programs = Built.programs

    private func snapshot(_ arguments: [String]) async throws -> (lines: [String], error: String) {
        let child = try Child(Built.blockwatch, ["snapshot", "--stacks", "--all", "--threshold", "200ms"] + arguments)
        let code = try await child.exitCode(within: 60)
        #expect(code == 0, "\(child.errorText)")
        return (child.lines, child.errorText)
    }

    /// The stack of a thread, as soon as a snapshot tells one.
    private func stack(of hanging: Hanging) async throws -> Fields {
        var last: [String] = []
        return try await eventually(within: 30, "the stack; snapshot says: \(last)") { () async throws -> Fields? in
            let (lines, _) = try await snapshot(["--format", "ndjson", "--pid", "\(hanging.pid)"])
            last = lines
            let record = lines.compactMap(Fields.init).first { $0.tid == hanging.tid }
            guard let record, !record.strings("code.stack").isEmpty else { return nil }
            try await Schema.check(lines)
            return record
        }
    }

    /// Functions in this order, whatever is between them.
    private func expect(_ names: [String], in record: Fields, _ what: String) {
        var rest = record.strings("code.stack")[...]
        for name in names {
            guard let place = rest.firstIndex(of: name) else {
                Issue.record("\(what): no \(name) in \(record.strings("code.stack"))")
                return
            }
            rest = rest[(place + 1)...]
        }
    }

    private func switches(_ pid: Int, _ tid: Int) throws -> [Substring] {
        let status = try String(contentsOfFile: "/proc/\(pid)/task/\(tid)/status", encoding: .utf8)
        return status.split(separator: "\n").filter {
            $0.hasPrefix("voluntary_ctxt") || $0.hasPrefix("nonvoluntary_ctxt") || $0.hasPrefix("TracerPid")
        }
    }

    private static let ways: [(mode: String, functions: [String])] = [
        ("deep", ["read_nothing", "go_deeper", "go_deeper", "go_deeper", "main"]),
        ("signal", ["read_nothing", "go_deeper", "go_deeper", "go_deeper", "on_signal", "be_interrupted"]),
        ("condition", ["wait_for_work", "main"]),
        ("semaphore", ["take_turn", "main"]),
    ]

    @Test(arguments: ["where", "where32", "where-static"])
    func `functions are told in their order, and the thread never knows`(program: String) async throws {
        for (mode, functions) in Self.ways {
            try await Hanging.run(mode, [2], program: "\(Self.programs)/\(program)") { hanging in
                _ = try await stack(of: hanging)
                let before = try switches(hanging.pid, hanging.tid)
                let record = try await stack(of: hanging)
                expect(functions, in: record, "\(program) \(mode)")
                #expect(try switches(hanging.pid, hanging.tid) == before, "it has been on a processor")
                #expect(before.contains { $0.hasPrefix("TracerPid:\t0") })
            }
        }
    }

    @Test func `without symbols it says which file and where`() async throws {
        try await Hanging.run("deep", [2], program: "\(Self.programs)/where-stripped") { hanging in
            let names = try await stack(of: hanging).strings("code.stack")
            #expect(names.count(where: { $0.hasPrefix("where-stripped+0x") }) >= 5, "\(names)")
        }
    }

    @Test func `a program that was deleted, and one that was replaced`() async throws {
        for isReplaced in [false, true] {
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
                "blockwatch-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            let copy = folder.appendingPathComponent("gone").path
            try FileManager.default.copyItem(atPath: "\(Self.programs)/where", toPath: copy)
            try await Hanging.run("deep", [2], program: copy) { hanging in
                try FileManager.default.removeItem(atPath: copy)
                if isReplaced { try FileManager.default.copyItem(atPath: Built.hang, toPath: copy) }
                expect(Self.ways[0].functions, in: try await stack(of: hanging), isReplaced ? "replaced" : "deleted")
            }
        }
    }

    @Test func `waits are told by name, and equal stacks once`() async throws {
        try await Hanging.run("semaphore", program: "\(Self.programs)/where") { hanging in
            let record = try await stack(of: hanging)
            #expect(record.strings("evidence").contains("waits for a semaphore"), "\(record)")
            #expect(record.text("message")?.contains("for a semaphore in take_turn") == true, "\(record)")
        }
        try await Hanging.run("workers", [30], program: "\(Self.programs)/where") { hanging in
            let text = try await eventually("thirty threads") { () async throws -> String? in
                let child = try Child(Built.blockwatch, ["explain", "\(hanging.pid)"])
                _ = try await child.exitCode(within: 30)
                let text = child.lines.joined(separator: "\n")
                return text.contains("30 threads here:") ? text : nil
            }
            #expect(text.contains("wait_for_work  where"), "\(text)")
            #expect(text.contains("join_workers  where"), "\(text)")
            // until they have waited for longer than its threshold
            _ = try await eventually("thirty threads in a tree") { () async throws -> Bool? in
                let (lines, _) = try await snapshot(["--pid", "\(hanging.pid)"])
                return lines.contains { $0.contains("In the program, 30 threads here:") } ? true : nil
            }
        }
    }

    @Test func `the stream has names only, of those that are asked for`() async throws {
        try await Hanging.run("condition", program: "\(Self.programs)/where") { hanging in
            try await Watcher.run(["--threshold", "300ms", "--stacks", "all"]) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                expect(["wait_for_work", "main"], in: record, "all")
                #expect(record.strings("code.stack").count <= 12)
            }
            try await Watcher.run(["--threshold", "300ms", "--stacks", "stuck"]) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record["code"] == nil, "a parked thread is not stuck")
            }
        }
    }

    /// `where[7] read pipe in read_nothing <- where[9] flock ... in take_lock <- where[8] sleeping in nap`
    private func isWhole(_ chain: String?, of hanging: Hanging) -> Bool {
        let steps = (chain ?? "").components(separatedBy: " <- ")
        return steps.count == 3 && steps[0] == "where[\(hanging.pid)] read pipe in read_nothing"
            && steps[1].hasSuffix("/lock in take_lock") && steps[2].contains("] sleeping")
            && steps[2].hasSuffix(" in nap")
    }

    @Test func `each step of a chain says where its thread waits`() async throws {
        try await Hanging.run("line", [0], program: "\(Self.programs)/where") { hanging in
            let record = try await eventually(within: 30, "the chain") { () async throws -> Fields? in
                let (lines, _) = try await snapshot(["--format", "ndjson", "--pid", "\(hanging.pid)"])
                let record = lines.compactMap(Fields.init).first { $0.tid == hanging.tid }
                guard let record, record.text("reason") == "peer_stuck" else { return nil }
                try await Schema.check(lines)
                return record
            }
            #expect(isWhole(record.text("chain"), of: hanging), "\(record)")
            let (tree, _) = try await snapshot(["--pid", "\(hanging.pid)"])
            #expect(tree.contains { $0.contains(" sleeping") && $0.contains(" in nap") }, "\(tree)")
            let explain = try Child(Built.blockwatch, ["explain", "\(hanging.pid)"])
            _ = try await explain.exitCode(within: 30)
            let line = explain.lines.first { $0.hasPrefix("  The chain: ") }
            #expect(isWhole(line.map { String($0.dropFirst(13)) }, of: hanging), "\(explain.lines)")
            try await Watcher.run(["--threshold", "300ms", "--stacks", "stuck"]) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(isWhole(record.text("chain"), of: hanging), "\(record)")
            }
            try await Watcher.run(["--threshold", "300ms"]) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("chain")?.contains(" in ") == false, "nobody has asked: \(record)")
            }
        }
    }

    @Test func `a call that becomes stuck later has its stack then`() async throws {
        try await Hanging.run("line", [3], program: "\(Self.programs)/where") { hanging in
            try await Watcher.run(["--threshold", "300ms", "--stacks", "stuck"]) { watcher in
                let first = try await watcher.blocked(tid: hanging.tid)
                #expect(first.text("verdict") != "stuck" && first["code"] == nil, "\(first)")
                let later = try await watcher.record("that it is stuck") {
                    $0.id == first.id && $0.text("verdict") == "stuck"
                }
                expect(["read_nothing", "wait_in_line", "main"], in: later, "\(later)")
                #expect(isWhole(later.text("chain"), of: hanging), "\(later)")
            }
        }
    }

    @Test func `what became of the stacks is counted`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await Hanging.run("condition", program: "\(Self.programs)/where") { hanging in
            let options = ["--threshold", "300ms", "--summary", "1s", "--metrics", "\(folder.path)/b.prom"]
            try await Watcher.run(options + ["--stacks", "all"]) { watcher in
                let blocked = try await watcher.blocked(tid: hanging.tid)
                #expect(!blocked.strings("code.stack").isEmpty)
                let summary = try await watcher.record("a summary after it") {
                    $0.action == "summary" && $0.integer("event.sequence")! > blocked.integer("event.sequence")!
                }
                #expect(summary.integer("blockwatch.stacks.taken") ?? 0 > 0, "\(summary)")
                let text = try await eventually(within: 30, "the metrics; they are: \(folder.text("b.prom"))") {
                    let lines = folder.text("b.prom").split(separator: "\n")
                    return lines.first {
                        $0.hasPrefix("blockwatch_stacks_total{result=\"taken\"} ") && !$0.hasSuffix(" 0")
                    }
                }
                #expect(!text.isEmpty)
                #expect(folder.text("b.prom").contains("\nblockwatch_stack_worker_blocked 0\n"))
            }
            try await Watcher.run(["--threshold", "300ms", "--summary", "1s"]) { watcher in
                let summary = try await watcher.record("a summary") { $0.action == "summary" }
                #expect(summary["blockwatch.stacks.taken"] == nil, "nobody has asked: \(summary)")
            }
        }
    }
}
