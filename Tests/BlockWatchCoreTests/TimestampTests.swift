import Testing

@testable import BlockWatchCore

struct TimestampTests {
    @Test(
        "RFC 3339 with six digits, rounded down",
        arguments: [
            (Int64(0), Int64(0), "1970-01-01T00:00:00.000000Z"),
            (951_782_400, 999_999_999, "2000-02-29T00:00:00.999999Z"),
            (951_868_800, 0, "2000-03-01T00:00:00.000000Z"),
            (1_772_355_900, 1_999, "2026-03-01T09:05:00.000001Z"),
            (4_107_542_399, 0, "2100-02-28T23:59:59.000000Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000Z"),
            (-1, 0, "1969-12-31T23:59:59.000000Z"),
            (0, -1, "1969-12-31T23:59:59.999999Z"),
            (0, 1_500_000_000, "1970-01-01T00:00:01.500000Z"),
            (-62_135_596_800, 0, "0001-01-01T00:00:00.000000Z"),
            (-62_167_219_200, 0, "0000-01-01T00:00:00.000000Z"),
            (-62_162_035_201, 0, "0000-02-29T23:59:59.000000Z"),
        ])
    func rfc3339(seconds: Int64, nanoseconds: Int64, text: String) {
        #expect(Timestamp.rfc3339(seconds: seconds, nanoseconds: nanoseconds) == text)
    }

    @Test func yearsOutsideFourDigitsAreClampedAndNothingTraps() {
        for nanoseconds in [Int64.min, -1, 0, Int64.max] {
            #expect(
                Timestamp.rfc3339(seconds: .min, nanoseconds: nanoseconds) == "0000-01-01T00:00:00.000000Z")
            #expect(
                Timestamp.rfc3339(seconds: .max, nanoseconds: nanoseconds) == "9999-12-31T23:59:59.999999Z")
        }
        #expect(Timestamp.rfc3339(seconds: 253_402_300_800, nanoseconds: 0) == "9999-12-31T23:59:59.999999Z")
        #expect(Timestamp.rfc3339(seconds: -62_167_219_201, nanoseconds: 0) == "0000-01-01T00:00:00.000000Z")
    }

    @Test func everyDayOfFourCenturiesFollowsTheOneBefore() {
        var (year, month, day) = (1900, 1, 1)
        for days in Int64(-25_567)..<Int64(-25_567 + 146_097) {
            let text = Timestamp.rfc3339(seconds: days * 86_400 + 86_399, nanoseconds: 0)
            let expected = [year, month, day].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: "-")
            guard text == expected + "T23:59:59.000000Z" else {
                Issue.record("\(text) instead of \(expected)")
                return
            }
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            day += 1
            if day > lengths[month - 1] { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
    }

    // MARK: - Durations

    @Test(
        "durations are exact",
        arguments: [
            ("500ms", UInt64(500_000_000)), ("5s", 5_000_000_000), ("1m30s", 90_000_000_000),
            ("2h", 7_200_000_000_000), ("1d", 86_400_000_000_000), ("1.5s", 1_500_000_000), ("0s", 0),
            ("250us", 250_000), ("250µs", 250_000), ("250\u{3bc}s", 250_000), ("7ns", 7),
            ("1d2h3m4s5ms6us7ns", 93_784_005_006_007), ("0.5d", 43_200_000_000_000), ("0.1s", 100_000_000),
            ("1.000000001s", 1_000_000_001), ("0.0000000000125d", 1_080), ("1.50m", 90_000_000_000),
            ("1h1.5s", 3_601_500_000_000), ("1.0ns", 1), ("0.000000000000000000000000s", 0),
            ("18446744073709551615ns", .max), ("000000000000000000000000005s", 5_000_000_000),
        ])
    func durations(text: String, nanoseconds: UInt64) throws {
        #expect(try parseDuration(text) == nanoseconds)
    }

    @Test(
        "what is no duration is refused for its own reason",
        arguments: [
            ("", DurationError.empty), ("-5s", .negative("-5s")), ("\u{2212}5s", .negative("\u{2212}5s")),
            ("5", .withoutUnit("5", text: "5")), ("1m30", .withoutUnit("30", text: "1m30")),
            ("5x", .unknownUnit("x", text: "5x")), ("5S", .unknownUnit("S", text: "5S")),
            ("5 s", .unknownUnit(" s", text: "5 s")), ("5s ", .unknownUnit("s ", text: "5s ")),
            ("5m-3s", .unknownUnit("m-", text: "5m-3s")), ("s", .malformed("s")), (" 5s", .malformed(" 5s")),
            ("+5s", .malformed("+5s")), ("1.s", .malformed("1.s")), (".5s", .malformed(".5s")),
            ("1.2.3s", .malformed("1.2.3s")), ("1e3s", .unknownUnit("e", text: "1e3s")),
            ("5s5s", .repeatedUnit("s", text: "5s5s")), ("5s1m", .outOfOrder("m", text: "5s1m")),
            ("1us1µs", .repeatedUnit("us", text: "1us1µs")), ("0.5ns", .tooFine("0.5ns")),
            ("0.0000000001s", .tooFine("0.0000000001s")),
            ("0.3333333333333333333333d", .tooFine("0.3333333333333333333333d")),
            ("18446744073709551616ns", .tooLong("18446744073709551616ns")), ("213504d", .tooLong("213504d")),
            ("18446744073709551615ns1ns", .repeatedUnit("ns", text: "18446744073709551615ns1ns")),
            ("213503d24h", .tooLong("213503d24h")),
            ("99999999999999999999999d", .tooLong("99999999999999999999999d")), ("٥s", .malformed("٥s")),
        ])
    func refusals(text: String, error: DurationError) {
        #expect(throws: error) { try parseDuration(text) }
        #expect(!error.description.isEmpty)
    }

    @Test func aBareNumberIsRefusedWithTheHint() {
        #expect("\(DurationError.withoutUnit("5", text: "5"))" == "5 is without unit: write 5s or 5ms")
    }

    @Test func errorsCannotWriteToTheTerminal() {
        let error = #expect(throws: DurationError.self) {
            try parseDuration("5\u{1b}[31m" + String(repeating: "x", count: 999))
        }
        let text = "\(error!)"
        #expect(!text.unicodeScalars.contains("\u{1b}"))
        #expect(text.count < 200)
    }
}
