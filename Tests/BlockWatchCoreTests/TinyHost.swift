import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// Small hosts made of records.
protocol TinyHost {
    var tree: ProcTree { get }
}

extension TinyHost {
    /// Numbers of threads are their processes' here; each is blocked for 5 s unless said otherwise.
    func thread(_ pid: UInt32, _ change: @escaping (inout bw_call) -> Void = { _ in }) throws -> CallRecord {
        try Bytes.callRecord(bytes(pid, change))
    }

    /// The same as it comes from the kernel.
    func bytes(_ pid: UInt32, _ change: (inout bw_call) -> Void) -> [UInt8] {
        Bytes.call {
            $0.id = UInt64(pid)
            $0.tgid = pid
            $0.pid = pid
            $0.own_tgid = pid
            $0.own_pid = pid
            $0.reader_tgid = pid
            $0.reader_pid = pid
            $0.flags = UInt32(BW_CALL_SINGLE)
            $0.pid_namespace = 1
            $0.files = UInt64(pid) << 20
            change(&$0)
        }
    }

    func sleeping(_ raw: inout bw_call) {
        raw.number = 35
        raw.class_ = 6
        raw.fd = -1
    }
    func pausing(_ raw: inout bw_call) {
        raw.number = 34
        raw.class_ = 7
        raw.fd = -1
    }
    func running(_ raw: inout bw_call) {
        raw.kind = BW_KIND_RUNNING.rawValue
        raw.flags |= UInt32(BW_CALL_ON_CPU)
    }

    /// The questions that ``pipe(_:_:writers:)`` of inode 1 and ``flock(_:_:file:)`` of inode 10 bring up.
    static var pipeOne: FileQuestion { .inode(device: 14, inode: 1) }
    static var lockA: FileQuestion { .inode(device: 8, inode: 10, wantsLocks: true) }

    func told(_ findings: inout Findings, _ tid: Int) throws -> Finding {
        let found = findings.finding(of: tid)
        return try #require(found)
    }

    func pipe(_ raw: inout bw_call, _ inode: UInt64, writers: UInt32) {
        raw.object.kind = BW_OBJECT_PIPE.rawValue
        raw.object.mode = 0o010600
        raw.object.inode = inode
        raw.object.device = 14
        Bytes.set(&raw.object.fs_name, "pipefs")
        raw.object.u.pipe.writers = writers
    }

    func flock(_ raw: inout bw_call, _ inode: UInt64, file: UInt64) {
        raw.number = 73
        raw.class_ = 3
        raw.args.1 = 2
        raw.object.kind = BW_OBJECT_FILE.rawValue
        raw.object.mode = 0o100600
        raw.object.inode = inode
        raw.object.device = 8
        raw.object.file = file
    }

    func open(_ pid: Int, read: Bool = false, write: Bool = false, file: UInt64 = 0) -> OpenFile {
        var raw = bw_file()
        raw.tgid = UInt32(pid)
        raw.pid = UInt32(pid)
        raw.fd = 4
        raw.mode = (read ? 1 : 0) | (write ? 2 : 0)
        raw.file = file
        raw.files = UInt64(pid) << 20
        return OpenFile(raw: raw)
    }

    func lock(owner: UInt64, address: UInt64, blocker: UInt64 = 0, waiter: UInt32 = 0) -> FileLock {
        var raw = bw_lock()
        raw.address = address
        raw.blocker = blocker
        raw.owner = owner
        raw.flags = 2
        raw.mode = 1
        raw.end = .max
        raw.waiter = waiter
        return FileLock(raw: raw)
    }

    func findings(
        _ seeds: [CallRecord], _ source: ListedHolders, memory: ListedAnswers = .init(),
        devices: BlockDevices = BlockDevices(), symbols: [UInt64: String] = [:]
    ) -> Findings {
        var source = source
        var risky = memory
        var identifier = tree.identifier(.none, symbols: symbols)
        let calls = identifier.identify(seeds, clock: clock, isBrief: true, risky: &risky)
        var investigation = Investigation(devices: devices)
        investigation.run(
            zip(seeds, calls).map { ($0, $1) }, source: &source, risky: &risky, identifier: &identifier, clock: clock)
        return Findings(investigation, thresholdNanoseconds: 5_000_000_000, bootID: "boot", nativeABI: .x86_64)
    }
}
