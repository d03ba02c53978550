import BlockWatchCapture
import BlockWatchCore

/// The probes on system calls come and go as their budget wants.
extension OverheadBudget {
    /// Of probes that were just put in.
    init(_ probes: SystemCallProbes, limit: Double?) {
        self.init(
            limit: limit, callNanoseconds: probes.callNanoseconds, processors: Host.processorCount, calls: probes.calls,
            now: Clock.now().monotonic)
    }

    /// Does what is to be done now.
    ///
    /// - Returns: whether they came or went: a scan must follow at once.
    mutating func keep(_ probes: SystemCallProbes, of capture: borrowing Capture, log: Log) -> Bool {
        let now = Clock.now().monotonic
        switch advance(calls: probes.calls, at: now) {
        case .takeOut: return change(probes, of: capture, toTraced: false, log: log)
        case .putIn: return change(probes, of: capture, toTraced: true, log: log)
        case .beginCounting:
            do throws(CaptureError) { try probes.beginCounting() } catch {
                log.warning("system calls are not counted: \(error.description)")
                switchFailed(at: now)
            }
        case .endCounting: probes.endCounting()
        case .nothing: break
        }
        return false
    }

    /// Nothing is lost on the way: who sleeps is noted before, and all threads are looked at after.
    ///
    /// - Returns: as ``keep(_:of:log:)``.
    mutating func change(
        _ probes: SystemCallProbes, of capture: borrowing Capture, toTraced isTraced: Bool, log: Log
    ) -> Bool {
        do throws(CaptureError) {
            if isTraced {
                try probes.putIn()
            } else {
                try capture.noteSleepers()
                probes.takeOut()
            }
        } catch {
            log.warning("the probes stay \(isTraced ? "out" : "in"): \(error.description)")
            switchFailed(at: Clock.now().monotonic)
            return false
        }
        changed(to: isTraced, calls: probes.calls, at: Clock.now().monotonic)
        return true
    }
}
