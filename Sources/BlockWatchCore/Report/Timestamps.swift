/// Times of day in the stream.
public enum Timestamp {
    /// RFC 3339 in UTC with six digits: `2026-03-01T09:05:00.000001Z`.
    ///
    /// - Parameters:
    ///   - seconds: since 1970-01-01T00:00:00Z; what lies outside the years 0 to 9999 becomes their first or last
    ///     instant.
    ///   - nanoseconds: added to the seconds, rounded down to microseconds; negative or past a second is carried over.
    public static func rfc3339(seconds: Int64, nanoseconds: Int64) -> String {
        let billion: Int64 = 1_000_000_000
        // Floor division: -1 ns is the last nanosecond of the second before.
        let carry = nanoseconds / billion - (nanoseconds % billion < 0 ? 1 : 0)
        var fraction = nanoseconds % billion
        if fraction < 0 { fraction += billion }
        var (instant, overflow) = seconds.addingReportingOverflow(carry)
        if overflow { instant = carry < 0 ? Int64.min : Int64.max }

        let first: Int64 = -62_167_219_200  // 0000-01-01T00:00:00Z
        let last: Int64 = 253_402_300_799  // 9999-12-31T23:59:59Z
        if instant < first { (instant, fraction) = (first, 0) }
        if instant > last { (instant, fraction) = (last, billion - 1) }

        let sinceFirst = instant - first
        let (year, month, day) = civil(daysSinceYear0: sinceFirst / 86_400)
        let second = sinceFirst % 86_400
        var text: [UInt8] = []
        text.reserveCapacity(27)
        append(year, digits: 4, to: &text)
        text.append(UInt8(ascii: "-"))
        append(month, digits: 2, to: &text)
        text.append(UInt8(ascii: "-"))
        append(day, digits: 2, to: &text)
        text.append(UInt8(ascii: "T"))
        append(second / 3_600, digits: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        append(second / 60 % 60, digits: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        append(second % 60, digits: 2, to: &text)
        text.append(UInt8(ascii: "."))
        append(fraction / 1_000, digits: 6, to: &text)
        text.append(UInt8(ascii: "Z"))
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads RFC 3339: `2026-03-01T09:05:00.000001Z`, `2026-03-01 10:05:00+01:00`; a leap second counts as the one before.
    ///
    /// - Returns: nanoseconds since 1970; `nil` for anything else, also for what lies outside of 1970 to 2554.
    public static func nanoseconds(rfc3339 text: some Collection<UInt8>) -> UInt64? {
        let bytes = Array(text)
        var at = 0
        func digits(_ count: Int) -> Int64? {
            guard at + count <= bytes.count else { return nil }
            var value: Int64 = 0
            for byte in bytes[at..<at + count] {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            }
            at += count
            return value
        }
        func sign(_ allowed: String) -> UInt8? {
            guard at < bytes.count, allowed.utf8.contains(bytes[at]) else { return nil }
            at += 1
            return bytes[at - 1]
        }
        guard let year = digits(4), sign("-") != nil, let month = digits(2), sign("-") != nil, let day = digits(2),
            sign("Tt ") != nil, let hour = digits(2), sign(":") != nil, let minute = digits(2), sign(":") != nil,
            let second = digits(2)
        else { return nil }
        var nanosecond: Int64 = 0
        if sign(".") != nil {
            var unit: Int64 = 100_000_000
            guard let first = digits(1) else { return nil }
            nanosecond = first * unit
            while let digit = digits(1) {
                unit /= 10
                nanosecond += digit * unit
            }
        }
        guard let zone = sign("Zz+-") else { return nil }
        var offset: Int64 = 0
        if zone == UInt8(ascii: "+") || zone == UInt8(ascii: "-") {
            guard let hours = digits(2), sign(":") != nil, let minutes = digits(2), hours < 24, minutes < 60 else {
                return nil
            }
            offset = (hours * 60 + minutes) * (zone == UInt8(ascii: "-") ? -60 : 60)
        }
        guard at == bytes.count, (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60,
            let days = days(year, month, day)
        else { return nil }
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + min(second, 59) - offset
        guard seconds >= 0, seconds < 18_446_744_073 else { return nil }
        return UInt64(seconds) * 1_000_000_000 + UInt64(nanosecond)
    }

    /// Days since 1970-01-01; `nil` if the month has no such day.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64? {
        // the inverse of `civil`
        let shifted = year - (month <= 2 ? 1 : 0) + 400
        let yearOfEra = shifted % 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let sinceYear0 = (shifted / 400 - 1) * 146_097 + dayOfEra + 60
        let back = civil(daysSinceYear0: sinceYear0)
        return back == (year, month, day) ? sinceYear0 - 719_528 : nil
    }

    /// Days since 0000-01-01 to a date, by eras of 400 years that begin on 1 March, so that the leap day ends a year.
    /// Source: Howard Hinnant, chrono-Compatible Low-Level Date Algorithms.
    private static func civil(daysSinceYear0 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        // From 1 March of year -400 on nothing is negative: 306 days to New Year, and one era.
        let shifted = days - 60 + 146_097
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + (era - 1) * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func append(_ value: Int64, digits: Int, to text: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }
}

/// Why a duration was refused. `description` is the sentence for the user.
public enum DurationError: Error, Equatable, Sendable, CustomStringConvertible {
    case empty
    case negative(String)
    /// A number without unit: the part, and the whole text.
    case withoutUnit(String, text: String)
    case unknownUnit(String, text: String)
    /// A unit before any number, two points, a point without digits, signs, blanks.
    case malformed(String)
    /// Units go from large to small, each once.
    case repeatedUnit(String, text: String)
    case outOfOrder(String, text: String)
    /// Finer than a nanosecond.
    case tooFine(String)
    /// More than 2^64 - 1 nanoseconds, 584 years.
    case tooLong(String)

    public var description: String {
        switch self {
        case .empty: "an empty duration: write for example 5s or 500ms"
        case .negative(let text): "\(Self.shown(text)) is negative: a duration is 0 or more"
        case .withoutUnit(let part, let text):
            part == text
                ? "\(Self.shown(text)) is without unit: write \(Self.shown(text))s or \(Self.shown(text))ms"
                : "\(Self.shown(part)) in \(Self.shown(text)) is without unit: the units are d, h, m, s, ms, us, ns"
        case .unknownUnit(let unit, let text):
            "\(Self.shown(unit)) in \(Self.shown(text)) is no unit: the units are d, h, m, s, ms, us, ns"
        case .malformed(let text): "\(Self.shown(text)) is not a duration: write for example 5s, 500ms, 1m30s or 1.5s"
        case .repeatedUnit(let unit, let text): "\(Self.shown(text)) has the unit \(unit) twice"
        case .outOfOrder(let unit, let text):
            "\(Self.shown(text)) has \(unit) after a smaller unit: write the large units first, as in 1m30s"
        case .tooFine(let text): "\(Self.shown(text)) is finer than a nanosecond"
        case .tooLong(let text): "\(Self.shown(text)) is too long: 584 years is the most"
        }
    }

    private static func shown(_ text: String) -> String {
        TerminalText.cut(TerminalText.escaped(text), to: 40)
    }
}

/// Reads `500ms`, `5s`, `1m30s`, `2h`, `1d`, `1.5s`. Units: d, h, m, s, ms, us (or µs), ns, large before small.
///
/// - Returns: nanoseconds, exact; zero is a duration.
public func parseDuration(_ text: String) throws(DurationError) -> UInt64 {
    let units: [(name: String, nanoseconds: UInt64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
        ("ms", 1_000_000), ("us", 1_000), ("ns", 1),
    ]
    var rest = text.unicodeScalars[...]
    guard let first = rest.first else { throw .empty }
    if first == "-" || first == "\u{2212}" { throw .negative(text) }

    var total: UInt64 = 0
    var previous = -1
    while !rest.isEmpty {
        let number = rest.prefix { ("0"..."9").contains($0) || $0 == "." }
        guard !number.isEmpty else { throw .malformed(text) }
        rest = rest[number.endIndex...]
        let unit = rest.prefix { !("0"..."9").contains($0) && $0 != "." }
        rest = rest[unit.endIndex...]
        guard !unit.isEmpty else { throw .withoutUnit(String(number), text: text) }
        var name = String(unit)
        // The micro sign and the Greek letter.
        if name == "\u{b5}s" || name == "\u{3bc}s" { name = "us" }
        guard let position = units.firstIndex(where: { $0.name == name }) else {
            throw .unknownUnit(name, text: text)
        }
        if position == previous { throw .repeatedUnit(name, text: text) }
        if position < previous { throw .outOfOrder(name, text: text) }
        previous = position

        let amount = try nanoseconds(number, unit: units[position].nanoseconds, text: text)
        let (sum, overflow) = total.addingReportingOverflow(amount)
        if overflow { throw .tooLong(text) }
        total = sum
    }
    return total
}

/// A decimal number of units, in nanoseconds, without floating point.
private func nanoseconds(
    _ number: Substring.UnicodeScalarView, unit: UInt64, text: String
) throws(DurationError) -> UInt64 {
    let parts = number.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }), let whole = parts.first else { throw .malformed(text) }

    var total: UInt64 = 0
    for digit in whole {
        let (shifted, tooLarge) = total.multipliedReportingOverflow(by: 10)
        let (sum, carried) = shifted.addingReportingOverflow(UInt64(digit.value - 48))
        if tooLarge || carried { throw .tooLong(text) }
        total = sum
    }
    let (scaled, tooLarge) = total.multipliedReportingOverflow(by: unit)
    if tooLarge { throw .tooLong(text) }
    total = scaled

    if parts.count == 2 {
        guard let value = exactFraction(parts[1], of: unit) else { throw .tooFine(text) }
        let (sum, overflow) = total.addingReportingOverflow(value)
        if overflow { throw .tooLong(text) }
        total = sum
    }
    return total
}

/// The digits after the point as a part of the unit, nil if that is no whole number of nanoseconds.
private func exactFraction(_ digits: Substring.UnicodeScalarView, of unit: UInt64) -> UInt64? {
    var significant = Array(digits)
    while significant.last == "0" { significant.removeLast() }
    // The most any unit divides by is 10^16 (a day, 2^16 times 5^11).
    guard significant.count <= 16 else { return nil }
    var numerator: UInt64 = 0
    var denominator: UInt64 = 1
    for digit in significant {
        numerator = numerator * 10 + UInt64(digit.value - 48)
        denominator *= 10
    }
    let product = numerator.multipliedFullWidth(by: unit)
    let (quotient, remainder) = denominator.dividingFullWidth(product)
    return remainder == 0 ? quotient : nil
}
