import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// The same numbers for the same seed: SplitMix64.
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Random lives of many calls, held against a model that is slow and obvious: CONTRACT, section 2.
@Suite struct `A ledger and its model`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    /// All that is true of one call, whether it is open or not.
    private struct ModelCall {
        let sighting: Sighting
        var isOpen = true
        var isQueued = false
        var isOver = false
        var chain: String?
        var lookedAt: UInt64?
        var nextRepeat: UInt64?
        /// Those that reached the output.
        var records: [Record.Action] = []

        var isWritten: Bool { isOpen && records.contains(.blocked) }
    }

    /// Plays the part of the stages around the ledger: what they decide is chance.
    private struct Player {
        var numbers: SeededNumbers
        var ledger = CallLedger(repeatNanoseconds: Self.interval)
        var model: [UInt64: ModelCall] = [:]
        /// Ids of closings that overtook their opening.
        var early: Set<UInt64> = []
        var now: UInt64 = 20_000_000_000

        static let interval: UInt64 = 10_000_000_000
        static let chains = ["a", "b", "c"]

        mutating func chance(_ part: Int, of whole: Int) -> Bool { Int.random(in: 0..<whole, using: &numbers) < part }

        /// Mostly one that is open; else one that is gone, or was never there.
        mutating func anyCall() -> UInt64 {
            let open = model.filter(\.value.isOpen).keys.sorted()
            if let id = open.randomElement(using: &numbers), chance(5, of: 6) { return id }
            return UInt64.random(in: 1...UInt64(model.count + 3), using: &numbers)
        }

        mutating func open(_ sighting: Sighting) {
            let id = sighting.call.id
            if chance(1, of: 4) {
                let isOver = ledger.open(over: sighting)
                if isOver { model[id] = ModelCall(sighting: sighting, isQueued: true, isOver: true) }
                return
            }
            let hidden: CallLedger.Concealment? = chance(1, of: 4) ? (chance(1, of: 2) ? .passing : .lasting) : nil
            ledger.open(sighting, hidden: hidden, at: now)
            guard model[id]?.isOpen != true else { return }
            var call = ModelCall(sighting: sighting, isQueued: hidden == nil)
            call.nextRepeat = hidden == .lasting ? nil : now + Self.interval
            if early.remove(id) != nil {
                call.isOver = hidden == nil
                call.isOpen = hidden == nil
            }
            model[id] = call
        }

        mutating func seeAgain(_ id: UInt64) {
            guard let call = model[id] else { return }
            ledger.enqueue(call.sighting)
            if call.isOpen { model[id]?.isQueued = true }
        }

        mutating func close(_ id: UInt64) {
            let isDeath = chance(1, of: 3)
            let gone = ledger.close(
                ClosedRecord(call: id, reason: isDeath ? .ended : .returned, nowNanoseconds: now, result: 1))
            if gone?.account != nil { model[id]?.records.append(isDeath ? .ended : .returned) }
            guard let call = model[id], call.isOpen else {
                early.insert(id)
                return
            }
            if call.isQueued, !call.isWritten { model[id]?.isOver = true } else { leave(id) }
        }

        mutating func leave(_ id: UInt64) {
            model[id]?.isOpen = false
            model[id]?.isQueued = false
            model[id]?.isOver = false
            model[id]?.chain = nil
        }

        /// What the queue has, and sometimes what is due besides.
        mutating func look(_ note: (String) -> Void) {
            let queued = model.filter(\.value.isQueued)
            let (inFlight, over, _) = ledger.takeQueue()
            if Set(over.map(\.call.id)) != Set(queued.filter(\.value.isOver).keys) { note("over") }
            let open = inFlight.map(\.call.id).filter { model[$0]?.isOpen == true }
            if Set(open) != Set(queued.filter { !$0.value.isOver }.keys) { note("in flight") }
            for id in queued.keys { model[id]?.isQueued = false }
            var ids = (over + inFlight).map(\.call.id)
            if chance(1, of: 2) {
                for tid in ledger.takeDueRelooks(at: now, except: Set(ids)) {
                    let isDue = model[UInt64(tid)].map {
                        $0.isOpen && $0.lookedAt.map { $0 + 1_000_000_000 <= now } == true
                    }
                    if isDue != true { note("relook of \(tid)") }
                    ids.append(UInt64(tid))
                }
            }
            for id in ids { judge(id, note) }
        }

        /// One look at one call, and what comes of it.
        mutating func judge(_ id: UInt64, _ note: (String) -> Void) {
            let reason = Reason.allCases.randomElement(using: &numbers) ?? .unknown
            let chain = chance(2, of: 3) ? Self.chains.randomElement(using: &numbers) : nil
            ledger.looked(at: id, LedgerEntry.LastLook(chainID: chain, at: now, reason: reason))
            guard let call = model[id], call.isOpen else { return }
            model[id]?.chain = chain
            model[id]?.lookedAt = now
            // a verdict or a rate that keeps it out
            let isKeptOut = chance(1, of: 3)
            let account = LedgerEntry.Account(call.sighting.call, nil)
            if call.isOver {
                if !isKeptOut { model[id]?.records.append(.slow) }
                ledger.settle(id)
                leave(id)
            } else if call.isWritten {
                ledger.revise(id, account)
                if !isKeptOut { model[id]?.records.append(.stillBlocked) }
                if ledger.write(id, account, at: now) { note("\(id) is opened twice") }
            } else if isKeptOut, chance(1, of: 2) {
                ledger.stopRepeats(of: id)
                model[id]?.nextRepeat = nil
            } else {
                model[id]?.nextRepeat = call.nextRepeat ?? now + Self.interval
                ledger.resumeRepeats(of: id, at: now)
                guard !isKeptOut else { return }
                if !ledger.write(id, account, at: now) { note("\(id) is not opened") }
                // the output has no room
                if chance(1, of: 6) { ledger.unwrite(id) } else { model[id]?.records.append(.blocked) }
            }
        }

        mutating func askForDue(_ note: (String) -> Void) {
            let most = Int.random(in: 1...8, using: &numbers)
            let due = model.filter { $0.value.isOpen && $0.value.nextRepeat.map { $0 <= now } == true }
            let taken = ledger.takeDueRepeats(at: now, most: most)
            if taken.count != min(most, due.count) || !Set(taken).isSubset(of: due.keys) { note("due \(taken)") }
            for id in taken {
                model[id]?.nextRepeat = ledger[id]?.repetition?.at
                if chance(3, of: 4) { seeAgain(id) }
            }
        }

        func compare(_ note: (String) -> Void) {
            let open = model.filter(\.value.isOpen)
            if Set(ledger.calls.keys) != Set(open.keys) { note("open") }
            if Set(ledger.writtenCalls) != Set(open.filter(\.value.isWritten).keys) { note("written") }
            if ledger.nextRepeat != open.values.compactMap(\.nextRepeat).min() { note("next repeat") }
            for chain in Self.chains where ledger.victims(of: chain) != open.values.count(where: { $0.chain == chain })
            {
                note("victims of \(chain)")
            }
            let dying = open.filter { $0.value.sighting.record.kind == .exiting }
            if Set(ledger.threadsToCheck(all: false).map(\.call)) != Set(dying.keys) { note("dying") }
        }
    }

    /// Nothing, `slow`, or one `blocked`, what was said meanwhile, and one end.
    private func isWhole(_ records: [Record.Action]) -> Bool {
        if records.isEmpty || records == [.slow] { return true }
        let isEnded = records.last == .returned || records.last == .ended
        return records.first == .blocked && isEnded && records.dropFirst().dropLast().allSatisfy { $0 == .stillBlocked }
    }

    private func sightings(_ count: UInt32, _ numbers: inout SeededNumbers) throws -> [Sighting] {
        let records = try (1...count).map { id in
            let isDying = Int.random(in: 0..<5, using: &numbers) == 0
            return try thread(id) { if isDying { $0.kind = BW_KIND_EXITING.rawValue } }
        }
        var identifier = tree.identifier(.none)
        var risky = ListedAnswers()
        return Array(zip(records, identifier.identify(records, clock: clock, isBrief: true, risky: &risky)))
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func `whatever happens, every blocked has one end, and nothing is left behind`(seed: UInt64) throws {
        var player = Player(numbers: SeededNumbers(state: seed))
        let sightings = try sightings(40, &player.numbers)
        var fresh = sightings[...]
        var problems: [String] = []
        for step in 0..<400 where problems.isEmpty {
            player.now += UInt64.random(in: 0...3_000_000_000, using: &player.numbers)
            let note: (String) -> Void = { problems.append("step \(step): \($0)") }
            switch Int.random(in: 0..<10, using: &player.numbers) {
            case 0, 1:
                if let next = fresh.popFirst() { player.open(next) }
            case 2:
                let id = player.anyCall()
                if let known = player.model[id], known.isOpen { player.open(known.sighting) }
            case 3: player.seeAgain(player.anyCall())
            case 4: if player.chance(1, of: 2) { player.close(player.anyCall()) }
            case 5: for id in player.ledger.writtenCalls.sorted() { player.seeAgain(id) }
            case 6: player.askForDue(note)
            default: player.look(note)
            }
            player.compare(note)
        }
        let note: (String) -> Void = { problems.append("at the end: \($0)") }
        for id in player.model.filter(\.value.isOpen).keys.sorted() { player.close(id) }
        player.look(note)
        player.compare(note)
        player.ledger.forgetEarlyClosings(at: player.now + 10_000_000_000)
        if !player.ledger.isEmpty { note("something is left") }
        for (id, call) in player.model where !isWhole(call.records) { note("\(id): \(call.records)") }
        #expect(problems.isEmpty, "seed \(seed)")
        #expect(player.model.values.contains { $0.records.count > 2 }, "seed \(seed) tries nothing")
    }
}
