import Foundation
import Testing

/// What people see who type a command: lines that fit.
@Suite(.serialized) struct `On a terminal` {
    @Test(arguments: [80, 120]) func `no line of watch, snapshot or explain is wider than it`(width: Int) async throws {
        try await Hanging.run("chain-three") { chain in
            try await Hanging.run("deadlock-three") { circle in
                let pids = "\(chain.pid),\(circle.pid),\(circle.says.integer("member_1") ?? 0)"
                let screen = try await Screen(width: width, height: 120, folder: chain.folder)
                defer { screen.end() }
                let binary = Built.blockwatch
                try screen.type(
                    "clear; \(binary) --threshold 500ms --duration 3s --pid \(pids); "
                        + "\(binary) snapshot --threshold 500ms --pid \(pids); \(binary) explain \(chain.pid); "
                        + "\(binary) explain --verdict kernel_stuck; echo \"code=$?\"")
                let lines = try await screen.shows("code=0").map(Self.trimmed)
                let whole = try screen.tmux("capture-pane", "-p", "-J").lines.map(Self.trimmed)
                #expect(lines == whole, "tmux has joined what went on below")
                let root = try #require(chain.says.integer("root_pid"))
                let told = lines.filter { $0.contains("[\(chain.tid)] read pipe") }
                #expect(told.contains { $0.contains("<- hang[\(root)], sleeping") }, "\(lines.joined(separator: "\n"))")
                #expect(lines.contains { $0.contains("deadlock") && $0.contains("3 threads wait for each other") })
            }
        }
    }

    private static func trimmed(_ line: String) -> String {
        var line = line[...]
        while line.last == " " { line = line.dropLast() }
        return String(line)
    }

    @Test func `elsewhere nothing is cut`() async throws {
        try await Hanging.run("long-path") { hanging in
            let child = try Child(
                Built.blockwatch,
                ["--threshold", "500ms", "--format", "text", "--duration", "2s", "--all", "--pid", "\(hanging.pid)"])
            #expect(try await child.exitCode() == 0)
            let line = try #require(child.lines.first { $0.contains("[\(hanging.pid)]") })
            #expect(line.utf8.count > 300 && line.hasSuffix(" itself has the write end open"), "\(line)")
        }
    }
}
