import Foundation

/// A terminal of tmux's, with a shell in it.
final class Screen: Sendable {
    private let socket = "blockwatch-\(UUID().uuidString.prefix(8))"
    let folder: String

    /// - Parameter environment: of what is run, besides a UTF-8 locale.
    init(width: Int = 80, height: Int = 24, folder: String) async throws {
        self.folder = folder
        let start = try tmux(
            "-f", "/dev/null", "new-session", "-d", "-x", "\(width)", "-y", "\(height)", "-c", folder,
            "env -u NO_COLOR LC_ALL=C.UTF-8 PS1='$ ' PROMPT_COMMAND= bash --norc --noprofile")
        guard start.code == 0 else { throw Failure(description: "tmux does not start") }
        // its window would take the size of whoever looks at it
        _ = try tmux("set-option", "-g", "window-size", "manual")
    }

    /// It inherits nothing but its output: the server stays, and what it had of ours would seem to be open still.
    @discardableResult
    func tmux(_ arguments: String...) throws -> (code: Int32, lines: [String]) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure(description: "no pipe") }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        // those that are not open are passed over
        for descriptor in 3..<max(512, ends[1] + 64) { posix_spawn_file_actions_addclose(&actions, Int32(descriptor)) }
        var words = (["tmux", "-L", socket] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        // our threads have signals blocked, and so would everybody on that terminal, the server's own end too
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var pid: pid_t = 0
        let answer = posix_spawn(&pid, "/usr/bin/tmux", &actions, &attributes, &words, environ)
        close(ends[1])
        guard answer == 0 else { throw Failure(description: "cannot start tmux: errno \(answer)") }
        var status: Int32 = 0
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        // the server of a new session keeps it open
        let isOver = { waitpid(pid, &status, WNOHANG) == pid }
        var over = false
        while true {
            if !over { over = isOver() }
            var request = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
            if poll(&request, 1, over ? 0 : 5) > 0 {
                let count = read(ends[0], &chunk, chunk.count)
                if count > 0 { bytes += chunk[..<count] }
                if count == 0, over { break }
            } else if over {
                break
            }
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        return (status, lines.dropLast().map(String.init))
    }

    func end() { _ = try? tmux("kill-server") }

    func type(_ line: String) throws {
        try tmux("send-keys", "-l", line)
        try tmux("send-keys", "Enter")
    }

    func press(_ keys: String...) throws { for key in keys { try tmux("send-keys", key) } }

    func lines() throws -> [String] { try tmux("capture-pane", "-p").lines }

    /// Waits until the screen is as it should be.
    @discardableResult
    func shows(_ what: String, _ condition: ([String]) -> Bool) async throws -> [String] {
        let end = ContinuousClock.now + .seconds(30 * patience)
        while true {
            let lines = try lines()
            if condition(lines) { return lines }
            guard ContinuousClock.now < end else {
                throw Failure(description: "never seen: \(what)\n" + lines.joined(separator: "\n"))
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    @discardableResult
    func shows(_ text: String) async throws -> [String] { try await shows(text) { $0.contains { $0.contains(text) } } }

    func resize(_ width: Int, _ height: Int) throws {
        try tmux("resize-window", "-x", "\(width)", "-y", "\(height)")
    }

    /// The process whose own terminal this is.
    func serverID() throws -> Int32 {
        try Self.number(try tmux("display-message", "-p", "#{pid}").lines)
    }

    /// Signals go to it: 0 would be everybody.
    static func number(_ lines: [String]) throws -> Int32 {
        guard let number = lines.first.flatMap({ Int32($0) }), number > 1 else {
            throw Failure(description: "no process id: \(lines)")
        }
        return number
    }
}
