/// Rule 4: what only the kernel, a device, or the server of a file system can end.
extension Judge {
    mutating func kernel(_ wait: Wait, _ relation: Relation) -> Reason? {
        let isStuck =
            wait.record.kind == .exiting || wait.record.isUninterruptible || wait.call.resource.kind == .page
            || wait.record.kind == .ioWorker || wait.target is FuseTarget
        guard isStuck else { return nil }
        if wait.duration < movedWithin || hasMovedInside(wait) { return .inProgress }
        if deviceMoves(wait), !isOver(wait, relation) { return .inProgress }
        switch wait.target {
        case is FuseTarget:
            if serverWorks(wait, relation) { return .inProgress }
            return serverSleeps(wait, relation) ? .peerSleeping : .kernelStuck
        case is KernelLockTarget:
            // who has the lock gets on, and with that all in line
            let all = standings(relation)
            if all.contains(.moving) { return .inProgress }
            return all.contains(.waiting) || all.contains(.sleeping) ? .peerWaiting : .kernelStuck
        default: return deviceMayMove(wait) ? .inProgress : .kernelStuck
        }
    }

    /// What was done less than so long ago goes on.
    private static let recently: UInt64 = 1_000_000_000
    /// Requests come in their own time.
    private var requestsWithin: UInt64 { max(thresholdNanoseconds.saturatingAdd(thresholdNanoseconds), 5_000_000_000) }
    /// For less than this no device is said to be still.
    private static let shortestSilence: UInt64 = 2_000_000_000

    /// The thread has been on a processor not long ago and long after it began to wait: piece after piece is done.
    private func hasMovedInside(_ wait: Wait) -> Bool {
        guard let ran = wait.record.lastRanNanoseconds, !wait.call.hints.contains(.ownClock) else { return false }
        let now = wait.record.nowNanoseconds
        let start = wait.record.startNanoseconds
        return ran > start && ran - start > movedWithin && now - min(ran, now) < Self.recently
    }

    /// The device that the thread waits for.
    private func device(_ wait: Wait) -> UInt32? {
        // who waits for a lock waits for its holder
        guard wait.record.isUninterruptible, !(wait.target is KernelLockTarget),
            let number = wait.call.storage?.layers.first?.blockDevice, number != 0
        else { return nil }
        return number
    }

    private func deviceMoves(_ wait: Wait) -> Bool {
        guard let device = device(wait) else { return false }
        return look.devices.hasMoved(
            device, since: wait.record.startNanoseconds, within: requestsWithin, of: wait.record.nowNanoseconds)
    }

    /// What its device has done was before its server was stopped.
    private mutating func isOver(_ wait: Wait, _ relation: Relation) -> Bool {
        guard wait.target is FuseTarget, let device = device(wait) else { return false }
        let silence = look.devices.silence(
            device, since: wait.record.startNanoseconds, at: wait.record.nowNanoseconds)
        let all = standings(relation)
        return silence >= Self.recently && !all.isEmpty && all.allSatisfy { $0 == .stuck }
    }

    /// It has requests under way, or the thread has one that somebody holds back, and has not been watched for long enough to say that none of them ends.
    private func deviceMayMove(_ wait: Wait) -> Bool {
        guard let number = device(wait), wait.record.waitsForIO || look.devices.device(number)?.inFlight ?? 0 > 0
        else { return false }
        let silence = look.devices.silence(
            number, since: wait.record.startNanoseconds, at: wait.record.nowNanoseconds)
        return silence < Self.shortestSilence
    }

    /// The server runs, or gets on with something else, or answers others.
    private mutating func serverWorks(_ wait: Wait, _ relation: Relation) -> Bool {
        guard let target = wait.target as? FuseTarget else { return false }
        let devices = look.open(target.question)
        var isStuck = true
        for holder in relation.holders where !holder.holdsNothing {
            let standing = standing(of: holder)
            if standing == .moving { return true }
            let threads = look.threads(of: holder) ?? []
            let descriptors = devices.filter { $0.pid == holder.pid }.map(\.descriptor)
            if threads.contains(where: { answersOthers($0, while: wait, through: descriptors) }) { return true }
            isStuck = isStuck && standing == .stuck
        }
        return !isStuck && deviceMayMove(wait)
    }

    /// The thread that has the request sleeps on a clock of its own: its only one, the one that took a request last, or one
    /// that began to sleep when the request came.
    private func serverSleeps(_ wait: Wait, _ relation: Relation) -> Bool {
        relation.holders.contains { holder in
            let threads = look.threads(of: holder) ?? []
            return threads.contains { tid in
                guard let server = look.waits[tid], server.state == .waiting, isTimer(server) else { return false }
                let since = server.record.startNanoseconds
                let start = wait.record.startNanoseconds
                return threads.count == 1 || holder.descriptor.flatMap { lastSent(server, on: $0) } == false
                    || max(since, start) - min(since, start) <= movedWithin
            }
        }
    }

    /// The last that a thread did on a descriptor was to answer, not to ask; `nil` where that was not seen.
    private func lastSent(_ wait: Wait, on descriptor: Int) -> Bool? {
        lastIO(wait, on: descriptor).map { SystemCall.sends(named: $0) || $0 == "splice" }
    }

    /// A thread of the server that has done with another request since, and is ready for the next.
    private func answersOthers(_ tid: Int, while wait: Wait, through descriptors: [Int]) -> Bool {
        guard let server = look.waits[tid], server.state == .waiting, !server.isRunning,
            server.record.kind == .systemCall
        else { return false }
        let ready = server.record.startNanoseconds
        let now = server.record.nowNanoseconds
        guard ready > wait.record.startNanoseconds.saturatingAdd(movedWithin), now - min(ready, now) < requestsWithin
        else { return false }
        let isAtDevice = server.record.object?.isFuseDevice == true
        // what wakes up by its own clock has not been given anything
        guard isAtDevice || !server.hasClock else { return false }
        let last = descriptors.compactMap { lastSent(server, on: $0) }
        guard last.isEmpty else { return last.contains(true) }
        // who is back at /dev/fuse has been elsewhere, but for a thread that was made to take the next request
        guard isAtDevice, let clock = look.clock else { return false }
        let age = clock.boot(ofMonotonic: ready)
        return age - min(server.record.threadStartNanoseconds, age) > movedWithin
    }
}
