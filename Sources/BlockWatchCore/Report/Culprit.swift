/// Who or what a call waits for in the end, in words that are the same in every command.
struct Culprit {
    /// Never cut: `10.0.0.5:5432`, `cron[9]`, `nobody`, `ext4 on vda (254:0)`.
    var name: String
    /// What makes it the root, from all that is known to nothing: `, sleeping 59m more`.
    var about: [String] = []

    /// All of it.
    var text: String { name + (about.first ?? "") }

    /// What is left of it where there is less room, the longest first.
    var variants: [String] { about.map { name + $0 } + (about.last == "" ? [] : [name]) }

    /// - Returns: `nil` for an idle wait, and where nothing has been looked for.
    init?(_ report: CallReport) {
        guard let finding = report.finding else { return nil }
        if finding.reason == .stopped, report.call.stop != nil {
            self.init(name: "stopped" + Sentence.stop(report.call))
            return
        }
        switch finding.root {
        case .known(let root): self.init(root, finding)
        case .absent: return nil
        case .unknown(let gap): self.init(unknown: gap, report.call, finding)
        }
    }

    /// - Parameter finding: of a call that hangs on it; what it knows of the first holder is told, if that is the root.
    init(_ root: Root, _ finding: Finding? = nil) {
        let doing = root.doing ?? ""
        let address = TerminalText.escaped(root.address ?? "?")
        switch root.kind {
        case .nobody: self.init(nobody: doing)
        case .remote:
            let first = doing.prefix { $0 != "," }
            self.init(
                name: address,
                about: doing.isEmpty ? Self.silence(finding) : [" \(doing)"] + (first.count < doing.count ? [" \(first)"] : []))
        case .network:
            self.init(name: "network to \(address)", about: [": \(doing)", ": \(doing.prefix { $0 != "," })"])
        case .device:
            self.init(name: TerminalText.escaped(root.name ?? []), about: doing.isEmpty ? [] : [", \(doing)"])
        case .deadlock:
            let member = root.pid.map { ", \(TerminalText.escaped(root.name ?? []))[\($0)] in it" } ?? ""
            self.init(name: doing.isEmpty ? "deadlock" : doing, about: [member])
        case .process, .thread: self.init(process: root, finding)
        }
    }

    private init(name: String, about: [String]) {
        self.name = name
        self.about = about
    }

    private init(name: String) { self.init(name: name, about: []) }

    private init(nobody why: String) {
        let word = "nobody"
        self.init(name: word, about: [why.hasPrefix(word) ? String(why.dropFirst(word.count)) : ": \(why)"])
    }

    private init(process root: Root, _ finding: Finding?) {
        var about: [String] = []
        if let doing = root.doing {
            // a state stands for itself, a call is what it is in
            let isCall = !Self.states.contains { doing.hasPrefix($0) }
            about.append(isCall ? " in \(doing)" : ", \(doing)")
            if isCall, let call = doing.split(separator: " ").first, call.count < doing.count { about.append(" in \(call)") }
        }
        if let holder = finding?.holders.first, holder.pid == root.pid, let role = Self.role(holder) {
            let others = (finding?.holderCount ?? 1) > 1 ? " (one of \(finding?.holderCount ?? 1))" : ""
            about.insert(", \(role)\(others)" + (about.first.map { $0.hasPrefix(",") ? $0 : ",\($0)" } ?? ""), at: 0)
        }
        self.init(name: "\(TerminalText.escaped(root.name ?? []))[\(root.pid ?? 0)]", about: about)
    }

    private static let states = ["sleeping", "running", "stopped", "frozen", "exiting", "exited", "blocked", "page fault"]

    /// What makes a holder one, in words; of a child, a peer and a writer the call says it.
    private static func role(_ holder: Holder) -> String? {
        switch holder.role {
        case .lockHolder: "has the lock"
        case .queued: "in line for the lock"
        case .listener: "listens there"
        case .server: "serves it"
        case .tracer: "traces it"
        case .owner: "owns it"
        case .writer: "writes there"
        case .reader: "reads there"
        case .peer, .child: nil
        }
    }

    /// What is known of an address that is no process of this host, where its own connection tells nothing.
    private static func silence(_ finding: Finding?) -> [String] {
        switch finding?.reason {
        case .replyPending: [" has not answered"]
        case .sendStalled: [" does not take the bytes"]
        default: [", another host"]
        }
    }

    private init(unknown gap: Gap, _ call: BlockedCall, _ finding: Finding) {
        let why = (finding.unresolved.first ?? gap.of("root")).split(separator: "=").last.map(String.init) ?? ""
        let words = why.split(separator: "_").joined(separator: " ")
        // where the kernel waits by itself its own function says most
        if let function = call.stack.first { self.init(name: "unknown", about: [", in the kernel's \(function)"]) } else {
            self.init(name: "unknown", about: [" (\(words))"])
        }
    }
}
