import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// What the bytes around a futex word say of its owner, and what follows from it for whoever waits.
@Suite struct `Who owns a futex`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private static let wait: UInt64 = 0
    private static let waitBitset: UInt64 = 9
    private static let lockPI: UInt64 = 6
    private static let isPrivate: UInt64 = 0x80

    private func bytes(_ values: [UInt32]) -> [UInt8] { values.flatMap { withUnsafeBytes(of: $0) { Array($0) } } }

    private func read(
        _ operation: UInt64, expected: UInt64, _ word: [UInt32], before: [UInt32]? = nil, abi: ABI = .x86_64
    ) -> Evidence<FutexOwner> {
        let call = SystemCall(
            name: "futex", number: 202, abi: abi, arguments: [0x1000, operation, expected, 0, 0, 0])
        return FutexOwner.read(call, word: bytes(word), around: before.map { bytes($0) + bytes(word) })
    }

    // MARK: - bytes

    @Test func `a mutex is one only if its kind, its count, its users and the shared flag agree`() {
        /// `__lock, __count, __owner, __nusers, __kind`
        func mutex(
            _ operation: UInt64 = Self.isPrivate, count: UInt32 = 0, owner: UInt32 = 71, users: UInt32 = 1,
            kind: UInt32, expected: UInt64 = 2
        ) -> Evidence<FutexOwner> {
            read(operation, expected: expected, [2, count, owner, users, kind, 0, 0, 0])
        }
        let held = Evidence.known(FutexOwner.mutex(owner: 71))
        // normal, error-checking and adaptive ones; a recursive one counts
        for kind in [UInt32(0), 2, 3] {
            #expect(mutex(kind: kind) == held)
            #expect(mutex(count: 1, kind: kind) == .absent)
        }
        #expect(mutex(count: 1, kind: 1) == held)
        #expect(mutex(kind: 1) == .absent)
        // no such kind, and those whose words name their owners: robust, priority inheritance and protection
        for kind in [UInt32(4), 0x10, 0x20, 0x40, 0x400, 0xffff_ffff] { #expect(mutex(kind: kind) == .absent) }
        // shared between processes: its kind says so, and so does the call
        #expect(mutex(Self.wait, kind: 0x80) == held)
        #expect(mutex(Self.isPrivate, kind: 0x80) == .absent)
        #expect(mutex(Self.wait, kind: 0) == .absent)
        #expect(mutex(users: 0, kind: 0) == .absent)
        #expect(mutex(owner: 0, kind: 0) == .absent)
        #expect(mutex(kind: 0, expected: 1) == .absent, "not the value that a locker waits for")
        // where words have 32 bits, the kind stands before the users
        let narrow: [UInt32] = [2, 0, 71, 0x2, 1, 0, 0, 0]
        #expect(read(Self.isPrivate, expected: 2, narrow, abi: .i386) == held)
        #expect(read(Self.isPrivate, expected: 2, narrow) == .absent)
    }

    @Test func `robust mutexes and those of the kernel name their owner in the word, also in small numbers`() {
        let word: [UInt32] = [0x8000_0047, 0, 0, 0, 0, 0, 0, 0]
        let owner = Evidence.known(FutexOwner.mutex(owner: 0x47))
        #expect(read(Self.isPrivate, expected: 0x8000_0047, word) == owner)
        #expect(read(Self.waitBitset, expected: 0x8000_0047, word) == owner, "a shared one, taken with a time-out")
        #expect(read(Self.waitBitset | Self.isPrivate, expected: 0x8000_0047, word) == .absent)
        #expect(read(Self.isPrivate, expected: 0x8000_0048, word) == .absent, "it has changed hands since")
        #expect(read(Self.lockPI | Self.isPrivate, expected: 0, word) == owner)
        #expect(read(Self.lockPI | Self.isPrivate, expected: 0, [1]) == .known(.mutex(owner: 1)), "as in a container")
        #expect(read(Self.lockPI | Self.isPrivate, expected: 0, [0]) == .absent)
    }

    @Test func `the end of a thread is told from a lock by the thread's list of robust mutexes`() {
        /// `pd->tid`, then two pointers
        func thread(_ tid: UInt32, previous: UInt32, first: UInt32) -> [UInt32] {
            [tid, 0, previous, 0x7f00, first, 0x7f00, 0, 0]
        }
        let joined = thread(16, previous: 0x1000, first: 0x1000)
        #expect(read(Self.waitBitset | 0x100, expected: 16, joined) == .known(.join(thread: 16)))
        #expect(read(Self.waitBitset | 0x100, expected: 17, joined) == .absent)
        #expect(
            read(Self.waitBitset | Self.isPrivate, expected: 16, joined) == .absent, "the kernel wakes it as shared")
        #expect(read(Self.wait, expected: 16, joined) == .absent)
        // a word that is 2 and nothing like a list behind it: a lock, and no wait for thread 2
        #expect(read(Self.waitBitset, expected: 2, [2, 0, 0, 0, 0, 0, 0, 0]) == .absent)
        // where words have 32 bits a mutex has its owner's number there, which may be large, and even
        let shared: [UInt32] = [2, 0, 70_804, 0x80, 1, 0, 0, 0]
        #expect(read(Self.waitBitset | 0x100, expected: 2, shared, abi: .i386) == .known(.mutex(owner: 70_804)))
        let narrow: [UInt32] = [16, 0, 0xf7d0_1b48, 0, 0, 0, 0, 0]
        #expect(read(Self.waitBitset | 0x100, expected: 16, narrow, abi: .i386) == .known(.join(thread: 16)))
    }

    /// `__readers, __writers, __wrphase_futex, __writers_futex, __pad3, __pad4, __cur_writer, __shared`
    private func rwlock(
        _ operation: UInt64, readers: UInt32, writer: UInt32, phase: UInt32 = 3, queue: UInt32 = 2, shared: UInt32,
        atPhase: Bool
    ) -> Evidence<FutexOwner> {
        let all = [readers, 1, phase, queue, 0, 0, writer, shared] + [UInt32](repeating: 0, count: 10)
        return atPhase
            ? read(operation, expected: UInt64(phase), Array(all[2...]), before: [0] + all[..<2])
            : read(operation, expected: UInt64(queue), Array(all[3...]), before: Array(all[..<3]))
    }

    @Test func `an rwlock names its writer, private or shared, to readers and to writers`() {
        for (flag, shared) in [(Self.isPrivate, UInt32(0)), (0, 1)] {
            for atPhase in [true, false] {
                #expect(
                    rwlock(Self.waitBitset | flag, readers: 3, writer: 71, shared: shared, atPhase: atPhase)
                        == .known(.rwlock(writer: 71)))
                #expect(
                    rwlock(Self.waitBitset | flag, readers: 3, writer: 71, shared: 1 - shared, atPhase: atPhase)
                        == .absent, "its own flag says otherwise")
            }
        }
    }

    @Test func `readers of an rwlock are counted and not named: that is not known, and not none`() {
        for atPhase in [true, false] {
            #expect(
                rwlock(
                    Self.waitBitset | Self.isPrivate, readers: 1 << 3, writer: 0, phase: 2, shared: 0, atPhase: atPhase)
                    == .unknown(.notRecorded))
        }
        #expect(
            rwlock(Self.waitBitset | Self.isPrivate, readers: 0, writer: 0, phase: 2, shared: 0, atPhase: true)
                == .absent, "nobody is in it")
    }

    @Test func `a word that was not read is not known`() {
        #expect(read(Self.wait, expected: 2, []) == .unknown(.inFlight))
    }

    // MARK: - what follows

    private func waiter(
        _ operation: UInt64 = Self.isPrivate, _ change: @escaping (inout bw_call) -> Void = { _ in }
    ) throws -> CallRecord {
        try thread(7) {
            $0.number = 202
            $0.class_ = 5
            $0.fd = -1
            $0.args = (0x1000, operation, 2, 0, 0, 0)
            change(&$0)
        }
    }
    private static let around = RiskyQuestion.memory(
        pid: 7, address: 0x1000 - FutexOwner.before, length: FutexOwner.length)
    private static let alone = RiskyQuestion.memory(pid: 7, address: 0x1000, length: FutexOwner.wordLength)

    /// A mutex of thread 71, in front of which lie twelve bytes of something else.
    private func mutex(kind: UInt32 = 0) -> ListedAnswers {
        ListedAnswers(answers: [Self.around: .bytes(bytes([0, 0, 0, 2, 0, 71, 1, kind, 0, 0, 0, 0]))])
    }

    private func finding(
        _ waiter: CallRecord, _ memory: ListedAnswers, owner: CallRecord? = nil, others: [CallRecord] = []
    ) throws -> Finding {
        var source = ListedHolders()
        let owners = (owner.map { [$0] } ?? []) + others
        for namespace: UInt32 in [0, 1] { source.views[.inner(namespace: namespace, tid: 71)] = owners }
        var findings = findings([waiter], source, memory: memory)
        let found = findings.finding(of: 7)
        return try #require(found)
    }

    /// - Parameter namespace: in which it has the number 71.
    private func owner(pid: UInt32, namespace: UInt32 = 1) throws -> CallRecord {
        try thread(pid) {
            $0.pid = namespace == 1 ? 71 : pid
            $0.pid_namespace = namespace
            $0.own_pid = 71
            $0.number = 34
            $0.class_ = 7
            $0.fd = -1
        }
    }

    @Test func `a private mutex whose owner is no thread of the process is released by nobody`() throws {
        for owner in [nil, try owner(pid: 9)] {
            let finding = try finding(try waiter(), mutex(), owner: owner)
            #expect(finding.verdict == .stuck)
            #expect(finding.reason == .ownerGone)
            #expect(finding.holders.isEmpty)
            #expect(finding.root.value?.kind == .nobody)
            #expect(finding.chain.contains("thread 71"))
            #expect(finding.unresolved.isEmpty)
            #expect(finding.evidence == ["rule=futex", "owner tid 71"])
        }
        let held = try finding(try waiter(), mutex(), owner: try owner(pid: 7))
        #expect(held.reason == .lockHeld)
        #expect(held.holders.map(\.tid) == [71])
        #expect(held.holders.map(\.role) == [.owner])
    }

    /// One mapping of an object with that inode, at a place of its own in each process.
    private func mapping(_ inode: Int, at start: UInt64 = 0x1000, _ permissions: String = "rw-s") -> RiskyAnswer {
        let range = String(start, radix: 16) + "-" + String(start + 0x1000, radix: 16)
        let other = "400000-401000 r-xp 00000000 08:01 77 /bin/a b\n"
        return .bytes(
            SharedMemory.lines(maps: Array("\(other)\(range) \(permissions) 00000000 00:01 \(inode) /x\n".utf8)))
    }

    @Test func `a shared mutex may be another process's, and whose it is may not be known`() throws {
        let shared = try waiter(Self.wait)
        func finding(_ owners: [CallRecord], _ memory: [Int32: RiskyAnswer]) throws -> Finding {
            var answers = mutex(kind: 0x80)
            for (pid, answer) in memory { answers.answers[.sharedMemory(pid: pid)] = answer }
            return try self.finding(shared, answers, others: owners)
        }
        let nine = try owner(pid: 9)
        let held = try finding([nine], [7: mapping(5), 9: mapping(5, at: 0x7000)])
        #expect(held.reason == .lockHeld)
        #expect(held.holders.map(\.pid) == [9])
        // its number in a PID namespace of its own: an owner all the same
        let inside = try owner(pid: 9, namespace: 44)
        #expect(try finding([inside], [7: mapping(5), 9: mapping(5)]).holders.map(\.pid) == [9])
        // somebody of that number who does not have the memory is not it
        let innocent = try owner(pid: 8)
        #expect(
            try finding([innocent, inside], [7: mapping(5), 8: mapping(6), 9: mapping(5)]).holders.map(\.pid) == [9])
        let open: [([CallRecord], [Int32: RiskyAnswer], String)] = [
            ([], [7: mapping(5)], "process_gone"), ([nine], [7: mapping(5), 9: mapping(5, "rw-p")], "process_gone"),
            ([innocent, inside], [7: mapping(5), 8: mapping(5), 9: mapping(5)], "too_many"),
            ([nine], [9: mapping(5)], "timed_out"),
        ]
        for (owners, memory, gap) in open {
            let unknown = try finding(owners, memory)
            #expect(unknown.reason == .unknown)
            #expect(unknown.verdict == .waiting)
            #expect(unknown.holders.isEmpty)
            #expect(unknown.unresolved == ["holders=\(gap)"])
            #expect(unknown.root.gap != nil)
        }
    }

    @Test func `what could not be read is not known, and not parked`() throws {
        for (answer, reason) in [
            (RiskyAnswer.timedOut, "timed_out"), (.failed(1), "not_permitted"), (.failed(3), "process_gone"),
            (.failed(14), "in_flight"),
        ] {
            let memory = ListedAnswers(answers: [Self.around: answer, Self.alone: answer])
            let finding = try finding(try waiter(), memory)
            #expect(finding.reason == .unknown)
            #expect(finding.verdict == .waiting)
            #expect(finding.unresolved == ["holders=\(reason)"])
        }
        let parked = try finding(
            try waiter(), ListedAnswers(answers: [Self.around: .bytes(bytes(Array(repeating: 0, count: 18)))]))
        #expect(parked.reason == .parked)
        #expect(parked.unresolved.isEmpty)
    }

    @Test func `where the page in front of the word is not there, the word alone is read`() throws {
        let memory = ListedAnswers(answers: [
            Self.around: .failed(14), Self.alone: .bytes(bytes([2, 0, 71, 1, 0, 0, 0, 0])),
        ])
        #expect(try finding(try waiter(), memory, owner: try owner(pid: 7)).reason == .lockHeld)
    }

    @Test func `an rwlock that readers have is waited for by a lock's name, and said to be kept by nobody's`() throws {
        let lock: [UInt32] = [1 << 3, 1, 2, 2, 0, 0, 0, 0] + [UInt32](repeating: 0, count: 10)
        let memory = ListedAnswers(answers: [Self.around: .bytes(bytes([0] + lock))])
        let finding = try finding(try waiter(Self.waitBitset | Self.isPrivate), memory)
        #expect(finding.reason == .unknown)
        #expect(finding.unresolved == ["holders=not_recorded"])
        #expect(finding.root == .unknown(.notRecorded))
    }

    /// syscall(3) takes the sixth argument from the stack, and whoever calls it is not the C library.
    @Test func `a call from outside of the C library is for a lock of another make, whatever it looks like`() throws {
        let library: UInt64 = 0x7f00_0010_0000
        func caller(_ address: UInt64, sixth: UInt64) throws -> Finding {
            let waiter = try waiter {
                $0.args.5 = 0xffff_ffff
                $0.ip = library
                $0.sp = 0x7000
            }
            var memory = mutex()
            memory.answers[.memory(pid: 7, address: 0x7000, length: 16)] = .bytes(
                withUnsafeBytes(of: address) { Array($0) } + withUnsafeBytes(of: sixth) { Array($0) })
            return try finding(waiter, memory, owner: try owner(pid: 7))
        }
        let foreign = try caller(0x5555_0000_1000, sixth: 0xffff_ffff)
        #expect(foreign.reason == .parked)
        #expect(foreign.holders.isEmpty)
        #expect(try caller(library - 0x5000, sixth: 0xffff_ffff).reason == .lockHeld, "from within")
        #expect(try caller(0x5555_0000_1000, sixth: 0).reason == .lockHeld, "not by syscall(3)")
    }

    @Test func `a thread that wants the mutex it has is a deadlock of one`() throws {
        let waiter = try waiter {
            $0.pid = 71
            $0.own_pid = 71
        }
        var findings = findings([waiter], ListedHolders(), memory: mutex())
        #expect(findings.deadlocks.map(\.tids) == [[71]])
        let found = findings.finding(of: 71)
        let finding = try #require(found)
        #expect(finding.reason == .cycle)
        #expect(finding.root.value?.doing == "deadlock of 1 thread")
    }
}
