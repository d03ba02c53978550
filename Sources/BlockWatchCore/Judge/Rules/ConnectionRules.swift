/// Rules 8 to 10: connections, and whatever else has an other end.
extension Judge {
    func connect(_ wait: Wait, _ relation: Relation) -> Reason? {
        switch relation.situation {
        case .backlogFull: return .connectBacklogFull
        case .notAccepted: return .notAccepted
        default: break
        }
        guard let call = wait.call.call else { return nil }
        if wait.isMember, wait.record.object?.peerState == .unaccepted { return .notAccepted }
        if call.name == "connect" || wait.record.object?.tcpState == 2, wait.call.resource.kind == .tcp {
            return .connectUnanswered
        }
        return nil
    }

    mutating func send(_ wait: Wait, _ relation: Relation) -> Reason? {
        guard let call = wait.call.call else { return nil }
        if let pipe = wait.target as? PipeTarget, pipe.needs == .read {
            return relation.holders.isEmpty ? nil : stalled(wait, relation)
        }
        if relation.loss != nil { return .sendStalled }
        // nothing gets through: what was sent has been sent again, and is still not acknowledged
        if wait.call.resource.kind == .tcp, let inet = wait.record.object?.internet, inet.unacknowledged > 0,
            inet.retransmits > 1
        {
            return .sendStalled
        }
        guard call.sends, [.tcp, .unix, .udp, .tty].contains(wait.call.resource.kind) else { return nil }
        if relation.holders.isEmpty { return relation.situation == .nobody ? .peerGone : .sendStalled }
        return stalled(wait, relation)
    }

    /// Of a sender: by what those do who should take it.
    private mutating func stalled(_ wait: Wait, _ relation: Relation) -> Reason {
        let all = standings(relation)
        if all.contains(.moving) { return .peerBusy }
        if all.contains(.unknown) { return .unknown }
        // of two that wait for each other neither is stuck by somebody else, whichever of them is judged first
        return all.allSatisfy { $0 == .stuck } && !isMutual(wait, relation) ? .peerStuck : .sendStalled
    }

    /// Somebody who should take its bytes waits for it in turn.
    private func isMutual(_ wait: Wait, _ relation: Relation) -> Bool {
        relation.holders.contains { holder in
            (look.servants(of: holder) ?? []).contains { tid in
                guard let other = look.waits[tid] else { return false }
                return (deciding[tid] ?? other).relation.value?.holders.contains { $0.pid == wait.pid } == true
            }
        }
    }

    mutating func otherEnd(_ wait: Wait, _ relation: Relation) -> Reason? {
        guard wait.target.hasOtherEnd else { return nil }
        if relation.situation == .nobody { return .peerGone }
        if relation.situation == .onlyItself {
            let isAnonymous = wait.call.resource.kind == .pipe || wait.call.resource.kind == .unix
            return isAnonymous && look.isAlone(wait) && !wait.isMember ? .peerGone : .parked
        }
        // a server answers last: of its side only bytes that are not taken say anything
        let isServer = relation.situation == .serverSide
        let isOutstanding = isOutstanding(wait, relation)
        if relation.holders.isEmpty {
            guard wait.target is ConnectionTarget else { return nil }
            return isOutstanding ? (look.isPeriodic(wait) ? .peerIdle : .replyPending) : nil
        }
        // somebody of its own process can write to it: its threads talk among themselves
        if relation.holders.allSatisfy({ $0.pid == wait.pid }) { return .parked }
        if !isServer, isAtRest(wait, relation, isOutstanding: isOutstanding) { return .peerIdle }
        var all = standings(relation)
        if all.allSatisfy({ $0 == .circular }) {
            if isOutstanding { return .replyPending }
            if isServer { return nil }
            // event loops that look at each other with nothing outstanding are at rest
            if wait.isMember { return .peerIdle }
            circular.insert(wait.tid)
            return circleHasClock(wait, relation) ? .peerWaiting : .peerStuck
        }
        all.removeAll { $0 == .circular }
        if all.allSatisfy({ $0 == .stuck }) {
            guard metCircle, circleHasClock(wait, relation) else { return .peerStuck }
            return isOutstanding ? .replyPending : .peerWaiting
        }
        // it has answered before, and is at work: for others, or by its clock
        if isOutstanding, wait.hasBeenAnswered, relation.holders.contains(where: isRunning) { return .peerBusy }
        if isOutstanding, !look.isPeriodic(wait) { return .replyPending }
        if isServer { return nil }
        // of a call that is over: whoever ended it is back at its clock
        if wait.record.occasion == .slow, relation.holders.allSatisfy({ hasServed($0) && isAtClock($0) }) {
            return .peerIdle
        }
        // those who have never moved a byte here have inherited it
        let serving = relation.holders.filter(hasServed)
        if all.contains(.moving) {
            return !serving.isEmpty && serving.allSatisfy(isAtClock) ? .peerIdle : .peerBusy
        }
        if all.contains(.unknown) { return .unknown }
        if all.contains(.sleeping) {
            if serving.isEmpty { return .peerSleeping }
            var theirs: [Standing] = []
            for holder in serving { theirs.append(standing(of: holder)) }
            return theirs.contains(.waiting) || theirs.contains(.stuck) ? .peerWaiting : .peerIdle
        }
        if all.contains(.waiting) || all.contains(.stuck) { return .peerWaiting }
        // what was left behind never ends its output
        return relation.leftBehind == nil ? .peerIdle : .peerWaiting
    }

    /// Of waits that go round in a circle: one of them ends by a clock of its own, and with it the circle.
    private func circleHasClock(_ wait: Wait, _ relation: Relation) -> Bool {
        let others = relation.holders.flatMap { look.threads(of: $0) ?? [] }
        return ([wait.tid] + beingJudged + others).contains { look.waits[$0]?.hasClock == true }
    }

    func serverSide(_ wait: Wait, _ relation: Relation) -> Reason? {
        relation.situation == .serverSide ? .awaitingRequest : nil
    }

    func isOutstanding(_ wait: Wait, _ relation: Relation) -> Bool {
        guard relation.situation == .serverSide else {
            return wait.isReplyOutstanding || wait.isLoneUnixClient && hasReadLast(relation.holders)
        }
        // a unix socket's bytes are at the other end as soon as they are sent
        return wait.target is ConnectionTarget && (wait.record.object?.internet.unacknowledged ?? 0) > 0
    }

    /// Of who serves the other end: the last that it did there was to read, and it has not answered. What the client itself
    /// received last may have crossed what it had asked.
    private func hasReadLast(_ holders: [Holder]) -> Bool {
        guard holders.count == 1, let descriptor = holders[0].descriptor else { return false }
        let last = (look.threads(of: holders[0]) ?? []).compactMap { tid in
            look.waits[tid].flatMap { lastIO($0, on: descriptor) }
        }
        return !last.isEmpty && !last.contains(where: SystemCall.sends(named:))
    }

    private func isRunning(_ holder: Holder) -> Bool {
        (look.threads(of: holder) ?? []).contains { look.waits[$0]?.isRunning == true }
    }

    /// What wakes it is a clock of its own, however often that does.
    private func isAtClock(_ holder: Holder) -> Bool {
        (look.threads(of: holder) ?? []).allSatisfy { tid in
            guard let wait = look.waits[tid], wait.state == .waiting, !wait.isRunning else { return false }
            return isTimer(wait) || wait.set.value != nil && wait.call.call?.timeout.value != nil
        }
    }

    /// The last thing that it moved bytes on is what is waited for here: it does so from time to time.
    private func hasServed(_ holder: Holder) -> Bool {
        (look.threads(of: holder) ?? []).contains { tid in
            holder.descriptors.contains { look.waits[tid]?.record.lastIO(on: $0) != nil }
        }
    }
}
