import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// Every way of a call through its states, also those that cannot be.
@Suite struct `The ledger of open calls`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private static let second: UInt64 = 1_000_000_000
    private static let now: UInt64 = 15_000_000_000

    private func ledger(repeating: UInt64? = 10_000_000_000) -> CallLedger {
        CallLedger(repeatNanoseconds: repeating)
    }

    /// Thread and call of that number, blocked since 10 s.
    private func seen(
        _ id: UInt32 = 7, tid: UInt32? = nil, _ change: @escaping (inout bw_call) -> Void = { _ in }
    ) throws -> Sighting {
        let record = try thread(id) {
            $0.pid = tid ?? id
            change(&$0)
        }
        var identifier = tree.identifier(.none)
        var risky = ListedAnswers()
        return (record, identifier.identify([record], clock: clock, isBrief: true, risky: &risky)[0])
    }

    private func look(
        _ reason: Reason = .lockHeld, at: UInt64 = Self.now, isSettled: Bool = false, behind chain: String? = "a"
    ) -> LedgerEntry.LastLook {
        LedgerEntry.LastLook(chainID: chain, at: at, reason: reason, isSettled: isSettled)
    }

    private func account(_ sighting: Sighting, _ reason: Reason = .lockHeld) -> LedgerEntry.Account {
        var finding = Finding()
        finding.reason = reason
        return LedgerEntry.Account(sighting.call, finding)
    }

    private func returned(_ id: UInt64 = 7, at: UInt64 = 16_000_000_000, _ result: Int64 = 1) -> ClosedRecord {
        ClosedRecord(call: id, reason: .returned, nowNanoseconds: at, result: result)
    }

    /// The states, as words.
    private func state(_ ledger: CallLedger, _ id: UInt64 = 7) -> String {
        guard let call = ledger[id] else { return "out" }
        switch call.state {
        case .queued: return "queued"
        case .hidden: return "hidden"
        case .unwritten: return ledger.queue.contains(id) ? "unwritten, in the queue" : "unwritten"
        case .written: return ledger.queue.contains(id) ? "written, in the queue" : "written"
        case .over: return "over"
        }
    }

    private static let states = [
        "out", "queued", "hidden", "unwritten", "unwritten, in the queue", "written", "written, in the queue", "over",
    ]

    /// A ledger with call 7 in that state.
    private func ledger(in state: String) throws -> CallLedger {
        var ledger = ledger()
        let sighting = try seen()
        if state == "out" { return ledger }
        ledger.open(sighting, hidden: state == "hidden" ? .passing : nil, at: Self.now)
        if state == "over" { #expect(ledger.close(returned()) == nil) }
        if state.hasPrefix("unwritten") || state.hasPrefix("written") {
            _ = ledger.takeQueue()
            ledger.looked(at: 7, look())
        }
        if state.hasPrefix("written") { #expect(ledger.write(7, account(sighting), at: Self.now) == true) }
        if state.hasSuffix("queue") { ledger.enqueue(sighting) }
        #expect(self.state(ledger) == state)
        return ledger
    }

    /// What becomes of a call by one event, from each of ``states``.
    private func outcomes(_ event: (inout CallLedger) throws -> Void) throws -> [String] {
        try Self.states.map { from in
            var ledger = try ledger(in: from)
            try event(&ledger)
            return state(ledger)
        }
    }

    // MARK: - every event from every state

    @Test func `opened: only what is not open; the kernel side may say it twice`() throws {
        let ends = try outcomes { $0.open(try self.seen(), at: Self.now) }
        #expect(ends == ["queued"] + Self.states.dropFirst())
    }

    @Test func `opened and left out: hidden, and nothing of what is open`() throws {
        let ends = try outcomes { $0.open(try self.seen(), hidden: .lasting, at: Self.now) }
        #expect(ends == ["hidden"] + Self.states.dropFirst())
    }

    @Test func `opened when it is over: it waits for its look, if it is not open`() throws {
        let ends = try outcomes { _ = $0.open(over: try self.seen()) }
        #expect(ends == ["over"] + Self.states.dropFirst())
    }

    @Test func `seen again: in the queue, if it is open`() throws {
        let ends = try outcomes { $0.enqueue(try self.seen()) }
        #expect(
            ends == [
                "out", "queued", "queued", "unwritten, in the queue", "unwritten, in the queue",
                "written, in the queue", "written, in the queue", "over",
            ])
    }

    @Test func `looked at: what is over stays so, what is written too`() throws {
        let ends = try outcomes {
            _ = $0.takeQueue()
            $0.looked(at: 7, self.look(.peerGone))
        }
        #expect(
            ends == ["out", "unwritten", "unwritten", "unwritten", "unwritten", "written", "written", "over"])
    }

    @Test func `written: once, after a look, and not if it is over`() throws {
        var accepted: [String] = []
        let sighting = try seen()
        let ends = try outcomes { ledger in
            let from = state(ledger)
            if ledger.write(7, account(sighting), at: Self.now) { accepted.append(from) }
        }
        #expect(accepted == ["unwritten", "unwritten, in the queue"])
        #expect(
            ends == [
                "out", "queued", "hidden", "written", "written, in the queue", "written", "written, in the queue",
                "over",
            ])
    }

    @Test func `revised: only what is written`() throws {
        let sighting = try seen()
        var revised: [String] = []
        let ends = try outcomes { ledger in
            ledger.revise(7, account(sighting, .peerGone))
            if ledger[7]?.account?.finding?.reason == .peerGone { revised.append(state(ledger)) }
        }
        #expect(ends == Self.states)
        #expect(revised == ["written", "written, in the queue"])
    }

    @Test func `dropped by the output: its end is not written either`() throws {
        let ends = try outcomes { $0.unwrite(7) }
        #expect(
            ends == [
                "out", "queued", "hidden", "unwritten", "unwritten, in the queue", "unwritten",
                "unwritten, in the queue", "over",
            ])
    }

    @Test func `closed: out, unless its first record waits for a look`() throws {
        var out: [String] = []
        let ends = try outcomes { ledger in
            let from = state(ledger)
            if ledger.close(returned()) != nil { out.append(from) }
        }
        #expect(ends == ["out", "over", "out", "out", "over", "out", "out", "over"])
        #expect(out == ["hidden", "unwritten", "written", "written, in the queue"])
    }

    @Test func `settled: only what is over`() throws {
        let ends = try outcomes { $0.settle(7) }
        #expect(ends == Self.states.dropLast() + ["out"])
    }

    // MARK: - closings

    @Test func `a written call leaves with what its records say`() throws {
        var ledger = try ledger(in: "written")
        ledger.revise(7, account(try seen(), .peerGone))
        let closed = ledger.close(returned())
        let gone = try #require(closed)
        #expect(gone.account?.finding?.reason == .peerGone)
        #expect(gone.duration(at: 16_000_000_000) == 6 * Self.second)
        #expect(gone.duration(at: 3) == 0)
        #expect(ledger.isEmpty)
        #expect(ledger.close(returned()) == nil, "a second closing finds nothing")
        ledger.forgetEarlyClosings(at: 60 * Self.second)
        #expect(ledger.isEmpty)
    }

    @Test func `closed twice before its look, the last closing counts`() throws {
        var ledger = try ledger(in: "over")
        let vanished = ClosedRecord(call: 7, reason: .ended, nowNanoseconds: 17_000_000_000, result: 0)
        #expect(ledger.close(vanished) == nil)
        #expect(ledger[7]?.closing == vanished)
    }

    @Test func `a closing that overtakes its opening makes it over, and a hidden call is out at once`() throws {
        var ledger = ledger()
        #expect(ledger.close(returned()) == nil)
        #expect(try ledger.open(seen(), at: Self.now) == nil)
        #expect(ledger[7]?.closing == returned())
        #expect(ledger.close(returned(8)) == nil)
        let gone = ledger.open(try seen(8), hidden: .lasting, at: Self.now)
        #expect(gone?.closing == returned(8))
        #expect(state(ledger, 8) == "out")
    }

    @Test func `a closing without an opening is forgotten after 10 s`() throws {
        var ledger = ledger()
        _ = ledger.close(returned())
        ledger.forgetEarlyClosings(at: 25_999_999_999)
        #expect(!ledger.isEmpty)
        ledger.forgetEarlyClosings(at: 26_000_000_000)
        #expect(ledger.isEmpty)
    }

    // MARK: - the queue

    @Test func `what is over is apart in the queue, the first sighting counts, the order is kept`() throws {
        var ledger = ledger()
        for id in [9, 7, 8] as [UInt32] { ledger.open(try seen(id), at: Self.now) }
        ledger.enqueue(try seen(9) { $0.now_ns = 20_000_000_000 })
        _ = ledger.close(returned())
        let (inFlight, over, ids) = ledger.takeQueue()
        #expect(inFlight.map(\.call.id) == [9, 8])
        #expect(inFlight[0].record.nowNanoseconds == Self.now)
        #expect(over.map(\.call.id) == [7])
        #expect(ids == [7, 8, 9])
        #expect(ledger.queue.isEmpty)
    }

    @Test func `so many calls of one thread that are over wait, and no more`() throws {
        var ledger = ledger()
        let accepted = try (1...6).map { ledger.open(over: try seen($0, tid: 50)) }
        #expect(accepted == [true, true, true, true, false, false])
        #expect(try ledger.open(over: seen(7, tid: 51)) == true)
        _ = ledger.takeQueue()
        #expect(try ledger.open(over: seen(8, tid: 50)) == true)
    }

    // MARK: - what is counted

    @Test func `a dying thread's call that is closed before it is written is checked no more`() throws {
        var ledger = ledger()
        let dying = try seen { $0.kind = BW_KIND_EXITING.rawValue }
        ledger.open(dying, at: Self.now)
        ledger.open(try seen(8), at: Self.now)
        #expect(ledger.threadsToCheck(all: false).map(\.call) == [7])
        #expect(ledger.threadsToCheck(all: true).map(\.tid).sorted() == [7, 8])
        _ = ledger.close(returned())
        _ = ledger.takeQueue()
        ledger.looked(at: 7, look())
        ledger.settle(7)
        #expect(ledger.threadsToCheck(all: false).isEmpty)
        #expect(state(ledger) == "out")
        ledger.looked(at: 8, look())
        _ = ledger.close(returned(8))
        #expect(ledger.isEmpty, "and nothing else is left")
    }

    @Test func `victims are counted behind the root of the last look, until they are out`() throws {
        var ledger = ledger()
        for id in [7, 8] as [UInt32] { ledger.open(try seen(id), at: Self.now) }
        _ = ledger.takeQueue()
        for id in [7, 8] as [UInt64] { ledger.looked(at: id, look(behind: "a")) }
        #expect(ledger.victims(of: "a") == 2)
        ledger.looked(at: 8, look(behind: "b"))
        #expect(ledger.victims(of: "a") == 1 && ledger.victims(of: "b") == 1)
        ledger.looked(at: 8, look(.parked, behind: nil))
        #expect(ledger.victims(of: "b") == 0)
        ledger.enqueue(try seen(7))
        _ = ledger.close(returned())
        #expect(ledger.victims(of: "a") == 1, "over, and its record is still to come")
        _ = ledger.takeQueue()
        ledger.settle(7)
        #expect(ledger.victims(of: "a") == 0)
    }

    @Test func `open calls are counted by call, verdict and reason`() throws {
        var ledger = ledger()
        for id in [7, 8, 9] as [UInt32] { ledger.open(try seen(id), at: Self.now) }
        _ = ledger.takeQueue()
        ledger.looked(at: 7, look())
        ledger.looked(at: 8, look(.parked))
        #expect(ledger.write(7, account(try seen()), at: Self.now) == true)
        let counts = ledger.counts
        #expect(counts.bySyscall == ["read": 3])
        #expect(counts.byVerdict == ["stuck": 1, "idle": 1])
        #expect(counts.idleByReason == ["parked": 1])
        #expect(ledger.writtenCalls == [7] && ledger.writtenCount == 1)
        #expect(ledger.count(of: .idle) == 1)
    }

    // MARK: - by time

    @Test func `what a filter hides is never due again, what an ignore rule hides is`() throws {
        var ledger = ledger()
        ledger.open(try seen(7), hidden: .lasting, at: Self.now)
        ledger.open(try seen(8), hidden: .passing, at: Self.now)
        #expect(ledger.takeDueRepeats(at: 25 * Self.second - 1, most: 9).isEmpty)
        #expect(ledger.takeDueRepeats(at: 25 * Self.second, most: 9) == [8])
        #expect(ledger.nextRepeat == 45 * Self.second)
    }

    @Test func `repeats stop and begin again with the shortest interval`() throws {
        var ledger = try ledger(in: "written")
        #expect(ledger.takeDueRepeats(at: 25 * Self.second, most: 9) == [7])
        ledger.resumeRepeats(of: 7, at: 26 * Self.second)
        #expect(ledger.nextRepeat == 45 * Self.second, "they have not stopped")
        ledger.stopRepeats(of: 7)
        #expect(ledger.nextRepeat == nil)
        #expect(ledger.takeDueRepeats(at: 99 * Self.second, most: 9).isEmpty)
        ledger.resumeRepeats(of: 7, at: 100 * Self.second)
        #expect(ledger.nextRepeat == 110 * Self.second)
        #expect(ledger.takeDueRepeats(at: 110 * Self.second, most: 9) == [7])
    }

    @Test func `without --repeat nothing is due`() throws {
        var ledger = ledger(repeating: nil)
        ledger.open(try seen(), at: Self.now)
        ledger.resumeRepeats(of: 7, at: Self.now)
        #expect(ledger.takeDueRepeats(at: .max, most: 9).isEmpty)
    }

    @Test func `a look is a second old before the next, a settled one five minutes`() throws {
        var ledger = ledger()
        for id in [7, 8, 9] as [UInt32] { ledger.open(try seen(id), at: Self.now) }
        _ = ledger.takeQueue()
        ledger.looked(at: 7, look())
        ledger.looked(at: 8, look(.parked, isSettled: true))
        #expect(ledger.takeDueRelooks(at: 16 * Self.second, except: [7]) == [])
        #expect(ledger.takeDueRelooks(at: 17 * Self.second - 1, except: []) == [], "once a second")
        #expect(ledger.takeDueRelooks(at: 17 * Self.second, except: []) == [7], "nobody has looked at 9")
        #expect(ledger.takeDueRelooks(at: 315 * Self.second, except: []).sorted() == [7, 8])
    }

    @Test func `a call is small, whatever its state`() {
        #expect(MemoryLayout<LedgerEntry>.stride <= 144)
        #expect(MemoryLayout<LedgerEntry.State>.size <= 40)
    }
}
