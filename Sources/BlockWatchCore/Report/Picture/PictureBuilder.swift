/// From reports to the nodes and edges of a picture.
struct PictureBuilder {
    typealias Thread = Trees.Thread

    /// What makes two mentions one node.
    enum Key: Hashable {
        case thread(Thread)
        case process(host: Int, pid: Int)
        /// Threads that are alike, objects, ends: by what tells them apart.
        case other(Picture.Node.Kind, String)
    }

    private(set) var picture = Picture()
    private(set) var places: [Key: Int] = [:]
    private var connected: Set<[Int]> = []
    private let entries: [Trees.Entry]
    private let subject: Set<Int>
    private let byThread: [Thread: Trees.Entry]
    private let byProcess: [[Int]: [Thread]]

    init(entries: [Trees.Entry], subject: Set<Int>) {
        self.entries = entries
        self.subject = subject
        byThread = Dictionary(entries.map { ($0.thread, $0) }) { first, _ in first }
        byProcess = Dictionary(entries.map { ([$0.host, $0.report.call.process.pid], [$0.thread]) }) { $0 + $1 }
    }

    /// Those that are drawn: what is not idle, and of the subject and whom it waits for the idle ones too.
    static func wanted(_ entries: [Trees.Entry], subject: Set<Int>, showsIdle: Bool) -> [Trees.Entry] {
        guard !showsIdle else { return entries }
        var asked = subject
        var grown = true
        while grown, !subject.isEmpty {
            grown = false
            for entry in entries where asked.contains(entry.report.call.process.pid) {
                for holder in entry.report.finding?.holders ?? [] where asked.insert(holder.pid).inserted {
                    grown = true
                }
            }
        }
        return entries.filter { entry in
            entry.report.finding?.verdict != .idle || asked.contains(entry.report.call.process.pid)
        }
    }

    func entry(_ thread: Thread) -> Trees.Entry? { byThread[thread] }

    // MARK: - who is meant

    /// Who stands for a holder: its thread, the one of its process that is behind the same root, or the process.
    private func key(of holder: Holder, for entry: Trees.Entry) -> Key {
        if let tid = holder.tid {
            let thread = Thread(host: entry.host, tid: tid)
            if byThread[thread] != nil { return .thread(thread) }
            return tid == holder.pid ? .process(host: entry.host, pid: holder.pid) : .thread(thread)
        }
        return key(ofProcess: holder.pid, for: entry)
    }

    private func key(ofProcess pid: Int, for entry: Trees.Entry) -> Key {
        let threads = (byProcess[[entry.host, pid]] ?? []).filter { $0 != entry.thread }
        if threads.count == 1, pid != entry.report.call.process.pid { return .thread(threads[0]) }
        let chain = entry.report.finding?.chainID
        let same = threads.filter { thread in chain != nil && byThread[thread]?.report.finding?.chainID == chain }
        func badness(_ thread: Thread) -> (Int, Int) {
            (byThread[thread]?.report.finding?.verdict.rank ?? 9, thread.tid)
        }
        if let worst = same.min(by: { badness($0) < badness($1) }) { return .thread(worst) }
        // alone with itself, as who connects to its own listener
        if threads.isEmpty, pid == entry.report.call.process.pid { return .thread(entry.thread) }
        return .process(host: entry.host, pid: pid)
    }

    /// Whom the call hangs on, by what makes them one. Who stands in line before it and is drawn as a waiter is seen to.
    private func holders(_ entry: Trees.Entry) -> [(key: Key, holder: Holder)] {
        (entry.report.finding?.holders ?? []).compactMap { holder in
            let key = key(of: holder, for: entry)
            return holder.holdsNothing && !isUnseen(key) ? nil : (key, holder)
        }
    }

    // MARK: - nodes and edges

    private mutating func place(_ key: Key, _ make: @autoclosure () -> Picture.Node) -> Int {
        if let known = places[key] { return known }
        picture.nodes.append(make())
        places[key] = picture.nodes.count - 1
        return picture.nodes.count - 1
    }

    private mutating func connect(_ from: Int, _ to: Int, _ kind: Picture.Edge.Kind, _ label: String = "") {
        guard connected.insert([from, to]).inserted else { return }
        picture.edges.append(Picture.Edge(from: from, to: to, kind: kind, label: label))
    }

    mutating func draw() {
        // nobody waits for it: it may fold with others that are like it
        var isWaitedFor: Set<Thread> = []
        for entry in entries {
            for case .thread(let thread) in holders(entry).map(\.key) { isWaitedFor.insert(thread) }
            if let above = entry.above { isWaitedFor.insert(above) }
            if let root = entry.report.finding?.root.value, let pid = root.pid,
                case .thread(let thread) = key(ofProcess: pid, for: entry)
            {
                isWaitedFor.insert(thread)
            }
        }
        var order: [String] = []
        var folded: [String: [Trees.Entry]] = [:]
        for entry in entries {
            let isAlone = isWaitedFor.contains(entry.thread) || entry.report.finding?.verdict == .deadlock
            let key = isAlone ? "\(entry.thread)" : likeness(entry)
            if folded[key] == nil { order.append(key) }
            folded[key, default: []].append(entry)
        }
        for key in order {
            let alike = (folded[key] ?? []).sorted {
                ($1.report.durationNanoseconds, $0.thread.tid) < ($0.report.durationNanoseconds, $1.thread.tid)
            }
            draw(alike, key)
        }
    }

    /// What makes two waits equal for a reader.
    private func likeness(_ entry: Trees.Entry) -> String {
        let call = entry.report.call
        let finding = entry.report.finding
        let root = finding?.root.value
        return [
            "\(entry.host)", String(decoding: call.process.name, as: UTF8.self), call.call?.name ?? "\(call.kind)",
            call.resource.kind.rawValue, call.resource.member?.kind.rawValue ?? "", finding?.reason.rawValue ?? "",
            finding?.verdict.rawValue ?? "", "\(subject.contains(call.process.pid))",
            holders(entry).filter { !$0.holder.holdsNothing }.map { "\($0.key) \($0.holder.role)" }.joined(
                separator: " "),
            "\(root?.kind.rawValue ?? "") \(root?.pid ?? 0) \(root?.address ?? "") \(root?.doing ?? "")",
            entry.above.map { "\($0)" } ?? "", entry.note,
        ].joined(separator: "\u{1f}")
    }

    private mutating func draw(_ alike: [Trees.Entry], _ likeness: String) {
        let entry = alike[0]
        let finding = entry.report.finding
        let thread: Key = alike.count == 1 ? .thread(entry.thread) : .other(.thread, likeness)
        // somebody may have named it as a holder first
        let node = place(thread, Picture.Node(kind: .thread, title: ""))
        let wasRoot = picture.nodes[node].isRoot
        picture.nodes[node] = PictureText.node(alike.map(\.report), prefix: entry.prefix, note: entry.note)
        picture.nodes[node].isRoot = wasRoot
        picture.nodes[node].isSubject = subject.contains(entry.report.call.process.pid)
        for entry in alike { places[.thread(entry.thread)] = node }

        let holders = holders(entry)
        let resource = entry.report.call.resource
        let above = entry.above.map { place(.thread($0), PictureText.placeholder(tid: $0.tid)) }
        let root = finding?.root.value
        let end = root.flatMap { self.end($0, entry, likeness) }
        var from = node
        var label = alike.count == 1 ? resource.descriptor.map { "fd \($0)" } ?? "" : ""
        if let finding, finding.memberCount > 1 {
            from = drawSet(finding, of: alike, from: node, likeness)
        }
        // a stop, a sleep: what it waits for has no name of its own
        if !resource.name.isEmpty || holders.count > 1 {
            let object = drawObject(alike, likeness, holders.map(\.holder), finding)
            connect(from, object, from == node ? .waits : .any, label)
            from = object
            label = ""
        }
        let needs = picture.nodes[from].needs
        for (place, (key, holder)) in holders.enumerated() {
            let other = self.place(key, PictureText.node(holder, prefix: entry.prefix))
            // as a root it was only named
            if picture.nodes[other].facts.isEmpty {
                let wasRoot = picture.nodes[other].isRoot
                picture.nodes[other] = PictureText.node(holder, prefix: entry.prefix)
                picture.nodes[other].isRoot = wasRoot
            }
            if holder.verdict == .deadlock { picture.nodes[other].isInDeadlock = true }
            connect(
                from, other, holder.holdsNothing ? .queued : needs == .any ? .any : .waits,
                PictureText.words(holder.role))
            // by others that are not drawn
            if place == 0, above == nil, let end, end != other, isUnseen(key), root?.pid != holder.pid {
                connect(other, end, .indirect)
            }
        }
        if let above { connect(from, above, .waits, "the other end") }
        if holders.isEmpty, above == nil, let end, end != node { connect(from, end, .waits) }
        if above == nil, let end { picture.nodes[end].isRoot = true }
    }

    private func isUnseen(_ key: Key) -> Bool {
        if case .thread(let thread) = key { return byThread[thread] == nil }
        return true
    }

    /// poll, select, epoll: the member that decides is drawn like any other wait, the others by what they are.
    private mutating func drawSet(
        _ finding: Finding, of alike: [Trees.Entry], from node: Int, _ likeness: String
    ) -> Int {
        let resource = alike[0].report.call.resource
        let name = alike[0].report.call.call?.name ?? "a set"
        let key = alike.count == 1 ? "\(alike[0].thread)" : likeness
        let set = place(
            .other(.set, key),
            Picture.Node(
                kind: .set, title: "any of \(finding.memberCount)\(finding.hasMoreMembers ? " or more" : "")",
                lines: [name], count: finding.memberCount))
        connect(node, set, .waits)
        var others: [String: Int] = [:]
        for member in finding.members {
            let isDeciding = member.resource.descriptor == resource.descriptor && member.resource.name == resource.name
            if !isDeciding {
                others["\(member.resource.kind.rawValue), \(PictureText.words(member.reason))", default: 0] += 1
            }
        }
        for (text, count) in others.sorted(by: { $0.key < $1.key }) {
            let other = place(
                .other(.object, "member \(key) \(text)"),
                Picture.Node(kind: .object, title: count == 1 ? text : "\(count) × \(text)", count: count))
            connect(set, other, .any)
        }
        return set
    }

    private mutating func drawObject(
        _ alike: [Trees.Entry], _ likeness: String, _ holders: [Holder], _ finding: Finding?
    ) -> Int {
        let entry = alike[0]
        let keys = Set(alike.map { PictureText.identity($0.report.call, host: $0.host) })
        let key = keys.count == 1 ? keys.first ?? "" : "like \(likeness)"
        let object = place(
            .other(.object, key), PictureText.node(entry.report.call.resource, count: keys.count, prefix: entry.prefix))
        let real = holders.filter { !$0.holdsNothing }
        if real.count > 1 {
            // of more than eight the record has only the number
            let count = real.count == holders.count ? max(real.count, finding?.holderCount ?? 0) : real.count
            let needs = PictureText.needs(real, entry.report.call.resource.lock)
            picture.nodes[object].needs = needs
            let ending = needs == .all ? "must let go" : "can end it"
            // each of those who wait may know of others
            let known = picture.nodes[object].lines.firstIndex { $0.hasSuffix(ending) }
            let most = max(count, picture.nodes[object].holders)
            picture.nodes[object].holders = most
            let text = "\(needs == .all ? "all" : "any") of \(most) \(ending)"
            if let known { picture.nodes[object].lines[known] = text } else { picture.nodes[object].lines.append(text) }
        }
        return object
    }

    /// The node of a chain's end; none where a deadlock is the end: its members are drawn.
    private mutating func end(_ root: Root, _ entry: Trees.Entry, _ likeness: String) -> Int? {
        switch root.kind {
        case .deadlock: return nil
        case .process, .thread:
            guard let pid = root.pid else { return nil }
            if pid == entry.report.call.process.pid, (entry.report.finding?.holders ?? []).isEmpty {
                return places[.thread(entry.thread)]
            }
            return place(key(ofProcess: pid, for: entry), PictureText.node(root, pid: pid, prefix: entry.prefix))
        case .remote, .network, .device:
            let kind: Picture.Node.Kind = root.kind == .remote ? .remote : root.kind == .network ? .network : .device
            let name = kind == .device ? "\(entry.host) \(root.name ?? [])" : root.address ?? "?"
            return place(.other(kind, name), PictureText.node(root, kind))
        case .nobody:
            return place(.other(.nobody, likeness), PictureText.node(root, .nobody))
        }
    }
}
