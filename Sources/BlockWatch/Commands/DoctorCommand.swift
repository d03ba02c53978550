import ArgumentParser
import BlockWatchCapture
import BlockWatchCore
import Glibc

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Say what this host offers, what is missing, and what to do about it.",
        discussion: """
            Ends with 0 if blockwatch can run here, 69 if the kernel lacks something, 77 if a privilege is missing.
              blockwatch doctor
              blockwatch doctor --config /etc/blockwatch.conf
            """)

    @Option(help: "Check this config file too.", completion: .file()) var config: String?

    func run() {
        // before anything is read of others
        let stacks = (server: StackServer(), waiter: StackServer())
        var report = Report()
        if let config {
            // ends with 78 and the line if it is not understood
            let options = (try? WatchOptions.parse(["--config", config])) ?? WatchOptions()
            let settings = Settings.load(options, arguments: ["--config", config])
            report.say(.good, "config file \(config)", "\(settings.pipeline.ignoreRules.count) ignore rules")
        }
        let host = Host(procFS: ProcFS(root: "/proc"))
        report.say(.good, "kernel", "\(host.kernelRelease) on \(host.machine)")
        checkPrivileges(host, &report)
        checkNamespace(host, &report)
        checkClock(host, &report)
        if report.lacksPrivilege, !host.mayLoadPrograms {
            report.say(.poor, "kernel features", "cannot be tried without the capabilities above")
        } else {
            checkKernel(host, stacks, &report)
        }
        report.say(.good, "tracefs", "not needed")
        if report.lacksPrivilege || report.lacksFeature {
            report.say(
                .good, "recordings", "of other hosts can be read here: replay, graph --replay, top --replay, debug")
        }
        printOut(report.text)
        let code: ExitCode =
            report.lacksFeature ? .missingFeature : report.lacksPrivilege ? .missingPrivilege : .success
        Glibc.exit(code.rawValue)
    }

    private func checkPrivileges(_ host: Host, _ report: inout Report) {
        let isAdmin = host.has(Host.sysAdmin)
        for capability in Host.neededCapabilities {
            if host.has(capability.number) || isAdmin {
                report.say(.good, capability.name, capability.purpose)
            } else {
                report.lacksPrivilege = true
                report.say(.bad, capability.name, "missing: \(capability.purpose) needs it; run as root or grant it")
            }
        }
        for capability in Host.usefulCapabilities {
            let isThere = host.has(capability.number)
            report.say(
                isThere ? .good : .poor, capability.name, (isThere ? "" : "missing, less detail: ") + capability.purpose
            )
        }
    }

    private func checkNamespace(_ host: Host, _ report: inout Report) {
        if host.isInInitialPIDNamespace {
            report.say(.good, "PID namespace", "the host's: every process can be seen")
        } else {
            report.lacksPrivilege = true
            report.say(
                .bad, "PID namespace",
                "not the host's: only processes in here can be seen; hostPID: true (docker: --pid=host), or --scope namespace"
            )
        }
        let hidesOthers = (try? host.procFS.readFile("1/stat", limit: 16)) == nil
        if hidesOthers {
            report.say(.poor, "/proc", "process 1 cannot be read (hidepid?): paths and names of others will be missing")
        } else {
            report.say(.good, "/proc", "readable")
        }
    }

    private func checkClock(_ host: Host, _ report: inout Report) {
        let tick = TerminalText.duration(nanoseconds: Clock.tickNanoseconds)
        report.say(.good, "clock", "CLOCK_MONOTONIC, a tick of \(tick): durations are exact to two ticks from 100ms on")
    }

    private func checkKernel(
        _ host: Host, _ stacks: (server: StackServer?, waiter: StackServer?), _ report: inout Report
    ) {
        for probe in KernelProbe.all {
            switch probe.run() {
            case .present: report.say(.good, probe.name, "for \(probe.neededFor)")
            case .missing:
                report.lacksFeature = true
                report.say(.bad, probe.name, "missing, for \(probe.neededFor): \(probe.remedy)")
            case .refused(let errno):
                report.lacksPrivilege = true
                report.say(.bad, probe.name, "cannot be tried: \(describe(errno: errno)); run as root")
            }
        }
        let table = SyscallTable.table(for: Host.nativeABI)
        let settings = CaptureSettings(
            thresholdNanoseconds: 3_600_000_000_000, trace: true, watchedNative: table.kernelBytes { _ in true },
            watchedCompat: SyscallTable.table(for: .i386).kernelBytes { _ in true }, isNarrow: false)
        for program in ProgramProbe.all {
            do throws(CaptureError) {
                try program.run()
                report.say(.good, "program \(program.name)", program.neededFor)
            } catch {
                report.blame(error)
                report.say(.bad, "program \(program.name)", error.description)
            }
        }
        do throws(CaptureError) {
            let capture = try Capture(settings)
            try capture.scan()
            report.say(.good, "programs", "loaded and attached; a scan saw \(capture.counters.scanThreads) threads")
            if let probes = capture.probes { checkPrice(probes, &report) }
            let answer = StackProbe.run(stacks.server, on: stacks.waiter, capture, host)
            report.say(answer.isGood ? .good : .poor, "stacks", answer.words)
        } catch {
            report.blame(error)
            report.say(.bad, "programs", error.description)
        }
    }
}

extension DoctorCommand {
    /// What engine trace would take of this host as it is now.
    private func checkPrice(_ probes: SystemCallProbes, _ report: inout Report) {
        let now = Clock.now().monotonic
        var budget = OverheadBudget(
            limit: WatchOptions.defaultMaxOverhead, callNanoseconds: probes.callNanoseconds,
            processors: Host.processorCount, calls: probes.calls, now: now)
        usleep(UInt32(OverheadBudget.interval / 1000))
        _ = budget.advance(calls: probes.calls, at: Clock.now().monotonic)
        report.say(.good, "price of tracing", budget.overhead.price)
    }
}

private struct Report {
    enum Mark: String { case good = "ok  ", poor = "poor", bad = "MISS" }

    var text = ""
    var lacksFeature = false
    var lacksPrivilege = false

    mutating func blame(_ error: CaptureError) {
        if error.cause == .missingPrivilege { lacksPrivilege = true } else { lacksFeature = true }
    }

    mutating func say(_ mark: Mark, _ name: String, _ meaning: String) {
        text += "\(mark.rawValue)  \(TerminalText.padded(name, to: 34))  \(TerminalText.escaped(meaning))\n"
    }
}
