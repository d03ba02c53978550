import Glibc
import Synchronization

/// INT, TERM, HUP and USR1, taken by a thread that does nothing else.
///
/// C function: `sigwait`
final class Signals: Sendable {
    private let arrived = Mutex<[Int32]>([])
    private let bell = Bell()

    var descriptor: Int32 { bell.descriptor }

    private let numbers: [Int32]

    private var set: sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for number in numbers { unsafe sigaddset(&set, number) }
        return set
    }

    /// Blocks them in the calling thread, from which threads started later inherit that. From ``start()`` on they
    /// are taken.
    ///
    /// - Parameter others: besides INT, TERM, HUP and USR1.
    init(also others: [Int32] = []) {
        numbers = [SIGINT, SIGTERM, SIGHUP, SIGUSR1] + others
        var set = self.set
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        // a reader that goes away is an errno, not a death
        signal(SIGPIPE, SIG_IGN)
    }

    func start() {
        let set = self.set
        startNeededThread { [self, set] in
            var set = set
            while true {
                var number: Int32 = 0
                guard unsafe sigwait(&set, &number) == 0 else { continue }
                arrived.withLock { $0.append(number) }
                bell.ring()
            }
        }
    }

    /// INT or TERM waits to be taken: whatever takes long is broken off.
    var wantEnd: Bool { arrived.withLock { $0.contains(SIGINT) || $0.contains(SIGTERM) } }

    func take() -> [Int32] {
        _ = bell.take(withinMilliseconds: 0)
        return arrived.withLock { arrived in
            defer { arrived = [] }
            return arrived
        }
    }
}

/// What the loop waits for.
struct EventSet {
    private let descriptors: [Int32]

    init(_ descriptors: Int32...) { self.descriptors = descriptors }

    /// C function: `poll`
    func wait(milliseconds: Int32) {
        var requests = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        _ = unsafe poll(&requests, nfds_t(requests.count), milliseconds)
    }
}
