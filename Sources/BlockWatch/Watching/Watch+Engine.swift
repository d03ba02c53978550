import BlockWatchCapture
import BlockWatchCore

/// Engine trace within its budget: the probes on system calls come and go.
extension Watch {
    mutating func keepWithinBudget() {
        guard let probes = capture.probes, let budget else { return }
        let now = Clock.now().monotonic
        if let due = nextSwitch, now >= due, let interval = settings.switchProbesNanoseconds {
            switchProbes(probes, isTraced: !budget.isTraced)
            nextSwitch = Clock.now().monotonic.saturatingAdd(interval)
            return
        }
        switch self.budget?.advance(calls: probes.calls, at: now) {
        case .takeOut: switchProbes(probes, isTraced: false)
        case .putIn: switchProbes(probes, isTraced: true)
        case .beginCounting:
            do throws(CaptureError) { try probes.beginCounting() } catch {
                log.warning("system calls are not counted: \(error.description)")
                self.budget?.switchFailed(at: now)
            }
        case .endCounting: probes.endCounting()
        case .nothing, nil: break
        }
    }

    /// Nothing is lost on the way: who sleeps is noted before, and all threads are looked at after.
    private mutating func switchProbes(_ probes: SystemCallProbes, isTraced: Bool) {
        do throws(CaptureError) {
            if isTraced {
                try probes.putIn()
            } else {
                try capture.noteSleepers()
                probes.takeOut()
            }
        } catch {
            log.warning("the probes stay \(isTraced ? "out" : "in"): \(error.description)")
            budget?.switchFailed(at: Clock.now().monotonic)
            return
        }
        let now = Clock.now()
        budget?.changed(to: isTraced, calls: probes.calls, at: now.monotonic)
        schedule.setTraced(isTraced)
        if let budget { pipeline.engine(budget.overhead, isChange: true, clock: now) }
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
