/// Numbers the records and counts what they say.
struct RecordStream {
    private var sequence: UInt64 = 0
    private var waiting: [Record] = []
    private(set) var totals = Totals()
    private(set) var calls = CallCounts()

    /// Records made since the last time, in order.
    mutating func take() -> [Record] {
        defer { waiting.removeAll(keepingCapacity: true) }
        return waiting
    }

    mutating func write(_ action: Record.Action, _ body: Record.Body, _ clock: ClockReading) {
        sequence += 1
        waiting.append(Record(action: action, sequence: sequence, wallNanoseconds: clock.wall, body: body))
    }

    mutating func write(_ action: Record.Action, _ report: CallReport, _ clock: ClockReading) {
        switch action {
        case .blocked: totals.blocked += 1
        case .stillBlocked: totals.stillBlocked += 1
        case .returned: totals.returned += 1
        case .ended: totals.ended += 1
        case .slow: totals.slow += 1
        case .deadlock, .summary, .loss, .started, .stopped, .engine: break
        }
        calls.count(action, report)
        write(action, .call(report), clock)
    }

    /// One deadlock, in as many records as it needs.
    mutating func write(_ parts: [DeadlockReport], _ clock: ClockReading) {
        totals.deadlocks += 1
        for part in parts { write(.deadlock, .deadlock(part), clock) }
    }

    mutating func write(_ loss: Loss, _ clock: ClockReading) {
        totals.lost[loss.what, default: 0] += loss.count
        write(.loss, .loss(loss), clock)
    }

    /// A call that is not written.
    mutating func leaveOut(_ exclusion: Exclusion) { totals.hidden[exclusion.name, default: 0] += 1 }

    /// The output had no room for it: it does not count.
    mutating func takeBack(_ action: Record.Action, _ report: CallReport) {
        calls.takeBack(action, report)
        switch action {
        case .blocked: totals.blocked -= 1
        case .stillBlocked: totals.stillBlocked -= 1
        case .slow: totals.slow -= 1
        default: break
        }
    }
}
