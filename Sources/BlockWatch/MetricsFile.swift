import BlockWatchCapture
import BlockWatchCore
import Glibc

/// A Prometheus text file for node_exporter's textfile collector: written beside and renamed over, so that nobody
/// reads half of it.
struct MetricsFile: Sendable {
    let path: String
    let log: Log

    func write(pipeline: borrowing Pipeline, counters: CaptureCounters, schedule: ScanSchedule, usage: OwnUsage) {
        let text = MetricsText.text(
            open: pipeline.openCount, totals: pipeline.totals, threads: counters.scanThreads,
            scanNanoseconds: schedule.lastDuration, usage: usage)
        replace(Array(text.utf8))
    }

    private func replace(_ bytes: [UInt8]) {
        let beside = "\(path).\(getpid())"
        let descriptor = unsafe open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o640)
        guard descriptor >= 0 else {
            return log.warning("cannot write the metrics file \(beside): \(describe(errno: errno))")
        }
        let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
        let answer = errno
        close(descriptor)
        let isRenamed = unsafe count == bytes.count && rename(beside, path) == 0
        if !isRenamed {
            log.warning(
                "cannot write the metrics file \(path): \(describe(errno: count != bytes.count ? answer : errno))")
            unsafe unlink(beside)
        }
    }
}
