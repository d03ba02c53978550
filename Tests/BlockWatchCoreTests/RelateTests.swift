import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// Small hosts made of records: who holds what, and what follows from it.
@Suite struct `Who holds the other end`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private static let lockB = FileQuestion.inode(device: 8, inode: 11, wantsLocks: true)

    private func told(_ findings: inout Findings, _ tid: Int) -> Finding? { findings.finding(of: tid) }

    @Test func `a chain leads from the waiter to the sleeper`() throws {
        let waiter = try thread(7) { self.pipe(&$0, 1, writers: 1) }
        let middle = try thread(8) { self.flock(&$0, 10, file: 0x80) }
        let root = try thread(9) {
            $0.number = 35
            $0.class_ = 6
        }
        var source = ListedHolders()
        source.open = [
            Self.pipeOne: [open(8, write: true)],
            Self.lockA: [open(9, read: true, write: true, file: 0x90), open(8, read: true, write: true, file: 0x80)],
        ]
        source.locked = [
            Self.lockA: [lock(owner: 0x90, address: 1), lock(owner: 0x80, address: 2, blocker: 1, waiter: 8)]
        ]
        source.views = [.process(8): [middle], .process(9): [root], .thread(8): [middle]]
        var findings = findings([waiter], source)
        let found = findings.finding(of: 7)
        let finding = try #require(found)
        #expect(finding.chain == "cat[7] read pipe <- cat[8] flock <- cat[9] sleeping")
        #expect(finding.holders.map(\.pid) == [8])
        #expect(finding.holders[0].role == .writer)
        #expect(finding.holders[0].descriptor == 4)
        #expect(finding.root.value == Root(kind: .process, pid: 9, name: Array("cat".utf8), doing: "sleeping"))
        #expect(finding.reason == .peerStuck)
        #expect(told(&findings, 8)?.reason == .lockHeld)
        #expect(told(&findings, 8)?.chainID == finding.chainID, "the same root")
        #expect(findings.deadlocks.isEmpty)
    }

    @Test func `two locks in opposite order are a deadlock, and an alarm makes it none`() throws {
        func look(alarm: Bool) throws -> Findings {
            let one = try thread(7) { self.flock(&$0, 11, file: 0x71) }
            let other = try thread(8) {
                self.flock(&$0, 10, file: 0x81)
                if alarm { $0.flags |= UInt32(BW_CALL_ALARM) }
            }
            var source = ListedHolders()
            source.open = [
                Self.lockA: [open(7, write: true, file: 0x70), open(8, write: true, file: 0x81)],
                Self.lockB: [open(8, write: true, file: 0x80), open(7, write: true, file: 0x71)],
            ]
            source.locked = [
                Self.lockA: [lock(owner: 0x70, address: 1), lock(owner: 0x81, address: 2, blocker: 1, waiter: 8)],
                Self.lockB: [lock(owner: 0x80, address: 3), lock(owner: 0x71, address: 4, blocker: 3, waiter: 7)],
            ]
            source.views = [.process(7): [one], .process(8): [other]]
            return findings([one], source)
        }
        var dead = try look(alarm: false)
        #expect(dead.deadlocks.map(\.tids) == [[7, 8]])
        #expect(told(&dead, 7)?.reason == .cycle)
        #expect(told(&dead, 7)?.root.value?.kind == .deadlock)
        #expect(told(&dead, 7)?.chain.hasSuffix("back to cat[7]") == true)
        var alive = try look(alarm: true)
        #expect(alive.deadlocks.isEmpty)
        #expect(told(&alive, 7)?.reason == .lockHeld)
        #expect(told(&alive, 7)?.chain.hasSuffix("back to cat[7]") == true, "it comes back to its start all the same")
    }

    @Test func `nobody is said only when the kernel's count says so too`() throws {
        for (writers, reason, unresolved) in [
            (UInt32(0), Reason.peerGone, [String]()), (1, .unknown, ["holders=in_flight"]),
        ] {
            var findings = findings([try thread(7) { self.pipe(&$0, 1, writers: writers) }], ListedHolders())
            let found = findings.finding(of: 7)
            let finding = try #require(found)
            #expect(finding.reason == reason)
            #expect(finding.unresolved == unresolved)
        }
    }

    @Test func `only itself is nobody, unless it has other threads`() throws {
        var source = ListedHolders()
        source.open = [Self.pipeOne: [open(7, read: true, write: true)]]
        let alone = try thread(7) { self.pipe(&$0, 1, writers: 1) }
        source.views = [.process(7): [alone]]
        var one = findings([alone], source)
        #expect(told(&one, 7)?.reason == .peerGone)
        #expect(told(&one, 7)?.root.value?.kind == .nobody)
        let many = try thread(7) {
            self.pipe(&$0, 1, writers: 1)
            $0.flags = 0
        }
        source.views = [
            .process(7): [
                many,
                try thread(7) {
                    $0.pid = 70; $0.kind = BW_KIND_RUNNING.rawValue
                },
            ]
        ]
        var two = findings([many], source)
        #expect(told(&two, 7)?.verdict != .stuck)
    }

    @Test func `more locks on one file than are read are said`() throws {
        let waiter = try thread(7) { self.flock(&$0, 1, file: 70) }
        let question = FileQuestion.inode(device: 8, inode: 1, wantsLocks: true)
        var source = ListedHolders()
        source.open = [question: [open(8, read: true, file: 80)]]
        source.views = [.process(8): [try thread(8)]]
        for count in [127, 128] {
            source.locked = [question: (1...UInt64(count)).map { lock(owner: 80, address: $0) }]
            var findings = findings([waiter], source)
            let finding = findings.finding(of: 7)
            #expect(finding?.holders.map(\.pid) == [8])
            #expect(finding?.holderCount == 1)
            #expect(finding?.unresolved == (count == 128 ? ["holders=too_many"] : []))
        }
    }

    @Test func `a pass that does not end in time is said`() throws {
        var source = ListedHolders()
        source.answersInTime = false
        var findings = findings([try thread(7) { self.pipe(&$0, 1, writers: 1) }], source)
        let found = findings.finding(of: 7)
        let finding = try #require(found)
        #expect(finding.unresolved == ["holders=timed_out"])
        #expect(finding.holders.isEmpty)
    }

    @Test func `a mutex names its owner from the waiter's memory`() throws {
        let waiter = try thread(7) {
            $0.number = 202
            $0.class_ = 5
            $0.fd = -1
            $0.args = (0x1000, 128, 2, 0, 0, 0)
        }
        let owner = try thread(7) {
            $0.pid = 71
            $0.own_pid = 71
            $0.number = 34
            $0.class_ = 7
        }
        func word(_ values: [Int32]) -> [UInt8] { values.flatMap { withUnsafeBytes(of: $0) { Array($0) } } }
        var source = ListedHolders()
        source.views = [.inner(namespace: 1, tid: 71): [owner]]
        let question = RiskyQuestion.memory(pid: 7, address: 0x1000, length: 32)
        var answers = ListedAnswers()
        // __lock, __count, __owner, __nusers, __kind
        answers.answers[question] = .bytes(word([2, 0, 71, 1, 0, 0, 0, 0]))
        var held = findings([waiter], source, memory: answers)
        #expect(told(&held, 7)?.holders.map(\.tid) == [71])
        #expect(told(&held, 7)?.reason == .lockHeld)
        // a condition variable: nothing is guessed
        answers.answers[question] = .bytes(word([0, 0, 71, 1, 0, 0, 0, 0]))
        var parked = findings([waiter], source, memory: answers)
        #expect(told(&parked, 7)?.holders.isEmpty == true)
        #expect(told(&parked, 7)?.reason == .parked)
    }

    @Test func `answers of the passes are taken apart, and no bytes make it trap`() throws {
        var file = bw_file()
        file.type = BW_RECORD_FILE.rawValue
        file.tgid = 5
        var held = bw_lock()
        held.type = BW_RECORD_LOCK.rawValue
        held.taker = -1
        let bytes = withUnsafeBytes(of: file) { Array($0) } + withUnsafeBytes(of: held) { Array($0) }
        var set = bw_set()
        set.type = BW_RECORD_SET.rawValue
        set.count = 1
        set.is_cut = 1
        set.items.0 = bw_set_item(fd: 9, events: 1)
        let items = withUnsafeBytes(of: set) { Array($0.prefix(24)) }
        let answer = try HolderRecords.files(bytes + items)
        #expect(answer.sets == [EpollItems(question: 0, items: [.init(descriptor: 9, events: 1)], isCut: true)])
        #expect(throws: DecodeError.self) { _ = try HolderRecords.files(Array(items.dropLast())) }
        #expect(answer.files.map(\.pid) == [5])
        #expect(answer.locks.map(\.taker) == [-1])
        for length in 0..<bytes.count where length != MemoryLayout<bw_file>.size && length != 0 {
            #expect(throws: DecodeError.self) { _ = try HolderRecords.files(Array(bytes[..<length])) }
        }
        let view = Bytes.call(cgroup: ["a.slice"]) { $0.type = BW_RECORD_VIEW.rawValue }
        let padded = view + [UInt8](repeating: 0, count: (8 - view.count % 8) % 8)
        #expect(try HolderRecords.threads(padded + padded).map(\.tid) == [8, 8])
        #expect(throws: DecodeError.self) { _ = try HolderRecords.threads(Array(padded.dropLast(9))) }
        #expect(throws: DecodeError.self) { _ = try HolderRecords.threads([9, 9, 9, 9, 9]) }
    }
}
