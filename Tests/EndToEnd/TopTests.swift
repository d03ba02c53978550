import Foundation
import Testing

/// The real binary on a real terminal.
@Suite(.serialized) struct `top on a terminal` {
    private func with(
        width: Int = 80, height: Int = 24, _ body: (Screen, _ folder: String) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("top-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let screen = try await Screen(width: width, height: height, folder: folder)
        do { try await body(screen, folder) } catch {
            screen.end()
            throw error
        }
        screen.end()
    }

    /// With something that hangs.
    private func with(
        _ hang: String, width: Int = 80, height: Int = 24,
        _ body: (Screen, _ folder: String, Hanging) async throws -> Void
    ) async throws {
        try await with(width: width, height: height) { screen, folder in
            try await Hanging.run(hang) { hanging in try await body(screen, folder, hanging) }
        }
    }

    private func command(_ pid: Int, _ environment: String = "", _ options: String = "") -> String {
        "clear; \(environment) \(Built.blockwatch) top --threshold 500ms --pid \(pid) \(options); echo \"code=$?\" $(stty -a | grep -c -- -icanon)"
    }

    /// Its end: 0, and the terminal as it was.
    private func isOver(_ screen: Screen) async throws { try await screen.shows("code=0 0") }

    private func processID(of pid: Int) async throws -> Int32 {
        let child = try Child("/usr/bin/pgrep", ["-f", "^[^ ]*blockwatch top --threshold 500ms --pid \(pid)( |$)"])
        _ = try await child.exitCode()
        return try Screen.number(child.lines)
    }

    @Test func `a hang as a tree, explained; another size; what is over is dimmed; q`() async throws {
        try await with { screen, folder in
            try await Hanging.run("flock") { hanging in
                try await follow(screen, hanging)
                // it stays for a few seconds, and whoever looks at the screen may come too late for that
                try screen.tmux("pipe-pane", "-o", "cat > \(folder)/written")
                hanging.child.signal(SIGKILL)
                _ = try await eventually("it has ended on the screen") {
                    let written = (try? String(contentsOfFile: "\(folder)/written", encoding: .utf8)) ?? ""
                    return written.contains("ended") ? true : nil
                }
            }
            try screen.press("q")
            try await isOver(screen)
        }
    }

    @Test func `its probes go where calls cost more than they may, and come back`() async throws {
        try await with("flock") { screen, _, hanging in
            // more than what this test costs itself, which looks at the screen all the time
            try screen.type(command(hanging.pid, "", "--max-overhead 2%"))
            try await screen.shows("[\(hanging.pid)] flock on ")
            let pid = try await processID(of: hanging.pid)
            func links() throws -> Int { try Kernel.owned(by: pid).count { $0.hasPrefix("link ") } }
            // a look at a single thread has one for a moment
            let all = try links()
            let few = try await underLoad {
                let few = try await eventually("two links fewer") {
                    let now = try links()
                    return now <= all - 2 ? now : nil
                }
                try await screen.shows("[\(hanging.pid)] flock on ")
                return few
            }
            _ = try await eventually("both again") { try links() >= few + 2 ? true : nil }
            try screen.press("q")
            try await isOver(screen)
        }
    }

    private func follow(_ screen: Screen, _ hanging: Hanging) async throws {
        try screen.type(command(hanging.pid))
        let lines = try await screen.shows("[\(hanging.pid)] flock on ")
        #expect(lines.count == 24)
        #expect(lines[0].hasPrefix(" blockwatch top "))
        #expect(lines[1].contains("1 stuck"))
        #expect(lines.contains { $0.hasPrefix("─") })
        try screen.press("Down")
        try await screen.shows("Thread \(hanging.tid) has been blocked for")
        try screen.resize(200, 50)
        let large = try await screen.shows("all of the larger screen") { lines in
            lines.count == 50 && lines[49].contains("q quit") && lines.contains { $0.contains("See for yourself") }
        }
        #expect(large[0].hasPrefix(" blockwatch top "))
        try screen.resize(60, 12)
        try await screen.shows("the smaller one") { $0.count == 12 && $0[11].contains("Enter fold") }
        // the columns that are counted go on
        let before = try screen.lines()
        try await screen.shows("an age that goes on") { $0[3] != before[3] }
    }

    @Test func `keys: filter, help, write, picture, fold, pause`() async throws {
        try await with("chain-three") { screen, folder, hanging in try await use(screen, folder, hanging) }
    }

    @Test func `c shows the functions in which a thread waits, and takes them away`() async throws {
        try await with { screen, _ in
            try await Hanging.run("line", [0], program: "\(Built.programs)/where") { hanging in
                try screen.type(command(hanging.pid))
                try await screen.shows("[\(hanging.pid)] read on pipe")
                try screen.press("Down", "c")
                try await screen.shows("wait_in_line")
                try screen.press("c")
                try await screen.shows("Thread \(hanging.tid) has been blocked for")
                try screen.press("q")
                try await isOver(screen)
            }
        }
    }

    private func use(_ screen: Screen, _ folder: String, _ hanging: Hanging) async throws {
        try screen.type(command(hanging.pid))
        try await screen.shows("▾")
        try screen.press("/", "n", "o", "p", "e")
        try await screen.shows("nothing fits the filter")
        try screen.press("Escape")
        try await screen.shows("▾")
        try screen.press("?")
        try await screen.shows("pause, go on")
        try screen.press("Escape", "Enter")
        try await screen.shows("▸")
        try screen.press("p")
        try await screen.shows("[paused]")
        try screen.press("w")
        try await screen.shows("written to ./blockwatch-")
        for pictures in 1...2 {
            try screen.press("g")
            try await screen.shows("the names of two more files") { lines in
                lines.last?.contains(/written to \.\/blockwatch-[-0-9]*\.dot and \.svg/) == true
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1 + 2 * pictures)
            try screen.press("Down")
            try await screen.shows("the keys again") { $0.last?.contains("q quit") == true }
        }
        for file in try FileManager.default.contentsOfDirectory(atPath: folder) {
            let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            let beginning = file.hasSuffix("dot") ? "digraph" : file.hasSuffix("svg") ? "<?xml" : " blockwatch top"
            #expect(text.hasPrefix(beginning), "\(text)")
            #expect(text.contains("[\(hanging.pid)]"))
            let mode = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(file)")[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
        try screen.press("C-c")
        try await isOver(screen)
    }

    @Test func `without Graphviz the graph alone, and no link is followed`() async throws {
        try await with("flock", width: 160) { screen, folder, hanging in
            // somebody else has foreseen every name of the next minutes
            let victim = folder + "/victim"
            let soon = (0..<300).map { Date.now.addingTimeInterval(Double($0)) }
            let style = Date.VerbatimFormatStyle(
                format: """
                    \(year: .defaultDigits)\(month: .twoDigits)\(day: .twoDigits)-\(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased))\(minute: .twoDigits)\(second: .twoDigits)
                    """, timeZone: .gmt, calendar: Calendar(identifier: .gregorian))
            for moment in soon {
                try FileManager.default.createSymbolicLink(
                    atPath: "\(folder)/blockwatch-\(style.format(moment)).dot", withDestinationPath: victim)
            }
            try screen.type(command(hanging.pid, "PATH=/nonexistent"))
            try await screen.shows("[\(hanging.pid)] flock on ")
            try screen.press("g")
            let lines = try await screen.shows("dot -Tsvg, of the package graphviz, draws it")
            #expect(lines.last?.contains("-2.dot") == true, "\(lines.last ?? "")")
            #expect(!FileManager.default.fileExists(atPath: victim))
            try screen.press("q")
            try await screen.shows("code=0")
        }
    }

    @Test func `keys answer while a look goes on`() async throws {
        try await with("flock") { screen, _, hanging in
            try screen.type(command(hanging.pid))
            try await screen.shows("[\(hanging.pid)] flock on ")
            // the thread that looks is stopped: no look ends any more
            let pid = try await processID(of: hanging.pid)
            let holder = try Child(Built.programs + "/tracer", ["hold", "\(pid)"])
            _ = try await eventually("it is held") { holder.lines.first == "held" ? true : nil }
            try screen.press("?")
            try await screen.shows("pause, go on")
            try screen.press("Escape", "/", "n", "o", "p", "e")
            try await screen.shows("nothing fits the filter")
            try screen.press("Escape")
            try await screen.shows("[\(hanging.pid)] flock on ")
            try screen.resize(100, 30)
            try await screen.shows("the larger screen") { $0.count == 30 && $0[29].contains("q quit") }
            try screen.press("q")
            try await screen.shows("the end") { lines in !lines.contains { $0.contains("q quit") } }
            // it is a zombie until the one that traces it lets go
            await holder.end()
            try await isOver(screen)
        }
    }

    @Test func `inside of screen`() async throws {
        try await with("flock") { screen, folder, hanging in
            try screen.type(
                "clear; SCREENDIR=\(folder)/s screen -U -s /bin/sh \(Built.blockwatch) top --threshold 500ms --pid \(hanging.pid)"
            )
            try await screen.shows("[\(hanging.pid)] flock on ")
            try screen.resize(100, 30)
            try await screen.shows("the larger screen") {
                $0.count == 30 && $0[29].contains("q quit") && $0[0].hasPrefix(" blockwatch top ")
            }
            try screen.press("?")
            try await screen.shows("pause, go on")
            try screen.press("q")
            try await screen.shows("[screen is terminating]")
        }
    }

    @Test(arguments: ["TERM=linux LC_ALL=C", "TERM=screen", "TERM=vt100", "TERM=xterm-256color", "NO_COLOR=1"])
    func `whatever terminal it is`(environment: String) async throws {
        try await with("flock") { screen, _, hanging in try await check(screen, hanging, environment) }
    }

    private func check(_ screen: Screen, _ hanging: Hanging, _ environment: String) async throws {
        try screen.type(command(hanging.pid, environment))
        let lines = try await screen.shows("[\(hanging.pid)] flock on ")
        let rule = environment.contains("LC_ALL=C") ? "---" : "───"
        #expect(lines.contains { $0.hasPrefix(rule) })
        let styled = try screen.tmux("capture-pane", "-p", "-e").lines
        #expect(styled[0].contains("\u{1b}[7m"), "reverse")
        let isColored = styled.contains { $0.contains("[33m") || $0.contains(";33") }
        #expect(isColored == (environment != "NO_COLOR=1" && environment != "TERM=vt100"), "\(styled)")
        try screen.press("q")
        try await isOver(screen)
    }

    @Test func `stopped by its key and by a signal, and continued`() async throws {
        try await with("flock") { screen, _, hanging in
            try screen.type(command(hanging.pid))
            try await screen.shows("[\(hanging.pid)] flock on ")
            try screen.press("C-z")
            try await screen.shows("the shell") { $0.contains { $0.contains("Stopped") } }
            try screen.type("stty -a | grep -o -- '-icanon' | wc -l | sed s/^/raw=/")
            try await screen.shows("raw=0")
            try screen.type("fg")
            try await screen.shows("[\(hanging.pid)] flock on ")
            // without a word: whoever has the terminal then leaves it as he likes
            let pid = try await processID(of: hanging.pid)
            kill(pid, SIGSTOP)
            try await screen.shows("the shell again") { $0.contains { $0.contains("Stopped") } }
            try screen.type("clear; fg")
            try await screen.shows("[\(hanging.pid)] flock on ")
            try screen.press("q")
            try await screen.shows("the shell at the end") { lines in !lines.contains { $0.contains("q quit") } }
            try screen.type("stty -a | grep -o -- '-icanon' | wc -l | sed s/^/after=/")
            try await screen.shows("after=0")
        }
    }

    @Test(arguments: [SIGTERM, SIGHUP, SIGINT]) func `a signal ends it, and the terminal is as it was`(signal: Int32)
        async throws
    {
        try await with("flock") { screen, _, hanging in
            try screen.type(command(hanging.pid))
            try await screen.shows("[\(hanging.pid)] flock on ")
            kill(try await processID(of: hanging.pid), signal)
            try await isOver(screen)
        }
    }

    @Test func `the terminal is killed`() async throws {
        try await with("flock") { screen, _, hanging in
            try screen.type("exec \(command(hanging.pid).dropFirst(7))")
            try await screen.shows("[\(hanging.pid)] flock on ")
            let pid = try await processID(of: hanging.pid)
            #expect(pid > 0)
            kill(try screen.serverID(), SIGKILL)
            _ = try await eventually("it is gone") { kill(pid, 0) != 0 ? true : nil }
        }
    }

    /// Nobody tells it: no hangup reaches a process that has left the terminal's session.
    @Test func `the terminal is killed, and no signal comes`() async throws {
        try await with("flock") { screen, _, hanging in
            try screen.type("setsid \(Built.blockwatch) top --threshold 500ms --pid \(hanging.pid)")
            try await screen.shows("[\(hanging.pid)] flock on ")
            let pid = try await processID(of: hanging.pid)
            kill(try screen.serverID(), SIGKILL)
            _ = try await eventually("it is gone") { kill(pid, 0) != 0 ? true : nil }
        }
    }

    /// `top | head`: there is no screen to draw on, and it says so at once.
    @Test func `into a pipe, and one that is broken`() async throws {
        for reader in ["cat", "true"] {
            let child = try Child("/bin/bash", ["-c", "\(Built.blockwatch) top | \(reader); echo ${PIPESTATUS[0]}"])
            _ = try await child.exitCode()
            #expect(child.lines == ["64"])
            #expect(child.errorText.contains("blockwatch snapshot"))
        }
    }

    @Test func `a terminal that takes nothing stops nobody`() async throws {
        try await with("flock", width: 200, height: 50) { screen, _, hanging in
            try screen.type(command(hanging.pid))
            try await screen.shows("[\(hanging.pid)] flock on ")
            let pid = try await processID(of: hanging.pid)
            let server = try screen.serverID()
            kill(server, SIGSTOP)
            defer { kill(server, SIGCONT) }
            // frames pile up in nobody's buffer: it still does what it is told
            try await Task.sleep(for: .seconds(1))
            kill(pid, SIGTERM)
            _ = try await eventually(within: 10, "it is gone") { kill(pid, 0) != 0 ? true : nil }
        }
    }

    @Test(arguments: [("TERM=dumb", "TERM is dumb"), ("TERM=", "TERM is not set")])
    func `where it cannot draw it says so`(environment: String, says: String) async throws {
        try await with(width: 200) { screen, _ in
            try screen.type("clear; \(environment) \(Built.blockwatch) top; echo code=$?")
            let lines = try await screen.shows("code=64")
            #expect(lines.contains { $0.contains(says) && $0.contains("blockwatch snapshot") }, "\(lines)")
        }
        let child = try Child(Built.blockwatch, ["top"])
        #expect(try await child.exitCode() == 64)
        #expect(child.errorText.split(separator: "\n").count == 1 && child.errorText.contains("stdout is none"))
    }

    @Test func `a recording is played`() async throws {
        try await with(width: 120) { screen, folder in
            try await Hanging.run("flock") { hanging in
                var lines: [String] = []
                try await Watcher.run(["--threshold", "500ms", "--repeat", "1s", "--pid", "\(hanging.pid)"]) {
                    watcher in
                    _ = try await watcher.blocked(tid: hanging.tid)
                    _ = try await watcher.record("again") { $0.action == "still_blocked" }
                    lines = watcher.child.lines
                }
                try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: URL(fileURLWithPath: folder + "/r.ndjson"))
                // by somebody who may do nothing else, on a terminal of root's
                let copy = try await Watcher.Copy()
                defer { copy.remove() }
                let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups"
                try screen.type("clear; \(nobody) \(copy.path) top --replay r.ndjson; echo code=$?")
                try await screen.shows("[\(hanging.pid)] flock on ")
                try screen.press("p", "Left", "Left")
                let paused = try await screen.shows("[paused]")
                #expect(paused[0].contains(" of ") && paused[0].contains("["), "a time line: \(paused[0])")
                try screen.press("q")
                try await screen.shows("code=0")
            }
        }
    }
}
