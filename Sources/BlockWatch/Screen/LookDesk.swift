import BlockWatchCore
import Glibc
import Synchronization

/// Between the screen and the looks, each in a thread of its own: a key never waits for a look, however long that takes, and no
/// look for a terminal.
final class LookDesk: Sendable {
    /// What keys have asked for.
    struct Wish: Sendable {
        var hundredths: [Int] = []
        var isPaused = false
        /// Whose functions are wanted; the last one that was asked for.
        var stack: Top.StackWish?
    }

    struct Answer: Sendable {
        var wish: Top.StackWish
        var lines: [String]
    }

    private struct State {
        var wish = Wish()
        var look: Top.Look?
        var answer: Answer?
    }

    private let state = Mutex(State())
    private let wanted = Bell()
    private let brought = Bell()

    // MARK: - the screen's side

    /// Readable while a look lies here.
    var descriptor: Int32 { brought.descriptor }

    func ask(_ change: (inout Wish) -> Void) {
        state.withLock { change(&$0.wish) }
        wanted.ring()
    }

    /// The last one, if it has not been taken yet.
    func take() -> Top.Look? {
        _ = brought.take(withinMilliseconds: 0)
        return state.withLock { state in
            defer { state.look = nil }
            return state.look
        }
    }

    /// The functions that were asked for, once.
    func takeAnswer() -> Answer? {
        state.withLock { state in
            defer { state.answer = nil }
            return state.answer
        }
    }

    // MARK: - the looks' side

    /// Looks whenever it is time or something was asked for, for ever.
    func serve(_ source: inout some TopSource & ~Copyable) {
        var isDue = true
        while true {
            let wish = state.withLock { state in
                defer { (state.wish.hundredths, state.wish.stack) = ([], nil) }
                return state.wish
            }
            if let stack = wish.stack {
                let answer = Answer(wish: stack, lines: source.functions(of: stack))
                state.withLock { $0.answer = answer }
                brought.ring()
            }
            for step in wish.hundredths { source.seek(step) }
            if isDue || !wish.hundredths.isEmpty {
                let look = source.look(isPaused: wish.isPaused)
                state.withLock { $0.look = look }
                brought.ring()
            }
            let now = Clock.now().monotonic
            let left = source.nextLook > now ? (source.nextLook - now) / 1_000_000 + 1 : 0
            isDue = !wanted.take(withinMilliseconds: Int32(clamping: left)) || Clock.now().monotonic >= source.nextLook
        }
    }
}
