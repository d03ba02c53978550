/// When open calls are written again: after a while that doubles each time.
struct RepeatSchedule {
    /// `nil` for never.
    private let firstInterval: UInt64?
    /// No repetition is due before: most times, nobody has to look through the calls.
    private var earliest: UInt64 = 0

    static let longest: UInt64 = 3_600_000_000_000

    init(first: UInt64?) { firstInterval = first }

    /// Of a call that is written again from now on.
    mutating func first(after now: UInt64) -> LedgerEntry.Repetition? {
        guard let firstInterval else { return nil }
        return noted(LedgerEntry.Repetition(at: now.saturatingAdd(firstInterval), interval: firstInterval))
    }

    /// Of a call that is to be seen at once, whether or not it is written again later.
    mutating func now(_ now: UInt64) -> LedgerEntry.Repetition {
        noted(LedgerEntry.Repetition(at: now, interval: firstInterval ?? 0))
    }

    /// The one after that.
    mutating func next(after repetition: LedgerEntry.Repetition, at now: UInt64) -> LedgerEntry.Repetition? {
        guard firstInterval != nil else { return nil }
        let interval = min(repetition.interval.saturatingAdd(repetition.interval), Self.longest)
        return noted(LedgerEntry.Repetition(at: now.saturatingAdd(interval), interval: interval))
    }

    private mutating func noted(_ repetition: LedgerEntry.Repetition) -> LedgerEntry.Repetition {
        earliest = min(earliest, repetition.at)
        return repetition
    }

    /// - Parameter most: how many; the others stay due.
    /// - Returns: calls whose time has come, those first that have waited longest where not all are taken.
    mutating func takeDue(_ calls: [UInt64: LedgerEntry], at now: UInt64, most: Int) -> [UInt64] {
        guard now >= earliest else { return [] }
        earliest = .max
        var due: [(since: UInt64, id: UInt64)] = []
        for (id, call) in calls {
            guard let at = call.repetition?.at else { continue }
            if at <= now { due.append((at, id)) } else { earliest = min(earliest, at) }
        }
        due.sort { $0 < $1 }
        if due.count > most {
            earliest = due[most].since
            due.removeSubrange(most...)
        }
        return due.map(\.id)
    }
}
