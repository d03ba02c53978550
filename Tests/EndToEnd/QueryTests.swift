import Foundation
import Testing

/// docs/queries.md, run as it stands.
@Suite struct `The stream asked in SQL` {
    /// Its blocks of code in that language, in order.
    private func blocks(_ language: String) throws -> [String] {
        let text = try String(contentsOfFile: Built.root + "/docs/queries.md", encoding: .utf8)
        return text.components(separatedBy: "\n```\(language)\n").dropFirst().map {
            $0.components(separatedBy: "\n```").first ?? ""
        }
    }

    /// The rows of each query, by the names of their columns.
    private func answers(_ lines: [String]) async throws -> [[[String: Any]]] {
        let folder = try Folder()
        defer { folder.remove() }
        try folder.write("blockwatch.ndjson", lines.map { $0 + "\n" }.joined())
        let load = try #require(try blocks("python").first)
        let asking = """
            import json
            database.row_factory = sqlite3.Row
            for query in json.loads(sys.argv[1]):
                print(json.dumps([dict(row) for row in database.execute(query)]))
            """
        let queries = String(decoding: try JSONEncoder().encode(try blocks("sql")), as: UTF8.self)
        // Debian's: what is promised is promised of its SQLite
        let python = try Child("/usr/bin/python3", ["-c", load + "\n" + asking, queries], folder: folder.path)
        #expect(try await python.exitCode() == 0, "\(python.errorText)")
        return try python.lines.map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [[String: Any]])
        }
    }

    @Test func `whoever waits for one peer is found, in connect, poll, select and epoll, alone and among others`()
        async throws
    {
        let hanging = try Child("/usr/bin/python3", [Built.root + "/Tests/EndToEnd/Software/peers.py"])
        do {
            let said = try await eventually("who hangs: \(hanging.errorText)") { hanging.records.first }
            let pids = try #require(said["pids"] as? [String: Int])
            let lines = try await Watcher.run(["--threshold", "500ms"], all: false) { watcher in
                for (way, pid) in pids {
                    _ = try await watcher.record("\(way), \(pid)") { $0.tid == pid && $0.text("verdict") == "stuck" }
                }
                return watcher.child.lines
            }
            let answers = try await answers(lines)
            try #require(answers.count == 5, "a view and four queries")
            let asked = Set(pids.keys.filter { $0 != "behind" && !$0.hasPrefix("other") }.map { pids[$0]! })
            func found(_ rows: [[String: Any]]) -> Set<Int> { Set(rows.compactMap { $0["pid"] as? Int }) }
            let behind = try #require(pids["behind"])
            // one more polls, for the one behind it; and whoever started all of them may wait too
            let known = Set(pids.values)
            #expect(found(answers[1]).intersection(known) == asked)
            #expect(found(answers[1]).count == asked.count + 1)
            for row in answers[1] {
                #expect(row["state"] as? String == "SYN_SENT" && row["verdict"] as? String == "stuck", "\(row)")
            }
            #expect(found(answers[2]).intersection(known) == asked.union([behind]), "and who waits for one of them")
            #expect(found(answers[3]).intersection(known) == asked.subtracting([pids["connect"]!]), "as members")
            let costs = answers[4].first { $0["root"] as? String == "10.0.0.5:5432" }
            #expect(costs?["kind"] as? String == "remote" && costs?["calls"] as? Int ?? 0 >= asked.count + 2)
        } catch {
            await hanging.end()
            throw error
        }
        await hanging.end()
    }
}
