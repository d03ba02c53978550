/// What is done again and again: the shortest sequence that, repeated, is most of what was seen.
///
/// Pure: numbers in, places out. A number stands for all that is the same each time (a call and how it ended). An
/// occasional extra one, or one that is missing, breaks the round it is in and no other.
public struct RoundFinder: Sendable {
    public struct Rounds: Sendable, Equatable {
        /// One round.
        public var pattern: [Int]
        /// Of each round that was seen whole: the run it is in, and the place of each number of the pattern there.
        public var places: [(run: Int, places: [Int])]
        /// Which part of all numbers these rounds are.
        public var coverage: Double
        /// Several of the same in a row count as one.
        public var isFolded: Bool

        /// So few would be chance.
        var isEnough: Bool { places.count >= 3 || (places.count == 2 && coverage >= 0.8) }

        public static func == (a: Rounds, b: Rounds) -> Bool {
            a.pattern == b.pattern && a.coverage == b.coverage && a.isFolded == b.isFolded
                && a.places.elementsEqual(b.places) { $0.run == $1.run && $0.places == $1.places }
        }
    }

    /// Of a pattern.
    public static let longest = 64
    /// Rounds must be this part of what was seen.
    public static let leastCoverage = 0.6
    /// A pattern that explains so much less than the best is another one.
    private static let slack = 0.05

    public init() {}

    /// - Parameter runs: each a sequence without a gap.
    /// - Returns: `nil` if nothing is repeated.
    public func find(_ runs: [[Int]]) -> Rounds? {
        let plain = rounds(runs, isFolded: false)
        // as often as it takes, and then the next: how often varies from round to round
        let folded = runs.map(fold)
        guard folded.contains(where: { !$0.isEmpty }),
            var rounds = rounds(folded.map { $0.map(\.number) }, isFolded: true)
        else { return plain }
        if let plain {
            // a short round that is made in several ways says more than a long one in which each way comes once
            let isShorter = rounds.pattern.count * 2 <= plain.pattern.count && plain.pattern.count > 16
            guard isShorter, rounds.coverage >= plain.coverage - Self.slack else { return plain }
        }
        for index in rounds.places.indices {
            let run = folded[rounds.places[index].run]
            rounds.places[index].places = rounds.places[index].places.map { run[$0].place }
        }
        return rounds
    }

    private func fold(_ run: [Int]) -> [(number: Int, place: Int)] {
        run.indices.filter { $0 == 0 || run[$0] != run[$0 - 1] }.map { (run[$0], $0) }
    }

    private func rounds(_ runs: [[Int]], isFolded: Bool) -> Rounds? {
        let total = runs.reduce(0) { $0 + $1.count }
        guard total >= 2 else { return nil }
        let sample = sample(runs)
        var candidates: [(length: Int, likeness: Double)] = []
        for length in 1...min(Self.longest, max(total / 2, 1)) {
            candidates.append((length, likeness(sample, at: length)))
        }
        let most = candidates.map(\.likeness).max() ?? 0
        var best: Rounds?
        // those that look most alike at their distance, the shortest first
        for (length, _) in candidates.filter({ $0.likeness >= max(0.25, most - 0.35) }).prefix(24) {
            for pattern in commonest(sample, length) {
                let rounds = follow(primitive(pattern), in: runs, total, isFolded)
                guard rounds.isEnough else { continue }
                if rounds.coverage > (best?.coverage ?? 0) + Self.slack { best = rounds }
            }
        }
        guard var best else { return nil }
        // where it begins decides what an extra number in between breaks
        for turn in best.pattern.indices.dropFirst() {
            let turned = Array(best.pattern[turn...] + best.pattern[..<turn])
            let rounds = follow(turned, in: runs, total, isFolded)
            if rounds.coverage > best.coverage { best = rounds }
        }
        return best.coverage >= Self.leastCoverage ? best : nil
    }

    /// As much as it takes to see what is repeated.
    private func sample(_ runs: [[Int]]) -> [[Int]] {
        var left = 600
        var sample: [[Int]] = []
        for run in runs where left > 0 {
            sample.append(Array(run.prefix(left)))
            left -= run.count
        }
        return sample
    }

    /// Which part of the numbers are the same so many places further on.
    private func likeness(_ runs: [[Int]], at distance: Int) -> Double {
        var same = 0
        var compared = 0
        for run in runs where run.count > distance {
            for place in 0..<run.count - distance where run[place] == run[place + distance] { same += 1 }
            compared += run.count - distance
        }
        return compared == 0 ? 0 : Double(same) / Double(compared)
    }

    /// Of all sequences of that length those that are there most often, wherever they begin.
    private func commonest(_ runs: [[Int]], _ length: Int) -> [[Int]] {
        var counts: [[Int]: Int] = [:]
        for run in runs where run.count >= length {
            for start in 0...run.count - length { counts[turned(Array(run[start..<start + length])), default: 0] += 1 }
        }
        let ordered = counts.sorted { a, b in
            a.value != b.value ? a.value > b.value : a.key.lexicographicallyPrecedes(b.key)
        }
        return ordered.prefix(3).map(\.key)
    }

    /// The least of its rotations.
    private func turned(_ pattern: [Int]) -> [Int] {
        var best = 0
        for start in pattern.indices.dropFirst() {
            for offset in pattern.indices {
                let (a, b) = (pattern[(start + offset) % pattern.count], pattern[(best + offset) % pattern.count])
                if a != b {
                    if a < b { best = start }
                    break
                }
            }
        }
        return Array(pattern[best...] + pattern[..<best])
    }

    /// The shortest that makes it by being repeated.
    private func primitive(_ pattern: [Int]) -> [Int] {
        for length in 1..<max(pattern.count, 1) where pattern.count.isMultiple(of: length) {
            if pattern.indices.allSatisfy({ pattern[$0] == pattern[$0 % length] }) { return Array(pattern[..<length]) }
        }
        return pattern
    }

    /// All rounds, one behind the other, each with a few others in between at the most.
    func follow(_ pattern: [Int], in runs: [[Int]], _ total: Int, _ isFolded: Bool) -> Rounds {
        let patience = pattern.count / 2
        var found: [(run: Int, places: [Int])] = []
        for (index, run) in runs.enumerated() {
            var start = 0
            while start + pattern.count <= run.count {
                guard let places = match(pattern, run, from: start, patience) else {
                    start += 1
                    continue
                }
                found.append((index, places))
                start = places[places.count - 1] + 1
            }
        }
        return Rounds(
            pattern: pattern, places: found,
            coverage: total == 0 ? 0 : Double(found.count * pattern.count) / Double(total), isFolded: isFolded)
    }

    private func match(_ pattern: [Int], _ run: [Int], from start: Int, _ patience: Int) -> [Int]? {
        guard run[start] == pattern[0] else { return nil }
        var places = [start]
        var place = start + 1
        var skipped = 0
        for number in pattern.dropFirst() {
            while place < run.count, run[place] != number {
                place += 1
                skipped += 1
                if skipped > patience { return nil }
            }
            guard place < run.count else { return nil }
            places.append(place)
            place += 1
        }
        return places
    }
}

extension RoundFinder.Rounds {
    /// The same with another beginning: the number at `place` of the pattern comes last. Rounds are counted anew.
    func ending(with place: Int, in runs: [[Int]]) -> RoundFinder.Rounds {
        let next = (place + 1) % pattern.count
        guard next != 0 else { return self }
        let turned = Array(pattern[next...] + pattern[..<next])
        let total = runs.reduce(0) { $0 + $1.count }
        guard !isFolded else { return self }
        let rounds = RoundFinder().follow(turned, in: runs, total, false)
        return rounds.places.count * 10 >= places.count * 8 || rounds.places.count + 1 >= places.count ? rounds : self
    }
}
