/// What poll, select and epoll wait for: any of their descriptors. The set is unfolded into waits for each of them alone.
struct SetTarget: Target {
    init?(_ record: CallRecord, _ call: BlockedCall) {
        // a page: it does not wait for the set, but for its memory; with an epoll's mutex, for which nobody may wait
        guard let ordinary = OrdinaryCall(record, call), record.kind == .systemCall, !record.isInterrupted,
            SetMembers.isSet(ordinary.call)
        else { return nil }
    }

    /// Any of those who hold its members' other ends can end it, or any way out that one of them has.
    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        let set: WaitSet
        switch wait.set {
        case .known(let known): set = known
        case .absent: return relation
        case .unknown(let gap):
            relation.coverage = .partial(gap, isTold: false)
            return relation
        }
        var holders: [Holder] = []
        var isWhole = !set.isCut && !set.members.isEmpty
        for member in set.members {
            guard case .known(let its) = member.relation else {
                isWhole = false
                continue
            }
            isWhole = isWhole && !member.hasWayOut(its)
            for holder in its.holders where !holders.contains(where: { $0.pid == holder.pid && $0.tid == holder.tid }) {
                holders.append(holder)
            }
        }
        relation.add(holders)
        relation.coverage = isWhole ? .whole : .open
        return relation
    }

    /// An epoll may be a member of another, and so on.
    private static let mostNesting = 4

    private struct Unfolding {
        let wait: Wait
        var members: [SetMembers.Member]
        var isCut: Bool
    }

    /// Finds out what the sets of these threads are made of. Where that fails, the set stays unknown with its reason.
    ///
    /// - Returns: whether there was an answer in time.
    static func unfold(
        _ sets: [Wait], _ source: inout some HolderSource, _ risky: inout some RiskyReading, _ identifier: Identifier
    ) -> Bool {
        var found = inMemory(sets, &risky)
        guard let items = inKernel(sets, &source) else { return false }
        found += items
        var objects: [FileQuestion: KernelObject] = [:]
        for level in 1...mostNesting {
            guard ask(found, &objects, &source) else { return false }
            if level < mostNesting, !unfoldNested(&found, objects, &source) { return false }
        }
        for unfolding in found {
            unfolding.wait.set = .known(
                WaitSet(members: members(unfolding, objects, identifier), isCut: unfolding.isCut))
        }
        return true
    }

    private static func members(
        _ unfolding: Unfolding, _ objects: [FileQuestion: KernelObject], _ identifier: Identifier
    ) -> [Wait] {
        let wait = unfolding.wait
        let others = unfolding.members.compactMap { objects[.descriptor(pid: wait.pid, $0.descriptor)] }
            .filter { !isWakeUp($0) }
        let company = Wait.Company(
            isAlone: unfolding.members.count == 1 && !unfolding.isCut,
            isAmongPipes: others.allSatisfy { $0.family == .pipe } && !unfolding.isCut,
            hasDeadline: wait.call.call?.timeout.value != nil)
        return unfolding.members.compactMap { member in
            guard let object = objects[.descriptor(pid: wait.pid, member.descriptor)], var call = wait.call.call
            else { return nil }
            var alone = wait.call
            // poll says which direction, and a name is what tells directions apart further on
            call.name = member.reads || !member.writes ? "read" : "write"
            call.timeout = .absent
            alone.call = call
            alone.resource = identifier.resource(of: object, descriptor: member.descriptor)
            return Wait(
                wait.record.waiting(for: object, descriptor: member.descriptor), alone, isMember: true,
                company: company)
        }
    }

    /// By which a program wakes its own threads, or a clock or a signal does.
    private static func isWakeUp(_ object: KernelObject) -> Bool {
        object.family == .anonymous
            && ["[eventfd]", "[timerfd]", "[signalfd]"].contains(String(decoding: object.name, as: UTF8.self))
    }

    // MARK: - what they are made of

    /// poll and select: their members stand in the memory of the program.
    private static func inMemory(_ sets: [Wait], _ risky: inout some RiskyReading) -> [Unfolding] {
        var questions: Set<RiskyQuestion> = []
        for wait in sets {
            if let call = wait.call.call { questions.formUnion(SetMembers.questions(wait.record, call)) }
        }
        let answers = questions.isEmpty ? [:] : risky.answer(Array(questions))
        return sets.compactMap { wait in
            guard let call = wait.call.call else { return nil }
            switch SetMembers.members(wait.record, call, answers) {
            case .known(let known): return Unfolding(wait: wait, members: known.members, isCut: known.isCut)
            case .absent: return nil
            case .unknown(let gap):
                wait.set = .unknown(gap)
                return nil
            }
        }
    }

    /// epoll: the kernel's tree.
    ///
    /// - Returns: `nil` if there was no answer in time.
    private static func inKernel(_ sets: [Wait], _ source: inout some HolderSource) -> [Unfolding]? {
        let epolls = sets.compactMap { wait in
            wait.call.call.flatMap { SetMembers.items(wait.record, $0) }.map { (wait: wait, question: $0) }
        }
        guard let items = items(epolls.map(\.question), &source) else { return nil }
        return epolls.compactMap { wait, question in
            guard let set = items[question] else {
                wait.set = .unknown(.inFlight)
                return nil
            }
            let members = SetMembers.epollMembers(set)
            // of a ring only what is polled is told, not what a worker or a disk has been given
            if members.isEmpty, set.isCut, wait.call.resource.kind == .ioUring {
                wait.set = .unknown(.notRecorded)
                return nil
            }
            return Unfolding(wait: wait, members: members, isCut: set.isCut)
        }
    }

    /// What epolls wait for.
    ///
    /// - Returns: `nil` if there was no answer in time.
    private static func items(
        _ questions: [FileQuestion], _ source: inout some HolderSource
    ) -> [FileQuestion: EpollItems]? {
        guard !questions.isEmpty else { return [:] }
        let wanted = Array(Set(questions))
        guard let answer = source.files(wanted) else { return nil }
        var items: [FileQuestion: EpollItems] = [:]
        for set in answer.sets where wanted.indices.contains(set.question) { items[wanted[set.question]] = set }
        return items
    }

    /// What the descriptors of members are.
    ///
    /// - Returns: whether there was an answer.
    private static func ask(
        _ found: [Unfolding], _ objects: inout [FileQuestion: KernelObject], _ source: inout some HolderSource
    ) -> Bool {
        var seen = Set(objects.keys)
        let wanted = found.flatMap { unfolding in
            unfolding.members.map { FileQuestion.descriptor(pid: unfolding.wait.pid, $0.descriptor) }
                .filter { seen.insert($0).inserted }
        }
        guard !wanted.isEmpty else { return true }
        guard let answer = source.files(wanted) else { return false }
        for member in answer.members where wanted.indices.contains(member.question) {
            objects[wanted[member.question]] = member.object
        }
        return true
    }

    /// Puts the members of an epoll that is a member itself in its place.
    ///
    /// - Returns: whether there was an answer.
    private static func unfoldNested(
        _ found: inout [Unfolding], _ objects: [FileQuestion: KernelObject], _ source: inout some HolderSource
    ) -> Bool {
        func question(_ wait: Wait, _ member: SetMembers.Member) -> FileQuestion? {
            guard objects[.descriptor(pid: wait.pid, member.descriptor)]?.isEpoll == true else { return nil }
            return .items(pid: wait.pid, epoll: member.descriptor)
        }
        let asked = found.flatMap { unfolding in unfolding.members.compactMap { question(unfolding.wait, $0) } }
        guard !asked.isEmpty else { return true }
        guard let items = items(asked, &source) else { return false }
        for index in found.indices {
            let wait = found[index].wait
            var seen: Set<Int> = []
            var isCut = found[index].isCut
            let all = found[index].members.flatMap { member -> [SetMembers.Member] in
                guard let question = question(wait, member), let set = items[question] else { return [member] }
                isCut = isCut || set.isCut
                return SetMembers.epollMembers(set)
            }.filter { seen.insert($0.descriptor).inserted }
            found[index].isCut = isCut || all.count > SetMembers.mostMembers
            found[index].members = Array(all.prefix(SetMembers.mostMembers))
        }
        return true
    }
}
