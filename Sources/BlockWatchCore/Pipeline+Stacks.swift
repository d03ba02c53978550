/// Where in their programs threads wait: those whose calls are written, and those along their chains.
extension Pipeline {
    /// Threads along chains that one look asks for besides, of as many processes.
    private static let mostLinks = 64
    private static let mostLinkProcesses = 16

    /// The stacks that the settings want of some calls, by thread. Of one that was written before they are asked for once
    /// its verdict is one of those that are wanted.
    func userStacks(of results: [LookResult], _ risky: inout some RiskyReading) -> [Int: RiskyAnswer] {
        guard settings.stacks != .none else { return [:] }
        let wanted = results.filter { result in
            let known = ledger[result.sighting.call.id]
            guard known?.closing == nil, settings.stacks.wants(result.finding.verdict) else { return false }
            if let account = known?.account {
                guard account.call.userStack == nil, let said = account.finding, !settings.stacks.wants(said.verdict)
                else { return false }
            }
            return UserStack.canBeWalked(result.sighting.record, nativeABI: examiner.identifier.nativeABI)
        }
        return UserStack.ask(for: wanted.map(\.sighting.record), hasLines: settings.stacks == .lines, &risky)
    }

    /// The functions in which the threads along the chains of some calls wait: of all those that are known, and of calls
    /// whose stacks are wanted also those that are not.
    ///
    /// - Parameter stacks: of the calls themselves.
    /// - Returns: by thread.
    func sites(
        of results: [LookResult], _ stacks: [Int: RiskyAnswer], in look: Investigation, _ risky: inout some RiskyReading
    ) -> [Int: [UInt8]] {
        guard settings.stacks != .none else { return [:] }
        var known = UserStack.sites(stacks)
        for result in results {
            for tid in result.finding.links.compactMap(\.tid) where known[tid] == nil {
                guard let id = look.waits[tid]?.record.id else { continue }
                known[tid] = ledger[id]?.account?.call.userStack?.site
            }
        }
        let wanted = results.filter {
            settings.stacks.wants($0.finding.verdict) && stacks[$0.sighting.record.tid] != nil
        }
        return sites(along: wanted.map(\.finding), in: look, known, asked: Set(stacks.keys), &risky)
    }

    /// Where in its program a thread that is in a call is now, for people who ask for that one.
    ///
    /// - Parameter call: it must still be in it.
    /// - Returns: lines without newlines, safe for terminals; one that says why, where there is no stack.
    public func functions(
        of tid: Int, in call: UInt64, source: inout some HolderSource, risky: inout some RiskyReading
    ) -> [String] {
        func none(_ why: String) -> [String] { ["In the program: not known, \(why)"] }
        guard let record = source.threads([.thread(tid)]).first(where: { $0.id == call }) else {
            return none("it has gone on meanwhile")
        }
        guard examiner.identifier.nativeABI == .x86_64 else { return none("stacks are walked on x86_64 only") }
        guard UserStack.canBeWalked(record, nativeABI: .x86_64) else { return none("it runs, or is the kernel's own") }
        let answer = UserStack.ask(for: [record], hasLines: true, &risky)[tid] ?? .timedOut
        if let stack = UserStack(answer) { return ["In the program:"] + stack.lines(most: 64).map { "  \($0)" } }
        switch answer.gap {
        case .timedOut: return none("nobody has answered in time; blockwatch doctor says whether stacks can be taken")
        case .notPermitted: return none("it may not be looked at; CAP_SYS_PTRACE?")
        case .processGone: return none("it is gone")
        default: return none("it has gone on meanwhile")
        }
    }

    /// - Parameters:
    ///   - known: functions of threads, by thread.
    ///   - asked: threads that have been asked for.
    /// - Returns: those and the others along the chains.
    func sites(
        along findings: [Finding], in look: Investigation, _ known: [Int: [UInt8]], asked: Set<Int> = [],
        _ risky: inout some RiskyReading
    ) -> [Int: [UInt8]] {
        guard settings.stacks != .none else { return [:] }
        var seen = asked.union(known.keys)
        var processes: Set<Int> = []
        var records: [CallRecord] = []
        for tid in findings.lazy.flatMap(\.links).compactMap(\.tid) where seen.insert(tid).inserted {
            guard let wait = look.waits[tid], wait.state != .running, records.count < Self.mostLinks,
                UserStack.canBeWalked(wait.record, nativeABI: examiner.identifier.nativeABI),
                processes.contains(wait.pid) || processes.count < Self.mostLinkProcesses
            else { continue }
            processes.insert(wait.pid)
            records.append(wait.record)
        }
        let answers = UserStack.ask(for: records, hasLines: false, &risky)
        return known.merging(UserStack.sites(answers)) { first, _ in first }
    }
}
