/// What the metrics file is made of.
public struct MetricsReading: Sendable {
    public var version = ""
    /// Nanoseconds since 1970: of the start, and of the last scan's end.
    public var startWallNanoseconds: UInt64 = 0
    public var scanWallNanoseconds: UInt64 = 0
    public var thresholdNanoseconds: UInt64 = 0
    public var open = OpenCalls()
    public var calls = CallCounts()
    public var totals = Totals()
    /// Looked at by the last scan.
    public var threads: UInt64 = 0
    public var scanNanoseconds: UInt64 = 0
    public var scanPeriodNanoseconds: UInt64 = 0
    public var usage: OwnUsage
    public var overhead: Overhead?
    /// `nil` where none are asked for.
    public var stacks: StackCounts?

    public init(usage: OwnUsage) { self.usage = usage }
}

/// Prometheus text for node_exporter's textfile collector. Every series that can be foreseen is there from the start, as
/// 0: of one that appears with its first event Prometheus would not see the event.
public struct MetricsText {
    private var text = ""

    public static func text(_ reading: MetricsReading) -> String {
        var text = MetricsText()
        text.addCalls(reading)
        text.addLosses(reading)
        text.addItself(reading)
        if let overhead = reading.overhead { text.addOverhead(overhead) }
        if let stacks = reading.stacks { text.addStacks(stacks) }
        return text.text
    }

    // MARK: - what it has

    private mutating func addCalls(_ reading: MetricsReading) {
        let open = reading.open
        metric("open_calls", "gauge", "Calls in flight past the threshold, judged or not.", "\(open.count)")
        metric(
            "blocked_calls", "gauge", "Calls in flight past the threshold, by verdict and reason.",
            Reason.allCases.map { (Self.labels($0), String(open.byReason[$0] ?? 0)) })
        metric(
            "oldest_call_seconds", "gauge", "How long the oldest of them has been blocked; 0 without one.",
            Verdict.allCases.map { ("{verdict=\"\($0.rawValue)\"}", Self.seconds(open.oldest[$0] ?? 0)) })
        metric(
            "service_blocked_calls", "gauge",
            "Calls in flight that were written, by systemd unit; the worst \(Services.most) and the rest.",
            open.boundedServices.flatMap { service in
                service.counts.sorted { $0.key.rank < $1.key.rank }.map {
                    (Self.labels(service.name, $0.key), String($0.value))
                }
            })
        metric(
            "calls_total", "counter", "Calls that were written, by their first verdict and reason.",
            Reason.allCases.map { (Self.labels($0), String(reading.calls.byReason[$0] ?? 0)) })
        metric(
            "service_calls_total", "counter",
            "Calls that were written, by systemd unit; the first \(Services.most) that came and the rest.",
            reading.calls.byService.sorted {
                ($0.key.service, $0.key.verdict.rank) < ($1.key.service, $1.key.verdict.rank)
            }.map { (Self.labels($0.key.service, $0.key.verdict), String($0.value)) })
        metric("deadlocks_total", "counter", "Deadlocks found.", String(reading.totals.deadlocks))
        let totals = reading.totals
        metric(
            "records_total", "counter", "Records written about calls.",
            [
                ("{action=\"blocked\"}", String(totals.blocked)),
                ("{action=\"still_blocked\"}", String(totals.stillBlocked)),
                ("{action=\"returned\"}", String(totals.returned)), ("{action=\"ended\"}", String(totals.ended)),
                ("{action=\"slow\"}", String(totals.slow)),
            ])
    }

    private mutating func addLosses(_ reading: MetricsReading) {
        metric(
            "hidden_total", "counter", "Calls not written because of an option.",
            Self.rows("by", reading.totals.hidden.merging(Exclusion.named.map { ($0, 0) }) { known, _ in known }))
        metric(
            "lost_total", "counter", "What may have been missed.",
            Self.rows("what", reading.totals.lost.merging(Loss.kinds.map { ($0, 0) }) { known, _ in known }))
    }

    private mutating func addItself(_ reading: MetricsReading) {
        metric("info", "gauge", "Which blockwatch this is.", [("{version=\"\(Self.label(reading.version))\"}", "1")])
        metric(
            "start_time_seconds", "gauge", "When blockwatch started, since 1970.",
            Self.seconds(reading.startWallNanoseconds))
        metric(
            "last_scan_timestamp_seconds", "gauge", "When the last scan ended, since 1970.",
            Self.seconds(reading.scanWallNanoseconds))
        metric(
            "threshold_seconds", "gauge", "Calls blocked longer are told.", Self.seconds(reading.thresholdNanoseconds))
        metric("threads", "gauge", "Threads looked at by the last scan.", String(reading.threads))
        metric("scan_seconds", "gauge", "Duration of the last scan.", Self.seconds(reading.scanNanoseconds))
        metric(
            "scan_period_seconds", "gauge", "How often it scans, unless that would cost too much.",
            Self.seconds(reading.scanPeriodNanoseconds))
        metric(
            "cpu_seconds_total", "counter", "CPU time of blockwatch itself.",
            Self.seconds(reading.usage.cpuNanoseconds))
        metric(
            "resident_bytes", "gauge", "Resident memory of blockwatch itself.", String(reading.usage.residentBytes))
        metric(
            "engine", "gauge", "Which engine runs now.",
            ["trace", "scan"].map {
                ("{engine=\"\($0)\"}", $0 == reading.overhead?.engine ?? "scan" ? "1" : "0")
            })
    }

    private mutating func addOverhead(_ overhead: Overhead) {
        func share(_ millionths: UInt64) -> String {
            "\(millionths / 1_000_000).\(String(1_000_000 + millionths % 1_000_000).dropFirst())"
        }
        metric(
            "engine_changes_total", "counter", "How often the probes were taken out or put in.",
            String(overhead.changes))
        metric(
            "system_call_overhead_seconds", "gauge", "What the probes add to one system call.",
            Self.seconds(overhead.callNanoseconds))
        if let rate = overhead.rate {
            metric("system_calls_per_second", "gauge", "System calls of the host, when last counted.", String(rate))
        }
        if let part = overhead.share {
            metric(
                "overhead_ratio", "gauge",
                "Share of all processor time that the probes take, or would take if they were in.", share(part))
        }
        if let limit = overhead.limit {
            metric("overhead_limit_ratio", "gauge", "The most that they may take.", share(limit))
        }
    }

    private mutating func addStacks(_ stacks: StackCounts) {
        metric(
            "stacks_total", "counter", "Stacks of threads that were asked for, by what became of it.",
            stacks.named.map { ("{result=\"\($0.name)\"}", String($0.count)) })
        metric(
            "stack_worker_blocked", "gauge", "1 while a worker that was killed has not ended: there are no stacks.",
            stacks.isWorkerBlocked ? "1" : "0")
    }

    // MARK: - rows

    private mutating func metric(
        _ name: String, _ kind: String, _ help: String, _ rows: [(labels: String, value: String)]
    ) {
        text += "# HELP blockwatch_\(name) \(help)\n# TYPE blockwatch_\(name) \(kind)\n"
        for row in rows { text += "blockwatch_\(name)\(row.labels) \(row.value)\n" }
    }

    private mutating func metric(_ name: String, _ kind: String, _ help: String, _ value: String) {
        metric(name, kind, help, [("", value)])
    }

    private static func seconds(_ nanoseconds: UInt64) -> String {
        let digits = String(nanoseconds % 1_000_000_000)
        return "\(nanoseconds / 1_000_000_000).\(String(repeating: "0", count: 9 - digits.count))\(digits)"
    }

    private static func labels(_ reason: Reason) -> String {
        "{verdict=\"\(reason.verdict.rawValue)\",reason=\"\(reason.rawValue)\"}"
    }

    private static func labels(_ service: String, _ verdict: Verdict) -> String {
        "{service=\"\(label(service))\",verdict=\"\(verdict.rawValue)\"}"
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
