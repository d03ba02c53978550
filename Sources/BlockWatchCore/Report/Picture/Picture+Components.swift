/// What hangs together, the worst first, within what can be drawn.
extension PictureBuilder {
    func finished(deadlocks: [DeadlockReport], ofSubject: Bool) -> Picture {
        var picture = self.picture
        Self.mark(&picture)
        let titles = titles(deadlocks)
        var groups = Self.groups(picture)
        if ofSubject { groups = groups.filter { $0.contains { picture.nodes[$0].isSubject } } }
        var components = groups.map { nodes -> (rank: Int, component: Picture.Component) in
            let threads = nodes.reduce(0) { $0 + (picture.nodes[$1].kind == .thread ? picture.nodes[$1].count : 0) }
            let rank = nodes.compactMap { picture.nodes[$0].verdict?.rank }.min() ?? 9
            let title = nodes.compactMap { titles[$0] }.min { ($0.rank, $0.title) < ($1.rank, $1.title) }
            return (rank, Picture.Component(title: title?.title ?? "", nodes: nodes, threads: threads))
        }
        components.sort {
            ($0.rank, -$0.component.threads, $0.component.title, $0.component.nodes[0])
                < ($1.rank, -$1.component.threads, $1.component.title, $1.component.nodes[0])
        }
        return Self.within(Picture.mostNodes, picture, components.map(\.component))
    }

    /// Ends are roots, and what lies between two of a deadlock belongs to it.
    private static func mark(_ picture: inout Picture) {
        let starts = Set(picture.edges.map(\.from))
        for edge in picture.edges where !starts.contains(edge.to) && edge.kind != .queued {
            // a member of a set that decides nothing is none
            if picture.nodes[edge.to].kind != .object { picture.nodes[edge.to].isRoot = true }
        }
        func isMember(_ node: Int) -> Bool { picture.nodes[node].isInDeadlock }
        // objects and sets between members: twice, since a set lies before its object
        for _ in 0..<2 {
            for edge in picture.edges
            where isMember(edge.from) && [.object, .set].contains(picture.nodes[edge.to].kind) {
                let onward = picture.edges.filter { $0.from == edge.to }
                let leads = onward.contains { next in
                    isMember(next.to)
                        || picture.nodes[next.to].kind == .object
                            && picture.edges.contains { $0.from == next.to && isMember($0.to) }
                }
                if leads { picture.nodes[edge.to].isInDeadlock = true }
            }
        }
        for index in picture.edges.indices {
            let edge = picture.edges[index]
            picture.edges[index].isInDeadlock = isMember(edge.from) && isMember(edge.to) && edge.kind != .queued
        }
        for index in picture.nodes.indices where picture.nodes[index].isInDeadlock {
            picture.nodes[index].isRoot = false
        }
    }

    private static func groups(_ picture: Picture) -> [[Int]] {
        var parent = Array(picture.nodes.indices)
        func top(_ node: Int) -> Int {
            var node = node
            while parent[node] != node { node = parent[node] }
            return node
        }
        for edge in picture.edges {
            let (a, b) = (top(edge.from), top(edge.to))
            if a != b { parent[max(a, b)] = min(a, b) }
        }
        return Dictionary(grouping: picture.nodes.indices, by: top).values.map { $0.sorted() }
    }

    /// What a component is called: as its tree in `snapshot`.
    private func titles(_ deadlocks: [DeadlockReport]) -> [Int: (rank: Int, title: String)] {
        let byChain = Dictionary(deadlocks.compactMap { report in report.chainID.map { ($0, report) } }) { first, _ in
            first
        }
        var titles: [Int: (rank: Int, title: String)] = [:]
        for (key, node) in places {
            guard case .thread(let thread) = key, let report = entry(thread)?.report, let finding = report.finding
            else {
                continue
            }
            let title =
                finding.root.value.map { Trees.title($0, deadlock: finding.chainID.flatMap { byChain[$0] }) }
                ?? "\(finding.verdict.rawValue), nothing known of another end"
            let entry = (rank: finding.root.value?.kind == .deadlock ? -1 : finding.verdict.rank, title: title)
            if let known = titles[node], (known.rank, known.title) <= (entry.rank, entry.title) { continue }
            titles[node] = entry
        }
        return titles
    }

    /// The worst of it that can be drawn; of what is too large by itself, who is waited for first.
    private static func within(_ most: Int, _ picture: Picture, _ components: [Picture.Component]) -> Picture {
        var kept: [Picture.Component] = []
        var leftOut = 0
        var room = most
        let held = Set(picture.edges.map(\.to))
        for var component in components {
            if component.nodes.count > room {
                // whole components first; a part of one is better than nothing
                let isThread = { picture.nodes[$0].kind == .thread }
                if kept.isEmpty {
                    let ranked = component.nodes.sorted {
                        (picture.nodes[$0].isInDeadlock ? 0 : held.contains($0) ? 1 : 2, $0)
                            < (picture.nodes[$1].isInDeadlock ? 0 : held.contains($1) ? 1 : 2, $1)
                    }
                    leftOut += ranked.dropFirst(room).reduce(0) { $0 + (isThread($1) ? picture.nodes[$1].count : 0) }
                    component.nodes = ranked.prefix(room).sorted()
                } else {
                    leftOut += component.threads
                    continue
                }
            }
            room -= component.nodes.count
            kept.append(component)
        }
        var result = Picture()
        result.leftOut = leftOut
        var places: [Int: Int] = [:]
        for var component in kept {
            for node in component.nodes {
                places[node] = result.nodes.count
                result.nodes.append(picture.nodes[node])
            }
            component.nodes = component.nodes.compactMap { places[$0] }
            result.components.append(component)
        }
        result.edges = picture.edges.compactMap { edge in
            guard let from = places[edge.from], let to = places[edge.to] else { return nil }
            var edge = edge
            (edge.from, edge.to) = (from, to)
            return edge
        }
        return result
    }
}
