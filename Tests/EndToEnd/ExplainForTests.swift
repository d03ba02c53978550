import Foundation
import Testing

/// `explain --for`: what a process does that is not blocked, against programs that do it.
@Suite(.serialized) struct `A process is watched for a while` {
    private func run(_ arguments: [String]) async throws -> (code: Int32, text: String, lines: [String]) {
        let child = try Child(Built.blockwatch, ["explain"] + arguments)
        let code = try await child.exitCode(within: 60)
        #expect(child.errorText.isEmpty, "\(child.errorText)")
        return (code, child.lines.joined(separator: "\n"), child.lines)
    }

    /// Watches one way of `hang` by its id.
    private func watch(
        _ mode: String, for span: String = "1s", program: String = Built.hang, _ more: [String] = []
    ) async throws -> (code: Int32, text: String, says: Fields) {
        try await Hanging.run(mode, program: program) { hanging in
            let (code, text, _) = try await run(["--for", span, "--exit-code", "\(hanging.pid)"] + more)
            return (code, text, hanging.says)
        }
    }

    /// The process has all its programs on the kernel's hooks, and has given up all else.
    private func isWatching(_ child: Child) throws -> Bool {
        guard child.process.isRunning else { throw Failure(description: "ended: \(child.errorText)") }
        let status = (try? String(contentsOfFile: "/proc/\(child.pid)/status", encoding: .utf8)) ?? ""
        return status.contains("Seccomp:\t2")
    }

    /// The count in front of `times` or in the table, of a line that has a word.
    private func row(_ call: String, in text: String) throws -> [String] {
        let line = text.split(separator: "\n").first { line in
            line.split(separator: " ").dropFirst().contains { $0 == call } && line.first == " "
        }
        return try #require(line, "no row of \(call): \(text)").split(separator: " ").map(String.init)
    }

    @Test func `a connect that is refused again and again`() async throws {
        let (code, text, says) = try await watch("retry-connect")
        let port = try #require(says.integer("port"))
        #expect(code == 1)
        #expect(
            text.contains("gets nowhere: connect 127.0.0.1:\(port) = ECONNREFUSED, then clock_nanosleep 0.1s; "),
            "\(text)")
        let row = try row("connect", in: text)
        #expect(row[1] == row[2], "all of them are errors: \(row)")
        #expect(row.last == "ECONNREFUSED")
    }

    private struct Told: Decodable {
        struct Thread: Decodable {
            struct Rounds: Decodable {
                struct Step: Decodable {
                    var call, result: String
                    var on: String?
                    var error: Bool
                }
                var count: Int
                var steps: [Step]
            }
            struct Call: Decodable {
                struct Failure: Decodable { var error: String }
                var call: String
                var count: Int
                var errors: [Failure]
            }
            struct Blocked: Decodable {
                var call, verdict, reason: String
            }
            var tid: Int
            var doing: String
            var rounds: Rounds?
            var calls: [Call]
            var blocked: Blocked?
        }
        struct Process: Decodable {
            var pid: Int
            var threads: [Thread]
        }
        struct Comings: Decodable { var there: Int }
        var asked: String
        var found: Bool
        var watched: Int
        var processes: [Process]
        var comings: Comings
    }

    private func told(_ text: String) throws -> Told { try JSONDecoder().decode(Told.self, from: Data(text.utf8)) }

    @Test func `the same facts for programs`() async throws {
        let (code, text, says) = try await watch("retry-connect", ["--format", "json"])
        let told = try told(text)
        #expect(code == 1 && told.found && told.watched > 900_000_000 && told.comings.there == 1)
        let thread = try #require(told.processes.first?.threads.first)
        #expect(told.processes.map(\.pid) == [says.integer("pid")] && thread.tid == says.integer("tid"))
        #expect(thread.doing == "failing" && thread.blocked == nil)
        let rounds = try #require(thread.rounds)
        #expect(rounds.count > 2 && rounds.steps.map(\.call) == ["connect", "clock_nanosleep"])
        let connect = rounds.steps[0]
        #expect(connect.error && connect.result == "ECONNREFUSED")
        #expect(connect.on == "127.0.0.1:\(says.integer("port") ?? 0)")
        #expect(thread.calls.first { $0.call == "connect" }?.errors.map(\.error) == ["ECONNREFUSED"])
    }

    @Test func `who rests, for programs`() async throws {
        let (code, text, says) = try await watch("condition-wait", ["--format", "json"])
        let thread = try #require(try told(text).processes.first?.threads.first)
        #expect(thread.doing == "resting" && thread.tid == says.integer("tid"), "\(code) \(text)")
        #expect(thread.blocked?.call == "futex" && thread.blocked?.verdict == "idle", "\(text)")
    }

    @Test func `a line in a log, and something else now and then, are no progress`() async throws {
        let (code, text, _) = try await watch("retry-connect-logging", for: "2s")
        #expect(code == 1)
        #expect(text.contains("gets nowhere: connect 127.0.0.1:"), "\(text)")
        #expect(text.contains(", then write fd ") && text.contains("/log) = "), "\(text)")
    }

    @Test func `an empty socket is asked again and again`() async throws {
        let (code, text, says) = try await watch("spin-again")
        #expect(code == 1)
        #expect(text.contains("spins: recvfrom fd \(says.integer("fd") ?? -1) (unix "), "\(text)")
        #expect(text.contains(" = EAGAIN; about "), "\(text)")
        #expect(text.contains("the kernel, for recvfrom"), "\(text)")
        let row = try row("recvfrom", in: text)
        #expect((Int(row[1]) ?? 0) > 1000 && row[1] == row[2], "\(row)")
    }

    @Test func `a poll that does not wait`() async throws {
        let (code, text, says) = try await watch("spin-poll")
        #expect(code == 1)
        #expect(text.contains("spins: poll fd \(says.integer("fd") ?? -1) without waiting = 0; about "), "\(text)")
    }

    @Test func `a computation without calls, and where it is`() async throws {
        let (_, text, _) = try await watch("spin-without-calls")
        #expect(text.contains("is on a processor ") && text.contains(" and makes no calls"), "\(text)")
        #expect(text.contains("Where it runs: ") && text.contains("spin_here"), "\(text)")
    }

    @Test func `one of five threads computes, the others are what explain says`() async throws {
        let (_, text, _) = try await watch("spin-in-one-thread")
        #expect(text.contains("5 threads; watched for 1.0s"), "\(text)")
        #expect(text.contains("4 threads ("), "\(text)")
        #expect(text.contains("are idle (awaiting input): pause on a signal"), "\(text)")
        #expect(text.contains("and makes no calls"), "\(text)")
    }

    @Test func `a file that is not there, with its path`() async throws {
        let (code, text, says) = try await watch("missing-file")
        #expect(code == 1)
        #expect(
            text.contains("gets nowhere: openat \(says.text("path") ?? "?") = ENOENT, then clock_nanosleep 20ms; "),
            "\(text)")
    }

    @Test func `an event that nobody reads`() async throws {
        let (code, text, says) = try await watch("epoll-unread")
        #expect(code == 1)
        #expect(text.contains("spins: epoll_wait fd \(says.integer("epoll") ?? -1) = 1; about "), "\(text)")
    }

    @Test func `what its own clock wakes is idle`() async throws {
        let (code, text, _) = try await watch("epoll-ticking")
        #expect(code == 0)
        #expect(text.contains("wakes up by its own clock and finds nothing to do: epoll_wait "), "\(text)")
    }

    @Test func `what moves bytes gets on`() async throws {
        let (code, text, _) = try await watch("copy-bytes")
        #expect(code == 0)
        #expect(text.contains(" gets on: ") && text.contains(" read, ") && text.contains(" written in "), "\(text)")
        #expect(text.contains("Again and again: write fd ") || text.contains("Again and again: read fd "), "\(text)")
        #expect(!text.contains("nowhere") && !text.contains("spins"), "\(text)")
    }

    @Test func `what is blocked, or has nothing to do, is told as without watching`() async throws {
        let (code, text, _) = try await watch("epoll-idle-server", for: "300ms")
        #expect(code == 0)
        #expect(text.contains(" is idle ("), "\(text)")
        let (hung, chain, _) = try await watch("chain-three", for: "300ms")
        #expect(hung == 1)
        #expect(chain.contains("Verdict: stuck") && chain.contains("The chain: "), "\(chain)")
    }

    @Test func `a 32-bit program's calls have its own names`() async throws {
        let (code, text, says) = try await watch("missing-file", program: Built.hang32)
        #expect(code == 1)
        #expect(text.contains(" \(says.text("path") ?? "?") = ENOENT, then clock_nanosleep"), "\(text)")
        #expect(text.contains("(i386)"), "\(text)")
    }

    @Test func `a worker that is restarted: by its parent's id, and by its name`() async throws {
        try await Hanging.run("restart-worker") { hanging in
            let config = try #require(hanging.says.text("config"))
            let (code, text, _) = try await run(["--for", "1s", "--exit-code", "\(hanging.pid)"])
            #expect(code == 1)
            #expect(text.contains("gets nowhere: bw-worker exits with 3, then clock_nanosleep 50ms; "), "\(text)")
            #expect(text.contains("bw-worker: ") && text.contains("after openat \(config) = ENOENT"), "\(text)")
            let (named, byName, _) = try await run(["--for", "1s", "--exit-code", "bw-worker"])
            #expect(named == 1)
            #expect(byName.contains("bw-worker comes and goes: "), "\(byName)")
            #expect(byName.contains("How they ended: exit status 3 each time."), "\(byName)")
            #expect(byName.contains("The last call that failed before: openat \(config) = ENOENT."), "\(byName)")
            #expect(byName.contains("Started by hang[\(hanging.pid)]"), "\(byName)")
        }
    }

    @Test func `a worker that dies of a signal`() async throws {
        try await Hanging.run("crash-worker") { _ in
            let (code, text, _) = try await run(["--for", "1s", "--exit-code", "bw-crasher"])
            #expect(code == 1)
            #expect(text.contains("How they ended: killed by SIGSEGV each time."), "\(text)")
        }
    }

    @Test func `a shell's loop, by what it starts again and again`() async throws {
        let script = "while ! (exec 3<>/dev/tcp/127.0.0.1/1) 2>/dev/null; do sleep 0.1; done"
        let shell = try Child("/bin/bash", ["-c", script])
        defer { shell.signal(SIGKILL) }
        let (code, text, _) = try await run(["--for", "2s", "--exit-code", "\(shell.pid)"])
        #expect(code == 1)
        #expect(text.contains("bash exits with 1, then sleep exits with 0; "), "\(text)")
        #expect(text.contains("after connect 127.0.0.1:1 = ECONNREFUSED"), "\(text)")
        #expect(text.contains("sleep: ") && text.contains("exit status 0 each time"), "\(text)")
        await shell.end()
    }

    @Test func `one that ends meanwhile`() async throws {
        try await Hanging.run("end-on-signal") { hanging in
            let watcher = try Child(Built.blockwatch, ["explain", "--for", "60s", "\(hanging.pid)"])
            _ = try await eventually("it watches") { try isWatching(watcher) ? true : nil }
            hanging.child.signal(SIGUSR1)
            // long before its time: there is nobody left to watch
            let code = try await watcher.exitCode(within: 30)
            #expect(code == 0, "\(watcher.errorText)")
            let text = watcher.lines.joined(separator: "\n")
            // it may have ended before the watch began: then nobody saw how
            let said = "hang[\(hanging.pid)] has ended meanwhile"
            #expect(text.contains("\(said): exit status 7.") || text.contains("\(said)."), "\(text)")
        }
    }

    @Test func `a name that nobody has yet, and that somebody comes to have`() async throws {
        try await Hanging.run("rename-on-signal") { hanging in
            let watcher = try Child(Built.blockwatch, ["explain", "--for", "60s", "bw-latecomer"])
            _ = try await eventually("it watches") { try isWatching(watcher) ? true : nil }
            hanging.child.signal(SIGUSR1)
            let path = "/proc/\(hanging.pid)/comm"
            _ = try await eventually("the name") {
                (try? String(contentsOfFile: path, encoding: .utf8)) == "bw-latecomer\n" ? true : nil
            }
            // some of its rounds: another second of them is seen by its own clock
            let before = try Self.switches(hanging.pid)
            _ = try await eventually("its rounds") { try Self.switches(hanging.pid) > before + 20 ? true : nil }
            watcher.signal(SIGINT)
            let code = try await watcher.exitCode(within: 30)
            #expect(code == 0, "\(watcher.errorText)")
            let text = watcher.lines.joined(separator: "\n")
            #expect(text.contains("bw-latecomer[\(hanging.pid)]"), "\(text)")
            #expect(text.contains("= ENOENT, then clock_nanosleep 20ms; "), "\(text)")
            #expect(text.contains("Broken off after "), "\(text)")
        }
    }

    /// How often it has gone to sleep.
    private static func switches(_ pid: Int) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches:") }
        return line.flatMap { Int($0.split(separator: "\t").last ?? "") } ?? 0
    }

    @Test func `two of one name are both told`() async throws {
        // a copy, whose name nobody else has
        let copy = NSTemporaryDirectory() + "bw-twin-\(UUID().uuidString.prefix(6))"
        let copying = try Child("/usr/bin/install", ["-m", "0755", Built.hang, copy])
        #expect(try await copying.exitCode() == 0)
        defer { try? FileManager.default.removeItem(atPath: copy) }
        let name = String(URL(fileURLWithPath: copy).lastPathComponent)
        try await Hanging.run("missing-file", program: copy) { first in
            try await Hanging.run("retry-connect", program: copy) { second in
                let (_, text, _) = try await run(["--for", "1s", name])
                #expect(
                    text.contains("\(name.prefix(15))[\(first.pid)]") && text.contains("[\(second.pid)]"), "\(text)")
                #expect(text.contains("= ENOENT, then") && text.contains("= ECONNREFUSED, then"), "\(text)")
            }
        }
    }

    @Test func `who is not there, and what does not go together`() async throws {
        for (arguments, part) in [
            (["--for", "100ms", "2147483647"], "there is no process or thread 2147483647"),
            (["--for", "100ms", "nobody-has-this"], "no process is named nobody-has-this, and none came within 1"),
            (["--for", "100ms", "--verdict", "idle"], "does not go with --verdict"),
            (["--for", "5", "1"], "is without unit"), (["--for", "0s", "1"], "1ms is the least"),
            (["--for", "100ms"], "explain takes a process"), (["--format", "json", "1"], "--format json is for --for"),
        ] {
            let child = try Child(Built.blockwatch, ["explain"] + arguments)
            #expect(try await child.exitCode() == 64, "\(arguments): \(child.errorText)")
            #expect(child.errorText.contains(part), "\(arguments): \(child.errorText)")
            #expect(child.lines.isEmpty)
        }
    }

    @Test func `in a PID namespace it refuses, or has its numbers`() async throws {
        let script = """
            \(Built.hang) missing-file . > said & while [ ! -s said ]; do :; done
            \(Built.blockwatch) explain --for 1s $!; echo "code $?"
            \(Built.blockwatch) explain --for 1s --scope namespace $!; echo "code $?"; echo "pid $!"; kill $!
            """
        let folder = NSTemporaryDirectory() + "blockwatch-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let child = try Child(
            "/usr/bin/unshare", ["--pid", "--fork", "--mount-proc", "/bin/bash", "-c", script], folder: folder)
        _ = try await child.exitCode(within: 60)
        let codes = child.lines.filter { $0.hasPrefix("code ") }
        #expect(codes == ["code 77", "code 0"], "\(child.lines) \(child.errorText)")
        let pid = child.lines.last { $0.hasPrefix("pid ") }?.dropFirst(4) ?? "?"
        let text = child.lines.joined(separator: "\n")
        #expect(text.contains("hang[\(pid)]"), "\(text)")
        #expect(text.contains("Thread \(pid) goes round and round and gets nowhere: openat "), "\(text)")
    }
}
