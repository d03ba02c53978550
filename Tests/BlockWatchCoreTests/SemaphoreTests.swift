import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// System V semaphores that are used as locks, and those that are not.
@Suite struct `Who has a semaphore`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private static let operations = RiskyQuestion.memory(pid: 7, address: 0x1000, length: 6)
    private static let semaphore = RiskyQuestion.semaphore(pid: 7, set: 5, number: 0)
    private static let taken: [UInt8] = [0, 0, 0xff, 0xff, 0, 0]

    private func waiter(_ pid: UInt32 = 7, count: UInt64 = 1) throws -> CallRecord {
        try thread(pid) {
            $0.number = 65
            $0.class_ = 9
            $0.fd = -1
            $0.args = (5, 0x1000, count, 0, 0, 0)
        }
    }

    private func answer(value: Int64 = 0, pid: Int64, used: Int64 = 60, set: Int64 = 90, age: Int64) -> RiskyAnswer {
        .bytes(
            [value, pid, used, set, age].flatMap { field in (0..<8).map { UInt8(truncatingIfNeeded: field >> (8 * $0)) }
            })
    }

    private func finding(
        _ state: RiskyAnswer, _ source: ListedHolders = ListedHolders(), operations: [UInt8] = Self.taken,
        waiter: CallRecord? = nil
    ) throws -> Finding {
        var memory = ListedAnswers()
        let waiter = try waiter ?? self.waiter()
        memory.answers = [
            Self.operations: .bytes(operations), Self.semaphore: state,
            .memory(pid: 7, address: 0x1000, length: 12): .bytes(operations),
        ]
        var findings = findings([waiter], source, memory: memory)
        let found = findings.finding(of: 7)
        return try #require(found)
    }

    @Test func `left taken by a process that has died, it can be released by nobody`() throws {
        let finding = try finding(answer(pid: 9, age: -1))
        #expect(finding.reason == .ownerGone)
        #expect(finding.rule == .lock)
        #expect(finding.root.value?.kind == .nobody)
        #expect(finding.chain.hasSuffix(" <- nobody has it: its last holder, process 9, has died"))
        #expect(finding.evidence == ["rule=lock", "last taken by 9, which has died"])
        #expect(finding.holders.isEmpty && finding.unresolved.isEmpty)
    }

    @Test func `a process that began after it was taken only has the number of the one that took it`() throws {
        var source = ListedHolders()
        source.views = [.process(9): [try thread(9)]]
        #expect(try finding(answer(pid: 9, used: 60, age: 30), source).reason == .ownerGone)
        // seconds are whole on both sides
        #expect(try finding(answer(pid: 9, used: 60, age: 59), source).reason == .lockHeld)
    }

    @Test func `a holder that lives is told with what it does, one that is a zombie has died`() throws {
        let sleeper = try thread(9) {
            $0.number = 35
            $0.class_ = 6
        }
        var source = ListedHolders()
        source.views = [.process(9): [sleeper]]
        let held = try finding(answer(pid: 9, age: 100), source)
        #expect(held.reason == .lockHeld)
        #expect(held.holders.map(\.pid) == [9])
        #expect(held.holders[0].role == .lockHolder)
        #expect(held.chain == "cat[7] semop semaphore set 5 <- cat[9] sleeping")
        #expect(held.evidence == ["rule=lock", "last taken by 9"])
        source.views = [.process(9): [try thread(9) { $0.state = 0x20 }]]
        #expect(try finding(answer(pid: 9, age: 100), source).reason == .ownerGone)
        source.views = [:]
        let unseen = try finding(answer(pid: 9, age: 100), source)
        #expect(unseen.reason == .unknown)
        #expect(unseen.unresolved == ["holders=process_gone"])
    }

    @Test func `a circle of semaphores is told, and proves no deadlock`() throws {
        let one = try waiter()
        let other = try thread(9) {
            $0.number = 65
            $0.class_ = 9
            $0.fd = -1
            $0.args = (6, 0x1000, 1, 0, 0, 0)
        }
        var source = ListedHolders()
        source.views = [.process(9): [other], .process(7): [one]]
        var memory = ListedAnswers()
        memory.answers = [
            Self.operations: .bytes(Self.taken), Self.semaphore: answer(pid: 9, age: 100),
            .memory(pid: 9, address: 0x1000, length: 6): .bytes(Self.taken),
            .semaphore(pid: 9, set: 6, number: 0): answer(pid: 7, age: 100),
        ]
        var findings = findings([one, other], source, memory: memory)
        let found = findings.finding(of: 7)
        let finding = try #require(found)
        #expect(findings.deadlocks.isEmpty)
        #expect(finding.reason == .lockHeld)
        #expect(finding.chain.hasSuffix("back to cat[7]"))
    }

    @Test func `the other customary lock waits for zero and counts up`() throws {
        let zeroThenUp: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
        let waiter = try waiter(count: 2)
        #expect(
            try finding(answer(value: 1, pid: 9, age: -1), operations: zeroThenUp, waiter: waiter).reason == .ownerGone)
        #expect(
            try finding(answer(value: 2, pid: 9, age: -1), operations: zeroThenUp, waiter: waiter).reason == .unknown)
    }

    @Test func `a count of something has no holder`() throws {
        // two at once, a wait for zero, one that goes up
        for change: [UInt8] in [[0xfe, 0xff], [0, 0], [1, 0]] {
            #expect(try finding(answer(pid: 9, age: -1), operations: [0, 0] + change + [0, 0]).reason == .unknown)
        }
        // not used since it was set by hand; never used; higher than a lock that is taken
        for answer in [
            answer(pid: 9, used: 90, set: 60, age: -1), answer(pid: 9, used: -1, age: -1),
            answer(value: 1, pid: 9, age: -1),
        ] { #expect(try finding(answer).reason == .unknown) }
        // taken last by the waiter itself, or by one that waits for it too
        #expect(try finding(answer(pid: 7, age: 100)).holders.isEmpty)
        var source = ListedHolders()
        source.views = [.process(9): [try waiter(9)]]
        let finding = try finding(answer(pid: 9, age: 100), source)
        #expect(finding.holders.isEmpty && finding.reason == .unknown && finding.unresolved == ["root=not_recorded"])
    }

    @Test func `what was not found out is said, and nobody is blamed`() throws {
        for (answer, gap) in [
            (RiskyAnswer.failed(13), "not_permitted"), (.failed(18), "not_permitted"), (.failed(11), "in_flight"),
            (.timedOut, "timed_out"), (.bytes([1, 2]), "in_flight"), (self.answer(pid: 0, age: -1), "not_permitted"),
        ] {
            let finding = try finding(answer)
            #expect(finding.reason == .unknown)
            #expect(finding.unresolved == ["holders=\(gap)"])
        }
    }
}
