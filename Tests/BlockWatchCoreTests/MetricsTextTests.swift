import Testing

@testable import BlockWatchCore

@Suite struct `The file for Prometheus` {
    private func lines(hidden: [String: UInt64]) -> [Substring] {
        var totals = Totals()
        totals.hidden = hidden
        return MetricsText.text(
            open: 1, totals: totals, threads: 2, scanNanoseconds: 1_500_000_000,
            usage: OwnUsage(cpuNanoseconds: 5, residentBytes: 6)
        ).split(separator: "\n")
    }

    @Test func `names of rules are escaped, and those that look the same are one sample`() {
        let rows = lines(hidden: [
            "ignore.a\"b": 1, "ignore.a\\b": 2, "ignore.a\nb": 3, "ignore.a\\\\nb": 4, "ignore.a\\nb": 5,
        ])
        .filter { $0.hasPrefix("blockwatch_hidden_total") }
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
}
