/// What several waits are on, as one would say it of all of them.
enum Shared {
    /// What makes two of one kind the same for a reader: whom a connection is with, which file; of pipes and memory nothing.
    static func key(_ resource: Resource) -> String {
        if let peer = peer(resource) { return peer }
        if let path = resource.file?.path { return String(decoding: path, as: UTF8.self) }
        switch resource.kind {
        case .file, .directory, .device, .tty, .fifo: return String(decoding: resource.name, as: UTF8.self)
        default: return ""
        }
    }

    /// `/tmp/lock`, `tcp ->10.0.0.5:5432 SYN_SENT`, `12 files in /var/spool`, `60 pipes`
    static func text(_ resources: [Resource]) -> String {
        guard let first = resources.first else { return "" }
        if resources.allSatisfy({ $0.name == first.name }) { return name(first) }
        if let peer = peer(first), resources.allSatisfy({ self.peer($0) == peer }) {
            let state = first.network?.state
            let isOne = resources.allSatisfy { $0.network?.state == state }
            return peer + (isOne ? state.map { " \($0)" } ?? "" : "")
        }
        let names = Set(resources.map(\.name))
        let kinds = Set(resources.map { $0.member?.kind ?? $0.kind })
        let noun = kinds.count == 1 ? plural(kinds.first ?? .none) : "things"
        guard !noun.isEmpty else { return "" }
        let paths = resources.compactMap(\.file?.path)
        let folder = paths.count == resources.count ? folder(of: paths) : ""
        return "\(names.count) \(noun)" + (folder.isEmpty ? "" : " in \(folder)")
    }

    private static func name(_ resource: Resource) -> String {
        TerminalText.cut(TerminalText.escaped(resource.name), to: 100, keep: .headAndTail)
    }

    /// `tcp ->10.0.0.5:5432`; of a unix socket the name that was connected to.
    private static func peer(_ resource: Resource) -> String? {
        guard let network = resource.network else { return nil }
        let name = TerminalText.escaped(resource.name)
        if network.peer.address != nil, let arrow = name.firstRange(of: "->") {
            return "\(network.transport) ->\(name[arrow.upperBound...].prefix { $0 != " " })"
        }
        return network.peer.path.map { "\(network.transport) ->\(TerminalText.escaped($0))" }
    }

    /// That all of them lie in.
    private static func folder(of paths: [[UInt8]]) -> String {
        guard var common = paths.first.map({ $0[...] }) else { return "" }
        for path in paths { common = common.prefix(zip(common, path).prefix { $0 == $1 }.count) }
        guard let slash = common.lastIndex(of: UInt8(ascii: "/")) else { return "" }
        return TerminalText.cut(
            TerminalText.escaped(Array(slash == 0 ? common[...slash] : common[..<slash])), to: 64, keep: .headAndTail)
    }

    private static func plural(_ kind: ResourceKind) -> String {
        switch kind {
        case .none, .timer: ""
        case .tcp, .udp, .raw, .vsock: "\(kind.rawValue) connections"
        case .unix, .netlink: "\(kind.rawValue) sockets"
        case .directory: "directories"
        case .futex: "futexes"
        case .child: "children"
        case .poll, .epoll: "\(kind.rawValue) sets"
        case .ipc: "System V objects"
        case .inotify: "inotify instances"
        case .ioUring: "io_uring rings"
        case .tty: "terminals"
        case .file, .pipe, .fifo, .eventfd, .timerfd, .signalfd, .pidfd, .device, .page: "\(kind.rawValue)s"
        }
    }
}
