/// What a call waits for when it waits for no descriptor: named from its class and arguments.
enum CallKind {
    /// - Parameter path: of a call on a file named by path, if it could be read.
    static func resource(_ call: SystemCall, info: SyscallInfo?, path: [UInt8]?, isFIFO: Bool) -> Resource {
        switch info?.class {
        case .set: set(call)
        case .process: Resource(.child, name: Array(child(call).utf8))
        case .memory: memory(call)
        case .time: Resource(.timer, name: Array("timer".utf8))
        case .signal: Resource(.none, name: Array("a signal".utf8))
        case .ipc: Resource(.ipc, name: Array(ipc(call).utf8))
        case .path: named(path, isFIFO: isFIFO)
        default: Resource(.none)
        }
    }

    private static func set(_ call: SystemCall) -> Resource {
        if call.name.hasPrefix("epoll") { return Resource(.epoll) }
        if call.name == "io_uring_enter" { return Resource(.ioUring) }
        if call.name.hasPrefix("io_") {
            return Resource(.poll, name: Array("aio context \(hex(call.arguments[0]))".utf8))
        }
        let name =
            call.name.contains("poll")
            ? "\(call.arguments[1]) descriptor\(call.arguments[1] == 1 ? "" : "s")"
            : "descriptors below \(call.arguments[0])"
        return Resource(.poll, name: Array(name.utf8))
    }

    private static func child(_ call: SystemCall) -> String {
        switch call.name {
        case "vfork", "clone", "clone3": return "child until it runs a program or ends"
        case "ptrace": return "traced process \(call.arguments[1])"
        case "waitid":
            let id = call.arguments[1]
            switch call.arguments[0] {
            case 1: return "child \(id)"
            case 2: return "any child of process group \(id)"
            case 3: return "child of pidfd \(id)"
            default: return "any child"
            }
        default:
            // wait4 and waitpid: the sign says what the number is
            let id = Int32(truncatingIfNeeded: call.arguments[0])
            if id > 0 { return "child \(id)" }
            return id < -1 ? "any child of process group \(-Int64(id))" : "any child"
        }
    }

    private static func memory(_ call: SystemCall) -> Resource {
        if call.name.hasPrefix("futex") {
            return Resource(.futex, name: Array("futex \(hex(call.arguments[0]))".utf8))
        }
        return Resource(.none, name: Array("memory \(hex(call.arguments[0]))".utf8))
    }

    private static func ipc(_ call: SystemCall) -> String {
        switch call.name {
        case "msgrcv", "msgsnd": "message queue \(call.arguments[0])"
        case "semop", "semtimedop", "semtimedop_time64": "semaphore set \(call.arguments[0])"
        default: "ipc \(call.arguments[0])"
        }
    }

    private static func named(_ path: [UInt8]?, isFIFO: Bool) -> Resource {
        var resource = Resource(isFIFO ? .fifo : .file, name: path ?? [])
        if let path {
            resource.file = FileFields()
            resource.file?.path = path
        }
        return resource
    }

    static func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}
