/// The stages from record to verdict, for some calls at once: call ▶ resource ▶ holders ▶ wait-for graph ▶ verdict.
struct Examiner {
    var identifier: Identifier
    var habits = Habits()
    private(set) var devices = BlockDevices()
    /// Counters of devices are read no more often.
    private static let shortestSample: UInt64 = 100_000_000
    private let thresholdNanoseconds: UInt64
    /// All members of sets are looked into, also of those that are idle.
    var isThorough: Bool

    init(identifier: Identifier, thresholdNanoseconds: UInt64, isThorough: Bool) {
        self.identifier = identifier
        self.thresholdNanoseconds = thresholdNanoseconds
        self.isThorough = isThorough
    }

    /// Looks for the other ends of these calls, and twice at every deadlock.
    ///
    /// - Returns: what was found, and of it the deadlocks that a second look confirmed.
    mutating func examine(
        _ sightings: [Sighting], _ source: inout some HolderSource, _ risky: inout some RiskyReading,
        _ clock: ClockReading, isThorough: Bool = false
    ) -> (findings: Findings, deadlocks: [Deadlock]) {
        var findings = investigate(sightings, &source, &risky, clock, isThorough: isThorough)
        let confirmed = confirm(findings.deadlocks, &findings, &source, &risky, clock)
        if confirmed.count != findings.deadlocks.count { findings.keep(confirmed) }
        return (findings, confirmed)
    }

    mutating func investigate(
        _ sightings: [Sighting], _ source: inout some HolderSource, _ risky: inout some RiskyReading,
        _ clock: ClockReading, isThorough: Bool = false
    ) -> Findings {
        sampleDevices(&risky, clock)
        var investigation = Investigation(isThorough: isThorough || self.isThorough, devices: devices)
        investigation.run(sightings, source: &source, risky: &risky, identifier: &identifier, clock: clock)
        for (record, _) in sightings where habits.knows(record, record.nowNanoseconds - record.startNanoseconds) {
            investigation.waits[record.tid]?.isPeriodic = true
        }
        return findings(of: investigation)
    }

    /// Reads what the block devices have done so far: what they do is the difference of two readings.
    mutating func sampleDevices(_ risky: inout some RiskyReading, _ clock: ClockReading) {
        if let last = devices.lastReading, clock.monotonic < last + Self.shortestSample { return }
        guard case .bytes(let text)? = risky.answer([.blockDevices])[.blockDevices] else { return }
        devices.note(text, at: clock.monotonic)
    }

    /// The verdict of a call that is over and has no other end: by what its exit itself captured.
    func judge(over sighting: Sighting) -> Findings {
        var investigation = Investigation()
        investigation.add(sighting.record, sighting.call)
        return findings(of: investigation)
    }

    private func findings(of investigation: Investigation) -> Findings {
        Findings(
            investigation, thresholdNanoseconds: thresholdNanoseconds, bootID: identifier.bootID,
            nativeABI: identifier.nativeABI)
    }

    /// Evidence taken a second time: the same threads in the same circle, and none of them has moved.
    private mutating func confirm(
        _ deadlocks: [Deadlock], _ findings: inout Findings, _ source: inout some HolderSource,
        _ risky: inout some RiskyReading, _ clock: ClockReading
    ) -> [Deadlock] {
        guard !deadlocks.isEmpty else { return [] }
        let tids = Set(deadlocks.flatMap(\.tids))
        let records = source.threads(tids.sorted().map { .thread($0) })
        let calls = identifier.identify(records, clock: clock, isBrief: true, risky: &risky)
        let again = investigate(Array(zip(records, calls)), &source, &risky, clock)
        return deadlocks.filter { deadlock in
            again.deadlocks.contains { $0.id == deadlock.id }
                && deadlock.tids.allSatisfy { findings.proof(of: $0) == again.proof(of: $0) }
        }
    }

    /// A program that goes on uses that memory again, and pselect6 leaves there what is left of the time: what makes a call
    /// overdue is believed only if the call is still the same after it was read.
    func withoutStaleTimeouts(_ sightings: [Sighting], _ source: inout some HolderSource) -> [Sighting] {
        let doubtful = sightings.indices.filter { index in
            let (record, call) = sightings[index]
            guard let asked = call.call, let timeout = asked.timeout.value else { return false }
            let duration = record.nowNanoseconds - min(record.startNanoseconds, record.nowNanoseconds)
            return Judge.isPast(timeout, after: duration) && identifier.hasTimeoutInMemory(record, asked)
        }
        guard !doubtful.isEmpty else { return sightings }
        let same = Set(source.threads(doubtful.map { .thread(sightings[$0].record.tid) }).map(\.id))
        var believed = sightings
        for index in doubtful where !same.contains(sightings[index].record.id) {
            believed[index].call.call?.timeout = .unknown(.inFlight)
        }
        return believed
    }

    /// The connections that the processes of these calls hold, by process.
    func heldConnections(
        of calls: [BlockedCall], _ source: inout some HolderSource
    ) -> [Int: HeldConnections] {
        let pids = Set(calls.map(\.process.pid)).sorted()
        guard !pids.isEmpty, let answers = source.files(pids.map(FileQuestion.sockets)) else { return [:] }
        var held: [Int: HeldConnections] = [:]
        for member in answers.members where pids.indices.contains(member.question) {
            guard let network = SocketKind.resource(member.object).network else { continue }
            held[pids[member.question], default: HeldConnections()].add(network)
        }
        return held
    }
}

/// What a process holds of connections to other hosts.
struct HeldConnections {
    /// Community IDs.
    private(set) var ids: Set<String> = []
    private var countByEnd: [String: Int] = [:]

    mutating func add(_ network: NetworkFields) {
        guard let address = network.local.address, let port = network.local.port else { return }
        let end = address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
        // whoever listens there is asked by those too whom it has not accepted
        if network.state == "LISTEN" { return countByEnd[end, default: 0] += 1 << 16 }
        if let id = network.communityID, ids.insert(id).inserted { countByEnd[end, default: 0] += 1 }
    }

    /// Ends at this host that it listens at, or that several connections share, 4 at most: a client's each have a port of their own.
    var served: [String] {
        countByEnd.filter { $0.value > 1 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(4).map(\.key)
    }
}
