import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// Healthy software that waits: whose turn it is, whose pipe, whose clock. Beside each the neighbour that hangs.
@Suite struct `What is healthy is not accused`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private static func socket(_ inode: UInt64) -> FileQuestion { .inode(device: 9, inode: inode) }

    private static let sent = BW_IO_SEEN | BW_IO_SENT
    private static let answered = BW_IO_SEEN | BW_IO_SENT | BW_IO_ANSWERED

    private func stopped(_ raw: inout bw_call) { raw.flags |= UInt32(BW_CALL_STOPPED) }
    private func wait4(_ raw: inout bw_call) {
        raw.number = 61
        raw.class_ = 4
        raw.args.0 = .max
        raw.fd = -1
    }

    private func unix(
        _ object: inout bw_object, _ inode: UInt64, peer: UInt64, path: String = "", peerPath: String = "",
        unread: UInt32 = 0
    ) {
        object.kind = BW_OBJECT_SOCKET.rawValue
        object.mode = 0o140777
        object.inode = inode
        object.device = 9
        object.family = 1
        object.socket_type = 1
        object.peer_state = UInt8(BW_PEER_OPEN.rawValue)
        object.u.unix_.peer_inode = peer
        object.u.unix_.receive_queue = unread
        object.u.unix_.local_len = UInt32(path.utf8.count)
        Bytes.set(&object.u.unix_.local, path)
        object.u.unix_.peer_len = UInt32(peerPath.utf8.count)
        Bytes.set(&object.u.unix_.peer, peerPath)
    }
    private func end(
        _ inode: UInt64, peer: UInt64, path: String = "", peerPath: String = "", unread: UInt32 = 0
    ) -> bw_object {
        var object = bw_object()
        unix(&object, inode, peer: peer, path: path, peerPath: peerPath, unread: unread)
        return object
    }

    /// poll of some descriptors.
    private func poll(
        _ pid: UInt32, count: Int = 1, milliseconds: UInt64 = .max,
        _ change: @escaping (inout bw_call) -> Void = { _ in }
    ) throws -> CallRecord {
        try thread(pid) {
            $0.number = 7
            $0.class_ = 2
            $0.args = (0x1000, UInt64(count), milliseconds, 0, 0, 0)
            $0.fd = -1
            change(&$0)
        }
    }
    private func polled(_ pid: Int32, _ descriptors: [UInt8]) -> (RiskyQuestion, RiskyAnswer) {
        let bytes = descriptors.flatMap { [$0, 0, 0, 0, 1, 0, 0, 0] as [UInt8] }
        return (.memory(pid: pid, address: 0x1000, length: bytes.count), .bytes(bytes))
    }
    private func memory(_ polled: (RiskyQuestion, RiskyAnswer)...) -> ListedAnswers {
        ListedAnswers(answers: Dictionary(uniqueKeysWithValues: polled))
    }

    // MARK: - whose turn

    @Test func `a client that polls and a server that reads are at rest once the server has answered`() throws {
        func pair(unread: UInt32 = 0, clientSent: Bool = false) throws -> (Findings, [Int]) {
            let client = try poll(7) {
                $0.last_io.2 = bw_io(number: (clientSent ? 1 : 0) | Self.sent, fd: 10)
            }
            let server = try thread(8) {
                self.unix(&$0.object, 102, peer: 101, path: "/run/server", unread: unread)
                $0.last_io.3 = bw_io(number: (clientSent ? 0 : 1) | Self.sent, fd: 3)
            }
            var source = ListedHolders()
            source.open = [Self.socket(101): [open(7)], Self.socket(102): [open(8)]]
            source.objects[.descriptor(pid: 7, 10)] = end(101, peer: 102, peerPath: "/run/server")
            source.views = [.process(7): [client], .process(8): [server]]
            let findings = findings([client, server], source, memory: memory(polled(7, [10])))
            return (findings, findings.deadlocks.flatMap(\.tids))
        }
        var (rest, dead) = try pair()
        #expect(dead.isEmpty)
        #expect(try told(&rest, 7).reason == .peerIdle)
        #expect(try told(&rest, 8).reason == .awaitingRequest)
        (_, dead) = try pair(clientSent: true)
        #expect(dead == [7, 8], "it has asked, and its server waits for more")
    }

    /// 7 asks 8, an event loop, which has read all and waits for more of it; 9 is a peer of 8.
    private func asking(
        _ flags: UInt32, unread: UInt32 = 0, hasSentToOther: Bool = false, ofOther: @escaping (inout bw_call) -> Void
    ) throws -> Finding {
        let client = try thread(7) {
            self.unix(&$0.object, 101, peer: 102, peerPath: "/run/loop")
            $0.last_io.3 = bw_io(number: 1 | flags, fd: 3)
        }
        let loop = try poll(8, count: 2, milliseconds: 100_000) {
            if hasSentToOther { $0.last_io.3 = bw_io(number: 1 | Self.answered, fd: 11) }
        }
        var source = ListedHolders()
        source.open = [
            Self.socket(102): [open(8)], Self.socket(101): [open(7)], Self.socket(104): [open(9)],
        ]
        source.objects[.descriptor(pid: 8, 10)] = end(102, peer: 101, path: "/run/loop", unread: unread)
        source.objects[.descriptor(pid: 8, 11)] = end(103, peer: 104, path: "/run/loop")
        source.views = [.process(8): [loop], .process(7): [client], .process(9): [try thread(9, ofOther)]]
        var findings = findings([client], source, memory: memory(polled(8, [10, 11])))
        return try told(&findings, 7)
    }

    @Test
    func `who has been answered here before and is waited for again may have asked for something that takes its time`()
        throws
    {
        #expect(try asking(Self.answered, ofOther: pausing).reason == .peerIdle)
        #expect(try asking(Self.sent, ofOther: pausing).reason == .replyPending, "nothing has ever come back")
        #expect(try asking(Self.answered, unread: 7, ofOther: pausing).reason == .replyPending, "it was not read")
        #expect(try asking(Self.answered, hasSentToOther: true, ofOther: pausing).reason == .peerIdle)
        let passedOn = try asking(Self.answered, hasSentToOther: true, ofOther: stopped)
        #expect(passedOn.reason == .replyPending, "it was passed on, to one that hangs")
        #expect(passedOn.root.value?.pid == 9)
    }

    @Test func `the end of a pair that was told first answers, and the other asks`() throws {
        func worker(_ flags: UInt32) throws -> Reason {
            let worker = try thread(8) {
                self.unix(&$0.object, 102, peer: 101)
                $0.last_io.3 = bw_io(number: 1 | flags, fd: 3)
            }
            var source = ListedHolders()
            source.open = [Self.socket(101): [open(7)]]
            source.views = [.process(7): [try thread(7, pausing)]]
            var findings = findings([worker], source)
            return try told(&findings, 8).reason
        }
        #expect(try worker(Self.sent | BW_IO_TOLD_FIRST) == .peerIdle)
        #expect(try worker(Self.sent) == .replyPending)
    }

    @Test func `what is sent by a clock wants an answer only if the clock comes again`() throws {
        func beat(_ flags: UInt32, renewals: UInt32 = 0) throws -> Reason {
            let client = try poll(7, milliseconds: 10_000) {
                $0.last_io.2 = bw_io(number: 44 | flags, fd: 10)
                $0.renewals = renewals
            }
            var source = ListedHolders()
            var object = bw_object()
            object.kind = BW_OBJECT_SOCKET.rawValue
            object.mode = 0o140777
            object.inode = 77
            object.family = 2
            object.socket_type = 1
            object.protocol = 6
            object.tcp_state = 1
            object.u.inet.local = (10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
            object.u.inet.peer = (10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
            object.u.inet.local_port = 40_000
            object.u.inet.peer_port = 5432
            object.u.inet.last_sent = 5_000_000_000
            object.u.inet.last_received = 15_000_000_000
            source.objects[.descriptor(pid: 7, 10)] = object
            var findings = findings([client], source, memory: memory(polled(7, [10])))
            return try told(&findings, 7).reason
        }
        #expect(try beat(Self.answered | BW_IO_BY_CLOCK) == .eventLoop)
        #expect(try beat(Self.answered | BW_IO_BY_CLOCK, renewals: 1) == .replyPending)
        #expect(try beat(Self.answered) == .replyPending)
    }

    @Test func `a datagram socket without a peer takes from whoever comes, unless it has asked`() throws {
        func datagrams(_ io: UInt32?) throws -> Reason {
            var findings = findings(
                [
                    try thread(7) {
                        $0.number = 45
                        $0.object.kind = BW_OBJECT_SOCKET.rawValue
                        $0.object.mode = 0o140777
                        $0.object.inode = 77
                        $0.object.family = 2
                        $0.object.socket_type = 2
                        $0.object.protocol = 17
                        $0.object.tcp_state = 7
                        $0.object.u.inet.local_port = 53
                        if let io { $0.last_io.3 = bw_io(number: io, fd: 3) }
                    }
                ], ListedHolders())
            return try told(&findings, 7).reason
        }
        #expect(try datagrams(nil) == .awaitingRequest)
        #expect(try datagrams(45 | BW_IO_SEEN) == .awaitingRequest)
        #expect(try datagrams(44 | Self.sent | BW_IO_TOLD_FIRST) == .awaitingRequest, "it has answered")
        #expect(try datagrams(44 | Self.sent) == .unknown, "it has asked somebody")
    }

    // MARK: - whose pipe

    @Test func `a filter that its event loop has fed before is at rest with it`() throws {
        func filter(_ io: UInt32) throws -> (Findings, Bool) {
            let loop = try poll(7)
            let filter = try thread(8) {
                self.pipe(&$0, 1, writers: 1)
                $0.last_io.3 = bw_io(number: io, fd: 3)
            }
            var source = ListedHolders()
            source.open = [
                Self.pipeOne: [open(7, write: true)], .inode(device: 14, inode: 2): [open(8, write: true)],
            ]
            var object = bw_object()
            object.kind = BW_OBJECT_PIPE.rawValue
            object.mode = 0o010600
            object.inode = 2
            object.device = 14
            object.u.pipe.writers = 1
            source.objects[.descriptor(pid: 7, 10)] = object
            source.views = [.process(7): [loop], .process(8): [filter]]
            let findings = findings([loop, filter], source, memory: memory(polled(7, [10])))
            return (findings, findings.deadlocks.isEmpty)
        }
        var (rest, isRest) = try filter(BW_IO_SEEN)
        #expect(isRest)
        for tid in [7, 8] { #expect(try told(&rest, tid).verdict == .idle) }
        (_, isRest) = try filter(0)
        #expect(!isRest, "it has never got anything, and asks for it directly")
    }

    @Test func `a pipe that a program wakes itself by is its own, also where its children have inherited it`() throws {
        func master(childWrote: Bool) throws -> Reason {
            let master = try poll(7)
            let child = try thread(8) {
                $0.parent_tgid = 7
                self.stopped(&$0)
                if childWrote { $0.last_io.4 = bw_io(number: 1 | Self.sent, fd: 4) }
            }
            var source = ListedHolders()
            source.open = [
                Self.pipeOne: [7, 8].flatMap { [open($0, read: true), open($0, write: true)] }
            ]
            var object = bw_object()
            object.kind = BW_OBJECT_PIPE.rawValue
            object.mode = 0o010600
            object.inode = 1
            object.device = 14
            Bytes.set(&object.fs_name, "pipefs")
            object.u.pipe.writers = 1
            source.objects[.descriptor(pid: 7, 10)] = object
            source.views = [.process(8): [child], .process(7): [master]]
            var findings = findings([master], source, memory: memory(polled(7, [10])))
            return try told(&findings, 7).reason
        }
        #expect(try master(childWrote: false) == .parked)
        #expect(try master(childWrote: true) == .peerStuck)
    }

    @Test func `two makes that share a pipe of tokens wait for their children`() throws {
        func make(_ change: @escaping (inout bw_call) -> Void) throws -> (reason: Reason, isDead: Bool) {
            let outer = try thread(7) { self.pipe(&$0, 1, writers: 1) }
            let inner = try thread(8) { self.pipe(&$0, 1, writers: 1) }
            let compiler = try thread(9) {
                $0.parent_tgid = 8
                change(&$0)
            }
            var source = ListedHolders()
            source.open = [Self.pipeOne: [open(7, read: true, write: true), open(8, read: true, write: true)]]
            source.views = [
                .process(7): [outer], .process(8): [inner], .children(of: 8): [compiler], .children(of: 7): [],
            ]
            var findings = findings([outer, inner], source)
            return (try told(&findings, 8).reason, !findings.deadlocks.isEmpty)
        }
        #expect(try make(running) == (.peerBusy, false))
        #expect(try make(sleeping).isDead == false)
        #expect(try make(stopped).reason == .peerStuck)
    }

    @Test func `a log in a pipe: who has written comes before who has inherited, by any descriptor`() throws {
        var stderr = bw_file()
        stderr.tgid = 8
        stderr.pid = 8
        stderr.fd = 2
        stderr.mode = 2
        func log(written: Bool) throws -> Reason {
            let cat = try thread(7) { self.pipe(&$0, 1, writers: 2) }
            let daemon = try thread(8) {
                self.sleeping(&$0)
                if written { $0.last_io.2 = bw_io(number: 1 | Self.sent, fd: 2) }
            }
            var source = ListedHolders()
            source.open = [Self.pipeOne: [open(8, write: true), OpenFile(raw: stderr), open(9, write: true)]]
            source.views = [.process(8): [daemon], .process(9): [try thread(9, sleeping)]]
            var findings = findings([cat], source)
            return try told(&findings, 7).reason
        }
        #expect(try log(written: true) == .peerIdle)
        #expect(try log(written: false) == .peerSleeping)
    }

    // MARK: - masters, locks, circles

    @Test func `behind a shared listening socket stands who accepts, not the master that never does`() throws {
        let worker = try thread(8) {
            $0.parent_tgid = 7
            self.unix(&$0.object, 101, peer: 0, peerPath: "/run/web")
            $0.object.peer_state = UInt8(BW_PEER_UNACCEPTED.rawValue)
            $0.object.u.unix_.peer_name = 5
        }
        func listener(_ pid: UInt32) -> OpenFile {
            var raw = bw_file()
            raw.tgid = pid
            raw.pid = pid
            raw.fd = 4
            raw.mode = 3
            raw.state = 10
            raw.accept_queue = 1
            return OpenFile(raw: raw)
        }
        var source = ListedHolders()
        source.open = [.unixListener(name: 5): [listener(7), listener(8)]]
        source.views = [.process(7): [try thread(7, pausing)]]
        var findings = findings([worker], source)
        let finding = try told(&findings, 8)
        #expect(finding.reason == .notAccepted)
        #expect(finding.holders.map(\.pid) == [8, 7])
        #expect(finding.root.value?.pid == 8, "it waits for its own accept")
    }

    @Test func `a lock is busy while its holder waits for a child at work, and not because its holder's clock ticks`()
        throws
    {
        let waiter = try thread(7) { self.flock(&$0, 10, file: 0x70) }
        func held(_ change: @escaping (inout bw_call) -> Void, child: ((inout bw_call) -> Void)? = nil) throws -> Reason
        {
            var source = ListedHolders()
            source.open = [Self.lockA: [open(9, read: true, write: true, file: 0x90)]]
            source.locked = [Self.lockA: [lock(owner: 0x90, address: 1)]]
            source.views = [.process(9): [try thread(9, change)]]
            if let child {
                let record = try thread(10) {
                    $0.parent_tgid = 9
                    child(&$0)
                }
                source.views[.children(of: 9)] = [record]
            }
            var findings = findings([waiter], source)
            return try told(&findings, 7).reason
        }
        #expect(try held(wait4, child: running) == .lockBusy)
        #expect(try held(wait4, child: sleeping) == .lockHeld)
    }

    @Test(.timeLimit(.minutes(1))) func `many that share both ends of a pipe are asked about once each`() throws {
        let pids: [UInt32] = Array(20..<60)
        var source = ListedHolders()
        source.open = [Self.pipeOne: pids.map { open(Int($0), read: true, write: true) } + [open(7, write: true)]]
        var seeds: [CallRecord] = []
        for pid in pids {
            let record = try thread(pid) {
                self.pipe(&$0, 1, writers: 41)
                $0.flags = 0
                $0.threads = 2
            }
            source.views[.process(Int(pid))] = [record]
            seeds.append(record)
        }
        source.views[.process(7)] = [try thread(7, pausing)]
        var findings = findings(seeds, source)
        for pid in pids { #expect(try told(&findings, Int(pid)).verdict == .idle) }
    }
}
