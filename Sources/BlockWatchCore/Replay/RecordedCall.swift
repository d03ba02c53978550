extension JSONValue {
    /// What blockwatch has made itself, and what somebody else may have put into the file since.
    fileprivate var printable: String? { bytes.map(TerminalText.escaped) }
}

/// A call's record as the report that it was written from, as far as the stream tells.
extension CallReport {
    init(recorded value: JSONValue) {
        call = BlockedCall(recorded: value)
        startWallNanoseconds = value["event", "start"]?.bytes.flatMap { Timestamp.nanoseconds(rfc3339: $0) } ?? 0
        durationNanoseconds = value["event", "duration"]?.count ?? 0
        result = value["syscall", "result"]?.integer
        finding = value["verdict"] == nil ? nil : Finding(recorded: value)
        victims = RecordedRecord.number(value["victims"]) ?? 0
    }

    /// What filters ask for.
    func subject() -> FilterSubject {
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        let network = call.resource.network
        return FilterSubject(
            syscall: call.call?.name, pid: call.process.pid, tid: call.process.tid,
            names: [text(call.process.name), text(call.process.threadName)], userID: Int(call.process.userID),
            userName: call.process.userName, cgroup: text(call.process.cgroupPath),
            unit: call.process.cgroup.serviceName, container: call.process.cgroup.containerID,
            path: (call.resource.file?.path ?? network?.local.path ?? network?.peer.path).map(text),
            ports: [network?.local.port, network?.peer.port].compactMap { $0.map(Int.init) },
            durationNanoseconds: durationNanoseconds, reason: finding?.reason.rawValue)
    }
}

extension BlockedCall {
    fileprivate init(recorded value: JSONValue) {
        let name = value["syscall", "name"]?.printable
        id = 0
        eventID = value["event", "id"]?.string ?? ""
        startNanoseconds = 0
        startSource = value["event", "start_source"]?.string.flatMap(StartSource.init) ?? .entry
        process = ProcessIdentity(recorded: value)
        call = name.map { name in
            SystemCall(
                name: name, number: RecordedRecord.number(value["syscall", "number"]) ?? 0,
                abi: value["syscall", "abi"]?.string.flatMap(ABI.init) ?? .x86_64,
                arguments: [], timeout: value["syscall", "timeout"]?.count.map { .known($0) } ?? .absent,
                renewals: RecordedRecord.number(value["syscall", "renewals"]))
        }
        resource = Resource(recorded: value)
        stack = (value["stack"]?.elements ?? []).compactMap(\.string)
        unresolved = Self.gaps(value).filter { !Finding.isItsGap($0) }
        if name == "exit_group", resource.kind == .none {
            kind = .exiting
        } else if name != nil {
            kind = .systemCall
        } else {
            kind = resource.kind == .page ? .page : .stopped
        }
        if let signal = value["stop", "signal"]?.printable {
            stop = StopFields(
                signal: signal, senderPID: RecordedRecord.number(value["stop", "sender", "pid"]),
                senderName: value["stop", "sender", "name"]?.bytes)
        }
    }
}

extension BlockedCall {
    /// `unresolved`: what was not found out of the call comes with what was not of its other end.
    fileprivate static func gaps(_ value: JSONValue) -> [String] {
        (value["unresolved"]?.elements ?? []).compactMap(\.printable)
    }
}

extension Finding {
    /// `holders=not_recorded`
    fileprivate static func isItsGap(_ gap: String) -> Bool {
        ["holders", "members", "root", "chain"].contains(gap.prefix { $0 != "=" })
    }
}

extension StopFields {
    fileprivate init(signal: String, senderPID: Int?, senderName: [UInt8]?) {
        self.signal = signal
        self.senderPID = senderPID
        self.senderName = senderName
    }
}

extension ProcessIdentity {
    fileprivate init(recorded value: JSONValue) {
        func number(_ value: JSONValue?) -> Int { RecordedRecord.number(value) ?? 0 }
        let process = value["process"]
        let path = value["cgroup", "path"]?.bytes ?? []
        pid = number(process?["pid"])
        tid = number(process?["thread", "id"])
        parentPID = number(process?["parent", "pid"])
        innerPID = RecordedRecord.number(process?["namespace", "pid"])
        innerTID = RecordedRecord.number(process?["namespace", "thread_id"])
        name = process?["name"]?.bytes ?? []
        threadName = process?["thread", "name"]?.bytes ?? []
        executable = process?["executable"]?.bytes
        commandLine = process?["command_line"]?.string
        startWallNanoseconds = process?["start"]?.bytes.flatMap { Timestamp.nanoseconds(rfc3339: $0) } ?? 0
        entityID = process?["entity_id"]?.string ?? ""
        state = process?["state"]?.string ?? ""
        userID = process?["user", "id"]?.string.flatMap { UInt32($0) } ?? 0
        userName = process?["user", "name"]?.string
        cgroupPath = path
        cgroup = CgroupIdentity(path: String(decoding: path, as: UTF8.self))
        // a path that was cut no longer tells them
        cgroup.containerID = value["container", "id"]?.string
        cgroup.serviceName = value["service", "name"]?.string
        cgroup.containerName = value["container", "name"]?.string
        cgroup.podName = value["k8s", "pod", "name"]?.string
        cgroup.podNamespace = value["k8s", "namespace", "name"]?.string
    }
}

extension Resource {
    fileprivate init(recorded value: JSONValue) {
        self.init(
            value["resource", "kind"]?.string.flatMap(ResourceKind.init) ?? .none,
            name: value["resource", "name"]?.bytes ?? [], descriptor: RecordedRecord.number(value["resource", "fd"]))
        if let fields = value["file"] {
            file = FileFields()
            file?.path = fields["path"]?.bytes
            file?.isDeleted = fields["deleted"]?.bool ?? false
        }
        if let fields = value["network"], let transport = fields["transport"]?.string {
            func endpoint(_ value: JSONValue?) -> NetworkFields.Endpoint {
                NetworkFields.Endpoint(
                    address: value?["address"]?.string,
                    port: value?["port"]?.integer.flatMap { UInt16(exactly: $0) }, path: value?["path"]?.bytes)
            }
            network = NetworkFields(transport: transport)
            network?.communityID = fields["community_id"]?.string
            network?.state = fields["state"]?.printable
            network?.local = endpoint(fields["local"])
            network?.peer = endpoint(fields["peer"])
            network?.retransmits = fields["retransmits"]?.integer.flatMap { UInt8(exactly: $0) }
            network?.unacknowledged = fields["unacknowledged"]?.integer.flatMap { UInt32(exactly: $0) }
        }
    }
}

extension Finding {
    fileprivate init(recorded value: JSONValue) {
        verdict = value["verdict"]?.string.flatMap(Verdict.init) ?? .waiting
        // a reason of a later version is still a verdict
        reason = value["reason"]?.string.flatMap(Reason.init) ?? .unknown
        holders = (value["holders"]?.elements ?? []).compactMap(Holder.init(recorded:))
        if holders.isEmpty, let first = value["holder"].flatMap(Holder.init(recorded:)) { holders = [first] }
        holderCount = RecordedRecord.number(value["holder", "count"]) ?? holders.count
        chain = value["chain"]?.printable ?? ""
        if value["root", "kind"]?.string == "unknown" {
            root = .unknown(.notRecorded)
        } else {
            root = Root(recorded: value["root"]).map { .known($0) } ?? .absent
        }
        unresolved = BlockedCall.gaps(value).filter(Self.isItsGap)
        chainID = RecordedRecord.identity(value["chain_id"]).flatMap { _ in value["chain_id"]?.string }
        for member in value["members"]?.elements ?? [] {
            let resource = Resource(
                member["kind"]?.string.flatMap(ResourceKind.init) ?? .none, name: member["name"]?.bytes ?? [],
                descriptor: RecordedRecord.number(member["fd"]))
            members.append(
                SetMember(resource: resource, reason: member["reason"]?.string.flatMap(Reason.init) ?? .unknown))
        }
        memberCount = members.count
        isInDeadlock = verdict == .deadlock
        evidence = (value["evidence"]?.elements ?? []).compactMap(\.printable)
    }
}

extension Holder {
    fileprivate init?(recorded value: JSONValue) {
        guard let pid = RecordedRecord.number(value["pid"]) else { return nil }
        self.init(
            pid: pid, tid: RecordedRecord.number(value["tid"]), name: value["name"]?.bytes ?? [],
            descriptor: RecordedRecord.number(value["fd"]), access: value["access"]?.string,
            role: value["relation"]?.string.flatMap(Role.init) ?? .owner, doing: value["doing"]?.printable,
            duration: value["duration"]?.count, verdict: value["verdict"]?.string.flatMap(Verdict.init))
    }
}

extension Root {
    init?(recorded value: JSONValue?) {
        guard let value, let kind = value["kind"]?.string.flatMap(Kind.init) else { return nil }
        self.init(
            kind: kind, pid: RecordedRecord.number(value["pid"]), name: value["name"]?.bytes,
            doing: value["doing"]?.printable, address: value["address"]?.printable,
            communityID: value["community_id"]?.string)
    }
}

extension DeadlockReport {
    init(recorded record: RecordedRecord) {
        let value = record.value
        let members = (value["members"]?.elements ?? []).prefix(64).compactMap { member -> DeadlockMember? in
            guard let pid = RecordedRecord.number(member["pid"]), let tid = RecordedRecord.number(member["tid"]) else {
                return nil
            }
            return DeadlockMember(
                pid: pid, tid: tid, name: member["name"]?.bytes ?? [], call: member["syscall"]?.printable ?? "",
                wants: member["wants"]?.printable ?? "",
                holds: (member["holds"]?.elements ?? []).compactMap(\.printable),
                duration: member["duration"]?.count ?? 0)
        }
        self.init(
            id: value["event", "id"]?.string ?? "", threads: members.count, members: members,
            part: RecordedRecord.number(value["event", "part"]) ?? 1,
            parts: RecordedRecord.number(value["event", "parts"]) ?? 1, chain: value["chain"]?.printable ?? "",
            chainID: value["chain_id"]?.string, victims: RecordedRecord.number(value["victims"]) ?? 0)
    }
}
