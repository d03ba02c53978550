/// What is open, counted and listed.
extension CallLedger {
    var writtenCount: Int { calls.values.count { $0.isWritten } }
    /// When they began, CLOCK_MONOTONIC, with their threads.
    var writtenThreads: [(start: UInt64, thread: UInt32)] {
        calls.values.filter(\.isWritten).map { ($0.start, UInt32(clamping: $0.procTID)) }
    }
    var writtenCalls: [UInt64] { calls.filter(\.value.isWritten).map(\.key).sorted() }
    /// In one order, whatever that of a dictionary.
    var accounts: [LedgerEntry.Account] { calls.sorted { $0.key < $1.key }.compactMap(\.value.account) }

    /// Written or not.
    func count(of verdict: Verdict) -> Int { calls.values.count { $0.lastLook?.reason.verdict == verdict } }

    /// When ``takeDueRepeats(at:most:)`` has something next.
    var nextRepeat: UInt64? { calls.values.lazy.compactMap { $0.repetition?.at }.min() }

    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds.
    func open(at now: UInt64) -> OpenCalls {
        var open = OpenCalls()
        open.count = calls.count
        for call in calls.values where call.closing == nil && !call.isIgnored {
            guard let reason = call.lastLook?.reason else { continue }
            open.byReason[reason, default: 0] += 1
            open.oldest[reason.verdict] = max(open.oldest[reason.verdict] ?? 0, call.duration(at: now))
            if let account = call.account {
                let service = Services.name(account.call.process.cgroup)
                open.byService[service, default: [:]][reason.verdict, default: 0] += 1
            }
        }
        return open
    }

    struct Counts {
        /// All.
        var bySyscall: [String: UInt64] = [:]
        /// Those that were looked at.
        var byVerdict: [String: UInt64] = [:]
        /// Of these, what is seldom or never written.
        var idleByReason: [String: UInt64] = [:]
        var busyByReason: [String: UInt64] = [:]
    }

    var counts: Counts {
        var counts = Counts()
        for call in calls.values {
            counts.bySyscall[call.name, default: 0] += 1
            guard let reason = call.lastLook?.reason else { continue }
            counts.byVerdict[reason.verdict.rawValue, default: 0] += 1
            switch reason.verdict {
            case .idle: counts.idleByReason[reason.rawValue, default: 0] += 1
            case .busy: counts.busyByReason[reason.rawValue, default: 0] += 1
            case .deadlock, .stuck, .waiting: break
            }
        }
        return counts
    }
}
