import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// Circles and their ways out, as random topologies (`make topologies`) have found them: what a circle owes, whose process comes
/// last, and who speaks for many threads.
@Suite struct `Circles and ways out of them`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private static func pipe(_ inode: UInt64) -> FileQuestion { .inode(device: 14, inode: inode) }
    private static let loopback: [UInt8] = [127, 0, 0, 1]

    // MARK: - situations

    private func sleeper(_ pid: UInt32, _ tid: UInt32? = nil) throws -> CallRecord {
        try one(pid, tid ?? pid) {
            $0.number = 35
            $0.class_ = 6
            $0.fd = -1
        }
    }
    private func pauser(_ pid: UInt32, _ tid: UInt32? = nil) throws -> CallRecord {
        try one(pid, tid ?? pid) {
            $0.number = 34
            $0.class_ = 7
            $0.fd = -1
        }
    }
    /// A thread of a process that has others, if its number is another.
    private func one(_ pid: UInt32, _ tid: UInt32, _ change: @escaping (inout bw_call) -> Void) throws -> CallRecord {
        try thread(pid) {
            $0.pid = tid
            $0.own_pid = tid
            $0.reader_pid = tid
            $0.id = UInt64(tid)
            if tid != pid { $0.flags &= ~UInt32(BW_CALL_SINGLE) }
            change(&$0)
        }
    }
    private func several(_ raw: inout bw_call) { raw.flags &= ~UInt32(BW_CALL_SINGLE) }

    private func wants(_ pid: UInt32, _ tid: UInt32? = nil) throws -> CallRecord {
        try one(pid, tid ?? pid) { self.flock(&$0, 10, file: UInt64(pid) << 4 | 1) }
    }
    /// 7 has the lock, these stand in line for it.
    private func locks(_ waiters: [Int]) -> [FileLock] {
        [lock(owner: 0x70, address: 1)]
            + waiters.enumerated().map { place, tid in
                lock(owner: UInt64(tid) << 4 | 1, address: UInt64(place) + 2, blocker: 1, waiter: UInt32(tid))
            }
    }

    private func poll(_ pid: UInt32, count: Int = 1) throws -> CallRecord {
        try thread(pid) {
            $0.number = 7
            $0.class_ = 2
            $0.args = (0x1000, UInt64(count), .max, 0, 0, 0)
            $0.fd = -1
        }
    }
    /// POLLIN is 1, POLLOUT 4.
    private func polled(_ pid: Int32, _ members: [(descriptor: UInt8, events: UInt8)]) -> (RiskyQuestion, RiskyAnswer) {
        (
            .memory(pid: pid, address: 0x1000, length: members.count * 8),
            .bytes(members.flatMap { [$0.descriptor, 0, 0, 0, $0.events, 0, 0, 0] })
        )
    }
    private func object(_ fill: (inout bw_call) -> Void) -> bw_object {
        var raw = bw_call()
        fill(&raw)
        return raw.object
    }
    private func pipeObject(_ inode: UInt64, access: UInt32 = 1, isFIFO: Bool = false) -> bw_object {
        object {
            self.pipe(&$0, inode, writers: 1)
            $0.object.open_flags = access - 1
            $0.object.u.pipe.readers = 1
            if isFIFO { Bytes.set(&$0.object.fs_name, "ext4") }
        }
    }

    // MARK: - what a circle owes

    @Test func `a connection that has carried nothing is no proof that somebody owes an answer`() throws {
        func tcp(_ local: UInt16, _ peer: UInt16) -> bw_object {
            object {
                $0.object.kind = BW_OBJECT_SOCKET.rawValue
                $0.object.mode = 0o140777
                $0.object.family = 2
                $0.object.socket_type = 1
                $0.object.protocol = 6
                $0.object.tcp_state = 1
                $0.object.u.inet.local = (127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
                $0.object.u.inet.peer = (127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
                $0.object.u.inet.local_port = local
                $0.object.u.inet.peer_port = peer
            }
        }
        func end(_ local: UInt16, _ peer: UInt16) -> FileQuestion {
            .connection(
                protocolNumber: 6, local: Self.loopback, localPort: local, peer: Self.loopback, peerPort: peer)
        }
        let loops = [try poll(7), try poll(8)]
        var source = ListedHolders()
        source.objects = [.descriptor(pid: 7, 10): tcp(1000, 2000), .descriptor(pid: 8, 10): tcp(2000, 1000)]
        source.open = [end(1000, 2000): [open(7, read: true)], end(2000, 1000): [open(8, read: true)]]
        source.views = [.process(7): [loops[0]], .process(8): [loops[1]]]
        let memory = ListedAnswers(
            answers: Dictionary(uniqueKeysWithValues: [polled(7, [(10, 1)]), polled(8, [(10, 1)])]))
        #expect(findings(loops, source, memory: memory).deadlocks.isEmpty)
        // bytes on the way are
        source.objects[.descriptor(pid: 7, 10)]?.u.inet.unacked = 5
        #expect(findings(loops, source, memory: memory).deadlocks.map(\.tids) == [[7, 8]])
    }

    @Test func `bytes that lie at the other end of a unix socket are owed an answer, whoever has sent them`() throws {
        func unix(_ inode: UInt64, peer: UInt64, sent: UInt32) -> bw_object {
            object {
                $0.object.kind = BW_OBJECT_SOCKET.rawValue
                $0.object.mode = 0o140777
                $0.object.inode = inode
                $0.object.device = 9
                $0.object.family = 1
                $0.object.socket_type = 1
                $0.object.tcp_state = 1
                $0.object.peer_state = UInt8(BW_PEER_OPEN.rawValue)
                $0.object.u.unix_.peer_inode = peer
                $0.object.u.unix_.send_queue = sent
            }
        }
        for sent: UInt32 in [0, 768] {
            let loops = [try poll(7), try poll(8)]
            var source = ListedHolders()
            source.objects = [
                .descriptor(pid: 7, 10): unix(101, peer: 102, sent: sent),
                .descriptor(pid: 8, 10): unix(102, peer: 101, sent: 0),
            ]
            source.open = [
                .inode(device: 9, inode: 101): [open(7, read: true)],
                .inode(device: 9, inode: 102): [open(8, read: true)],
            ]
            source.views = [.process(7): [loops[0]], .process(8): [loops[1]]]
            let memory = ListedAnswers(
                answers: Dictionary(uniqueKeysWithValues: [polled(7, [(10, 1)]), polled(8, [(10, 1)])]))
            #expect(findings(loops, source, memory: memory).deadlocks.map(\.tids) == (sent > 0 ? [[7, 8]] : []))
        }
    }

    /// Each polls a pipe that only the other serves: 7 for room, 8 for bytes.
    @Test func `a full pipe is owed a reader, in a set too`() throws {
        func circle(events: UInt8, access: UInt32) throws -> [[Int]] {
            let loops = [try poll(7), try poll(8)]
            var source = ListedHolders()
            source.objects = [
                .descriptor(pid: 7, 10): pipeObject(1, access: access), .descriptor(pid: 8, 10): pipeObject(2),
            ]
            source.open = [
                Self.pipe(1): [
                    open(7, read: access == 1, write: access == 2), open(8, read: access == 2, write: access == 1),
                ],
                Self.pipe(2): [open(8, read: true), open(7, write: true)],
            ]
            source.views = [.process(7): [loops[0]], .process(8): [loops[1]]]
            let memory = ListedAnswers(
                answers: Dictionary(uniqueKeysWithValues: [polled(7, [(10, events)]), polled(8, [(10, 1)])]))
            return findings(loops, source, memory: memory).deadlocks.map(\.tids)
        }
        #expect(try circle(events: 4, access: 2) == [[7, 8]])
        #expect(try circle(events: 1, access: 1) == [], "two that listen to each other are at rest")
    }

    /// 7 polls the pidfd of its child 8, which polls a pipe that only 7 can write to.
    @Test func `a child that a set waits for is owed its end, and its state is that of a wait for it`() throws {
        func look(hasWriter: Bool) throws -> Findings {
            let parent = try poll(7)
            let child = hasWriter ? try poll(8) : try one(8, 8) { $0.flags |= UInt32(BW_CALL_STOPPED) }
            var source = ListedHolders()
            source.objects[.descriptor(pid: 7, 10)] = object {
                $0.object.kind = BW_OBJECT_ANON.rawValue
                Bytes.set(&$0.object.name, "[pidfd]")
                $0.object.u.pidfd.tgid = 8
            }
            source.objects[.descriptor(pid: 8, 10)] = pipeObject(1)
            source.open = [Self.pipe(1): [open(7, write: true), open(8, read: true)]]
            source.views = [.process(7): [parent], .process(8): [child]]
            let memory = ListedAnswers(
                answers: Dictionary(uniqueKeysWithValues: [polled(7, [(10, 1)]), polled(8, [(10, 1)])]))
            return findings([parent], source, memory: memory)
        }
        #expect(try look(hasWriter: true).deadlocks.map(\.tids) == [[7, 8]])
        var stopped = try look(hasWriter: false)
        #expect(try told(&stopped, 7).reason == .peerStuck)
        #expect(try told(&stopped, 7).root.value?.pid == 8)
    }

    @Test func `who has both ends of a FIFO open can be let go by whoever opens it`() throws {
        for isFIFO in [false, true] {
            let loop = try poll(7, count: 2)
            let reader = try thread(8) { self.pipe(&$0, 2, writers: 1) }
            var source = ListedHolders()
            source.objects = [
                .descriptor(pid: 7, 10): pipeObject(1, isFIFO: isFIFO), .descriptor(pid: 7, 11): pipeObject(3),
            ]
            source.open = [
                Self.pipe(1): [open(7, read: true, write: true)], Self.pipe(2): [open(7, write: true)],
                Self.pipe(3): [open(8, write: true)],
            ]
            source.views = [.process(7): [loop], .process(8): [reader]]
            let memory = ListedAnswers(
                answers: Dictionary(uniqueKeysWithValues: [polled(7, [(10, 1), (11, 1)])]))
            #expect(findings([loop], source, memory: memory).deadlocks.map(\.tids) == (isFIFO ? [] : [[7, 8]]))
        }
    }

    @Test func `a main thread that has ended cannot write for the one that reads`() throws {
        for hasEnded in [true, false] {
            let main = try one(7, 7) {
                self.several(&$0)
                $0.number = 34
                $0.class_ = 7
                if hasEnded { $0.state = 0x20 }
            }
            let reader = try one(7, 71) { self.pipe(&$0, 1, writers: 1) }
            var source = ListedHolders()
            source.open = [Self.pipe(1): [open(7, read: true, write: true)]]
            source.views = [.process(7): [main, reader]]
            var findings = findings([reader], source)
            #expect(try told(&findings, 71).holders.map(\.pid) == (hasEnded ? [] : [7]))
            #expect(try told(&findings, 71).reason == (hasEnded ? .peerGone : .parked))
        }
    }

    // MARK: - the root

    @Test func `the waiter's own process is the root of its wait only where nobody else can end it`() throws {
        for hasOther in [true, false] {
            let reader = try one(7, 7) {
                self.several(&$0)
                self.pipe(&$0, 1, writers: 2)
            }
            let beside = try pauser(7, 71)
            var source = ListedHolders()
            source.open = [Self.pipe(1): [open(7, read: true, write: true)] + (hasOther ? [open(9, write: true)] : [])]
            source.views = [.process(7): [reader, beside], .process(9): [try pauser(9)]]
            var findings = findings([reader], source)
            let finding = try told(&findings, 7)
            #expect(finding.holders.map(\.pid) == (hasOther ? [9, 7] : [7]))
            #expect(finding.root.value?.pid == (hasOther ? 9 : 7))
        }
    }

    /// 7 reads a pipe that 8 and 9 can write to. Two threads of 8 wait for the lock that 7 has; 9 is at rest.
    @Test func `a process all of whose threads wait for the reader comes after one that is at rest`() throws {
        let reader = try thread(7) { self.pipe(&$0, 1, writers: 2) }
        let lockers = [try wants(8, 80), try wants(8, 81)]
        var source = ListedHolders()
        source.open = [
            Self.pipe(1): [open(8, write: true), open(9, write: true)],
            Self.lockA: [open(7, write: true, file: 0x70), open(8, write: true, file: 0x81)],
        ]
        source.locked = [Self.lockA: locks([80, 81])]
        source.views = [
            .process(7): [reader], .process(8): lockers, .process(9): [try pauser(9)], .thread(80): [lockers[0]],
            .thread(81): [lockers[1]],
        ]
        var findings = findings([reader], source)
        #expect(findings.deadlocks.isEmpty)
        #expect(try told(&findings, 7).holders.map(\.pid) == [9, 8])
        #expect(try told(&findings, 7).root.value?.pid == 9)
    }

    /// 7 reads what only 8 writes. One thread of 8 waits for the lock that 7 has, the other is at rest.
    @Test func `a thread that waits for the reader does not speak for one beside it that does not`() throws {
        let reader = try thread(7) { self.pipe(&$0, 1, writers: 1) }
        let locker = try wants(8, 80)
        var source = ListedHolders()
        source.open = [
            Self.pipe(1): [open(8, write: true)],
            Self.lockA: [open(7, write: true, file: 0x70), open(8, write: true, file: 0x81)],
        ]
        source.locked = [Self.lockA: locks([80])]
        source.views = [
            .process(7): [reader], .process(8): [try pauser(8, 8), locker], .thread(80): [locker],
        ]
        for seeds in [[reader], [locker]] {
            var findings = findings(seeds, source)
            #expect(findings.deadlocks.isEmpty)
            for tid in [7, 80] { #expect(try told(&findings, tid).root.value?.pid == 8) }
        }
    }

    /// 7 reads what 8, which waits for a lock that it has itself, and 9 can write.
    @Test func `a clock comes before what can never go on`() throws {
        let reader = try thread(7) { self.pipe(&$0, 1, writers: 2) }
        let dead = try wants(8)
        let timer = try thread(9) {
            $0.object.kind = BW_OBJECT_ANON.rawValue
            Bytes.set(&$0.object.name, "[timerfd]")
        }
        for (other, kind) in [(try sleeper(9), Root.Kind.process), (timer, .process), (try pauser(9), .deadlock)] {
            var source = ListedHolders()
            source.open = [
                Self.pipe(1): [open(8, write: true), open(9, write: true)],
                Self.lockA: [open(8, write: true, file: 0x80), open(8, write: true, file: 0x81)],
            ]
            source.locked = [
                Self.lockA: [lock(owner: 0x80, address: 1), lock(owner: 0x81, address: 2, blocker: 1, waiter: 8)]
            ]
            source.views = [.process(8): [dead], .thread(8): [dead], .process(9): [other]]
            var findings = findings([reader], source)
            #expect(findings.deadlocks.map(\.tids) == [[8]])
            #expect(try told(&findings, 7).root.value?.kind == kind)
        }
    }

    /// 8 waits for two read locks: one is that of a process that waits for a client, the other of 7.
    @Test func `a lock that the turn to accept does not let go of is held`() throws {
        let listening = try thread(9) {
            $0.number = 43
            $0.object.kind = BW_OBJECT_SOCKET.rawValue
            $0.object.family = 2
            $0.object.socket_type = 1
            $0.object.protocol = 6
            $0.object.tcp_state = 10
        }
        let waiter = try wants(8)
        for hasOther in [false, true] {
            var source = ListedHolders()
            source.open = [
                Self.lockA: [
                    open(7, write: true, file: 0x70), open(8, write: true, file: 0x81),
                    open(9, write: true, file: 0x90),
                ]
            ]
            source.locked = [Self.lockA: (hasOther ? locks([8]) : []) + [lock(owner: 0x90, address: 9)]]
            source.views = [
                .process(7): [try sleeper(7)], .process(8): [waiter], .thread(8): [waiter], .process(9): [listening],
            ]
            var findings = findings([waiter], source)
            #expect(try told(&findings, 8).reason == (hasOther ? .lockHeld : .listening))
        }
    }

    /// 7 reads what 8 writes, and a thread of 8 what 7 writes; another thread of 8 sleeps.
    @Test func `of a circle the root is who sleeps beside it`() throws {
        let reader = try thread(7) { self.pipe(&$0, 1, writers: 1) }
        let answering = try one(8, 80) { self.pipe(&$0, 2, writers: 1) }
        var source = ListedHolders()
        source.open = [Self.pipe(1): [open(8, write: true)], Self.pipe(2): [open(7, write: true)]]
        source.views = [.process(7): [reader], .process(8): [try sleeper(8, 81), answering]]
        for seeds in [[reader], [answering]] {
            var findings = findings(seeds, source)
            #expect(findings.deadlocks.isEmpty)
            for tid in [7, 80] { #expect(try told(&findings, tid).root.value?.pid == 8) }
        }
    }

    @Test func `who has several locks that are in the way is one holder`() throws {
        let waiter = try wants(8)
        var source = ListedHolders()
        source.open = [
            Self.lockA: [
                open(7, write: true, file: 0x70), open(7, write: true, file: 0x72), open(8, write: true, file: 0x81),
            ]
        ]
        var second = lock(owner: 0x72, address: 3)
        second.isWrite = false
        source.locked = [Self.lockA: locks([8]) + [second]]
        source.views = [.process(7): [try sleeper(7)], .process(8): [waiter], .thread(8): [waiter]]
        var findings = findings([waiter], source)
        let finding = try told(&findings, 8)
        #expect(finding.holders.map(\.pid) == [7])
        #expect(finding.holderCount == 1)
    }
}
