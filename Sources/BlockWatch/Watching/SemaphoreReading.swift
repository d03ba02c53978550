import BlockWatchCore
internal import CLinux
import Glibc

/// Answers questions about System V semaphores, of blockwatch's own IPC namespace only.
struct SemaphoreReading {
    let procFS: ProcFS

    /// C function: `semctl`
    ///
    /// - Parameter pid: of the waiter.
    func read(_ pid: Int32, _ set: Int32, _ number: UInt16) throws(ProcError) -> RiskyAnswer {
        let own = try procFS.readLink("self/ns/ipc")
        guard try procFS.readLink("\(pid)/ns/ipc") == own else { return .failed(EXDEV) }
        guard let found = semaphore(set, number) else { return .failed(errno) }
        var age: Int64 = -1
        if found.pid > 0, let process = Int32(exactly: found.pid) {
            do throws(ProcError) {
                let ticks = try procFS.threadStart(pid: process, tid: process)
                let start = ticks / UInt64(max(sysconf(Int32(_SC_CLK_TCK)), 1))
                age = Int64(clamping: Clock.now().boot / 1_000_000_000) - Int64(clamping: start)
            } catch  where error.isGone {}
        }
        // it went from hand to hand while it was looked at: who has it now may live
        guard let again = semaphore(set, number), again.pid == found.pid, again.used == found.used,
            again.value == found.value
        else { return .failed(EAGAIN) }
        let now = Int64(clamping: Clock.now().wall / 1_000_000_000)
        let fields = [
            found.value, found.pid, found.used == 0 ? -1 : max(now - found.used, 0), max(now - found.set, 0),
            max(age, -1),
        ]
        return .bytes(fields.flatMap { field in (0..<8).map { UInt8(truncatingIfNeeded: field >> (8 * $0)) } })
    }

    private func semaphore(_ set: Int32, _ number: UInt16) -> linux_semaphore? {
        var semaphore = linux_semaphore()
        return unsafe linux_read_semaphore(set, Int32(number), &semaphore) == 0 ? semaphore : nil
    }
}
