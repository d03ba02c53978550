import Testing

@testable import BlockWatchCore

@Suite struct `The file for Prometheus` {
    private func lines(hidden: [String: UInt64]) -> [Substring] {
        var reading = MetricsReading(usage: OwnUsage(cpuNanoseconds: 5, residentBytes: 6))
        reading.totals.hidden = hidden
        reading.scanNanoseconds = 1_500_000_000
        return MetricsText.text(reading).split(separator: "\n")
    }

    @Test func `names of rules are escaped, and those that look the same are one sample`() {
        let rows = lines(hidden: [
            "ignore.a\"b": 1, "ignore.a\\b": 2, "ignore.a\nb": 3, "ignore.a\\\\nb": 4, "ignore.a\\nb": 5,
        ])
        .filter { $0.hasPrefix("blockwatch_hidden_total{by=\"ignore.") }
        #expect(
            rows == [
                #"blockwatch_hidden_total{by="ignore.a\"b"} 1"#, #"blockwatch_hidden_total{by="ignore.a\\\\nb"} 4"#,
                #"blockwatch_hidden_total{by="ignore.a\\b"} 2"#, #"blockwatch_hidden_total{by="ignore.a\\nb"} 8"#,
            ])
    }

    @Test func `times are seconds`() {
        #expect(lines(hidden: [:]).contains("blockwatch_scan_seconds 1.500000000"))
        #expect(lines(hidden: [:]).contains("blockwatch_cpu_seconds_total 0.000000005"))
    }

    @Test func `every reason, verdict and loss is there before its first event`() {
        let lines = lines(hidden: [:]).map(String.init)
        for reason in Reason.allCases {
            let labels = #"{verdict="\#(reason.verdict.rawValue)",reason="\#(reason.rawValue)"}"#
            #expect(lines.contains("blockwatch_blocked_calls\(labels) 0"))
            #expect(lines.contains("blockwatch_calls_total\(labels) 0"))
        }
        for verdict in Verdict.allCases {
            #expect(lines.contains(#"blockwatch_oldest_call_seconds{verdict="\#(verdict.rawValue)"} 0.000000000"#))
        }
        for what in ["records", "lines", "scans"] {
            #expect(lines.contains(#"blockwatch_lost_total{what="\#(what)"} 0"#))
        }
        for option in ["verdict", "filter", "new_only", "busy_after", "over", "max_rate"] {
            #expect(lines.contains(#"blockwatch_hidden_total{by="\#(option)"} 0"#))
        }
        #expect(lines.contains("blockwatch_deadlocks_total 0"))
    }

    @Test func `stacks are counted where somebody asks for them`() {
        #expect(!lines(hidden: [:]).contains { $0.contains("stack") })
        var reading = MetricsReading(usage: OwnUsage(cpuNanoseconds: 0, residentBytes: 0))
        reading.stacks = StackCounts()
        reading.stacks?.taken = 3
        reading.stacks?.isWorkerBlocked = true
        let rows = MetricsText.text(reading).split(separator: "\n").filter { $0.hasPrefix("blockwatch_stack") }
        #expect(
            rows == [
                #"blockwatch_stacks_total{result="taken"} 3"#, #"blockwatch_stacks_total{result="late"} 0"#,
                #"blockwatch_stacks_total{result="failed"} 0"#, #"blockwatch_stacks_total{result="moved"} 0"#,
                #"blockwatch_stacks_total{result="skipped"} 0"#, "blockwatch_stack_worker_blocked 1",
            ])
    }

    @Test func `of more services than there is room for the worst are named, and the rest is one`() {
        var reading = MetricsReading(usage: OwnUsage(cpuNanoseconds: 0, residentBytes: 0))
        for number in 0..<Services.most + 7 {
            reading.open.byService["s\(number).service"] = [.waiting: UInt64(number) + 1]
        }
        reading.open.byService["bad.service"] = [.stuck: 1, .waiting: 2]
        let rows = MetricsText.text(reading).split(separator: "\n").filter {
            $0.hasPrefix("blockwatch_service_blocked_calls{")
        }
        #expect(rows.count == Services.most + 2, "one service with two verdicts, and the others")
        #expect(rows.first == #"blockwatch_service_blocked_calls{service="bad.service",verdict="stuck"} 1"#)
        // 1 to 8: those with the fewest
        #expect(rows.last == #"blockwatch_service_blocked_calls{service="other",verdict="waiting"} 36"#)
    }
}
