/// A call: who, in which call, on what.
extension NDJSON {
    mutating func encode(_ report: CallReport, _ budget: Budget) {
        var truncated: [String] = []
        let call = report.call
        encode(call.process, budget, &truncated)
        if let systemCall = call.call {
            json.beginObject("syscall")
            json.string("name", systemCall.name)
            json.integer("number", systemCall.number)
            json.string("abi", systemCall.abi.rawValue)
            if !systemCall.arguments.isEmpty {
                json.strings("arguments", systemCall.arguments.map(CallKind.hex))
            }
            if let result = report.result {
                json.integer("result", result)
                if let name = ErrnoNames.name(result: result) { json.string("error", name) }
            }
            if let timeout = systemCall.timeout.value { json.nanoseconds("timeout", timeout) }
            if let renewals = systemCall.renewals { json.integer("renewals", renewals) }
            json.endObject()
        }
        if let stop = call.stop {
            json.beginObject("stop")
            json.string("signal", stop.signal)
            if let pid = stop.senderPID {
                json.beginObject("sender")
                json.integer("pid", pid)
                if let name = stop.senderName { json.string("name", name) }
                json.endObject()
            }
            json.endObject()
        }
        encode(call.resource, budget, &truncated)
        if let finding = report.finding { encode(finding, report.victims, budget, &truncated) }
        if !call.heldSockets.isEmpty {
            if budget.heldSockets > 0 {
                json.strings("held_sockets", Array(call.heldSockets.prefix(budget.heldSockets)))
            }
            if call.heldSockets.count > budget.heldSockets { truncated.append("held_sockets") }
        }
        if !call.heldEndpoints.isEmpty { json.strings("held_endpoints", call.heldEndpoints) }
        if let stack = call.userStack {
            if budget.stackFrames > 0 {
                json.beginObject("code")
                json.strings("stack", stack.names(most: budget.stackFrames))
                json.endObject()
            }
            if stack.frames.count > budget.stackFrames || stack.isCut { truncated.append("code.stack") }
        }
        if !call.stack.isEmpty {
            if budget.stackFrames > 0 {
                json.strings("stack", Array(call.stack.prefix(budget.stackFrames)))
            }
            if call.stack.count > budget.stackFrames { truncated.append("stack") }
        }
        let unresolved = call.unresolved + (report.finding?.unresolved ?? [])
        if !unresolved.isEmpty { json.strings("unresolved", unresolved) }
        if !truncated.isEmpty { json.strings("truncated", truncated) }
    }

    private mutating func encode(_ process: ProcessIdentity, _ budget: Budget, _ truncated: inout [String]) {
        json.beginObject("process")
        json.integer("pid", process.pid)
        json.beginObject("thread")
        json.integer("id", process.tid)
        json.string("name", process.threadName)
        json.endObject()
        json.string("name", process.name)
        if let executable = process.executable {
            limited("executable", executable, budget.path, as: "process.executable", &truncated)
        }
        if let commandLine = process.commandLine {
            limited(
                "command_line", Array(commandLine.utf8), budget.commandLine, as: "process.command_line", &truncated,
                keep: .head)
        }
        json.string("start", timestamp(process.startWallNanoseconds))
        json.string("state", process.state)
        json.string("entity_id", process.entityID)
        json.beginObject("parent")
        json.integer("pid", process.parentPID)
        json.endObject()
        json.beginObject("user")
        json.string("id", String(process.userID))
        if let name = process.userName {
            limited("name", Array(name.utf8), budget.name, as: "process.user.name", &truncated)
        }
        json.endObject()
        if let inner = process.innerPID {
            json.beginObject("namespace")
            json.integer("pid", inner)
            if let tid = process.innerTID { json.integer("thread_id", tid) }
            json.endObject()
        }
        json.endObject()
        if let id = process.cgroup.containerID {
            json.beginObject("container")
            limited("id", Array(id.utf8), budget.name, as: "container.id", &truncated)
            if let runtime = process.cgroup.containerRuntime { json.string("runtime", runtime) }
            if let name = process.cgroup.containerName {
                limited("name", Array(name.utf8), budget.name, as: "container.name", &truncated)
            }
            json.endObject()
        }
        if let uid = process.cgroup.podUID {
            json.beginObject("k8s")
            json.beginObject("pod")
            json.string("uid", uid)
            if let name = process.cgroup.podName {
                limited("name", Array(name.utf8), budget.name, as: "k8s.pod.name", &truncated)
            }
            json.endObject()
            if let namespace = process.cgroup.podNamespace {
                json.beginObject("namespace")
                limited("name", Array(namespace.utf8), budget.name, as: "k8s.namespace.name", &truncated)
                json.endObject()
            }
            json.endObject()
        }
        if let service = process.cgroup.serviceName {
            json.beginObject("service")
            limited("name", Array(service.utf8), budget.name, as: "service.name", &truncated)
            json.endObject()
        }
        json.beginObject("cgroup")
        limited("path", process.cgroupPath, budget.path, as: "cgroup.path", &truncated)
        json.endObject()
    }

    private mutating func encode(_ resource: Resource, _ budget: Budget, _ truncated: inout [String]) {
        json.beginObject("resource")
        json.string("kind", resource.kind.rawValue)
        if let descriptor = resource.descriptor { json.integer("fd", descriptor) }
        if !resource.name.isEmpty { limited("name", resource.name, budget.name, as: "resource.name", &truncated) }
        if let member = resource.member {
            json.beginObject("member")
            json.string("kind", member.kind.rawValue)
            if let descriptor = member.descriptor { json.integer("fd", descriptor) }
            json.integer("count", member.count)
            json.endObject()
        }
        json.endObject()
        if let file = resource.file {
            json.beginObject("file")
            if let path = file.path {
                limited("path", path, budget.path, as: "file.path", &truncated)
                // exact bytes, where U+FFFD stands for some of them
                if String(validating: path, as: UTF8.self) == nil {
                    let exact = ByteText.base64(path)
                    if exact.utf8.count <= budget.path { json.string("path_base64", exact) }
                }
            }
            if let inode = file.inode { json.string("inode", String(inode)) }
            if let device = file.device { json.string("device", device) }
            if let fileSystem = file.fileSystem { json.string("filesystem", fileSystem) }
            if let server = file.server {
                limited("server", Array(server.utf8), budget.name, as: "file.server", &truncated)
            }
            json.bool("deleted", file.isDeleted)
            json.endObject()
        }
        if let pipe = resource.pipe {
            json.beginObject("pipe")
            json.string("inode", String(pipe.inode))
            json.integer("readers", pipe.readers)
            json.integer("writers", pipe.writers)
            json.integer("bytes", pipe.bytes)
            json.integer("capacity", pipe.capacity)
            json.endObject()
        }
        if let network = resource.network { encode(network, budget, &truncated) }
        if let lock = resource.lock {
            json.beginObject("lock")
            json.string("type", lock.type)
            json.string("mode", lock.mode)
            if let start = lock.start { json.nanoseconds("start", start) }
            if let end = lock.end { json.nanoseconds("end", end) }
            json.endObject()
        }
    }

    private mutating func encode(_ network: NetworkFields, _ budget: Budget, _ truncated: inout [String]) {
        json.beginObject("network")
        json.string("transport", network.transport)
        if let type = network.type { json.string("type", type) }
        if let id = network.communityID { json.string("community_id", id) }
        if let state = network.state { json.string("state", state) }
        for (key, endpoint) in [("local", network.local), ("peer", network.peer)] where endpoint != .init() {
            json.beginObject(key)
            if let address = endpoint.address { json.string("address", address) }
            if let port = endpoint.port { json.integer("port", port) }
            if let path = endpoint.path {
                limited("path", path, min(budget.path, 256), as: "network.\(key).path", &truncated)
            }
            if let inode = endpoint.inode { json.string("inode", String(inode)) }
            json.endObject()
        }
        if let inode = network.inode { json.string("inode", String(inode)) }
        if let retransmits = network.retransmits { json.integer("retransmits", retransmits) }
        if let queue = network.receiveQueue { json.integer("receive_queue", queue) }
        if let queue = network.sendQueue { json.integer("send_queue", queue) }
        if let bytes = network.unacknowledged { json.integer("unacknowledged", bytes) }
        if let age = network.lastSent { json.nanoseconds("last_sent", age) }
        if let age = network.lastReceived { json.nanoseconds("last_received", age) }
        json.endObject()
    }
}
