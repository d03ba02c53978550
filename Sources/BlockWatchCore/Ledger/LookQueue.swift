/// A call as it was seen.
typealias Sighting = (record: CallRecord, call: BlockedCall)

/// Calls whose other ends are to be looked for next, in the order they came.
struct LookQueue {
    private var sightings: [Sighting] = []
    private var ids: Set<UInt64> = []
    private var overByThread: [Int: Int] = [:]

    /// So many calls of one thread that are over wait for their other ends.
    static let mostOver = 4

    var isEmpty: Bool { sightings.isEmpty }
    func contains(_ id: UInt64) -> Bool { ids.contains(id) }

    /// The first sighting of a call is kept.
    mutating func add(_ sighting: Sighting) {
        if ids.insert(sighting.call.id).inserted { sightings.append(sighting) }
    }

    func hasRoom(forOverOf tid: Int) -> Bool { overByThread[tid, default: 0] < Self.mostOver }

    /// A call that is over already.
    mutating func add(over sighting: Sighting) {
        overByThread[sighting.record.tid, default: 0] += 1
        add(sighting)
    }

    /// Empties it.
    mutating func take() -> (sightings: [Sighting], ids: Set<UInt64>) {
        defer { self = LookQueue() }
        return (sightings, ids)
    }
}
