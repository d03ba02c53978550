import Foundation
import Testing

/// Real programs, idle and hung. `Software/idle.py` and `Software/hung.py` run them and say what they are.
@Suite struct `Real software` {
    /// The lines of a script that plays programs, until it is ready.
    private func play<T>(_ script: String, _ body: (Child) async throws -> T) async throws -> T {
        let child = try Child(
            "/usr/bin/python3", ["-B", Built.root + "/Tests/EndToEnd/Software/" + script],
            environment: ["BLOCKWATCH_BINARY": Built.blockwatch, "BLOCKWATCH_PROGRAMS": Built.programs])
        func clear() async {
            child.signal(SIGTERM)
            _ = try? await child.exitCode(within: 30)
            await child.end()
        }
        do {
            _ = try await eventually(within: 180, "\(script) is ready; it says: \(child.errorText)") {
                if !child.process.isRunning { throw Failure(description: "\(script) ended: \(child.errorText)") }
                return child.records.contains { $0["ready"] != nil } ? true : nil
            }
            let result = try await body(child)
            await clear()
            return result
        } catch {
            await clear()
            throw error
        }
    }

    @Test func `started and used under a watcher, and then at rest for a minute, it is idle, all of it`() async throws {
        // without --all a line accuses
        try await Watcher.run(["--threshold", "1s"], all: false) { accuser in try await rest(accuser) }
    }

    private func rest(_ accuser: Watcher) async throws {
        try await play("idle.py") { child in
            child.signal(SIGUSR1)
            _ = try await eventually(within: 60, "all of it is used again; it says: \(child.errorText)") {
                child.records.contains { $0["used"] != nil } ? true : nil
            }
            let before = accuser.records.count
            try await Watcher.run(["--threshold", "1s"]) { watcher in
                try await Task.sleep(for: .seconds(60))
                var software: [Int: String] = [:]
                for line in child.records {
                    if let pid = line.integer("pid") { software[pid] = line.text("software") }
                }
                for record in accuser.records.dropFirst(before) {
                    guard let pid = record.integer("process.pid"), let name = software[pid], name != "?" else {
                        continue
                    }
                    if record.text("verdict") != "idle" { Issue.record("\(name) was used and rests, but: \(record)") }
                }
                var seen: Set<String> = []
                for record in watcher.records {
                    guard let pid = record.integer("process.pid"), let name = software[pid] else { continue }
                    seen.insert(name)
                    if record.text("verdict") != "idle" { Issue.record("\(name) is at rest, but: \(record)") }
                }
                let never = Set(software.values).subtracting(seen)
                #expect(never.isEmpty, "nothing was said of \(never)")
                #expect(seen.count >= 70, "\(seen)")
            }
        }
    }

    @Test func `hung it is found, each with its reason, its resource and its root`() async throws {
        // without --all: what is idle is not printed
        try await Watcher.run(["--threshold", "2s"], all: false) { watcher in
            try await play("hung.py") { child in
                for line in child.records {
                    if let name = line.text("skipped") { print("skipped: \(name): \(line.text("why") ?? "")") }
                }
                let ready = try #require(child.records.first { $0["ready"] != nil })
                let cases = try #require(ready["cases"] as? [[String: Any]])
                #expect(cases.count > 90)
                for wanted in cases {
                    let name = wanted["name"] as? String ?? "?"
                    if wanted["hidden"] as? Bool == true { continue }
                    if (try? await watcher.record(name, within: 30) { fits($0, wanted) }) == nil {
                        let said = watcher.records.filter { $0.integer("process.pid") == wanted["pid"] as? Int }
                        Issue.record("\(name) is not found: \(wanted); said was: \(said)")
                    }
                }
                let java = try #require(cases.first { $0["explain"] != nil })
                let explained = try Child(Built.blockwatch, ["explain", "\(java["pid"] as? Int ?? 0)"])
                #expect(try await explained.exitCode() == 0)
                let text = explained.lines.joined(separator: "\n")
                #expect(text.contains("jstack"), "\(text)")
                #expect(!watcher.records.contains { $0.tid == java["pid"] as? Int && $0.action != "slow" })
            }
        }
    }

    private func fits(_ record: Fields, _ wanted: [String: Any]) -> Bool {
        guard ["blocked", "still_blocked"].contains(record.action),
            record.integer("process.pid") == wanted["pid"] as? Int,
            let reasons = wanted["reasons"] as? [String], reasons.contains(record.text("reason") ?? "")
        else { return false }
        if let resource = wanted["resource"] as? String {
            let members = (record["members"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
            guard ([record.text("resource.name") ?? ""] + members).contains(where: { $0.contains(resource) }) else {
                return false
            }
        }
        let root = record.integer("root.pid")
        if let pid = wanted["root"] as? Int, root != pid { return false }
        if let pids = wanted["roots"] as? [Int], !pids.contains(root ?? 0) { return false }
        if let kind = wanted["rootKind"] as? String, record.text("root.kind") != kind { return false }
        return true
    }
}
