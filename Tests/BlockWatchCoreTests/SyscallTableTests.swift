import BlockWatchBPF
import Testing

@testable import BlockWatchCore

@Suite struct `The table of system calls` {
    @Test func `has the numbers of each ABI's headers`() {
        let expected: [(ABI, [String: Int])] = [
            (.x86_64, ["read": 0, "connect": 42, "rt_sigreturn": 15, "restart_syscall": 219, "futex": 202, "poll": 7]),
            (
                .i386,
                ["read": 3, "restart_syscall": 0, "socketcall": 102, "ipc": 117, "_newselect": 142, "sigreturn": 119]
            ),
            (.aarch64, ["read": 63, "connect": 203, "rt_sigreturn": 139, "restart_syscall": 128, "ppoll": 73]),
        ]
        for (abi, numbers) in expected {
            let table = SyscallTable.table(for: abi)
            for (name, number) in numbers {
                #expect(table.number(named: name) == number, "\(name) of \(abi)")
                #expect(table[number]?.name == name)
            }
        }
        // the same number is another call in another ABI
        #expect(SyscallTable.table(for: .x86_64)[3]?.name == "close")
        #expect(SyscallTable.table(for: .i386)[3]?.name == "read")
    }

    @Test func `is whole and in order`() {
        for abi in ABI.allCases {
            let table = SyscallTable.table(for: abi)
            #expect(table.all.count > 300)
            #expect(table.all.map(\.number) == table.all.map(\.number).sorted())
            #expect(Set(table.all.map(\.name)).count == table.all.count)
            #expect(table.all.allSatisfy { !$0.waitsFor.isEmpty })
            #expect(table[100_000] == nil)
            #expect(table[-1] == nil)
        }
    }

    @Test func `gives the kernel side a byte that says class, descriptor and bytes`() throws {
        let table = SyscallTable.table(for: .x86_64)
        let read = try #require(table[0])
        #expect(read.kernelByte == 1 | 0x10 | 0 << 5)
        let poll = try #require(table[7])
        #expect(poll.kernelByte == 2 | 7 << 5)
        #expect(poll.timeout == SyscallTimeout(argument: 2, unit: .milliseconds))
        let openat = try #require(table[257])
        #expect(openat.kernelByte == 8 | 6 << 5)
        #expect(openat.directoryArgument == 0)
        let waitid = try #require(table[247])
        #expect(waitid.descriptorArgument == 1)
        #expect(table[39]?.kernelByte == 0)  // getpid
        for info in table.all {
            #expect(UInt32(info.kernelByte & 0x0f) == UInt32(info.class.rawValue))
            if let argument = info.descriptorArgument, info.class != .none {
                #expect(Int(info.kernelByte >> 5) == argument)
            }
        }
    }

    @Test func `gives the kernel side of aarch64 its own numbers`() throws {
        let table = SyscallTable.table(for: .aarch64)
        let bytes = table.kernelBytes { _ in true }
        #expect(bytes[63] == 1 | 0x10 | 0 << 5)  // read
        #expect(bytes[203] == 1 | 0 << 5)  // connect
        #expect(bytes[73] == 2 | 7 << 5)  // ppoll
        #expect(bytes[22] == 2 | 0 << 5)  // epoll_pwait
        #expect(bytes[56] == 8 | 6 << 5)  // openat
        #expect(bytes[95] & 0xe0 == 1 << 5)  // waitid: a pidfd in its second argument
        #expect(bytes[172] == 0)  // getpid
        #expect(table[73]?.timeout == SyscallTimeout(argument: 2, unit: .timespec))
        let flock = table.kernelBytes { $0.name == "flock" }
        #expect(flock.indices.filter { flock[$0] != 0 } == [32, 128, 139])
        // what only older architectures have
        for name in ["open", "poll", "select", "epoll_wait", "pause", "vfork", "fork", "socketcall"] {
            #expect(table.number(named: name) == nil, "\(name)")
        }
    }

    @Test func `has the classes of the header`() {
        let pairs: [(SyscallClass, bw_class)] = [
            (.none, BW_CLASS_NONE), (.descriptor, BW_CLASS_FD), (.set, BW_CLASS_SET), (.lock, BW_CLASS_LOCK),
            (.process, BW_CLASS_PROCESS), (.memory, BW_CLASS_MEMORY), (.time, BW_CLASS_TIME),
            (.signal, BW_CLASS_SIGNAL), (.path, BW_CLASS_PATH), (.ipc, BW_CLASS_IPC), (.kernel, BW_CLASS_KERNEL),
            (.sigreturn, BW_CLASS_SIGRETURN), (.restart, BW_CLASS_RESTART),
        ]
        #expect(pairs.count == SyscallClass.allCases.count)
        for (ours, theirs) in pairs { #expect(UInt32(ours.rawValue) == theirs.rawValue) }
        for kind in SyscallClass.allCases { #expect(SyscallClass(label: kind.label) == kind) }
    }

    @Test func `watches only what is wanted, and always what signals need`() {
        let table = SyscallTable.table(for: .x86_64)
        let all = table.kernelBytes { _ in true }
        #expect(all.count == Int(BW_SYSCALLS_MAX))
        #expect(all[39] == 0)
        #expect(all[0] != 0)
        let flock = table.kernelBytes { $0.name == "flock" }
        #expect(flock.indices.filter { flock[$0] != 0 } == [15, 73, 219])
    }

    @Test func `knows that old 32-bit calls have 32-bit times`() {
        let i386 = SyscallTable.table(for: .i386)
        #expect(i386.all.first { $0.name == "nanosleep" }?.timeout?.unit == .timespec32)
        #expect(i386.all.first { $0.name == "ppoll_time64" }?.timeout?.unit == .timespec)
        #expect(i386.all.first { $0.name == "_newselect" }?.timeout?.unit == .timeval32)
    }

    @Test func `a result that is no errno has no name, and none makes it trap`() {
        #expect(ErrnoNames.name(result: -110) == "ETIMEDOUT")
        for result in [Int64.min, -4096, 0, 110, .max] { #expect(ErrnoNames.name(result: result) == nil) }
    }
}
