/// Who or what a call waits for in the end, in words that are the same in every command.
struct Culprit {
    /// Never cut: `10.0.0.5:5432`, `cron[9]`, `nobody`, `ext4 on vda (254:0)`.
    var name: String
    /// What makes it the root, from all that is known to nothing: `, sleeping 59m more`.
    var about: [String] = []

    /// It reads as a sentence.
    var isClause = false

    /// All of it.
    var text: String { name + (about.first ?? "") }

    /// What is left of it where there is less room, the longest first.
    var variants: [String] { about.map { name + $0 } + (about.last == "" ? [] : [name]) }

    /// - Returns: `nil` for an idle wait, and where nothing has been looked for.
    init?(_ report: CallReport) {
        guard let finding = report.finding else { return nil }
        if finding.reason == .stopped, report.call.stop != nil {
            let stop = Sentence.stop(report.call)
            self.init(name: "stopped", about: [stop, " by \(report.call.stop?.signal ?? "a signal")"])
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
                about: doing.isEmpty
                    ? Self.silence(finding) : [" \(doing)"] + (first.count < doing.count ? [" \(first)"] : []))
            isClause = !(about.first?.hasPrefix(",") ?? true)
        case .network:
            self.init(
                name: "network to \(address)", about: [": \(doing)", ": \(doing.prefix { $0 != "," })", " loses bytes"])
        case .device:
            self.init(name: TerminalText.escaped(root.name ?? []), about: doing.isEmpty ? [] : [", \(doing)"])
        case .deadlock:
            let member = root.pid.map { ", \(TerminalText.escaped(root.name ?? []))[\($0)] in it" } ?? ""
            self.init(name: doing.isEmpty ? "deadlock" : doing, about: [member])
        case .process, .thread: self.init(process: root, finding)
        }
    }

    private init(name: String, about: [String] = []) {
        self.name = name
        self.about = about
    }

    private init(nobody why: String) {
        let word = "nobody"
        var about = [why.hasPrefix(word) ? String(why.dropFirst(word.count)) : ": \(why)"]
        let someone = why.hasPrefix("nobody but ") ? " else" : ""
        for (end, ability) in [
            ("the write end", " can write"), ("the read end", " can read"), ("other end", " is there"),
        ]
        where why.contains(end) { about.append(someone + ability) }
        // `nobody has it: its last holder, process 12, has died`
        if let colon = about[0].firstIndex(of: ":"), colon != about[0].startIndex {
            about.append(String(about[0][..<colon]))
        }
        self.init(name: word, about: about)
        isClause = true
    }

    private init(process root: Root, _ finding: Finding?) {
        self.init(name: "\(TerminalText.escaped(root.name ?? []))[\(root.pid ?? 0)]")
        if let doing = root.doing {
            // a state stands for itself, a call is what it is in
            let isCall = !Self.states.contains { doing.hasPrefix($0) }
            about.append(isCall ? " in \(doing)" : ", \(doing)")
            if isCall, let call = doing.split(separator: " ").first, call.count < doing.count {
                about.append(" in \(call)")
            }
        }
        guard let finding, let holder = finding.holders.first, holder.pid == root.pid else { return }
        let details = about.map { $0.hasPrefix(",") ? $0 : ",\($0)" }
        if let fault = Self.fault(finding.reason) {
            about = details.map { " \(fault)\($0)" } + [" \(fault)"]
            isClause = true
        } else if let role = Self.role(holder, finding.reason) {
            let others = finding.holderCount > 1 ? " (one of \(finding.holderCount))" : ""
            about.insert(" \(role)\(others)\(details.first ?? "")", at: 0)
            isClause = true
        }
    }

    private static let states = [
        "sleeping", "running", "stopped", "frozen", "exiting", "exited", "blocked", "page fault",
    ]

    /// What it does not do, where that alone is the reason; worth more than the call that it is in instead.
    private static func fault(_ reason: Reason) -> String? {
        switch reason {
        case .notAccepted: "never accepts"
        case .connectBacklogFull: "does not accept"
        case .replyPending: "has not answered"
        default: nil
        }
    }

    /// What makes a holder one, in words; of a child, a peer and a joined thread the call says it.
    private static func role(_ holder: Holder, _ reason: Reason) -> String? {
        switch holder.role {
        case .lockHolder: "has the lock"
        case .owner: reason == .lockHeld || reason == .lockBusy ? "has the lock" : nil
        case .queued: "is in line for the lock"
        case .listener: "listens there"
        case .server: "serves it"
        case .tracer: "traces it"
        case .writer: "has the write end"
        case .reader: "has the read end"
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
        // `holders=not_recorded`
        let words = (finding.unresolved.first ?? gap.of("holders")).replacing("=", with: " ").replacing("_", with: " ")
        // where the kernel waits by itself its own function says most
        if let function = call.stack.first {
            self.init(name: "unknown", about: [", in the kernel's \(function)", ", in \(function)"])
        } else {
            let reason = words.split(separator: " ").dropFirst().joined(separator: " ")
            self.init(name: "unknown", about: [" (\(words))", " (\(reason))"])
        }
    }
}
