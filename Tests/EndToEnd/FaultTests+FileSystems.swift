import Foundation
import Testing

/// File systems that others write to, and blockwatch itself.
extension `The watch goes on` {

    @Test func `a frozen file system, whose writers hang in D`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await mounted(folder) { mount in
            try await must("fsfreeze -f \(mount)")
            let writer = try Child("/bin/sh", ["-c", "echo x > \(mount)/file"])
            _ = try await eventually("a writer in D") { state(writer.pid) == "D" ? true : nil }
            try await watch(["--threshold", "500ms"]) { watcher in
                let record = try await watcher.blocked(tid: Int(writer.pid))
                #expect(record.text("verdict") == "stuck")
                #expect(record.text("reason") == "kernel_stuck")
                #expect(record.text("file.path") == "\(mount)/file")
                writer.signal(SIGKILL)
                #expect(state(writer.pid) == "D", "not even SIGKILL ends it")
            }
            try await must("fsfreeze -u \(mount)")
            try await writer.exitCode()
        }
    }

    @Test func `its own output on a file system that freezes`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await mounted(folder) { mount in
            let log = mount + "/log"
            func text() -> String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
            try await watching(["--output", log, "--metrics", folder.path + "/metrics", "--summary", "200ms", "--all"])
            { child in
                _ = try await eventually("a summary") { text().contains("\"summary\"") ? true : nil }
                try await must("fsfreeze -f \(mount)")
                let before = text().utf8.count
                try await hang("pipe-read") { hanging in
                    // the stream is stuck; capture is not
                    let open = openCalls(folder)
                    _ = try await eventually("the call is counted") { openCalls(folder) > open ? true : nil }
                    #expect(text().utf8.count == before)
                    try await must("fsfreeze -u \(mount)")
                    _ = try await eventually("the call is told") {
                        parse(text()).first { $0.action == "blocked" && $0.tid == hanging.tid }
                    }
                }
                // once more: nothing of it stays in the kernel, though its writer cannot die
                let owned = try Kernel.owned(by: child.pid)
                try await must("fsfreeze -f \(mount)")
                child.signal(SIGTERM)
                _ = try await eventually("its programs are gone") {
                    try await Kernel.ids().isDisjoint(with: owned) ? true : nil
                }
                try await must("fsfreeze -u \(mount)")
                #expect(try await child.exitCode() == 74)
                #expect(child.errorText.contains("nobody took the last lines"), "\(child.errorText)")
            }
        }
    }

    @Test func `its output on a file system that is frozen already`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await mounted(folder) { mount in
            let log = mount + "/log"
            try await must("fsfreeze -f \(mount)")
            try await watching(["--output", log, "--metrics", folder.path + "/metrics", "--summary", "200ms", "--all"])
            { child in
                _ = try await eventually("a word about it") {
                    child.errorText.contains("the file system of the output \(log) does not answer") ? true : nil
                }
                try await hang("pipe-read") { hanging in
                    let open = openCalls(folder)
                    _ = try await eventually("the call is counted") { openCalls(folder) > open ? true : nil }
                    try await must("fsfreeze -u \(mount)")
                    _ = try await eventually("the call is told") {
                        parse((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").first {
                            $0.action == "blocked" && $0.tid == hanging.tid
                        }
                    }
                }
                child.signal(SIGTERM)
                #expect(try await child.exitCode() == 0, "\(child.errorText)")
            }
        }
    }

    @Test func `its own output on a file system that is full`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let mount = folder.path + "/mount"
        try await must("mkdir \(mount) && mount -t tmpfs -o size=64m none \(mount)")
        func text() -> String { (try? String(contentsOfFile: mount + "/log", encoding: .utf8)) ?? "" }
        do {
            try await watching(["--output", mount + "/log", "--summary", "100ms", "--all"]) { child in
                _ = try await eventually("a summary") { text().contains("\"summary\"") ? true : nil }
                try await shell("dd if=/dev/zero of=\(mount)/filler bs=4k")
                _ = try await eventually("a word about it") { child.errorText.contains("ENOSPC") ? true : nil }
                try await hang("pipe-read") { hanging in
                    try await Task.sleep(for: .seconds(1))
                    // room for what has waited
                    try await must("rm \(mount)/filler && mount -o remount,size=256m \(mount)")
                    _ = try await eventually("the call is told") {
                        parse(text()).first { $0.action == "blocked" && $0.tid == hanging.tid }
                    }
                }
                child.signal(SIGTERM)
                #expect(try await child.exitCode() == 0)
                let complaints = child.errorText.split(separator: "\n").filter { $0.contains("ENOSPC") }
                #expect(complaints.count == 1, "said once: \(child.errorText)")
                check(text())
            }
        } catch {
            try await shell("umount -l \(mount)")
            throw error
        }
        try await must("umount \(mount)")
    }

    @Test func `its own output on a file system that turns read-only`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await mounted(folder) { mount in
            let log = mount + "/log"
            func text() -> String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
            try await watching(["--output", log, "--summary", "200ms", "--all"]) { child in
                _ = try await eventually("a summary") { text().contains("\"summary\"") ? true : nil }
                try await must("mount -o remount,abort \(mount)")
                _ = try await eventually("a word about it") {
                    child.errorText.contains("EROFS") || child.errorText.contains("EIO") ? true : nil
                }
                try await hang("pipe-read") { hanging in
                    try await Task.sleep(for: .seconds(1))
                    #expect(child.process.isRunning)
                    // its folder is there again, on another file system: the file is opened anew
                    try await must("umount -l \(mount)")
                    _ = try await eventually("the call is told") {
                        parse(text()).first { $0.action == "blocked" && $0.tid == hanging.tid }
                    }
                }
                child.signal(SIGTERM)
                #expect(try await child.exitCode() == 0)
                let records = parse(text())
                #expect(records.count == text().split(separator: "\n").count, "whole lines")
                #expect(records.last?.action == "stopped")
            }
        }
    }

    @Test func `the log is truncated, deleted and moved away`() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        try await watching(["--output", folder.path + "/log", "--summary", "100ms"]) { child in
            func told() -> Int { parse(folder.text("log")).count { $0.action == "summary" } }
            _ = try await eventually("a summary") { told() > 2 ? true : nil }
            truncate(folder.path + "/log", 0)
            _ = try await eventually("lines from the start of the file") { told() > 0 ? true : nil }
            #expect(folder.text("log").hasPrefix("{"))
            unlink(folder.path + "/log")
            _ = try await eventually("a new file") { told() > 0 ? true : nil }
            rename(folder.path + "/log", folder.path + "/log.1")
            _ = try await eventually("a new file again") { told() > 0 ? true : nil }
            child.signal(SIGTERM)
            #expect(try await child.exitCode() == 0)
            check(folder.text("log.1") + folder.text("log"), from: parse(folder.text("log.1")).first)
            #expect(child.errorText.isEmpty, "\(child.errorText)")
        }
    }

    private func check(_ text: String, from first: Fields?) {
        let sequence = parse(text).compactMap { $0.integer("event.sequence") }
        guard let start = first?.integer("event.sequence") else {
            Issue.record("no records")
            return
        }
        #expect(sequence == Array(start..<(start + sequence.count)))
    }
}
