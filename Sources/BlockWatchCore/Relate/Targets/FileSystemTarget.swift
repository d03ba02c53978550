/// The process that serves a FUSE file system: that a call or a page fault waits in, or that has the file behind a loop device.
struct FuseTarget: Target {
    let question: FileQuestion
    private let mount: String

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard let storage = call.storage, let last = storage.last, last.fuseDevice != 0, !call.isSupervised,
            call.resource.lock == nil
        else { return nil }
        if storage.layers.count > 1 || record.kind != .systemCall {
            guard record.isUninterruptible || call.hints.contains(.fuseRequest) else { return nil }
        } else if record.object?.family == .mount {
            // a path into it says that it was looked up, not what the call has come to
            guard record.isUninterruptible || call.hints.contains(.fuseRequest) || call.stack.isEmpty else {
                return nil
            }
        } else {
            // the page that is missing may be any file's
            guard call.call != nil, call.resource.kind != .page else { return nil }
        }
        question = .fuseServer(device: last.fuseDevice)
        mount = "\(last.fileSystem) of \(call.resource.file?.server ?? last.source)"
    }

    var questions: [FileQuestion] { [question] }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        relation.add(look.holders(look.open(question), .server))
        relation.wholeIfFound(else: .processGone)
        // its server is none of this host's processes: a virtual machine's host
        if relation.groups.isEmpty { relation.end = .device(mount) }
        return relation
    }
}

/// A file of a network file system, or a raw IP socket with a peer: another host.
struct ServerTarget: Target {
    let address: String

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard let ordinary = OrdinaryCall(record, call), let object = record.object else { return nil }
        switch object.family {
        case .file, .mount:
            guard let server = ordinary.resource.file?.server else { return nil }
            if object.family == .mount {
                guard record.isUninterruptible, object.storage.fuseDevice == 0 else { return nil }
            }
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
    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard OrdinaryCall(record, call) != nil, let object = record.object, object.family == .file,
            object.isBlockDevice
        else { return nil }
    }

    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        relation.end = wait.call.storage.map { .device(look.text($0)) }
        return relation
    }
    var hasWayOut: Bool { true }
}

extension Investigation {
    /// `ext4 on sda1 (8:1)`, `loop0 (7:0), a file of ext4 on sda1 (8:1)`
    func text(_ storage: Storage) -> String {
        storage.layers.map { layer in
            var name = layer.source
            if layer.blockDevice != 0 {
                if layer.fileSystem.isEmpty { name = devices.device(layer.blockDevice)?.name ?? name }
                name += (name.isEmpty ? "" : " ") + "(\(DeviceNumber.text(layer.blockDevice)))"
            }
            return layer.fileSystem.isEmpty ? name : "\(layer.fileSystem) on \(name)"
        }
        .joined(separator: ", a file of ")
    }
}
