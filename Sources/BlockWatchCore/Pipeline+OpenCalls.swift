/// What is open, for whoever asks the kernel about it.
extension Pipeline {
    /// Calls whose `blocked` was written.
    public var writtenCalls: [UInt64] { ledger.writtenCalls }

    /// When the calls whose `blocked` was written began, CLOCK_MONOTONIC, nanoseconds, and the threads that are in them.
    public var writtenThreads: [(start: UInt64, thread: UInt32)] { ledger.writtenThreads }

    /// Threads of which only /proc can tell whether they still exist: dying ones fire no event any more; after
    /// lost closings, all.
    public func threadsToCheck(all: Bool) -> [(call: UInt64, pid: Int32, tid: Int32)] {
        ledger.threadsToCheck(all: all)
    }
}
