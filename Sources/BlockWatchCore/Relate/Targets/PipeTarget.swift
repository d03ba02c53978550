/// An anonymous pipe or a FIFO: whoever has the other end open.
struct PipeTarget: Target {
    enum End: Equatable { case read, write }

    let question: FileQuestion
    /// The end that somebody else must use.
    let needs: End
    /// Still in its open: whoever opens the FIFO by its name ends that.
    let hasWayOut: Bool
    /// A FIFO: anybody may open it by its name.
    let hasName: Bool
    /// How many open files of that end the kernel itself counts.
    let count: UInt32

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard let ordinary = OrdinaryCall(record, call), let object = record.object, object.family == .pipe else {
            return nil
        }
        let writes = object.access == .write || object.access == .both && ordinary.call.sends
        question = .inode(device: object.rawDevice, inode: object.inode)
        hasWayOut = record.descriptor == nil
        needs = writes ? .read : .write
        hasName = ordinary.resource.kind == .fifo
        count = writes ? object.pipe.readers : object.pipe.writers
    }

    var questions: [FileQuestion] { [question] }
    var hasOtherEnd: Bool { true }
    /// It has both ends and shares them, as makes share a jobserver's tokens: its children give back what they took.
    private func isShared(_ wait: Wait, _ look: Investigation) -> Bool {
        let open = look.open(question)
        return needs == .write && open.contains { $0.pid == wait.pid && $0.canWrite }
            && open.contains { $0.pid != wait.pid && $0.canWrite && $0.canRead }
    }
    func canEnd(_ file: OpenFile) -> Bool { needs == .write ? file.canWrite : file.canRead }

    /// Of a reader whose writers are strangers: its children, one of which may have had the other end; and its parent,
    /// which may wait for it.
    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion] {
        if isShared(wait, look) { return [.children(of: wait.pid)] }
        guard needs == .write, !hasWayOut, wait.company.isAmongPipes, let descriptor = wait.record.descriptor else {
            return []
        }
        let writers = Set(look.open(question).filter(canEnd).map(\.pid)).compactMap { look.waits[$0] }
        let parent = wait.record.parentPID
        let areStrangers = writers.allSatisfy {
            $0.pid != wait.pid && $0.pid != parent && $0.record.parentPID != wait.pid
                && (isYounger($0, wait) && descriptor > 2 || $0.record.parentPID != parent)
        }
        return writers.isEmpty || !areStrangers ? [] : [.children(of: wait.pid), .thread(parent)]
    }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        let open = look.open(question)
        var relation = look.others(
            open.filter(canEnd), of: wait, needs == .write ? .writer : .reader,
            kernelCount: Int(count), what: needs == .write ? "write end" : "read end")
        // whoever has both ends of a FIFO open waits for those who come
        if hasName, relation.situation == .onlyItself { relation.coverage = .open }
        if needs == .write, !hasName, look.isOwnPipe(open, of: wait) {
            relation.situation = .onlyItself
        } else if isShared(wait, look) {
            let known = Set(relation.holders.map(\.pid))
            let children = Set(look.children(of: wait.pid).filter { !$0.record.isZombie }.map(\.pid))
            relation.helpers = children.subtracting(known).sorted().compactMap { look.holder($0, .child) }
        } else if needs == .write, !hasWayOut, wait.company.isAmongPipes {
            relation.leftBehind = leftBehind(relation.holders.compactMap { look.waits[$0.pid] }, open, wait, look)
        }
        return relation
    }

    private func isYounger(_ writer: Wait, _ reader: Wait) -> Bool {
        writer.record.processStartNanoseconds > reader.record.processStartNanoseconds
    }

    /// Whether a reader waits for the end of what a command writes that has ended: what has the other end now was left
    /// behind by it, and was never to be read to its end. A log that a program writes for a reader beside it is none:
    /// they have one parent, or one is the other's.
    ///
    /// - Returns: what that is seen by, in words.
    private func leftBehind(
        _ writers: [Wait], _ open: [OpenFile], _ wait: Wait, _ look: Investigation
    ) -> String? {
        guard !writers.isEmpty, let descriptor = wait.record.descriptor else { return nil }
        let parent = wait.record.parentPID
        let children = look.children(of: wait.pid)
        let living = Set(children.filter { !$0.record.isZombie }.map(\.pid)).union([wait.pid])
        guard writers.allSatisfy({ $0.pid != parent && !living.contains($0.record.parentPID) }) else { return nil }
        // a pipe that it made itself, for a child
        if descriptor > 2, writers.allSatisfy({ isYounger($0, wait) }),
            let ended = children.filter(\.record.isZombie).min(by: { $0.tid < $1.tid })
        {
            return "its child \(ended.processText) has ended"
        }
        // a pipe that it was given: the pipeline's command is gone, and its parent does not read there either
        guard parent > 1, !open.contains(where: { $0.pid == parent }),
            let waiting = look.waits[parent], waiting.target is ChildrenTarget
        else { return nil }
        let reapers: Set<Int> = [1, waiting.record.parentPID]
        guard writers.allSatisfy({ reapers.contains($0.record.parentPID) }) else { return nil }
        return "whoever was to write has ended: only \(writers[0].processText) is left, child of "
            + "\(writers[0].record.parentPID)"
    }
}
