/// An object that several processes may have open, any of which can end the wait: eventfds, rings, message queues.
struct SharedTarget: Target {
    let question: FileQuestion
    let role: Holder.Role

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard let ordinary = OrdinaryCall(record, call), let object = record.object else { return nil }
        switch (object.family, ordinary.resource.kind) {
        case (.anonymous, .eventfd):
            question = .privateData(object.privateData)
            role = .writer
        case (.anonymous, .ioUring):
            question = .privateData(object.privateData)
            role = .owner
        case (.file, _) where object.fileSystem == "mqueue":
            question = .inode(device: object.rawDevice, inode: object.inode)
            role = ordinary.call.name.hasPrefix("mq_timedsend") ? .reader : .writer
        default: return nil
        }
    }

    var questions: [FileQuestion] { [question] }
    var hasOtherEnd: Bool { true }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = look.others(look.open(question), of: wait, role, kernelCount: 0, what: "object")
        // whoever maps a ring, or polls for what the kernel itself signals, is not among them
        if relation.groups.isEmpty { relation.coverage = .open }
        return relation
    }
}
