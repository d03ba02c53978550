import ArgumentParser
import BlockWatchCore
internal import CStacks
import Glibc

let blockwatchVersion = "0.2.0"

@main
struct BlockWatch: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "blockwatch",
        abstract: "Says which threads of this host are blocked in which system call, for how long, and on what.",
        discussion: """
            Watches every thread with eBPF and attaches to none. Without a subcommand it watches.
              blockwatch --threshold 5s
              blockwatch explain mysqld
            Watching needs root, or CAP_BPF and CAP_PERFMON; replay, graph --replay, top --replay and syscalls do not.
            """,
        version: blockwatchVersion,
        subcommands: [
            WatchCommand.self, SnapshotCommand.self, ExplainCommand.self, TopCommand.self, GraphCommand.self,
            ReplayCommand.self, DoctorCommand.self, SyscallsCommand.self, DebugCommand.self,
        ],
        defaultSubcommand: WatchCommand.self)

    /// Wrong usage is one clear line and exit code 64, with nothing on stdout.
    static func main() {
        // a reader that goes away is an errno, also for --help
        signal(SIGPIPE, SIG_IGN)
        openStandardDescriptors()
        // nobody types it: the process that walks stacks for another blockwatch
        if CommandLine.arguments.count == 3, CommandLine.arguments[1] == STACKS_WORD {
            stacks_serve(CommandLine.arguments[2] == "unconfined" ? 0 : 1)
        }
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            let code = exitCode(for: error)
            if code == .success || code.rawValue == 0 { exit(withError: error) }  // --help, --version
            // whatever was typed, newlines too, stays on one line: the log escapes it
            let text = message(for: error)
            let line = text.isEmpty ? "\(error)" : text
            fail(.wrongUsage, (line.hasSuffix(".") ? String(line.dropLast()) : line) + "; see blockwatch --help")
        }
    }
}

/// Whoever starts us may have closed some of the first three: the next file that is opened, a map or the log, would
/// take that number, and diagnostics would be written into it.
private func openStandardDescriptors() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
        // of stdout only for reading: writing to it fails, as it should
        _ = unsafe open("/dev/null", descriptor == STDERR_FILENO ? O_WRONLY : O_RDONLY)
    }
}
