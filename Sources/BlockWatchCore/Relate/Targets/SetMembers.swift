/// The descriptors that poll, select and epoll wait for, from the process's memory and from the kernel's tree.
enum SetMembers {
    struct Member: Equatable {
        var descriptor: Int
        var reads, writes: Bool

        init(descriptor: Int, reads: Bool, writes: Bool) {
            self.descriptor = descriptor
            self.reads = reads
            self.writes = writes
        }

        /// `nil` where only the end of the connection is waited for: that is no wait for anybody.
        init?(_ descriptor: Int, events: UInt64) {
            // POLLIN, POLLPRI, POLLRDNORM, POLLRDHUP; POLLOUT, POLLWRNORM
            let reads = events & 0x2043 != 0
            let writes = events & 0x104 != 0
            guard reads || writes else { return nil }
            self.init(descriptor: descriptor, reads: reads, writes: writes)
        }
    }

    /// At most so many members of a set are looked at.
    static let mostMembers = 256
    private static let mostDescriptors = 65_536

    /// What is to be read to know the members; empty for sets that cannot be expanded.
    static func questions(_ record: CallRecord, _ call: SystemCall) -> [RiskyQuestion] {
        guard call.arguments.count >= 4 else { return [] }
        let pid = Int32(clamping: record.procPID)
        let arguments = call.arguments
        switch kind(call) {
        case .poll:
            let count = Int(min(arguments[1], UInt64(mostDescriptors)))
            return count == 0 ? [] : [.memory(pid: pid, address: arguments[0], length: count * 8)]
        case .select:
            let bytes = bitmapBytes(call)
            return [arguments[1], arguments[2]].filter { $0 != 0 && bytes > 0 }
                .map { .memory(pid: pid, address: $0, length: bytes) }
        case .epoll, .ring, .other: return []
        }
    }

    /// What tells the members of an epoll or the pending requests of an io_uring; `nil` for other calls.
    static func items(_ record: CallRecord, _ call: SystemCall) -> FileQuestion? {
        guard [.epoll, .ring].contains(kind(call)), let descriptor = call.arguments.first else { return nil }
        return .items(pid: record.pid, epoll: Int(Int32(truncatingIfNeeded: descriptor)))
    }

    /// - Returns: the members in order, and whether there are more than were looked at; absent for calls whose members
    ///   are not in memory.
    static func members(
        _ record: CallRecord, _ call: SystemCall, _ answers: [RiskyQuestion: RiskyAnswer]
    ) -> Evidence<(members: [Member], isCut: Bool)> {
        var texts: [[UInt8]] = []
        for question in questions(record, call) {
            switch answers[question] ?? .timedOut {
            case .bytes(let bytes): texts.append(bytes)
            case let other: return .unknown(other.gap ?? .timedOut)
            }
        }
        let all: [Member]
        switch kind(call) {
        case .poll: all = texts.first.map(pollMembers) ?? []
        case .select:
            // the questions are those of the two sets that are there
            let readers = call.arguments[1] != 0 ? texts.first : nil
            let writers = call.arguments[2] != 0 ? texts.last : nil
            all = selectMembers(readers: readers, writers: writers, below: Int(clamping: call.arguments[0]))
        case .epoll, .ring, .other: return .absent
        }
        return .known((Array(all.prefix(mostMembers)), all.count > mostMembers))
    }

    /// A call that waits for a set that can be unfolded.
    static func isSet(_ call: SystemCall) -> Bool { kind(call) != .other && call.arguments.count >= 4 }

    private enum Kind { case poll, select, epoll, ring, other }

    /// IORING_ENTER_GETEVENTS: it waits for completions.
    private static let getEvents: UInt64 = 1

    /// Its set is an array of `struct pollfd`.
    static func isPoll(_ name: String) -> Bool { ["poll", "ppoll", "ppoll_time64"].contains(name) }

    private static func kind(_ call: SystemCall) -> Kind {
        switch call.name {
        case _ where isPoll(call.name): .poll
        case "select", "pselect6", "_newselect", "pselect6_time64": .select
        case "epoll_wait", "epoll_pwait", "epoll_pwait2": .epoll
        case "io_uring_enter" where call.arguments.count > 3 && call.arguments[3] & getEvents != 0: .ring
        default: .other
        }
    }

    /// `struct pollfd` in a row; negative descriptors are ignored, as the kernel does.
    static func pollMembers(_ memory: [UInt8]) -> [Member] {
        stride(from: 0, to: memory.count - memory.count % 8, by: 8).compactMap { at in
            guard let descriptor = UserMemory.integer(memory, at: at, size: 4), descriptor >= 0,
                let events = UserMemory.integer(memory, at: at + 4, size: 2)
            else { return nil }
            return Member(Int(descriptor), events: UInt64(truncatingIfNeeded: events))
        }
    }

    private static func bitmapBytes(_ call: SystemCall) -> Int {
        let count = min(Int(clamping: call.arguments[0]), mostDescriptors)
        return (count + 63) / 64 * 8
    }

    static func selectMembers(readers: [UInt8]?, writers: [UInt8]?, below count: Int) -> [Member] {
        func isSet(_ bitmap: [UInt8]?, _ descriptor: Int) -> Bool {
            guard let bitmap, descriptor / 8 < bitmap.count else { return false }
            return bitmap[descriptor / 8] >> UInt8(descriptor % 8) & 1 != 0
        }
        return (0..<max(0, min(count, mostDescriptors))).compactMap { descriptor in
            let reads = isSet(readers, descriptor)
            let writes = isSet(writers, descriptor)
            return reads || writes ? Member(descriptor: descriptor, reads: reads, writes: writes) : nil
        }
    }

    static func epollMembers(_ set: EpollItems) -> [Member] {
        set.items.compactMap { item in
            item.descriptor < 0 ? nil : Member(item.descriptor, events: UInt64(item.events))
        }
    }
}
