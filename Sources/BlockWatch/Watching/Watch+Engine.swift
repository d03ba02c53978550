import BlockWatchCapture
import BlockWatchCore

/// Engine trace within its budget: the probes on system calls come and go.
extension Watch {
    mutating func keepWithinBudget() {
        guard let probes = capture.probes, let budget else { return }
        let hasChanged: Bool?
        if let due = nextSwitch, Clock.now().monotonic >= due, let interval = settings.switchProbesNanoseconds {
            hasChanged = self.budget?.change(probes, of: capture, toTraced: !budget.isTraced, log: log)
            nextSwitch = Clock.now().monotonic.saturatingAdd(interval)
        } else {
            hasChanged = self.budget?.keep(probes, of: capture, log: log)
        }
        guard hasChanged == true else { return }
        let now = Clock.now()
        schedule.setTraced(isTraced)
        if let budget = self.budget { pipeline.engine(budget.overhead, isChange: true, clock: now) }
        scan(now, isDue: false)
    }

    /// The ends of calls are seen by probes, and not by looks only.
    var isTraced: Bool { budget?.isTraced ?? false }

    /// Looks whether written calls have returned, where no probe says so.
    mutating func lookForEndings(at now: UInt64) {
        if isTraced { endings.suspend() }
        guard endings.isDue(at: now) else { return }
        let before = Clock.threadCPU()
        let due = endings.threads(of: pipeline.writtenThreads, at: now, period: schedule.period)
        // to visit one alone costs as much as to pass by forty
        if UInt64(due.count) * 40 > known.scanThreads {
            let cost = Clock.threadCPU() - before
            scan(Clock.now(), isDue: false)
            endings.spend(cost + schedule.lastDuration)
        } else {
            scan(threads: due)
            endings.spend(Clock.threadCPU() - before)
        }
    }

    /// While the probes are out only scans see what is past the threshold.
    mutating func tellGap(at now: ClockReading) {
        defer { lastUntraced = budget?.isTraced == false ? now.monotonic : nil }
        guard let last = lastUntraced else { return }
        let gap = now.monotonic - min(last, now.monotonic)
        guard gap > max(settings.thresholdNanoseconds, 2 * schedule.period), !schedule.isWidened else { return }
        pipeline.lost(
            Loss(
                what: "scans", count: 1,
                reason: "blockwatch itself was held up: while the probes were out no scan came for "
                    + TerminalText.duration(nanoseconds: gap)), clock: now)
    }
}
