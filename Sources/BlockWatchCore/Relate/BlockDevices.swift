/// What the block devices of the host complete, from one reading of their counters to the next.
public struct BlockDevices: Sendable {
    struct Device: Sendable {
        var name: String
        /// Requests that were done, of every kind.
        var completed: UInt64
        var inFlight: UInt64
        /// Between which two readings it last completed something; `nil`: not since the first.
        var lastMove: (after: UInt64, by: UInt64)?
    }

    private var devices: [UInt32: Device] = [:]
    private var firstReading: UInt64?
    private(set) var lastReading: UInt64?

    init() {}

    /// - Parameters:
    ///   - diskstats: `/proc/diskstats`
    ///   - now: CLOCK_MONOTONIC, nanoseconds
    mutating func note(_ diskstats: [UInt8], at now: UInt64) {
        for line in diskstats.split(separator: UInt8(ascii: "\n")) {
            guard let read = Self.read(line) else { continue }
            var device = devices[read.number] ?? Device(name: read.name, completed: 0, inFlight: 0)
            // one that was not there has done nothing yet
            if let lastReading, read.completed != device.completed { device.lastMove = (lastReading, now) }
            device.name = read.name
            device.completed = read.completed
            device.inFlight = read.inFlight
            devices[read.number] = device
        }
        if firstReading == nil { firstReading = now }
        lastReading = now
    }

    func device(_ number: UInt32) -> Device? { devices[number] }

    /// It has surely completed something since a moment, and not long ago.
    func hasMoved(_ number: UInt32, since start: UInt64, within window: UInt64, of now: UInt64) -> Bool {
        guard let move = devices[number]?.lastMove else { return false }
        return move.after >= start && now - min(move.by, now) <= window
    }

    /// For how long nothing has been seen to be completed, at the most since a moment.
    func silence(_ number: UInt32, since start: UInt64, at now: UInt64) -> UInt64 {
        let from = max(start, devices[number]?.lastMove?.by ?? 0, firstReading ?? now)
        return now - min(from, now)
    }

    /// Requests are under way somewhere, and that one of them ends has not been seen yet.
    var isWaiting: Bool { devices.values.contains { $0.inFlight > 0 && $0.lastMove == nil } }

    var isMoving: Bool { devices.values.contains { $0.lastMove != nil } }

    private static func read(
        _ line: ArraySlice<UInt8>
    ) -> (number: UInt32, name: String, completed: UInt64, inFlight: UInt64)? {
        let fields = line.split(separator: UInt8(ascii: " "))
        func number(_ index: Int) -> UInt64? { index < fields.count ? ProcFS.decimal(fields[index]) : nil }
        guard fields.count >= 12, let major = number(0), let minor = number(1), major < 1 << 12, minor < 1 << 20,
            let reads = number(3), let writes = number(7), let inFlight = number(11)
        else { return nil }
        // discards since 4.18, flushes since 5.5
        let others = (number(14) ?? 0).saturatingAdd(number(18) ?? 0)
        return (
            UInt32(major << 20 | minor), String(decoding: fields[2], as: UTF8.self),
            reads.saturatingAdd(writes).saturatingAdd(others), inFlight
        )
    }

    /// Without the lines of devices that have never done anything: there may be hundreds.
    public static func withoutUnused(_ diskstats: [UInt8]) -> [UInt8] {
        var kept: [UInt8] = []
        for line in diskstats.split(separator: UInt8(ascii: "\n")) {
            if let read = read(line), read.completed == 0, read.inFlight == 0 { continue }
            kept += line
            kept.append(UInt8(ascii: "\n"))
        }
        return kept
    }
}
