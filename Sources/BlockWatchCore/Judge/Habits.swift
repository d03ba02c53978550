/// How threads have waited before: one that has waited half a minute here again and again is at it once more.
struct Habits: Sendable {
    /// Where a thread waits again and again: in which call, for what.
    struct Place: Hashable, Sendable {
        var tid: Int
        var threadStart: UInt64
        var number: Int
        /// The descriptor, or where the set lies.
        var object: UInt64

        init?(_ record: CallRecord) {
            guard record.kind == .systemCall else { return nil }
            tid = record.tid
            threadStart = record.threadStartNanoseconds
            number = record.number
            object = record.firstArgument
        }
    }
    private struct Habit {
        var count = 0
        var longest: UInt64 = 0
    }

    /// So often, before it is a habit.
    static let often = 10
    private static let mostPlaces = 8192
    private var habits: [Place: Habit] = [:]

    /// A wait there has brought something.
    mutating func note(_ place: Place?, _ duration: UInt64) {
        guard let place else { return }
        if habits.count >= Self.mostPlaces, habits[place] == nil {
            habits = habits.filter { $0.value.count > 1 }
            if habits.count >= Self.mostPlaces { habits = [:] }
        }
        var habit = habits[place] ?? Habit()
        habit.count += 1
        habit.longest = max(habit.longest, duration)
        habits[place] = habit
    }

    /// Whether a wait as long as this one is what it always does there.
    func knows(_ record: CallRecord, _ duration: UInt64) -> Bool {
        guard !habits.isEmpty, let habit = Place(record).flatMap({ habits[$0] }) else { return false }
        return habit.count >= Self.often && duration <= habit.longest.saturatingAdd(habit.longest / 2)
    }
}
