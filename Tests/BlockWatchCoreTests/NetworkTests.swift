import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// What is lost on the way, what was never answered, and what was left behind.
@Suite struct `Between two ends`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private func finding(_ seed: CallRecord, _ source: ListedHolders, _ memory: ListedAnswers = .init()) throws
        -> Finding
    {
        var findings = findings([seed], source, memory: memory)
        let found = findings.finding(of: seed.tid)
        return try #require(found)
    }

    private static func socket(_ object: inout bw_object, protocolNumber: UInt16 = 6, peerPort: UInt16 = 6379) {
        object.kind = BW_OBJECT_SOCKET.rawValue
        object.mode = 0o140777
        object.inode = UInt64(peerPort)
        object.family = 2
        object.socket_type = protocolNumber == 6 ? 1 : 2
        object.protocol = protocolNumber
        object.tcp_state = 1
        object.u.inet.local = (10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        object.u.inet.peer = (10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        object.u.inet.local_port = 40_000
        object.u.inet.peer_port = peerPort
        object.u.inet.last_sent = .max
        object.u.inet.last_received = .max
    }

    private static let otherEnd = FileQuestion.connection(
        protocolNumber: 6, local: [10, 0, 0, 5], localPort: 6379, peer: [10, 0, 0, 1], peerPort: 40_000)

    // MARK: - loss

    private func peer(unacknowledged: UInt32, retransmits: UInt8, unread: UInt32 = 0) -> OpenFile {
        var raw = bw_file()
        raw.tgid = 8
        raw.pid = 8
        raw.fd = 4
        raw.mode = 3
        raw.state = 1
        raw.is_connected = 1
        raw.unacked = unacknowledged
        raw.retransmits = retransmits
        raw.accept_queue = unread
        return OpenFile(raw: raw)
    }

    /// A client that waits for an answer of a server on this host.
    private func client(
        of server: OpenFile, _ change: @escaping (inout bw_inet) -> Void = { _ in }, polls: Bool = false
    ) throws -> Finding {
        var source = ListedHolders()
        source.open = [Self.otherEnd: [server]]
        source.views = [
            .process(8): [
                try thread(8) {
                    $0.number = 34
                    $0.class_ = 7
                    $0.fd = -1
                }
            ]
        ]
        guard polls else {
            let read = try thread(7) {
                Self.socket(&$0.object)
                $0.object.u.inet.last_sent = 5_000_000_000
                change(&$0.object.u.inet)
            }
            return try finding(read, source)
        }
        var object = bw_object()
        Self.socket(&object)
        object.u.inet.last_sent = 5_000_000_000
        change(&object.u.inet)
        source.objects[.descriptor(pid: 7, 10)] = object
        var memory = ListedAnswers()
        memory.answers[.memory(pid: 7, address: 0x1000, length: 8)] = .bytes([10, 0, 0, 0, 1, 0, 0, 0])
        return try finding(try poll(1), source, memory)
    }

    private func poll(_ count: UInt64, _ change: @escaping (inout bw_call) -> Void = { _ in }) throws -> CallRecord {
        try thread(7) {
            $0.number = 7
            $0.class_ = 2
            $0.args = (0x1000, count, UInt64(bitPattern: -1), 0, 0, 0)
            $0.fd = -1
            change(&$0)
        }
    }

    @Test func `an answer that is lost is the network's, whether it is read or polled for`() throws {
        for polls in [false, true] {
            let found = try client(of: peer(unacknowledged: 21, retransmits: 5), polls: polls)
            #expect(found.reason == .sendStalled)
            #expect(found.rule == .send)
            #expect(
                found.root.value
                    == Root(
                        kind: .network, doing: "5 retransmits from there, not acknowledged", address: "10.0.0.5:6379"))
            #expect(found.holders.map(\.pid) == [8], "it is told, and not accused")
            #expect(found.chain.hasSuffix("<- the network to 10.0.0.5:6379"))
            #expect(found.evidence.contains("the other end: 5 retransmits, 21 not acknowledged"))
        }
    }

    @Test func `so is a request; one that the other end has and does not read is not`() throws {
        let losing: (inout bw_inet) -> Void = {
            $0.unacked = 100
            $0.retransmits = 3
        }
        let lost = try client(of: peer(unacknowledged: 0, retransmits: 0), losing)
        #expect(lost.root.value?.kind == .network)
        #expect(lost.root.value?.doing == "3 retransmits, not acknowledged")
        let unread = try client(of: peer(unacknowledged: 0, retransmits: 0, unread: 60_000), losing)
        #expect(unread.reason == .sendStalled)
        #expect(unread.root.value?.pid == 8)
    }

    @Test func `what is on its way for the first or second time, or has come, is not lost`() throws {
        for server in [peer(unacknowledged: 21, retransmits: 1), peer(unacknowledged: 0, retransmits: 5)] {
            #expect(try client(of: server).reason == .replyPending)
        }
        let come = try client(of: peer(unacknowledged: 21, retransmits: 5), { $0.receive_queue = 21 })
        #expect(come.reason == .replyPending)
    }

    // MARK: - never answered

    /// An epoll of an eventfd, a pipe of its own and a UDP socket, older than blockwatch.
    private func resolver(unheard: Bool, older: Bool = true) throws -> Reason {
        let seed = try thread(7) {
            $0.number = 232
            $0.class_ = 2
            $0.args = (3, 0x1000, 1, UInt64(bitPattern: -1), 0, 0)
            $0.fd = -1
            if older { $0.flags |= UInt32(BW_CALL_OLD) }
        }
        var source = ListedHolders()
        source.sets[.items(pid: 7, epoll: 3)] = EpollItems(
            question: 0, items: (10...12).map { .init(descriptor: $0, events: 1) }, isCut: false)
        var eventfd = bw_object()
        eventfd.kind = BW_OBJECT_ANON.rawValue
        Bytes.set(&eventfd.name, "[eventfd]")
        var pipe = bw_object()
        pipe.kind = BW_OBJECT_PIPE.rawValue
        pipe.mode = 0o010600
        pipe.inode = 50
        pipe.u.pipe.writers = 1
        var socket = bw_object()
        Self.socket(&socket, protocolNumber: 17, peerPort: 53)
        socket.u.inet.unheard = unheard ? 1 : 0
        source.objects = [
            .descriptor(pid: 7, 10): eventfd, .descriptor(pid: 7, 11): pipe, .descriptor(pid: 7, 12): socket,
        ]
        source.open[.inode(device: 0, inode: 50)] = [open(7, read: true, write: true)]
        return try finding(seed, source).reason
    }

    @Test func `a datagram socket that has never heard anything waits for its answer, whatever else wakes the program`()
        throws
    {
        #expect(try resolver(unheard: true) == .replyPending)
        #expect(try resolver(unheard: false) == .eventLoop)
        #expect(try resolver(unheard: true, older: false) == .eventLoop, "it would have been seen to ask")
    }

    // MARK: - left behind

    /// A reader of a pipe, child of 5, which is a child of 4; the writer is 8.
    private func reader(
        descriptor: Int32 = 5, writer: UInt32, zombie: Bool = false, living: Bool = false, parentReads: Bool = false,
        parentWaits: Bool = true, writerSleeps: Bool = false, writerIsFirst: Bool = false
    ) throws -> Finding {
        let reader = try thread(7) {
            self.pipe(&$0, 1, writers: 1)
            $0.fd = descriptor
            $0.args.0 = UInt64(descriptor)
            $0.parent_tgid = 5
        }
        let daemon = try thread(8) {
            $0.number = writerSleeps ? 35 : 34
            $0.class_ = writerSleeps ? 6 : 7
            $0.fd = -1
            $0.parent_tgid = writer
            $0.process_start_ns += writerIsFirst ? 0 : 1_000_000_000
        }
        let parent = try thread(5) {
            $0.parent_tgid = 4
            $0.fd = -1
            $0.number = parentWaits ? 61 : 34
            $0.class_ = parentWaits ? 4 : 7
            $0.args.0 = UInt64(bitPattern: -1)
        }
        let child = try thread(9) {
            $0.parent_tgid = 7
            $0.state = 0x20
            Bytes.set(&$0.leader_comm, "sh")
        }
        let other = try thread(10) {
            $0.parent_tgid = 7
            $0.number = 34
            $0.class_ = 7
        }
        var source = ListedHolders()
        source.open = [
            .inode(device: 14, inode: 1): [open(8, write: true), open(7, read: true)]
                + (parentReads ? [open(5, read: true)] : [])
        ]
        source.views = [
            .process(8): [daemon], .thread(5): [parent],
            .children(of: 7): (zombie ? [child] : []) + (living ? [other] : []),
        ]
        return try finding(reader, source)
    }

    @Test func `the child that was to write has ended, and a daemon that it left has its output`() throws {
        let idle = try reader(writer: 1, zombie: true, parentWaits: false)
        #expect(idle.reason == .peerWaiting)
        #expect(idle.root.value?.pid == 8)
        #expect(idle.evidence.contains("its child sh[9] has ended"))
        #expect(try reader(writer: 1, zombie: true, writerSleeps: true).reason == .peerSleeping)
        #expect(try reader(writer: 5, zombie: true).reason == .peerWaiting, "its parent is who reaps")
    }

    @Test func `the command of a pipeline has ended, and the shell waits for what reads its output`() throws {
        #expect(try reader(descriptor: 0, writer: 1).reason == .peerWaiting)
        #expect(try reader(descriptor: 0, writer: 4).reason == .peerWaiting, "it went to a reaper between")
    }

    @Test func `a log that is read is at rest`() throws {
        #expect(try reader(descriptor: 0, writer: 5).reason == .peerIdle, "daemon | cat")
        #expect(try reader(descriptor: 0, writer: 6).reason == .peerIdle, "each with a supervisor of its own")
        #expect(
            try reader(descriptor: 0, writer: 1, parentWaits: false).reason == .peerIdle, "nobody waits for the log")
        #expect(try reader(descriptor: 0, writer: 4, parentReads: true).reason == .peerIdle, "a | (b; cat)")
        #expect(
            try reader(descriptor: 0, writer: 5, zombie: true).reason == .peerIdle, "what it was given is no child's")
        #expect(
            try reader(writer: 5, zombie: true, writerIsFirst: true).reason == .peerIdle,
            "no child of its left that one")
        #expect(try reader(writer: 10, zombie: true, living: true).reason == .peerIdle, "another child's child writes")
        #expect(try reader(writer: 7, parentWaits: false).reason == .peerIdle, "its own child writes")
    }
}
