import Testing

@testable import BlockWatchCore

/// The filter, run as the kernel runs it.
@Suite struct `The filter of system calls` {
    private enum Answer: Equatable {
        case allowed, killed
        case refused(errno: UInt32)
    }

    /// What the kernel does with `struct seccomp_data`: the few instructions of classic BPF that the filter uses.
    private func answer(
        _ filter: SystemCallFilter, architecture: UInt32, number: UInt32, _ arguments: [UInt64]
    ) throws -> Answer {
        var data = [number, architecture, 0, 0]
        for argument in arguments + [UInt64](repeating: 0, count: 6 - arguments.count) {
            data += [UInt32(truncatingIfNeeded: argument), UInt32(argument >> 32)]
        }
        var accumulator: UInt32 = 0
        var place = 0
        while true {
            let instruction = try #require(
                filter.instructions.indices.contains(place) ? filter.instructions[place] : nil)
            place += 1
            let operand = instruction.operand
            switch instruction.code {
            case 0x20:
                #expect(operand % 4 == 0 && operand < 64)
                accumulator = data[Int(operand / 4)]
            case 0x54: accumulator &= operand
            case 0x15: place += Int(accumulator == operand ? instruction.jumpIfTrue : instruction.jumpIfFalse)
            case 0x45: place += Int(accumulator & operand != 0 ? instruction.jumpIfTrue : instruction.jumpIfFalse)
            case 0x06:
                switch operand & 0xffff_0000 {
                case 0x7fff_0000: return .allowed
                case 0x8000_0000: return .killed
                case 0x0005_0000: return .refused(errno: operand & 0xffff)
                default: Issue.record("an answer of \(operand)")
                }
                return .killed
            default:
                Issue.record("an instruction \(instruction)")
                return .killed
            }
        }
    }

    private func ask(
        _ abi: ABI, _ name: String, _ arguments: [UInt64] = [], output: Bool = false, metrics: Bool = false,
        terminal: Bool = false
    ) throws -> Answer {
        let filter = SystemCallFilter(
            abi: abi,
            grants: SystemCallFilter.Grants(
                processID: 4711, appendsToFile: output, replacesFile: metrics, usesTerminal: terminal))
        let number = try #require(SyscallTable.table(for: abi).number(named: name), "\(name)")
        return try answer(
            filter, architecture: SystemCallFilter.auditArchitecture(abi), number: UInt32(number), arguments)
    }

    private static let abis: [ABI] = [.x86_64, .aarch64]
    private let refused = Answer.refused(errno: 1)
    private let unknown = Answer.refused(errno: 38)

    @Test(arguments: abis) func `what watching takes is allowed, what nobody asks for kills`(abi: ABI) throws {
        for name in ["read", "write", "pread64", "close", "readlinkat", "ppoll", "futex", "exit_group", "getrandom"] {
            #expect(try ask(abi, name) == .allowed, "\(name)")
        }
        for name in SystemCallFilter.deadly { #expect(try ask(abi, name) == .killed, "\(name)") }
        for name in SystemCallFilter.harmless where SyscallTable.table(for: abi).number(named: name) != nil {
            #expect(try ask(abi, name) == .allowed, "\(name)")
        }
    }

    @Test(arguments: abis) func `top: a terminal's modes and size, and new files; nothing typed into it`(abi: ABI)
        throws
    {
        for request: UInt64 in [0x5401, 0x5402, 0x5413] {
            #expect(try ask(abi, "ioctl", [3, request], terminal: true) == .allowed)
            // how wide it is, watch asks too
            #expect(try ask(abi, "ioctl", [3, request]) == (request == 0x5413 ? .allowed : refused), "of watch")
        }
        // TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS
        for request: UInt64 in [0x5412, 0x541c, 0x5423, 0x541d] {
            #expect(try ask(abi, "ioctl", [3, request], terminal: true) == refused)
        }
        let (write, create, exclusive, truncate): (UInt64, UInt64, UInt64, UInt64) = (1, 0o100, 0o200, 0o1000)
        #expect(try ask(abi, "openat", [3, 0, write | create | exclusive], terminal: true) == .allowed)
        for flags in [write, write | create, write | truncate, 2, write | exclusive] {
            #expect(try ask(abi, "openat", [3, 0, flags], terminal: true) == refused, "\(flags)")
        }
        for name in ["renameat", "unlinkat"] { #expect(try ask(abi, name, terminal: true) == unknown) }
        #expect(try ask(abi, "execve", terminal: true) == .killed)
    }

    @Test(arguments: abis) func `no network, no mounts, no identity, no signal to others, no seek`(abi: ABI) throws {
        for name in [
            "socket", "connect", "bind", "listen", "accept4", "sendto", "mount", "umount2", "setns", "unshare",
            "chroot", "setuid", "capset", "kill", "lseek", "pwrite64", "openat2", "io_uring_setup", "userfaultfd",
            "process_vm_readv", "memfd_create", "fchmod", "linkat", "symlinkat", "unlinkat", "renameat",
            "clone3", "seccomp", "perf_event_open", "pidfd_getfd", "sendfile", "splice", "copy_file_range",
        ] where SyscallTable.table(for: abi).number(named: name) != nil {
            #expect(try ask(abi, name) == unknown, "\(name)")
        }
        #expect(try ask(abi, "tgkill", [4711, 4711, 6]) == .allowed)
        #expect(try ask(abi, "tgkill", [1, 1, 9]) == refused)
    }

    @Test(arguments: abis) func `files are opened for reading, and for writing only as options say`(abi: ABI) throws {
        let (write, readWrite, create, exclusive): (UInt64, UInt64, UInt64, UInt64) = (1, 2, 0o100, 0o200)
        let (truncate, append, closeOnExec): (UInt64, UInt64, UInt64) = (0o1000, 0o2000, 0o2000000)
        func open(_ flags: UInt64, output: Bool = false, metrics: Bool = false) throws -> Answer {
            try ask(abi, "openat", [0, 0, flags | closeOnExec], output: output, metrics: metrics)
        }
        #expect(try open(0) == .allowed)
        for flags in [write, readWrite, create, truncate, write | append, write | create | exclusive] {
            #expect(try open(flags) == refused, "\(flags)")
        }
        #expect(try open(write | append, output: true) == .allowed)
        #expect(try open(write | append | create, output: true) == .allowed)
        for flags in [write, readWrite | append, write | append | truncate, write | create | exclusive] {
            #expect(try open(flags, output: true) == refused, "\(flags)")
        }
        #expect(try open(write | create | exclusive, metrics: true) == .allowed)
        for flags in [write, write | create, readWrite | create | exclusive, write | append] {
            #expect(try open(flags, metrics: true) == refused, "\(flags)")
        }
        #expect(try ask(abi, "renameat2", metrics: true) == .allowed)
        #expect(try ask(abi, "renameat2", output: true) == unknown)
    }

    @Test(arguments: abis) func `no memory becomes code, no process is made, no program is loaded`(abi: ABI) throws {
        #expect(try ask(abi, "mmap", [0, 4096, 3, 0x22]) == .allowed)
        #expect(try ask(abi, "mmap", [0, 4096, 7, 0x22]) == refused)
        #expect(try ask(abi, "mprotect", [0, 4096, 5]) == refused)
        // what glibc's pthread_create asks for
        #expect(try ask(abi, "clone", [0x3d0f00]) == .allowed)
        for flags: UInt64 in [17, 0x0100_0011, 0x3d0f00 | 0x2000_0000, 0x3d0f00 | 0x2000, 0x4111] {
            #expect(try ask(abi, "clone", [flags]) == refused, "\(flags)")
        }
        for (command, isAllowed) in [
            (1, true), (2, true), (33, true), (15, true), (28, true), (17, true), (0, false), (5, false), (6, false),
        ] {
            #expect(try ask(abi, "bpf", [UInt64(command)]) == (isAllowed ? .allowed : refused), "\(command)")
        }
        #expect(try ask(abi, "prlimit64", [0, 7, 0, 1]) == .allowed)
        #expect(try ask(abi, "prlimit64", [0, 7, 1 << 32, 1]) == refused)
        #expect(try ask(abi, "prctl", [15]) == .allowed)
        #expect(try ask(abi, "prctl", [38, 1]) == refused)
    }

    @Test(arguments: abis) func `semaphores are read and left as they are`(abi: ABI) throws {
        let (remove, set, status, process, value, all, number):
            (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) =
                (0, 1, 2, 11, 12, 17, 16)
        for command in [status, process, value] { #expect(try ask(abi, "semctl", [1, 0, command]) == .allowed) }
        for command in [remove, set, all, number] { #expect(try ask(abi, "semctl", [1, 0, command]) == refused) }
        for name in ["semget", "semop", "semtimedop", "shmat", "msgrcv"] { #expect(try ask(abi, name) == unknown) }
    }

    @Test func `calls of another ABI kill`() throws {
        let filter = SystemCallFilter(
            abi: .x86_64, grants: SystemCallFilter.Grants(processID: 1, appendsToFile: false, replacesFile: false))
        for (architecture, number) in [(0x4000_0003, 3), (0xc000_00b7, 63), (0xc000_003e, 0x4000_0000)]
            as [(UInt32, UInt32)]
        {
            #expect(try answer(filter, architecture: architecture, number: number, []) == .killed)
        }
        #expect(filter.instructions.count < 4096, "BPF_MAXINSNS")
    }
}
