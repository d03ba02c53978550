/// From one look: for each call in question its holders, chain, root and verdict, and the deadlocks.
struct Findings {
    let look: Investigation
    var judge: Judge
    let bootID: String
    private let nativeABI: ABI
    let graph: ThreadGraph
    private(set) var deadlocks: [Deadlock] = []
    private(set) var deadlockOf: [Int: Deadlock] = [:]
    /// The one thread that speaks for a holder, once it has been looked for.
    var speakers: [[Int]: Int?] = [:]
    /// Threads that can only go on once another has, by that one.
    var dependents: [Int: Set<Int>] = [:]

    init(_ look: Investigation, thresholdNanoseconds: UInt64, bootID: String, nativeABI: ABI) {
        self.look = look
        self.bootID = bootID
        self.nativeABI = nativeABI
        graph = look.graph()
        judge = Judge(look, thresholdNanoseconds: thresholdNanoseconds, deadlocked: [], nativeABI: nativeABI)
        keep(look.deadlocks(in: graph, bootID: bootID))
    }

    /// Those of the deadlocks that are true, as far as is known: a second look takes back what it does not confirm.
    mutating func keep(_ confirmed: [Deadlock]) {
        deadlocks = confirmed
        deadlockOf = [:]
        speakers = [:]
        for deadlock in confirmed { for tid in deadlock.tids { deadlockOf[tid] = deadlock } }
        judge = Judge(
            look, thresholdNanoseconds: judge.thresholdNanoseconds, deadlocked: Set(deadlockOf.keys),
            nativeABI: nativeABI)
    }

    /// What must not change while a deadlock is looked at twice: the thread, its call, its context switches.
    func proof(of tid: Int) -> [UInt64] {
        guard let record = look.waits[tid]?.record else { return [] }
        return [record.threadStartNanoseconds, UInt64(record.number), record.contextSwitches]
    }

    /// What the thread waits for, with what the look has found of it: a mutex that the futex turned out to be; of a set,
    /// the member that decides or is the only one, as if the thread waited for it alone.
    func resource(of tid: Int) -> Resource? {
        guard let wait = look.waits[tid] else { return nil }
        var resource = wait.call.resource
        switch wait.owner.value {
        case .mutex: resource.lock = LockFields(type: "mutex", mode: "write")
        case .rwlock: resource.lock = LockFields(type: "mutex", mode: "read")
        case .join, nil: break
        }
        if let set = wait.set.value, let member = (judge.deciding[tid] ?? set.only)?.call.resource {
            resource.member = SetMemberFields(
                kind: member.kind, descriptor: member.descriptor, count: set.members.count)
            resource.name = member.name
            resource.descriptor = member.descriptor
            resource.file = member.file
            resource.pipe = member.pipe
            resource.network = member.network
        }
        return resource
    }

    /// A look that could not read what it wanted says nothing against what was known before.
    mutating func sawLess(of tid: Int, than before: Reason) -> Bool {
        guard before != .unknown, judge.judgement(of: tid).reason == .unknown, let wait = look.waits[tid] else {
            return false
        }
        return wait.set.gap != nil || wait.relation.value?.gap != nil || wait.relation.gap != nil
    }

    /// Of a call that is over: nothing is known of it, since whoever could tell went with it.
    func wentUnseen(_ tid: Int) -> Bool {
        guard let wait = look.waits[tid] else { return true }
        switch wait.set.gap ?? wait.relation.gap ?? wait.relation.value?.gap {
        case .processGone, .inFlight, .closed: return true
        default: return false
        }
    }

    // MARK: - one call

    mutating func judgement(of tid: Int) -> Judgement { judge.judgement(of: tid) }

    /// Not all members of its set were looked into.
    func hasUnaskedMembers(_ tid: Int) -> Bool { look.waits[tid].map(look.hasUnaskedMembers) ?? false }

    /// Nobody is known who could end the wait, or change what it is: only the thread itself can, by moving.
    func isSettled(_ tid: Int) -> Bool {
        guard let wait = look.waits[tid] else { return false }
        switch wait.call.resource.kind {
        // what it is made of, others can change
        case .epoll, .poll: return false
        default: break
        }
        switch wait.relation {
        case .known(let relation):
            return relation.holders.isEmpty && relation.end == nil && relation.unresolved.isEmpty
        case .absent, .unknown: return true
        }
    }

    mutating func finding(of tid: Int) -> Finding? {
        guard let wait = look.waits[tid] else { return nil }
        let judgement = judge.judgement(of: tid)
        var finding = Finding(judgement)
        let relation = decisive(wait)
        finding.unresolved = relation.unresolved + (wait.set.gap.map { [$0.of("members")] } ?? [])
        // who has several of the locks, or several open files of one, is one holder
        var told: Set<[Int]> = []
        let holders = ranked(relation.holders, of: wait, from: tid).filter {
            told.insert([$0.pid, $0.tid ?? 0]).inserted
        }
        finding.holderCount = holders.count
        finding.holders = holders.prefix(8).map { described($0) }
        follow(wait, &finding)
        if case .unknown(let gap) = finding.root, finding.unresolved.isEmpty { finding.unresolved = [gap.of("root")] }
        if let set = wait.set.value {
            finding.memberCount = set.members.count
            finding.hasMoreMembers = set.isCut
            finding.members = judge.members(of: wait).prefix(8).map { member, reason in
                SetMember(resource: member.call.resource, reason: reason)
            }
        }
        finding.evidence = VerdictEvidence.lines(judge.deciding[tid] ?? wait, judgement, look)
        return finding
    }

    /// What decides over a wait: of a set, the member that makes it more than idle. Where it was not found out, nothing.
    func decisive(_ wait: Wait) -> Relation { (judge.deciding[wait.tid] ?? wait).relation.value ?? Relation() }

    /// What a member of a deadlock waits for and holds, in words.
    func member(_ tid: Int, of deadlock: Deadlock) -> DeadlockMember? {
        guard let wait = look.waits[tid] else { return nil }
        // what others of the set wait for and this one has
        var holds: [String] = []
        for other in deadlock.tids where other != tid || deadlock.tids.count == 1 {
            guard let waiter = look.waits[other], let relation = waiter.relation.value else { continue }
            for holder in relation.holders where look.threads(of: holder)?.contains(tid) == true {
                let what = wanted(by: other)
                let text = holder.role == .child ? "\(DeadlockMember.awaited) \(waiter.pid)" : what
                if !text.isEmpty, !holds.contains(text) { holds.append(text) }
            }
        }
        return DeadlockMember(
            pid: wait.pid, tid: tid, name: wait.record.processName, call: wait.call.call?.name ?? "",
            wants: wanted(by: tid), holds: Array(holds.prefix(3)), duration: wait.duration)
    }

    /// Of a set, the member by which it is in the circle, if it is one alone.
    private func wanted(by tid: Int) -> String {
        let set = look.waits[tid]?.set.value?.members ?? []
        let members = set.filter { member in
            member.relation.value?.holders.contains { holder in
                look.threads(of: holder)?.contains { deadlockOf[$0]?.tids.contains(tid) == true } == true
            } == true
        }
        let name = members.count == 1 ? members[0].call.resource.name : look.waits[tid]?.call.resource.name ?? []
        return TerminalText.cut(TerminalText.escaped(name), to: 80, keep: .headAndTail)
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
    /// What others of the set wait for; of a child, `is awaited by 4711`.
    public var holds: [String]
    public var duration: UInt64

    static let awaited = "is awaited by"
}
