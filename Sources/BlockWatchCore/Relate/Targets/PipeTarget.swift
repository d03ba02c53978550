/// An anonymous pipe or a FIFO: whoever has the other end open.
struct PipeTarget: Target {
    enum End: Equatable { case read, write }

    let question: FileQuestion
    /// The end that somebody else must use.
    let needs: End
    /// Still in its open: whoever opens the FIFO by its name ends that.
    let hasWayOut: Bool
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
        count = writes ? object.pipe.readers : object.pipe.writers
    }

    var questions: [FileQuestion] { [question] }
    var hasOtherEnd: Bool { true }
    /// Of one that has both ends and shares them (a jobserver's tokens): its children give back what they took.
    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion] {
        isShared(wait, look) ? [.children(of: wait.pid)] : []
    }
    private func isShared(_ wait: Wait, _ look: Investigation) -> Bool {
        let open = look.open(question)
        return needs == .write && open.contains { $0.pid == wait.pid && $0.canWrite }
            && open.contains { $0.pid != wait.pid && $0.canWrite && $0.canRead }
    }
    func canEnd(_ file: OpenFile) -> Bool { needs == .write ? file.canWrite : file.canRead }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = look.others(
            look.open(question).filter(canEnd), of: wait, needs == .write ? .writer : .reader,
            kernelCount: Int(count), what: needs == .write ? "write end" : "read end")
        if needs == .write, look.isOwnPipe(look.open(question).filter(canEnd), of: wait) {
            relation = Relation()
            relation.situation = .onlyItself
            relation.end = .nobody("only \(wait.processText) itself and its children have the write end open")
            return relation
        }
        if isShared(wait, look) {
            let known = Set(relation.holders.map(\.pid))
            let children = Set(look.children(of: wait.pid).filter { !$0.record.isZombie }.map(\.pid))
            relation.widen(by: children.subtracting(known).sorted().compactMap { look.holder($0, .child) })
        }
        return relation
    }
}
