/// A file lock (flock, POSIX, OFD): whoever holds one that is in the way, and those who stand in line before.
struct LockTarget: Target {
    let question: FileQuestion
    let fields: LockFields
    /// Owners of flock and OFD locks, and of POSIX ones, as addresses.
    let file, table: UInt64

    init?(_ record: CallRecord, _ call: BlockedCall) {
        guard let ordinary = OrdinaryCall(record, call), let object = record.object, let lock = ordinary.resource.lock
        else {
            return nil
        }
        question = .inode(device: object.rawDevice, inode: object.inode, wantsLocks: true)
        fields = lock
        file = object.file
        table = record.descriptorTable
    }

    /// `LOCKS_MAX`: of one file, those who wait included; what lies beyond was not read.
    private static let mostLocks = 128

    var questions: [FileQuestion] { [question] }

    func views(of wait: Wait, in look: Investigation) -> [ViewQuestion] {
        look.locks(question).compactMap { lock in lock.waiter.flatMap { $0 == wait.tid ? nil : .thread($0) } }
    }

    private var ownKind: FileLock.Kind { fields.type == "flock" ? .flock : fields.type == "ofd" ? .ofd : .posix }

    /// Every lock in the way must go; those queued before are told.
    func relation(of wait: Wait, in look: Investigation) -> Relation {
        var relation = Relation()
        let open = look.open(question)
        let all = look.locks(question)
        var isMissing = false
        for lock in held(inTheWayOf: wait, all) {
            let owners = open.filter { lock.kind == .posix ? $0.table == lock.owner : $0.file == lock.owner }
            let found = look.holders(owners, .lockHolder)
            if found.isEmpty { isMissing = true }
            relation.add(found)
        }
        relation.tell(queued(before: wait, all).compactMap { look.holder(thread: $0, .queued) })
        relation.situation = .lock
        relation.wholeIfFound(else: .inFlight)
        if isMissing { relation.coverage = .partial(.inFlight, isTold: true) }
        if all.count >= Self.mostLocks { relation.coverage = .partial(.tooMany, isTold: true) }
        return relation
    }

    /// Locks of others that are in the way: held ones of the kind that excludes this one.
    private func held(inTheWayOf wait: Wait, _ all: [FileLock]) -> [FileLock] {
        let owner = all.first { $0.waiter == wait.tid }?.owner ?? (ownKind == .posix ? table : file)
        return all.filter { lock in
            guard lock.blocker == nil, lock.owner != owner, (lock.kind == .flock) == (ownKind == .flock) else {
                return false
            }
            guard lock.isWrite || fields.mode == "write" else { return false }
            return lock.kind == .flock
                || lock.start <= fields.end ?? .max && lock.end >= fields.start ?? 0
        }
    }

    /// Threads that the kernel has put in line before this one.
    private func queued(before wait: Wait, _ all: [FileLock]) -> [Int] {
        let byAddress = Dictionary(all.map { ($0.address, $0) }) { first, _ in first }
        var queued: [Int] = []
        var next = all.first { $0.waiter == wait.tid }?.blocker
        // locks that changed while they were read may wait for each other in a circle
        var followed: Set<UInt64> = []
        while let address = next, let lock = byAddress[address], followed.insert(address).inserted {
            if let waiter = lock.waiter { queued.append(waiter) }
            next = lock.blocker
        }
        return queued
    }
}
