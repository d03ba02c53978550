/// The other end of a TCP or UDP connection: a process of this host in any network namespace, or another host.
struct ConnectionTarget: Target, Equatable {
    let protocolNumber: Int
    let local, peer: [UInt8]
    let localPort, peerPort: UInt16
    let state: Int
    let netNamespace: UInt32

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard OrdinaryCall(record, call) != nil, let object = record.object, object.family == .socket,
            [2, 10].contains(object.socketFamily), object.tcpState != 10
        else { return nil }
        let inet = object.internet
        // MPTCP's own socket has the addresses of its first flow
        let isTCP = object.socketProtocol == 6 || object.socketProtocol == 262
        guard inet.peerPort != 0, isTCP || object.socketProtocol == 17 else { return nil }
        protocolNumber = isTCP ? 6 : 17
        local = inet.local
        peer = inet.peer
        localPort = inet.localPort
        peerPort = inet.peerPort
        state = object.tcpState
        netNamespace = record.netNamespace
    }

    /// The socket at the other end.
    private var other: FileQuestion {
        .connection(protocolNumber: protocolNumber, local: peer, localPort: peerPort, peer: local, peerPort: localPort)
    }
    /// Whoever listens, or takes datagrams, there.
    private var peerListener: FileQuestion { .port(protocolNumber: protocolNumber, peerPort) }
    private var ownListener: FileQuestion { .port(protocolNumber: protocolNumber, localPort) }

    var questions: [FileQuestion] { [other, peerListener, ownListener] }
    var hasOtherEnd: Bool { true }
    /// Not a listener on a server's own port.
    func canEnd(_ file: OpenFile) -> Bool { !file.isListener || file.acceptQueue > 0 }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        let peer = FileQuestion.mapped(peer)
        let local = FileQuestion.mapped(local)
        // an address of this very namespace; another namespace can have the same ones
        let isOwn = Self.isLoopback(peer) || peer == local
        func fits(_ file: OpenFile, address: [UInt8]) -> Bool {
            file.local == address || file.local.allSatisfy { $0 == 0 } || Self.isMappedUnspecified(file.local)
        }
        let listensHere = look.open(ownListener).contains {
            $0.isListener && $0.netNamespace == netNamespace && fits($0, address: local)
        }
        var open = look.open(other)
        let near = open.filter { $0.netNamespace == netNamespace }
        if !near.isEmpty || isOwn { open = near }
        let there = look.open(peerListener).filter { file in
            file.netNamespace == netNamespace
                ? isOwn && fits(file, address: peer) || file.local == peer : !isOwn && file.local == peer
        }
        if protocolNumber == 17 { open += there.filter { !$0.isConnected } }
        let isAlone = look.isAlone(wait)
        let others = open.filter { $0.pid != wait.pid || !isAlone }
        if !others.isEmpty {
            relation.add(look.holders(others, .peer))
            relation.loss = loss(wait, others.compactMap(\.tcp))
            // what is on its way ends the wait when it comes
            relation.coverage = relation.loss == nil ? .whole : .open
            if listensHere { relation.situation = .serverSide }
            return relation
        }
        if !open.isEmpty {
            relation.situation = .onlyItself
            relation.end = .nobody("nobody but \(wait.processText) itself has the other end open")
            relation.coverage = .whole
            return relation
        }
        let isConnecting = state == 2
        let full = there.filter {
            $0.isListener && (isConnecting ? $0.acceptQueue > $0.acceptLimit : $0.acceptQueue > 0)
        }
        if protocolNumber == 6, let first = full.first {
            return look.listener(
                full, isConnecting ? .backlogFull(queue: first.acceptQueue) : .notAccepted(queue: first.acceptQueue))
        }
        if listensHere { relation.situation = .serverSide }
        if isOwn { relation.coverage = .partial(.nat, isTold: true) }
        relation.loss = loss(wait, [])
        relation.end = .remote(address: InternetAddress(peer).endpoint(peerPort))
        return relation
    }

    /// Whether the way between is at fault: what one end sends again and again does not come, while the program at the other
    /// has read all that came.
    private func loss(_ wait: Wait, _ others: [TCPProgress]) -> Relation.Loss? {
        guard protocolNumber == 6, state != 2, let own = wait.record.object?.internet.progress else { return nil }
        let address = InternetAddress(peer).endpoint(peerPort)
        if own.isLosing, others.allSatisfy({ $0.unread == 0 }) {
            return Relation.Loss(progress: own, isOther: false, address: address)
        }
        guard own.unread == 0, let other = others.first(where: \.isLosing) else { return nil }
        return Relation.Loss(progress: other, isOther: true, address: address)
    }

    private static func isLoopback(_ address: [UInt8]) -> Bool {
        isMapped(address) && address[12] == 127 || address == [UInt8](repeating: 0, count: 15) + [1]
    }
    private static func isMapped(_ address: [UInt8]) -> Bool {
        address.count == 16 && address[0..<10].allSatisfy { $0 == 0 } && address[10] == 0xff && address[11] == 0xff
    }
    private static func isMappedUnspecified(_ address: [UInt8]) -> Bool {
        isMapped(address) && address[12...].allSatisfy { $0 == 0 }
    }
}
