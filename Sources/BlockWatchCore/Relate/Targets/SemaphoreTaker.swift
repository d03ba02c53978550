/// Who has a System V semaphore, from what a waiter asks of it and from what the kernel keeps with it.
///
/// Nothing in the kernel says that a semaphore is a lock. Its two customary shapes are taken for one, counts are not.
struct SemaphoreTaker: Equatable {
    /// In blockwatch's own PID namespace.
    let pid: Int
    /// No such process, or another one has its number by now.
    let isGone: Bool

    /// How a lock is taken by the waiter: one off from one, or up from zero.
    struct Locking: Equatable {
        let number: UInt16
        /// Of the semaphore, as long as somebody has it.
        let taken: Int64

        /// - Parameter operations: `struct sembuf`: number, change, flags, of two bytes each.
        init?(operations: [UInt8]) {
            func operation(_ index: Int) -> (number: UInt16, change: Int64)? {
                guard let number = UserMemory.integer(operations, at: index * size, size: 2),
                    let change = UserMemory.integer(operations, at: index * size + 2, size: 2)
                else { return nil }
                return (UInt16(truncatingIfNeeded: number), change)
            }
            let size = SemaphoreTaker.operationSize
            guard operations.count % size == 0, let first = operation(0) else { return nil }
            switch operations.count / size {
            case 1 where first.change == -1: (number, taken) = (first.number, 0)
            case 2 where first.change == 0:
                guard let second = operation(1), second.number == first.number, second.change == 1 else { return nil }
                (number, taken) = (first.number, 1)
            default: return nil
            }
        }
    }

    private static let operationSize = 6

    /// What the waiter asks for; `nil` for more than a lock takes.
    static func operations(pid: Int32, _ call: SystemCall) -> RiskyQuestion? {
        guard (1...2).contains(call.arguments[2]) else { return nil }
        return .memory(pid: pid, address: call.arguments[1], length: Int(call.arguments[2]) * operationSize)
    }

    /// - Parameter answer: to ``RiskyQuestion/semaphore(pid:set:number:)``
    static func read(_ answer: [UInt8], _ lock: Locking) -> Evidence<SemaphoreTaker> {
        let fields = (0..<5).compactMap { UserMemory.integer(answer, at: $0 * 8, size: 8) }
        guard fields.count == 5 else { return .unknown(.inFlight) }
        let (value, pid, sinceUse, sinceSet, age) = (fields[0], fields[1], fields[2], fields[3], fields[4])
        // set by hand since, or never used: whoever did that has taken nothing
        guard value == lock.taken, sinceUse >= 0, sinceUse <= sinceSet else { return .absent }
        // the kernel names nobody where that process is in no namespace of ours
        guard pid > 0 else { return .unknown(.notPermitted) }
        // both in whole seconds
        return .known(SemaphoreTaker(pid: Int(pid), isGone: age < 0 || age < sinceUse - 2))
    }
}
