/// What is kept of a call that is open, small because there may be tens of thousands.
struct LedgerEntry {
    /// `none` for a thread that is in no call.
    let name: String
    /// CLOCK_MONOTONIC, nanoseconds.
    let start: UInt64
    let tid: Int
    /// As this process's /proc names them.
    let procPID, procTID: Int32
    /// `nil` outside a system call.
    let place: Habits.Place?
    var state: State
    /// When it is due to be written again; `nil` for never.
    var repetition: Repetition?
    /// A filter or an ignore rule has left it out when it was last to be written: nobody wants to hear of it.
    var isIgnored = false

    enum State {
        /// Seen, and in the queue for its first look.
        case queued
        /// An option leaves it out without a look: a filter, an ignore rule, `--new-only`.
        case hidden
        /// Looked at and not written: its verdict or an option leaves it out, or the rate had no room.
        case unwritten(LastLook)
        /// Its `blocked` was written, so its end must be.
        case written(LastLook, Account)
        /// In the queue still, and it ended before it could be written. Few and short-lived: apart, so that the others
        /// stay small.
        indirect case over(ClosedRecord, LastLook?)
    }

    /// What the last look has found.
    struct LastLook: Equatable {
        /// The root that it is counted behind.
        var chainID: String?
        /// CLOCK_MONOTONIC, nanoseconds.
        var at: UInt64
        var reason: Reason
        /// Only the thread itself can change what was found.
        var isSettled = false
    }

    /// What the records of a written call say of it.
    final class Account: Sendable {
        let call: BlockedCall
        let finding: Finding?

        init(_ call: BlockedCall, _ finding: Finding?) {
            self.call = call
            self.finding = finding
        }
    }

    struct Repetition: Equatable {
        /// CLOCK_MONOTONIC, nanoseconds.
        var at: UInt64
        /// From then to the next, nanoseconds, before it is doubled.
        var interval: UInt64
    }

    init(_ record: CallRecord, _ call: BlockedCall, _ state: State) {
        name = call.call?.name ?? "none"
        start = record.startNanoseconds
        tid = record.tid
        procPID = Int32(clamping: record.procPID)
        procTID = Int32(clamping: record.procTID)
        place = Habits.Place(record)
        self.state = state
    }

    /// `nil` as long as nobody has looked.
    var lastLook: LastLook? {
        switch state {
        case .queued, .hidden: nil
        case .unwritten(let look), .written(let look, _): look
        case .over(_, let look): look
        }
    }

    /// `nil` if it is not written.
    var account: Account? { if case .written(_, let account) = state { account } else { nil } }
    var isWritten: Bool { account != nil }

    /// How it ended, of one that is over and waits for its look.
    var closing: ClosedRecord? { if case .over(let closing, _) = state { closing } else { nil } }

    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds; an earlier one than the start counts as the start.
    func duration(at now: UInt64) -> UInt64 { now - min(start, now) }
}
