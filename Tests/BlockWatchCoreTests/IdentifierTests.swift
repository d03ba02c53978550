import BlockWatchBPF
import Synchronization
import Testing

@testable import BlockWatchCore

@Suite struct `A record gets its names` {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private func identify(
        _ bytes: [UInt8], _ answers: [RiskyQuestion: RiskyAnswer] = [:], policy: CommandLinePolicy = .none,
        symbols: [UInt64: String] = [:]
    ) throws -> BlockedCall {
        var identifier = tree.identifier(policy, symbols: symbols)
        var risky = ListedAnswers(answers: answers)
        return identifier.identify([try Bytes.callRecord(bytes)], clock: clock, risky: &risky)[0]
    }

    private func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

    private func file(_ object: inout bw_object, _ fileSystem: String = "ext4", mode: UInt32 = 0o100644) {
        object.kind = BW_OBJECT_FILE.rawValue
        object.mode = mode
        object.inode = 42
        object.links = 1
        object.device = 254 << 20 | 1
        Bytes.set(&object.fs_name, fileSystem)
        Bytes.set(&object.name, "x")
    }

    @Test func `a file has the path that its process sees`() throws {
        let call = try identify(Bytes.call { file(&$0.object) })
        #expect(call.resource.kind == .file)
        #expect(text(call.resource.name) == "/srv/data/x")
        #expect(call.resource.file?.inode == 42)
        #expect(call.resource.file?.device == "254:1")
        #expect(call.resource.descriptor == 3)
        #expect(call.unresolved == [])
        #expect(text(call.process.executable) == "/usr/bin/cat")
        #expect(call.process.userName == "root")
        #expect(call.process.startWallNanoseconds == 1_700_000_001_000_000_000)
    }

    @Test func `a call of aarch64 has the name, the arguments and the time-out that they have there`() throws {
        func identify(_ answers: [RiskyQuestion: RiskyAnswer] = [:], _ bytes: [UInt8]) throws -> BlockedCall {
            var identifier = tree.identifier(.none, nativeABI: .aarch64)
            var risky = ListedAnswers(answers: answers)
            return identifier.identify([try Bytes.callRecord(bytes)], clock: clock, risky: &risky)[0]
        }
        // as registers.bpf.h takes them: orig_x0, then x1 to x5
        let read = try identify(
            [:],
            Bytes.call {
                $0.number = 63
                $0.args = (3, 0xffff_d735_cf00, 4096, 0, 0, 0xffff_fff0)
                file(&$0.object)
            })
        #expect(read.call?.name == "read")
        #expect(read.call?.number == 63)
        #expect(read.call?.abi == .aarch64)
        #expect(read.call?.arguments == [3, 0xffff_d735_cf00, 4096, 0, 0, 0xffff_fff0])
        #expect(text(read.resource.name) == "/srv/data/x")
        // the numbers of x86_64 are other calls there
        #expect(try identify([:], Bytes.call { $0.number = 0 }).call?.name == "io_setup")
        let place = RiskyQuestion.memory(pid: 7, address: 0xffff_d735_0000, length: 16)
        let sleep = try identify(
            [place: .bytes([3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0])],
            Bytes.call {
                $0.number = 101
                $0.class_ = 0xe6
                $0.fd = -1
                $0.args = (0xffff_d735_0000, 0, 0, 0, 0, 0)
            })
        #expect(sleep.call?.name == "nanosleep")
        #expect(sleep.call?.timeout.value == 3_000_000_005)
        let exiting = try identify([:], Bytes.call { $0.kind = BW_KIND_EXITING.rawValue })
        #expect(exiting.call?.name == "exit_group")
        #expect(exiting.call?.number == 94)
        #expect(exiting.call?.abi == .aarch64)
    }

    @Test func `a deleted file keeps its path without the kernel's mark`() throws {
        try tree.link("7/task/8/fd/4", to: "/tmp/gone (deleted)")
        let call = try identify(
            Bytes.call {
                file(&$0.object)
                $0.object.links = 0
                $0.fd = 4
            })
        #expect(text(call.resource.file?.path) == "/tmp/gone")
        #expect(call.resource.file?.isDeleted == true)
    }

    @Test func `a recycled pid lends nothing`() throws {
        let call = try identify(
            Bytes.call {
                file(&$0.object)
                $0.thread_start_ns = 9_000_000_000
            })
        #expect(call.resource.file?.path == nil)
        #expect(call.process.executable == nil)
        #expect(call.unresolved == ["process=process_gone"])
    }

    @Test(arguments: [
        (UInt32(0o040755), "ext4", ResourceKind.directory), (0o020666, "devtmpfs", .device),
        (0o060660, "devtmpfs", .device),
        (0o100600, "mqueue", .ipc),
    ])
    func `the mode tells the kind`(mode: UInt32, fileSystem: String, kind: ResourceKind) throws {
        #expect(try identify(Bytes.call { file(&$0.object, fileSystem, mode: mode) }).resource.kind == kind)
    }

    @Test(arguments: [(4, true), (5, true), (136, true), (143, true), (10, false), (1, false)])
    func `terminals are told by their major number`(major: UInt32, isTerminal: Bool) throws {
        let call = try identify(
            Bytes.call {
                file(&$0.object, mode: 0o020620)
                $0.object.rdev = major << 20
            })
        #expect(call.resource.kind == (isTerminal ? .tty : .device))
    }

    @Test func `a FUSE file names the source of its mount`() throws {
        let table = "36 35 254:1 / /mnt rw - fuse.sshfs user@nas:/export rw\n"
        let call = try identify(
            Bytes.call {
                file(&$0.object, "fuse")
                Bytes.set(&$0.object.fs_subtype, "sshfs")
            }, [.mounts(pid: 7, tid: 8): .bytes(Array(table.utf8))])
        #expect(call.resource.file?.server == "user@nas:/export")
        #expect(call.resource.file?.fileSystem == "fuse.sshfs")
        let silent = try identify(Bytes.call { file(&$0.object, "nfs4") })
        #expect(silent.resource.file?.server == nil)
        #expect(silent.unresolved == ["file.server=timed_out"])
    }

    @Test func `pipes and FIFOs`() throws {
        func pipe(_ call: inout bw_call, _ fileSystem: String) {
            call.object.kind = BW_OBJECT_PIPE.rawValue
            call.object.mode = 0o010600
            call.object.inode = 123
            call.object.links = 1
            Bytes.set(&call.object.fs_name, fileSystem)
            call.object.u.pipe = bw_pipe(readers: 1, writers: 2, bytes: 5, capacity: 65536)
        }
        let anonymous = try identify(Bytes.call { pipe(&$0, "pipefs") }).resource
        #expect(anonymous.kind == .pipe)
        #expect(text(anonymous.name) == "pipe:[123]")
        #expect(anonymous.file == nil)
        #expect(anonymous.pipe == PipeFields(inode: 123, readers: 1, writers: 2, bytes: 5, capacity: 65536))
        let named = try identify(Bytes.call { pipe(&$0, "ext4") }).resource
        #expect(named.kind == .fifo)
        #expect(text(named.file?.path) == "/srv/data/x")
    }

    private func inet(_ call: inout bw_call, v6: Bool, proto: UInt16, state: UInt8) {
        call.object.kind = BW_OBJECT_SOCKET.rawValue
        call.object.mode = 0o140777
        call.object.family = v6 ? 10 : 2
        call.object.socket_type = proto == 6 ? 1 : 2
        call.object.protocol = proto
        call.object.tcp_state = state
        var inet = bw_inet()
        Bytes.set(&inet.local, v6 ? [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 11) + [1] : [10, 0, 0, 1])
        Bytes.set(&inet.peer, v6 ? [UInt8](repeating: 0, count: 10) + [0xff, 0xff, 10, 0, 0, 5] : [10, 0, 0, 5])
        inet.local_port = 4040
        inet.peer_port = 3306
        inet.retransmits = 3
        inet.last_sent = .max
        inet.last_received = 5
        call.object.u.inet = inet
    }

    @Test func `a TCP socket is said as one would say it`() throws {
        let resource = try identify(Bytes.call { inet(&$0, v6: false, proto: 6, state: 2) }).resource
        #expect(text(resource.name) == "tcp 10.0.0.1:4040->10.0.0.5:3306 SYN_SENT")
        let network = try #require(resource.network)
        #expect(network.type == "ipv4")
        #expect(network.retransmits == 3)
        #expect(network.lastSent == nil)
        #expect(network.lastReceived == 5)
        #expect(network.communityID?.hasPrefix("1:") == true)
        let six = try identify(Bytes.call { inet(&$0, v6: true, proto: 17, state: 1) }).resource
        #expect(text(six.name) == "udp [2001:db8::1]:4040->10.0.0.5:3306")
        #expect(six.kind == .udp)
    }

    @Test(arguments: [
        ([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] as [UInt8], "2001:db8::1"),
        ([UInt8](repeating: 0, count: 16), "::"),
        ([UInt8](repeating: 0, count: 15) + [1], "::1"),
        ([0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3], "1:0:0:2::3"),
        ([0, 1, 0, 0, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8], "1:0:3:4:5:6:7:8"),
        ([192, 168, 0, 1], "192.168.0.1"),
    ])
    func `addresses are written as RFC 5952 wants`(bytes: [UInt8], expected: String) {
        #expect(InternetAddress(bytes).text == expected)
    }

    @Test func `an abstract unix name has an @ for each NUL`() throws {
        let resource = try identify(
            Bytes.call {
                $0.object.kind = BW_OBJECT_SOCKET.rawValue
                $0.object.family = 1
                $0.object.socket_type = 1
                $0.object.tcp_state = 1
                $0.object.inode = 5
                var unix = bw_unix()
                Bytes.set(&unix.local, [0, UInt8(ascii: "a"), 0, UInt8(ascii: "b")])
                unix.local_len = 4
                unix.peer_inode = 6
                $0.object.u.unix_ = unix
            }
        ).resource
        #expect(text(resource.network?.local.path) == "@a@b")
        #expect(resource.network?.peer.inode == 6)
        #expect(text(resource.name) == "unix @a@b->socket:[6]")
    }

    @Test(arguments: [
        ("[eventfd]", ResourceKind.eventfd), ("[eventpoll]", .epoll), ("[timerfd]", .timerfd),
        ("[signalfd]", .signalfd),
        ("inotify", .inotify), ("[pidfd]", .pidfd), ("[io_uring]", .ioUring), ("[userfaultfd]", .device),
    ])
    func `anonymous inodes have their names`(name: String, kind: ResourceKind) throws {
        let resource = try identify(
            Bytes.call {
                $0.object.kind = BW_OBJECT_ANON.rawValue
                Bytes.set(&$0.object.name, name)
                Bytes.set(&$0.object.fs_name, "anon_inodefs")
            }
        ).resource
        #expect(resource.kind == kind)
        #expect(text(resource.name) == "anon_inode:\(name)")
    }

    @Test func `a closed descriptor is said, and what the call is on if it is known`() throws {
        let nothing = try identify(Bytes.call { $0.flags = UInt32(BW_CALL_FD_CLOSED) })
        #expect(nothing.resource.kind == .none)
        #expect(nothing.unresolved == ["resource.fd=closed"])
        let known = try identify(
            Bytes.call {
                $0.flags = UInt32(BW_CALL_FD_OTHER)
                file(&$0.object)
            })
        #expect(known.resource.file?.path == nil, "the number's path is another file's")
        #expect(known.resource.file?.inode == 42)
        #expect(known.unresolved == ["resource.fd=closed"])
    }

    @Test func `an open in flight names its path from memory, relative ones from the working directory`() throws {
        func open(_ path: String, directory: UInt64) throws -> BlockedCall {
            try identify(
                Bytes.call {
                    $0.number = 257
                    $0.class_ = 0xc8
                    $0.args.0 = directory
                    $0.args.1 = 0x1000
                    $0.fd = -1
                    $0.stack_depth = 1
                    $0.stack.0 = 0xffff_ffff_8100_0010
                }, [.memory(pid: 7, address: 0x1000, length: 4096): .bytes(Array(path.utf8) + [0, 1, 2])],
                symbols: [0xffff_ffff_8100_0010: "wait_for_partner"])
        }
        let fifo = try open("/tmp/f", directory: 3)
        #expect(fifo.resource.kind == .fifo)
        #expect(text(fifo.resource.file?.path) == "/tmp/f")
        #expect(fifo.stack == ["wait_for_partner"])
        #expect(text(try open("f", directory: UInt64(bitPattern: -100)).resource.file?.path) == "/home/a/f")
        #expect(text(try open("f", directory: 3).resource.file?.path) == "/srv/data/x/f")
    }

    @Test func `where the kernel does not name its functions no address takes their place`() throws {
        let call = try identify(
            Bytes.call {
                $0.state = 2
                $0.stack_depth = 1
                $0.stack.0 = 0xffff_ffff_8100_0010
            })
        #expect(call.stack.isEmpty)
        #expect(call.unresolved.contains("stack=not_permitted"))
    }

    @Test func `command lines follow the policy, and silence is a reason`() throws {
        let question = RiskyQuestion.commandLine(pid: 7, tid: 8)
        let answer = [question: RiskyAnswer.bytes(Array("cat\0--password=x\0".utf8))]
        #expect(try identify(Bytes.call(), answer, policy: .redacted).process.commandLine == "cat --password=***")
        #expect(try identify(Bytes.call(), answer, policy: .full).process.commandLine == "cat --password=x")
        #expect(try identify(Bytes.call(), [:], policy: .full).unresolved.contains("process.command_line=timed_out"))
        let refused = try identify(Bytes.call(), [question: .failed(1)], policy: .full)
        #expect(refused.unresolved.contains("process.command_line=not_permitted"))
    }

    @Test func `inner ids in a namespace of its own, also where chance made them the host's`() throws {
        #expect(try identify(Bytes.call { $0.pid_namespace = CallRecord.initialPIDNamespace }).process.innerPID == nil)
        let same = try identify(Bytes.call { $0.pid_namespace = 4_026_532_300 }).process
        #expect(same.innerPID == same.pid)
        #expect(same.innerTID == same.tid)
        let inner = try identify(
            Bytes.call {
                $0.pid_namespace = 4_026_532_300
                $0.own_tgid = 1
                $0.own_pid = 2
            }
        ).process
        #expect(inner.innerPID == 1)
        #expect(inner.innerTID == 2)
    }

    @Test func `page faults, exits and stops are no calls, but an exit is exit_group`() throws {
        let page = try identify(Bytes.call { $0.kind = BW_KIND_PAGE.rawValue })
        #expect(page.call == nil)
        #expect(page.resource.kind == .page)
        let exit = try identify(Bytes.call { $0.kind = BW_KIND_EXITING.rawValue })
        #expect(exit.call?.name == "exit_group")
        #expect(exit.resource.kind == .none)
        let worker = try identify(Bytes.call { $0.kind = BW_KIND_IO_WORKER.rawValue })
        #expect(worker.call?.name == "io_uring_enter")
        #expect(worker.resource.kind == .ioUring)
        let stop = try identify(Bytes.call { $0.kind = BW_KIND_STOPPED.rawValue })
        #expect(stop.call == nil)
    }

    @Test func `numbers that no table has are named by number`() throws {
        let call = try identify(
            Bytes.call {
                $0.number = 400_000
                $0.fd = -1
            })
        #expect(call.call?.name == "syscall_400000")
    }

    @Test func `the id of a call is the same at each telling, and another for another call`() throws {
        let one = try identify(Bytes.call())
        #expect(try identify(Bytes.call { $0.now_ns += 5 }).eventID == one.eventID)
        #expect(try identify(Bytes.call { $0.id = 100 }).eventID != one.eventID)
    }
}

@Suite struct `Memory of a call` {
    private func call(_ name: String, _ arguments: [UInt64], _ abi: ABI = .x86_64) -> SystemCall {
        SystemCall(name: name, number: 0, abi: abi, arguments: arguments + [0, 0, 0, 0, 0, 0])
    }
    private func flock64(_ type: Int16, _ whence: Int16, _ start: Int64, _ length: Int64) -> [UInt8] {
        var bytes: [UInt8] = []
        withUnsafeBytes(of: type) { bytes += $0 }
        withUnsafeBytes(of: whence) { bytes += $0 }
        bytes += [0, 0, 0, 0]
        withUnsafeBytes(of: start) { bytes += $0 }
        withUnsafeBytes(of: length) { bytes += $0 }
        return bytes + [UInt8](repeating: 0, count: 8)
    }

    @Test func `only waiting commands of fcntl are locks`() {
        #expect(UserMemory.lockCall(call("fcntl", [3, 7, 0x10]))?.type == "posix")
        #expect(UserMemory.lockCall(call("fcntl", [3, 38, 0x10]))?.type == "ofd")
        #expect(UserMemory.lockCall(call("fcntl", [3, 6, 0x10])) == nil)
        #expect(UserMemory.lockCall(call("flock", [3, 2]))?.type == "flock")
        #expect(UserMemory.lockCall(call("read", [3, 7])) == nil)
        #expect(UserMemory.lockCall(call("fcntl64", [3, 14, 0x10], .i386))?.isWide == true)
        #expect(UserMemory.lockCall(call("fcntl64", [3, 7, 0x10], .i386))?.isWide == false)
    }

    @Test func `ranges are absolute`() throws {
        let lock = try #require(UserMemory.lockCall(call("fcntl", [3, 7, 0x10])))
        func range(_ memory: [UInt8]) -> LockFields? {
            UserMemory.lockFields(lock, call("fcntl", [3, 7, 0x10]), memory: memory, object: nil)
        }
        #expect(range(flock64(1, 0, 100, 100)) == LockFields(type: "posix", mode: "write", start: 100, end: 199))
        #expect(range(flock64(0, 0, 100, 0)) == LockFields(type: "posix", mode: "read", start: 100, end: nil))
        #expect(range(flock64(0, 0, 100, -10)) == LockFields(type: "posix", mode: "read", start: 90, end: 99))
        #expect(range(flock64(1, 0, .max, .max)) == LockFields(type: "posix", mode: "write"))
        #expect(range(flock64(1, 0, -5, 1)) == LockFields(type: "posix", mode: "write"))
        #expect(range([1, 2, 3]) == nil)
    }

    @Test func `time-outs`() {
        let poll = SyscallTimeout(argument: 2, unit: .milliseconds)
        #expect(UserMemory.timeout(poll, call("poll", [0, 0, 1500]), memory: .absent).value == 1_500_000_000)
        #expect(UserMemory.timeout(poll, call("poll", [0, 0, 0xffff_ffff]), memory: .absent).value == nil)
        let spec = SyscallTimeout(argument: 0, unit: .timespec)
        #expect(UserMemory.timeoutStructure(spec, call("nanosleep", [0])) == nil)
        #expect(UserMemory.timeoutStructure(spec, call("nanosleep", [8]))?.length == 16)
        let memory: [UInt8] = [3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]
        #expect(UserMemory.timeout(spec, call("nanosleep", [8]), memory: .known(memory)).value == 3_000_000_005)
        let hostile = [UInt8](repeating: 0xff, count: 16)
        #expect(UserMemory.timeout(spec, call("nanosleep", [8]), memory: .known(hostile)).value == nil)
        #expect(UserMemory.timeout(spec, call("nanosleep", [8]), memory: .known([1])).value == nil)
        let old = SyscallTimeout(argument: 0, unit: .timeval32)
        #expect(
            UserMemory.timeout(old, call("select", [8]), memory: .known([2, 0, 0, 0, 1, 0, 0, 0])).value
                == 2_000_001_000)
    }
}

@Suite struct `Names of the kernel's functions` {
    /// Whom the reader asks, and how often.
    private final class Kernel: Sendable {
        let asked = Mutex<[[UInt64]]>([])
        let known = Mutex<[UInt64: String]?>(nil)

        func reader() -> StackReader {
            StackReader { [self] addresses in
                asked.withLock { $0.append(addresses) }
                return known.withLock { known in known?.filter { addresses.contains($0.key) } }
            }
        }
    }

    private func record(_ frames: UInt64...) throws -> CallRecord {
        try Bytes.callRecord(
            Bytes.call {
                $0.stack_depth = UInt32(frames.count)
                $0.stack.0 = frames[0]
                if frames.count > 1 { $0.stack.1 = frames[1] }
            })
    }

    @Test func `each address is asked for once, all of a stack together`() throws {
        let kernel = Kernel()
        kernel.known.withLock { $0 = [0x10: "wait_for_partner", 0x20: "other"] }
        var reader = kernel.reader()
        #expect(try reader.names(of: record(0x10, 0x20)) == ["wait_for_partner", "other"])
        #expect(try reader.names(of: record(0x20)) == ["other"])
        #expect(try reader.names(of: record(0x20, 0x30)) == ["other", "[unknown]"])
        #expect(try reader.names(of: record(0x30)) == nil, "no name of it is known")
        #expect(kernel.asked.withLock { $0 } == [[0x10, 0x20], [0x30]])
    }

    @Test func `who did not answer is asked again`() throws {
        let kernel = Kernel()
        var reader = kernel.reader()
        #expect(try reader.names(of: record(0x10)) == nil)
        kernel.known.withLock { $0 = [0x10: "wait_for_partner"] }
        #expect(try reader.names(of: record(0x10)) == ["wait_for_partner"])
    }
}
