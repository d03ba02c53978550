extension Reason {
    /// As a reader would say it.
    var words: String {
        switch self {
        case .cycle: "they wait for each other"
        case .connectUnanswered: "connect is not answered"
        case .connectBacklogFull: "the listener's queue is full"
        case .notAccepted: "never accepted"
        case .lockHeld: "the lock's holder does not move"
        case .ownerGone: "its owner is gone and cannot let go of it"
        case .peerGone: "nobody at the other end"
        case .peerStuck: "the other end is stuck itself"
        case .sendStalled: "the other end does not take the bytes"
        case .kernelStuck: "the kernel does not come back"
        case .overdue: "past its own time-out"
        case .replyPending: "no reply yet"
        case .peerBusy: "the other end is at work"
        case .peerSleeping: "the other end sleeps"
        case .lockBusy: "the lock's holder is at work"
        case .peerWaiting: "the other end waits itself"
        case .inProgress: "something moves"
        case .unknown: "nothing known"
        default: rawValue.split(separator: "_").joined(separator: " ")
        }
    }
}
