import BlockWatchCapture
import BlockWatchCore

/// Where `top` has its looks from.
protocol TopSource: ~Copyable {
    /// Takes as long as it takes.
    mutating func look(isPaused: Bool) -> Top.Look
    /// When the next one is due, CLOCK_MONOTONIC.
    var nextLook: UInt64 { get }
    /// Of a recording: on or back by hundredths of it.
    mutating func seek(_ hundredths: Int)
    /// Where in its program a thread is, in lines; takes as long as it takes.
    mutating func functions(of wish: Top.StackWish) -> [String]
}

/// This host, looked at again and again.
struct LiveTop: ~Copyable, TopSource {
    private var inspection: Inspection
    private var deadlocks: [String: DeadlockReport] = [:]
    private var pace = LookPace()
    private var lostClosings: UInt64 = 0
    /// When the last look was, and what all had cost until then.
    private var last: (at: UInt64, cpu: UInt64)

    var nextLook: UInt64 { pace.nextLook }

    init(_ inspection: consuming Inspection) {
        self.inspection = inspection
        last = (Clock.now().monotonic, Clock.processCPU())
    }

    mutating func seek(_ hundredths: Int) {}

    mutating func functions(of wish: Top.StackWish) -> [String] { inspection.functions(of: wish) }

    /// While it is paused too: what ends must be taken from the kernel.
    mutating func look(isPaused: Bool) -> Top.Look {
        let start = Clock.now().monotonic
        let before = Clock.processCPU()
        let isRelook = start >= pace.nextRelook
        inspection.lookAgain(relooks: isRelook, lostClosings: &lostClosings)
        let clock = Clock.now()
        for record in inspection.pipeline.takeRecords() {
            if case .deadlock(let report) = record.body, let chain = report.chainID {
                if deadlocks.count > 4096 { deadlocks = [:] }
                if report.part == 1 { deadlocks[chain] = report } else { deadlocks[chain]?.members += report.members }
            }
        }
        let threads = inspection.capture.counters.scanThreads
        let calls = inspection.pipeline.reports(threads: threads, clock: clock)
        var look = Top.Look(calls: calls, deadlocks: Array(deadlocks.values), clock: clock)
        look.threads = threads
        let cpu = Clock.processCPU()
        if clock.monotonic > last.at {
            look.ownThousandths = (cpu - last.cpu) * 1000 / (clock.monotonic - last.at)
        }
        look.ownBytes = inspection.host.usage().residentBytes
        last = (clock.monotonic, cpu)
        pace.looked(
            isRelook: isRelook, start: start, end: clock.monotonic, cpuBefore: before, cpuAfter: cpu)
        return look
    }
}

/// A recording, played.
struct RecordedTop: TopSource {
    private var player: RecordingPlayer
    private(set) var nextLook: UInt64 = 0
    private var lastAt: UInt64?

    init(_ player: RecordingPlayer) { self.player = player }

    /// The records say it, or nobody.
    mutating func functions(of wish: Top.StackWish) -> [String] { [] }

    mutating func seek(_ hundredths: Int) { player.move(to: player.moved(byHundredths: hundredths)) }

    mutating func look(isPaused: Bool) -> Top.Look {
        let now = Clock.now().monotonic
        if !isPaused, let lastAt { player.move(to: player.now.addingReportingOverflow(now - lastAt).partialValue) }
        lastAt = now
        nextLook = now + 500_000_000
        return player.look()
    }
}
