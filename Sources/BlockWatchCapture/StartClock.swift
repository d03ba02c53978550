/// What each step of starting takes.
struct StartClock {
    /// `types 4012 us, attaching 800 us`
    private(set) var text = ""
    private var last = StartClock.now

    /// Since the mark before it.
    mutating func mark(_ step: String) {
        let now = Self.now
        text += "\(text.isEmpty ? "" : ", ")\(step) \((now - last) / 1000) us"
        last = now
    }

    private static var now: UInt64 { CallTimer.now() }
}
