import BlockWatchCore
internal import CLinux
import Glibc

/// What blockwatch gives up once it has started, so that whatever it reads from others cannot do much through it.
enum Confinement {
    /// Keeps the capabilities that are needed while watching, and gives up all others for good. Only of the calling
    /// thread: to be called before there are others.
    ///
    /// C functions: `capset`, `prctl`
    static func dropPrivileges(of host: Host) {
        let kept = host.keptCapabilities
        // a process that may not shrink it gets nothing from it either, once new privileges are ruled out
        for capability in 0..<64 where kept & (1 << UInt64(capability)) == 0 {
            if linux_drop_from_bounding_set(Int32(capability)) != 0 { break }
        }
        guard linux_capset(kept) == 0 else {
            fail(
                .defect,
                "cannot give up capabilities: \(describe(errno: errno)); this is a defect of blockwatch: please report it"
            )
        }
        _ = linux_clear_ambient_set()
        guard linux_set_no_new_privileges() == 0 else {
            fail(
                .missingFeature, "cannot rule out new privileges: \(describe(errno: errno)); needs kernel 3.5 or newer")
        }
    }

    /// Leaves only the system calls that watching takes, to all threads there are and will be.
    ///
    /// C function: `seccomp`
    static func filterSystemCalls(
        appendsToFile: Bool, replacesFile: Bool, usesTerminal: Bool = false, log: Log
    ) {
        #if UNCONFINED
            // sanitizers make calls of their own
            return log.debug("built with UNCONFINED: system calls are not filtered")
        #else
            let filter = SystemCallFilter(
                abi: Host.nativeABI,
                grants: SystemCallFilter.Grants(
                    processID: getpid(), appendsToFile: appendsToFile, replacesFile: replacesFile,
                    usesTerminal: usesTerminal))
            var instructions = filter.instructions.map {
                sock_filter(code: $0.code, jt: $0.jumpIfTrue, jf: $0.jumpIfFalse, k: $0.operand)
            }
            let answer = unsafe linux_filter_system_calls(&instructions, UInt16(instructions.count))
            guard answer != 0 else { return }
            let reason = answer > 0 ? "thread \(answer) has a filter of its own" : describe(errno: errno)
            log.warning("system calls are not filtered: \(reason); needs a kernel with CONFIG_SECCOMP_FILTER")
        #endif
    }
}
