/// Who owns the lock behind a futex, from the bytes around its word: glibc's and musl's layouts, checked for sense,
/// because nothing in the kernel says what a futex is part of.
///
/// Thread numbers are those of the PID namespace in which the owner took the lock.
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
    /// - Returns: absent for a condition variable, a semaphore, a lock of some other make; unknown where the word was not
    ///   read, or where it is a lock that keeps no names.
    static func read(_ call: SystemCall, word: [UInt8], around: [UInt8]?) -> Evidence<FutexOwner> {
        guard call.arguments.count >= 3, word.count >= 4 else { return .unknown(.inFlight) }
        let futex = Futex(call, word: word, around: around)
        switch futex.operation {
        // the kernel itself reads the word as the owner: FUTEX_LOCK_PI, FUTEX_LOCK_PI2
        case 6, 13: return futex.owner > 0 ? .known(.mutex(owner: futex.owner)) : .absent
        // FUTEX_WAIT, FUTEX_WAIT_BITSET
        case 0, 9: return futex.libraryLock
        default: return .absent
        }
    }
}

/// A futex and what lies around it.
private struct Futex {
    let abi: ABI
    let operation: UInt64
    let isPrivate: Bool
    /// What the word is now, and what it was when the thread began to wait for it.
    let current, expected: UInt32
    let word: [UInt8]
    let around: [UInt8]?

    init(_ call: SystemCall, word: [UInt8], around: [UInt8]?) {
        abi = call.abi
        operation = call.arguments[1] & 0x7f
        isPrivate = call.arguments[1] & 0x80 != 0
        current = UInt32(truncatingIfNeeded: UserMemory.integer(word, at: 0, size: 4) ?? 0)
        expected = UInt32(truncatingIfNeeded: call.arguments[2])
        self.word = word
        self.around = around
    }

    /// Of a word that names its owner.
    var owner: Int { Int(current & 0x3fff_ffff) }

    var libraryLock: Evidence<FutexOwner> {
        if let robust { return .known(robust) }
        if operation == 9, let join { return .known(join) }
        if operation == 9, let rwlock { return rwlock }
        if current == 2, expected == 2, let mutex { return .known(mutex) }
        return .absent
    }

    /// Robust mutexes of glibc, and musl's with an owner: its number with the waiters' bit.
    private var robust: FutexOwner? {
        guard current & 0x8000_0000 != 0, owner > 0, current == expected, operation == 0 || !isPrivate else {
            return nil
        }
        return .mutex(owner: owner)
    }

    /// `pd->tid`, which the kernel clears when the thread ends, and then wakes without the private flag. Behind it stands
    /// the thread's list of robust mutexes, which begins and ends at itself: `robust_prev`, where words have 64 bits, and
    /// `robust_head.list`.
    private var join: FutexOwner? {
        guard !isPrivate, current == expected, owner > 0, current & 0xc000_0000 == 0 else { return nil }
        let pointers =
            abi == .i386
            ? [UserMemory.integer(word, at: 8, size: 4).map { UInt64(UInt32(truncatingIfNeeded: $0)) }]
            : [8, 16].map { UserMemory.integer(word, at: $0, size: 8).map { UInt64(bitPattern: $0) } }
        // no thread has so large a number (PID_MAX_LIMIT is 4 Mi), which a mutex has there
        return pointers.allSatisfy { $0.map { $0 >= 0x80_0000 && $0 % 4 == 0 } ?? false } ? .join(thread: owner) : nil
    }

    /// `__lock, __count, __owner, __nusers, __kind`, the last two the other way round where words have 32 bits
    private var mutex: FutexOwner? {
        guard let count = UserMemory.integer(word, at: 4, size: 4),
            let owner = UserMemory.integer(word, at: 8, size: 4), owner > 0, owner < 1 << 30,
            let users = UserMemory.integer(word, at: abi == .i386 ? 16 : 12, size: 4), (1...1 << 20).contains(users),
            let kind = UserMemory.integer(word, at: abi == .i386 ? 12 : 16, size: 4), (0..<0x400).contains(kind)
        else { return nil }
        // robust, and priority inheritance or protection: their words name the owner; recursive ones count
        guard kind & 0x70 == 0, kind & 0xf <= 3, (kind & 0xf == 1) == (count > 0), (kind & 0x80 != 0) == !isPrivate
        else { return nil }
        return .mutex(owner: Int(owner))
    }

    /// `__readers, __writers, __wrphase_futex, __writers_futex, __pad3, __pad4, __cur_writer, __shared`; the futex is
    /// the third or the fourth. Where words have 32 bits, four bytes of flags stand before `__cur_writer`.
    private var rwlock: Evidence<FutexOwner>? {
        guard let around, current == 2 || current == 3, current == expected else { return nil }
        // where the lock would begin in `around`
        for base in [4, 0] {
            guard let readers = UserMemory.integer(around, at: base, size: 4),
                let writers = UserMemory.integer(around, at: base + 4, size: 4), (0...1 << 20).contains(writers),
                let writer = UserMemory.integer(around, at: base + (abi == .i386 ? 28 : 24), size: 4), writer >= 0,
                let shared = UserMemory.integer(around, at: base + (abi == .i386 ? 25 : 28), size: 1),
                shared == (isPrivate ? 0 : 1)
            else { continue }
            // PTHREAD_RWLOCK_WRLOCKED, by whom
            if readers & 2 != 0, writer > 0 { return .known(.rwlock(writer: Int(writer))) }
            // PTHREAD_RWLOCK_WRPHASE is off and readers are in: glibc counts them and keeps no names
            if readers & 1 == 0, readers >> 3 > 0, writer == 0 { return .unknown(.notRecorded) }
        }
        return nil
    }
}
