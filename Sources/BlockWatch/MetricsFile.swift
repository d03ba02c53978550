import BlockWatchCapture
import BlockWatchCore
import Glibc

/// A Prometheus text file for node_exporter's textfile collector: written beside and renamed over, so that nobody
/// reads half of it.
struct MetricsFile: Sendable {
    let path: String
    let log: Log

    func write(pipeline: borrowing Pipeline, counters: CaptureCounters, schedule: ScanSchedule, usage: OwnUsage) {
        var text = ""
        func metric(_ name: String, _ kind: String, _ help: String, _ rows: [(labels: String, value: String)]) {
            text += "# HELP blockwatch_\(name) \(help)\n# TYPE blockwatch_\(name) \(kind)\n"
            for row in rows { text += "blockwatch_\(name)\(row.labels) \(row.value)\n" }
        }
        func seconds(_ nanoseconds: UInt64) -> String {
            let digits = String(nanoseconds % 1_000_000_000)
            return "\(nanoseconds / 1_000_000_000).\(String(repeating: "0", count: 9 - digits.count))\(digits)"
        }
        let totals = pipeline.totals
        metric("open_calls", "gauge", "Calls in flight past the threshold.", [("", String(pipeline.openCount))])
        metric(
            "records_total", "counter", "Records written about calls.",
            [
                ("{action=\"blocked\"}", String(totals.blocked)),
                ("{action=\"still_blocked\"}", String(totals.stillBlocked)),
                ("{action=\"returned\"}", String(totals.returned)), ("{action=\"ended\"}", String(totals.ended)),
                ("{action=\"slow\"}", String(totals.slow)),
            ])
        metric(
            "hidden_total", "counter", "Calls not written because of an option.",
            totals.hidden.sorted { $0.key < $1.key }.map { ("{by=\"\(label($0.key))\"}", String($0.value)) })
        metric(
            "lost_total", "counter", "What may have been missed.",
            totals.lost.sorted { $0.key < $1.key }.map { ("{what=\"\(label($0.key))\"}", String($0.value)) })
        metric("threads", "gauge", "Threads looked at by the last scan.", [("", String(counters.scanThreads))])
        metric("scan_seconds", "gauge", "Duration of the last scan.", [("", seconds(schedule.lastDuration))])
        metric("cpu_seconds_total", "counter", "CPU time of blockwatch itself.", [("", seconds(usage.cpuNanoseconds))])
        metric("resident_bytes", "gauge", "Resident memory of blockwatch itself.", [("", String(usage.residentBytes))])
        replace(Array(text.utf8))
    }

    /// Label values may hold anything but quotes, backslashes and newlines.
    private func label(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && $0 != "\"" && $0 != "\\" }))
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
