/// Which numbers of a run's records were seen, as ranges: one while nothing is missing.
struct SequenceSet: Sendable {
    /// Past so many holes the oldest are forgotten: taken as seen.
    static let mostRanges = 4096

    private(set) var ranges: [ClosedRange<UInt64>] = []
    /// Numbers in holes that were forgotten.
    private(set) var forgotten: UInt64 = 0

    var first: UInt64? { ranges.first?.lowerBound }
    var last: UInt64? { ranges.last?.upperBound }

    /// The first range that ends at the number or behind it.
    private func place(_ number: UInt64) -> Int {
        if let last = ranges.last, last.upperBound < number { return ranges.count }
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < number { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func contains(_ number: UInt64) -> Bool {
        let place = place(number)
        return place < ranges.count && ranges[place].lowerBound <= number
    }

    /// - Returns: false if it was there already.
    @discardableResult
    mutating func insert(_ number: UInt64) -> Bool {
        let place = place(number)
        if place < ranges.count, ranges[place].lowerBound <= number { return false }
        let joinsBefore = place > 0 && ranges[place - 1].upperBound == number - 1
        let joinsAfter = place < ranges.count && ranges[place].lowerBound - 1 == number
        switch (joinsBefore, joinsAfter) {
        case (true, true):
            ranges[place - 1] = ranges[place - 1].lowerBound...ranges[place].upperBound
            ranges.remove(at: place)
        case (true, false): ranges[place - 1] = ranges[place - 1].lowerBound...number
        case (false, true): ranges[place] = number...ranges[place].upperBound
        case (false, false): ranges.insert(number...number, at: place)
        }
        if ranges.count > Self.mostRanges {
            forgotten += ranges[1].lowerBound - ranges[0].upperBound - 1
            ranges[0] = ranges[0].lowerBound...ranges[1].upperBound
            ranges.remove(at: 1)
        }
        return true
    }

    /// Something before this number is missing.
    func hasHole(before number: UInt64) -> Bool {
        guard let first = ranges.first, forgotten == 0 else { return true }
        return first.lowerBound > 1 || first.upperBound < number - 1
    }

    /// Missing between the first and the last one.
    var missing: UInt64 {
        zip(ranges, ranges.dropFirst()).reduce(forgotten) { $0 + ($1.1.lowerBound - $1.0.upperBound - 1) }
    }

    /// The first holes.
    func holes(most: Int) -> [ClosedRange<UInt64>] {
        zip(ranges, ranges.dropFirst()).prefix(most).map { $0.upperBound + 1...$1.lowerBound - 1 }
    }
}
