/// Holders, and the threads that they stand for.
extension Investigation {
    /// Whoever else has a file open; the waiter itself can do nothing while it waits, unless it has other threads.
    ///
    /// - Parameter kernelCount: how many open files the kernel itself counts.
    func others(
        _ open: [OpenFile], of wait: Wait, _ role: Holder.Role, kernelCount: Int, what: String
    ) -> Relation {
        var relation = Relation()
        let isAlone = isAlone(wait)
        relation.add(holders(open.filter { $0.pid != wait.pid || !isAlone }, role))
        relation.coverage = .whole
        guard relation.groups.isEmpty else { return relation }
        if !open.isEmpty {
            relation.situation = .onlyItself
            relation.end = .nobody("nobody but \(wait.processText) itself has the \(what) open")
        } else if kernelCount == 0 {
            relation.situation = .nobody
            relation.end = .nobody("nobody has the \(what) open")
        } else {
            // the kernel counts one that is in no process's table: on its way through a socket
            relation.coverage = .partial(.inFlight, isTold: true)
        }
        return relation
    }

    /// Its process has no other thread that lives: a main thread that has ended still counts in the kernel.
    func isAlone(_ wait: Wait) -> Bool {
        wait.record.isSingleThreaded || threads[wait.pid] == [wait.tid]
    }

    /// Whoever listens and does not accept.
    func listener(_ open: [OpenFile], _ situation: Relation.Situation) -> Relation {
        var relation = Relation()
        // a master keeps the socket that its workers accept from, and never does so itself
        let all = holders(open, .listener)
        let masters = all.filter { master in
            !isAccepting(master) && all.contains { isChild($0.pid, of: master.pid) }
        }
        relation.add(all.filter { holder in !masters.contains { $0.pid == holder.pid } })
        relation.tell(
            masters.map {
                var master = $0
                master.isBystander = true
                return master
            })
        relation.situation = situation
        relation.wholeIfFound(else: .inFlight, isTold: true)
        return relation
    }

    private func isChild(_ pid: Int, of parent: Int) -> Bool {
        (waits[pid] ?? threads[pid]?.lazy.compactMap { waits[$0] }.first)?.record.parentPID == parent
    }

    private func isAccepting(_ holder: Holder) -> Bool {
        (threads(of: holder) ?? []).contains { tid in
            waits[tid].map { $0.isListening || $0.set.value?.members.contains(where: \.isListening) == true } ?? true
        }
    }

    /// Of the write end of a pipe in a set: nobody has it but the waiter itself, which wakes itself by it, and children that
    /// have inherited it and never wrote there.
    func isOwnPipe(_ open: [OpenFile], of wait: Wait) -> Bool {
        let others = open.filter { $0.pid != wait.pid }
        let own = open.filter { $0.pid == wait.pid }
        guard wait.isMember, !others.isEmpty, own.contains(where: \.canWrite), own.contains(where: \.canRead) else {
            return false
        }
        return others.allSatisfy { file in
            // both ends were inherited: who was to write there would have closed the other one
            guard isChild(file.pid, of: wait.pid), others.contains(where: { $0.pid == file.pid && $0.canWrite }),
                others.contains(where: { $0.pid == file.pid && $0.canRead })
            else { return false }
            return !(threads[file.pid] ?? [file.pid]).contains {
                waits[$0]?.record.lastIO(on: file.descriptor) != nil
            }
        }
    }

    /// One a process, with its first descriptor.
    func holders(_ open: [OpenFile], _ role: Holder.Role) -> [Holder] {
        var seen: Set<Int> = []
        let descriptors = Dictionary(grouping: open, by: \.pid).mapValues { $0.compactMap(\.descriptor) }
        return open.compactMap { file in
            guard seen.insert(file.pid).inserted, var holder = holder(file.pid, role) else { return nil }
            holder.descriptor = file.descriptor
            holder.descriptors = descriptors[file.pid] ?? []
            holder.access = (file.canRead ? "r" : "") + (file.canWrite ? "w" : "")
            return holder
        }
    }

    /// - Returns: `nil` for a process that is gone.
    func holder(_ pid: Int, _ role: Holder.Role) -> Holder? {
        let known = threads[pid] ?? []
        guard let first = waits[pid] ?? known.lazy.compactMap({ waits[$0] }).first else { return nil }
        var holder = Holder(pid: pid, name: first.record.processName, role: role)
        if known.count == 1, !isTooLarge(pid) {
            holder.tid = known[0]
        } else if known.isEmpty, first.record.isSingleThreaded {
            // the waiter itself, at whose threads nobody looks again
            holder.tid = first.tid
        }
        return holder
    }

    func holder(thread tid: Int, _ role: Holder.Role) -> Holder? {
        guard let wait = waits[tid] else { return nil }
        return Holder(pid: wait.pid, tid: tid, name: wait.record.processName, role: role)
    }

    /// A holder is one thread, or all threads of its process.
    enum Party: Hashable { case thread(Int), process(Int), unknown }

    /// So many threads that only the main one was looked at.
    func isTooLarge(_ pid: Int) -> Bool {
        guard let seen = threads[pid], let first = seen.first, let wait = waits[first] else { return false }
        return wait.record.threadCount > Self.mostThreads && seen.count < wait.record.threadCount
    }

    /// `BW_VIEW_THREADS`
    private static let mostThreads = 1024

    func party(_ holder: Holder) -> Party {
        if holder.role != .owner, isTooLarge(holder.pid) { return .unknown }
        if let tid = holder.tid, threads[holder.pid] == nil || holder.role == .owner || holder.role == .child {
            return waits[tid] == nil ? .unknown : .thread(tid)
        }
        if threads[holder.pid]?.isEmpty == false { return .process(holder.pid) }
        return holder.tid.map { .thread($0) } ?? .unknown
    }

    /// The threads that a holder stands for; `nil` if they are not all known.
    func threads(of holder: Holder) -> [Int]? {
        switch party(holder) {
        case .thread(let tid): [tid]
        case .process(let pid): threads[pid]
        case .unknown: nil
        }
    }

    /// Those threads of a holder that serve the object it has open: who is in a call on it, whose set has it, who moved
    /// bytes on it before. All of them where that is not known, and `nil` if they are not all known.
    func servants(of holder: Holder) -> [Int]? {
        guard let threads = threads(of: holder) else { return nil }
        let descriptors = holder.descriptors.isEmpty ? holder.descriptor.map { [$0] } ?? [] : holder.descriptors
        guard threads.count > 1, !descriptors.isEmpty, holder.role.isOfOpenFile else { return threads }
        let serving = threads.filter { tid in
            waits[tid].map { wait in descriptors.contains { wait.serves($0) } } ?? false
        }
        return serving.isEmpty ? threads : serving
    }
}

extension Holder.Role {
    /// Whoever has the file open can end the wait, by a call on it.
    fileprivate var isOfOpenFile: Bool {
        switch self {
        case .writer, .reader, .peer, .listener, .server: true
        case .lockHolder, .queued, .child, .owner, .tracer: false
        }
    }
}

extension Wait {
    /// Its own call is on it.
    func isDirectly(on descriptor: Int) -> Bool {
        guard record.kind == .systemCall, record.descriptor == descriptor, case .absent = set else { return false }
        return true
    }

    fileprivate func serves(_ descriptor: Int) -> Bool {
        isDirectly(on: descriptor) || record.lastIO(on: descriptor) != nil
            || set.value?.members.contains { $0.record.descriptor == descriptor } == true
    }
}
