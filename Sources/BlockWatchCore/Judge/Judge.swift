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
    /// What was found out inside of a circle holds for as long as the same call is asked about.
    var inside = Inside()
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
    private let native: SyscallTable
    private let compat = SyscallTable.table(for: .i386)

    init(_ look: Investigation, thresholdNanoseconds: UInt64, deadlocked: Set<Int>, nativeABI: ABI) {
        self.look = look
        self.thresholdNanoseconds = thresholdNanoseconds
        self.deadlocked = deadlocked
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
            case .unknown: isWorkOfTheKernel(wait) ? .inProgress : .unknown
            }
        return rule == .set ? set(wait) : reason.map { Judgement($0, by: rule) }
    }

    /// The thread runs, inside of the call; or it had the kernel do something, and that is done.
    private func isWorkOfTheKernel(_ wait: Wait) -> Bool {
        guard wait.record.kind == .systemCall else { return false }
        return wait.isRunning || wait.record.occasion == .slow && info(wait)?.class == .kernel
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
        if isOutermost {
            effort = 0
            inside = Inside()
        }
        if let judgement = inside.judgements[tid] {
            metCircle = true
            if inside.circular.contains(tid) { circular.insert(tid) }
            return judgement
        }
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
        var judgement = firstThatFits(wait, Rule.allCases)
        if isOutermost, metCircle, inside.isTelling {
            // those in the circle were asked about while it was not known yet how the others do
            inside = Inside(assumed: inside)
            judgement = firstThatFits(wait, Rule.allCases)
        }
        // what was found out inside of a circle holds from where it was entered only
        if isOutermost || !metCircle {
            known[tid] = judgement
        } else {
            inside.judgements[tid] = judgement
            if circular.contains(tid) { inside.circular.insert(tid) }
        }
        return judgement
    }

    /// What was found out of threads and holders inside of a circle. Without it, who waits for many that wait for each other
    /// would be asked about in every order there is.
    struct Inside {
        var judgements: [Int: Judgement] = [:]
        var circular: Set<Int> = []
        var threads: [Int: Standing] = [:]
        var parties: [[Int]: Standing] = [:]
        /// How those do that are asked about while they are being judged, as far as is known.
        private var assumedThreads: [Int: Standing] = [:]
        private var assumedParties: [[Int]: Standing] = [:]

        init() {}
        init(assumed: Inside) {
            assumedThreads = assumed.threads.filter(\.value.isTelling)
            assumedParties = assumed.parties.filter(\.value.isTelling)
        }

        /// Somebody in the circle gets on, or is hung, by something outside of it.
        var isTelling: Bool {
            threads.values.contains(where: \.isTelling) || parties.values.contains(where: \.isTelling)
        }

        func assumed(_ tid: Int) -> Standing { assumedThreads[tid] ?? .circular }
        func assumed(_ threads: [Int]) -> Standing { assumedParties[threads] ?? .circular }
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

    /// The name of the thread's last call that moved bytes on a descriptor.
    func lastIO(_ wait: Wait, on descriptor: Int) -> String? {
        wait.record.lastIO(on: descriptor).flatMap { (wait.record.isCompat ? compat : native)[$0]?.name }
    }

    func isTimer(_ wait: Wait) -> Bool { info(wait)?.class == .time }
}
