import BlockWatchCore
import Synchronization

/// Reads the kernel's symbols while its programs are loaded: both take a tenth of a second.
final class SymbolLoader: Sendable {
    private let symbols = Mutex<KernelSymbols?>(nil)
    private let isStarted = Mutex(false)
    private let done = Bell()
    private let procFS: ProcFS

    init(_ procFS: ProcFS) {
        self.procFS = procFS
        let started = startDetachedThread { [self] in
            let read = KernelSymbols(procFS)
            symbols.withLock { $0 = read }
            done.ring()
        }
        isStarted.withLock { $0 = started }
    }

    /// Waits until they are read. For one who asks once.
    func take() -> KernelSymbols {
        guard isStarted.withLock({ $0 }) else { return KernelSymbols(procFS) }
        done.take()
        return symbols.withLock { symbols in
            defer { symbols = nil }
            return symbols ?? KernelSymbols()
        }
    }
}
