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
        guard let object = record.object, object.family == .file || object.family == .mount else { return nil }
        let type = object.fileSystem
        let isRemote = ["nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "afs", "lustre", "glusterfs"].contains(type)
        guard isRemote || type.hasPrefix("fuse") else { return nil }
        return .mounts(pid: Int32(clamping: record.procPID), tid: Int32(clamping: record.procTID))
    }

    /// What those wait for who may wait for a device or for the server of a file system, by their place in `records`.
    func storages(of records: [CallRecord], _ risky: inout some RiskyReading) -> [Int: Storage] {
        var storages: [Int: Storage] = [:]
        for (index, record) in records.enumerated() where record.occasion != .slow {
            storages[index] = record.object.flatMap(Storage.init)
        }
        // one file behind the other, from loop device to loop device
        var open = storages.keys.filter { records[$0].isUninterruptible }
        for _ in 1..<Storage.mostLayers {
            let questions = Set(open.compactMap { storages[$0]?.question })
            guard !questions.isEmpty else { break }
            let answers = risky.answer(Array(questions))
            open = open.filter { index in
                guard let question = storages[index]?.question else { return false }
                return storages[index]?.take(answers[question]) == true
            }
        }
        return storages
    }

    /// Where the kernel's stack does not tell in which file system a call on a path waits, as on arm64, the path does, unless
    /// it leads through a symbolic link: nobody but the file system could say that.
    func findMounts(of calls: inout [BlockedCall], _ records: [CallRecord], _ risky: inout some RiskyReading) {
        var questions: [Int: RiskyQuestion] = [:]
        for (index, record) in records.enumerated() {
            guard record.object == nil, info(record)?.class == .path, calls[index].hints.contains(.fuseRequest),
                calls[index].resource.file?.path != nil
            else { continue }
            questions[index] = .mounts(pid: Int32(clamping: record.procPID), tid: Int32(clamping: record.procTID))
        }
        guard !questions.isEmpty else { return }
        let answers = risky.answer(Array(Set(questions.values)))
        for (index, question) in questions {
            guard case .bytes(let mountinfo)? = answers[question], let path = calls[index].resource.file?.path,
                let mount = MountTable.mount(ofPath: path, mountinfo: mountinfo)
            else { continue }
            calls[index].storage = Storage(mount)
            calls[index].resource.file?.device = mount.device
            calls[index].resource.file?.fileSystem = mount.type
            calls[index].resource.file?.server = mount.source
        }
    }

    func pathArgument(_ info: SyscallInfo) -> Int? {
        info.directoryArgument.map { $0 + 1 } ?? 0
    }
}
