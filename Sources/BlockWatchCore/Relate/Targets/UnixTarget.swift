/// The other end of a unix socket: a socket of some process, a listener that has yet to accept, or nobody.
struct UnixTarget: Target {
    enum Peer: Equatable {
        case open(FileQuestion)
        /// It waits in its listener's queue.
        case unaccepted(FileQuestion)
        /// Not connected yet: the listener whose queue is full.
        case listener(FileQuestion)
        case closed
    }
    let peer: Peer
    /// It was accepted: it has its listener's name, and clients bind none.
    let isServerSide: Bool

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard OrdinaryCall(record, call) != nil, let object = record.object, object.family == .socket,
            object.socketFamily == 1, object.tcpState != 10
        else { return nil }
        isServerSide = object.socketType != 2 && !object.unix.local.isEmpty && object.unix.peer.isEmpty
        let inode = object.unix.peerInode.map { FileQuestion.inode(device: object.rawDevice, inode: $0) }
        switch object.peerState {
        case .open:
            guard let inode else { return nil }
            peer = .open(inode)
        case .listener:
            guard let inode else { return nil }
            peer = .listener(inode)
        case .unaccepted: peer = .unaccepted(.unixListener(name: object.unix.peerName))
        case .closed: peer = .closed
        case .none:
            // a datagram socket takes from whoever comes
            guard object.socketType != 2 else { return nil }
            peer = .closed
        }
    }

    var questions: [FileQuestion] {
        switch peer {
        case .open(let question), .unaccepted(let question), .listener(let question): [question]
        case .closed: []
        }
    }

    var hasOtherEnd: Bool {
        switch peer {
        case .open, .closed: true
        case .unaccepted, .listener: false
        }
    }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        switch peer {
        case .open(let question):
            var relation = look.others(look.open(question), of: wait, .peer, kernelCount: 1, what: "other end")
            if isServerSide, relation.situation == nil { relation.situation = .serverSide }
            return relation
        case .unaccepted(let question):
            let open = look.open(question).filter(\.isListener)
            return look.listener(open, .notAccepted(queue: open.first?.acceptQueue ?? 0))
        case .listener(let question):
            let open = look.open(question)
            return look.listener(open, .backlogFull(queue: open.first?.acceptQueue ?? 0))
        case .closed:
            var relation = Relation()
            relation.end = .nobody("nobody has its other end, which is closed")
            relation.situation = .nobody
            relation.coverage = .whole
            return relation
        }
    }
}
