import ArgumentParser
import Glibc

struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Stream blocked calls until stopped (the default).")

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
