/// What is open, counted and listed.
extension CallLedger {
    var writtenCount: Int { calls.values.count { $0.isWritten } }
    var writtenCalls: [UInt64] { calls.filter(\.value.isWritten).map(\.key).sorted() }
    /// In one order, whatever that of a dictionary.
    var accounts: [LedgerEntry.Account] { calls.sorted { $0.key < $1.key }.compactMap(\.value.account) }

    /// Written or not.
    func count(of verdict: Verdict) -> Int { calls.values.count { $0.lastLook?.reason.verdict == verdict } }

    /// When ``takeDueRepeats(at:most:)`` has something next.
    var nextRepeat: UInt64? { calls.values.lazy.compactMap { $0.repetition?.at }.min() }

    /// All by system call; those that were looked at by verdict, and the idle ones by reason.
    var counts: (bySyscall: [String: UInt64], byVerdict: [String: UInt64], idleByReason: [String: UInt64]) {
        var bySyscall: [String: UInt64] = [:]
        var byVerdict: [String: UInt64] = [:]
        var idleByReason: [String: UInt64] = [:]
        for call in calls.values {
            bySyscall[call.name, default: 0] += 1
            guard let reason = call.lastLook?.reason else { continue }
            byVerdict[reason.verdict.rawValue, default: 0] += 1
            if reason.verdict == .idle { idleByReason[reason.rawValue, default: 0] += 1 }
        }
        return (bySyscall, byVerdict, idleByReason)
    }
}
