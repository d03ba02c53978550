/// Who waits for whom, and who of them can never go on: pure, on numbers.
///
/// A node waits for all of its groups, and of each group for any member. A node without a wait is free: it runs, or
/// something outside the graph will let it go on. An empty group is nobody: it never lets go.
public struct WaitGraph: Sendable, Equatable {
    /// By node: `nil` is free, else all of the groups, any member of each.
    public var waits: [[[Int]]?]

    public init(waits: [[[Int]]?]) { self.waits = waits }

    /// What remains when everything that has a way out has been let go, again and again.
    ///
    /// - Returns: by node, whether it can never go on.
    public func remainder() -> [Bool] {
        released(from: waits.indices.filter { waits[$0]?.isEmpty ?? true }).map { !$0 }
    }

    /// - Parameter free: those who go on by themselves.
    /// - Returns: by node, whether it goes on then.
    func released(from free: [Int]) -> [Bool] {
        var isReleased = [Bool](repeating: false, count: waits.count)
        // per group: which node it belongs to; per node: the groups it would satisfy
        var groupOwner: [Int] = []
        var groupIsOpen: [Bool] = []
        var openGroups = [Int](repeating: 0, count: waits.count)
        var satisfies = [[Int]](repeating: [], count: waits.count)
        for (node, groups) in waits.enumerated() {
            openGroups[node] = groups?.count ?? 0
            for group in groups ?? [] {
                let index = groupOwner.count
                groupOwner.append(node)
                groupIsOpen.append(true)
                for member in group where waits.indices.contains(member) { satisfies[member].append(index) }
            }
        }
        var todo = free
        for node in free { isReleased[node] = true }
        while let node = todo.popLast() {
            for group in satisfies[node] where groupIsOpen[group] {
                groupIsOpen[group] = false
                let owner = groupOwner[group]
                openGroups[owner] -= 1
                if openGroups[owner] == 0, !isReleased[owner] {
                    isReleased[owner] = true
                    todo.append(owner)
                }
            }
        }
        return isReleased
    }

    /// Sets of nodes that wait for each other in a circle and can never go on, each sorted, in order.
    public func deadlocks() -> [[Int]] { deadlocks(remainder()) }

    /// - Parameter isStuck: ``remainder()``
    func deadlocks(_ isStuck: [Bool]) -> [[Int]] {
        components { node in
            guard isStuck[node], let groups = waits[node] else { return [] }
            // of a group that somebody can still satisfy, the others are no part of a circle
            return groups.filter { $0.allSatisfy { !waits.indices.contains($0) || isStuck[$0] } }
                .joined().filter(waits.indices.contains)
        }
        .filter { isStuck[$0[0]] }
    }

    /// By node: whether a way along the links leads from it back to it.
    ///
    /// - Parameter links: by node, to whom; as many as there are waits.
    func isCircular(_ links: [[Int]]) -> [Bool] {
        var found = [Bool](repeating: false, count: waits.count)
        for node in components({ links[$0] }).joined() { found[node] = true }
        return found
    }

    /// Strongly connected sets with a circle in them (Tarjan, without recursion).
    private func components(_ edges: (Int) -> [Int]) -> [[Int]] {
        var index = [Int](repeating: -1, count: waits.count)
        var low = index
        var isOnStack = [Bool](repeating: false, count: waits.count)
        var stack: [Int] = []
        var next = 0
        var found: [[Int]] = []
        for start in waits.indices where index[start] < 0 {
            var path: [(node: Int, targets: [Int], at: Int)] = []
            func visit(_ node: Int) {
                index[node] = next
                low[node] = next
                next += 1
                stack.append(node)
                isOnStack[node] = true
                path.append((node, edges(node), 0))
            }
            visit(start)
            while let (node, targets, at) = path.last {
                if at < targets.count {
                    path[path.count - 1].at += 1
                    let target = targets[at]
                    if index[target] < 0 {
                        visit(target)
                    } else if isOnStack[target] {
                        low[node] = min(low[node], index[target])
                    }
                    continue
                }
                path.removeLast()
                if let parent = path.last { low[parent.node] = min(low[parent.node], low[node]) }
                guard low[node] == index[node] else { continue }
                var members: [Int] = []
                while let member = stack.popLast() {
                    isOnStack[member] = false
                    members.append(member)
                    if member == node { break }
                }
                if members.count > 1 || targets.contains(node) { found.append(members.sorted()) }
            }
        }
        return found.sorted { $0[0] < $1[0] }
    }
}
