/// Tells hung from idle, on evidence and along the whole chain.
///
/// The rules are CONTRACT's, section 4, in its order; ``rules`` is that table.
struct Judge {
    typealias Node = Investigation.Node
    typealias Rule = @Sendable (inout Judge, Node, Relation) -> Reason?

    let investigation: Investigation
    let thresholdNanoseconds: UInt64
    /// Threads that can never go on.
    let deadlocked: Set<Int>
    private var known: [Int: Reason] = [:]
    private var inProgress: Set<Int> = []
    private let native: SyscallTable
    private let compat = SyscallTable.table(for: .i386)

    init(_ investigation: Investigation, thresholdNanoseconds: UInt64, deadlocked: Set<Int>, nativeABI: ABI) {
        self.investigation = investigation
        self.thresholdNanoseconds = thresholdNanoseconds
        self.deadlocked = deadlocked
        native = SyscallTable.table(for: nativeABI)
    }

    /// The first that answers decides.
    static let rules: [(name: String, decide: Rule)] = [
        ("cycle", { judge, node, _ in judge.deadlocked.contains(node.tid) ? .cycle : nil }),
        ("stopped", { judge, node, relation in judge.stopped(node, relation) }),
        ("child", { judge, node, relation in judge.child(node, relation) }),
        ("kernel", { judge, node, relation in judge.kernel(node, relation) }),
        ("overdue", { judge, node, _ in judge.overdue(node) }),
        ("input", { judge, node, relation in judge.input(node, relation) }),
        ("lock", { judge, node, relation in relation.finding == .lock ? judge.lock(node, relation) : nil }),
        ("connect, send", { judge, node, relation in judge.sending(node, relation) }),
        ("other end", { judge, node, relation in judge.otherEnd(node, relation) }),
        ("server side", { judge, node, relation in judge.serverSide(node, relation) }),
        ("set", { judge, node, relation in judge.set(node, relation) }),
        ("futex", { judge, node, relation in judge.futex(node, relation) }),
        ("unknown", { _, node, _ in node.isRunning && node.record.kind == .systemCall ? .inProgress : .unknown }),
    ]

    mutating func reason(of tid: Int) -> Reason {
        if let reason = known[tid] { return reason }
        guard let node = investigation.nodes[tid] else { return .unknown }
        let isOutermost = inProgress.isEmpty
        if isOutermost { effort = 0 }
        effort += 1
        guard effort < Self.mostEffort, inProgress.insert(tid).inserted else {
            sawCircle = true
            return .peerWaiting
        }
        let before = sawCircle
        sawCircle = false
        defer {
            inProgress.remove(tid)
            sawCircle = sawCircle || before
        }
        let relation = node.relation ?? Relation()
        for rule in Self.rules {
            if let reason = rule.decide(&self, node, relation) {
                // what was found out inside of a circle holds from where it was entered only
                if isOutermost || !sawCircle { known[tid] = reason }
                return reason
            }
        }
        return .unknown
    }

    private var sawCircle = false
    private var effort = 0
    private static let mostEffort = 20_000
    /// Threads whose every other end waits for them in turn, as far as is known inside of that circle.
    private var circular: Set<Int> = []

    // MARK: - how the other end does

    /// What a holder does, as far as those who wait for it are concerned.
    enum Standing: Equatable {
        case moving, sleeping, stuck, waiting, idle
        /// It waits for whoever asks.
        case circular
    }

    mutating func standing(of tid: Int) -> Standing {
        guard let node = investigation.nodes[tid] else { return .moving }
        if node.record.isZombie || node.isRunning { return .moving }
        switch node.target {
        case .running: return .moving
        case .stopped, .traced, .frozen: return .stuck
        default: break
        }
        if node.duration < movedWithin, node.target != .stopped, !deadlocked.contains(tid) { return .moving }
        if isTimer(node) { return .sleeping }
        if inProgress.contains(tid) {
            sawCircle = true
            return .circular
        }
        let reason = reason(of: tid)
        if circular.remove(tid) != nil, !inProgress.isEmpty { return .circular }
        switch reason.verdict {
        case .deadlock, .stuck: return .stuck
        case .waiting: return .waiting
        case .idle: return .idle
        }
    }

    /// A thread that has begun to wait so short a time ago still moves.
    private var movedWithin: UInt64 { min(thresholdNanoseconds / 4, 1_000_000_000) }

    private var standings: [Investigation.Party: Standing] = [:]
    private var partiesInProgress: Set<Investigation.Party> = []

    mutating func standing(of holder: Holder) -> Standing {
        let party = investigation.party(holder)
        if let known = standings[party] { return known }
        guard partiesInProgress.insert(party).inserted else {
            sawCircle = true
            return .circular
        }
        defer { partiesInProgress.remove(party) }
        let before = sawCircle
        sawCircle = false
        let found = together(holder)
        if !sawCircle { standings[party] = found }
        sawCircle = sawCircle || before
        return found
    }

    /// The threads of a holder together: one that moves is enough, those that are idle by design do not count, and
    /// those that wait for whoever asks say nothing.
    private mutating func together(_ holder: Holder) -> Standing {
        guard let threads = investigation.threads(of: holder) else {
            return investigation.isTooLarge(holder.pid) ? .waiting : .moving
        }
        var seen: [Standing] = []
        for tid in threads { seen.append(standing(of: tid)) }
        if seen.contains(.moving) { return .moving }
        let telling = seen.filter { $0 != .circular }
        if telling.isEmpty { return .circular }
        let busy = telling.filter { $0 != .idle }
        if busy.isEmpty { return .idle }
        if busy.allSatisfy({ $0 == .stuck }) { return .stuck }
        return busy.contains(.waiting) ? .waiting : .sleeping
    }

    private func isTimer(_ node: Node) -> Bool { info(node)?.class == .time }

    private func info(_ node: Node) -> SyscallInfo? {
        guard node.record.kind == .systemCall else { return nil }
        return (node.record.isCompat ? compat : native)[node.record.number]
    }

    private mutating func allStandings(_ relation: Relation) -> [Standing] {
        var all: [Standing] = []
        for holder in relation.holders { all.append(standing(of: holder)) }
        return all
    }

    // MARK: - the rules

    private mutating func stopped(_ node: Node, _ relation: Relation) -> Reason? {
        switch node.target {
        case .traced, .frozen: return .stopped
        case .stopped: break
        default: if node.record.kind != .stopped { return nil }
        }
        // Ctrl-Z: somebody has put it aside
        if node.call.stop?.signal == "SIGTSTP", !waitedForPIDs.contains(node.pid) { return .parked }
        return .stopped
    }

    /// Processes that somebody waits for, as far as this look goes.
    private lazy var waitedForPIDs: Set<Int> = Set(
        investigation.nodes.values.flatMap { node in
            ([node] + (node.members ?? [])).flatMap { $0.relation?.holders ?? [] }.map(\.pid).filter { $0 != node.pid }
        })

    private mutating func child(_ node: Node, _ relation: Relation) -> Reason? {
        let isJoin = node.futex.map { if case .join = $0 { true } else { false } } ?? false
        let isChild: Bool =
            switch node.target {
            case .children, .process: node.call.resource.kind != .epoll
            default: isJoin
            }
        guard isChild else { return nil }
        let all = allStandings(relation)
        if !all.isEmpty, all.allSatisfy({ $0 == .stuck }) { return .peerStuck }
        return .awaitingChild
    }

    private func kernel(_ node: Node, _ relation: Relation) -> Reason? {
        if case .fuse = node.target, node.duration >= movedWithin { return .kernelStuck }
        let isStuck =
            node.record.kind == .exiting || node.record.isUninterruptible || node.call.resource.kind == .page
            || node.record.kind == .ioWorker
        guard isStuck else { return nil }
        return hasMovedInside(node) ? .inProgress : .kernelStuck
    }

    /// The thread has been on a processor a short time ago and long after it began to wait: piece after piece is done.
    private func hasMovedInside(_ node: Node) -> Bool {
        guard let ran = node.record.lastRanNanoseconds, !node.record.isOlder else { return false }
        let now = node.record.nowNanoseconds
        let start = node.record.startNanoseconds
        return ran > start && ran - start > movedWithin && now - min(ran, now) < movedWithin
    }

    private func overdue(_ node: Node) -> Reason? {
        guard let timeout = node.call.call?.timeoutNanoseconds, node.record.kind == .systemCall,
            node.record.renewals == 0
        else { return nil }
        return Self.isPast(timeout, after: node.duration) ? .overdue : nil
    }

    /// By a tenth and a second.
    static func isPast(_ timeout: UInt64, after duration: UInt64) -> Bool {
        let limit = timeout.addingReportingOverflow(timeout / 10 + 1_000_000_000)
        return !limit.overflow && duration > limit.partialValue
    }

    private mutating func input(_ node: Node, _ relation: Relation) -> Reason? {
        if isTimer(node) { return .timer }
        switch node.call.resource.kind {
        case .timerfd: return .timer
        case .signalfd, .inotify: return .awaitingInput
        case .netlink, .raw: return .awaitingInput
        case .device:
            return node.call.resource.file == nil || node.record.object?.isBlockDevice != true ? .awaitingInput : nil
        case .tty:
            // a terminal whose other side somebody holds
            let all = allStandings(relation)
            return !all.isEmpty && all.allSatisfy { $0 == .stuck } ? nil : .awaitingInput
        case .epoll where node.isMember: return .eventLoop
        case .tcp, .unix, .udp, .vsock:
            if node.call.resource.network?.state == "LISTEN" { return .listening }
        default: break
        }
        switch info(node)?.class {
        case .signal: return .awaitingInput
        default: return nil
        }
    }

    private mutating func lock(_ node: Node, _ relation: Relation) -> Reason? {
        guard !relation.holders.isEmpty else {
            if case .nobody = relation.end { return .lockHeld }
            return .unknown
        }
        for holder in relation.holders {
            if isPreforkTurn(node, holder) { return .listening }
        }
        // those in line before it go on as soon as the holders do
        var all: [Standing] = []
        for holder in relation.holders where !holder.isQueued { all.append(standing(of: holder)) }
        return all.contains(.moving) ? .lockBusy : .lockHeld
    }

    /// Workers of one server pass the turn to accept by a mutex: its holder waits for a client.
    private func isPreforkTurn(_ node: Node, _ holder: Holder) -> Bool {
        guard holder.pid != node.pid, let threads = investigation.threads(of: holder) else { return false }
        return threads.contains { tid in
            guard let other = investigation.nodes[tid], other.record.processName == node.record.processName else {
                return false
            }
            return other.call.resource.network?.state == "LISTEN" || other.call.resource.kind == .epoll
                || other.call.resource.kind == .poll
        }
    }

    private mutating func sending(_ node: Node, _ relation: Relation) -> Reason? {
        switch relation.finding {
        case .backlogFull: return .connectBacklogFull
        case .notAccepted: return .notAccepted
        default: break
        }
        guard let call = node.call.call else { return nil }
        if node.isMember, node.record.object?.peerState == .unaccepted { return .notAccepted }
        if call.name == "connect" || node.record.object?.tcpState == 2, node.call.resource.kind == .tcp {
            return .connectUnanswered
        }
        if case .pipe(_, .read, _) = node.target {
            if relation.holders.isEmpty { return nil }
            let all = allStandings(relation)
            if all.contains(.moving) { return .peerBusy }
            return all.allSatisfy { $0 == .stuck } ? .peerStuck : .sendStalled
        }
        // nothing gets through: what was sent has been sent again, and is still not acknowledged
        if node.call.resource.kind == .tcp, let inet = node.record.object?.internet, inet.unacknowledged > 0,
            inet.retransmits > 1
        {
            return .sendStalled
        }
        guard WaitTarget.sends(call), [.tcp, .unix, .udp].contains(node.call.resource.kind) else { return nil }
        if relation.holders.isEmpty { return relation.finding == .nobody ? .peerGone : .sendStalled }
        let all = allStandings(relation)
        if all.contains(.moving) { return .peerBusy }
        return all.allSatisfy { $0 == .stuck } ? .peerStuck : .sendStalled
    }

    private mutating func otherEnd(_ node: Node, _ relation: Relation) -> Reason? {
        switch node.target {
        case .pipe, .unixPeer, .closedPeer, .connection, .shared, .terminal: break
        default: return nil
        }
        if relation.finding == .nobody { return .peerGone }
        if relation.finding == .onlyItself {
            let isAnonymous = node.call.resource.kind == .pipe || node.call.resource.kind == .unix
            return isAnonymous && node.record.isSingleThreaded && !node.isMember ? .peerGone : .parked
        }
        // a server answers last: of its side only bytes that are not taken say anything
        let isServer = relation.finding == .serverSide
        let isOutstanding = isOutstanding(node, relation)
        if relation.holders.isEmpty {
            guard case .connection = node.target else { return nil }
            return isOutstanding ? (investigation.isPeriodic(node) ? .peerIdle : .replyPending) : nil
        }
        // somebody of its own process can write to it: its threads talk among themselves
        if relation.holders.allSatisfy({ $0.pid == node.pid }) { return .parked }
        var all = allStandings(relation)
        if all.allSatisfy({ $0 == .circular }) {
            if isOutstanding { return .replyPending }
            if isServer { return nil }
            if !node.isMember { circular.insert(node.tid) }
            return .peerStuck
        }
        all.removeAll { $0 == .circular }
        if all.allSatisfy({ $0 == .stuck }) { return .peerStuck }
        if isOutstanding, !investigation.isPeriodic(node) { return .replyPending }
        if isServer { return nil }
        // of a call that is over: whoever ended it is back at its clock
        if node.record.occasion == .slow, relation.holders.allSatisfy({ hasServed($0) && isAtClock($0) }) {
            return .peerIdle
        }
        if all.contains(.moving) { return .peerBusy }
        if all.contains(.sleeping) {
            return relation.holders.allSatisfy { standing(of: $0) != .sleeping || hasServed($0) }
                ? .peerIdle : .peerSleeping
        }
        if all.contains(.waiting) || all.contains(.stuck) { return .peerWaiting }
        return .peerIdle
    }

    private func isAtClock(_ holder: Holder) -> Bool {
        (investigation.threads(of: holder) ?? []).allSatisfy { tid in investigation.nodes[tid].map(isTimer) ?? false }
    }

    /// The last thing that it moved bytes on is what is waited for here: it does so from time to time.
    private func hasServed(_ holder: Holder) -> Bool {
        guard let descriptor = holder.descriptor else { return false }
        return (investigation.threads(of: holder) ?? []).contains { tid in
            investigation.nodes[tid]?.record.lastIO(on: descriptor) != nil
        }
    }

    private func isOutstanding(_ node: Node, _ relation: Relation) -> Bool {
        relation.finding == .serverSide
            ? (node.record.object?.internet.unacknowledged ?? 0) > 0 : node.isReplyOutstanding
    }

    private func serverSide(_ node: Node, _ relation: Relation) -> Reason? {
        guard case .connection = node.target else { return nil }
        return relation.finding == .serverSide ? .awaitingRequest : nil
    }

    /// By its worst member; a set of one is a wait for that one.
    private mutating func set(_ node: Node, _ relation: Relation) -> Reason? {
        switch node.call.resource.kind {
        case .epoll, .poll, .ioUring: break
        default: return nil
        }
        // one that is over can no longer be looked into: whatever it waited for has come, or its time-out
        let members = node.members ?? []
        if members.count == 1, !node.hasMoreMembers {
            let reason = decide(members[0])
            worst[node.tid] = members[0]
            return reason == .unknown ? .eventLoop : reason
        }
        var found: (reason: Reason, member: Node)?
        for member in members {
            let reason = decide(member)
            guard isSuspicious(reason, member) else { continue }
            if found == nil || reason.verdict.rank < found!.reason.verdict.rank { found = (reason, member) }
        }
        guard let found else { return .eventLoop }
        worst[node.tid] = found.member
        return found.reason
    }

    /// What makes a whole set more than idle: a program that serves many has many peers that do something else.
    private func isSuspicious(_ reason: Reason, _ member: Node) -> Bool {
        switch reason {
        case .connectUnanswered, .connectBacklogFull, .notAccepted, .replyPending, .sendStalled, .overdue: true
        case .peerStuck: isOutstanding(member, member.relation ?? Relation())
        default: false
        }
    }

    /// The members that decided over their sets.
    private(set) var worst: [Int: Node] = [:]

    /// The rules for one member, as if it were waited for alone.
    private mutating func decide(_ member: Node) -> Reason {
        let relation = member.relation ?? Relation()
        for rule in Self.rules where !["stopped", "cycle", "kernel", "overdue", "child"].contains(rule.name) {
            if let reason = rule.decide(&self, member, relation) { return reason }
        }
        return .unknown
    }

    /// Of each member, for the record: the most suspicious first.
    mutating func members(of node: Node) -> [(member: Node, reason: Reason)] {
        var all: [(member: Node, reason: Reason)] = []
        for member in node.members ?? [] { all.append((member, decide(member))) }
        return all.enumerated().sorted {
            let (a, b) = ($0.element, $1.element)
            let (x, y) = (isSuspicious(a.reason, a.member) ? 0 : 1, isSuspicious(b.reason, b.member) ? 0 : 1)
            return (x, a.reason.verdict.rank, $0.offset) < (y, b.reason.verdict.rank, $1.offset)
        }.map(\.element)
    }

    private mutating func futex(_ node: Node, _ relation: Relation) -> Reason? {
        guard node.call.resource.kind == .futex else { return nil }
        return relation.finding == .futexOwner ? lock(node, relation) : .parked
    }
}
