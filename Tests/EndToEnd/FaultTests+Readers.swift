import Foundation
import Testing

/// Readers that do not read.
extension `The watch goes on` {

    @Test func `nobody reads stdout: capture goes on, memory stays, drops are told, closings are kept`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let output = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Built.blockwatch)
        process.arguments = [
            "--threshold", "500ms", "--max-rate", "1000000", "--format", "ndjson", "--all", "--repeat", "2s",
            "--metrics",
            folder.path + "/metrics", "--comm", "sick",
        ]
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
        let reader = output.fileHandleForReading
        let first = try #require(try reader.read(upToCount: 1))
        try await hang("many-threads", [6000]) { _ in
            try await hang("many-threads", [6000]) { _ in
                _ = try await eventually(within: 120, "12,000 calls are counted") {
                    openCalls(folder) >= 12000 ? true : nil
                }
                // for a minute: repeated lines fill it up and make room again
                try await Task.sleep(for: .seconds(60))
                #expect(openCalls(folder) >= 12000)
            }
        }
        _ = try await eventually(within: 60, "the end of them all is seen") { openCalls(folder) < 6000 ? true : nil }
        let size = resident(process.processIdentifier)
        #expect(size < 300_000_000, "\(size) bytes")
        print("nobody read: \(size >> 20) MB resident")
        // somebody reads again
        let rest = Task.detached { try reader.readToEnd() ?? Data() }
        try await hang("flock") { hanging in
            _ = try await eventually("a new call is counted") { openCalls(folder) > 0 ? true : nil }
            try await Task.sleep(for: .seconds(2))
            kill(process.processIdentifier, SIGTERM)
            let text = String(decoding: try await first + rest.value, as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
            check(text, loses: true)
            #expect(parse(text).contains { $0.action == "blocked" && $0.tid == hanging.tid })
        }
    }

    @Test func `the reader is killed`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let script =
            "set -o pipefail; \(Built.blockwatch) --threshold 500ms --summary 100ms | (echo $BASHPID > \(folder.path)/pid; exec cat >/dev/null)"
        let child = try Child("/bin/bash", ["-c", script])
        let reader = try await eventually("the reader") { Int32(folder.text("pid").trimmingCharacters(in: .newlines)) }
        try await Task.sleep(for: .seconds(1))
        kill(reader, SIGKILL)
        // of blockwatch 0; of the pipeline the reader's
        #expect(try await child.exitCode() == 137)
        #expect(!child.errorText.contains("blockwatch:"), "it ends quietly: \(child.errorText)")
    }

    @Test func `stderr and stdout are closed, and nothing else takes their place`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let log = folder.path + "/log"
        let (code, _) = try await shell(
            "\(Built.blockwatch) --threshold 500ms --log-level debug --duration 2s --output \(log) <&- >&- 2>&-")
        #expect(code == 0)
        #expect(parse(folder.text("log")).last?.action == "stopped")
        #expect(!folder.text("log").contains("blockwatch: "), "diagnostics in the log")
        check(folder.text("log"))
        let (failed, lines) = try await shell("\(Built.blockwatch) --threshold 500ms --duration 2s >&-")
        #expect(failed == 74)
        #expect(lines.contains { $0.contains("EBADF") }, "\(lines)")
    }

    @Test func `nobody reads stderr, and it is full`() async throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        let bytes = [UInt8](repeating: 10, count: 4096)
        while write(ends[1], bytes, bytes.count) > 0 {}
        _ = fcntl(ends[1], F_SETFL, 0)
        defer {
            close(ends[0])
            close(ends[1])
        }
        let output = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Built.blockwatch)
        process.arguments = [
            "--threshold", "500ms", "--log-level", "debug", "--format", "ndjson", "--max-rate", "1000000",
        ]
        process.standardOutput = output
        process.standardError = FileHandle(fileDescriptor: ends[1])
        try process.run()
        let text = Task.detached { try output.fileHandleForReading.readToEnd() ?? Data() }
        try await hang("flock") { hanging in
            try await Task.sleep(for: .seconds(3))
            kill(process.processIdentifier, SIGTERM)
            let records = parse(String(decoding: try await text.value, as: UTF8.self))
            #expect(records.contains { $0.action == "blocked" && $0.tid == hanging.tid })
            #expect(records.last?.action == "stopped")
        }
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }
}
