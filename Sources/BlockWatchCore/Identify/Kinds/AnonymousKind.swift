/// Files without a path that the kernel names itself: `[eventfd]`, `[timerfd]`.
enum AnonymousKind {
    static func resource(_ object: KernelObject) -> Resource {
        // pidfs names its files itself since 6.9
        let name = object.fileSystem == "pidfs" ? "[pidfd]" : String(decoding: object.name, as: UTF8.self)
        return Resource(kind(named: name, fileSystem: object.fileSystem), name: Array("anon_inode:\(name)".utf8))
    }

    static func kind(named name: String, fileSystem: String) -> ResourceKind {
        if fileSystem == "pidfs" { return .pidfd }
        switch name {
        case "[eventfd]": return .eventfd
        case "[eventpoll]": return .epoll
        case "[timerfd]": return .timerfd
        case "[signalfd]": return .signalfd
        case "inotify", "[fanotify]": return .inotify
        case "[pidfd]": return .pidfd
        case "[io_uring]": return .ioUring
        default: return .device  // userfaultfd, perf, KVM, bpf: events or a guest
        }
    }
}
