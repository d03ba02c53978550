/// What each step of starting takes.
struct StartClock {
    private(set) var marks: [(step: String, nanoseconds: UInt64)] = []
    private var last = StartClock.now

    /// Since the mark before it.
    mutating func mark(_ step: String) {
        let now = Self.now
        marks.append((step, now - last))
        last = now
    }

    private static var now: UInt64 { CallTimer.now() }
}
