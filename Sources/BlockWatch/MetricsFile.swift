import BlockWatchCapture
import BlockWatchCore
import Glibc
import Synchronization

/// A Prometheus text file for node_exporter's textfile collector: written beside and renamed over, so that nobody
/// reads half of it; by a thread of its own, since the file system may not answer.
final class MetricsFile: Sendable {
    private let path: String
    private let log: Log
    /// The latest, while the thread is at an older one.
    private let next = Mutex<[UInt8]?>(nil)
    private let work = Bell()

    init(path: String, log: Log) {
        self.path = path
        self.log = log
    }

    func start() { _ = startDetachedThread { [self] in serve() } }

    private func serve() {
        var hasComplained = false
        while true {
            work.take()
            let text = next.withLock { next -> [UInt8]? in
                defer { next = nil }
                return next
            }
            guard let text else { continue }
            do throws(SafePath.PathError) {
                try replace(text)
                hasComplained = false
            } catch {
                // once, not at every look
                if !hasComplained { log.warning("cannot write the metrics file \(path): \(error.description)") }
                hasComplained = true
            }
        }
    }

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
        let bytes = Array(text.utf8)
        next.withLock { $0 = bytes }
        work.ring()
    }

    /// Label values may hold anything but quotes, backslashes and newlines.
    private func label(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && $0 != "\"" && $0 != "\\" }))
    }

    /// C function: `openat` with O_EXCL, `renameat`
    private func replace(_ bytes: [UInt8]) throws(SafePath.PathError) {
        let place = try SafePath(path)
        let beside = "\(place.name).\(getpid())"
        // left over by a process of this id that was killed
        unsafe unlinkat(place.folder, beside, 0)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let descriptor = unsafe openat(place.folder, beside, flags, 0o640)
        guard descriptor >= 0 else { throw SafePath.PathError(errno: errno) }
        let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
        var answer = count == bytes.count ? 0 : count < 0 ? errno : ENOSPC
        close(descriptor)
        if answer == 0, unsafe renameat(place.folder, beside, place.folder, place.name) != 0 { answer = errno }
        guard answer != 0 else { return }
        unsafe unlinkat(place.folder, beside, 0)
        throw SafePath.PathError(errno: answer)
    }
}
