/// Rules 2 to 6: what the thread's own state, its call and its clock say, whoever is at the other end.
extension Judge {
    func stoppedByHand(_ wait: Wait) -> Bool { wait.call.stop?.signal == "SIGTSTP" }

    mutating func stopped(_ wait: Wait) -> Reason? {
        switch wait.state {
        case .traced, .frozen: return .stopped
        case .stopped: break
        case .running, .waiting: if wait.record.kind != .stopped { return nil }
        }
        // Ctrl-Z: somebody has put it aside
        return stoppedByHand(wait) && !awaitedPIDs.contains(wait.pid) ? .parked : .stopped
    }

    mutating func child(_ wait: Wait, _ relation: Relation) -> Reason? {
        let isChild =
            wait.target is ChildrenTarget || wait.target is ProcessTarget && wait.call.resource.kind != .epoll
            || wait.owner.value?.isJoin == true
        guard isChild else { return nil }
        let all = standings(relation)
        // children that were not found out count as none
        return !all.isEmpty && all.allSatisfy { $0 == .stuck } ? .peerStuck : .awaitingChild
    }

    func overdue(_ wait: Wait) -> Reason? {
        // one that was not found out has not been passed, as far as is known
        guard let timeout = wait.call.call?.timeout.value, wait.record.kind == .systemCall,
            wait.record.renewals == 0
        else { return nil }
        return Self.isPast(timeout, after: wait.duration) ? .overdue : nil
    }

    /// By a tenth and a second.
    static func isPast(_ timeout: UInt64, after duration: UInt64) -> Bool {
        let limit = timeout.addingReportingOverflow(timeout / 10 + 1_000_000_000)
        return !limit.overflow && duration > limit.partialValue
    }

    /// A datagram socket that takes from whoever comes, and whose thread has not asked anybody last.
    private func isOpenToAll(_ wait: Wait) -> Bool {
        guard let object = wait.record.object, object.family == .socket, object.socketType == 2,
            let call = wait.call.call,
            call.receives
        else { return false }
        let hasPeer = object.socketFamily == 1 ? object.peerState != .none : object.internet.peerPort != 0
        guard !hasPeer, let descriptor = wait.record.descriptor else { return false }
        guard let last = lastIO(wait, on: descriptor) else { return true }
        return !SystemCall.sends(named: last) || wait.record.wasToldFirst(on: descriptor)
    }

    mutating func input(_ wait: Wait, _ relation: Relation) -> Reason? {
        if isTimer(wait) { return .timer }
        switch wait.call.resource.kind {
        case .timerfd: return .timer
        case .signalfd, .inotify: return .awaitingInput
        case .netlink, .raw: return .awaitingInput
        case .device:
            return wait.call.resource.file == nil || wait.record.object?.isBlockDevice != true ? .awaitingInput : nil
        // a terminal whose output is stopped, or whose other side does not read: rule 8
        case .tty where wait.call.call?.sends == true: return nil
        case .tty:
            // a terminal whose other side somebody holds
            let all = standings(relation)
            return !all.isEmpty && all.allSatisfy { $0 == .stuck } ? nil : .awaitingInput
        case .epoll where wait.isMember: return .eventLoop
        case .tcp, .unix, .udp, .vsock:
            if wait.call.resource.network?.state == "LISTEN" { return .listening }
            if isOpenToAll(wait) { return .awaitingRequest }
        default: break
        }
        return info(wait)?.class == .signal ? .awaitingInput : nil
    }
}
