import BlockWatchBPF
import Testing

@testable import BlockWatchCore

/// Waits that only the kernel, a device, or the server of a file system can end.
@Suite struct `Waits inside of the kernel`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private static let server = FileQuestion.fuseServer(device: 45)
    private static let second: UInt64 = 1_000_000_000

    /// mkdir(2) in a FUSE file system.
    private func mkdir(_ pid: UInt32, _ change: @escaping (inout bw_call) -> Void = { _ in }) throws -> CallRecord {
        try thread(pid) {
            $0.number = 83
            $0.class_ = 8
            $0.fd = -1
            self.mount(&$0, "fuse", device: 45)
            $0.object.u.storage.fuse_device = 45
            change(&$0)
        }
    }

    private func mount(_ raw: inout bw_call, _ type: String, device: UInt32) {
        raw.object = bw_object()
        raw.object.kind = BW_OBJECT_MOUNT.rawValue
        raw.object.device = device
        Bytes.set(&raw.object.fs_name, type)
        Bytes.set(&raw.object.fs_source, "vda")
    }

    /// fsync(2) on a block device's file system, in D.
    private func fsync(
        _ pid: UInt32, device: UInt32 = 254 << 20, _ change: @escaping (inout bw_call) -> Void = { _ in }
    ) throws -> CallRecord {
        try thread(pid) {
            $0.number = 74
            $0.class_ = 1
            $0.state = 2
            self.mount(&$0, "ext4", device: device)
            $0.object.u.storage.block_device = device
            $0.last_ran_ns = $0.start_ns
            change(&$0)
        }
    }

    /// A thread of a FUSE server in read(2) of /dev/fuse.
    private func serving(_ pid: UInt32, tid: UInt32, since start: UInt64, startedAt: UInt64 = second) throws
        -> CallRecord
    {
        try thread(pid) {
            $0.id = UInt64(tid)
            $0.pid = tid
            $0.flags = 0
            $0.threads = 2
            $0.start_ns = start
            $0.thread_start_ns = startedAt
            $0.last_io.0 = bw_io()
            $0.object.kind = BW_OBJECT_FILE.rawValue
            $0.object.mode = 0o020600
            $0.object.rdev = 10 << 20 | 229
        }
    }

    private func hosted(_ threads: [CallRecord]) -> ListedHolders {
        var source = ListedHolders()
        source.open = [Self.server: [open(20, read: true, write: true)]]
        source.views = [.process(20): threads]
        return source
    }

    private static func diskstats(_ writes: UInt64, inFlight: UInt64 = 1, name: String = "254 0 vda") -> [UInt8] {
        Array("\(name) 10 0 0 0 \(writes) 0 0 0 \(inFlight) 0 0 0 0 0 0 0 0\n".utf8)
    }

    private static func devices(_ readings: [(at: UInt64, writes: UInt64)], inFlight: UInt64 = 1) -> BlockDevices {
        var devices = BlockDevices()
        for (at, writes) in readings { devices.note(diskstats(writes, inFlight: inFlight), at: at * second) }
        return devices
    }

    // MARK: - FUSE

    @Test func `a call on a path waits for the server, and so does who is behind its folder's lock`() throws {
        let first = try mkdir(7)
        let behind = try mkdir(8) {
            $0.state = 2
            $0.blocker_pid = 7
        }
        var source = hosted([
            try thread(20) {
                $0.flags |= UInt32(BW_CALL_STOPPED); $0.state = 4
            }
        ])
        source.views[.thread(7)] = [first]
        var findings = findings([first, behind], source)
        for tid in [7, 8] {
            let finding = try told(&findings, tid)
            #expect(finding.reason == .kernelStuck)
            #expect(finding.root.value == Root(kind: .process, pid: 20, name: Array("cat".utf8), doing: "stopped"))
        }
        #expect(try told(&findings, 7).holders.map(\.role) == [.server])
        #expect(try told(&findings, 8).holders.map(\.pid) == [7])
        #expect(try told(&findings, 7).chainID == told(&findings, 8).chainID)
    }

    @Test func `a server that has answered others since is slow, and one that was only given more to do is not`() throws
    {
        let waiter = try mkdir(7)
        let busy = try thread(20) {
            $0.flags = 0
            $0.threads = 2
            $0.number = 34
            $0.class_ = 7
            $0.fd = -1
            $0.start_ns = 10 * Self.second + 1000
        }
        for (start, startedAt, reason) in [
            (13 * Self.second, Self.second, Reason.inProgress),
            // back at once, when the request was taken: nothing since
            (10 * Self.second + 5000, Self.second, .kernelStuck),
            // a thread made to take the next request
            (13 * Self.second, 13 * Self.second, .kernelStuck),
        ] {
            let ready = try serving(20, tid: 21, since: start, startedAt: startedAt)
            var findings = findings([waiter], hosted([busy, ready]))
            let finding = try told(&findings, 7)
            #expect(finding.reason == reason)
            #expect(finding.root.value?.pid == 20)
        }
    }

    @Test func `a server that sleeps over the request is alive, and one whose housekeeper sleeps hangs`() throws {
        let waiter = try mkdir(7)
        for (start, reason) in [
            (10 * Self.second + 1000, Reason.peerSleeping), (13 * Self.second, .kernelStuck),
        ] {
            let sleeper = try thread(20) {
                $0.flags = 0
                $0.threads = 2
                $0.number = 35
                $0.class_ = 6
                $0.fd = -1
                $0.start_ns = start
            }
            let ready = try serving(20, tid: 21, since: 2 * Self.second)
            var findings = findings([waiter], hosted([sleeper, ready]))
            #expect(try told(&findings, 7).reason == reason)
        }
    }

    @Test func `a file system without a server on this host is its own root`() throws {
        let waiter = try mkdir(7) { Bytes.set(&$0.object.fs_name, "virtiofs") }
        var findings = findings([waiter], ListedHolders())
        let finding = try told(&findings, 7)
        #expect(finding.reason == .kernelStuck)
        #expect(finding.root.value?.kind == .device)
        #expect(finding.root.value?.name == Array("virtiofs of vda".utf8))
    }

    @Test func `a call on a path of a network file system waits for its server`() throws {
        let waiter = try mkdir(7) {
            $0.state = 2
            self.mount(&$0, "nfs4", device: 46)
        }
        let mounts = "9 1 0:46 / /n rw - nfs4 files:/home rw\n"
        var findings = findings(
            [waiter], ListedHolders(),
            memory: ListedAnswers(answers: [.mounts(pid: 7, tid: 7): .bytes(Array(mounts.utf8))]))
        let finding = try told(&findings, 7)
        #expect(finding.reason == .kernelStuck)
        #expect(finding.root.value?.kind == .remote)
        #expect(finding.root.value?.address == "files:/home")
    }

    @Test func `where the stack does not tell the file system, the path does`() throws {
        var stack = KernelStack()
        let waiter = try mkdir(7) {
            $0.object = bw_object()
            $0.args.0 = 64
            stack.put("request_wait_answer.isra.0", on: &$0)
        }
        let answers = ListedAnswers(answers: [
            .memory(pid: 7, address: 64, length: Identifier.pathLimit): .bytes(Array("/m/x".utf8)),
            .mounts(pid: 7, tid: 7): .bytes(Array("9 1 0:45 / /m rw - fuse.sshfs host:/x rw\n".utf8)),
        ])
        var findings = findings(
            [waiter], hosted([try serving(20, tid: 20, since: Self.second)]), memory: answers, symbols: stack.symbols)
        let finding = try told(&findings, 7)
        #expect(finding.reason == .kernelStuck)
        #expect(finding.root.value?.pid == 20)
    }

    // MARK: - devices

    @Test func `a device that completes requests is slow, and one that completes none is the root`() throws {
        let waiter = try fsync(7)
        for (readings, reason) in [
            ([(at: UInt64(11), writes: UInt64(5)), (13, 6), (15, 7)], Reason.inProgress),
            ([(11, 5), (13, 5), (15, 5)], .kernelStuck),
            // the only move may lie before the call
            ([(9, 4), (11, 5), (15, 5)], .kernelStuck),
        ] {
            var findings = findings([waiter], ListedHolders(), devices: Self.devices(readings))
            let finding = try told(&findings, 7)
            #expect(finding.reason == reason)
            #expect(finding.root.value?.name == Array("ext4 on vda (254:0)".utf8))
        }
    }

    @Test func `nothing is said against a device that was not watched for long, but for one without requests`() throws {
        let waiter = try fsync(7)
        for (inFlight, reason) in [(UInt64(1), Reason.inProgress), (0, .kernelStuck)] {
            var findings = findings(
                [waiter], ListedHolders(), devices: Self.devices([(14, 5), (15, 5)], inFlight: inFlight))
            #expect(try told(&findings, 7).reason == reason)
        }
        // a request that is held back before it comes to the device: by a limit of its cgroup
        let heldBack = try fsync(7) { $0.flags |= UInt32(BW_CALL_IO_WAIT) }
        for (first, reason) in [(UInt64(14), Reason.inProgress), (12, .kernelStuck)] {
            var findings = findings(
                [heldBack], ListedHolders(), devices: Self.devices([(first, 5), (15, 5)], inFlight: 0))
            #expect(try told(&findings, 7).reason == reason)
        }
    }

    @Test func `who waits for a lock whose holder's device is slow is not stuck`() throws {
        let owner = try fsync(8)
        let waiter = try thread(7) {
            $0.state = 2
            $0.blocker_pid = 8
        }
        var source = ListedHolders()
        source.views = [.thread(8): [owner]]
        var slow = findings([waiter], source, devices: Self.devices([(11, 5), (13, 6), (15, 7)]))
        #expect(try told(&slow, 7).reason == .inProgress)
        var dead = findings([waiter], source, devices: Self.devices([(11, 5), (13, 5), (15, 5)]))
        #expect(try told(&dead, 7).reason == .kernelStuck)
        #expect(try told(&dead, 7).root.value?.name == Array("ext4 on vda (254:0)".utf8))
    }

    @Test func `the last of several readers proves nothing`() throws {
        let waiter = try thread(7) {
            $0.state = 2
            $0.blocker_pid = 8
            $0.flags |= UInt32(BW_CALL_READERS)
        }
        var source = ListedHolders()
        source.views = [.thread(8): [try fsync(8)]]
        var findings = findings([waiter], source)
        #expect(try told(&findings, 7).unresolved == ["holders=not_recorded"])
    }

    @Test func `behind a loop device stands who serves its file`() throws {
        let waiter = try fsync(7, device: 7 << 20)
        let mounts = """
            1 0 254:0 / / rw - ext4 /dev/vda rw
            9 1 0:45 / /a\\040b rw - fuse.sshfs host:/x rw

            """
        let answers = ListedAnswers(answers: [.loopFile(device: 7 << 20): .bytes(Array("/a b/image\n\(mounts)".utf8))])
        var stopped = findings(
            [waiter],
            hosted([
                try thread(20) {
                    $0.flags |= UInt32(BW_CALL_STOPPED); $0.state = 4
                }
            ]), memory: answers)
        #expect(try told(&stopped, 7).reason == .kernelStuck)
        #expect(try told(&stopped, 7).root.value?.pid == 20)
        #expect(try told(&stopped, 7).holders.map(\.role) == [.server])
        var moving = BlockDevices()
        for (at, writes) in [(UInt64(11), UInt64(1)), (13, 2), (15, 3)] {
            moving.note(Self.diskstats(writes, name: "7 0 loop0"), at: at * Self.second)
        }
        var slow = findings(
            [waiter], hosted([try serving(20, tid: 20, since: Self.second)]), memory: answers, devices: moving)
        #expect(try told(&slow, 7).reason == .inProgress, "its own completions are movement of what is behind it")
        // and those from before its server was stopped are not
        let halted = try thread(20) {
            $0.flags |= UInt32(BW_CALL_STOPPED)
            $0.state = 4
        }
        moving = BlockDevices()
        for (at, writes) in [(UInt64(11), UInt64(1)), (12, 2), (15, 2)] {
            moving.note(Self.diskstats(writes, name: "7 0 loop0"), at: at * Self.second)
        }
        var over = findings([waiter], hosted([halted]), memory: answers, devices: moving)
        #expect(try told(&over, 7).reason == .kernelStuck)
    }

    @Test func `a path lies in the deepest mount above it`() {
        let mounts = Array(
            """
            1 0 254:0 / / rw - ext4 /dev/vda rw
            2 1 0:45 / /mnt rw - fuse.a a rw
            3 1 0:46 / /mnt/x rw - fuse.b b rw
            4 1 0:47 / /mn rw - fuse.c c rw

            """.utf8)
        for (path, device) in [("/mnt/x/f", "0:46"), ("/mnt/xy", "0:45"), ("/mnt", "0:45"), ("/home/f", "254:0")] {
            #expect(MountTable.mount(ofPath: Array(path.utf8), mountinfo: mounts)?.device == device)
        }
        #expect(MountTable.mount(ofPath: Array("/f".utf8), mountinfo: []) == nil)
    }

    @Test func `counters of devices are read whatever the kernel's age, and unused ones are left out`() {
        let old = "8 0 sda 1 2 3 4 5 6 7 8 9 10 11"
        let unused = "7 1 loop1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"
        let text = Array("\(old)\n\(unused)\n8 x broken\n".utf8)
        #expect(String(decoding: BlockDevices.withoutUnused(text), as: UTF8.self) == "\(old)\n8 x broken\n")
        var devices = BlockDevices()
        devices.note(text, at: 1)
        #expect(devices.device(8 << 20)?.completed == 6)
        #expect(devices.device(8 << 20)?.inFlight == 9)
        #expect(devices.isWaiting)
    }

    // MARK: - ends

    @Test func `who was PID 1 waits for a zombie, and that for its parent outside`() throws {
        var tree = KernelStack()
        let last = try thread(7) {
            $0.kind = BW_KIND_EXITING.rawValue
            $0.state = 1
            $0.pid_namespace = 5
            $0.fd = -1
            tree.put("zap_pid_ns_processes", on: &$0)
        }
        let zombie = try thread(8) {
            $0.kind = BW_KIND_EXITING.rawValue
            $0.state = 0x20
            $0.pid_namespace = 5
            $0.parent_tgid = 9
            $0.fd = -1
        }
        let parent = try thread(9) {
            $0.number = 34
            $0.class_ = 7
            $0.fd = -1
        }
        var source = ListedHolders()
        source.views = [.namespace(5): [last, zombie], .process(9): [parent]]
        var findings = findings([last], source, symbols: tree.symbols)
        let finding = try told(&findings, 7)
        #expect(finding.reason == .kernelStuck)
        #expect(finding.root.value?.pid == 9)
        #expect(finding.holders.map(\.pid) == [8])
    }

    @Test func `a memory cgroup that is full is the root`() throws {
        var tree = KernelStack()
        let waiter = try Bytes.callRecord(
            Bytes.call(cgroup: ["small"]) {
                $0.kind = BW_KIND_PAGE.rawValue
                $0.state = 2
                $0.fd = -1
                tree.put("mem_cgroup_oom_synchronize", on: &$0)
            })
        var findings = findings([waiter], ListedHolders(), symbols: tree.symbols)
        let finding = try told(&findings, 8)
        #expect(finding.reason == .kernelStuck)
        #expect(finding.root.value?.kind == .nobody)
        #expect(finding.root.value?.doing == "nobody: memory cgroup /small is full, and its OOM killer is off")
    }

    @Test func `the parent in vfork waits for its youngest child`() throws {
        let waiter = try thread(7) {
            $0.number = 58
            $0.class_ = 4
            $0.fd = -1
            $0.state = 2
        }
        let elder = try thread(8) {
            $0.parent_tgid = 7
            $0.number = 35
            $0.class_ = 6
            $0.fd = -1
        }
        let younger = try mkdir(9) {
            $0.parent_tgid = 7
            $0.number = 59
            $0.process_start_ns = 3 * Self.second
        }
        var source = hosted([
            try thread(20) {
                $0.flags |= UInt32(BW_CALL_STOPPED); $0.state = 4
            }
        ])
        source.views[.children(of: 7)] = [elder, younger]
        var findings = findings([waiter], source)
        let finding = try told(&findings, 7)
        #expect(finding.reason == .peerStuck)
        #expect(finding.holders.map(\.pid) == [9])
        #expect(finding.root.value?.pid == 20)
    }
}

/// Functions on a kernel stack, by addresses that stand for them.
private struct KernelStack {
    private(set) var symbols: [UInt64: String] = [:]
    private var next: UInt64 = 0x1000

    mutating func put(_ function: String, on raw: inout bw_call) {
        symbols[next] = function
        raw.stack.0 = next
        raw.stack_depth = 1
        next += 0x1000
    }
}
