import Foundation
import Testing

/// Processes that hang whoever asks about them.
extension `The watch goes on` {

    @Test func `a FUSE server that is dead, where lsof hangs`() async throws {
        try await hang("fuse-dead") { hanging in
            try await watch(["--threshold", "500ms"]) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("file.path") == hanging.says.text("path"))
                #expect(record.text("file.filesystem") == "fuse.hang")
                #expect(record.text("reason") == "kernel_stuck")
                #expect(try await hangs("lsof -p \(hanging.pid)"))
                try await hang("pipe-read") { _ = try await watcher.blocked(tid: $0.tid, within: 10) }
                for command in ["snapshot", "explain \(hanging.pid)"] {
                    let (code, lines) = try await shell("timeout -s KILL 20 \(Built.blockwatch) \(command)")
                    #expect(code == 0)
                    #expect(lines.contains { $0.contains("sick[\(hanging.pid)]") }, "\(command): \(lines)")
                }
            }
        }
    }

    @Test func `an address space that is locked for ever, where ps and cat of its cmdline hang`() async throws {
        try await hang("mmap-lock") { hanging in
            // from here on its command line can be read by nobody
            _ = try await eventually("a locked address space") {
                try await hangs("cat /proc/\(hanging.pid)/cmdline") ? true : nil
            }
            #expect(try await hangs("ps -fp \(hanging.pid)"))
            try await watch(["--threshold", "500ms"]) { watcher in
                let fault = try await watcher.blocked(tid: hanging.tid)
                #expect(fault.text("process.name") == "sick")
                #expect(fault.text("resource.kind") == "page")
                let behind = try await watcher.record("the thread behind it") {
                    $0.action == "blocked" && $0.integer("process.pid") == hanging.pid && $0.tid != hanging.tid
                }
                #expect(behind.text("syscall.name") == "mmap")
                #expect(behind.text("reason") == "kernel_stuck")
                for record in [fault, behind] {
                    #expect(record.strings("unresolved").contains("process.command_line=timed_out"), "\(record)")
                }
                // nobody else has to wait for it, and nobody else's fields are missing
                try await hang("poll") { other in
                    let record = try await watcher.blocked(tid: other.tid, within: 10)
                    #expect(record.text("process.command_line")?.contains("poll") == true, "\(record)")
                }
                let (code, lines) = try await shell("timeout -s KILL 20 \(Built.blockwatch) snapshot --threshold 500ms")
                #expect(code == 0)
                #expect(lines.contains { $0.contains("sick[\(hanging.pid)]") })
            }
        }
    }

    @Test func `an epoll that nobody can look into, where cat of its fdinfo hangs in D`() async throws {
        try await hang("userfaultfd-epoll") { hanging in
            let fd = try #require(hanging.says.integer("fd"))
            let reader = try await eventually("cat in D") { () async throws -> Child? in
                // one that comes before the call has begun gets its answer
                let reader = try Child("/bin/cat", ["/proc/\(hanging.pid)/fdinfo/\(fd)"])
                return try? await eventually(within: 1, "D") {
                    // there, and not for a moment at its own pages
                    let stack = (try? String(contentsOfFile: "/proc/\(reader.pid)/stack", encoding: .utf8)) ?? ""
                    return stack.contains("ep_show_fdinfo") && state(reader.pid) == "D" ? reader : nil
                }
            }
            reader.signal(SIGKILL)
            try await watch(["--threshold", "500ms"]) { watcher in
                let record = try await watcher.blocked(tid: hanging.tid)
                #expect(record.text("syscall.name") == "epoll_wait")
                #expect(record.text("reason") == "kernel_stuck")
                #expect(state(reader.pid) == "D", "not even SIGKILL ends it")
                for _ in 0..<3 {
                    try await hang("epoll-wait") { other in
                        let record = try await watcher.blocked(tid: other.tid, within: 10)
                        #expect(!((record["members"] as? [Any]) ?? []).isEmpty, "\(record)")
                    }
                }
            }
        }
    }
}
