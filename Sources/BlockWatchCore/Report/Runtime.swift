/// A language's own run time, of which other tools know more than the native stack does.
enum Runtime: Sendable, CaseIterable {
    case java, python, node, ruby, php, go

    /// What program files are called, with or without a version behind it (`php-fpm8.2`); libraries, with whatever is behind it.
    private var names: (programs: [String], libraries: [String]) {
        switch self {
        case .java: (["java"], ["libjvm.so"])
        case .python: (["python"], ["libpython3", "libpython2"])
        case .node: (["node", "nodejs"], ["libnode.so"])
        case .ruby: (["ruby"], ["libruby.so", "libruby-"])
        case .php: (["php", "php-fpm", "php-cgi"], ["libphp.so", "libphp7", "libphp8"])
        case .go: ([], [])
        }
    }

    /// Where each goroutine or thread of Go's begins.
    private static let goFunctions: Set<String> = ["runtime.goexit", "runtime.mstart", "runtime.mcall"]

    /// By the file that the process runs, whatever it calls itself, and by the libraries and functions that its threads are in.
    ///
    /// - Parameter executable: its path, bytes as the kernel says it; `nil` if that is not known.
    static func of(executable: [UInt8]?, stacks: [UserStack]) -> Runtime? {
        var path = String(decoding: executable ?? [], as: UTF8.self)[...]
        if path.hasSuffix(" (deleted)") { path = path.dropLast(10) }
        let file = path.split(separator: "/").last ?? ""
        let program = file.prefix(file.count - file.reversed().prefix { $0.isNumber || $0 == "." }.count)
        if let named = allCases.first(where: { $0.names.programs.contains(String(program)) }) { return named }
        var libraries: Set<String> = []
        for frame in stacks.flatMap(\.frames) {
            if let module = frame.moduleName { libraries.insert(String(decoding: module, as: UTF8.self)) }
            if let function = frame.function, goFunctions.contains(String(decoding: function, as: UTF8.self)) {
                return .go
            }
        }
        return allCases.first { runtime in
            runtime.names.libraries.contains { name in libraries.contains { $0.hasPrefix(name) } }
        }
    }

    /// Whether a native stack with functions of the language leaves nothing to ask.
    var isWalked: Bool { self == .python }

    /// Commands, and what they do to the process or need of it.
    func commands(pid: Int) -> [String] {
        switch self {
        case .java: ["  jstack \(pid)"]
        case .python: ["  py-spy dump --pid \(pid)"]
        case .node:
            [
                "  kill -USR2 \(pid)   (if it runs with --report-on-signal: a report with the JavaScript stack)",
                "  node inspect -p \(pid)   (opens its inspector; both answer once the main thread is back in its loop)",
            ]
        case .ruby: ["  rbspy snapshot --pid \(pid)"]
        case .php:
            [
                "  phpspy -l 1 -p \(pid)",
                "  (php-fpm: request_slowlog_timeout and slowlog in its pool's config write the stacks of slow requests)",
            ]
        case .go:
            [
                "  curl localhost:PORT/debug/pprof/goroutine?debug=2   (if it serves net/http/pprof)",
                "  kill -QUIT \(pid)   (ends it, with the stacks of all goroutines on its stderr)",
            ]
        }
    }
}
