/// Prometheus text for node_exporter's textfile collector.
public enum MetricsText {
    public static func text(
        open: Int, totals: Totals, threads: UInt64, scanNanoseconds: UInt64, usage: OwnUsage,
        overhead: Overhead? = nil
    ) -> String {
        var text = ""
        func metric(_ name: String, _ kind: String, _ help: String, _ rows: [(labels: String, value: String)]) {
            text += "# HELP blockwatch_\(name) \(help)\n# TYPE blockwatch_\(name) \(kind)\n"
            for row in rows { text += "blockwatch_\(name)\(row.labels) \(row.value)\n" }
        }
        func seconds(_ nanoseconds: UInt64) -> String {
            let digits = String(nanoseconds % 1_000_000_000)
            return "\(nanoseconds / 1_000_000_000).\(String(repeating: "0", count: 9 - digits.count))\(digits)"
        }
        metric("open_calls", "gauge", "Calls in flight past the threshold.", [("", String(open))])
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
            rows("by", totals.hidden))
        metric(
            "lost_total", "counter", "What may have been missed.",
            rows("what", totals.lost))
        metric("threads", "gauge", "Threads looked at by the last scan.", [("", String(threads))])
        metric("scan_seconds", "gauge", "Duration of the last scan.", [("", seconds(scanNanoseconds))])
        metric("cpu_seconds_total", "counter", "CPU time of blockwatch itself.", [("", seconds(usage.cpuNanoseconds))])
        metric(
            "engine", "gauge", "Which engine runs now.",
            ["trace", "scan"].map { ("{engine=\"\($0)\"}", $0 == overhead?.engine ?? "scan" ? "1" : "0") })
        if let overhead {
            func share(_ millionths: UInt64) -> String {
                "\(millionths / 1_000_000).\(String(1_000_000 + millionths % 1_000_000).dropFirst())"
            }
            metric(
                "engine_changes_total", "counter", "How often the probes were taken out or put in.",
                [("", String(overhead.changes))])
            metric(
                "system_call_overhead_seconds", "gauge", "What the probes add to one system call.",
                [("", seconds(overhead.callNanoseconds))])
            if let rate = overhead.rate {
                metric(
                    "system_calls_per_second", "gauge", "System calls of the host, when last counted.",
                    [("", String(rate))])
            }
            if let part = overhead.share {
                metric(
                    "overhead_ratio", "gauge",
                    "Share of all processor time that the probes take, or would take if they were in.",
                    [("", share(part))])
            }
            if let limit = overhead.limit {
                metric("overhead_limit_ratio", "gauge", "The most that they may take.", [("", share(limit))])
            }
        }
        metric("resident_bytes", "gauge", "Resident memory of blockwatch itself.", [("", String(usage.residentBytes))])
        return text
    }

    /// Names of rules are a user's. Prometheus refuses a whole file in which one sample stands twice: those that look
    /// the same are one.
    private static func rows(_ name: String, _ counts: [String: UInt64]) -> [(labels: String, value: String)] {
        var sums: [String: UInt64] = [:]
        for (key, count) in counts {
            let (sum, overflow) = sums[label(key), default: 0].addingReportingOverflow(count)
            sums[label(key)] = overflow ? .max : sum
        }
        return sums.sorted { $0.key < $1.key }.map { ("{\(name)=\"\($0.key)\"}", String($0.value)) }
    }

    /// Quotes and backslashes escaped as Prometheus reads them, controls made visible.
    private static func label(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in TerminalText.escaped(text).unicodeScalars {
            if scalar == "\"" || scalar == "\\" { result.append("\\") }
            result.append(scalar)
        }
        return String(result)
    }
}
