/// Who owns the lock behind a futex, from the bytes around its word: glibc's and musl's layouts, checked for sense,
/// because nothing in the kernel says what a futex is part of.
///
/// Thread numbers are those of the waiter's own PID namespace.
enum FutexOwner: Equatable {
    case mutex(owner: Int)
    case rwlock(writer: Int)
    /// pthread_join: the thread that is to end.
    case join(thread: Int)

    var number: Int {
        switch self {
        case .mutex(let number), .rwlock(let number), .join(let number): number
        }
    }
    var isJoin: Bool { if case .join = self { true } else { false } }

    /// Bytes to read before and from the futex word.
    static let before: UInt64 = 12
    static let length = 72
    /// From the word on, where nothing in front of it can be read.
    static let wordLength = 32

    /// - Parameters:
    ///   - word: from the futex word on.
    ///   - around: from ``before`` in front of it, or shorter if that is not there.
    /// - Returns: absent for a condition variable, a semaphore, a lock of some other make.
    static func read(_ call: SystemCall, word: [UInt8], around: [UInt8]?) -> Evidence<FutexOwner> {
        guess(call, word: word, around: around).map { .known($0) } ?? .absent
    }

    private static func guess(_ call: SystemCall, word: [UInt8], around: [UInt8]?) -> FutexOwner? {
        guard call.arguments.count >= 3, let value = UserMemory.integer(word, at: 0, size: 4) else { return nil }
        let current = UInt32(truncatingIfNeeded: value)
        let expected = UInt32(truncatingIfNeeded: call.arguments[2])
        let operation = call.arguments[1] & 0x7f
        let isPrivate = call.arguments[1] & 0x80 != 0
        let tidMask: UInt32 = 0x3fff_ffff
        let owner = Int(current & tidMask)

        switch operation {
        case 6, 13:  // FUTEX_LOCK_PI, FUTEX_LOCK_PI2: the word is the owner
            return owner > 0 ? .mutex(owner: owner) : nil
        case 0:  // FUTEX_WAIT
            // robust mutexes of glibc and musl's with an owner: its number with the waiters' bit
            if current & 0x8000_0000 != 0, owner > 1, current == expected, owner != 16 { return .mutex(owner: owner) }
            guard current == 2, expected == 2 else { return nil }
            return glibcMutex(call.abi, word)
        case 9:  // FUTEX_WAIT_BITSET
            // pd->tid, which the kernel clears when the thread ends
            if !isPrivate, current == expected, owner > 1, current & 0xc000_0000 == 0 { return .join(thread: owner) }
            return rwlock(call, word, around) ?? timedMutex(call.abi, current, expected, word)
        default:
            return nil
        }
    }

    /// pthread_mutex_timedlock waits like the others, by another operation.
    private static func timedMutex(_ abi: ABI, _ current: UInt32, _ expected: UInt32, _ word: [UInt8]) -> FutexOwner? {
        current == 2 && expected == 2 ? glibcMutex(abi, word) : nil
    }

    /// `__lock, __count, __owner, __nusers, __kind`, the last two the other way round where words have 32 bits
    private static func glibcMutex(_ abi: ABI, _ word: [UInt8]) -> FutexOwner? {
        guard let owner = UserMemory.integer(word, at: 8, size: 4), owner > 0,
            let users = UserMemory.integer(word, at: abi == .i386 ? 16 : 12, size: 4), (1...1 << 20).contains(users),
            let kind = UserMemory.integer(word, at: abi == .i386 ? 12 : 16, size: 4), (0..<0x400).contains(kind),
            kind & 0xf <= 3
        else { return nil }
        return .mutex(owner: Int(owner))
    }

    /// `__readers, __writers, __wrphase_futex, __writers_futex, __pad3, __pad4, __cur_writer, __shared`; the futex is
    /// the third or the fourth. Where words have 32 bits, four bytes of flags stand before `__cur_writer`.
    private static func rwlock(_ call: SystemCall, _ word: [UInt8], _ around: [UInt8]?) -> FutexOwner? {
        guard let around, let value = UserMemory.integer(word, at: 0, size: 4), value == 2 || value == 3 else {
            return nil
        }
        // where the lock would begin in `around`
        for base in [4, 0] {
            guard let readers = UserMemory.integer(around, at: base, size: 4),
                let writers = UserMemory.integer(around, at: base + 4, size: 4), (0...1 << 20).contains(writers),
                let writer = UserMemory.integer(around, at: base + (call.abi == .i386 ? 28 : 24), size: 4), writer > 0,
                let shared = UserMemory.integer(around, at: base + (call.abi == .i386 ? 25 : 28), size: 1),
                shared == 0 || shared == 1
            else { continue }
            // PTHREAD_RWLOCK_WRLOCKED
            if readers & 2 != 0 { return .rwlock(writer: Int(writer)) }
        }
        return nil
    }
}
