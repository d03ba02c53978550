/// What is asked of others' memory and files, through ``RiskyReading`` only.
extension Identifier {
    func commandLineQuestion(_ record: CallRecord) -> RiskyQuestion? {
        settings.commandLine == .none || record.kind == .exiting
            ? nil : .commandLine(pid: Int32(clamping: record.procPID), tid: Int32(clamping: record.procTID))
    }

    enum Purpose { case timeout, path, lock, descriptor }

    /// Memory is only read where the call's own arguments point, and only while it is in flight.
    func memoryQuestions(
        _ record: CallRecord, _ call: SystemCall
    ) -> [(purpose: Purpose, question: RiskyQuestion)] {
        guard record.kind == .systemCall, record.occasion != .slow, let info = info(record) else { return [] }
        let pid = Int32(clamping: record.procPID)
        var questions: [(Purpose, RiskyQuestion)] = []
        if let timeout = info.timeout, let place = UserMemory.timeoutStructure(timeout, call) {
            questions.append((.timeout, .memory(pid: pid, address: place.address, length: place.length)))
        }
        if let place = UserMemory.lockCall(call)?.structure {
            questions.append((.lock, .memory(pid: pid, address: place.address, length: place.length)))
        }
        if info.name == "socketcall" {
            questions.append((.descriptor, .memory(pid: pid, address: call.arguments[1], length: 4)))
        }
        if info.class == .path, let argument = pathArgument(info), argument < call.arguments.count {
            questions.append(
                (.path, .memory(pid: pid, address: call.arguments[argument], length: Self.pathLimit)))
        }
        return questions
    }

    /// Whether its time-out was read from the memory of its program.
    func hasTimeoutInMemory(_ record: CallRecord, _ call: SystemCall) -> Bool {
        info(record)?.timeout.map { UserMemory.timeoutStructure($0, call) != nil } ?? false
    }

    /// The kernel keeps the server of a network file system, or the source of a FUSE mount, with the mount.
    func mountQuestion(_ record: CallRecord) -> RiskyQuestion? {
        guard let object = record.object, object.family == .file else { return nil }
        let type = object.fileSystem
        let isRemote = ["nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "afs", "lustre", "glusterfs"].contains(type)
        guard isRemote || type.hasPrefix("fuse") else { return nil }
        return .mounts(pid: Int32(clamping: record.procPID), tid: Int32(clamping: record.procTID))
    }

    func pathArgument(_ info: SyscallInfo) -> Int? {
        info.directoryArgument.map { $0 + 1 } ?? 0
    }
}
