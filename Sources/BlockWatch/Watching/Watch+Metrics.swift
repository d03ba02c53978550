import BlockWatchCapture
import BlockWatchCore

extension Watch {
    /// To count thirty thousand calls takes milliseconds: after each time it rests a thousand times as long.
    private static var metricsShare: UInt64 { 1000 }

    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds: the end of the last scan.
    mutating func writeMetrics(at now: UInt64) {
        guard let metrics else { return }
        let before = Clock.threadCPU()
        var reading = MetricsReading(usage: host.usage())
        reading.version = blockwatchVersion
        reading.startWallNanoseconds = startWall
        reading.scanWallNanoseconds = Clock.now().wall
        reading.thresholdNanoseconds = settings.thresholdNanoseconds
        reading.open = pipeline.pure.open(at: now)
        reading.calls = pipeline.pure.callCounts
        reading.totals = pipeline.pure.totals
        reading.threads = known.scanThreads
        reading.scanNanoseconds = schedule.lastDuration
        reading.scanPeriodNanoseconds = schedule.period
        reading.overhead = budget?.overhead
        reading.stacks = risky.stacks?.counts
        metrics.write(reading)
        nextMetrics = now + (Clock.threadCPU() - before) * Self.metricsShare
    }
}
