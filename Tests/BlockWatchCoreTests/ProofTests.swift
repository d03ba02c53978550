import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// What is a deadlock and what is none: lines before locks, names in the file system, sets in circles.
@Suite struct `Proof is not guessed`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    // MARK: - lines before locks

    @Test func `who stands in line before is told after who holds the lock, and as queued`() throws {
        let waiter = try thread(7) { self.flock(&$0, 10, file: 0x70) }
        let before = try thread(8) { self.flock(&$0, 10, file: 0x80) }
        let holder = try thread(9, sleeping)
        var source = ListedHolders()
        source.open = [
            Self.lockA: [open(7, write: true, file: 0x70), open(8, write: true, file: 0x80), open(9, file: 0x90)]
        ]
        source.locked = [
            Self.lockA: [
                lock(owner: 0x90, address: 1), lock(owner: 0x80, address: 2, blocker: 1, waiter: 8),
                lock(owner: 0x70, address: 3, blocker: 2, waiter: 7),
            ]
        ]
        source.views = [.process(7): [waiter], .process(8): [before], .process(9): [holder], .thread(8): [before]]
        var findings = findings([waiter], source)
        let finding = try told(&findings, 7)
        #expect(finding.holders.map(\.pid) == [9, 8])
        #expect(finding.holders.map(\.role) == [.lockHolder, .queued])
        #expect(finding.root.value?.pid == 9)
        // alone they are no reason: who has the lock was not found out
        source.locked[Self.lockA]?.removeFirst()
        var line = self.findings([waiter], source)
        let unknown = try told(&line, 7)
        #expect(unknown.reason == .unknown)
        #expect(unknown.holders.map(\.role) == [.queued])
    }

    /// 8 wants all of the file, of which 7 and 9 have a part each; 7, in line behind it, wants only what 9 has, and gets
    /// that as soon as 9 wakes.
    @Test func `a circle through the order of a line is none`() throws {
        func range(_ raw: inout bw_call, _ at: UInt64) {
            self.flock(&raw, 10, file: 0)
            raw.number = 72
            raw.args = (3, 7, at, 0, 0, 0)
        }
        func structure(_ start: UInt64, _ length: UInt64) -> RiskyAnswer {
            .bytes([1, 0, 0, 0, 0, 0, 0, 0] + [start, length, 0].flatMap { withUnsafeBytes(of: $0) { Array($0) } })
        }
        func posix(_ pid: UInt64, _ address: UInt64, _ range: ClosedRange<UInt64>, blocker: UInt64 = 0) -> FileLock {
            var raw = bw_lock()
            raw.address = address
            raw.blocker = blocker
            raw.owner = pid << 20
            raw.flags = 1
            raw.mode = 1
            raw.start = range.lowerBound
            raw.end = range.upperBound
            raw.waiter = blocker == 0 ? 0 : UInt32(pid)
            return FileLock(raw: raw)
        }
        let behind = try thread(7) { range(&$0, 0x7000) }
        let before = try thread(8) { range(&$0, 0x8000) }
        let memory = ListedAnswers(answers: [
            .memory(pid: 7, address: 0x7000, length: 32): structure(50, 5),
            .memory(pid: 8, address: 0x8000, length: 32): structure(0, 100),
        ])
        var source = ListedHolders()
        source.open = [Self.lockA: [open(7, write: true), open(8, write: true), open(9, write: true)]]
        source.locked = [
            Self.lockA: [
                posix(7, 1, 0...9), posix(9, 2, 50...59), posix(8, 3, 0...99, blocker: 1),
                posix(7, 4, 50...54, blocker: 3),
            ]
        ]
        source.views = [
            .process(7): [behind], .process(8): [before], .process(9): [try thread(9, sleeping)],
            .thread(7): [behind], .thread(8): [before],
        ]
        var findings = findings([behind, before], source, memory: memory)
        #expect(findings.deadlocks.isEmpty)
        let one = try told(&findings, 7)
        let other = try told(&findings, 8)
        #expect(one.reason == .lockHeld)
        #expect(one.holders.map(\.pid) == [9, 8])
        #expect(one.holders.map(\.role) == [.lockHolder, .queued])
        #expect(other.reason == .lockHeld)
        #expect(Set(other.holders.map(\.pid)) == [7, 9])
        #expect(one.root.value?.pid == 9)
        #expect(other.root.value?.pid == 9, "who sleeps comes before who waits for it too")
        // and if 9 waits for 7 it is one, through locks that are held
        let third = try thread(9) { range(&$0, 0x9000) }
        var dead = source
        dead.locked[Self.lockA]?.append(posix(9, 5, 0...9, blocker: 1))
        dead.views[.process(9)] = [third]
        dead.views[.thread(9)] = [third]
        var answers = memory
        answers.answers[.memory(pid: 9, address: 0x9000, length: 32)] = structure(0, 10)
        #expect(self.findings([behind, before], dead, memory: answers).deadlocks.map(\.tids) == [[7, 9]])
    }

    @Test func `a lock that the waiter has itself by another descriptor is a deadlock of one, an alarm a way out`()
        throws
    {
        for hasAlarm in [false, true] {
            let waiter = try thread(7) {
                self.flock(&$0, 10, file: 0x71)
                if hasAlarm { $0.flags |= UInt32(BW_CALL_ALARM) }
            }
            var source = ListedHolders()
            source.open = [Self.lockA: [open(7, write: true, file: 0x70), open(7, write: true, file: 0x71)]]
            source.locked = [
                Self.lockA: [lock(owner: 0x70, address: 1), lock(owner: 0x71, address: 2, blocker: 1, waiter: 7)]
            ]
            var findings = findings([waiter], source)
            let finding = try told(&findings, 7)
            #expect(findings.deadlocks.map(\.tids) == (hasAlarm ? [] : [[7]]))
            #expect(finding.reason == (hasAlarm ? .lockHeld : .cycle))
            #expect(finding.holders.map(\.pid) == [7])
            #expect(finding.holders.map(\.tid) == [7])
        }
    }

    // MARK: - names in the file system

    /// 7 waits for any child; 8 opens a FIFO by its name, 9 reads a pipe that 7 holds open.
    @Test func `whoever opens a FIFO by its name is a way out of its open, and of all that hangs on that`() throws {
        let parent = try thread(7) {
            $0.number = 61
            $0.class_ = 4
            $0.args.0 = UInt64(bitPattern: -1)
            $0.fd = -1
        }
        func look(descriptor: Int32) throws -> Findings {
            let opening = try thread(8) {
                self.pipe(&$0, 2, writers: 0)
                Bytes.set(&$0.object.fs_name, "ext4")
                $0.parent_tgid = 7
                $0.number = descriptor < 0 ? 257 : 0
                $0.fd = descriptor
            }
            let reader = try thread(9) {
                self.pipe(&$0, 1, writers: 1)
                $0.parent_tgid = 7
            }
            var source = ListedHolders()
            source.open = [
                Self.pipeOne: [open(7, write: true)], .inode(device: 14, inode: 2): [open(7, write: true)],
            ]
            source.views = [
                .process(7): [parent], .children(of: 7): [opening, reader], .process(8): [opening],
                .process(9): [reader],
            ]
            return findings([parent, opening, reader], source)
        }
        #expect(try look(descriptor: -1).deadlocks.isEmpty)
        #expect(try look(descriptor: 3).deadlocks.map(\.tids) == [[7, 8, 9]], "a read has no such way out")
    }

    // MARK: - sets in circles

    /// A poll of these descriptors.
    private func poll(_ pid: UInt32, milliseconds: UInt64 = .max, count: UInt64 = 1) throws -> CallRecord {
        try thread(pid) {
            $0.number = 7
            $0.class_ = 2
            $0.args = (0x1000, count, milliseconds, 0, 0, 0)
            $0.fd = -1
        }
    }
    private func polled(_ pid: Int32, _ descriptors: [UInt8]) -> (RiskyQuestion, RiskyAnswer) {
        (
            .memory(pid: pid, address: 0x1000, length: descriptors.count * 8),
            .bytes(descriptors.flatMap { [$0, 0, 0, 0, 1, 0, 0, 0] })
        )
    }
    private func object(_ fill: (inout bw_call) -> Void) -> bw_object {
        var raw = bw_call()
        fill(&raw)
        return raw.object
    }
    /// One end of a connected unix socket.
    private func unix(
        _ object: inout bw_object, _ inode: UInt64, peer: UInt64, path: String = "", peerPath: String = ""
    ) {
        object.kind = BW_OBJECT_SOCKET.rawValue
        object.mode = 0o140777
        object.inode = inode
        object.device = 9
        object.family = 1
        object.socket_type = 1
        object.tcp_state = 1
        object.peer_state = UInt8(BW_PEER_OPEN.rawValue)
        object.u.unix_.peer_inode = peer
        object.u.unix_.local_len = UInt32(path.utf8.count)
        Bytes.set(&object.u.unix_.local, path)
        object.u.unix_.peer_len = UInt32(peerPath.utf8.count)
        Bytes.set(&object.u.unix_.peer, peerPath)
    }
    private static func socket(_ inode: UInt64) -> FileQuestion { .inode(device: 9, inode: inode) }

    /// 7 has a lock that 8 wants, and polls a pipe that only 8 can write to.
    private func pollCircle(milliseconds: UInt64, from seed: Int) throws -> Findings {
        let poller = try poll(7, milliseconds: milliseconds)
        let locker = try thread(8) { self.flock(&$0, 10, file: 0x80) }
        var source = ListedHolders()
        source.open = [
            Self.pipeOne: [open(7, read: true), open(8, write: true)],
            Self.lockA: [open(7, write: true, file: 0x70), open(8, write: true, file: 0x80)],
        ]
        source.locked = [
            Self.lockA: [lock(owner: 0x70, address: 1), lock(owner: 0x80, address: 2, blocker: 1, waiter: 8)]
        ]
        source.objects[.descriptor(pid: 7, 10)] = object { self.pipe(&$0, 1, writers: 1) }
        source.views = [.process(7): [poller], .process(8): [locker]]
        let memory = ListedAnswers(answers: Dictionary(uniqueKeysWithValues: [polled(7, [10])]))
        return findings([seed == 7 ? poller : locker], source, memory: memory)
    }

    @Test(arguments: [7, 8]) func `a poll without a time-out is part of a circle, whichever call it is told from`(
        seed: Int
    ) throws {
        var findings = try pollCircle(milliseconds: .max, from: seed)
        #expect(findings.deadlocks.map(\.tids) == [[7, 8]])
        for tid in [7, 8] {
            let finding = try told(&findings, tid)
            #expect(finding.reason == .cycle)
            #expect(finding.root.value?.kind == .deadlock)
        }
        #expect(try told(&findings, 7).holders.map(\.pid) == [8])
        #expect(try told(&findings, 8).holders.map(\.pid) == [7])
    }

    @Test(arguments: [7, 8]) func `a time-out is a way out of it: no deadlock, and nobody's peer is stuck`(seed: Int)
        throws
    {
        var findings = try pollCircle(milliseconds: 60_000, from: seed)
        #expect(findings.deadlocks.isEmpty)
        for tid in [7, 8] {
            let finding = try told(&findings, tid)
            #expect(finding.reason != .cycle)
            #expect(finding.reason != .peerStuck)
            #expect(!finding.isInDeadlock)
        }
    }

    @Test func `two event loops that look at each other with nothing outstanding are at rest`() throws {
        let loops = [try poll(7), try poll(8)]
        var source = ListedHolders()
        source.open = [Self.socket(101): [open(7, read: true)], Self.socket(102): [open(8, read: true)]]
        source.objects[.descriptor(pid: 7, 10)] = object { self.unix(&$0.object, 101, peer: 102) }
        source.objects[.descriptor(pid: 8, 10)] = object { self.unix(&$0.object, 102, peer: 101) }
        source.views = [.process(7): [loops[0]], .process(8): [loops[1]]]
        let memory = ListedAnswers(answers: Dictionary(uniqueKeysWithValues: [polled(7, [10]), polled(8, [10])]))
        var findings = findings(loops, source, memory: memory)
        #expect(findings.deadlocks.isEmpty)
        for tid in [7, 8] { #expect(try told(&findings, tid).verdict == .idle) }
        // one of them has asked, and the other will not answer
        let asked = try thread(7) {
            $0.number = 7
            $0.class_ = 2
            $0.args = (0x1000, 1, .max, 0, 0, 0)
            $0.fd = -1
            $0.last_io.2 = bw_io(number: 1 | BW_IO_SEEN, fd: 10)
        }
        source.views[.process(7)] = [asked]
        #expect(self.findings([asked, loops[1]], source, memory: memory).deadlocks.map(\.tids) == [[7, 8]])
    }

    // MARK: - who is at the root

    @Test func `a sleeping writer is the root before one that waits for the reader`() throws {
        let reader = try thread(7) { self.pipe(&$0, 1, writers: 2) }
        let locker = try thread(8) { self.flock(&$0, 10, file: 0x80) }
        let sleeper = try thread(9, sleeping)
        var source = ListedHolders()
        source.open = [
            Self.pipeOne: [open(8, write: true), open(9, write: true)],
            Self.lockA: [open(7, write: true, file: 0x70), open(8, write: true, file: 0x80)],
        ]
        source.locked = [
            Self.lockA: [lock(owner: 0x70, address: 1), lock(owner: 0x80, address: 2, blocker: 1, waiter: 8)]
        ]
        source.views = [.process(7): [reader], .process(8): [locker], .process(9): [sleeper]]
        for seeds in [[reader], [locker], [reader, locker]] {
            var findings = findings(seeds, source)
            #expect(findings.deadlocks.isEmpty)
            #expect(try told(&findings, 7).holders.map(\.pid) == [9, 8])
            for tid in [7, 8] {
                let finding = try told(&findings, tid)
                #expect(finding.root.value?.pid == 9)
                #expect(finding.root.value?.doing == "sleeping")
            }
        }
    }

    /// 7 asks 8, an event loop, which has asked 9 and 10, or 9 alone.
    @Test func `a chain goes on through an event loop where one alone of its peers owes it an answer`() throws {
        func chain(owing: [Int32], unread: UInt32 = 0, isPeriodic: Bool = false) throws -> Finding {
            let client = try thread(7) {
                self.unix(&$0.object, 101, peer: 102, peerPath: "/run/loop")
                $0.last_io.3 = bw_io(number: 1 | BW_IO_SEEN, fd: 3)
            }
            let loop = try thread(8) {
                $0.number = 7
                $0.class_ = 2
                $0.args = (0x1000, 3, .max, 0, 0, 0)
                $0.fd = -1
                if owing.contains(11) { $0.last_io.3 = bw_io(number: 1 | BW_IO_SEEN, fd: 11) }
                if owing.contains(12) { $0.last_io.4 = bw_io(number: 1 | BW_IO_SEEN, fd: 12) }
            }
            var source = ListedHolders()
            source.open = [
                Self.socket(102): [open(8, read: true)], Self.socket(101): [open(7, read: true)],
                Self.socket(104): [open(9, read: true)], Self.socket(106): [open(10, read: true)],
            ]
            source.objects[.descriptor(pid: 8, 10)] = object {
                self.unix(&$0.object, 102, peer: 101, path: "/run/loop")
            }
            source.objects[.descriptor(pid: 8, 11)] = object { self.unix(&$0.object, 103, peer: 104) }
            source.objects[.descriptor(pid: 8, 12)] = object {
                self.unix(&$0.object, 105, peer: 106)
                $0.object.u.unix_.send_queue = unread
            }
            source.views = [
                .process(8): [loop], .process(7): [client], .process(9): [try thread(9, sleeping)],
                .process(10): [try thread(10, sleeping)],
            ]
            let memory = ListedAnswers(answers: Dictionary(uniqueKeysWithValues: [polled(8, [10, 11, 12])]))
            var findings = findings([client], source, memory: memory)
            findings.look.waits[8]?.isPeriodic = isPeriodic
            return try told(&findings, 7)
        }
        let one = try chain(owing: [11])
        #expect(one.root.value?.pid == 9)
        #expect(one.holders.map(\.pid) == [8])
        #expect(try chain(owing: [12]).root.value?.pid == 10)
        #expect(try chain(owing: [], unread: 768).root.value?.pid == 10, "what it has sent there is not read")
        #expect(try chain(owing: [11], unread: 768).unresolved == ["chain=too_many"])
        #expect(try chain(owing: [11, 12]).root.value?.pid == 8, "also where one of them decides over the loop")
        #expect(try chain(owing: []).unresolved.isEmpty)
        // one that always waits as long is not accused of that, and the chain goes on all the same
        #expect(try chain(owing: [11], isPeriodic: true).root.value?.pid == 9)
        #expect(try chain(owing: [12], isPeriodic: true).root.value?.pid == 10)
        #expect(try chain(owing: [11, 12], isPeriodic: true).root.value?.pid == 8, "whom it waits for is not known")
        #expect(try chain(owing: [], isPeriodic: true).root.value?.pid == 8)
    }
}
