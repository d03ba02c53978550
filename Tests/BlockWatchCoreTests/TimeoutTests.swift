import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// A call's own time-out is a span from its start, however the call names it.
@Suite struct `Time-outs`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private static let second: UInt64 = 1_000_000_000
    private static let structure = RiskyQuestion.memory(pid: 7, address: 0x2000, length: 16)

    /// Of a call that began at 10 s of the monotonic clock, with a `struct timespec` at 0x2000.
    private func timeout(
        _ number: UInt32, _ args: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64), seconds: UInt64?
    ) throws -> Evidence<UInt64> {
        let record = try thread(7) {
            $0.number = number
            $0.fd = -1
            $0.args = args
        }
        var memory = ListedAnswers()
        if let seconds {
            memory.answers[Self.structure] = .bytes(
                withUnsafeBytes(of: seconds) { Array($0) } + [UInt8](repeating: 0, count: 8))
        }
        var identifier = tree.identifier(.none)
        let calls = identifier.identify([record], clock: clock, isBrief: true, risky: &memory)
        return try #require(calls.first?.call).timeout
    }

    @Test func `a moment of the wall clock or of the monotonic one is the span that it leaves`() throws {
        let wallAtStart: UInt64 = 1_700_000_010
        func futex(_ operation: UInt64, _ seconds: UInt64?) throws -> Evidence<UInt64> {
            try timeout(202, (0x1000, operation, 2, 0x2000, 0, .max), seconds: seconds)
        }
        #expect(try futex(9 | 0x80 | 0x100, wallAtStart + 10) == .known(10 * Self.second))
        #expect(try futex(9 | 0x80, 10 + 7) == .known(7 * Self.second))
        #expect(try futex(0x80, 60) == .known(60 * Self.second), "FUTEX_WAIT names a span")
        #expect(try futex(6 | 0x80, wallAtStart + 3) == .known(3 * Self.second), "FUTEX_LOCK_PI: the wall clock")
        #expect(try futex(9 | 0x80 | 0x100, 5) == .known(0), "it has passed before the call began")
        func sleep(_ clock: UInt64, _ flags: UInt64, _ seconds: UInt64) throws -> Evidence<UInt64> {
            try timeout(230, (clock, flags, 0x2000, 0, 0, 0), seconds: seconds)
        }
        #expect(try sleep(0, 1, wallAtStart + 86_400) == .known(86_400 * Self.second))
        #expect(try sleep(1, 1, 10 + 20) == .known(20 * Self.second))
        #expect(try sleep(1, 0, 20) == .known(20 * Self.second), "without TIMER_ABSTIME a span")
    }

    @Test func `none is known to be none, and one that was not read is not`() throws {
        #expect(try timeout(202, (0x1000, 9 | 0x80, 2, 0, 0, .max), seconds: nil) == .absent)
        #expect(try timeout(202, (0x1000, 9 | 0x80, 2, 0x2000, 0, .max), seconds: nil).gap != nil)
    }

    @Test func `a wait until a moment that has passed by more than a second and a tenth is overdue`() throws {
        func reason(deadline: UInt64) throws -> Reason? {
            let record = try thread(7) {
                $0.number = 202
                $0.class_ = 5
                $0.fd = -1
                $0.args = (0x1000, 9 | 0x80, 2, 0x2000, 0, .max)
            }
            let memory = ListedAnswers(answers: [
                Self.structure: .bytes(
                    withUnsafeBytes(of: deadline) { Array($0) } + [UInt8](repeating: 0, count: 8)),
                .memory(pid: 7, address: 0x1000 - FutexOwner.before, length: FutexOwner.length): .bytes(
                    [UInt8](repeating: 0, count: 72)),
            ])
            var findings = findings([record], ListedHolders(), memory: memory)
            return findings.finding(of: 7)?.reason
        }
        // it is 15 s
        #expect(try reason(deadline: 13) == .overdue)
        #expect(try reason(deadline: 14) == .parked)
        #expect(try reason(deadline: 3600) == .parked)
    }
}
