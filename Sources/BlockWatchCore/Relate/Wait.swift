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
    /// Of a futex in shared memory: the threads that its owner's number may mean, whose processes have that memory too.
    var possibleOwners: Evidence<[Int]> = .absent
    /// Of a semaphore: who took it last. Absent where it is no lock.
    var taker: Evidence<SemaphoreTaker> = .unknown(.tooMany)
    /// Of a set: its members, each as if the thread waited for that one alone. Of any other wait there is none.
    var set: Evidence<WaitSet>
    /// It has waited here as long many times before.
    var isPeriodic = false
    let isMember: Bool
    let company: Company

    /// What else the call waits for.
    struct Company: Equatable {
        /// Nothing: it waits for this one directly, or as the only member of its set.
        var isAlone = true
        /// Nothing but pipes, and what its own program, a clock or a signal wakes it by.
        var isAmongPipes = true
        /// Its set has a time-out, as whoever asks for something gives one.
        var hasDeadline = false
    }

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
        _ record: CallRecord, _ call: BlockedCall, isMember: Bool = false, company: Company = Company()
    ) {
        self.record = record
        self.call = call
        self.isMember = isMember
        self.company = company
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
        guard let object = record.object else { return false }
        // whoever polls nothing but pipes may be who started the programs at their other ends
        if object.family == .pipe { return company.isAmongPipes }
        guard object.family == .socket else { return false }
        if let call = call.call, call.sends { return true }
        return hasUnread || isConnecting || isReplyOutstanding
    }()

    /// Not yet connected, or not yet accepted.
    var isConnecting: Bool {
        guard let object = record.object, object.family == .socket else { return false }
        return object.tcpState == 2 || object.peerState == .unaccepted || object.peerState == .listener
    }

    /// Of a unix socket: what was sent lies at the other end, and nobody reads it.
    var hasUnread: Bool {
        guard let object = record.object, object.family == .socket, object.socketFamily == 1 else { return false }
        return object.tcpState != 10 && object.unix.sendQueue > 0
    }

    /// Of a member: whoever is at its other end has an answer to give, bytes to read or a connection to take.
    var owesSomething: Bool {
        isReplyOutstanding || hasUnread || record.object?.tcpState == 2 || record.object?.peerState == .unaccepted
    }

    /// A client of a unix socket that waits for nothing else, as who has asked something does.
    var isLoneUnixClient: Bool {
        guard let object = record.object, object.family == .socket, object.socketFamily == 1 else { return false }
        return company.isAlone && isClient(object)
    }

    /// What was sent and received says so, or the last call that moved bytes; what is only likely does not count.
    var isReplyProven: Bool {
        guard let object = record.object, object.family == .socket else { return false }
        if hasSentByClock { return object.isTCP && object.internet.unacknowledged > 0 }
        if object.isTCP {
            if object.internet.unacknowledged > 0 { return true }
            switch (object.internet.lastSent, object.internet.lastReceived) {
            // ages: the smaller is the later
            case (let sent?, let received?) where sent != received: return sent < received
            case (.some, nil): return true
            // one that has only received has asked for nothing
            case (nil, .some): return false
            default: return sentLast
            }
        }
        return sentLast && !isAsked
    }

    /// The last call that moved bytes here was a send.
    private var sentLast: Bool {
        guard let call = call.call, let last = record.descriptor.flatMap(record.lastIO(on:)) else { return false }
        return SyscallTable.table(for: call.abi)[last].map { SystemCall.sends(named: $0.name) } ?? false
    }

    private func findReplyOutstanding() -> Bool {
        guard let object = record.object, object.family == .socket else { return false }
        if isReplyProven { return true }
        if hasSentByClock { return false }
        // what it did before it was seen is not known: a wait for one peer alone wants an answer from there
        let isUnheard =
            [2, 10].contains(object.socketFamily) && object.socketProtocol == 17 && object.internet.isUnheard
        let isOldQuestion = (company.isAlone || isUnheard) && hasNoHistory
        guard object.isTCP else {
            // what it sent may not have been seen (socketcall), but nobody waits for a while where nothing was asked
            return (isOldQuestion || isUnheard && company.hasDeadline) && isClient(object)
        }
        let inet = object.internet
        // a client that has sent nothing yet and waits for nothing else wants the server's greeting
        if inet.lastSent == nil, inet.lastReceived == nil { return company.isAlone }
        return isOldQuestion && inet.lastSent != nil && inet.lastSent == inet.lastReceived
    }

    /// Of UDP and unix sockets: it has connected to somebody's address. Who polls a unix socket without a time-out may as
    /// well wait for news as for an answer (a monitor of a bus), and the kernel keeps no stamps of it.
    private func isClient(_ object: KernelObject) -> Bool {
        guard object.socketFamily == 1 else { return object.internet.peerPort != 0 }
        return !object.unix.peer.isEmpty && object.socketType != 2 && (!isMember || company.hasDeadline)
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
