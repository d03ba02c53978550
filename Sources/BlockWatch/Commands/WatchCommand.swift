import ArgumentParser
import Glibc

struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Stream blocked calls until stopped (the default).",
        discussion: """
            Lines for people on a terminal, NDJSON anywhere else.
              blockwatch --threshold 5s
              blockwatch --threshold 2s --comm nginx,php-fpm --output /var/log/blockwatch
            """)

    @OptionGroup var options: WatchOptions

    mutating func run() throws {
        let settings = Settings.load(options, arguments: Array(CommandLine.arguments.dropFirst()))
        var watch = Watch(settings, log: Log(level: settings.logLevel))
        let code = watch.run()
        // a thread that hangs in a dead file system would keep the programs in the kernel
        watch.release()
        Glibc.exit(code.rawValue)
    }
}
