import BlockWatchCapture
import BlockWatchCore
internal import CStacks
import Glibc

/// Whether stacks can be taken here: one is, of a process of blockwatch itself that waits.
enum StackProbe {
    struct Answer {
        var isGood: Bool
        var words: String
    }

    private static let checkpointRestore = 40
    private static let tries = 50

    /// - Parameters:
    ///   - server: begun before anything of others was read.
    ///   - waiter: another one.
    static func run(_ server: StackServer?, on waiter: StackServer?, _ capture: borrowing Capture, _ host: Host)
        -> Answer
    {
        func none(_ why: String) -> Answer { Answer(isGood: false, words: "none: \(why)") }
        guard Host.nativeABI == .x86_64 else { return none("they are walked on x86_64 only") }
        guard let server else {
            return none(
                "their process cannot be started: is /proc mounted, does a limit of processes (ulimit -u) stand in the way?"
            )
        }
        guard host.isInInitialPIDNamespace else {
            return Answer(
                isGood: true,
                words: "not tried in a PID namespace of its own; explain PID shows whether they can be taken")
        }
        // another one that waits for requests, and gets none; nobody sees blockwatch's own threads
        guard let waiter else {
            return none("a second process cannot be started: does a limit of processes (ulimit -u) stand in the way?")
        }
        let tid = Int32(waiter.processID)
        var source = LiveHolders(
            holders: capture.holders, runner: FilePassRunner(log: Log(level: .error)), seesAllProcesses: true,
            recorder: nil,
            log: Log(level: .error))
        var walker = StackWalker(
            server: server, holders: capture.holders, milliseconds: 2000, mostMilliseconds: 2000)
        for _ in 0..<tries {
            usleep(10_000)
            guard let record = source.threads([.thread(waiter.processID)]).first else { continue }
            let question = StackQuestion(
                pid: tid, tid: tid, kernelTID: UInt32(tid), switches: record.contextSwitches, hasLines: false)
            let begin = Clock.now().monotonic
            guard case .bytes(let bytes)? = walker.answer([question])[question] else { continue }
            let nanoseconds = Clock.now().monotonic - begin
            var rest = bytes[...]
            guard let thread = try? UserStack.thread(from: &rest), thread.errno == 0, !thread.stack.frames.isEmpty
            else {
                continue
            }
            return Answer(isGood: true, words: words(thread.stack, nanoseconds, host))
        }
        return none(why(walker.counts))
    }

    private static func words(_ stack: UserStack, _ nanoseconds: UInt64, _ host: Host) -> String {
        let count = stack.frames.count
        var words =
            "taken in \(TerminalText.duration(nanoseconds: nanoseconds)): \(count) function\(count == 1 ? "" : "s") of a process "
            + "of its own, by libdw \(unsafe String(cString: stacks_library()))"
        if !host.has(Host.sysAdmin), !host.has(checkpointRestore) {
            words += "; without CAP_CHECKPOINT_RESTORE of deleted files only what is in memory"
        }
        return words
    }

    private static func why(_ counts: StackCounts) -> String {
        if counts.isWorkerBlocked { return "its process has ended or hangs" }
        if counts.late > 0 { return "too slow, its worker was killed after 2s: is the host overloaded?" }
        if counts.failed > 0 {
            return
                "its worker may not read a process of blockwatch itself: CAP_SYS_PTRACE, or a security module that forbids it?"
        }
        return "the process of its own that should wait did not hold still"
    }
}
