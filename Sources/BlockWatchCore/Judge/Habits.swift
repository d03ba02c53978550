/// How threads have waited before: one that has waited half a minute here again and again is at it once more.
struct Habits: Sendable {
    /// What a thread waits for again and again.
    struct Wait: Hashable, Sendable {
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
    private static let mostWaits = 8192
    private var habits: [Wait: Habit] = [:]

    /// A wait of that thread has brought something.
    mutating func note(_ wait: Wait?, _ duration: UInt64) {
        guard let wait else { return }
        if habits.count >= Self.mostWaits, habits[wait] == nil {
            habits = habits.filter { $0.value.count > 1 }
            if habits.count >= Self.mostWaits { habits = [:] }
        }
        var habit = habits[wait] ?? Habit()
        habit.count += 1
        habit.longest = max(habit.longest, duration)
        habits[wait] = habit
    }

    /// Whether a wait as long as this one is what it always does there.
    func knows(_ record: CallRecord, _ duration: UInt64) -> Bool {
        guard !habits.isEmpty, let habit = Wait(record).flatMap({ habits[$0] }) else { return false }
        return habit.count >= Self.often && duration <= habit.longest.saturatingAdd(habit.longest / 2)
    }
}
