import Foundation
import Testing

/// A host that is sick: the other tools hang, the disks fill, nobody reads. docs/reliability.md is the table of these.
@Suite(.serialized) struct `The watch goes on` {
    /// `hang` by a name of its own: whatever else the host does is left out by `--comm`.
    static let sick: String = {
        let path = Built.programs + "/sick"
        try? FileManager.default.removeItem(atPath: path)
        try? FileManager.default.linkItem(atPath: Built.hang, toPath: path)
        return path
    }()

    func hang<T>(_ mode: String, _ numbers: [Int] = [], _ body: (Hanging) async throws -> T) async throws -> T {
        try await Hanging.run(mode, numbers, program: Self.sick, body)
    }

    func watch<T>(
        _ arguments: [String], through prefix: [String] = [], binary: String = Built.blockwatch, losses: [String] = [],
        _ body: (Watcher) async throws -> T
    ) async throws -> T {
        try await Watcher.run(
            arguments + ["--comm", "sick,sh,bash,sleep"], through: prefix, binary: binary, losses: losses, body)
    }

    /// Runs a script of bash.
    @discardableResult
    func shell(_ script: String, within seconds: Double = 60) async throws -> (code: Int32, lines: [String]) {
        let child = try Child("/bin/bash", ["-c", script])
        do {
            let code = try await child.exitCode(within: seconds)
            return (code, child.lines + child.errorText.split(separator: "\n").map(String.init))
        } catch {
            await child.end()
            throw error
        }
    }

    func must(_ script: String) async throws {
        let (code, lines) = try await shell(script)
        guard code == 0 else { throw Failure(description: "\(script): \(code): \(lines.joined(separator: "; "))") }
    }

    /// That another tool gets no answer in two seconds.
    func hangs(_ tool: String) async throws -> Bool {
        try await shell("timeout -s KILL 2 \(tool) >/dev/null 2>&1").code == 137
    }

    /// The letter of /proc/PID/stat; empty if it is gone.
    func state(_ pid: Int32) -> String {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
        return text.split(separator: ")").last?.split(separator: " ").first.map(String.init) ?? ""
    }

    func resident(_ pid: Int32) -> Int {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8)) ?? ""
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * Int(getpagesize())
    }

    /// blockwatch with an output of its own, ended with the body.
    func watching<T>(
        _ arguments: [String], through prefix: [String] = [], _ body: (Child) async throws -> T
    ) async throws -> T {
        let words =
            prefix + [Built.blockwatch, "--threshold", "500ms", "--max-rate", "1000000", "--format", "ndjson"]
            + ["--comm", "sick"] + arguments
        let child = try Child(words[0], Array(words.dropFirst()))
        do {
            let result = try await body(child)
            await child.end()
            return result
        } catch {
            await child.end()
            throw error
        }
    }

    /// A file system in a file, mounted in `folder/mount`, taken apart in the end.
    func mounted<T>(_ folder: Folder, _ body: (String) async throws -> T) async throws -> T {
        let (image, mount) = (folder.path + "/image", folder.path + "/mount")
        func clear() async {
            _ = try? await shell(
                "fsfreeze -u \(mount); umount -l \(mount); for i in $(losetup -n -O NAME -j \(image)); do losetup -d $i; done"
            )
        }
        try await must(
            "mkdir \(mount) && truncate -s 16M \(image) && mkfs.ext4 -q \(image) && mount -o loop \(image) \(mount)")
        do {
            let result = try await body(mount)
            await clear()
            return result
        } catch {
            await clear()
            throw error
        }
    }

    func parse(_ text: String) -> [Fields] { text.split(separator: "\n").compactMap { Fields(String($0)) } }

    /// Whole lines, and no gap in `event.sequence` but those of lines that a loss counts.
    func check(_ text: String, loses: Bool = false) {
        let lines = text.split(separator: "\n")
        let records = lines.compactMap { Fields(String($0)) }
        #expect(records.count == lines.count, "lines that are no JSON")
        let sequence = records.compactMap { $0.integer("event.sequence") }
        #expect(sequence == sequence.sorted())
        guard let last = sequence.last else {
            Issue.record("no records")
            return
        }
        let missing = last - sequence.count
        let told = records.filter { $0.action == "loss" && $0.text("loss.what") == "lines" }
            .reduce(0) { $0 + ($1.integer("loss.count") ?? 0) }
        #expect(missing == told, "\(missing) records are missing, \(told) are said to be lost")
        #expect((told > 0) == loses)
        var open: Set<String> = []
        for record in records {
            guard let id = record.id, record.action != "slow", record.action != "deadlock" else { continue }
            switch record.action {
            case "blocked": #expect(open.insert(id).inserted, "\(id) opened twice")
            case "returned", "ended": #expect(open.remove(id) != nil, "\(id) closed and not open")
            default: break
            }
        }
        if let left = records.last(where: { $0.action == "stopped" })?.integer("blockwatch.open") {
            #expect(open.count == left, "calls that were never closed")
        }
    }

    func openCalls(_ folder: Folder) -> Int {
        let line = folder.text("metrics").split(separator: "\n").first { $0.hasPrefix("blockwatch_open_calls ") }
        return line.flatMap { Int($0.dropFirst("blockwatch_open_calls ".count)) } ?? 0
    }
}
