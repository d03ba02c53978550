/// Hung, or idle by design: CONTRACT, section 4.
public enum Verdict: String, Sendable, CaseIterable {
    case deadlock, stuck, waiting
    /// It waits for somebody who is visibly at work.
    case busy
    case idle

    /// The worst first.
    var rank: Int {
        switch self {
        case .deadlock: 0
        case .stuck: 1
        case .waiting: 2
        case .busy: 3
        case .idle: 4
        }
    }
}

public enum Reason: String, Sendable, CaseIterable {
    case cycle
    case connectUnanswered = "connect_unanswered"
    case connectBacklogFull = "connect_backlog_full"
    case notAccepted = "not_accepted"
    case lockHeld = "lock_held"
    case ownerGone = "owner_gone"
    case peerGone = "peer_gone"
    case peerStuck = "peer_stuck"
    case sendStalled = "send_stalled"
    case kernelStuck = "kernel_stuck"
    case stopped
    case overdue
    case replyPending = "reply_pending"
    case peerBusy = "peer_busy"
    case peerSleeping = "peer_sleeping"
    case lockBusy = "lock_busy"
    case peerWaiting = "peer_waiting"
    case inProgress = "in_progress"
    case unknown
    case listening
    case awaitingRequest = "awaiting_request"
    case awaitingInput = "awaiting_input"
    case timer
    case awaitingChild = "awaiting_child"
    case parked
    case eventLoop = "event_loop"
    case peerIdle = "peer_idle"

    public var verdict: Verdict {
        switch self {
        case .cycle: .deadlock
        case .connectUnanswered, .connectBacklogFull, .notAccepted, .lockHeld, .ownerGone, .peerGone, .peerStuck,
            .sendStalled,
            .kernelStuck, .stopped, .overdue:
            .stuck
        case .replyPending, .peerSleeping, .peerWaiting, .unknown: .waiting
        case .peerBusy, .lockBusy, .inProgress: .busy
        case .listening, .awaitingRequest, .awaitingInput, .timer, .awaitingChild, .parked, .eventLoop, .peerIdle:
            .idle
        }
    }
}
