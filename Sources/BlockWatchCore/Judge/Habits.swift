/// How threads have waited before: one that has waited half a minute here again and again is at it once more.
struct Habits: Sendable {
    /// Where a thread waits again and again.
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
    private var places: [Place: Habit] = [:]

    /// A wait of that thread has brought something.
    mutating func note(_ place: Place?, _ duration: UInt64) {
        guard let place else { return }
        if places.count >= Self.mostPlaces, places[place] == nil {
            places = places.filter { $0.value.count > 1 }
            if places.count >= Self.mostPlaces { places = [:] }
        }
        var habit = places[place] ?? Habit()
        habit.count += 1
        habit.longest = max(habit.longest, duration)
        places[place] = habit
    }

    /// Whether a wait as long as this one is what it always does there.
    func knows(_ record: CallRecord, _ duration: UInt64) -> Bool {
        guard !places.isEmpty, let habit = Place(record).flatMap({ places[$0] }) else { return false }
        return habit.count >= Self.often && duration <= habit.longest + habit.longest / 2
    }
}
