/// One thread in one look: what it does, what it waits for, and what was found out about the other end.
///
/// By reference, because its record has kilobytes.
final class Wait {
    let record: CallRecord
    let call: BlockedCall
    let state: State
    let target: any Target
    /// Who can end it; not found out as long as no round has come to it.
    var relation: Evidence<Relation> = .unknown(.tooMany)
    /// Of a futex: who has it.
    var owner: Evidence<FutexOwner> = .unknown(.tooMany)
    /// Of a semaphore: who took it last. Absent where it is no lock.
    var taker: Evidence<SemaphoreTaker> = .unknown(.tooMany)
    /// Of a set: its members, each as if the thread waited for that one alone. Of any other wait there is none.
    var set: Evidence<WaitSet>
    /// It has waited here as long many times before.
    var isPeriodic = false
    let isMember: Bool
    /// The call waits for this one alone: directly, or as the only member of its set.
    let isAlone: Bool
    /// Of a member: its set has a time-out, as whoever asks for something gives one.
    let hasDeadline: Bool

    enum State: Equatable {
        /// On a processor, or in no call.
        case running
        case stopped
        case traced(by: Int)
        case frozen
        case waiting

        init(_ record: CallRecord) {
            if record.isTraced {
                self = record.tracerPID != 0 ? .traced(by: record.tracerPID) : .stopped
            } else if record.isStopped {
                self = .stopped
            } else if record.isFrozen {
                self = .frozen
            } else if record.kind == .running || record.isOnCPU && !record.isInterrupted && record.occasion == .viewed {
                self = .running
            } else {
                self = .waiting
            }
        }
    }

    init(
        _ record: CallRecord, _ call: BlockedCall, isMember: Bool = false, isAlone: Bool = true,
        hasDeadline: Bool = false
    ) {
        self.record = record
        self.call = call
        self.isMember = isMember
        self.isAlone = isAlone
        self.hasDeadline = hasDeadline
        state = State(record)
        target = Targets.target(record, call, state)
        // one that is over can no longer be looked into: whatever it waited for has come, or its time-out
        set = target is SetTarget && record.occasion != .slow ? .unknown(.tooMany) : .absent
    }

    var pid: Int { record.pid }
    var tid: Int { record.tid }
    var duration: UInt64 { record.nowNanoseconds - record.startNanoseconds }

    /// On a processor, or about to be; a call that is over says nothing about that.
    var isRunning: Bool { state == .running || record.isOnCPU && !record.isInterrupted && record.occasion != .slow }

    /// For a client.
    var isListening: Bool { call.resource.network?.state == "LISTEN" }

    /// How often bytes have been sent again that are still not acknowledged; `nil` for none.
    var retransmitted: Int? {
        guard let object = record.object, object.family == .socket, [2, 10].contains(object.socketFamily),
            object.socketProtocol == 6, object.tcpState != 2
        else { return nil }
        let inet = object.internet
        return inet.unacknowledged > 0 && inet.retransmits > 0 ? Int(inet.retransmits) : nil
    }

    /// Of a connect in flight: that nobody answers, in words.
    var unansweredText: String? {
        guard let object = record.object, object.family == .socket, [2, 10].contains(object.socketFamily),
            object.socketProtocol == 6, object.tcpState == 2
        else { return nil }
        let retransmits = object.internet.retransmits
        return "does not answer" + (retransmits > 0 ? ", \(retransmits) retransmit\(retransmits == 1 ? "" : "s")" : "")
    }

    /// `name[pid]`, safe for terminals
    var processText: String { "\(TerminalText.escaped(record.processName))[\(pid)]" }

    /// Something was sent, and nothing has come back since.
    private(set) lazy var isReplyOutstanding: Bool = findReplyOutstanding()

    /// Of a member: whether it can make a set of several more than idle, and for that must be known who holds its
    /// other end. A program that serves many has many peers that do something else.
    private(set) lazy var canDecideOverSet: Bool = {
        guard let object = record.object, object.family == .socket else { return false }
        if let call = call.call, call.sends { return true }
        return object.tcpState == 2 || object.peerState == .unaccepted || object.peerState == .listener
            || [2, 10].contains(object.socketFamily) && object.internet.unacknowledged > 0 || isReplyOutstanding
    }()

    private func findReplyOutstanding() -> Bool {
        guard let object = record.object, object.family == .socket else { return false }
        let last = record.descriptor.flatMap(record.lastIO(on:))
        let table = call.call.map { SyscallTable.table(for: $0.abi) }
        let sentLast = last.flatMap { table?[$0] }.map { SystemCall.sends(named: $0.name) } ?? false
        // what it did before it was seen is not known: a wait for one peer alone wants an answer from there
        let isOldQuestion = isAlone && record.isOlder && last == nil
        if hasSentByClock { return (object.isTCP ? object.internet.unacknowledged : 0) > 0 }
        guard object.socketFamily == 2 || object.socketFamily == 10, object.socketProtocol == 6 else {
            return sentLast && !isAsked || isOldQuestion && isClient(object)
        }
        let inet = object.internet
        if inet.unacknowledged > 0 { return true }
        guard let sent = inet.lastSent, let received = inet.lastReceived else {
            // a client that has sent nothing yet and waits for nothing else wants the server's greeting
            // and one that has only received has asked for nothing
            return inet.lastReceived == nil && (inet.lastSent != nil || isAlone)
        }
        // ages: the smaller is the later
        if sent != received { return sent < received }
        if sentLast { return true }
        return isOldQuestion
    }

    /// Of UDP and unix sockets: it has connected to somebody's address. Who polls a unix socket without a time-out may as
    /// well wait for news as for an answer (a monitor of a bus), and the kernel keeps no stamps of it.
    private func isClient(_ object: KernelObject) -> Bool {
        guard object.socketFamily == 1 else { return object.internet.peerPort != 0 }
        return !object.unix.peer.isEmpty && object.socketType != 2 && (!isMember || hasDeadline)
    }
}

/// What a thread waits for in poll, select or epoll.
struct WaitSet {
    var members: [Wait]
    /// There are more than were looked at.
    var isCut: Bool

    /// A wait for one alone.
    var only: Wait? { members.count == 1 && !isCut ? members[0] : nil }
}

extension SystemCall {
    private static let sending: Set<String> = [
        "write", "writev", "pwrite64", "pwritev", "pwritev2", "send", "sendto", "sendmsg", "sendmmsg", "sendfile",
        "sendfile64", "vmsplice", "tee",
    ]

    /// It moves bytes away from its thread.
    var sends: Bool { Self.sends(named: name) }
    static func sends(named name: String) -> Bool { sending.contains(name) }
}
