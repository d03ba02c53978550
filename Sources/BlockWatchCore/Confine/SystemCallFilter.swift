/// The system calls that are left to blockwatch once it has started, as a program for seccomp(2).
///
/// A list of what is allowed. Whatever else libc may try is answered ENOSYS, as an older kernel would: libc falls
/// back then (clone3 to clone, say), where EPERM would be taken for the final word and a kill would end the watch.
/// Only what nobody but an intruder asks for kills. Arguments are looked at where the call alone says too little:
/// a file that is opened for writing, a mapping that may be executed, a command of bpf(2).
public struct SystemCallFilter: Sendable {
    /// `struct sock_filter`
    public struct Instruction: Sendable, Equatable {
        public var code: UInt16
        public var jumpIfTrue: UInt8 = 0
        public var jumpIfFalse: UInt8 = 0
        public var operand: UInt32
    }

    /// What depends on the options.
    public struct Grants: Sendable {
        /// abort(3) may end this process and no other.
        public var processID: Int32
        /// `--output`: a file may be opened for appending, not for anything else.
        public var appendsToFile: Bool
        /// `--metrics`: a file may be made anew and renamed.
        public var replacesFile: Bool
        /// `top`: a terminal's modes and size; and a new file, for what a key writes.
        public var usesTerminal: Bool

        public init(processID: Int32, appendsToFile: Bool, replacesFile: Bool, usesTerminal: Bool = false) {
            self.processID = processID
            self.appendsToFile = appendsToFile
            self.replacesFile = replacesFile
            self.usesTerminal = usesTerminal
        }
    }

    /// `SECCOMP_RET_…`
    enum Answer {
        static let allow: UInt32 = 0x7fff_0000
        static let kill: UInt32 = 0x8000_0000
        static func errno(_ number: UInt32) -> UInt32 { 0x0005_0000 | number }
    }

    /// Half of an argument under a mask.
    private struct Test {
        var argument: Int
        var mask: UInt32 = .max
        var value: UInt32
        var isUpperHalf = false
    }

    /// A call, allowed if all tests of one row hold; without rows, always.
    private struct Permission {
        var name: String
        var rows: [[Test]] = []
    }

    public let instructions: [Instruction]

    /// - Parameter abi: the native one; calls of every other kill.
    public init(abi: ABI, grants: Grants) {
        let table = SyscallTable.table(for: abi)
        var code = [Self.load(Offset.architecture), Self.jump(ifEqual: Self.auditArchitecture(abi), 1, 0)]
        code.append(Self.answer(Answer.kill))
        code.append(Self.load(Offset.number))
        // x32: 64-bit calls by other numbers
        if abi == .x86_64 { code += [Self.jump(ifAny: 0x4000_0000, 0, 1), Self.answer(Answer.kill)] }
        for permission in Self.permissions(grants) {
            // a name that this ABI does not have needs no permission
            guard let number = table.number(named: permission.name) else { continue }
            let block = Self.block(permission.rows)
            code.append(Self.jump(ifEqual: UInt32(number), 0, UInt8(block.count)))
            code += block
        }
        for name in Self.deadly {
            guard let number = table.number(named: name) else { continue }
            code += [Self.jump(ifEqual: UInt32(number), 0, 1), Self.answer(Answer.kill)]
        }
        code.append(Self.answer(Answer.errno(Self.noSuchCall)))
        instructions = code
    }

    // MARK: - the list

    /// Allowed whatever their arguments.
    static let harmless = [
        "read", "pread64", "write", "writev", "close", "poll", "ppoll", "futex",
        // names and attributes; none of them opens anything
        "readlink", "readlinkat", "stat", "lstat", "fstat", "newfstatat", "statx", "fstatfs", "access", "faccessat",
        "faccessat2", "getdents64",
        "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
        "munmap", "mremap", "madvise", "brk", "membarrier",
        "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack", "restart_syscall",
        "exit", "exit_group", "sched_yield", "sched_getaffinity", "set_robust_list", "rseq", "set_tid_address",
        "getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getrusage", "getrlimit", "getrandom", "getcpu",
        "sysinfo", "uname",
    ]

    /// Nobody but an intruder asks for these.
    static let deadly = [
        "execve", "execveat", "ptrace", "process_vm_writev", "init_module", "finit_module", "kexec_load",
        "kexec_file_load",
    ]

    private static func permissions(_ grants: Grants) -> [Permission] {
        // reading leaves the access mode 0; these are the same numbers in every ABI
        let (write, readWrite, create, exclusive): (UInt32, UInt32, UInt32, UInt32) = (1, 2, 0o100, 0o200)
        let (truncate, append): (UInt32, UInt32) = (0o1000, 0o2000)
        let accessMode = write | readWrite
        var opening = [[Test(argument: 2, mask: accessMode | create | truncate, value: 0)]]
        // not even a descriptor of /proc/PID/mem could write anywhere: without a seek it stands at 0
        if grants.appendsToFile {
            opening.append([Test(argument: 2, mask: accessMode | truncate | append, value: write | append)])
        }
        if grants.replacesFile || grants.usesTerminal {
            opening.append([
                Test(argument: 2, mask: accessMode | create | exclusive, value: write | create | exclusive)
            ])
        }
        let notExecutable: UInt32 = 4
        // CLONE_VM, CLONE_THREAD; CLONE_NEW…, CLONE_PTRACE, CLONE_VFORK
        let (sharing, apart): (UInt32, UInt32) = (0x1_0100, 0x7e02_6080)
        // elements of maps, one or many: lookup, update, delete; object information; an iterator over one process, and
        // its start. A link is made of a program that is loaded already; by the second command of those before Linux 5.17
        // to a tracepoint: the probes on system calls come and go
        let commands: [UInt32] = [1, 2, 3, 4, 24, 26, 27, 15, 28, 17, 33]
        // PR_SET_NAME, PR_SET_VMA: names for threads and mappings, which libc gives
        let names: [UInt32] = [15, 0x5356_4d41]
        // IPC_STAT, GETPID, GETVAL: none of them changes anything
        let semaphores: [UInt32] = [2, 11, 12]
        var list = harmless.map { Permission(name: $0) }
        list += [
            Permission(name: "openat", rows: opening),
            Permission(name: "bpf", rows: commands.map { [Test(argument: 0, value: $0)] }),
            Permission(name: "mmap", rows: [[Test(argument: 2, mask: notExecutable, value: 0)]]),
            Permission(name: "mprotect", rows: [[Test(argument: 2, mask: notExecutable, value: 0)]]),
            Permission(name: "clone", rows: [[Test(argument: 0, mask: sharing | apart, value: sharing)]]),
            Permission(name: "semctl", rows: semaphores.map { [Test(argument: 2, value: $0)] }),
            Permission(name: "prctl", rows: names.map { [Test(argument: 0, value: $0)] }),
            Permission(
                name: "tgkill", rows: [[Test(argument: 0, value: UInt32(bitPattern: grants.processID))]]),
            // reading limits, not setting them
            Permission(
                name: "prlimit64",
                rows: [[Test(argument: 2, value: 0), Test(argument: 2, value: 0, isUpperHalf: true)]]),
        ]
        // TIOCGWINSZ, which tells how wide a terminal is; TCGETS, TCSETS: nothing is put into its input
        let requests: [UInt32] = grants.usesTerminal ? [0x5413, 0x5401, 0x5402] : [0x5413]
        list.append(Permission(name: "ioctl", rows: requests.map { [Test(argument: 1, value: $0)] }))
        if grants.replacesFile {
            list += ["rename", "renameat", "renameat2", "unlink", "unlinkat"].map { Permission(name: $0) }
        }
        return list
    }

    // MARK: - instructions

    /// `struct seccomp_data`
    private enum Offset {
        static let number: UInt32 = 0
        static let architecture: UInt32 = 4
        /// Of an argument's half, on little-endian machines.
        static func argument(_ index: Int, isUpperHalf: Bool) -> UInt32 {
            UInt32(16 + 8 * index + (isUpperHalf ? 4 : 0))
        }
    }

    /// ENOSYS, EPERM
    static let (noSuchCall, notPermitted): (UInt32, UInt32) = (38, 1)

    /// `AUDIT_ARCH_…`
    static func auditArchitecture(_ abi: ABI) -> UInt32 {
        switch abi {
        case .x86_64: 0xc000_003e
        case .i386: 0x4000_0003
        case .aarch64: 0xc000_00b7
        }
    }

    /// One row after the other: a test that fails goes on with the next row, and after the last one the call is refused.
    private static func block(_ rows: [[Test]]) -> [Instruction] {
        guard !rows.isEmpty else { return [answer(Answer.allow)] }
        var code: [Instruction] = []
        for row in rows {
            // load, mask, compare for each, and the answer
            var left = row.count * 3 + 1
            for test in row {
                left -= 3
                code += [
                    load(Offset.argument(test.argument, isUpperHalf: test.isUpperHalf)), and(test.mask),
                    jump(ifEqual: test.value, 0, UInt8(left)),
                ]
            }
            code.append(answer(Answer.allow))
        }
        return code + [answer(Answer.errno(notPermitted))]
    }

    /// `BPF_LD | BPF_W | BPF_ABS`
    private static func load(_ offset: UInt32) -> Instruction { Instruction(code: 0x20, operand: offset) }
    /// `BPF_ALU | BPF_AND | BPF_K`
    private static func and(_ mask: UInt32) -> Instruction { Instruction(code: 0x54, operand: mask) }
    /// `BPF_JMP | BPF_JEQ | BPF_K`
    private static func jump(ifEqual value: UInt32, _ yes: UInt8, _ no: UInt8) -> Instruction {
        Instruction(code: 0x15, jumpIfTrue: yes, jumpIfFalse: no, operand: value)
    }
    /// `BPF_JMP | BPF_JSET | BPF_K`
    private static func jump(ifAny bits: UInt32, _ yes: UInt8, _ no: UInt8) -> Instruction {
        Instruction(code: 0x45, jumpIfTrue: yes, jumpIfFalse: no, operand: bits)
    }
    /// `BPF_RET | BPF_K`
    private static func answer(_ value: UInt32) -> Instruction { Instruction(code: 0x06, operand: value) }
}
