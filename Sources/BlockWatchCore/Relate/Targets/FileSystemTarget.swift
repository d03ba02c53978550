/// A file of a FUSE mount: the process that serves it.
struct FuseTarget: Target {
    let question: FileQuestion

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard OrdinaryCall(record, call) != nil, let object = record.object, object.family == .file,
            object.fileSystem.hasPrefix("fuse")
        else { return nil }
        question = .fuseServer(device: object.rawDevice)
    }

    var questions: [FileQuestion] { [question] }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        relation.add(look.holders(look.open(question), .server))
        relation.wholeIfFound(else: .processGone)
        return relation
    }
}

/// A file of a network file system, or a raw IP socket with a peer: another host.
struct ServerTarget: Target {
    let address: String

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard let ordinary = OrdinaryCall(record, call), let object = record.object else { return nil }
        switch object.family {
        case .file:
            guard let server = ordinary.resource.file?.server else { return nil }
            address = server
        case .socket:
            guard [2, 10].contains(object.socketFamily), object.tcpState != 10, object.internet.peerPort != 0 else {
                return nil
            }
            address = InternetAddress(object.internet.peer).text
        case .pipe, .anonymous: return nil
        }
    }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        relation.end = .remote(address: address)
        return relation
    }
    var hasWayOut: Bool { true }
}

/// A block device opened as such.
struct DiskTarget: Target {
    let name: String

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard OrdinaryCall(record, call) != nil, let object = record.object, object.family == .file,
            object.isBlockDevice
        else { return nil }
        name = String(decoding: object.name, as: UTF8.self)
    }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        relation.end = .device(name)
        return relation
    }
    var hasWayOut: Bool { true }
}
