import BlockWatchCore

/// As a service: what the manager is told, and SIGHUP.
extension Watch {
    /// While a config file is read again, and what is due to be told.
    struct Service: ~Copyable {
        let manager: ServiceManager
        /// `nil` without a config file.
        let reloader: Reloader?
        /// CLOCK_MONOTONIC, nanoseconds.
        var nextSign: UInt64
        var nextStatus: UInt64
        /// Until when the config file has time to come; `nil` if none is read.
        var patience: UInt64?

        static let statusInterval: UInt64 = 10_000_000_000
        static let reloadPatience: UInt64 = 10_000_000_000

        init(manager: consuming ServiceManager, reloader: Reloader?, now: UInt64) {
            nextSign = manager.watchdogInterval.map { now + $0 } ?? .max
            nextStatus = now
            self.manager = manager
            self.reloader = reloader
        }

        var next: UInt64 { min(nextSign, nextStatus, patience ?? .max) }
    }

    /// Each round: the one thread that watches is the one that gives signs of life.
    mutating func serve(at now: UInt64) {
        if let answer = service.reloader?.take() {
            reloaded(answer)
        } else if let patience = service.patience, now >= patience {
            log.warning(
                "cannot read the config file \(settings.configPath ?? "") again: its file system does not answer; "
                    + "keeping the settings as they were")
            endReload()
        }
        if let interval = service.manager.watchdogInterval, now >= service.nextSign {
            service.manager.isAlive()
            service.nextSign = now + interval
        }
        if now >= service.nextStatus {
            service.manager.status(status)
            service.nextStatus = now + Service.statusInterval
        }
    }

    var status: String {
        let deadlocks = pipeline.count(of: .deadlock)
        let stuck = pipeline.count(of: .stuck)
        let engine = budget?.isTraced == false ? "scan (max-overhead)" : settings.engine.rawValue
        return
            "watching for calls blocked longer than \(TerminalText.duration(nanoseconds: settings.thresholdNanoseconds)), "
            + "engine \(engine): \(pipeline.openCount) open, \(stuck) stuck, \(deadlocks) in a deadlock"
    }

    /// SIGHUP: the output is opened again, and the config file read.
    mutating func reload() {
        reopenOutput()
        let now = Clock.now().monotonic
        service.manager.reloading(at: now)
        guard let reloader = service.reloader else { return endReload() }
        service.patience = now + Service.reloadPatience
        reloader.read()
    }

    private mutating func endReload() {
        service.patience = nil
        service.manager.ready(status)
    }

    private mutating func reloaded(_ answer: Result<Settings, ConfigError>) {
        defer { endReload() }
        let path = settings.configPath ?? ""
        let new: Settings
        switch answer {
        case .success(let settings): new = settings
        case .failure(let error): return log.error("\(error.text); keeping the settings as they were")
        }
        guard settings.recordPath == nil else {
            return log.warning("\(path): a debug recording has the settings it began with; keeping them")
        }
        let later = settings.needingRestart(new)
        settings.take(new)
        pipeline.reconfigure(settings.pipeline, at: Clock.now().monotonic)
        log.info("the config file \(path) was read again")
        if !later.isEmpty {
            log.warning("\(path): \(later.joined(separator: ", ")): takes effect when blockwatch starts again")
        }
    }
}

extension Settings {
    /// What was settled when the programs were loaded and the files opened.
    fileprivate func needingRestart(_ new: Settings) -> [String] {
        var names: [String] = []
        func note(_ name: String, _ isChanged: Bool) { if isChanged { names.append(name) } }
        note("threshold", thresholdNanoseconds != new.thresholdNanoseconds)
        note("engine", engine != new.engine)
        note("max-overhead", maxOverhead != new.maxOverhead)
        note("format", format != new.format)
        note("output", outputPath != new.outputPath)
        note("scope", scope != new.scope)
        note("new-only", pipeline.newOnly != new.pipeline.newOnly)
        note("duration", durationNanoseconds != new.durationNanoseconds)
        note("command-line", commandLine != new.commandLine)
        note("metrics", metricsPath != new.metricsPath)
        note("metrics-mode", metricsMode != new.metricsMode)
        note("ring-size", ringBytes != new.ringBytes)
        note("log-level", logLevel != new.logLevel)
        note("system calls that no filter let through so far", watched.isWidened(by: new))
        return names
    }

    /// What takes effect at once.
    fileprivate mutating func take(_ new: Settings) {
        let before = pipeline
        pipeline = new.pipeline
        pipeline.thresholdNanoseconds = before.thresholdNanoseconds
        pipeline.newOnly = before.newOnly
        summaryNanoseconds = new.summaryNanoseconds
    }

    /// What the programs in the kernel were loaded for: only calls that could be written.
    struct Watched: Sendable {
        var filter: Filter
        var verdicts: Set<Verdict>

        func isWidened(by new: Settings) -> Bool {
            [Host.nativeABI, .i386].contains { abi in
                SyscallTable.table(for: abi).all.contains { call in
                    call.kernelByte != 0 && new.pipeline.filter.mayAdmit(call, verdicts: new.pipeline.verdicts)
                        && !filter.mayAdmit(call, verdicts: verdicts)
                }
            }
        }
    }
}
