/// The rules of CONTRACT, section 4, in its order: the first that fits decides, and its name goes along with the verdict.
public enum Rule: String, Sendable, CaseIterable {
    case cycle
    /// Job control, tracer, freezer.
    case stopped
    /// vfork and the wait family.
    case child
    /// Uninterruptible sleep, page faults, exits, FUSE requests.
    case kernel
    case overdue
    /// Clocks, signals, terminals, devices that deliver events.
    case input
    case lock
    case connect, send
    case otherEnd = "other_end"
    case serverSide = "server_side"
    /// poll, select, epoll as a whole; where one member decides, it is the rule that member was decided by.
    case set
    case futex
    case unknown

    /// A set's members are no threads and no calls: they are not stopped, in the kernel, or late.
    var isForMembers: Bool {
        switch self {
        case .cycle, .stopped, .kernel, .overdue: false
        case .child, .input, .lock, .connect, .send, .otherEnd, .serverSide, .set, .futex, .unknown: true
        }
    }
}

/// Why a wait is what it is, and the rule that says so.
public struct Judgement: Sendable, Equatable {
    public var reason: Reason
    public var rule: Rule

    public init(_ reason: Reason, by rule: Rule) {
        self.reason = reason
        self.rule = rule
    }
    public var verdict: Verdict { reason.verdict }
}
