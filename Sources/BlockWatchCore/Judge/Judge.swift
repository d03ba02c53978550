/// Tells hung from idle, on evidence and along the whole chain.
///
/// One method a rule, in `Rules/`; ``decide(_:by:_:)`` is the table that names them.
struct Judge {
    let look: Investigation
    let thresholdNanoseconds: UInt64
    /// Threads that can never go on.
    let deadlocked: Set<Int>
    /// The members that decide over their sets, by thread.
    var deciding: [Int: Wait] = [:]
    /// Processes that somebody waits for, as far as this look goes.
    lazy var awaitedPIDs: Set<Int> = Set(
        look.waits.values.flatMap { wait in
            ([wait] + (wait.set.value?.members ?? [])).flatMap { $0.relation.value?.holders ?? [] }.map(\.pid)
                .filter { $0 != wait.pid }
        })

    private var known: [Int: Judgement] = [:]
    private var inProgress: Set<Int> = []
    private var effort = 0
    private static let mostEffort = 20_000
    /// What is being found out has met itself.
    var metCircle = false
    /// Threads whose every other end waits for them in turn, as far as is known inside of that circle.
    var circular: Set<Int> = []
    /// By the threads of a holder.
    var standings: [[Int]: Standing] = [:]
    var partiesInProgress: Set<[Int]> = []
    let nativeABI: ABI
    private let native: SyscallTable
    private let compat = SyscallTable.table(for: .i386)

    init(_ look: Investigation, thresholdNanoseconds: UInt64, deadlocked: Set<Int>, nativeABI: ABI) {
        self.look = look
        self.thresholdNanoseconds = thresholdNanoseconds
        self.deadlocked = deadlocked
        self.nativeABI = nativeABI
        native = SyscallTable.table(for: nativeABI)
    }

    /// What a rule says of a wait; `nil` where it does not fit.
    private mutating func decide(_ wait: Wait, by rule: Rule, _ relation: Relation) -> Judgement? {
        let reason: Reason? =
            switch rule {
            case .cycle: cycle(wait)
            case .stopped: stopped(wait)
            case .child: child(wait, relation)
            case .kernel: kernel(wait, relation)
            case .overdue: overdue(wait)
            case .input: input(wait, relation)
            case .lock: isLock(wait, relation) ? lock(wait, relation) : nil
            case .connect: connect(wait, relation)
            case .send: send(wait, relation)
            case .otherEnd: otherEnd(wait, relation)
            case .serverSide: serverSide(wait, relation)
            case .set: nil
            case .futex: futex(wait, relation)
            case .unknown: wait.isRunning && wait.record.kind == .systemCall ? .inProgress : .unknown
            }
        return rule == .set ? set(wait) : reason.map { Judgement($0, by: rule) }
    }

    private mutating func firstThatFits(_ wait: Wait, _ rules: some Sequence<Rule>) -> Judgement {
        let relation = wait.relation.value ?? Relation()
        for rule in rules { if let judgement = decide(wait, by: rule, relation) { return judgement } }
        return Judgement(.unknown, by: .unknown)
    }

    mutating func judgement(of tid: Int) -> Judgement {
        if let judgement = known[tid] { return judgement }
        guard let wait = look.waits[tid] else { return Judgement(.unknown, by: .unknown) }
        let isOutermost = inProgress.isEmpty
        if isOutermost { effort = 0 }
        effort += 1
        guard effort < Self.mostEffort, inProgress.insert(tid).inserted else {
            metCircle = true
            return Judgement(.peerWaiting, by: .otherEnd)
        }
        let before = metCircle
        metCircle = false
        defer {
            inProgress.remove(tid)
            metCircle = metCircle || before
        }
        let judgement = firstThatFits(wait, Rule.allCases)
        // what was found out inside of a circle holds from where it was entered only
        if isOutermost || !metCircle { known[tid] = judgement }
        return judgement
    }

    /// One member of a set, as if it were waited for alone.
    mutating func judgement(ofMember member: Wait) -> Judgement {
        firstThatFits(member, Rule.allCases.lazy.filter(\.isForMembers))
    }

    var beingJudged: Set<Int> { inProgress }
    func isBeingJudged(_ tid: Int) -> Bool { inProgress.contains(tid) }
    var isJudging: Bool { !inProgress.isEmpty }

    func info(_ wait: Wait) -> SyscallInfo? {
        guard wait.record.kind == .systemCall else { return nil }
        return (wait.record.isCompat ? compat : native)[wait.record.number]
    }

    func isTimer(_ wait: Wait) -> Bool { info(wait)?.class == .time }
}
