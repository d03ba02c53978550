import Foundation
import Testing

/// The picture of real hangs, by the real binary and Graphviz.
@Suite struct `Who waits for whom is drawn` {
    private func graph(_ arguments: [String], path: String? = nil) async throws -> (
        code: Int32, text: String, error: String
    ) {
        let child = try Child(
            Built.blockwatch, ["graph", "--threshold", "500ms"] + arguments,
            environment: path.map { ["PATH": $0] } ?? [:])
        let code = try await child.exitCode(within: 60)
        return (code, child.lines.joined(separator: "\n"), child.errorText)
    }

    private struct Drawn: Decodable {
        struct Node: Decodable {
            var tids: [Int]?
            var lines: [String]
            var verdict: String?
            var root, deadlock: Bool?
        }
        struct Component: Decodable { var title: String }
        var nodes: [Node]
        var components: [Component]

        func node(_ tid: Int) -> Node? { nodes.first { $0.tids == [tid] } }
    }

    private func drawn(_ arguments: [String]) async throws -> Drawn {
        let (code, text, error) = try await graph(arguments + ["--format", "json", "--exit-code"])
        guard code <= 1 else { throw Failure(description: error) }
        return try JSONDecoder().decode(Drawn.self, from: Data(text.utf8))
    }

    @Test func `a chain from its end to its root, and the deadlock beside it apart`() async throws {
        try await Hanging.run("chain-three") { chain in
            try await Hanging.run("deadlock-flock") { circle in
                try await check(chain, circle)
            }
        }
    }

    private func check(_ chain: Hanging, _ circle: Hanging) async throws {
        let all = try await eventually("both in one picture") { () async throws -> Drawn? in
            let drawn = try await drawn([])
            return drawn.node(chain.tid)?.verdict == "stuck" && drawn.node(circle.tid)?.deadlock == true ? drawn : nil
        }
        #expect(all.components.contains { $0.title == "DEADLOCK of 2 threads" })
        // of this one process: its chain alone
        let mine = try await drawn(["\(chain.pid)"])
        #expect(mine.components.count == 1)
        #expect(mine.node(chain.tid) != nil && mine.node(circle.tid) == nil)
        let roots = mine.nodes.filter { $0.root == true }
        #expect(roots.map(\.verdict) == ["idle"], "it sleeps, and is drawn because it is at the root: \(roots)")
    }

    @Test(arguments: ["svg", "html"]) func `pointing at a thread tells its functions, if they are asked for`(
        format: String
    ) async throws {
        try await Hanging.run("line", [0], program: "\(Built.programs)/where") { hanging in
            let text = try await eventually("its functions in the picture") { () async throws -> String? in
                let (code, text, error) = try await graph(["\(hanging.pid)", "--stacks", "--format", format])
                guard code == 0 else { throw Failure(description: error) }
                return text.contains("wait_in_line") ? text : nil
            }
            #expect(text.contains("in take_lock"), "of the next step of the chain")
            let (_, plain, _) = try await graph(["\(hanging.pid)", "--format", format])
            #expect(!plain.contains("wait_in_line") && !plain.contains("take_lock"))
        }
    }

    @Test(arguments: ["svg", "html"]) func `drawn by Graphviz, as nobody`(format: String) async throws {
        try await Hanging.run("flock") { hanging in
            let text = try await eventually("the hang in a picture") { () async throws -> String? in
                let (code, text, error) = try await graph(["--format", format, "--pid", "\(hanging.pid)"])
                #expect(code == 0 && error.isEmpty, "\(error)")
                return text.contains("[\(hanging.pid)]") ? text : nil
            }
            #expect(text.hasPrefix(format == "svg" ? "<?xml" : "<!DOCTYPE html>"))
            #expect(text.contains("id=\"n0\""))
        }
    }

    @Test func `without Graphviz one line, 69, and nothing on stdout`() async throws {
        let (code, text, error) = try await graph(["--format", "html"], path: "/nonexistent")
        #expect(code == 69)
        #expect(text.isEmpty)
        #expect(error.split(separator: "\n").count == 1 && error.contains("graphviz"), "\(error)")
    }

    @Test func `of a recording, at a moment`() async throws {
        try await Hanging.run("flock") { hanging in
            var lines: [String] = []
            try await Watcher.run(["--threshold", "500ms", "--pid", "\(hanging.pid)"]) { watcher in
                _ = try await watcher.blocked(tid: hanging.tid)
                lines = watcher.child.lines
            }
            let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).ndjson").path
            defer { try? FileManager.default.removeItem(atPath: path) }
            try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: URL(fileURLWithPath: path))
            let (code, text, error) = try await graph(["hang", "--replay", path])
            #expect(code == 0 && error.isEmpty, "\(error)")
            #expect(text.hasPrefix("digraph") && text.contains("[\(hanging.pid)]"), "\(text)")
            let (_, before, _) = try await graph(["--replay", path, "--at", "2020-01-01T00:00:00Z"])
            #expect(!before.contains("[\(hanging.pid)]"))
        }
    }

    @Test(arguments: [
        (["--format", "png"], "png"), (["--at", "2026-03-01T09:05:00Z"], "--replay"),
        (["no-such-process"], "no-such-process"),
    ])
    func `a mistake is one clear line and 64`(arguments: [String], says: String) async throws {
        let (code, text, error) = try await graph(arguments)
        #expect(code == 64 && text.isEmpty)
        #expect(error.split(separator: "\n").count == 1 && error.contains(says), "\(error)")
    }
}
