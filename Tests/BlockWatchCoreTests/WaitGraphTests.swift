import Testing

@testable import BlockWatchCore

@Suite struct `The wait-for graph` {
    @Test func `two that want each other's are a deadlock, and who waits for them is none of it`() {
        let graph = WaitGraph(waits: [[[1]], [[0]], [[0]]])
        #expect(graph.remainder() == [true, true, true])
        #expect(graph.deadlocks() == [[0, 1]])
    }

    @Test func `one writer of two that runs is enough`() {
        // 0 waits for 1 or 2, 1 waits for 0, 2 runs
        #expect(WaitGraph(waits: [[[1, 2]], [[0]], nil]).deadlocks() == [])
        #expect(WaitGraph(waits: [[[1, 2]], [[0]], [[0]]]).deadlocks() == [[0, 1, 2]])
    }

    @Test func `of a shared lock every holder must let go`() {
        // 0 waits for 1 and for 2
        #expect(WaitGraph(waits: [[[1], [2]], [[0]], nil]).deadlocks() == [[0, 1]])
        #expect(WaitGraph(waits: [[[1], [2]], nil, nil]).deadlocks() == [])
    }

    @Test func `of a lock that somebody can let go of, the others who could are no part of a circle`() {
        // 0 waits for nobody, and besides for 1 or 2; 1 waits for 0, 2 runs
        let graph = WaitGraph(waits: [[[], [1, 2]], [[0]], nil])
        #expect(graph.remainder() == [true, true, false])
        #expect(graph.deadlocks() == [])
    }

    @Test func `nobody is no circle, and a circle of one is one`() {
        #expect(WaitGraph(waits: [[[]], [[0]]]).remainder() == [true, true])
        #expect(WaitGraph(waits: [[[]], [[0]]]).deadlocks() == [])
        #expect(WaitGraph(waits: [[[0]]]).deadlocks() == [[0]])
        #expect(WaitGraph(waits: [[]]).remainder() == [false], "a wait for nothing is none")
    }

    @Test func `a long chain needs no deep stack`() {
        let count = 100_000
        var waits: [[[Int]]?] = (0..<count).map { [[($0 + 1) % count]] }
        #expect(WaitGraph(waits: waits).deadlocks() == [Array(0..<count)])
        waits[count / 2] = nil
        #expect(WaitGraph(waits: waits).deadlocks() == [])
    }

    @Test func `random graphs agree with a slow and obvious model`() {
        var random = SplitMix(state: 7)
        var found = 0
        for _ in 0..<20_000 {
            let count = Int.random(in: 1...7, using: &random)
            let waits: [[[Int]]?] = (0..<count).map { _ in
                if Int.random(in: 0..<6, using: &random) == 0 { return nil }
                return (0..<Int.random(in: 1...2, using: &random)).map { _ in
                    (0..<Int.random(in: 0...3, using: &random)).map { _ in Int.random(in: 0..<count, using: &random) }
                }
            }
            let graph = WaitGraph(waits: waits)
            let model = Model(waits: waits)
            #expect(graph.remainder() == model.remainder(), "\(waits)")
            #expect(graph.deadlocks() == model.deadlocks(), "\(waits)")
            found += graph.deadlocks().count
        }
        #expect(found > 1000, "the graphs have deadlocks in them")
    }

    /// By the words of the definition.
    struct Model {
        let waits: [[[Int]]?]

        func remainder() -> [Bool] {
            var isStuck = waits.map { $0 != nil }
            while true {
                let next = waits.indices.map { node in
                    isStuck[node] && !(waits[node]!.allSatisfy { group in group.contains { !isStuck[$0] } })
                }
                if next == isStuck { return isStuck }
                isStuck = next
            }
        }

        /// Which nodes can be reached, not counting the way of no steps.
        private func reach(_ node: Int, _ isStuck: [Bool]) -> Set<Int> {
            var seen: Set<Int> = []
            var todo = [node]
            while let at = todo.popLast() {
                for group in waits[at]! where group.allSatisfy({ isStuck[$0] }) {
                    todo += group.filter { seen.insert($0).inserted }
                }
            }
            return seen
        }

        func deadlocks() -> [[Int]] {
            let isStuck = remainder()
            var sets: Set<[Int]> = []
            for node in waits.indices where isStuck[node] {
                let there = reach(node, isStuck)
                guard there.contains(node) else { continue }
                sets.insert(there.filter { reach($0, isStuck).contains(node) }.sorted())
            }
            return sets.sorted { $0[0] < $1[0] }
        }
    }
}

/// The same numbers on every machine.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
