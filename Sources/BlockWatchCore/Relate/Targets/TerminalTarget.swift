/// A terminal: of a pseudo terminal, whoever has the other side.
struct TerminalTarget: Target {
    let question: FileQuestion?

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard let ordinary = OrdinaryCall(record, call), let object = record.object, object.family == .file,
            ordinary.resource.kind == .tty
        else { return nil }
        question = object.terminalLink.map { .terminal($0) }
    }

    var questions: [FileQuestion] { question.map { [$0] } ?? [] }
    var hasOtherEnd: Bool { true }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        guard let question else { return relation }
        relation.add(look.holders(look.open(question).filter { $0.pid != wait.pid }, .peer))
        if !relation.groups.isEmpty { relation.coverage = .whole }
        return relation
    }
}
