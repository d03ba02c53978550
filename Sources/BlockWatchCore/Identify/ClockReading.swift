/// The clocks at one moment, nanoseconds.
public struct ClockReading: Sendable, Equatable {
    public var monotonic: UInt64
    /// Since 1970.
    public var wall: UInt64
    /// CLOCK_BOOTTIME: with the time the host was suspended.
    public var boot: UInt64

    public init(monotonic: UInt64, wall: UInt64, boot: UInt64) {
        self.monotonic = monotonic
        self.wall = wall
        self.boot = boot
    }

    public func wall(ofMonotonic time: UInt64) -> UInt64 { shift(time, from: monotonic, to: wall) }
    public func boot(ofMonotonic time: UInt64) -> UInt64 { shift(time, from: monotonic, to: boot) }
    public func wall(ofBoot time: UInt64) -> UInt64 { shift(time, from: boot, to: wall) }

    private func shift(_ time: UInt64, from: UInt64, to: UInt64) -> UInt64 {
        time <= from ? to - min(to, from - time) : to &+ (time - from)
    }
}
