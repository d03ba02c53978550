/// What is said of blockwatch itself, and counted.
extension Pipeline {
    public var totals: Totals { records.totals }
    public var callCounts: CallCounts { records.calls }
    public var openCount: Int { ledger.calls.count }
    public func open(at now: UInt64) -> OpenCalls { ledger.open(at: now) }

    public mutating func started(_ body: Started, clock: ClockReading) {
        records.write(.started, .started(body), clock)
    }

    public mutating func lost(_ loss: Loss, clock: ClockReading) { records.write(loss, clock) }

    /// What the probes on system calls take now.
    ///
    /// - Parameter isChange: they were taken out or put in just now, which is said.
    public mutating func engine(_ overhead: Overhead, isChange: Bool, clock: ClockReading) {
        self.overhead = overhead
        if isChange { records.write(.engine, .engine(overhead), clock) }
    }

    /// What became of the stacks that were asked for until now.
    public mutating func stacks(_ counts: StackCounts) { stackCounts = counts }

    public mutating func summarize(
        usage: OwnUsage, threads: UInt64, schedule: ScanSchedule, clock: ClockReading
    ) {
        let counts = ledger.counts
        let summary = Summary(
            overhead: overhead, stacks: stackCounts, open: UInt64(openCount), openBySyscall: counts.bySyscall,
            openByVerdict: counts.byVerdict, idleByReason: counts.idleByReason, busyByReason: counts.busyByReason,
            openWritten: UInt64(ledger.writtenCount), totals: totals, usage: usage, threads: threads,
            scanNanoseconds: schedule.lastDuration, scanPeriodNanoseconds: schedule.period)
        records.write(.summary, .summary(summary), clock)
    }

    public mutating func stopped(reason: String, usage: OwnUsage, clock: ClockReading) {
        let open = UInt64(ledger.writtenCount)
        records.write(.stopped, .stopped(Stopped(reason: reason, totals: totals, open: open, usage: usage)), clock)
    }
}
