/// The way from a call to the root of its wait, and who speaks for a holder on it.
extension Findings {
    /// The one that the wait hangs on first: whoever moves may end it; else the worst off; those that are idle, those
    /// that wait for us in turn, and the waiter's own process last.
    ///
    /// - Parameters:
    ///   - wait: whose holders they are.
    ///   - start: where the chain begins.
    mutating func ranked(
        _ holders: [Holder], of wait: Wait, from start: Int, leadingBackTo seen: Set<Int> = []
    ) -> [Holder] {
        guard holders.count > 1 else { return holders }
        var ranks: [(rank: Int, place: Int)] = []
        for (place, holder) in holders.enumerated() {
            let isBack = leadsBack(holder, to: start, seen)
            var rank =
                switch judge.standing(of: holder) {
                case .moving: 0
                // what can never go on is no way out for one that can
                case .stuck: isHopeless(holder) && !graph.isHopeless(wait.tid) ? 5 : 1
                case .waiting, .unknown: 2
                case .sleeping: 3
                case .idle: isTimed(holder) ? 4 : 6
                case .circular: 7
                }
            if isBack, rank != 0, rank != 3 { rank = hasClock(holder) ? 4 : 7 }
            if holder.pid == wait.pid { rank += 10 }
            // who has a lock comes before those who only stand in line for it
            if holder.holdsNothing { rank += 20 }
            ranks.append((rank, place))
        }
        return ranks.sorted { ($0.rank, $0.place) < ($1.rank, $1.place) }.map { holders[$0.place] }
    }

    private func hasClock(_ holder: Holder) -> Bool {
        look.threads(of: holder)?.contains { tid in
            look.waits[tid].map { $0.state == .waiting && $0.hasClock } ?? false
        } ?? false
    }

    private func isTimed(_ holder: Holder) -> Bool {
        look.threads(of: holder)?.contains(where: graph.isTimed) ?? false
    }

    private func isHopeless(_ holder: Holder) -> Bool {
        look.threads(of: holder).map { !$0.isEmpty && $0.allSatisfy(graph.isHopeless) } ?? false
    }

    /// All of its threads can only go on once the chain's beginning has.
    private mutating func leadsBack(_ holder: Holder, to start: Int, _ seen: Set<Int>) -> Bool {
        guard let threads = look.threads(of: holder), !threads.isEmpty else { return false }
        for tid in threads where !seen.contains(tid) && !leadsBack(tid, to: start) { return false }
        return true
    }

    /// Whether a thread can only go on once that other one has.
    private mutating func leadsBack(_ tid: Int, to start: Int) -> Bool {
        // most are in no circle, on a host where very many hang
        guard graph.isInCircle(start) else { return tid == start }
        if dependents[start] == nil {
            if dependents.count >= Self.mostReductions { return false }
            dependents[start] = graph.dependents(of: start)
        }
        return dependents[start]?.contains(tid) == true
    }
    private static let mostReductions = 256

    /// What a holder does, by the thread that speaks for it.
    mutating func described(_ holder: Holder) -> Holder {
        var holder = holder
        guard let wait = speaker(for: holder) else {
            // more than one could go on; none speaks for all
            let threads = look.threads(of: holder)?.compactMap { look.waits[$0] } ?? []
            if let main = threads.first(where: { $0.tid == holder.pid }) ?? threads.first {
                holder.doing = doing(main)
                if !main.isRunning { holder.duration = main.duration }
            }
            return holder
        }
        holder.doing = doing(wait)
        if !wait.isRunning {
            holder.duration = wait.duration
            holder.verdict = judgement(of: wait.tid).verdict
        }
        return holder
    }

    /// The one thread along which a chain goes on: the only one, or the only one that is hung, of those that serve the
    /// object before the others of its process; else the only one that serves it.
    private mutating func speaker(for holder: Holder) -> Wait? {
        guard let threads = look.threads(of: holder) else { return nil }
        if threads.count == 1 { return look.waits[threads[0]] }
        let serving = look.servants(of: holder) ?? threads
        let key = serving + threads
        if let known = speakers[key] { return known.flatMap { look.waits[$0] } }
        let found =
            theHung(of: serving) ?? theOnly(serving) { holder.descriptor.map($0.isDirectly) == true }
            ?? theHung(of: threads) ?? theOnly(serving) { _ in true }
        speakers[key] = .some(found?.tid)
        return found
    }

    private func theOnly(_ threads: [Int], where fits: (Wait) -> Bool) -> Wait? {
        guard threads.count == 1, let wait = look.waits[threads[0]] else { return nil }
        return fits(wait) ? wait : nil
    }

    /// The only one of them that is hung, or one that is in a deadlock.
    private mutating func theHung(of threads: [Int]) -> Wait? {
        var hung: [Int] = []
        for tid in threads {
            guard let wait = look.waits[tid], !wait.isRunning else { continue }
            if deadlockOf[tid] != nil { return wait }
            let isLong = wait.duration >= judge.thresholdNanoseconds
            if isLong, judgement(of: tid).verdict != .idle { hung.append(tid) }
        }
        return hung.count == 1 ? look.waits[hung[0]] : nil
    }

    // MARK: - the way

    mutating func follow(_ start: Wait, _ finding: inout Finding) {
        var wait = start
        var steps = [link(wait)]
        var seen: Set<Int> = [wait.tid]
        var previous = wait.pid
        var path = [wait]
        func finish(_ root: Root, _ identity: [String]) {
            finding.root = .known(root)
            finding.chainID = Self.hash(["chain", bootID] + identity)
        }
        while true {
            // of a set, the member that decides
            _ = judgement(of: wait.tid)
            if let set = deadlockOf[wait.tid] {
                closeCircle(wait, set, &steps)
                finding.isInDeadlock = true
                finish(
                    Root(
                        kind: .deadlock, pid: wait.pid, name: wait.record.processName,
                        doing: "deadlock of \(set.tids.count) thread\(set.tids.count == 1 ? "" : "s")"),
                    [set.id])
                break
            }
            guard let relation = onward(wait, from: start, previous, seen, &finding) else {
                if case .known = wait.relation, steps.count > 1 { finish(root(wait), identity(of: wait)) }
                break
            }
            if let loss = relation.loss {
                steps.append(ChainLink("the network to \(TerminalText.escaped(loss.address))"))
                finish(
                    Root(kind: .network, doing: loss.text, address: loss.address), ["network", loss.address])
                break
            }
            if let first = ranked(relation.holders, of: wait, from: start.tid, leadingBackTo: seen).first {
                // one that waits for us in turn does not speak for those of its process who do not
                let next = speaker(for: first).flatMap { next in
                    guard look.threads(of: first)?.count ?? 0 > 1 else { return next }
                    let isBack = seen.contains(next.tid) || leadsBack(next.tid, to: start.tid)
                    return isBack && !leadsBack(first, to: start.tid, seen) ? nil : next
                }
                // back at who has asked and waits for the answer: that is for the other one to give
                if first.pid == start.pid, next == nil || next?.tid == start.tid, path.count > 1,
                    (judge.deciding[start.tid] ?? start).isReplyProven
                {
                    steps.append(ChainLink("back to \(TerminalText.escaped(first.name))[\(first.pid)]"))
                    finish(root(wait), identity(of: wait))
                    break
                }
                guard let next else {
                    if leadsBack(first, to: start.tid, seen) {
                        steps.append(ChainLink("back to \(TerminalText.escaped(first.name))[\(first.pid)]"))
                        let end = root(ofCircle: path, from: start)
                        finish(root(end), identity(of: end))
                        break
                    }
                    let holder = described(first)
                    let name = TerminalText.escaped(holder.name)
                    steps.append(ChainLink("\(name)[\(holder.pid)]" + (holder.doing.map { " \($0)" } ?? "")))
                    let began = look.waits[holder.pid]?.record.processStartNanoseconds ?? 0
                    finish(
                        Root(kind: .process, pid: holder.pid, name: holder.name, doing: holder.doing),
                        ["process", "\(holder.pid)", "\(began)"])
                    break
                }
                if seen.insert(next.tid).inserted {
                    previous = wait.pid
                    wait = next
                    path.append(wait)
                    steps.append(link(wait))
                    continue
                }
                steps.append(ChainLink("back to \(next.processText)"))
                let end = root(ofCircle: path, from: next)
                finish(root(end), identity(of: end))
                break
            }
            switch relation.end {
            case .remote(let address):
                steps.append(ChainLink(TerminalText.escaped(address)))
                let decisive = judge.deciding[wait.tid] ?? wait
                let sent = decisive.retransmitted
                finish(
                    Root(
                        kind: sent == nil ? .remote : .network,
                        doing: sent.map { "\($0) retransmits, not acknowledged" } ?? decisive.unansweredText,
                        address: address, communityID: decisive.call.resource.network?.communityID),
                    ["remote", address])
            case .device(let name):
                steps.append(ChainLink("device \(TerminalText.escaped(Array(name.utf8)))"))
                let silence = look.silence(judge.deciding[wait.tid] ?? wait)
                finish(Root(kind: .device, name: Array(name.utf8), doing: silence), ["device", name])
            case .nobody(let why):
                steps.append(ChainLink(why))
                finish(Root(kind: .nobody, doing: why), ["nobody"] + identity(of: wait))
            case nil:
                // what it waits for has no other end, or none that is known
                if steps.count > 1 {
                    finish(root(wait), identity(of: wait))
                } else if wait.state != .waiting, wait.state != .running {
                    // nobody but its own process, and whoever stopped that
                    finish(root(wait), identity(of: wait))
                } else if judgement(of: wait.tid).verdict != .idle {
                    finding.root = .unknown(relation.gap ?? .notRecorded)
                }
            }
            break
        }
        if case .absent = finding.root, judgement(of: start.tid).verdict != .idle {
            // whom the last one waits for was not found out; of the first one, not even who comes next
            if steps.count > 1 {
                finish(root(wait), identity(of: wait))
            } else {
                finding.root = .unknown(start.relation.gap ?? start.set.gap ?? .notRecorded)
            }
        }
        guard steps.count > 1 else { return }
        finding.chain = steps.map(\.text).joined(separator: " <- ")
        finding.links = steps
    }

    /// What the chain goes on by: the one thing that the thread waits for, or the member of its set that decides. An event
    /// loop on the way serves many; it stands between two others only where one alone of its peers owes it an answer.
    ///
    /// - Parameter previous: the process that the chain comes from.
    /// - Returns: `nil` where the chain ends here.
    private mutating func onward(
        _ wait: Wait, from start: Wait, _ previous: Int, _ seen: Set<Int>, _ finding: inout Finding
    ) -> Relation? {
        let deciding = judge.deciding[wait.tid]
        guard wait.tid != start.tid, let set = wait.set.value, judgement(of: start.tid).verdict != .idle else {
            return deciding.map { wayOn(by: $0, of: wait, from: start, seen) } ?? wait.relation.value
        }
        let owing = set.members.filter { member in
            guard member.owesSomething, let relation = member.relation.value else { return false }
            if relation.holders.contains(where: { $0.pid != previous }) { return true }
            switch relation.end {
            case .remote, .device: return relation.holders.isEmpty
            case .nobody, nil: return false
            }
        }
        guard owing.count > 1 else {
            return (owing.first ?? deciding).flatMap { wayOn(by: $0, of: wait, from: start, seen) }
        }
        // which of them it is asked for by the one before is not known
        finding.unresolved.append(Gap.tooMany.of("chain"))
        return nil
    }

    /// By that member of a set; where all who hold its other end only lead back, the others are the way on.
    private mutating func wayOn(by member: Wait, of wait: Wait, from start: Wait, _ seen: Set<Int>) -> Relation? {
        guard let relation = member.relation.value, !relation.holders.isEmpty, let set = wait.relation.value,
            set.holders.count > relation.holders.count
        else { return member.relation.value }
        for holder in relation.holders where !leadsBack(holder, to: start.tid, seen) { return relation }
        return set
    }

    /// The rest of the circle, back to where it was entered.
    private func closeCircle(_ wait: Wait, _ set: Deadlock, _ steps: inout [ChainLink]) {
        var at = wait
        var seen: Set<Int> = [wait.tid]
        while steps.count < 32, let relation = at.relation.value {
            let members = relation.holders.flatMap { look.threads(of: $0) ?? [] }.filter(set.tids.contains)
            guard let next = members.first(where: { !seen.contains($0) }) ?? members.first,
                let following = look.waits[next]
            else { return }
            if !seen.insert(next).inserted {
                steps.append(ChainLink("back to \(following.processText)"))
                return
            }
            steps.append(link(following))
            at = following
        }
    }

    /// A circle that is no deadlock has one root, from whichever of its calls it is told: who goes on by a clock of its own,
    /// else a thread beside one of it that goes on by a clock, or at all, without that one; else the one with the smallest number.
    private mutating func root(ofCircle path: [Wait], from entry: Wait) -> Wait {
        let circle = path.drop { $0.tid != entry.tid }.sorted { $0.tid < $1.tid }
        if let timed = circle.first(where: \.hasClock) { return timed }
        let inside = Set(circle.map(\.tid))
        var free: Wait?
        for wait in circle {
            for tid in look.threads[wait.pid] ?? [] where !inside.contains(tid) {
                guard let beside = look.waits[tid], beside.state == .waiting else { continue }
                if beside.hasClock { return beside }
                if free == nil, !graph.isHopeless(tid), !leadsBack(tid, to: wait.tid) { free = beside }
            }
        }
        return free ?? circle.first ?? entry
    }

    private func root(_ wait: Wait) -> Root {
        Root(
            kind: wait.record.isSingleThreaded || wait.tid == wait.pid ? .process : .thread, pid: wait.pid,
            name: wait.record.processName, doing: doing(wait) + (remaining(wait).map { " \($0) more" } ?? ""))
    }

    /// Of a thread that sleeps on a clock: for how long it still will.
    private func remaining(_ wait: Wait) -> String? {
        guard wait.state == .waiting, !wait.isRunning, let call = wait.call.call, let span = call.timeout.value,
            SyscallTable.table(for: call.abi)[call.number]?.class == .time, span > wait.duration
        else { return nil }
        // of an hour nobody wants the seconds
        let text = TerminalText.duration(nanoseconds: span - wait.duration)
        return text.split(separator: " ").first.map(String.init) ?? text
    }

    private func identity(of wait: Wait) -> [String] {
        ["thread", "\(wait.tid)", "\(wait.record.threadStartNanoseconds)"]
    }

    // MARK: - words

    private func link(_ wait: Wait) -> ChainLink {
        let who =
            wait.tid == wait.pid
            ? wait.processText : "\(TerminalText.escaped(wait.record.processName))[\(wait.pid)/\(wait.tid)]"
        return ChainLink("\(who) \(doing(wait))", tid: wait.tid)
    }

    /// `read pipe`, `sleeping`, `running`
    private func doing(_ wait: Wait) -> String {
        if wait.record.isZombie { return "exited" }
        if wait.isRunning { return "running" }
        switch wait.state {
        case .running: return "running"
        case .stopped: return "stopped"
        case .traced: return "stopped by a tracer"
        case .frozen: return "frozen"
        case .waiting: break
        }
        if wait.target is ExitTarget { return "exiting" }
        guard let call = wait.call.call else { return wait.record.kind == .page ? "page fault" : "blocked" }
        let info = SyscallTable.table(for: call.abi)[call.number]
        if info?.class == .time { return "sleeping" }
        let what = Self.short((judge.deciding[wait.tid] ?? wait).call.resource)
        return what.isEmpty || what == call.name ? call.name : "\(call.name) \(what)"
    }

    private static func short(_ resource: Resource) -> String {
        switch resource.kind {
        case .pipe, .futex, .epoll, .eventfd, .timerfd, .signalfd, .ioUring, .poll: return resource.kind.rawValue
        case .timer, .none: return ""
        case .child, .page: return TerminalText.escaped(resource.name)
        default:
            if resource.kind == .unix, resource.network?.local.path == nil, resource.network?.peer.path == nil {
                return "unix"
            }
            return TerminalText.cut(TerminalText.escaped(resource.name), to: 80, keep: .headAndTail)
        }
    }
}
