/// Why one process hangs, in plain sentences, thread by thread.
public struct Explanation: Sendable {
    public struct Thread: Sendable {
        public var call: BlockedCall
        public var durationNanoseconds: UInt64
        public var finding: Finding
        public var isRunning: Bool
        public var tracerPID: Int
    }

    public var threads: [Thread]

    /// Some thread is in a deadlock, stuck, or waits for somebody.
    public var foundSomething: Bool { threads.contains { !$0.isRunning && $0.finding.verdict != .idle } }

    /// - Parameter width: columns of a terminal, in which sentences go on below; what is to be copied stays in one piece.
    /// - Returns: lines without newlines, safe for terminals.
    public func lines(width: Int? = nil) -> [String] { lines(width: width, isRest: nil) }

    /// What is left to be said where others have told the heading.
    enum Rest { case whole, part }

    func lines(width: Int?, isRest: Rest?) -> [String] {
        var told = told()
        if isRest != nil, !told.isEmpty { told.removeFirst() }
        if isRest == .part {
            // that nothing hangs is not for these threads to say
            if let end = told.firstIndex(where: { $0.text.hasPrefix("Nothing here says") }) {
                told.removeSubrange(max(end - 1, 0)...)
            }
        }
        return told.flatMap { line in
            guard let width, !line.isCommand else { return [line.text] }
            return TerminalText.wrapped(line.text, to: width)
        }
    }

    private struct Line {
        var text: String
        /// To be copied.
        var isCommand = false
    }

    private func told() -> [Line] {
        guard let first = threads.first else { return [] }
        let process = first.call.process
        var lines = [Line(text: heading(process))]
        func add(_ texts: [String], areCommands: Bool = false) {
            lines += texts.map { Line(text: $0, isCommand: areCommands) }
        }
        let hung = threads.filter { !$0.isRunning && $0.finding.verdict != .idle }
            .sorted { ($0.finding.verdict.rank, $0.call.process.tid) < ($1.finding.verdict.rank, $1.call.process.tid) }
        for group in alike(hung) {
            add([""] + paragraph(group))
            let commands = Advice.commands(group[0])
            add(["  See for yourself:"])
            add(commands.map { "    \($0)" }, areCommands: true)
        }
        let running = threads.filter(\.isRunning)
        if !running.isEmpty {
            let what =
                running.count == 1 ? "Thread \(running[0].call.process.tid) runs" : "\(running.count) threads run"
            add(["", "\(what): not blocked. To see on what: top -H -p \(process.pid), perf top -p \(process.pid)"])
        }
        let idle = threads.filter { !$0.isRunning && $0.finding.verdict == .idle }
        for group in alike(idle) { add([""] + idleParagraph(group)) }
        if hung.isEmpty {
            add(["", "Nothing here says that \(TerminalText.escaped(process.name))[\(process.pid)] hangs."])
            if let nobody = nobodyLeft(process) {
                add(nobody)
                if wantsStacks(process) { add(Advice.stacks(process), areCommands: true) }
            } else if idle.count(where: { $0.finding.reason == .parked }) > 1 {
                add([
                    "Locks of the JVM, Go, Rust and other runtimes have no owner that the kernel can see: threads in a",
                    "deadlock over them are parked too\(wantsStacks(process) ? ". If it should be working:" : ".")",
                ])
                if wantsStacks(process) { add(Advice.stacks(process), areCommands: true) }
            }
        }
        return lines
    }

    /// Its functions have not been told, or another tool knows more of them.
    private func wantsStacks(_ process: ProcessIdentity) -> Bool {
        let isJava = process.executable.map { String(decoding: $0, as: UTF8.self).hasSuffix("/java") } ?? false
        return isJava || threads.allSatisfy { $0.call.userStack == nil }
    }

    /// Every thread waits in memory of its own process for another one of them, and none has a time limit.
    private func nobodyLeft(_ process: ProcessIdentity) -> [String]? {
        let areParked = threads.allSatisfy { thread in
            guard !thread.isRunning, thread.finding.reason == .parked, thread.call.resource.kind == .futex,
                let call = thread.call.call, call.arguments.count > 1, call.arguments[1] & 0x80 != 0,
                case .absent = call.timeout
            else { return false }
            return true
        }
        guard areParked else { return nil }
        let who = threads.count == 1 ? "Its only thread waits" : "All its \(threads.count) threads wait"
        return [
            "\(who) in memory of its own, without a time limit: none of its threads is left to end that, and only a handler",
            "of a signal could. If it should be working, it never will:",
        ]
    }

    private func heading(_ process: ProcessIdentity) -> String {
        var text = "\(TerminalText.escaped(process.name))[\(process.pid)]"
        if let user = process.userName { text += ", user \(TerminalText.escaped(Array(user.utf8)))" }
        if let executable = process.executable { text += ", \(TerminalText.escaped(executable))" }
        if let service = process.cgroup.serviceName { text += ", service \(TerminalText.escaped(Array(service.utf8)))" }
        if let container = process.cgroup.containerID {
            text += ", container \(TerminalText.escaped(String(container.prefix(12))))"
        }
        if let inner = process.innerPID { text += ", PID \(inner) in its own PID namespace" }
        return text + ", \(threads.count) thread\(threads.count == 1 ? "" : "s")"
    }

    /// Threads of which the same is to be said, in order.
    private func alike(_ threads: [Thread]) -> [[Thread]] {
        var order: [String] = []
        var groups: [String: [Thread]] = [:]
        for thread in threads {
            let key = [
                thread.finding.reason.rawValue, thread.call.call?.name ?? "",
                String(decoding: thread.call.resource.name, as: UTF8.self),
                thread.finding.chainID ?? "",
            ].joined(separator: "\u{1f}")
            if groups[key] == nil { order.append(key) }
            groups[key, default: []].append(thread)
        }
        return order.compactMap { groups[$0] }
    }

    private func subject(_ group: [Thread]) -> String {
        let names = group.prefix(4).map { String($0.call.process.tid) }.joined(separator: ", ")
        if group.count == 1 { return "Thread \(names)" }
        return "\(group.count) threads (\(names)\(group.count > 4 ? ", ..." : ""))"
    }

    private func span(_ group: [Thread]) -> String {
        let longest = group.max { $0.durationNanoseconds < $1.durationNanoseconds } ?? group[0]
        return (longest.call.startSource == .lastRan ? "at least " : "")
            + TerminalText.duration(nanoseconds: longest.durationNanoseconds)
    }

    private func idleParagraph(_ group: [Thread]) -> [String] {
        let verb = group.count == 1 ? "is" : "are"
        let reason = group[0].finding.reason.words
        let finding = group[0].finding
        var lines = [
            "\(subject(group)) \(verb) idle (\(reason)): \(Sentence.place(group[0].call)), for \(span(group))."
        ]
        for holder in finding.holders.prefix(2) { lines.append("  The other end: \(text(holder))") }
        if finding.holderCount > 2 { lines.append("  and \(finding.holderCount - 2) more") }
        lines += stacks(group)
        // one step is what the line before said
        if finding.chain.split(separator: " <- ", omittingEmptySubsequences: false).count > 2 {
            lines.append("  The chain: \(TerminalText.cut(finding.chain(within: 400), to: 400, keep: .headAndTail))")
        }
        return lines
    }

    private func paragraph(_ group: [Thread]) -> [String] {
        let thread = group[0]
        let finding = thread.finding
        let has = group.count == 1 ? "has" : "have"
        var lines: [String] = []
        if thread.call.kind == .stopped || finding.reason == .stopped {
            lines.append("\(subject(group)) \(has) been stopped for \(span(group))\(Sentence.stop(thread.call)).")
        } else {
            lines.append("\(subject(group)) \(has) been blocked for \(span(group)) in \(Sentence.place(thread.call)).")
        }
        lines.append(
            "  Verdict: \(finding.verdict.rawValue), \(finding.reason.words)"
                + " (blockwatch explain --verdict \(finding.reason.rawValue)).")
        if !finding.evidence.isEmpty {
            let evidence = finding.evidence.map { TerminalText.escaped(Array($0.utf8)) }
            lines.append("  Evidence: \(evidence.joined(separator: ", "))")
        }
        if !finding.holders.isEmpty {
            lines.append("  Who can end the wait:")
            for holder in finding.holders.prefix(5) { lines.append("    " + text(holder)) }
            if finding.holderCount > 5 { lines.append("    and \(finding.holderCount - 5) more") }
        }
        if !finding.chain.isEmpty {
            lines.append("  The chain: \(TerminalText.cut(finding.chain(within: 400), to: 400, keep: .headAndTail))")
        }
        if let root = root(thread) { lines.append("  At its root: \(root)") }
        for reason in finding.unresolved + thread.call.unresolved where reason.contains("=") {
            lines.append("  Not found out: \(reason.split(separator: "=").joined(separator: ", "))")
        }
        lines += stacks(group)
        if !thread.call.stack.isEmpty {
            lines.append("  In the kernel: \(thread.call.stack.prefix(6).joined(separator: " < "))")
        }
        for advice in Advice.next(thread) + Advice.tools(thread) { lines.append("  Next: \(advice)") }
        return lines
    }

    private func stacks(_ group: [Thread]) -> [String] {
        UserStack.paragraphs(of: group.map(\.call), mostStacks: 8, mostLines: 24).map { "  \($0)" }
    }

    private func text(_ holder: Holder) -> String {
        var text = "\(TerminalText.escaped(holder.name))[\(holder.pid)]"
        if let tid = holder.tid, tid != holder.pid { text += " thread \(tid)" }
        text += ", \(holder.role.rawValue.split(separator: "_").joined(separator: " "))"
        if let descriptor = holder.descriptor { text += " by fd \(descriptor)" }
        if let doing = holder.doing { text += ": \(doing)" }
        if let duration = holder.duration { text += " for \(TerminalText.duration(nanoseconds: duration))" }
        if let verdict = holder.verdict { text += " (\(verdict.rawValue))" }
        return text
    }

    private func root(_ thread: Thread) -> String? {
        let report = CallReport(
            call: thread.call, startWallNanoseconds: 0, durationNanoseconds: thread.durationNanoseconds,
            finding: thread.finding)
        guard let culprit = Culprit(report) else { return nil }
        switch thread.finding.root.value?.kind {
        case .deadlock: return "a \(culprit.text); none of its threads can ever go on by itself."
        case .remote where thread.finding.root.value?.doing == nil:
            return "\(culprit.text), or one behind address translation."
        default: return "\(culprit.text)\(thread.finding.rootPlace)."
        }
    }
}

/// What an operator could do or look at next.
private enum Advice {
    static func next(_ thread: Explanation.Thread) -> [String] {
        let finding = thread.finding
        let holder = finding.holders.first
        let root = finding.root.value?.pid ?? holder?.pid
        switch finding.reason {
        case .cycle: return ["end one of the members (kill PID); the others then go on"]
        case .connectUnanswered:
            return ["the other host does not answer: is it up, does a firewall drop the packets, is the route right?"]
        case .connectBacklogFull, .notAccepted:
            return holder.map { ["\(name($0)) listens and does not accept: blockwatch explain \($0.pid)"] } ?? []
        case .lockHeld, .peerStuck, .peerWaiting:
            return root.map { ["follow the root: blockwatch explain \($0)"] } ?? []
        case .peerGone:
            return thread.call.resource.kind == .fifo
                ? ["somebody must open the other end of the FIFO, or end this process"]
                : [
                    "nobody can end this wait any more: a write end that was left open in the waiter itself is a usual cause; end it"
                ]
        case .sendStalled where finding.root.value?.kind == .network:
            return [
                "both ends are alive, and what is sent does not arrive: a firewall, a route, an MTU between them? "
                    + "nstat -az TcpRetransSegs; ping \(finding.root.value.map(host) ?? "")"
            ]
        case .sendStalled:
            return holder.map { ["\(name($0)) does not read: blockwatch explain \($0.pid)"] } ?? [
                "the other end does not read: is it alive?"
            ]
        case .kernelStuck:
            return [
                kernelAdvice(thread) ?? holder.map {
                    switch $0.role {
                    case .server: "the server of that file system is \(name($0)): blockwatch explain \($0.pid)"
                    default: "\(name($0)) must go on first: blockwatch explain \(root ?? $0.pid)"
                    }
                }
                    ?? "look for the disk or server below: dmesg | tail, cat /proc/\(thread.call.process.pid)/mountinfo"
            ]
        case .stopped where ["SIGTTIN", "SIGTTOU"].contains(thread.call.stop?.signal):
            return ["it is a background job of a terminal: fg in its shell; kill -CONT alone stops it again"]
        case .stopped where finding.evidence.contains("frozen cgroup"):
            return ["thaw its cgroup: echo 0 > .../cgroup.freeze, with cgroup v1 echo THAWED > .../freezer.state"]
        case .stopped:
            return thread.tracerPID != 0
                ? ["a tracer holds it (PID \(thread.tracerPID)): let it go on or detach there"]
                : ["kill -CONT \(thread.call.process.pid) lets it go on"]
        case .replyPending: return [pendingReply(thread)]
        case .ownerGone:
            return ["nobody can release it any more: end what waits for it, or set a semaphore by hand (ipcs -s)"]
        case .lockBusy, .peerBusy:
            return ["the other one is at work: wait, or look at it: blockwatch explain \(holder?.pid ?? 0)"]
        case .peerSleeping: return holder.map { ["\(name($0)) sleeps: blockwatch explain \($0.pid)"] } ?? []
        default: return []
        }
    }

    /// The host of a root's address, without its port.
    private static func host(_ root: Root) -> String {
        let address = TerminalText.escaped(root.address ?? "")
        return String(address[..<(address.lastIndex(of: ":") ?? address.endIndex)].filter { $0 != "[" && $0 != "]" })
    }

    /// A request is said to be sent only where bytes were.
    private static func pendingReply(_ thread: Explanation.Thread) -> String {
        let resource = thread.call.resource
        guard let network = resource.network, resource.kind == .tcp || resource.member?.kind == .tcp,
            network.lastSent == nil, network.lastReceived == nil
        else { return "the other end has not answered: look at it there" }
        return "neither side has sent a byte: does each wait for the other, as a plain client at a TLS port does?"
    }

    /// What the kernel's own function says of a wait that no disk or server will end.
    private static func kernelAdvice(_ thread: Explanation.Thread) -> String? {
        let call = thread.call
        if call.stack.contains("zap_pid_ns_processes") {
            return
                "it was PID 1 of a PID namespace, and ends once the last process in there is gone and waited for: ps -eo pid,ppid,stat,pidns,args"
        }
        if call.stack.contains(where: { $0.hasPrefix("mem_cgroup_oom_synchronize") }) {
            let cgroup = TerminalText.escaped(call.process.cgroupPath)
            return
                "its memory cgroup \(cgroup) is full, and its OOM killer is off: raise its limit or end something in it"
        }
        return nil
    }

    /// Servers that know more of their own waits than the kernel does.
    static func tools(_ thread: Explanation.Thread) -> [String] {
        let finding = thread.finding
        let process = thread.call.process
        var asked: [(name: [UInt8], pid: Int)] = [(process.name, process.pid)]
        asked += finding.holders.prefix(4).map { ($0.name, $0.pid) }
        if let root = finding.root.value, let name = root.name, let pid = root.pid { asked.append((name, pid)) }
        var tools: [String] = []
        for (name, pid) in asked {
            let tool: String? =
                switch String(decoding: name, as: UTF8.self) {
                case "postgres":
                    "ask PostgreSQL who blocks that backend: psql -c 'SELECT pid, pg_blocking_pids(pid), state, wait_event, query FROM pg_stat_activity WHERE pid = \(pid)'"
                case "mysqld", "mariadbd": "ask the server what its connections do: mariadb -e 'SHOW FULL PROCESSLIST'"
                default: nil
                }
            if let tool, !tools.contains(tool) { tools.append(tool) }
        }
        return tools
    }

    /// How to see the stacks inside of a program, where the kernel sees none.
    static func stacks(_ process: ProcessIdentity) -> [String] {
        let program = process.executable.map { String(decoding: $0, as: UTF8.self) } ?? ""
        let file = program.split(separator: "/").last.map(String.init) ?? ""
        if file == "java" { return ["  jstack \(process.pid)"] }
        if file.hasPrefix("python") { return ["  py-spy dump --pid \(process.pid)"] }
        return [
            "  gdb -p \(process.pid) -batch -ex 'thread apply all bt'",
            "  (Java: jstack; Python: py-spy dump; Go: kill -QUIT, which ends it with the stacks of all goroutines)",
        ]
    }

    private static func name(_ holder: Holder) -> String { "\(TerminalText.escaped(holder.name))[\(holder.pid)]" }

    static func commands(_ thread: Explanation.Thread) -> [String] {
        let pid = thread.call.process.pid
        let task = "/proc/\(pid)/task/\(thread.call.process.tid)"
        var commands: [String] = []
        if let descriptor = thread.call.resource.descriptor { commands.append("readlink \(task)/fd/\(descriptor)") }
        switch thread.call.resource.kind {
        case .tcp, .udp:
            if let port = thread.call.resource.network?.local.port { commands.append("ss -tunpio 'sport = :\(port)'") }
        case .unix: commands.append("ss -xp")
        case .file:
            if thread.call.resource.lock != nil { commands.append("lslocks") }
        case .ipc:
            if let call = thread.call.call, SemaphoreTarget.calls.contains(call.name), let set = call.arguments.first {
                commands.append("ipcs -s -i \(set)")
            }
        case .child: commands.append("ps --ppid \(pid) -o pid,stat,wchan:20,args")
        default: break
        }
        commands.append("cat \(task)/syscall \(task)/stack")
        return commands
    }
}
