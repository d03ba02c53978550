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
    func canEnd(_ file: OpenFile) -> Bool { needs == .write ? file.canWrite : file.canRead }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = look.others(
            look.open(question).filter(canEnd), of: wait, needs == .write ? .writer : .reader,
            kernelCount: Int(count), what: needs == .write ? "write end" : "read end")
        // whoever has both ends of a FIFO open waits for those who come
        if hasName, relation.situation == .onlyItself { relation.coverage = .open }
        return relation
    }
}
