/// How threads have waited before: one that has waited half a minute here again and again is at it once more.
struct Habits: Sendable {
    private struct Place: Hashable {
        var tid: Int
        var entity: String
        var number: Int
        /// The descriptor, or where the set lies.
        var object: UInt64
    }
    private struct Habit {
        var count = 0
        var longest: UInt64 = 0
    }

    /// So often, before it is a habit.
    static let often = 10
    private static let mostPlaces = 8192
    private var places: [Place: Habit] = [:]

    private func place(_ call: BlockedCall) -> Place? {
        guard let systemCall = call.call, let object = systemCall.arguments.first else { return nil }
        return Place(
            tid: call.process.tid, entity: call.process.entityID, number: systemCall.number,
            object: object)
    }

    /// A wait of that thread has brought something.
    mutating func note(_ call: BlockedCall, _ duration: UInt64) {
        guard let place = place(call) else { return }
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
    func knows(_ call: BlockedCall, _ duration: UInt64) -> Bool {
        guard let habit = place(call).flatMap({ places[$0] }) else { return false }
        return habit.count >= Self.often && duration <= habit.longest.saturatingAdd(habit.longest / 2)
    }
}
