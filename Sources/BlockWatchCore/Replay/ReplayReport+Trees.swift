/// Who is open at the end, as trees, of many hosts.
extension ReplayReport {
    /// By the host of their roots.
    func trees(width: Int? = nil) -> [Int: [String]] {
        let (entries, deadlocks, titles) = entries()
        return entries.mapValues { Trees($0, deadlocks: deadlocks, titles: titles).lines(width: width) }
    }

    /// Who waited for whom at the end, across hosts.
    ///
    /// - Parameter subject: a process by its id or name.
    public func picture(of subject: String?) -> Picture {
        // who is asked about may be idle, and whom it waits for too
        let wide = subject == nil ? self : ReplayReport(recording, Settings(all: true, filter: settings.filter))
        let (entries, deadlocks, _) = wide.entries()
        let all = hosts.indices.flatMap { entries[$0] ?? [] }
        var pids: Set<Int> = []
        if let subject {
            for process in all.map(\.report.call.process)
            where Int(subject) == process.pid || Int(subject) == process.tid || Array(subject.utf8) == process.name {
                pids.insert(process.pid)
            }
        }
        var picture = Picture(all, deadlocks: deadlocks, subject: pids, showsIdle: settings.all)
        // of that name there is nobody
        if subject != nil, pids.isEmpty { picture = Picture() }
        let moment = hosts.map(\.at).max().map { " at " + Self.stamp($0) } ?? ""
        picture.title = (hosts.count == 1 ? name(of: 0) : "\(hosts.count) hosts") + moment
        return picture
    }

    func entries() -> (
        entries: [Int: [Trees.Entry]], deadlocks: [DeadlockReport], titles: [String: String]
    ) {
        var shownThreads = Set(shown(calls).map(\.thread))
        // who others hang on is shown with them
        for (from, to) in joining.links where shownThreads.contains(from) { shownThreads.insert(to.thread) }
        let prefixes = hosts.count > 1 ? hosts.indices.map { name(of: $0) + ": " } : [""]
        var entries: [Int: [Trees.Entry]] = [:]
        var titles: [String: String] = [:]
        let deadlocks = hosts.flatMap(\.runs).flatMap { recording.runs[$0].deadlocks.values.map(\.report) }
        let byChain = Dictionary(deadlocks.compactMap { report in report.chainID.map { ($0, report) } }) { $1 }

        // calls that are roots of others' chains and have none themselves
        var groupOfRoot: [Trees.Thread: String] = [:]
        var places: [Trees.Thread: (key: String, host: Int)] = [:]
        func place(_ group: Joining.Group, _ call: OpenCall) -> (key: String, host: Int) {
            if let known = places[call.thread] { return known }
            var key = "\(group.host) \(group.chain)"
            var host = group.host
            if let end = joining.end(of: call) {
                host = end.call.host
                if let last = end.group {
                    // a circle of hosts has no end: one of them stands for it
                    key = "\(last.host) \(last.chain)"
                    let root = calls.lazy.compactMap {
                        $0.host == last.host && $0.chainID == last.chain ? $0.report.finding?.root.value : nil
                    }.first
                    titles[key] = root.map { prefixes[host] + Trees.title($0, deadlock: byChain[last.chain]) }
                } else {
                    key = "\(host) thread \(end.call.thread.tid)"
                    groupOfRoot[end.call.thread] = key
                    titles[key] = "\(prefixes[host])\(Sentence.who(end.call.report.call))"
                }
            } else if hosts.count > 1, let root = call.report.finding?.root.value {
                titles[key] = prefixes[host] + Trees.title(root, deadlock: byChain[group.chain])
            }
            places[call.thread] = (key, host)
            return (key, host)
        }
        let visible = calls.filter { shownThreads.contains($0.thread) }
        for call in visible { if let chain = call.chainID { _ = place(.init(host: call.host, chain: chain), call) } }
        for call in visible {
            var entry = Trees.Entry(report: call.report, host: call.host, prefix: prefixes[call.host])
            if call.isPartial { entry.note = "(partial)" }
            var host = call.host
            if let chain = call.chainID {
                let group = Joining.Group(host: call.host, chain: chain)
                let place = place(group, call)
                entry.group = place.key
                host = place.host
                if let to = joining.links[call.thread] { entry.above = to.thread }
            } else if let key = groupOfRoot[call.thread] {
                entry.group = key
            }
            entries[host, default: []].append(entry)
        }
        return (entries, deadlocks, titles)
    }
}
