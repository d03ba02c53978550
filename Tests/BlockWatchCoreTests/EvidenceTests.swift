import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// What could not be found out is said, and is never taken for what is not there; what is at rest is not accused.
@Suite struct `What is not known is not idle`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private func finding(
        _ seed: CallRecord, _ source: ListedHolders = .init(), _ memory: ListedAnswers = .init()
    ) throws -> Finding {
        var findings = findings([seed], source, memory: memory)
        let found = findings.finding(of: seed.tid)
        return try #require(found)
    }
    /// In pause.
    private func idle(_ raw: inout bw_call) {
        raw.number = 34
        raw.class_ = 7
        raw.fd = -1
    }

    // MARK: - sets

    @Test func `a poll whose set could not be read waits for it is not known what`() throws {
        let seed = try thread(7) {
            $0.number = 7
            $0.class_ = 2
            $0.args = (0x1000, 2, .max, 0, 0, 0)
            $0.fd = -1
        }
        let question = RiskyQuestion.memory(pid: 7, address: 0x1000, length: 16)
        for (answer, reason) in [
            (RiskyAnswer.timedOut, "timed_out"), (.failed(1), "not_permitted"), (.failed(3), "process_gone"),
            (.failed(14), "in_flight"),
        ] {
            let finding = try finding(seed, .init(), ListedAnswers(answers: [question: answer]))
            #expect(finding.verdict == .waiting)
            #expect(finding.reason == .unknown)
            #expect(finding.unresolved == ["members=\(reason)"])
            #expect(finding.root.gap != nil)
        }
        // its memory tells the members, and the pass over the files does not end
        var late = ListedHolders()
        late.answersInTime = false
        let bytes = [UInt8]([10, 0, 0, 0, 1, 0, 0, 0, 11, 0, 0, 0, 1, 0, 0, 0])
        let finding = try finding(seed, late, ListedAnswers(answers: [question: .bytes(bytes)]))
        #expect(finding.reason == .unknown)
        #expect(finding.unresolved == ["members=timed_out"])
    }

    @Test func `an epoll whose tree was not found, or not in time, is not an idle event loop`() throws {
        let seed = try thread(7) {
            $0.number = 232
            $0.class_ = 2
            $0.args = (4, 0x1000, 1, UInt64(bitPattern: -1), 0, 0)
            $0.fd = -1
        }
        for (answersInTime, reason) in [(true, "in_flight"), (false, "timed_out")] {
            var source = ListedHolders()
            source.answersInTime = answersInTime
            let finding = try finding(seed, source)
            #expect(finding.verdict == .waiting)
            #expect(finding.reason == .unknown)
            #expect(finding.unresolved == ["members=\(reason)"])
        }
        var empty = ListedHolders()
        empty.sets[.items(pid: 7, epoll: 4)] = EpollItems(question: 0, items: [], isCut: false)
        #expect(try finding(seed, empty).reason == .eventLoop, "known to have none")
    }

    // MARK: - roots

    @Test func `a root that is not known gives its reason`() throws {
        let unseen = try finding(try thread(7) { self.pipe(&$0, 1, writers: 1) })
        #expect(unseen.root == .unknown(.inFlight))
        #expect(unseen.unresolved == ["holders=in_flight"])
        var late = ListedHolders()
        late.answersInTime = false
        let timedOut = try finding(try thread(7) { self.pipe(&$0, 1, writers: 1) }, late)
        #expect(timedOut.root == .unknown(.timedOut))
        #expect(timedOut.reason == .unknown)
        let kernel = try finding(
            try thread(7) {
                $0.state = 2
                $0.fd = -1
            })
        #expect(kernel.reason == .kernelStuck)
        #expect(kernel.root == .unknown(.notRecorded))
        #expect(kernel.unresolved == ["root=not_recorded"])
        #expect(try finding(try thread(7, idle)).root == .absent, "idle calls need none")
    }

    @Test func `the root of a stopped thread is its own process`() throws {
        for (flag, doing) in [(BW_CALL_STOPPED, "stopped"), (BW_CALL_FROZEN, "frozen")] {
            let finding = try finding(
                try thread(7) {
                    self.pipe(&$0, 1, writers: 1)
                    $0.flags |= UInt32(flag)
                    $0.stop_signal = 19
                })
            #expect(finding.reason == .stopped)
            #expect(finding.root.value == Root(kind: .process, pid: 7, name: Array("cat".utf8), doing: doing))
            #expect(finding.chainID != nil)
        }
    }

    // MARK: - threads of a holder

    /// A reader of a pipe that process 8 can write to, of which are these threads.
    private func reader(behind threads: [CallRecord]) throws -> Finding {
        var source = ListedHolders()
        source.open = [Self.pipeOne: [open(8, write: true)]]
        source.views = [.process(8): threads]
        return try finding(try thread(7) { self.pipe(&$0, 1, writers: 1) }, source)
    }

    @Test func `a main thread that has exited does nothing any more; the others speak for the process`() throws {
        let leader = try thread(8) {
            $0.flags = 0
            $0.state = 0x20
            $0.kind = BW_KIND_RUNNING.rawValue
        }
        let other = try thread(8) {
            self.sleeping(&$0)
            $0.flags = 0
            $0.pid = 81
            $0.own_pid = 81
        }
        let finding = try reader(behind: [leader, other])
        #expect(finding.reason == .peerSleeping)
        #expect(finding.holders.map(\.pid) == [8])
        #expect(finding.holders.map(\.tid) == [81])
        #expect(finding.root.value?.doing == "sleeping")
        // a process that is over as a whole lets go of its files: that is on its way
        #expect(try reader(behind: [leader]).reason == .peerBusy)
    }

    @Test func `a thread that is answered twice is one thread`() throws {
        let writer = try thread(8, sleeping)
        let finding = try reader(behind: [writer, writer])
        #expect(finding.holders.map(\.tid) == [8])
        #expect(finding.root.value?.pid == 8)
        #expect(finding.reason == .peerSleeping)
    }

    // MARK: - sockets at rest, and those that are not

    private func unix(
        _ raw: inout bw_call, _ inode: UInt64, peer: UInt64, path: String = "", peerPath: String = "",
        type: UInt16 = 1
    ) {
        raw.object.kind = BW_OBJECT_SOCKET.rawValue
        raw.object.mode = 0o140777
        raw.object.inode = inode
        raw.object.device = 9
        raw.object.family = 1
        raw.object.socket_type = numericCast(type)
        raw.object.peer_state = UInt8(BW_PEER_OPEN.rawValue)
        raw.object.u.unix_.peer_inode = peer
        raw.object.u.unix_.local_len = UInt32(path.utf8.count)
        Bytes.set(&raw.object.u.unix_.local, path)
        raw.object.u.unix_.peer_len = UInt32(peerPath.utf8.count)
        Bytes.set(&raw.object.u.unix_.peer, peerPath)
    }

    /// Of a connection to /run/server, one end's finding; the process at the other does as said.
    private func unixEnd(
        isServer: Bool, wrote: Bool = false, read: Bool = false, isOlder: Bool = false,
        other: @escaping (inout bw_call) -> Void
    ) throws -> Finding {
        let seed = try thread(7) {
            self.unix(
                &$0, 101, peer: 102, path: isServer ? "/run/server" : "", peerPath: isServer ? "" : "/run/server")
            if isOlder { $0.flags |= UInt32(BW_CALL_OLD) }
            if wrote { $0.last_io.3 = bw_io(number: 1 | BW_IO_SEEN, fd: 3) }
            if read { $0.last_io.3 = bw_io(number: 0 | BW_IO_SEEN, fd: 3) }
        }
        var source = ListedHolders()
        source.open = [.inode(device: 9, inode: 102): [open(8, read: true, write: true)]]
        source.views = [.process(8): [try thread(8, other)]]
        return try finding(seed, source)
    }

    @Test func `a server on a unix socket that has answered waits for a request, whatever its client does`() throws {
        for isOlder in [false, true] {
            for other in [idle, sleeping] {
                let finding = try unixEnd(isServer: true, wrote: true, isOlder: isOlder, other: other)
                #expect(finding.verdict == .idle)
                #expect(finding.reason == .awaitingRequest)
            }
        }
    }

    @Test func `its client waits for an answer if it has asked, or has done nothing else since before`() throws {
        #expect(try unixEnd(isServer: false, wrote: true, other: idle).reason == .replyPending)
        #expect(try unixEnd(isServer: false, isOlder: true, other: idle).reason == .replyPending)
        #expect(try unixEnd(isServer: false, other: idle).reason == .peerIdle, "it was seen, and has asked nothing")
        #expect(try unixEnd(isServer: false, wrote: true, other: idle).root.value?.pid == 8)
    }

    @Test func `what came from a server may have crossed the question: it has read last, and has not answered`() throws
    {
        func other(_ number: UInt32) -> (inout bw_call) -> Void {
            {
                self.idle(&$0)
                $0.last_io.4 = bw_io(number: number | BW_IO_SEEN, fd: 4)
            }
        }
        #expect(try unixEnd(isServer: false, read: true, other: other(0)).reason == .replyPending)
        #expect(try unixEnd(isServer: false, read: true, other: other(1)).reason == .peerIdle, "it has answered")
        #expect(try unixEnd(isServer: false, read: true, other: idle).reason == .peerIdle, "it was not seen")
        #expect(try unixEnd(isServer: true, read: true, other: other(0)).reason == .awaitingRequest)
    }

    @Test func `a datagram client older than blockwatch waits for an answer`() throws {
        func udp(isOlder: Bool, wrote: Bool = false, peerPort: UInt16 = 53) throws -> Finding {
            try finding(
                try thread(7) {
                    $0.object.kind = BW_OBJECT_SOCKET.rawValue
                    $0.object.mode = 0o140777
                    $0.object.inode = 77
                    $0.object.family = 2
                    $0.object.socket_type = 2
                    $0.object.protocol = 17
                    $0.object.tcp_state = peerPort == 0 ? 7 : 1
                    $0.object.u.inet.local = (10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
                    $0.object.u.inet.peer = (10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
                    $0.object.u.inet.local_port = 40_000
                    $0.object.u.inet.peer_port = peerPort
                    if isOlder { $0.flags |= UInt32(BW_CALL_OLD) }
                    if wrote { $0.last_io.3 = bw_io(number: 44 | BW_IO_SEEN, fd: 3) }
                })
        }
        for finding in [try udp(isOlder: true), try udp(isOlder: false, wrote: true)] {
            #expect(finding.reason == .replyPending)
            #expect(finding.root.value?.kind == .remote)
            #expect(finding.root.value?.address == "10.0.0.5:53")
        }
        #expect(try udp(isOlder: false).reason == .unknown)
        #expect(try udp(isOlder: true, peerPort: 0).reason == .awaitingRequest, "one that asks nobody")
    }
}
