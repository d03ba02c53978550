/// When calls that were looked at are looked at again.
struct RelookSchedule {
    private var next: UInt64 = 0

    private static let most = 1024
    private static let pause: UInt64 = 1_000_000_000
    /// Nobody is known to hold the other end, and the thread has not moved: still, what was found in a program's memory
    /// may have changed.
    private static let settledPause: UInt64 = 300_000_000_000

    /// - Parameter new: calls that are looked at anyway.
    /// - Returns: the threads of those whose time has come, at most once a second; those first whose last look is oldest.
    mutating func takeDue(_ calls: [UInt64: LedgerEntry], at now: UInt64, except new: Set<UInt64>) -> [Int] {
        guard now >= next else { return [] }
        next = now + Self.pause
        var due: [(lookedAt: UInt64, tid: Int)] = []
        for (id, call) in calls {
            guard let look = call.lastLook, !new.contains(id) else { continue }
            if look.at + (look.isSettled ? Self.settledPause : Self.pause) <= now { due.append((look.at, call.tid)) }
        }
        // the same of a host, whatever the order of a dictionary
        due.sort { $0 < $1 }
        if due.count > Self.most { due.removeSubrange(Self.most...) }
        return due.map(\.tid)
    }
}
