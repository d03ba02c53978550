import Foundation
import Testing

/// What is left in the kernel, and who else is there.
extension `The watch goes on` {

    @Test func `another tracer's programs on the same tracepoints`() async throws {
        let tracer = try Child(Built.programs + "/tracer", [Built.programs + "/empty.bpf.o"])
        do {
            _ = try await eventually("the other tracer; it says: \(tracer.errorText)") {
                tracer.lines.first == "ready" ? true : nil
            }
            try await watch(["--threshold", "500ms"]) { one in
                try await watch(["--threshold", "500ms"]) { two in
                    try await hang("crossing") { hanging in
                        for watcher in [one, two] {
                            _ = try await watcher.record("a call that crosses the threshold and returns") {
                                $0.integer("process.pid") == hanging.pid && $0.text("event.start_source") == "entry"
                                    && ["returned", "slow"].contains($0.action)
                            }
                        }
                    }
                }
            }
        } catch {
            await tracer.end()
            throw error
        }
        await tracer.end()
    }

    @Test func `killed at any moment it leaves nothing in the kernel`() async throws {
        for moment in stride(from: 50, through: 950, by: 100) {
            try await watching(["--output", "/dev/null"]) { child in
                try await Task.sleep(for: .milliseconds(moment))
                let owned = try Kernel.owned(by: child.pid)
                child.signal(SIGKILL)
                #expect(try await child.exitCode() == -SIGKILL)
                if moment > 900 { #expect(owned.count > 10, "programs, maps and links: \(owned)") }
                _ = try await eventually("all of \(owned) are gone") {
                    try await Kernel.ids().isDisjoint(with: owned) ? true : nil
                }
            }
        }
        _ = try await eventually("nothing that nobody owns") { try await Kernel.orphans().isEmpty ? true : nil }
    }

    @Test func `killed for its memory it leaves nothing in the kernel`() async throws {
        let group = ControlGroup("memory", limit: ("memory.limit_in_bytes", "memory.max"), 512 << 20)
        try group.make()
        defer { group.remove() }
        let script = "echo $$ > \(group.path)/cgroup.procs && exec \"$0\" \"$@\""
        let child = try Child(
            "/bin/sh", ["-c", script, Built.blockwatch, "--threshold", "500ms", "--output", "/dev/null"])
        let owned = try await eventually("its programs") { () -> Set<String>? in
            let owned = try Kernel.owned(by: child.pid)
            return owned.contains { $0.hasPrefix("link") } ? owned : nil
        }
        // somebody in its group wants more than there is; of the two the kernel is told to take blockwatch
        try "1000".write(toFile: "/proc/\(child.pid)/oom_score_adj", atomically: false, encoding: .utf8)
        let eater = try Child(
            "/bin/sh",
            [
                "-c",
                "echo $$ > \(group.path)/cgroup.procs && exec python3 -c 'import time; x = bytearray(700 << 20); time.sleep(60)'",
            ])
        #expect(try await child.exitCode(within: 60) == -SIGKILL)
        await eater.end()
        _ = try await eventually("all of \(owned) are gone") {
            try await Kernel.ids().isDisjoint(with: owned) ? true : nil
        }
    }
}
