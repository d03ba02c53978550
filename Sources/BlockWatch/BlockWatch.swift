import ArgumentParser
import BlockWatchCore
import Glibc

let blockwatchVersion = "0.1.0"

@main
struct BlockWatch: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "blockwatch",
        abstract: "Says which threads of this host are blocked in which system call, for how long, and on what.",
        discussion: """
            Watches every thread with eBPF and attaches to none. Without a subcommand it watches:
            blockwatch --threshold 5s
            """,
        version: blockwatchVersion,
        subcommands: [
            WatchCommand.self, SnapshotCommand.self, ExplainCommand.self, ReplayCommand.self, DoctorCommand.self,
            SyscallsCommand.self,
        ],
        defaultSubcommand: WatchCommand.self)

    /// Wrong usage is one clear line and exit code 64, with nothing on stdout.
    static func main() {
        // a reader that goes away is an errno, also for --help
        signal(SIGPIPE, SIG_IGN)
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

struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Stream blocked calls until stopped (the default).")

    @OptionGroup var options: WatchOptions

    mutating func run() throws {
        let settings = Settings.load(options, arguments: Array(CommandLine.arguments.dropFirst()))
        var watch = Watch(settings, log: Log(level: settings.logLevel))
        Glibc.exit(watch.run().rawValue)
    }
}
