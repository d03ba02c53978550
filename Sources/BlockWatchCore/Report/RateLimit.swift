/// At most so many records a second, with a second's worth saved up.
struct RateLimit: Sendable {
    private let perSecond: UInt64
    private var windowStart: UInt64 = 0
    private var used: UInt64 = 0

    init(perSecond: UInt64) { self.perSecond = perSecond }

    mutating func admit(at now: UInt64) -> Bool {
        if now >= windowStart + 1_000_000_000 {
            windowStart = now
            used = 0
        }
        guard used < perSecond else { return false }
        used += 1
        return true
    }
}
