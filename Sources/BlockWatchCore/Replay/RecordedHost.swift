/// A host of a recording, and its last moment.
struct RecordedHost {
    var name: String
    /// `host.id`, where its records have one: names repeat in a fleet.
    var id: String?
    /// All of its runs.
    var allRuns: [Int] = []
    /// Of these those that go on to the end, in order.
    var runs: [Int] = []
    /// Nanoseconds since 1970.
    var at: UInt64 = 0

    private struct Key: Hashable {
        var name: String
        var id: String?
    }

    /// Told apart by id before name; machines that were copied with their id still have names of their own. A run
    /// without an id is of the only host with its name.
    ///
    /// - Returns: by name, then id.
    static func all(of runs: [Run]) -> [RecordedHost] {
        var ids: [String: Set<String>] = [:]
        for run in runs { if let id = run.origin.hostID { ids[run.hostName, default: []].insert(id) } }
        var hosts: [RecordedHost] = []
        var places: [Key: Int] = [:]
        for index in runs.indices.sorted(by: { runs[$0].firstAt < runs[$1].firstAt }) {
            let run = runs[index]
            let known = ids[run.hostName] ?? []
            let key = Key(name: run.hostName, id: run.origin.hostID ?? (known.count == 1 ? known.first : nil))
            let place = places[key] ?? hosts.count
            if place == hosts.count {
                places[key] = place
                hosts.append(RecordedHost(name: key.name, id: key.id))
            }
            // blockwatch was started anew: what was open then, the new one has said again
            hosts[place].runs.removeAll { runs[$0].lastAt < run.firstAt }
            hosts[place].runs.append(index)
            hosts[place].allRuns.append(index)
            hosts[place].at = max(hosts[place].at, run.lastAt)
        }
        return hosts.sorted { ($0.name, $0.id ?? "") < ($1.name, $1.id ?? "") }
    }
}
