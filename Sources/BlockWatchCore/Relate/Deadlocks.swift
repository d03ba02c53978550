/// Sets of threads that can never go on, found by reduction of the wait-for graph of one look.
struct Deadlock: Sendable, Equatable {
    /// 16 hexadecimal digits, the same for the same threads in the same calls.
    var id: String
    /// Thread ids, sorted.
    var tids: [Int]
}

/// The wait-for graph of one look by its threads.
struct ThreadGraph {
    let waits: WaitGraph
    /// By node: it can never go on.
    let remainder: [Bool]
    /// By node: a clock lets it go on, its own or that of somebody it waits for.
    let isTimed: [Bool]
    /// By node: it waits for itself in the end, whatever else it may wait for, and whether or not it has a way out.
    let isCircular: [Bool]
    /// Threads in order of their numbers; processes and the unknown come behind them.
    let tids: [Int]
    fileprivate let place: [Int: Int]

    /// It can never go on, as far as is known.
    func isHopeless(_ tid: Int) -> Bool { place[tid].map { remainder[$0] } ?? false }

    func isTimed(_ tid: Int) -> Bool { place[tid].map { isTimed[$0] } ?? false }

    func isInCircle(_ tid: Int) -> Bool { place[tid].map { isCircular[$0] } ?? false }

    /// Threads that would never go on if that one did not, and that are in no deadlock already.
    func dependents(of tid: Int) -> Set<Int> {
        guard let at = place[tid] else { return [] }
        var held = waits
        held.waits[at] = [[]]
        let after = held.remainder()
        return Set(tids.indices.lazy.filter { after[$0] && !remainder[$0] }.map { tids[$0] }).union([tid])
    }
}

extension Investigation {
    /// The wait-for graph: its threads in order of their numbers, then the processes that hold something, which let go
    /// when any of their threads can, then one for all that is unknown.
    func graph() -> ThreadGraph {
        let tids = waits.keys.sorted()
        let place = Dictionary(uniqueKeysWithValues: tids.enumerated().map { ($1, $0) })
        var processes: [Int: Int] = [:]
        var held: [[Int]] = []
        func index(_ party: Party) -> Int? {
            switch party {
            case .thread(let tid): return place[tid]
            case .process(let pid):
                if let known = processes[pid] { return known }
                let threads = threads[pid] ?? []
                // one that is not known may do anything
                guard threads.allSatisfy({ place[$0] != nil }) else { return nil }
                processes[pid] = tids.count + held.count
                held.append(threads.compactMap { place[$0] })
                return processes[pid]
            case .unknown: return nil
            }
        }
        // -1 stands for the unknown until it has its place
        var groups: [[[Int]]?] = tids.map { tid in
            guard let wait = waits[tid], case .known(let relation) = wait.relation, !wait.hasWayOut(relation) else {
                return nil
            }
            if relation.groups.isEmpty { return [[]] }
            return relation.groups.map { group in
                (group.map { relation.holders[$0] } + relation.helpers).map { index(party($0)) ?? -1 }
            }
        }
        var links = tids.map { tid -> [Int] in
            guard let relation = waits[tid]?.relation.value else { return [] }
            return (relation.holders + relation.helpers).compactMap { index(party($0)) }
        }
        groups += held.map { [$0] }
        links += held + [[]]
        let unknown = groups.count
        groups = groups.map { $0?.map { $0.map { $0 < 0 ? unknown : $0 } } } + [nil]
        let graph = WaitGraph(waits: groups)
        let timed = tids.indices.filter { waits[tids[$0]].map { $0.state == .waiting && $0.hasClock } ?? false }
        return ThreadGraph(
            waits: graph, remainder: graph.remainder(), isTimed: graph.released(from: timed),
            isCircular: graph.isCircular(links), tids: tids, place: place)
    }

    func deadlocks(in graph: ThreadGraph, bootID: String) -> [Deadlock] {
        graph.waits.deadlocks(graph.remainder).compactMap { set in
            let members = set.filter { $0 < graph.tids.count }.map { graph.tids[$0] }
            // event loops that look at each other with nothing outstanding are at rest
            let hasSet = members.contains { waits[$0]?.set.value != nil }
            guard members.contains(where: { isOwed($0, besideSet: hasSet) }) else { return nil }
            // alone in its circle: with a lock that it has itself, not with a pipe that others of its process hold too
            if members.count == 1 {
                let situation = waits[members[0]]?.relation.value?.situation
                guard situation == .futexOwner || situation == .lock else { return nil }
            }
            let text = members.map { tid -> String in
                let record = waits[tid]?.record
                return "\(tid) \(record?.threadStartNanoseconds ?? 0) \(record?.number ?? 0)"
            }
            return Deadlock(id: Findings.hash(["deadlock", bootID] + text), tids: members)
        }
    }

    /// Somebody owes it something: a lock, the end of a child, bytes that it asks for directly, a reply, room for its bytes.
    ///
    /// - Parameter besideSet: somebody else in the circle waits for a set. Who has nothing to do but what an event loop will
    ///   bring it, and has got it from there before, is at rest with it, and so is who waits for such a child. Of a wait that
    ///   began before blockwatch that is taken for granted of what its ancestors feed.
    private func isOwed(_ tid: Int, besideSet: Bool) -> Bool {
        guard let wait = waits[tid] else { return false }
        if let set = wait.set.value { return set.members.contains { $0.isOwedAlone && $0.isOwedHere } }
        if wait.target is ChildrenTarget { return !besideSet }
        guard wait.isOwedHere else { return false }
        // of locks and whatever else brings no bytes, what was read on that descriptor before says nothing
        let object = wait.record.object
        let readsBytes = object?.family == .pipe || object?.family == .socket
        guard besideSet, readsBytes, wait.call.call?.sends != true else { return true }
        if wait.hasReadHere, object?.family == .pipe || !wait.isReplyOutstanding { return false }
        return !(wait.hasNoHistory && isFedByAncestor(wait))
    }
}

extension Wait {
    /// Not the server's side of a connection, which waits for a request, and not who has been answered here before: that
    /// nothing is owed where both wait is as likely.
    fileprivate var isOwedHere: Bool {
        guard call.call?.sends != true else { return true }
        // whoever types owes nothing
        guard call.resource.kind != .tty else { return false }
        let mayHaveBeenAnswered = hasBeenAnswered || hasNoHistory && isNamedClient && !isKnownUnheard
        guard
            relation.value?.situation == .serverSide
                || mayHaveBeenAnswered && (isReplyOutstanding || isNamedClient)
        else { return true }
        return (record.object?.isTCP ?? false) && (record.object?.internet.unacknowledged ?? 0) > 0
    }

    /// Of a member: a child that is to end, bytes that nobody takes, a connection, a reply. What is only likely is no proof.
    fileprivate var isOwedAlone: Bool {
        if target is ProcessTarget { return true }
        guard let object = record.object else { return false }
        if call.call?.sends == true, object.family == .pipe || object.family == .socket { return true }
        // what it has sent lies at the other end
        if object.family == .socket, object.socketFamily == 1, object.unix.sendQueue > 0 { return true }
        return isConnecting || isReplyProven
    }

    /// It goes on at a time of its own: by its call's time-out, a timerfd, or its process's alarm.
    var hasClock: Bool {
        if call.resource.kind == .timerfd || set.value?.members.contains(where: \.hasClock) == true { return true }
        switch call.call?.timeout {
        // one that was not found out may be there
        case .known, .unknown: return true
        case .absent, nil: return record.hasAlarm
        }
    }

    /// Something besides the holders can let it go on.
    func hasWayOut(_ relation: Relation) -> Bool {
        if isRunning || state != .waiting || target.hasWayOut { return true }
        if hasClock || record.hasPendingSignal || record.isInterrupted { return true }
        if !relation.isWhole { return true }
        switch relation.end {
        case .remote, .device: return true
        case .nobody, nil: return false
        }
    }
}
