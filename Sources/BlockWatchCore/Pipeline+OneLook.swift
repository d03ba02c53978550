/// One look, for `snapshot` and `explain`.
extension Pipeline {
    /// Everything that is open and would be written, for `snapshot`.
    public func reports(clock: ClockReading) -> [CallReport] {
        ledger.accounts.map { account in
            let start = account.call.startNanoseconds
            return report(
                account.call, account.finding, duration: clock.monotonic - min(start, clock.monotonic), result: nil)
        }
    }

    /// A device has requests that have not been seen to end: another look, a little later, may see that.
    public var waitsForDevices: Bool { examiner.devices.isWaiting }

    /// Some device has completed a request meanwhile.
    public var someDeviceMoves: Bool { examiner.devices.isMoving }

    /// Open calls of a verdict, written or not.
    public func count(of verdict: Verdict) -> Int { ledger.count(of: verdict) }

    /// Looks at all threads of one process, whatever they do.
    ///
    /// - Returns: `nil` if there are none: it is gone, or it is the kernel's own.
    public mutating func explain(
        pid: Int, source: inout some HolderSource, risky: inout some RiskyReading, clock: ClockReading
    ) -> Explanation? {
        let records = source.threads([.process(pid)])
        guard !records.isEmpty else { return nil }
        let calls = examiner.identifier.identify(records, clock: clock, risky: &risky)
        var (findings, _) = examiner.examine(Array(zip(records, calls)), &source, &risky, clock, isThorough: true)
        let walkable = records.filter { UserStack.canBeWalked($0, nativeABI: examiner.identifier.nativeABI) }
        let stacks = settings.stacks == .none ? [:] : UserStack.ask(for: walkable, hasLines: true, &risky)
        let told = records.map { findings.finding(of: $0.tid) ?? .nothing }
        let sites = sites(along: told, in: findings.look, UserStack.sites(stacks), &risky)
        let threads = zip(zip(records, calls), told).map { sighting, finding -> Explanation.Thread in
            let record = sighting.0
            var call = sighting.1
            call.take(stacks[record.tid])
            var finding = finding
            finding.take(waitOf: call.userStack)
            finding.take(sites: sites)
            call.resource = findings.resource(of: record.tid) ?? call.resource
            return Explanation.Thread(
                call: call, durationNanoseconds: record.nowNanoseconds - record.startNanoseconds,
                finding: finding, isRunning: record.kind == .running,
                tracerPID: record.tracerPID)
        }
        return Explanation(threads: threads.sorted { $0.call.process.tid < $1.call.process.tid })
    }

    /// What descriptors of a process are: sockets with their addresses; of others nothing, their links say it.
    ///
    /// - Parameter pid: as the kernel has it.
    public func sockets(among descriptors: [Int], pid: Int, source: inout some HolderSource) -> [Int: String] {
        guard let answers = source.files(descriptors.map { .descriptor(pid: pid, $0) }) else { return [:] }
        var names: [Int: String] = [:]
        for member in answers.members where member.object.family == .socket && descriptors.indices ~= member.question {
            let descriptor = descriptors[member.question]
            let resource = examiner.identifier.resource(of: member.object, descriptor: descriptor)
            names[descriptor] = TerminalText.escaped(resource.name)
        }
        return names
    }
}
