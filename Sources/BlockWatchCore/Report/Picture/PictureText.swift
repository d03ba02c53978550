/// The words of a picture's nodes.
enum PictureText {
    /// Columns of a line; the facts have the whole.
    private static let columns = 44

    private static func cut(_ text: String) -> String { TerminalText.cut(text, to: columns, keep: .headAndTail) }

    static func words(_ role: Holder.Role) -> String { role.rawValue.replacing("_", with: " ") }
    static func words(_ reason: Reason) -> String { reason.words }

    // MARK: - threads

    /// - Parameter reports: alike, the longest first.
    static func node(_ reports: [CallReport], prefix: String, note: String) -> Picture.Node {
        let first = reports[0]
        let call = first.call
        let step = call.call?.name ?? Sentence.place(call)
        var lines: [String]
        let title: String
        if reports.count > 1 {
            title = "\(prefix)\(reports.count) × \(TerminalText.escaped(call.process.name))"
            let processes = Set(reports.map(\.call.process.pid)).count
            lines = [
                "\(processes == 1 ? "threads of \(call.process.pid)" : "in \(processes) processes")",
                "\(step)  \(Sentence.span(reports))",
            ]
        } else {
            title = prefix + Sentence.who(call)
            lines = ["\(step)  \(Sentence.span([first]))"]
        }
        if let finding = first.finding {
            lines.append(
                finding.verdict == .deadlock ? "deadlock" : "\(finding.verdict.rawValue): \(words(finding.reason))")
        }
        if !note.isEmpty { lines.append(note) }
        var node = Picture.Node(kind: .thread, title: cut(title), lines: lines.map(cut))
        node.verdict = first.finding?.verdict
        node.reason = first.finding?.reason
        node.isInDeadlock = node.verdict == .deadlock
        node.count = reports.count
        node.pids = Array(Set(reports.map(\.call.process.pid)).sorted().prefix(1000))
        node.tids = Array(reports.map(\.call.process.tid).sorted().prefix(1000))
        node.host = prefix.isEmpty ? nil : String(prefix.dropLast(2))
        node.durationNanoseconds = first.durationNanoseconds
        node.facts = facts(reports)
        return node
    }

    private static func facts(_ reports: [CallReport]) -> [Picture.Fact] {
        let report = reports[0]
        let call = report.call
        let process = call.process
        var facts: [Picture.Fact] = []
        func add(_ name: String, _ value: String?) {
            if let value, !value.isEmpty { facts.append(Picture.Fact(name: name, value: value)) }
        }
        if reports.count > 1 {
            let threads = reports.prefix(40).map { String($0.call.process.tid) }.joined(separator: " ")
            add("threads", threads + (reports.count > 40 ? " …" : ""))
            add("of these the longest", Sentence.who(call))
        } else {
            add("thread", Sentence.who(call))
        }
        add("program", process.executable.map { TerminalText.escaped($0) })
        add("command line", process.commandLine.map { TerminalText.escaped($0) })
        add("user", process.userName.map { TerminalText.escaped($0) })
        add("service", process.cgroup.serviceName.map { TerminalText.escaped($0) })
        add("container", process.cgroup.containerID.map { TerminalText.escaped($0) })
        add("blocked", "\(Sentence.span([report])) in \(Sentence.place(call))\(Sentence.stop(call))")
        add("in the program", functions(call))
        guard let finding = report.finding else { return facts }
        add("verdict", "\(finding.verdict.rawValue), \(finding.reason.words)")
        add("evidence", finding.evidence.joined(separator: ", "))
        for member in finding.members {
            add("waits for", "\(TerminalText.escaped(member.resource.name)), \(words(member.reason))")
        }
        for holder in finding.holders { add("held by", text(holder)) }
        add("chain", finding.chain(within: 400))
        add("behind the same root", report.victims > 1 ? "\(report.victims) threads" : nil)
        add("not found out", (finding.unresolved + call.unresolved).joined(separator: ", "))
        add("in the kernel", call.stack.prefix(6).joined(separator: " < "))
        return facts
    }

    private static let mostFunctions = 8

    /// Innermost first: `read < Reader::next < main`; `nil` where nobody has asked.
    private static func functions(_ call: BlockedCall) -> String? {
        guard let stack = call.userStack else { return nil }
        let names = stack.names(most: mostFunctions).map { TerminalText.escaped($0) }
        return names.joined(separator: " < ") + (stack.frames.count > names.count || stack.isCut ? " < …" : "")
    }

    private static func text(_ holder: Holder) -> String {
        var text = "\(TerminalText.escaped(holder.name))[\(holder.pid)]"
        if let tid = holder.tid, tid != holder.pid { text += " thread \(tid)" }
        text += ", \(words(holder.role))"
        if let descriptor = holder.descriptor { text += " by fd \(descriptor)" }
        if let doing = holder.doing { text += ": \(doing)" }
        return text
    }

    /// Somebody of whom only the number is known.
    static func placeholder(tid: Int) -> Picture.Node {
        Picture.Node(kind: .thread, title: "thread \(tid)", tids: [tid])
    }

    // MARK: - others

    static func node(_ holder: Holder, prefix: String) -> Picture.Node {
        let name = "\(prefix)\(TerminalText.escaped(holder.name))[\(holder.pid)]"
        let isThread = holder.tid.map { $0 != holder.pid } ?? false
        var node = Picture.Node(
            kind: isThread ? .thread : .process, title: cut(name + (isThread ? " thread \(holder.tid ?? 0)" : "")))
        let span = holder.duration.map { "  \(TerminalText.duration(nanoseconds: $0))" } ?? ""
        if let doing = holder.doing { node.lines.append(cut(doing + span)) }
        node.verdict = holder.verdict
        node.isInDeadlock = holder.verdict == .deadlock
        node.pids = [holder.pid]
        node.tids = holder.tid.map { [$0] } ?? []
        node.host = prefix.isEmpty ? nil : String(prefix.dropLast(2))
        node.durationNanoseconds = holder.duration
        node.facts = [Picture.Fact(name: "holds", value: text(holder))]
        return node
    }

    static func node(_ root: Root, pid: Int, prefix: String) -> Picture.Node {
        var node = Picture.Node(
            kind: .process, title: cut("\(prefix)\(TerminalText.escaped(root.name ?? []))[\(pid)]"),
            lines: root.doing.map { [cut($0)] } ?? [])
        node.pids = [pid]
        node.host = prefix.isEmpty ? nil : String(prefix.dropLast(2))
        return node
    }

    /// An end that is no process of this host.
    static func node(_ root: Root, _ kind: Picture.Node.Kind) -> Picture.Node {
        let (title, line): (String, String?) =
            switch kind {
            case .remote: (TerminalText.escaped(root.address ?? "?"), root.doing ?? "another host")
            case .network: ("network to \(TerminalText.escaped(root.address ?? "?"))", root.doing)
            case .device: ("device \(TerminalText.escaped(root.name ?? []))", root.doing)
            default: ("nobody", root.doing)
            }
        return Picture.Node(kind: kind, title: cut(title), lines: line.map { [cut($0)] } ?? [])
    }

    // MARK: - objects

    static func node(_ resource: Resource, count: Int, prefix: String) -> Picture.Node {
        if count > 1 {
            let kind = resource.member?.kind ?? resource.kind
            return Picture.Node(kind: .object, title: "\(count) × \(kind.rawValue)", count: count)
        }
        let name = TerminalText.escaped(resource.name)
        var node = Picture.Node(kind: .object, title: cut(name.isEmpty ? resource.kind.rawValue : name))
        if let lock = resource.lock {
            let range = lock.start.map { " \($0)-\(lock.end.map(String.init) ?? "")" } ?? ""
            node.lines.append("\(lock.type) \(lock.mode)\(range)")
        }
        if let pipe = resource.pipe { node.lines.append("\(pipe.bytes) of \(pipe.capacity) bytes in it") }
        if let file = resource.file, file.isDeleted { node.lines.append("deleted") }
        node.facts = [
            Picture.Fact(name: "kind", value: resource.kind.rawValue), Picture.Fact(name: "name", value: name),
        ]
        return node
    }

    /// Two waits are for one object if this is the same. Addresses and sets mean something inside one process only.
    static func identity(_ call: BlockedCall, host: Int) -> String {
        let resource = call.resource
        let lock = resource.lock.map { "\($0.type) \($0.start ?? 0) \($0.end ?? 0)" } ?? ""
        let name = String(decoding: resource.name, as: UTF8.self)
        switch resource.member?.kind ?? resource.kind {
        case .file, .directory, .fifo, .device, .tty:
            let file = resource.file.map { "\($0.device ?? "") \($0.inode ?? 0)" } ?? ""
            return "\(host) file \(name) \(file) \(call.process.cgroup.containerID ?? "") \(lock)"
        case .pipe, .tcp, .udp, .unix, .netlink, .vsock, .raw, .ipc:
            return "\(host) \(resource.kind.rawValue) \(name)"
        case .eventfd, .epoll, .poll, .timerfd, .signalfd, .inotify, .pidfd, .ioUring, .futex, .child, .timer, .page,
            .none:
            return "\(host) \(call.process.pid) \(resource.kind.rawValue) \(name) \(lock)"
        }
    }

    /// Of a lock all holders must let go, unless they share one open file; of all else one is enough.
    static func needs(_ holders: [Holder], _ lock: LockFields?) -> Picture.Needs {
        guard holders.allSatisfy({ $0.role == .lockHolder || $0.role == .owner }) else { return .any }
        let isShared = lock?.type == "flock" && Set(holders.map(\.descriptor)).count == 1
        return isShared ? .any : .all
    }
}
