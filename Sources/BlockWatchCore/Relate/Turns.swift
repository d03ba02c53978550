/// Whose turn it is on a connection: what can be known of that without its bytes.
extension Wait {
    /// An answer has come here before, to something that this thread or this socket had sent.
    var hasBeenAnswered: Bool {
        guard let object = record.object, object.family == .socket else { return false }
        let io = record.descriptor.flatMap { record.lastIO(on: $0) == nil ? nil : $0 }
        guard object.isTCP else { return io.map(record.hasBeenAnswered) ?? false }
        guard object.internet.lastReceived != nil, object.internet.lastSent != nil else { return false }
        // what came before all that was seen of this thread came before it has asked again
        return io.map {
            record.hasBeenAnswered(on: $0) || !record.wasToldFirst(on: $0) || !record.hasConnected($0)
        } ?? true
    }

    /// Nothing is known of what this thread has moved here: the wait began before blockwatch.
    var hasNoHistory: Bool {
        guard record.isOlder, let descriptor = record.descriptor else { return false }
        return record.lastIO(on: descriptor) == nil
    }

    /// The socket itself says that nothing has ever come here; a unix one does not tell.
    var isKnownUnheard: Bool {
        guard let object = record.object, [2, 10].contains(object.socketFamily) else { return false }
        return object.isTCP
            ? object.internet.lastReceived == nil : object.socketProtocol == 17 && object.internet.isUnheard
    }

    /// It has read from here before.
    var hasReadHere: Bool {
        guard let descriptor = record.descriptor, call.call?.sends != true else { return false }
        return record.lastIO(on: descriptor) != nil
    }

    /// Sent at a time of its own, in a loop that has one: whether that wants an answer is seen when its time comes again.
    var hasSentByClock: Bool {
        guard let descriptor = record.descriptor, isMember, company.hasDeadline, record.renewals == 0 else {
            return false
        }
        return record.hasSentByClock(on: descriptor)
    }

    /// One end of a pair that has no name, or of two datagram sockets, and the first bytes came from the other: it answers,
    /// and does not ask.
    var isAsked: Bool {
        guard let descriptor = record.descriptor, let object = record.object, object.family == .socket else {
            return false
        }
        let isPair =
            object.socketFamily == 1
            ? object.unix.local.isEmpty && object.unix.peer.isEmpty : object.socketType == 2
        // of a descriptor that was another file's before, nothing of that counts
        return isPair && !isKnownUnheard && record.wasToldFirst(on: descriptor)
    }

    /// One among others that its event loop waits for, and no TCP: event loops of one host tell each other what happens, and want
    /// no answer to that.
    fileprivate var isAmongOthers: Bool { isMember && !company.isAlone && record.object?.isTCP == false }

    /// It has connected to somebody's address.
    var isNamedClient: Bool {
        guard let object = record.object, object.family == .socket else { return false }
        return object.socketFamily == 1 ? !object.unix.peer.isEmpty : object.internet.peerPort != 0
    }

    /// It waits for bytes, and has taken all that came.
    fileprivate var readsOn: Bool {
        guard let object = record.object, object.family == .socket, object.tcpState != 10, let call = call.call else {
            return false
        }
        let unread = object.socketFamily == 1 ? object.unix.receiveQueue : object.internet.receiveQueue
        return call.receives && unread == 0
    }

    /// The two ends of one connection.
    fileprivate func isOtherEnd(of other: Wait) -> Bool {
        guard let own = record.object, let its = other.record.object, own.family == .socket, its.family == .socket
        else {
            return false
        }
        if own.socketFamily == 1 { return its.socketFamily == 1 && its.unix.peerInode == own.inode }
        let (near, far) = (own.internet, its.internet)
        return near.peerPort != 0 && near.localPort == far.peerPort && near.peerPort == far.localPort
            && FileQuestion.mapped(near.local) == FileQuestion.mapped(far.peer)
            && FileQuestion.mapped(near.peer) == FileQuestion.mapped(far.local)
    }
}

extension Investigation {
    /// The thread that waits at the other end of this connection for more, directly or among others, and has taken all that
    /// was sent.
    func reader(opposite wait: Wait, _ relation: Relation) -> Wait? {
        for holder in relation.holders {
            for tid in threads(of: holder) ?? [] {
                guard let thread = waits[tid], thread.state == .waiting, !thread.isRunning else { continue }
                let ends = thread.set.value?.members ?? [thread]
                if ends.contains(where: { $0.readsOn && $0.isOtherEnd(of: wait) }) { return thread }
            }
        }
        return nil
    }

    /// Of a pipe, or a pair without names: a process that has the other end has begun this one, itself or by others.
    func isFedByAncestor(_ wait: Wait) -> Bool {
        guard let relation = wait.relation.value, !wait.isNamedClient else { return false }
        let holders = Set(relation.holders.map(\.pid)).subtracting([wait.pid])
        var at = wait
        for _ in 0..<8 {
            let parent = at.record.parentPID
            if holders.contains(parent) { return true }
            guard let next = waits[parent] else { return false }
            at = next
        }
        return false
    }

    /// Connections of a thread's set on which it has sent last, but for those with a process.
    func sentLast(of thread: Wait, exceptTo pid: Int) -> [Wait] {
        (thread.set.value?.members ?? []).filter { member in
            guard member.isReplyOutstanding, let relation = member.relation.value else { return false }
            return !relation.holders.contains { $0.pid == pid }
        }
    }
}

extension Judge {
    /// Both ends wait for more, with nothing on its way, and the other has answered before: at rest, as far as anybody can see.
    /// It may as well be that the answer was asked to take its time (a queue that is empty).
    ///
    /// - Parameter isOutstanding: this end has sent last.
    mutating func isAtRest(_ wait: Wait, _ relation: Relation, isOutstanding: Bool) -> Bool {
        guard let object = wait.record.object, object.family == .socket, wait.call.call?.sends != true,
            !object.isTCP || object.internet.unacknowledged == 0,
            let reader = look.reader(opposite: wait, relation)
        else { return false }
        guard isOutstanding else { return true }
        // a process or thread of its own for this connection, and nothing is known of what was said before
        let isOldPair =
            object.socketFamily == 1 && wait.hasNoHistory && (reader.set.value.map { $0.only != nil } ?? true)
        guard
            wait.hasBeenAnswered || isOldPair
                || wait.isAmongOthers && reader.set.value?.only == nil && reader.set.value != nil
        else {
            return false
        }
        if isBeingJudged(reader.tid) {
            metCircle = true
        } else if judgement(of: reader.tid).verdict != .idle {
            return false
        }
        // who serves many may have passed it on, to one that does something else
        for member in look.sentLast(of: reader, exceptTo: wait.pid) {
            guard let its = member.relation.value else { return false }
            if its.holders.isEmpty, its.situation != .serverSide { return false }
            for holder in its.holders where [.stuck, .waiting].contains(standing(of: holder)) { return false }
        }
        // and another thread may be at it
        for tid in look.threads[reader.pid] ?? [] where tid != reader.tid {
            guard let other = look.waits[tid], !isBeingJudged(tid) else { continue }
            if other.isRunning || [.stuck, .waiting].contains(standing(of: tid)) { return false }
        }
        return true
    }
}

extension SystemCall {
    private static let receiving: Set<String> = ["read", "readv", "recv", "recvfrom", "recvmsg", "recvmmsg"]

    /// It waits for bytes of somebody else.
    var receives: Bool { Self.receiving.contains(name) }
}
