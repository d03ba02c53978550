import BlockWatchCore
import Synchronization

/// Which file a place in a program of the watched lies in: where no function is known, and of processes that have ended.
///
/// A process may hold the lock of its own memory for ever, and with it whoever reads its mappings: a thread of its own does,
/// behind a deadline.
final class CodeMaps: Sendable {
    /// For one process.
    private static let patienceMilliseconds: Int32 = 100
    /// Threads that hang in reading; from then on nobody is asked.
    private static let mostHanging = 4
    private static let mostProcesses = 64

    private struct State {
        var maps: [Int: CodeMap] = [:]
        var asked: Set<Int> = []
        var hanging = 0
    }

    private let state = Mutex(State())
    private let done = Bell()
    private let procFS: ProcFS

    init(procFS: ProcFS) { self.procFS = procFS }

    /// Reads the mappings of a process, once; soon after it was seen to run, because it may not be there for long.
    func learn(_ pid: Int) {
        let isNew = state.withLock { state in
            state.asked.count < Self.mostProcesses && state.hanging < Self.mostHanging
                && state.asked.insert(pid).inserted
        }
        guard isNew else { return }
        _ = done.take(withinMilliseconds: 0)
        state.withLock { $0.hanging += 1 }
        let isStarted = startDetachedThread { [self] in
            let text = try? procFS.readFile("\(pid)/maps", limit: 16 << 20)
            state.withLock { state in
                state.hanging -= 1
                if let text { state.maps[pid] = CodeMap(maps: text) }
            }
            done.ring()
        }
        guard isStarted else { return state.withLock { $0.hanging -= 1 } }
        _ = done.take(withinMilliseconds: Self.patienceMilliseconds)
    }

    /// - Returns: `nil` where it cannot be told.
    func name(pid: Int, _ address: UInt64) -> String? { state.withLock { $0.maps[pid]?.place(address) } }
}
