/// `evidence` of a record: what a verdict stands on, the rule first, then facts that can be checked.
enum VerdictEvidence {
    static let most = 4

    /// - Parameter wait: the call, or the member of its set that decided.
    static func lines(_ wait: Wait, _ judgement: Judgement, _ look: Investigation) -> [String] {
        Array((["rule=\(judgement.rule.rawValue)"] + facts(wait, judgement, look)).prefix(most))
    }

    private static func facts(_ wait: Wait, _ judgement: Judgement, _ look: Investigation) -> [String] {
        switch judgement.rule {
        case .connect, .send, .otherEnd, .serverSide: ends(wait)
        case .stopped: stop(wait)
        case .kernel: kernel(wait, look)
        case .overdue: timeout(wait)
        case .lock, .futex: owner(wait)
        case .cycle, .child, .input, .set, .unknown: []
        }
    }

    private static func duration(_ nanoseconds: UInt64) -> String { TerminalText.duration(nanoseconds: nanoseconds) }

    private static func ends(_ wait: Wait) -> [String] {
        guard let object = wait.record.object else { return [] }
        switch object.family {
        case .pipe:
            let pipe = object.pipe
            return [wait.relation.value?.leftBehind].compactMap { $0 } + [
                "\(pipe.readers) open to read, \(pipe.writers) to write",
                "\(pipe.bytes) of \(pipe.capacity) bytes in it",
            ]
        case .socket where [2, 10].contains(object.socketFamily):
            return internet(object, wait.relation.value?.loss)
        case .socket, .file, .anonymous, .mount:
            return []
        }
    }

    private static func internet(_ object: KernelObject, _ loss: Relation.Loss?) -> [String] {
        guard object.socketProtocol == 6 else { return [] }
        let inet = object.internet
        var facts: [String] = []
        if let state = SocketKind.tcpStateName(object.tcpState) { facts.append(state) }
        if inet.retransmits > 0 { facts.append("\(inet.retransmits) retransmit\(inet.retransmits == 1 ? "" : "s")") }
        if inet.unacknowledged > 0 { facts.append("\(inet.unacknowledged) not acknowledged") }
        if let loss, loss.isOther {
            facts.append(
                "the other end: \(loss.progress.retransmits) retransmits, \(loss.progress.unacknowledged) not acknowledged"
            )
        }
        switch (inet.lastSent, inet.lastReceived) {
        case (let sent?, let received?) where sent < received: facts.append("sent after the last byte came")
        case (let sent?, let received?) where sent > received: facts.append("nothing sent since the last byte came")
        case (nil, nil) where object.tcpState == 1: facts.append("no byte sent or received")
        default: break
        }
        return facts
    }

    private static func stop(_ wait: Wait) -> [String] {
        switch wait.state {
        case .traced(let tracer): return ["traced by \(tracer)"]
        case .frozen: return ["frozen cgroup"]
        case .stopped, .running, .waiting: return wait.call.stop.map { ["stopped by \($0.signal)"] } ?? []
        }
    }

    private static func kernel(_ wait: Wait, _ look: Investigation) -> [String] {
        var facts = ["state \(wait.record.stateLetter)"]
        if let ran = wait.record.lastRanNanoseconds {
            let ago = wait.record.nowNanoseconds - min(ran, wait.record.nowNanoseconds)
            facts.append("not on a processor for \(duration(ago))")
        }
        if let silence = look.silence(wait, isNamed: true) { facts.append(silence) }
        return facts
    }

    private static func timeout(_ wait: Wait) -> [String] {
        wait.call.call?.timeout.value.map { ["its time-out is \(duration($0))"] } ?? []
    }

    private static func owner(_ wait: Wait) -> [String] {
        if let taker = wait.taker.value {
            return ["last taken by \(taker.pid)" + (taker.isGone ? ", which has died" : "")]
        }
        return wait.owner.value.map { ["owner tid \($0.number)"] } ?? []
    }
}

extension Investigation {
    /// Of a wait for a block device, how long that has completed nothing: `completed nothing for 30.2s, 1 in flight`.
    func silence(_ wait: Wait, isNamed: Bool = false) -> String? {
        guard !(wait.target is KernelLockTarget), let number = wait.call.storage?.layers.first?.blockDevice,
            number != 0,
            let device = devices.device(number)
        else { return nil }
        let now = wait.record.nowNanoseconds
        let name = isNamed ? "\(device.name) (\(DeviceNumber.text(number))) " : ""
        func text(_ span: UInt64) -> String { TerminalText.duration(nanoseconds: span) }
        if let move = device.lastMove, move.by >= wait.record.startNanoseconds {
            return "\(name)completed requests \(text(now - min(move.by, now))) ago"
        }
        let silence = devices.silence(number, since: wait.record.startNanoseconds, at: now)
        return "\(name)completed nothing for \(text(silence)), \(device.inFlight) in flight"
    }
}
