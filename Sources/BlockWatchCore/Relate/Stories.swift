/// From one investigation: for each call in question its holders, chain, root and verdict, and the deadlocks.
struct Stories {
    struct Deadlock: Sendable, Equatable {
        /// 16 hexadecimal digits, the same for the same threads in the same calls.
        var id: String
        /// Thread ids, sorted.
        var tids: [Int]
    }

    private let investigation: Investigation
    private var judge: Judge
    private let bootID: String
    private let nativeABI: ABI
    private(set) var deadlocks: [Deadlock] = []
    private var deadlockOf: [Int: Deadlock] = [:]

    init(_ investigation: Investigation, thresholdNanoseconds: UInt64, bootID: String, nativeABI: ABI) {
        self.investigation = investigation
        self.bootID = bootID
        self.nativeABI = nativeABI
        let sets = Self.deadlocks(in: investigation)
        for tids in sets {
            let text = tids.map { tid -> String in
                let node = investigation.nodes[tid]
                return "\(tid) \(node?.record.threadStartNanoseconds ?? 0) \(node?.record.number ?? 0)"
            }
            let deadlock = Deadlock(id: Self.hash(["deadlock", bootID] + text), tids: tids)
            deadlocks.append(deadlock)
            for tid in tids { deadlockOf[tid] = deadlock }
        }
        judge = Judge(
            investigation, thresholdNanoseconds: thresholdNanoseconds, deadlocked: Set(sets.joined()),
            nativeABI: nativeABI)
    }

    // MARK: - deadlocks

    /// The wait-for graph of an investigation: its threads in order of their numbers, then the processes that hold
    /// something, which let go when any of their threads can, then one for all that is unknown.
    static func graph(of investigation: Investigation) -> (graph: WaitGraph, tids: [Int]) {
        let tids = investigation.nodes.keys.sorted()
        let place = Dictionary(uniqueKeysWithValues: tids.enumerated().map { ($1, $0) })
        var processes: [Int: Int] = [:]
        var held: [[Int]] = []
        func index(_ party: Investigation.Party) -> Int? {
            switch party {
            case .thread(let tid): return place[tid]
            case .process(let pid):
                if let known = processes[pid] { return known }
                let threads = investigation.threads[pid] ?? []
                // one that is not known may do anything
                guard threads.allSatisfy({ place[$0] != nil }) else { return nil }
                processes[pid] = tids.count + held.count
                held.append(threads.compactMap { place[$0] })
                return processes[pid]
            case .unknown: return nil
            }
        }
        // -1 stands for the unknown until it has its place
        var waits: [[[Int]]?] = tids.map { tid in
            guard let node = investigation.nodes[tid], let relation = node.relation else { return nil }
            guard !hasWayOut(node, relation) else { return nil }
            if relation.groups.isEmpty { return [[]] }
            return relation.groups.map { group in group.map { index(investigation.party(relation.holders[$0])) ?? -1 } }
        }
        waits += held.map { [$0] }
        let unknown = waits.count
        waits = waits.map { $0?.map { $0.map { $0 < 0 ? unknown : $0 } } } + [nil]
        return (WaitGraph(waits: waits), tids)
    }

    private static func deadlocks(in investigation: Investigation) -> [[Int]] {
        let (graph, tids) = graph(of: investigation)
        return graph.deadlocks().compactMap { set in
            let members = set.filter { $0 < tids.count }.map { tids[$0] }
            guard members.count == 1, let node = investigation.nodes[members[0]] else { return members }
            // alone in its circle: with a lock that it has itself, not with a pipe that others of its process hold too
            return node.relation?.finding == .futexOwner || node.relation?.finding == .lock ? members : nil
        }
    }

    /// Something besides the holders can let it go on.
    static func hasWayOut(_ node: Investigation.Node, _ relation: Relation) -> Bool {
        switch node.target {
        case .running, .open, .stopped, .traced, .frozen, .exiting, .remote, .device: return true
        default: break
        }
        if node.isRunning { return true }
        if node.record.hasAlarm || node.record.hasPendingSignal || node.record.hasLeft { return true }
        if node.call.call?.timeoutNanoseconds != nil { return true }
        if !relation.isComplete || !relation.unresolved.isEmpty { return true }
        switch relation.end {
        case .remote, .device: return true
        case .nobody, nil: return false
        }
    }

    /// Takes back what a second look did not confirm.
    mutating func keep(_ confirmed: [Deadlock]) {
        deadlocks = confirmed
        deadlockOf = [:]
        speakers = [:]
        for deadlock in confirmed { for tid in deadlock.tids { deadlockOf[tid] = deadlock } }
        judge = Judge(
            investigation, thresholdNanoseconds: judge.thresholdNanoseconds, deadlocked: Set(deadlockOf.keys),
            nativeABI: nativeABI)
    }

    /// What must not change while a deadlock is looked at twice: the thread, its call, its context switches.
    func evidence(of tid: Int) -> [UInt64] {
        guard let record = investigation.nodes[tid]?.record else { return [] }
        return [record.threadStartNanoseconds, UInt64(record.number), record.contextSwitches]
    }

    /// A mutex that the futex turned out to be.
    func lock(of tid: Int) -> LockFields? {
        switch investigation.nodes[tid]?.futex {
        case .mutex: LockFields(type: "mutex", mode: "write")
        case .rwlock: LockFields(type: "mutex", mode: "read")
        default: nil
        }
    }

    // MARK: - one call

    mutating func reason(of tid: Int) -> Reason { judge.reason(of: tid) }

    /// Not all members of its set were looked into.
    func isCursory(_ tid: Int) -> Bool { investigation.nodes[tid].map(investigation.isCursory) ?? false }

    /// Nobody is known who could end the wait, or change what it is: only the thread itself can, by moving.
    func isSettled(_ tid: Int) -> Bool {
        guard let node = investigation.nodes[tid] else { return false }
        let relation = node.relation ?? Relation()
        switch node.call.resource.kind {
        // what it is made of, others can change
        case .epoll, .poll: return false
        default: return relation.holders.isEmpty && relation.end == nil && relation.unresolved.isEmpty
        }
    }

    mutating func story(of tid: Int) -> Story? {
        guard let node = investigation.nodes[tid] else { return nil }
        var story = Story()
        story.reason = judge.reason(of: tid)
        let relation = effective(node) ?? Relation()
        story.unresolved = relation.unresolved
        story.verdict = story.reason.verdict
        let holders = ranked(relation.holders, leadingBackTo: [tid])
        story.holderCount = holders.count
        story.holders = holders.prefix(8).map { described($0) }
        follow(node, &story)
        if let members = node.members {
            story.memberCount = members.count
            story.hasMoreMembers = node.hasMoreMembers
            story.members = judge.members(of: node).prefix(8).map { member, reason in
                SetMember(resource: member.call.resource, reason: reason)
            }
        }
        return story
    }

    /// What decides over a wait: of a set, the member that makes it more than idle.
    private func effective(_ node: Investigation.Node) -> Relation? { judge.worst[node.tid]?.relation ?? node.relation }

    /// The one that the wait hangs on first: whoever moves may end it; else the worst off; those that are idle, and
    /// those that wait for us in turn, last.
    private mutating func ranked(_ holders: [Holder], leadingBackTo seen: Set<Int>) -> [Holder] {
        guard holders.count > 1 else { return holders }
        var ranks: [(rank: Int, place: Int)] = []
        for (place, holder) in holders.enumerated() {
            let isBack = speaker(for: holder).map { seen.contains($0.tid) } ?? false
            let rank =
                switch judge.standing(of: holder) {
                case .moving: 0
                case .stuck: isBack ? 5 : 1
                case .waiting: isBack ? 5 : 2
                case .sleeping: 3
                case .idle: 4
                case .circular: 5
                }
            // who has a lock comes before those who only stand in line for it
            ranks.append((rank + (holder.isQueued ? 10 : 0), place))
        }
        return ranks.sorted { ($0.rank, $0.place) < ($1.rank, $1.place) }.map { holders[$0.place] }
    }

    private mutating func described(_ holder: Holder) -> Holder {
        var holder = holder
        guard let node = speaker(for: holder) else {
            // more than one could go on; none speaks for all
            let threads = investigation.threads(of: holder)?.compactMap { investigation.nodes[$0] } ?? []
            if let main = threads.first(where: { $0.tid == holder.pid }) ?? threads.first {
                holder.doing = doing(main)
                if !main.isRunning { holder.duration = main.duration }
            }
            return holder
        }
        holder.doing = doing(node)
        if !node.isRunning {
            holder.duration = node.duration
            holder.verdict = judge.reason(of: node.tid).verdict
        }
        return holder
    }

    private var speakers: [Investigation.Party: Int?] = [:]

    /// The one thread along which a chain goes on: the only one, or the only one that is hung.
    private mutating func speaker(for holder: Holder) -> Investigation.Node? {
        let party = investigation.party(holder)
        if let known = speakers[party] { return known.flatMap { investigation.nodes[$0] } }
        let found = findSpeaker(for: holder)
        speakers[party] = .some(found?.tid)
        return found
    }

    private mutating func findSpeaker(for holder: Holder) -> Investigation.Node? {
        guard let threads = investigation.threads(of: holder) else { return nil }
        if threads.count == 1 { return investigation.nodes[threads[0]] }
        var hung: [Int] = []
        for tid in threads {
            guard let node = investigation.nodes[tid], !node.isRunning else { continue }
            if deadlockOf[tid] != nil { return node }
            let isLong = node.duration >= judge.thresholdNanoseconds
            if isLong, judge.reason(of: tid).verdict != .idle { hung.append(tid) }
        }
        return hung.count == 1 ? investigation.nodes[hung[0]] : nil
    }

    /// `read pipe`, `sleeping`, `running`
    func doing(_ node: Investigation.Node) -> String {
        if node.record.isZombie { return "exited" }
        if node.isRunning { return "running" }
        switch node.target {
        case .running: return "running"
        case .stopped: return "stopped"
        case .traced: return "stopped by a tracer"
        case .frozen: return "frozen"
        case .exiting: return "exiting"
        default: break
        }
        guard let call = node.call.call else { return node.record.kind == .page ? "page fault" : "blocked" }
        let info = SyscallTable.table(for: call.abi)[call.number]
        if info?.class == .time { return "sleeping" }
        let what = Self.short((judge.worst[node.tid] ?? node).call.resource)
        return what.isEmpty || what == call.name ? call.name : "\(call.name) \(what)"
    }

    private static func short(_ resource: Resource) -> String {
        switch resource.kind {
        case .pipe, .futex, .epoll, .eventfd, .timerfd, .signalfd, .ioUring, .poll: return resource.kind.rawValue
        case .timer, .none: return ""
        case .child, .page: return TerminalText.escaped(resource.name)
        default:
            if resource.kind == .unix, resource.network?.local.path == nil, resource.network?.peer.path == nil {
                return "unix"
            }
            return TerminalText.cut(TerminalText.escaped(resource.name), to: 80, keep: .headAndTail)
        }
    }

    private func step(_ node: Investigation.Node) -> String {
        let name = TerminalText.escaped(node.record.processName)
        let who = node.tid == node.pid ? "\(name)[\(node.pid)]" : "\(name)[\(node.pid)/\(node.tid)]"
        return "\(who) \(doing(node))"
    }

    // MARK: - the chain

    private mutating func follow(_ start: Investigation.Node, _ story: inout Story) {
        var node = start
        var steps = [step(node)]
        var seen: Set<Int> = [node.tid]
        func finish(_ root: Root, _ identity: [String]) {
            story.root = root
            story.chainID = Self.hash(["chain", bootID] + identity)
        }
        while true {
            _ = judge.reason(of: node.tid)
            guard let relation = effective(node) else { break }
            if let set = deadlockOf[node.tid] {
                closeCircle(node, set, &steps)
                story.isInDeadlock = true
                finish(
                    Root(
                        kind: .deadlock, doing: "deadlock of \(set.tids.count) thread\(set.tids.count == 1 ? "" : "s")"),
                    [set.id])
                break
            }
            if let first = ranked(relation.holders, leadingBackTo: seen).first {
                let next = speaker(for: first)
                guard let next else {
                    let holder = described(first)
                    let name = TerminalText.escaped(holder.name)
                    steps.append("\(name)[\(holder.pid)]" + (holder.doing.map { " \($0)" } ?? ""))
                    let began = investigation.nodes[holder.pid]?.record.processStartNanoseconds ?? 0
                    finish(
                        Root(kind: .process, pid: holder.pid, name: holder.name, doing: holder.doing),
                        ["process", "\(holder.pid)", "\(began)"])
                    break
                }
                if seen.insert(next.tid).inserted {
                    node = next
                    steps.append(step(node))
                    continue
                }
                let name = TerminalText.escaped(next.record.processName)
                steps.append("back to \(name)[\(next.pid)]")
                finish(rootOf(node), identity(of: node))
                break
            }
            switch relation.end {
            case .remote(let address):
                steps.append(TerminalText.escaped(address))
                finish(Root(kind: .remote, address: address), ["remote", address])
            case .device(let name):
                steps.append("device \(TerminalText.escaped(Array(name.utf8)))")
                finish(Root(kind: .device, name: Array(name.utf8)), ["device", name])
            case .nobody(let why):
                steps.append(why)
                finish(Root(kind: .nobody, doing: why), ["nobody"] + identity(of: node))
            case nil:
                // what it waits for has no other end, or none that is known
                if steps.count > 1 { finish(rootOf(node), identity(of: node)) }
            }
            break
        }
        story.chain = steps.count > 1 ? steps.joined(separator: " <- ") : ""
    }

    /// The rest of the circle, back to where it was entered.
    private mutating func closeCircle(_ node: Investigation.Node, _ set: Deadlock, _ steps: inout [String]) {
        var at = node
        var seen: Set<Int> = [node.tid]
        while steps.count < 32, let relation = at.relation {
            let members = relation.holders.flatMap { investigation.threads(of: $0) ?? [] }.filter(set.tids.contains)
            guard let next = members.first(where: { !seen.contains($0) }) ?? members.first,
                let following = investigation.nodes[next]
            else { return }
            if !seen.insert(next).inserted {
                steps.append("back to \(TerminalText.escaped(following.record.processName))[\(following.pid)]")
                return
            }
            steps.append(step(following))
            at = following
        }
    }

    private func rootOf(_ node: Investigation.Node) -> Root {
        Root(
            kind: node.record.isSingleThreaded || node.tid == node.pid ? .process : .thread, pid: node.pid,
            name: node.record.processName, doing: doing(node))
    }

    private func identity(of node: Investigation.Node) -> [String] {
        ["thread", "\(node.tid)", "\(node.record.threadStartNanoseconds)"]
    }

    /// What a member of a deadlock waits for and holds, in words.
    func member(_ tid: Int, of deadlock: Deadlock) -> DeadlockMember? {
        guard let node = investigation.nodes[tid] else { return nil }
        // what others of the set wait for and this one has
        var holds: [String] = []
        for other in deadlock.tids where other != tid || deadlock.tids.count == 1 {
            guard let waiter = investigation.nodes[other], let relation = waiter.relation else { continue }
            for holder in relation.holders where investigation.threads(of: holder)?.contains(tid) == true {
                let what = TerminalText.cut(TerminalText.escaped(waiter.call.resource.name), to: 80, keep: .headAndTail)
                let text = holder.relation == .child ? "is awaited by \(waiter.pid)" : what
                if !text.isEmpty, !holds.contains(text) { holds.append(text) }
            }
        }
        return DeadlockMember(
            pid: node.pid, tid: tid, name: node.record.processName, call: node.call.call?.name ?? "",
            wants: TerminalText.cut(TerminalText.escaped(node.call.resource.name), to: 80, keep: .headAndTail),
            holds: Array(holds.prefix(3)), duration: node.duration, switches: node.record.contextSwitches,
            start: node.record.threadStartNanoseconds)
    }

    static func hash(_ parts: [String]) -> String {
        ByteText.hex([UInt8](SHA1.digest(Array(parts.joined(separator: "\u{1f}").utf8)).prefix(8)))
    }
}

/// One thread of a deadlock.
public struct DeadlockMember: Sendable, Equatable {
    public var pid, tid: Int
    public var name: [UInt8]
    public var call: String
    public var wants: String
    public var holds: [String]
    public var duration: UInt64
    /// Context switches so far: one that has moved since is in no deadlock.
    var switches: UInt64
    var start: UInt64
}
