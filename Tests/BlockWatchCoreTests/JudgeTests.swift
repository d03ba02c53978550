import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// The table of rules, in its order: for each what it decides, and what it leaves to those after it.
@Suite struct `Hung, or idle by design`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    func reason(
        _ seed: CallRecord, _ source: ListedHolders = .init(), _ memory: ListedAnswers = .init()
    ) -> Reason? {
        var findings = findings([seed], source, memory: memory)
        return findings.finding(of: seed.tid)?.reason
    }

    /// A reader of a pipe whose only writer is as said.
    private func behind(
        _ change: @escaping (inout bw_call) -> Void, ofReader: @escaping (inout bw_call) -> Void = { _ in }
    )
        throws -> Reason?
    {
        let reader = try thread(7) {
            self.pipe(&$0, 1, writers: 1)
            ofReader(&$0)
        }
        var source = ListedHolders()
        source.open = [Self.pipeOne: [open(8, write: true)]]
        source.views = [.process(8): [try thread(8, change)]]
        return reason(reader, source)
    }

    private func sleeping(_ raw: inout bw_call) {
        raw.number = 35
        raw.class_ = 6
    }
    private func stopped(_ raw: inout bw_call, signal: UInt32) {
        raw.flags |= UInt32(BW_CALL_STOPPED)
        raw.stop_signal = signal
    }

    // MARK: - 1 cycle: WaitGraphTests and RelateTests

    // MARK: - 2 stopped

    @Test func `stopped: SIGSTOP is, what was put aside with Ctrl-Z is parked unless somebody waits for it`() throws {
        #expect(reason(try thread(7) { self.stopped(&$0, signal: 19) }) == .stopped)
        #expect(reason(try thread(7) { $0.flags |= UInt32(BW_CALL_FROZEN) }) == .stopped)
        #expect(reason(try thread(7) { self.stopped(&$0, signal: 20) }) == .parked)
        let reader = try thread(7) { self.pipe(&$0, 1, writers: 1) }
        let writer = try thread(8) { self.stopped(&$0, signal: 20) }
        var source = ListedHolders()
        source.open = [Self.pipeOne: [open(8, write: true)]]
        source.views = [.process(8): [writer]]
        var both = findings([reader, writer], source)
        #expect(told(&both, 8) == .stopped)
        #expect(told(&both, 7) == .peerStuck)
    }

    private func told(_ findings: inout Findings, _ tid: Int) -> Reason? { findings.finding(of: tid)?.reason }

    // MARK: - 3 children

    @Test func `a child that is stuck makes its parent stuck, any other is awaited`() throws {
        let parent = try thread(7) {
            $0.number = 61
            $0.class_ = 4
            $0.args.0 = UInt64(bitPattern: -1)
            $0.fd = -1
        }
        func child(_ change: @escaping (inout bw_call) -> Void) throws -> ListedHolders {
            let child = try thread(8) {
                $0.parent_tgid = 7
                change(&$0)
            }
            var source = ListedHolders()
            source.views = [.children(of: 7): [child], .process(8): [child]]
            return source
        }
        #expect(reason(parent, try child { self.stopped(&$0, signal: 19) }) == .peerStuck)
        #expect(reason(parent, try child(sleeping)) == .awaitingChild)
        #expect(reason(parent, try child(running)) == .awaitingChild)
    }

    // MARK: - 4 the kernel

    @Test func `in the kernel: stuck, unless it has been on a processor since`() throws {
        func uninterruptible(ran: UInt64) throws -> CallRecord {
            try thread(7) {
                $0.state = 2
                $0.last_ran_ns = ran
            }
        }
        // it began at 10 s, and now is 15 s
        #expect(reason(try uninterruptible(ran: 0)) == .kernelStuck)
        #expect(reason(try uninterruptible(ran: 10_000_000_000)) == .kernelStuck)
        #expect(reason(try uninterruptible(ran: 13_500_000_000)) == .kernelStuck)
        #expect(reason(try uninterruptible(ran: 14_900_000_000)) == .inProgress)
    }

    // MARK: - 5 overdue

    @Test func `overdue is more than its own time-out and a tenth and a second`() throws {
        func poll(_ milliseconds: UInt64, renewals: UInt32 = 0) throws -> CallRecord {
            try thread(7) {
                $0.number = 7
                $0.class_ = 2
                $0.args = (0x1000, 0, milliseconds, 0, 0, 0)
                $0.fd = -1
                $0.renewals = renewals
            }
        }
        #expect(reason(try poll(3600)) == .overdue)
        #expect(reason(try poll(3700)) != .overdue, "5 s are not more than 3.7 s, 0.37 s and 1 s")
        #expect(reason(try poll(1000, renewals: 4)) != .overdue, "each of them was in time")
    }

    // MARK: - 6 input

    @Test func `pause and a clock are idle, a block device is not`() throws {
        #expect(
            reason(
                try thread(7) {
                    $0.number = 34
                    $0.class_ = 7
                    $0.fd = -1
                }) == .awaitingInput)
        #expect(reason(try thread(7, sleeping)) == .timer)
        func device(_ mode: UInt32) throws -> CallRecord {
            try thread(7) {
                $0.object.kind = BW_OBJECT_FILE.rawValue
                $0.object.mode = mode
                $0.object.inode = 5
                $0.object.rdev = 10 << 20 | 200
                Bytes.set(&$0.object.name, "tun")
            }
        }
        #expect(reason(try device(0o020600)) == .awaitingInput)
        #expect(reason(try device(0o060600)) != .awaitingInput)
    }

    // MARK: - 7 locks

    @Test func `a lock is busy while its holder runs, else held`() throws {
        let waiter = try thread(7) { self.flock(&$0, 10, file: 0x70) }
        func held(_ change: @escaping (inout bw_call) -> Void) throws -> ListedHolders {
            var source = ListedHolders()
            source.open = [Self.lockA: [open(9, read: true, write: true, file: 0x90)]]
            source.locked = [Self.lockA: [lock(owner: 0x90, address: 1)]]
            source.views = [.process(9): [try thread(9, change)]]
            return source
        }
        #expect(reason(waiter, try held(running)) == .lockBusy)
        #expect(reason(waiter, try held(sleeping)) == .lockHeld)
        #expect(reason(waiter, try held { self.stopped(&$0, signal: 19) }) == .lockHeld)
        // prefork: the holder of the same program waits for a client
        let listening = try held {
            $0.number = 288
            self.tcp(&$0, state: 10, local: 80, peer: 0)
        }
        #expect(reason(waiter, listening) == .listening)
        let other = try held {
            $0.number = 288
            self.tcp(&$0, state: 10, local: 80, peer: 0)
            Bytes.set(&$0.leader_comm, "other")
        }
        #expect(reason(waiter, other) == .lockHeld)
    }

    // MARK: - 8 connect and send

    private func tcp(_ raw: inout bw_call, state: UInt8, local: UInt16 = 40_000, peer: UInt16 = 3306) {
        Self.socket(&raw.object, state: state, local: local, peer: peer)
    }

    static func socket(_ object: inout bw_object, state: UInt8, local: UInt16 = 40_000, peer: UInt16 = 3306) {
        object.kind = BW_OBJECT_SOCKET.rawValue
        object.mode = 0o140777
        object.inode = 77
        object.family = 2
        object.socket_type = 1
        object.protocol = 6
        object.tcp_state = state
        object.u.inet.local = (10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        object.u.inet.peer = (10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        object.u.inet.local_port = local
        object.u.inet.peer_port = peer
        object.u.inet.peer_window = 65_535
        object.u.inet.last_sent = 9_000_000_000
        object.u.inet.last_received = 8_000_000_000
    }

    @Test func `a connect in SYN_SENT is unanswered`() throws {
        let connect = try thread(7) {
            $0.number = 42
            self.tcp(&$0, state: 2)
        }
        #expect(reason(connect) == .connectUnanswered)
    }

    @Test func `a send stalls when what was sent is sent again and still not acknowledged`() throws {
        func reader(unacknowledged: UInt32, retransmits: UInt8) throws -> CallRecord {
            try thread(7) {
                self.tcp(&$0, state: 1)
                $0.object.u.inet.unacked = unacknowledged
                $0.object.u.inet.retransmits = retransmits
            }
        }
        #expect(reason(try reader(unacknowledged: 100, retransmits: 2)) == .sendStalled)
        #expect(reason(try reader(unacknowledged: 100, retransmits: 1)) == .replyPending)
        #expect(reason(try reader(unacknowledged: 0, retransmits: 2)) != .sendStalled)
    }

    @Test func `a full pipe stalls its writer, unless the reader is at work`() throws {
        func writer(behind change: @escaping (inout bw_call) -> Void) throws -> Reason? {
            let writer = try thread(7) {
                $0.number = 1
                self.pipe(&$0, 1, writers: 1)
                $0.object.u.pipe.readers = 1
                $0.object.open_flags = 1
            }
            var source = ListedHolders()
            source.open = [Self.pipeOne: [open(8, read: true)]]
            source.views = [.process(8): [try thread(8, change)]]
            return reason(writer, source)
        }
        #expect(try writer(behind: sleeping) == .sendStalled)
        #expect(try writer(behind: running) == .peerBusy)
        #expect(try writer(behind: { self.stopped(&$0, signal: 19) }) == .peerStuck)
    }

    @Test func `of a process with many threads those count that serve the object`() throws {
        let writer = try thread(7) {
            $0.number = 1
            self.pipe(&$0, 1, writers: 1)
            $0.object.u.pipe.readers = 1
            $0.object.open_flags = 1
        }
        func one(_ tid: UInt32, _ change: @escaping (inout bw_call) -> Void) throws -> CallRecord {
            try thread(8) {
                $0.pid = tid
                $0.own_pid = tid
                $0.flags = 0
                $0.threads = 2
                change(&$0)
            }
        }
        func reason(_ threads: [CallRecord], _ memory: ListedAnswers = .init()) -> Reason? {
            var source = ListedHolders()
            source.open = [Self.pipeOne: [open(8, read: true)]]
            source.views = [.process(8): threads]
            return self.reason(writer, source, memory)
        }
        // descriptor 4, as `open` has it
        let mover = try one(81, running)
        let reader = try one(82) {
            self.sleeping(&$0)
            $0.last_io.4 = bw_io(number: BW_IO_SEEN, fd: 4)
        }
        let other = try one(82) {
            self.sleeping(&$0)
            $0.last_io.3 = bw_io(number: BW_IO_SEEN, fd: 3)
        }
        #expect(reason([mover, reader]) == .sendStalled, "who reads there sleeps, whatever the others do")
        #expect(reason([mover, other]) == .peerBusy, "nobody knows who will read it")
        // a run time's clock: back in its timed wait a moment ago
        let ticking = try one(83) {
            $0.number = 202
            $0.class_ = 5
            $0.fd = -1
            $0.args = (0x1000, 0x80, 0, 0x2000, 0, 0)
            $0.start_ns = $0.now_ns - 1_000_000
        }
        #expect(reason([ticking, other]) == .peerBusy, "its time-out was not read")
        let second = RiskyAnswer.bytes([1] + [UInt8](repeating: 0, count: 15))
        #expect(
            reason(
                [ticking, other],
                ListedAnswers(answers: [
                    .memory(pid: 8, address: 0x2000, length: 16): second,
                    .memory(pid: 8, address: 0x1000 - FutexOwner.before, length: FutexOwner.length):
                        .bytes([UInt8](repeating: 0, count: FutexOwner.length)),
                ])) == .sendStalled)
    }

    // MARK: - 9 the other end

    @Test func `nobody, only itself, stuck, busy, asleep, idle`() throws {
        let alone = try thread(7) { self.pipe(&$0, 1, writers: 0) }
        #expect(reason(alone) == .peerGone)
        var itself = ListedHolders()
        itself.open = [Self.pipeOne: [open(7, read: true, write: true)]]
        #expect(reason(try thread(7) { self.pipe(&$0, 1, writers: 1) }, itself) == .peerGone)
        let fifo = try thread(7) {
            self.pipe(&$0, 1, writers: 1)
            Bytes.set(&$0.object.fs_name, "ext4")
        }
        #expect(reason(fifo, itself) == .parked, "a FIFO opened for both")
        #expect(try behind { self.stopped(&$0, signal: 19) } == .peerStuck)
        #expect(try behind(running) == .peerBusy)
        #expect(try behind(sleeping) == .peerSleeping)
        #expect(
            try behind({
                $0.number = 34
                $0.class_ = 7
                $0.fd = -1
            }) == .peerIdle)
    }

    @Test func `a writer that sleeps and has written here before is idle, and so is its reader`() throws {
        let before: (inout bw_call) -> Void = {
            self.sleeping(&$0)
            $0.last_io.4 = bw_io(number: 1 | BW_IO_SEEN, fd: 4)
        }
        #expect(try behind(before) == .peerIdle)
        #expect(
            try behind {
                before(&$0)
                $0.last_io.4.fd = 12
            } == .peerSleeping, "it wrote elsewhere")
    }

    @Test func `a reply is outstanding when something was sent after the last was received`() throws {
        func reader(_ change: @escaping (inout bw_inet) -> Void, older: Bool = false) throws -> Reason? {
            reason(
                try thread(7) {
                    self.tcp(&$0, state: 1)
                    if older {
                        $0.flags |= UInt32(BW_CALL_OLD)
                    }
                    change(&$0.object.u.inet)
                })
        }
        // ages: the smaller is the later
        #expect(try reader { $0.last_sent = 4_000_000_000 } == .replyPending)
        #expect(try reader { $0.last_received = 1_000_000_000 } == .unknown)
        #expect(try reader { $0.unacked = 1 } == .replyPending)
        // the stamps are jiffies, and equal on loopback
        let equal: (inout bw_inet) -> Void = { $0.last_sent = $0.last_received }
        #expect(try reader(equal) == .unknown)
        #expect(try reader(equal, older: true) == .replyPending, "older than blockwatch: a direct read")
        let never: (inout bw_inet) -> Void = {
            $0.last_sent = .max
            $0.last_received = .max
        }
        #expect(try reader(never) == .replyPending, "a client that waits for the server's greeting")
    }

    // MARK: - 10 the server's side

    @Test func `the server's side of a connection waits for a request, unless its answer does not get away`() throws {
        func server(unacknowledged: UInt32) throws -> Reason? {
            let server = try thread(7) {
                self.tcp(&$0, state: 1, local: 80, peer: 50_000)
                $0.object.u.inet.last_sent = 1_000_000_000
                $0.object.u.inet.unacked = unacknowledged
            }
            var listener = bw_file()
            listener.tgid = 7
            listener.pid = 7
            listener.fd = 3
            listener.mode = 3
            listener.state = 10
            listener.local_port = 80
            var source = ListedHolders()
            source.open = [.port(protocolNumber: 6, 80): [OpenFile(raw: listener)]]
            return reason(server, source)
        }
        #expect(try server(unacknowledged: 0) == .awaitingRequest)
        #expect(try server(unacknowledged: 10) == .replyPending)
    }

    // MARK: - 12 futex: RelateTests; 13

    @Test func `what nothing is known about is unknown, and every rule has its place`() throws {
        #expect(reason(try thread(7) { self.tcp(&$0, state: 1) }) == .unknown)
        #expect(
            Rule.allCases.map(\.rawValue) == [
                "cycle", "stopped", "child", "kernel", "overdue", "input", "lock", "connect", "send", "other_end",
                "server_side", "set", "futex", "unknown",
            ])
    }

    @Test func `a wait that always was as long is a habit`() throws {
        let record = try thread(7) { self.tcp(&$0, state: 1) }
        let place = Habits.Place(record)
        var habits = Habits()
        for _ in 0..<Habits.often - 1 { habits.note(place, 30_000_000_000) }
        #expect(!habits.knows(record, 30_000_000_000))
        habits.note(place, 20_000_000_000)
        #expect(habits.knows(record, 45_000_000_000))
        #expect(!habits.knows(record, 45_000_000_001))
        let other = try thread(7) {
            self.tcp(&$0, state: 1)
            $0.args.0 = 9
        }
        #expect(!habits.knows(other, 1))
    }
}
