/// What is waited for: the kernel's object, and the path that its process knows it by.
extension Identifier {
    func resource(
        _ record: CallRecord, _ call: SystemCall?, memory: [Purpose: [UInt8]], onStack: StackHints,
        answers: [RiskyQuestion: RiskyAnswer], unresolved: inout [String]
    ) -> Resource {
        switch record.kind {
        case .exiting, .stopped, .running: return Resource(.none)
        case .ioWorker: return Resource(.ioUring, name: Array("io_uring worker \(record.tid)".utf8))
        case .page:
            // asleep outside any call, and not in a fault: the way back to the program, a task's work
            return record.stackDepth == 0 || onStack.contains(.pageFault) ? page(record) : Resource(.none)
        case .systemCall:
            break
        }
        guard let call else { return Resource(.none) }
        guard let descriptor = record.descriptor ?? socketcallDescriptor(call, memory[.descriptor]) else {
            let info = info(record)
            let path = path(record, call, memory[.path])
            if let object = record.object, object.family == .pipe {
                // its open file was found on the kernel stack: inode and counts are known too
                var resource = PipeKind.resource(object, path: path)
                resource.descriptor = nil
                return resource
            }
            var resource = CallKind.resource(call, info: info, path: path, isFIFO: onStack.contains(.fifoOpen))
            if let object = record.object, object.family == .mount, resource.kind == .file {
                var file = resource.file ?? FileFields()
                file.device = object.device
                file.fileSystem = object.fileSystem
                file.server = server(record, answers, &unresolved)
                resource.file = file
            }
            return resource
        }
        if record.descriptorIsClosed || record.descriptorIsOther { unresolved.append("resource.fd=closed") }
        guard let object = record.object else {
            if !record.descriptorIsClosed { unresolved.append("resource=in_flight") }
            return Resource(.none, name: Array("fd \(descriptor)".utf8), descriptor: descriptor)
        }
        var resource: Resource
        switch object.family {
        case .socket: resource = SocketKind.resource(object)
        case .pipe: resource = PipeKind.resource(object, path: target(record, descriptor, object, &unresolved))
        case .anonymous: resource = AnonymousKind.resource(object)
        case .file, .mount:
            resource = FileKind.resource(object, path: target(record, descriptor, object, &unresolved))
        }
        resource.descriptor = descriptor
        if let lock = UserMemory.lockCall(call) {
            resource.lock = UserMemory.lockFields(lock, call, memory: memory[.lock], object: object)
        }
        resource.file?.server = server(record, answers, &unresolved)
        // the file is not what it waits for
        if onStack.contains(.pageFault) {
            resource.kind = .page
            resource.name = page(record).name
        }
        return resource
    }

    /// The server of a network file system, or the source of a FUSE mount.
    private func server(
        _ record: CallRecord, _ answers: [RiskyQuestion: RiskyAnswer], _ unresolved: inout [String]
    ) -> String? {
        guard let question = mountQuestion(record), let object = record.object else { return nil }
        switch answers[question] ?? .timedOut {
        case .bytes(let table): return MountTable.source(ofDevice: object.device, mountinfo: table)
        case let other:
            unresolved.append("file.server=\(other.reason ?? "timed_out")")
            return nil
        }
    }

    /// A member of a set, without its path: there may be thousands.
    func resource(of object: KernelObject, descriptor: Int) -> Resource {
        var resource =
            switch object.family {
            case .socket: SocketKind.resource(object)
            case .pipe: PipeKind.resource(object, path: nil)
            case .anonymous: AnonymousKind.resource(object)
            case .file, .mount: FileKind.resource(object, path: nil)
            }
        resource.descriptor = descriptor
        return resource
    }

    /// The kernel does not keep the address of a fault in progress; the instruction tells the program's place.
    private func page(_ record: CallRecord) -> Resource {
        let place = record.kind == .page ? " touched at \(CallKind.hex(record.instructionPointer))" : ""
        return Resource(.page, name: Array("a page of memory\(place)".utf8))
    }

    /// The first word of the arguments that i386's socketcall points at.
    private func socketcallDescriptor(_ call: SystemCall, _ memory: [UInt8]?) -> Int? {
        guard call.name == "socketcall" else { return nil }
        return memory.flatMap { UserMemory.integer($0, at: 0, size: 4) }.flatMap { $0 >= 0 ? Int($0) : nil }
    }

    /// The path of a descriptor, as its process sees it.
    private func target(
        _ record: CallRecord, _ descriptor: Int, _ object: KernelObject, _ unresolved: inout [String]
    ) -> [UInt8]? {
        let pid = Int32(clamping: record.procPID)
        let tid = Int32(clamping: record.procTID)
        // the number now names another file, or none
        guard object.fileSystem != "pipefs", !record.descriptorIsOther, !record.descriptorIsClosed else { return nil }
        do {
            let path = try procFS.descriptorTarget(pid: pid, tid: tid, fd: Int32(clamping: descriptor))
            guard path.first == UInt8(ascii: "/") else { return nil }
            return withoutRoot(path, pid: pid, tid: tid)
        } catch {
            unresolved.append("file.path=\(error.isGone ? "closed" : Self.reason(error))")
            return nil
        }
    }

    /// A process in a chroot does not see what lies above its root.
    private func withoutRoot(_ path: [UInt8], pid: Int32, tid: Int32) -> [UInt8] {
        guard let root = try? procFS.rootDirectory(pid: pid, tid: tid), root.count > 1,
            path.starts(with: root), path.count > root.count, path[root.count] == UInt8(ascii: "/")
        else { return path }
        return [UInt8](path.dropFirst(root.count))
    }

    /// The path that a call names in its memory, made absolute by links of /proc, without asking the file system.
    private func path(_ record: CallRecord, _ call: SystemCall, _ memory: [UInt8]?) -> [UInt8]? {
        guard let memory, let info = info(record), !memory.isEmpty else { return nil }
        let path = [UInt8](memory.prefix { $0 != 0 })
        guard let first = path.first, first != UInt8(ascii: "/") else { return path.isEmpty ? nil : path }
        let pid = Int32(clamping: record.procPID)
        let tid = Int32(clamping: record.procTID)
        let folder: [UInt8]?
        let directory = info.directoryArgument.map { Int32(truncatingIfNeeded: call.arguments[$0]) } ?? -100
        if directory == -100 {  // AT_FDCWD
            folder = try? procFS.workingDirectory(pid: pid, tid: tid)
        } else {
            folder = try? procFS.descriptorTarget(pid: pid, tid: tid, fd: directory)
        }
        guard let folder, folder.first == UInt8(ascii: "/") else { return path }
        let base = withoutRoot(folder, pid: pid, tid: tid)
        return (base == [UInt8(ascii: "/")] ? [] : base) + [UInt8(ascii: "/")] + path
    }

    /// A span from the call's start, also where the call names a moment.
    func timeout(
        _ timeout: SyscallTimeout, _ record: CallRecord, _ call: SystemCall, _ memory: [UInt8]?, _ clock: ClockReading
    ) -> Evidence<UInt64> {
        let read = UserMemory.timeout(timeout, call, memory: memory.map { .known($0) } ?? .unknown(.inFlight))
        guard let deadline = UserMemory.deadlineClock(call) else { return read }
        let start = record.startNanoseconds
        return read.map { moment in
            switch deadline {
            case .realtime: moment - min(moment, clock.wall(ofMonotonic: start))
            case .monotonic: moment - min(moment, start)
            case .boottime: moment - min(moment, clock.boot(ofMonotonic: start))
            }
        }
    }

    func socketTimeout(_ record: CallRecord, _ call: SystemCall) -> UInt64? {
        guard let object = record.object, object.family == .socket else { return nil }
        let sends = ["write", "writev", "send", "sendto", "sendmsg", "sendmmsg", "sendfile", "connect"]
        let value = sends.contains(call.name) ? object.sendTimeoutNanoseconds : object.receiveTimeoutNanoseconds
        return value == 0 ? nil : value
    }
}
