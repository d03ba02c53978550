/// One look at who waits for whom, from the calls in question to the roots.
///
/// In rounds: each asks for the other ends of the threads that the last one brought up, all in one pass over the open
/// files, and sees what the threads of their holders are doing.
struct Investigation {
    /// A thread. By reference, because a record has kilobytes.
    final class Node {
        let record: CallRecord
        let call: BlockedCall
        let target: WaitTarget
        var relation: Relation?
        var futex: FutexOwner.Guess?
        /// Of a wait for a set: its members, each as if the thread waited for that one alone.
        var members: [Node]?
        var hasMoreMembers = false
        /// It has waited here as long many times before.
        var isPeriodic = false
        let isMember: Bool
        /// The call waits for this one alone: directly, or as the only member of its set.
        let isAlone: Bool

        init(_ record: CallRecord, _ call: BlockedCall, isMember: Bool = false, isAlone: Bool = true) {
            self.record = record
            self.call = call
            self.isMember = isMember
            self.isAlone = isAlone
            target = WaitTarget(record, call)
        }

        /// On a processor, or about to be; a call that is over says nothing about that.
        var isRunning: Bool {
            target == .running || record.isOnCPU && !record.hasLeft && record.occasion != .slow
        }
        /// Something was sent, and nothing has come back since.
        private(set) lazy var isReplyOutstanding: Bool = findReplyOutstanding()

        /// Of a member: whether it can make a set of several more than idle, and for that must be known who holds its
        /// other end. A program that serves many has many peers that do something else.
        private(set) lazy var isTelling: Bool = {
            guard let object = record.object, object.family == .socket else { return false }
            if let call = call.call, WaitTarget.sends(call) { return true }
            return object.tcpState == 2 || object.peerState == .unaccepted || object.peerState == .listener
                || [2, 10].contains(object.socketFamily) && object.internet.unacknowledged > 0 || isReplyOutstanding
        }()

        private func findReplyOutstanding() -> Bool {
            guard let object = record.object, object.family == .socket else { return false }
            let last = record.descriptor.flatMap(record.lastIO(on:))
            let table = call.call.map { SyscallTable.table(for: $0.abi) }
            let sentLast = last.flatMap { table?[$0] }.map { WaitTarget.sends(named: $0.name) } ?? false
            guard object.socketFamily == 2 || object.socketFamily == 10, object.socketProtocol == 6 else {
                return sentLast
            }
            let inet = object.internet
            if inet.unacknowledged > 0 { return true }
            guard let sent = inet.lastSent, let received = inet.lastReceived else {
                // a client that has sent nothing yet and waits for nothing else wants the server's greeting
                return inet.lastReceived == nil && (inet.lastSent != nil || isAlone) || sentLast
            }
            // ages: the smaller is the later
            if sent != received { return sent < received }
            if sentLast { return true }
            return isAlone && record.isOlder && last == nil
        }

        var pid: Int { record.pid }
        var tid: Int { record.tid }
        var duration: UInt64 { record.nowNanoseconds - record.startNanoseconds }
    }

    /// Bounds of the work: what lies beyond counts as unknown.
    static let mostRounds = 8
    /// Threads of holders.
    static let mostNodes = 8192

    /// Also of members that cannot tell.
    let isThorough: Bool

    init(isThorough: Bool = true) { self.isThorough = isThorough }

    private(set) var nodes: [Int: Node] = [:]
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
    private var viewedCount = 0
    private var askedViews: Set<ViewQuestion> = []
    private(set) var timedOut = false

    /// - Parameters:
    ///   - seeds: calls with their records, just read.
    mutating func run(
        _ seeds: [(record: CallRecord, call: BlockedCall)], source: inout some HolderSource,
        risky: inout some RiskyReading, identifier: inout Identifier, clock: ClockReading
    ) {
        for seed in seeds { add(seed.record, seed.call) }
        var frontier = seeds.map(\.record.tid)
        for _ in 0..<Self.mostRounds where !frontier.isEmpty {
            askSets(frontier, &source, &risky, identifier)
            askFiles(frontier, &source)
            askMemory(frontier, &risky)
            let known = Set(nodes.keys)
            see(viewQuestions(frontier), source: &source, risky: &risky, identifier: &identifier, clock: clock)
            relate(frontier)
            frontier = nodes.keys.filter { !known.contains($0) }.sorted()
        }
        relate(frontier)
    }

    private mutating func relate(_ frontier: [Int]) {
        for tid in frontier {
            guard let node = nodes[tid] else { continue }
            node.relation = relation(of: node)
            for member in asked(of: node) { member.relation = relation(of: member) }
        }
    }

    /// The members whose other ends are looked for.
    private func asked(of node: Node) -> [Node] {
        guard let members = node.members else { return [] }
        return isThorough || members.count == 1 ? members : members.filter(\.isTelling)
    }

    /// Some members were left out that a line about the call should tell of.
    func isCursory(_ node: Node) -> Bool { asked(of: node).count < node.members?.count ?? 0 }

    /// A thread to begin with.
    mutating func add(_ record: CallRecord, _ call: BlockedCall) {
        if nodes[record.tid] == nil {
            byInner[Inner(namespace: record.pidNamespace, tid: record.innerTID)] = record.tid
            byParent[record.parentPID, default: []].append(record.tid)
        }
        nodes[record.tid] = Node(record, call)
    }

    /// Whether somebody may hold the other end.
    static func hasQuestions(_ record: CallRecord, _ call: BlockedCall) -> Bool {
        !WaitTarget(record, call).questions.isEmpty
    }

    func isPeriodic(_ node: Node) -> Bool { node.isPeriodic || nodes[node.tid]?.isPeriodic == true }

    // MARK: - questions of a round

    private mutating func askFiles(_ frontier: [Int], _ source: inout some HolderSource) {
        var wanted: [FileQuestion] = []
        var seen: Set<FileQuestion> = []
        for tid in frontier {
            guard let node = nodes[tid] else { continue }
            for question in ([node] + asked(of: node)).flatMap(\.target.questions) where files[question] == nil {
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

    /// Expands poll, select and epoll: which descriptors, and what each of them is.
    private mutating func askSets(
        _ frontier: [Int], _ source: inout some HolderSource, _ risky: inout some RiskyReading, _ identifier: Identifier
    ) {
        var questions: Set<RiskyQuestion> = []
        var sets: [(node: Node, call: SystemCall)] = []
        var epolls: [(node: Node, question: FileQuestion)] = []
        for tid in frontier {
            guard let node = nodes[tid], node.target == .open, node.members == nil, !node.record.hasLeft,
                node.record.kind == .systemCall, let call = node.call.call,
                // it does not wait for the set, but for its memory: with an epoll's mutex, for which nobody may wait
                node.call.resource.kind != .page
            else { continue }
            if let question = Sets.items(node.record, call) {
                epolls.append((node, question))
                continue
            }
            let asked = Sets.questions(node.record, call)
            guard !asked.isEmpty else { continue }
            questions.formUnion(asked)
            sets.append((node, call))
        }
        guard !sets.isEmpty || !epolls.isEmpty, !timedOut else { return }
        let answers = questions.isEmpty ? [:] : risky.answer(Array(questions))
        var found: [(node: Node, members: [Sets.Member])] = []
        for (node, call) in sets {
            guard let known = Sets.members(node.record, call, answers) else { continue }
            node.hasMoreMembers = known.isCut
            found.append((node, known.members))
        }
        guard let items = self.items(epolls.map(\.question), &source) else { return }
        for (node, question) in epolls {
            guard let set = items[question] else { continue }
            node.hasMoreMembers = set.isCut
            found.append((node, Sets.epollMembers(set)))
        }
        var objects: [FileQuestion: KernelObject] = [:]
        for level in 1...Self.mostNesting {
            guard ask(found, &objects, &source) else { return }
            if level < Self.mostNesting { unfold(&found, objects, &source) }
        }
        for (node, members) in found {
            let isAlone = members.count == 1 && !node.hasMoreMembers
            node.members = members.compactMap { member in
                guard let object = objects[.descriptor(pid: node.pid, member.descriptor)], let call = node.call.call
                else { return nil }
                var alone = node.call
                // poll says which direction, and a name is what tells directions apart further on
                alone.call = call
                alone.call?.name = member.reads || !member.writes ? "read" : "write"
                alone.call?.timeoutNanoseconds = nil
                alone.resource = identifier.resource(of: object, descriptor: member.descriptor)
                return Node(
                    node.record.waiting(for: object, descriptor: member.descriptor), alone, isMember: true,
                    isAlone: isAlone)
            }
        }
    }

    /// An epoll may be a member of another, and so on.
    private static let mostNesting = 4

    /// What epolls wait for.
    ///
    /// - Returns: `nil` if there was no answer in time.
    private mutating func items(
        _ questions: [FileQuestion], _ source: inout some HolderSource
    ) -> [FileQuestion: EpollItems]? {
        guard !questions.isEmpty else { return [:] }
        let wanted = Array(Set(questions))
        guard let answer = source.files(wanted) else {
            timedOut = true
            return nil
        }
        var items: [FileQuestion: EpollItems] = [:]
        for set in answer.sets where wanted.indices.contains(set.question) { items[wanted[set.question]] = set }
        return items
    }

    /// What the descriptors of members are.
    ///
    /// - Returns: whether there was an answer.
    private mutating func ask(
        _ found: [(node: Node, members: [Sets.Member])], _ objects: inout [FileQuestion: KernelObject],
        _ source: inout some HolderSource
    ) -> Bool {
        var seen = Set(objects.keys)
        let wanted = found.flatMap { node, members in
            members.map { FileQuestion.descriptor(pid: node.pid, $0.descriptor) }.filter { seen.insert($0).inserted }
        }
        guard !wanted.isEmpty else { return true }
        guard let answer = source.files(wanted) else {
            timedOut = true
            return false
        }
        for member in answer.members where wanted.indices.contains(member.question) {
            objects[wanted[member.question]] = member.object
        }
        return true
    }

    /// Puts the members of an epoll that is a member itself in its place.
    private mutating func unfold(
        _ found: inout [(node: Node, members: [Sets.Member])], _ objects: [FileQuestion: KernelObject],
        _ source: inout some HolderSource
    ) {
        func question(_ node: Node, _ member: Sets.Member) -> FileQuestion? {
            guard objects[.descriptor(pid: node.pid, member.descriptor)]?.isEpoll == true else { return nil }
            return .items(pid: node.pid, epoll: member.descriptor)
        }
        let asked = found.flatMap { node, members in members.compactMap { question(node, $0) } }
        guard !asked.isEmpty, let items = items(asked, &source) else { return }
        for index in found.indices {
            let (node, members) = found[index]
            var seen: Set<Int> = []
            let all = members.flatMap { member -> [Sets.Member] in
                guard let question = question(node, member), let set = items[question] else { return [member] }
                if set.isCut { node.hasMoreMembers = true }
                return Sets.epollMembers(set)
            }.filter { seen.insert($0.descriptor).inserted }
            if all.count > Sets.mostMembers { node.hasMoreMembers = true }
            found[index].members = Array(all.prefix(Sets.mostMembers))
        }
    }

    private mutating func askMemory(_ frontier: [Int], _ risky: inout some RiskyReading) {
        var asked: [(node: Node, address: UInt64)] = []
        for tid in frontier {
            guard let node = nodes[tid], node.target == .futex, let address = node.call.call?.arguments.first,
                address >= FutexOwner.before
            else { continue }
            asked.append((node, address))
        }
        guard !asked.isEmpty else { return }
        func around(_ node: Node, _ address: UInt64) -> RiskyQuestion {
            .memory(
                pid: Int32(clamping: node.record.procPID), address: address - FutexOwner.before,
                length: FutexOwner.length)
        }
        func word(_ node: Node, _ address: UInt64) -> RiskyQuestion {
            .memory(pid: Int32(clamping: node.record.procPID), address: address, length: FutexOwner.wordLength)
        }
        let answers = risky.answer(Array(Set(asked.map(around))))
        // what lies in front of the word may be on a page that is not there
        var alone: Set<RiskyQuestion> = []
        for (node, address) in asked {
            switch answers[around(node, address)] {
            case .failed, nil: alone.insert(word(node, address))
            case .bytes, .timedOut: break
            }
        }
        let words = alone.isEmpty ? [:] : risky.answer(Array(alone))
        for (node, address) in asked {
            guard let call = node.call.call else { continue }
            if case .bytes(let bytes) = answers[around(node, address)] {
                node.futex = FutexOwner.guess(
                    call, word: [UInt8](bytes.dropFirst(Int(FutexOwner.before))), around: bytes)
            } else if case .bytes(let bytes) = words[word(node, address)] {
                node.futex = FutexOwner.guess(call, word: bytes, around: nil)
            }
        }
    }

    private func viewQuestions(_ frontier: [Int]) -> Set<ViewQuestion> {
        var wanted: Set<ViewQuestion> = []
        for tid in frontier {
            guard let node = nodes[tid] else { continue }
            for node in [node] + asked(of: node) {
                wanted.formUnion(node.target.views(of: node.record))
                for question in node.target.questions {
                    for file in files[question] ?? [] where concerns(file, node) { wanted.insert(.process(file.pid)) }
                    for lock in locks[question] ?? [] {
                        if let waiter = lock.waiter, waiter != tid { wanted.insert(.thread(waiter)) }
                    }
                }
            }
            switch node.futex {
            case .mutex(let owner), .rwlock(let owner), .join(let owner):
                wanted.insert(.inner(namespace: node.record.pidNamespace, tid: owner))
            default: break
            }
        }
        return wanted.subtracting(askedViews)
    }

    /// Only whoever can end the wait is looked at: not readers beside a reader, not a listener on a server's own port,
    /// not the waiter itself if it has no other threads.
    private func concerns(_ file: OpenFile, _ node: Node) -> Bool {
        if file.pid == node.pid, node.record.isSingleThreaded { return false }
        switch node.target {
        case .pipe(_, let needs, _): return needs == .write ? file.canWrite : file.canRead
        case .connection: return !file.isListener || file.acceptQueue > 0
        default: return true
        }
    }

    private mutating func see(
        _ questions: Set<ViewQuestion>, source: inout some HolderSource, risky: inout some RiskyReading,
        identifier: inout Identifier, clock: ClockReading
    ) {
        guard !questions.isEmpty, viewedCount < Self.mostNodes else { return }
        askedViews.formUnion(questions)
        let records = source.threads(questions.sorted())
        viewedCount += records.count
        let new = records.filter { nodes[$0.tid] == nil }.prefix(Self.mostNodes)
        let calls = identifier.identify(Array(new), clock: clock, isBrief: true, risky: &risky)
        for (record, call) in zip(new, calls) { add(record, call) }
        var whole: Set<Int> = []
        for question in questions { if case .process(let pid) = question { whole.insert(pid) } }
        let parents = Set(questions.compactMap { if case .children(let pid) = $0 { pid } else { nil } })
        var seen: [Int: [Int]] = [:]
        for record in records where whole.contains(record.pid) || parents.contains(record.parentPID) {
            seen[record.pid, default: []].append(record.tid)
        }
        threads.merge(seen) { $1 }
        for pid in whole where threads[pid] == nil { threads[pid] = [] }
    }

    // MARK: - answers

    private func relation(of node: Node) -> Relation {
        var relation = Relation()
        if timedOut, node.target.questions.contains(where: { files[$0] == nil }) {
            relation.unresolved.append("holders=timed_out")
            return relation
        }
        switch node.target {
        case .running, .open, .stopped, .frozen, .exiting: break
        case .pipe(let question, let needs, let count):
            let open = files[question, default: []].filter { needs == .write ? $0.canWrite : $0.canRead }
            others(
                open, node, needs == .write ? .writer : .reader, kernelCount: Int(count),
                what: needs == .write ? "write end" : "read end", &relation)
        case .unixPeer(let question):
            others(files[question] ?? [], node, .peer, kernelCount: 1, what: "other end", &relation)
        case .closedPeer:
            relation.end = .nobody("its other end is closed")
            relation.finding = .nobody
            relation.isComplete = true
        case .unaccepted(let question):
            let open = (files[question] ?? []).filter(\.isListener)
            listener(open, .notAccepted(queue: open.first?.acceptQueue ?? 0), &relation)
        case .unixListener(let question):
            let open = files[question] ?? []
            listener(open, .backlogFull(queue: open.first?.acceptQueue ?? 0), &relation)
        case .connection(let connection): self.connection(connection, node, &relation)
        case .lock(let question, let fields, let file, let table):
            lock(question, fields, file, table, node, &relation)
        case .futex: futex(node, &relation)
        case .children: children(node, &relation)
        case .process(let pid):
            relation.add(holder(pid, .child).map { [$0] } ?? [])
            relation.isComplete = true
        case .shared(let question, let kind):
            others(files[question] ?? [], node, kind, kernelCount: 0, what: "object", &relation)
            // whoever maps a ring, or polls for what the kernel itself signals, is not among them
            if relation.groups.isEmpty { relation.isComplete = false }
        case .terminal(let question):
            guard let question else { break }
            let side = files[question, default: []].filter { $0.pid != node.pid }
            relation.add(holders(side, .peer))
            relation.isComplete = !relation.groups.isEmpty
        case .fuse(let question):
            relation.add(holders(files[question] ?? [], .server))
            relation.isComplete = !relation.groups.isEmpty
        case .kernelLock(let owner):
            if let holder = holder(thread: owner, .owner) {
                relation.add([holder])
                relation.finding = .lock
            }
            relation.isComplete = !relation.groups.isEmpty
        case .traced(let tracer):
            relation.add(holder(tracer, .tracer).map { [$0] } ?? [])
        case .remote(let address): relation.end = .remote(address: address)
        case .device(let name): relation.end = .device(name)
        }
        if relation.end == nil, relation.groups.isEmpty, node.record.isUninterruptible {
            relation.end = Self.fileSystem(node).map { .device($0) }
        }
        return relation
    }

    /// What a thread waits for that the kernel holds: `ext4 on sda1`
    private static func fileSystem(_ node: Node) -> String? {
        guard let file = node.call.resource.file else { return nil }
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        if let server = file.server { return "\(file.fileSystem ?? "file system") of \(server)" }
        if let source = node.record.object?.fileSystemSource, !source.isEmpty {
            return "\(file.fileSystem ?? "file system") on \(source)"
        }
        return file.path.map { "the file system of \(text($0))" }
    }

    /// Whoever else has a file open; the waiter itself can do nothing while it waits, unless it has other threads.
    private func others(
        _ open: [OpenFile], _ node: Node, _ kind: Holder.Relation, kernelCount: Int, what: String,
        _ relation: inout Relation
    ) {
        let isAlone = node.record.isSingleThreaded
        relation.add(holders(open.filter { $0.pid != node.pid || !isAlone }, kind))
        relation.isComplete = true
        guard relation.groups.isEmpty else { return }
        if !open.isEmpty {
            relation.finding = .onlyItself
            relation.end = .nobody("only \(name(node)) itself has the \(what) open")
        } else if kernelCount == 0 {
            relation.finding = .nobody
            relation.end = .nobody("nobody has the \(what) open")
        } else {
            // the kernel counts one that is in no process's table: on its way through a socket
            relation.unresolved.append("holders=in_flight")
            relation.isComplete = false
        }
    }

    private func listener(_ open: [OpenFile], _ finding: Finding, _ relation: inout Relation) {
        relation.add(holders(open, .listener))
        relation.finding = finding
        relation.isComplete = !relation.groups.isEmpty
        if relation.groups.isEmpty { relation.unresolved.append("holders=in_flight") }
    }

    private func connection(_ connection: WaitTarget.Connection, _ node: Node, _ relation: inout Relation) {
        let peer = FileQuestion.mapped(connection.peer)
        let local = FileQuestion.mapped(connection.local)
        let isLoopback = Self.isLoopback(peer)
        // an address of this very namespace; another namespace can have the same ones
        let isOwn = isLoopback || peer == local
        func fits(_ file: OpenFile, address: [UInt8]) -> Bool {
            file.local == address || file.local.allSatisfy { $0 == 0 } || Self.isMappedUnspecified(file.local)
        }
        let listensHere = files[connection.ownListener, default: []].contains {
            $0.isListener && $0.netNamespace == connection.netNamespace && fits($0, address: local)
        }
        var open = files[connection.other] ?? []
        let near = open.filter { $0.netNamespace == connection.netNamespace }
        if !near.isEmpty || isOwn { open = near }
        let there = files[connection.peerListener, default: []].filter { file in
            file.netNamespace == connection.netNamespace
                ? isOwn && fits(file, address: peer) || file.local == peer : !isOwn && file.local == peer
        }
        if connection.protocolNumber == 17 { open += there.filter { !$0.isConnected } }
        let others = open.filter { $0.pid != node.pid || !node.record.isSingleThreaded }
        if !others.isEmpty {
            relation.add(holders(others, .peer))
            relation.isComplete = true
            if listensHere { relation.finding = .serverSide }
            return
        }
        if !open.isEmpty {
            relation.finding = .onlyItself
            relation.end = .nobody("only \(name(node)) itself has the other end open")
            relation.isComplete = true
            return
        }
        let isConnecting = connection.state == 2
        let full = there.filter {
            $0.isListener && (isConnecting ? $0.acceptQueue > $0.acceptLimit : $0.acceptQueue > 0)
        }
        if connection.protocolNumber == 6, let first = full.first {
            listener(
                full, isConnecting ? .backlogFull(queue: first.acceptQueue) : .notAccepted(queue: first.acceptQueue),
                &relation)
            return
        }
        if listensHere { relation.finding = .serverSide }
        if isOwn { relation.unresolved.append("holders=nat") }
        relation.end = .remote(address: InternetAddress(connection.peer).endpoint(connection.peerPort))
    }

    private static func isLoopback(_ address: [UInt8]) -> Bool {
        isMapped(address) && address[12] == 127 || address == [UInt8](repeating: 0, count: 15) + [1]
    }
    private static func isMapped(_ address: [UInt8]) -> Bool {
        address.count == 16 && address[0..<10].allSatisfy { $0 == 0 } && address[10] == 0xff && address[11] == 0xff
    }
    private static func isMappedUnspecified(_ address: [UInt8]) -> Bool {
        isMapped(address) && address[12...].allSatisfy { $0 == 0 }
    }

    /// Every lock in the way, and the requests queued before: all of them must go first.
    private func lock(
        _ question: FileQuestion, _ fields: LockFields, _ file: UInt64, _ table: UInt64, _ node: Node,
        _ relation: inout Relation
    ) {
        let all = locks[question] ?? []
        let byAddress = Dictionary(all.map { ($0.address, $0) }) { first, _ in first }
        let own = all.first { $0.waiter == node.tid }
        let ownKind: FileLock.Kind = fields.type == "flock" ? .flock : fields.type == "ofd" ? .ofd : .posix
        let owner = own?.owner ?? (ownKind == .posix ? table : file)
        var inTheWay = all.filter { lock in
            guard lock.blocker == nil, lock.owner != owner, (lock.kind == .flock) == (ownKind == .flock) else {
                return false
            }
            guard lock.isWrite || fields.mode == "write" else { return false }
            return lock.kind == .flock
                || lock.start <= fields.end ?? .max && lock.end >= fields.start ?? 0
        }
        // locks that changed while they were read may wait for each other in a circle
        var next = own?.blocker
        var followed: Set<UInt64> = []
        while let address = next, let lock = byAddress[address], followed.insert(address).inserted {
            if !inTheWay.contains(where: { $0.address == address }) { inTheWay.append(lock) }
            next = lock.blocker
        }
        let open = files[question] ?? []
        for lock in inTheWay {
            if let waiter = lock.waiter {
                guard var queued = holder(thread: waiter, .lockHolder) else { continue }
                queued.isQueued = true
                relation.add([queued])
                continue
            }
            let owners = open.filter { lock.kind == .posix ? $0.table == lock.owner : $0.file == lock.owner }
            let found = holders(owners, .lockHolder)
            // once, however many locks there are
            if found.isEmpty, relation.unresolved.isEmpty { relation.unresolved.append("holders=in_flight") }
            relation.add(found)
        }
        relation.finding = .lock
        relation.isComplete = !relation.groups.isEmpty && relation.unresolved.isEmpty
    }

    private func futex(_ node: Node, _ relation: inout Relation) {
        let number: Int
        let isJoin: Bool
        switch node.futex {
        case .mutex(let owner), .rwlock(let owner):
            number = owner
            isJoin = false
        case .join(let thread):
            number = thread
            isJoin = true
        case .nobodyNamed: return
        case nil:
            relation.unresolved.append("holders=not_permitted")
            return
        }
        let found = byInner[Inner(namespace: node.record.pidNamespace, tid: number)].flatMap { nodes[$0] }
        // another process may own a mutex in shared memory only
        let isPrivate = (node.call.call?.arguments[1] ?? 0) & 0x80 != 0
        guard let found, found.pid == node.pid || !isPrivate, !isJoin || found.pid == node.pid else {
            if !isJoin, found == nil, isPrivate == false { relation.unresolved.append("holders=process_gone") }
            return
        }
        if isJoin, found.tid == node.tid { return }
        relation.add(holder(thread: found.tid, isJoin ? .child : .owner).map { [$0] } ?? [])
        relation.finding = .futexOwner
        relation.isComplete = true
    }

    private func children(_ node: Node, _ relation: inout Relation) {
        let children = (byParent[node.pid] ?? []).compactMap { nodes[$0] }
            .filter { $0.pid != node.pid && !$0.record.isZombie }
        let wanted = node.call.call.map { call in children.filter { Self.waitsFor(call, $0, node) } } ?? children
        let pids = Set(wanted.map(\.pid)).sorted()
        relation.add(pids.compactMap { holder($0, .child) })
        relation.isComplete = !relation.groups.isEmpty
    }

    private static func waitsFor(_ call: SystemCall, _ child: Node, _ node: Node) -> Bool {
        func isNumber(_ id: Int) -> Bool { child.pid == id || child.record.innerPID == id }
        switch call.name {
        case "waitid":
            let id = Int(Int32(truncatingIfNeeded: call.arguments[1]))
            return call.arguments[0] == 1 ? isNumber(id) : call.arguments[0] == 2 ? child.record.groupID == id : true
        case "wait4", "waitpid":
            let id = Int(Int32(truncatingIfNeeded: call.arguments[0]))
            if id > 0 { return isNumber(id) }
            if id == 0 { return child.record.groupID == node.record.groupID }
            return id == -1 || child.record.groupID == -id
        default: return true
        }
    }

    // MARK: - holders

    /// One a process, with its first descriptor.
    private func holders(_ open: [OpenFile], _ kind: Holder.Relation) -> [Holder] {
        var seen: Set<Int> = []
        return open.compactMap { file in
            guard seen.insert(file.pid).inserted, var holder = holder(file.pid, kind) else { return nil }
            holder.descriptor = file.descriptor
            holder.access = (file.canRead ? "r" : "") + (file.canWrite ? "w" : "")
            return holder
        }
    }

    /// - Returns: `nil` for a process that is gone.
    private func holder(_ pid: Int, _ kind: Holder.Relation) -> Holder? {
        let known = threads[pid] ?? []
        guard let first = nodes[pid] ?? known.lazy.compactMap({ nodes[$0] }).first else { return nil }
        var holder = Holder(pid: pid, name: first.record.processName, relation: kind)
        if known.count == 1, !isTooLarge(pid) { holder.tid = first.tid }
        return holder
    }

    private func holder(thread tid: Int, _ kind: Holder.Relation) -> Holder? {
        guard let node = nodes[tid] else { return nil }
        return Holder(pid: node.pid, tid: tid, name: node.record.processName, relation: kind)
    }

    /// A holder is one thread, or all threads of its process.
    enum Party: Hashable { case thread(Int), process(Int), unknown }

    /// So many threads that only the main one was looked at.
    func isTooLarge(_ pid: Int) -> Bool {
        guard let seen = threads[pid], let first = seen.first, let node = nodes[first] else { return false }
        return node.record.threadCount > Self.mostThreads && seen.count < node.record.threadCount
    }

    /// `BW_VIEW_THREADS`
    static let mostThreads = 1024

    func party(_ holder: Holder) -> Party {
        if holder.relation != .owner, isTooLarge(holder.pid) { return .unknown }
        if let tid = holder.tid, threads[holder.pid] == nil || holder.relation == .owner || holder.relation == .child {
            return nodes[tid] == nil ? .unknown : .thread(tid)
        }
        if threads[holder.pid]?.isEmpty == false { return .process(holder.pid) }
        return holder.tid.map { .thread($0) } ?? .unknown
    }

    /// The threads that a holder stands for; `nil` if they are not all known.
    func threads(of holder: Holder) -> [Int]? {
        if holder.relation != .owner, isTooLarge(holder.pid) { return nil }
        if let tid = holder.tid, threads[holder.pid] == nil || holder.relation == .owner || holder.relation == .child {
            return nodes[tid] == nil ? nil : [tid]
        }
        return threads[holder.pid].flatMap { $0.isEmpty ? nil : $0 } ?? holder.tid.map { [$0] }
    }

    func name(_ node: Node) -> String { "\(TerminalText.escaped(node.record.processName))[\(node.pid)]" }
}
