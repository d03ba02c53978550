import Testing

@testable import BlockWatchCore

@Suite struct `What is done again and again is found` {
    private func find(_ numbers: [Int]...) -> RoundFinder.Rounds? { RoundFinder().find(numbers) }

    /// Whether one is the other, begun elsewhere.
    private func isTurned(_ a: [Int], _ b: [Int]) -> Bool {
        a.count == b.count && (a.isEmpty || a.indices.contains { Array(a[$0...] + a[..<$0]) == b })
    }

    @Test func `one call`() throws {
        let rounds = try #require(find([7, 7, 7, 7]))
        #expect(rounds.pattern == [7])
        #expect(rounds.places.count == 4)
        #expect(rounds.coverage == 1)
    }

    @Test func `nothing, and nothing that is repeated`() {
        #expect(find() == nil)
        #expect(find([]) == nil)
        #expect(find([1]) == nil)
        #expect(find([1, 2, 3, 4, 5, 6, 7, 8]) == nil)
    }

    @Test func `two calls, wherever it begins`() throws {
        let rounds = try #require(find([2, 1, 2, 1, 2, 1, 2]))
        #expect(isTurned(rounds.pattern, [1, 2]))
        #expect(rounds.places.count == 3)
    }

    @Test func `a long round of which one number is most`() throws {
        let round = [1, 1, 1, 1, 1, 1, 1, 1, 1, 2]
        let rounds = try #require(RoundFinder().find([Array(repeating: round, count: 8).flatMap { $0 }]))
        #expect(isTurned(rounds.pattern, round))
    }

    @Test func `an extra call now and then breaks no more than its round`() throws {
        var numbers: [Int] = []
        for round in 0..<40 {
            numbers += [1, 2, 3]
            if round % 7 == 3 { numbers.append(9) }
        }
        let rounds = try #require(RoundFinder().find([numbers]))
        #expect(isTurned(rounds.pattern, [1, 2, 3]))
        #expect(rounds.places.count >= 38)
    }

    @Test func `a call that is missing now and then`() throws {
        var numbers: [Int] = []
        for round in 0..<40 { numbers += round % 8 == 5 ? [1, 3] : [1, 2, 3] }
        let rounds = try #require(RoundFinder().find([numbers]))
        #expect(isTurned(rounds.pattern, [1, 2, 3]))
        #expect(rounds.coverage > 0.8)
    }

    @Test func `how often one is made differs from round to round`() throws {
        var numbers: [Int] = []
        for round in 0..<30 { numbers += [1] + [Int](repeating: 2, count: 1 + (round * 7) % 5) + [3] }
        let rounds = try #require(RoundFinder().find([numbers]))
        #expect(rounds.isFolded)
        #expect(isTurned(rounds.pattern, [1, 2, 3]))
        #expect(rounds.places.count >= 29)
    }

    @Test func `runs with gaps between them`() throws {
        let rounds = try #require(find([1, 2, 3, 1, 2], [3, 1, 2, 3, 1], [2, 3, 1, 2, 3]))
        #expect(isTurned(rounds.pattern, [1, 2, 3]))
        for place in rounds.places { #expect(place.places == place.places.sorted()) }
    }

    // MARK: - by chance

    /// Of all sequences there are, the one that is most of it: slow, and by the definition.
    private func slowCoverage(_ run: [Int], longest: Int) -> Double {
        var best = 0.0
        for length in 1...longest where length * 2 <= run.count {
            var tried: Set<[Int]> = []
            for start in 0...run.count - length {
                let pattern = Array(run[start..<start + length])
                guard tried.insert(pattern).inserted else { continue }
                best = max(best, RoundFinder().follow(pattern, in: [run], run.count, false).coverage)
            }
        }
        return best
    }

    private struct Dice {
        var state: UInt64
        mutating func roll(_ sides: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % sides
        }
    }

    @Test func `a sequence that is repeated is found whole, and never a multiple of it`() throws {
        var dice = Dice(state: 1)
        for _ in 0..<400 {
            let length = 1 + dice.roll(12)
            let pattern = (0..<length).map { _ in dice.roll(5) }
            let shortest = (1...length).first { step in
                length.isMultiple(of: step) && pattern.indices.allSatisfy { pattern[$0] == pattern[$0 % step] }
            }
            let turn = dice.roll(length)
            let run = (0..<length * 5).map { pattern[($0 + turn) % length] }
            let rounds = try #require(RoundFinder().find([run]), "\(run)")
            #expect(
                isTurned(rounds.pattern, Array(pattern.prefix(shortest ?? length))), "\(pattern): \(rounds.pattern)")
        }
    }

    @Test func `with noise it is nearly as much as the slow model finds, and every place is as it says`() throws {
        var dice = Dice(state: 7)
        for _ in 0..<120 {
            let pattern = (0..<(2 + dice.roll(5))).map { _ in dice.roll(6) }
            var run: [Int] = []
            while run.count < 60 {
                for number in pattern where dice.roll(40) != 0 { run.append(number) }
                if dice.roll(8) == 0 { run.append(100 + dice.roll(3)) }
            }
            let slow = slowCoverage(run, longest: 12)
            guard let rounds = RoundFinder().find([run]) else {
                #expect(slow < RoundFinder.leastCoverage + 0.1, "\(run)")
                continue
            }
            if !rounds.isFolded { #expect(rounds.coverage >= slow - 0.15, "\(rounds.pattern) of \(run)") }
            var last = -1
            for (place, places) in rounds.places {
                #expect(place == 0)
                #expect(places.map { run[$0] } == rounds.pattern)
                #expect(places[0] > last && places == places.sorted())
                last = places.last ?? last
            }
        }
    }
}
