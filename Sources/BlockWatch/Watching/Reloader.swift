import BlockWatchCore
import Glibc
import Synchronization

/// Reads the config file again, by a thread of its own: its file system may not answer, and whoever watches does not wait
/// for it.
final class Reloader: Sendable {
    private let path: String
    private let arguments: [String]
    private let work = Bell()
    /// Raised when ``take()`` has something.
    let done = Bell()
    private let answer = Mutex<Result<Settings, ConfigError>?>(nil)

    /// - Parameters:
    ///   - path: as on the command line.
    ///   - arguments: those of the command line, which go on winning.
    init(path: String, arguments: [String]) {
        self.path = path
        self.arguments = arguments
    }

    /// The parser of arguments goes deep.
    func start() { startNeededThread(stackBytes: 2 << 20) { [self] in serve() } }

    func read() { work.ring() }

    /// - Returns: what was read last; `nil` if there is nothing new.
    func take() -> Result<Settings, ConfigError>? {
        guard done.take(withinMilliseconds: 0) else { return nil }
        return answer.withLock { answer in
            defer { answer = nil }
            return answer
        }
    }

    private func serve() {
        while true {
            work.take()
            let found = Result { () throws(ConfigError) in try Settings.read(path, arguments: arguments) }
            answer.withLock { $0 = found }
            done.ring()
        }
    }
}
