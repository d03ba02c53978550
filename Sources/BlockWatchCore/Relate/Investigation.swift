/// One look at who waits for whom, from the calls in question to the roots.
///
/// In rounds: each asks for the other ends of the threads that the last one brought up, all in one pass over the open
/// files, and sees what the threads of their holders are doing. What is asked for, and what follows from the answers, is
/// each ``Target``'s own.
struct Investigation {
    /// Bounds of the work: what lies beyond counts as unknown.
    static let mostRounds = 8
    /// Threads of holders.
    static let mostWaits = 8192

    /// Also of members that cannot decide over their sets.
    let isThorough: Bool

    /// What the block devices have done lately.
    let devices: BlockDevices

    init(isThorough: Bool = true, devices: BlockDevices = BlockDevices()) {
        self.isThorough = isThorough
        self.devices = devices
    }

    /// From CLOCK_MONOTONIC to CLOCK_BOOTTIME, in which threads begin.
    private(set) var clock: ClockReading?

    /// By thread.
    private(set) var waits: [Int: Wait] = [:]
    /// All threads of the processes that were looked at.
    private(set) var threads: [Int: [Int]] = [:]
    private var files: [FileQuestion: [OpenFile]] = [:]
    private var locks: [FileQuestion: [FileLock]] = [:]
    private struct Inner: Hashable {
        var namespace: UInt32
        var tid: Int
    }
    private var byInner: [Inner: Int] = [:]
    private var byParent: [Int: [Int]] = [:]
    /// PID namespaces that end as soon as nothing is left of them.
    private(set) var endingNamespaces: Set<UInt32> = []
    private var viewedCount = 0
    private var askedViews: Set<ViewQuestion> = []
    private(set) var timedOut = false

    /// - Parameters:
    ///   - seeds: calls with their records, just read.
    mutating func run(
        _ seeds: [(record: CallRecord, call: BlockedCall)], source: inout some HolderSource,
        risky: inout some RiskyReading, identifier: inout Identifier, clock: ClockReading
    ) {
        self.clock = clock
        for seed in seeds { add(seed.record, seed.call) }
        var frontier = seeds.map(\.record.tid)
        for _ in 0..<Self.mostRounds where !frontier.isEmpty {
            let waits = frontier.compactMap { self.waits[$0] }
            unfoldSets(waits, &source, &risky, identifier)
            askFiles(waits, &source)
            for kind in Targets.kinds { kind.learn(about: waits, &risky) }
            let known = Set(self.waits.keys)
            // the second time for what only those who were seen bring up; mostly nothing
            for _ in 1...2 {
                see(viewQuestions(waits), source: &source, risky: &risky, identifier: &identifier, clock: clock)
            }
            for kind in Targets.kinds { kind.confirm(waits, in: self, &risky) }
            answer(waits)
            frontier = self.waits.keys.filter { !known.contains($0) }.sorted()
        }
        answer(frontier.compactMap { waits[$0] })
    }

    /// A thread to begin with.
    mutating func add(_ record: CallRecord, _ call: BlockedCall) {
        if waits[record.tid] == nil {
            byInner[Inner(namespace: record.pidNamespace, tid: record.innerTID)] = record.tid
            byParent[record.parentPID, default: []].append(record.tid)
        }
        waits[record.tid] = Wait(record, call)
        if call.hints.contains(.lastOfNamespace) { endingNamespaces.insert(record.pidNamespace) }
    }

    /// Whether somebody may hold the other end.
    static func hasQuestions(_ record: CallRecord, _ call: BlockedCall) -> Bool {
        !Targets.target(record, call, Wait.State(record)).questions.isEmpty
    }

    func isPeriodic(_ wait: Wait) -> Bool { wait.isPeriodic || waits[wait.tid]?.isPeriodic == true }

    /// The members whose other ends are looked for.
    private func asked(of wait: Wait) -> [Wait] {
        guard let set = wait.set.value else { return [] }
        return isThorough || set.members.count == 1 || mayBeInCircle(wait, set)
            ? set.members : set.members.filter(\.canDecideOverSet)
    }

    /// Nothing is known yet that could let it go on but those who hold its members' other ends: it can be part of a
    /// deadlock. A set of many waits for work.
    private func mayBeInCircle(_ wait: Wait, _ set: WaitSet) -> Bool {
        guard !set.isCut, set.members.count <= Self.mostCircleMembers, case .absent? = wait.call.call?.timeout else {
            return false
        }
        return !set.members.contains { $0.target.hasWayOut }
    }
    private static let mostCircleMembers = 16

    /// Some members were left out that a line about the call should tell of.
    func hasUnaskedMembers(_ wait: Wait) -> Bool { asked(of: wait).count < wait.set.value?.members.count ?? 0 }

    // MARK: - questions of a round

    private mutating func unfoldSets(
        _ waits: [Wait], _ source: inout some HolderSource, _ risky: inout some RiskyReading, _ identifier: Identifier
    ) {
        let sets = waits.filter { $0.target is SetTarget && $0.set.value == nil }
        guard !sets.isEmpty else { return }
        if timedOut || !SetTarget.unfold(sets, &source, &risky, identifier) {
            timedOut = true
            for wait in sets { wait.set = .unknown(.timedOut) }
        }
    }

    private mutating func askFiles(_ waits: [Wait], _ source: inout some HolderSource) {
        var wanted: [FileQuestion] = []
        var seen: Set<FileQuestion> = []
        for wait in waits {
            for question in ([wait] + asked(of: wait)).flatMap(\.target.questions) where files[question] == nil {
                if seen.insert(question).inserted { wanted.append(question) }
            }
        }
        guard !wanted.isEmpty, !timedOut else { return }
        guard let answer = source.files(wanted) else {
            timedOut = true
            return
        }
        for question in wanted {
            files[question] = []
            locks[question] = []
        }
        for file in answer.files where wanted.indices.contains(file.question) {
            files[wanted[file.question], default: []].append(file)
        }
        for lock in answer.locks where wanted.indices.contains(lock.question) {
            locks[wanted[lock.question], default: []].append(lock)
        }
    }

    private func viewQuestions(_ waits: [Wait]) -> Set<ViewQuestion> {
        var wanted: Set<ViewQuestion> = []
        for wait in waits {
            for wait in [wait] + asked(of: wait) {
                wanted.formUnion(wait.target.views(of: wait, in: self))
                for question in wait.target.questions {
                    for file in open(question) where isWorthALook(file, wait) { wanted.insert(.process(file.pid)) }
                }
            }
        }
        return wanted.subtracting(askedViews)
    }

    /// Not the waiter itself if it has no other threads.
    private func isWorthALook(_ file: OpenFile, _ wait: Wait) -> Bool {
        (file.pid != wait.pid || !wait.record.isSingleThreaded) && wait.target.canEnd(file)
    }

    private mutating func see(
        _ questions: Set<ViewQuestion>, source: inout some HolderSource, risky: inout some RiskyReading,
        identifier: inout Identifier, clock: ClockReading
    ) {
        guard !questions.isEmpty, viewedCount < Self.mostWaits else { return }
        askedViews.formUnion(questions)
        // in order, whatever the order of the questions: one situation is told in one way
        var seenTIDs: Set<Int> = []
        let records = source.threads(questions.sorted()).sorted { $0.tid < $1.tid }
            // asked for as a thread and as one of a process
            .filter { seenTIDs.insert($0.tid).inserted }
        viewedCount += records.count
        let new = records.filter { waits[$0.tid] == nil }.prefix(Self.mostWaits)
        let calls = identifier.identify(Array(new), clock: clock, isBrief: true, risky: &risky)
        for (record, call) in zip(new, calls) { add(record, call) }
        var whole: Set<Int> = []
        var namespaces: Set<UInt32> = []
        for question in questions {
            switch question {
            case .process(let pid): whole.insert(pid)
            case .namespace(let namespace): namespaces.insert(namespace)
            case .thread, .children, .inner: break
            }
        }
        let parents = Set(questions.compactMap { if case .children(let pid) = $0 { pid } else { nil } })
        // a main thread that has ended does nothing any more, as long as others go on
        let living = Set(records.lazy.filter { !$0.isZombie }.map(\.pid))
        var seen: [Int: [Int]] = [:]
        for record in records where !record.isZombie || !living.contains(record.pid) {
            guard
                whole.contains(record.pid) || parents.contains(record.parentPID)
                    || namespaces.contains(record.pidNamespace)
            else { continue }
            seen[record.pid, default: []].append(record.tid)
        }
        threads.merge(seen) { $1 }
        for pid in whole where threads[pid] == nil { threads[pid] = [] }
    }

    // MARK: - answers

    private func answer(_ waits: [Wait]) {
        for wait in waits {
            // that of a set is made of its members'
            for member in asked(of: wait) { member.relation = .known(relation(of: member)) }
            wait.relation = .known(relation(of: wait))
        }
    }

    private func relation(of wait: Wait) -> Relation {
        if timedOut, wait.target.questions.contains(where: { files[$0] == nil }) {
            var relation = Relation()
            relation.coverage = .partial(.timedOut, isTold: true)
            return relation
        }
        var relation = wait.target.relation(of: wait, in: self)
        if relation.end == nil, relation.groups.isEmpty, wait.record.isUninterruptible {
            relation.end = fileSystem(wait)
        }
        return relation
    }

    /// What a thread waits for that the kernel holds.
    private func fileSystem(_ wait: Wait) -> Relation.End? {
        if wait.call.hints.contains(.memoryCgroup) {
            let cgroup = TerminalText.escaped(wait.record.cgroupPath)
            return .nobody("nobody: memory cgroup \(cgroup.isEmpty ? "/" : cgroup) is full, and its OOM killer is off")
        }
        let file = wait.call.resource.file
        if let server = file?.server { return .device("\(file?.fileSystem ?? "file system") of \(server)") }
        if let storage = wait.call.storage, storage.last?.source.isEmpty == false || storage.last?.blockDevice != 0 {
            return .device(text(storage))
        }
        return file?.path.map { .device("the file system of \(String(decoding: $0, as: UTF8.self))") }
    }

    // MARK: - what targets ask for

    /// Who has open what was asked for.
    func open(_ question: FileQuestion) -> [OpenFile] { files[question] ?? [] }
    func locks(_ question: FileQuestion) -> [FileLock] { locks[question] ?? [] }
    func children(of pid: Int) -> [Wait] { (byParent[pid] ?? []).compactMap { waits[$0] } }

    /// Of those that were looked at.
    func processes(ofNamespace namespace: UInt32) -> [Int] {
        Set(waits.values.lazy.filter { $0.record.pidNamespace == namespace }.map(\.pid)).sorted()
    }

    /// A thread by its number in its own PID namespace.
    func wait(inNamespace namespace: UInt32, tid: Int) -> Wait? {
        byInner[Inner(namespace: namespace, tid: tid)].flatMap { waits[$0] }
    }

    /// Threads that have that number in their own PID namespace, whichever it is.
    func waits(numbered tid: Int) -> [Wait] {
        byInner.lazy.filter { $0.key.tid == tid }.compactMap { waits[$0.value] }.sorted { $0.tid < $1.tid }
    }
}
