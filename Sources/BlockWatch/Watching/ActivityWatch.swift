import BlockWatchCapture
import BlockWatchCore
import Glibc

/// Watches the processes of one id or name for a while, call by call: `explain --for`.
struct ActivityWatch: ~Copyable {
    private var look: Inspection
    private let watch: ProcessWatch
    private let signals: Signals
    private let maps: CodeMaps
    /// Names the functions; `nil` where none can.
    private let stacks: StackServer?
    private var log = ActivityLog()
    /// Of each thread that was there at the beginning.
    private var before: [Int32: ThreadTimes] = [:]
    /// Of each that is there at the end.
    private var after: [Int32: ThreadTimes] = [:]
    private var isInterrupted = false
    /// Records that are none, as of a defect.
    private var misunderstood: UInt64 = 0
    private let isRecorded: Bool

    /// What the scheduler knows of a thread.
    private struct ThreadTimes {
        var processor, queued: UInt64
    }

    /// As often another run of each thread's calls is told one by one.
    private static let turnMilliseconds: UInt64 = 100
    /// Places in a program that are named, and how long that may take a thread.
    private static let (mostPlaces, namingMilliseconds): (Int, UInt32) = (256, 1000)
    /// Processes that are told one after the other.
    private static let mostProcesses = 10

    /// - Parameter name: of processes that are to be watched when they come to have it; `nil` for none.
    init(name: String?, scope: Scope, recordPath: String?) {
        // first: a thread started later inherits the mask
        isRecorded = recordPath != nil
        signals = Signals()
        // begun before anything is read of others
        stacks = StackServer()
        // and what takes a pipe, before that is ruled out
        maps = CodeMaps(procFS: ProcFS(root: "/proc"))
        look = Inspection(
            scope: scope, thresholdNanoseconds: 1_000_000_000, filter: Filter(), commandLine: .none,
            recordPath: recordPath,
            processWatch: ProcessWatchSettings(
                name: Array((name ?? "").utf8.prefix(15)),
                argumentsNative: CallArguments.kernelBytes(Host.nativeABI),
                argumentsCompat: CallArguments.kernelBytes(.i386)),
            log: Log(level: .warning))
        guard let watch = look.capture.processWatch else {
            fail(
                .defect,
                "the programs that watch a process are not loaded; this is a defect of blockwatch: please report it")
        }
        self.watch = watch
        signals.start()
    }

    /// Watches for that long, until whoever was asked for by id is gone, or until somebody interrupts.
    ///
    /// - Parameters:
    ///   - pids: those that are there, in the PID namespace of this /proc.
    ///   - word: as it was asked for.
    mutating func run(pids: [Int32], word: String, isByName: Bool, nanoseconds: UInt64) -> ActivityReport {
        for pid in pids { add(pid) }
        watch.start()
        let begin = Clock.now().monotonic
        if isByName {
            // whoever has come to that name since it was looked for
            drain()
            for pid in namesakes(word) where !log.lives.contains(where: { $0.pid == Int(pid) }) { add(pid) }
        }
        let end = begin.saturatingAdd(nanoseconds)
        let events = EventSet(signals.descriptor)
        while true {
            let now = Clock.now().monotonic
            guard now < end else { break }
            let left = (end - now) / 1_000_000 + 1
            events.wait(milliseconds: Int32(min(left, Self.turnMilliseconds)))
            watch.renewBudgets()
            drain()
            if signals.take().contains(where: { $0 == SIGINT || $0 == SIGTERM || $0 == SIGHUP }) {
                isInterrupted = true
                break
            }
            if !isByName {
                for pid in pids where isGone(pid) {
                    // how, was told before; but of whoever ended before the watch began
                    drain()
                    log.noteGone(pid: Int(pid), at: Clock.now().monotonic)
                }
                if log.isEverybodyGone { break }
            }
        }
        let watched = Clock.now().monotonic - begin
        for life in log.lives where life.isNamed && life.exitedNanoseconds == nil {
            let pid = Int32(truncatingIfNeeded: life.pid)
            for tid in look.host.procFS.numbers(in: "\(pid)/task") { after[tid] = times(pid, tid) }
        }
        watch.end()
        drain()
        return report(word: word, isByName: isByName, begin: begin, watched: watched)
    }

    private mutating func add(_ pid: Int32) {
        guard let number = look.kernelNumber(of: pid) else { return }
        log.watch(ActivityLog.Life(pid: Int(pid), kernelPID: number, name: comm(pid)))
        for tid in look.host.procFS.numbers(in: "\(pid)/task") { before[tid] = times(pid, tid) }
        watch.add(process: UInt32(truncatingIfNeeded: number), shown: UInt32(truncatingIfNeeded: pid))
    }

    private func namesakes(_ name: String) -> [Int32] {
        guard case .processes(let pids) = ProcessFinder(procFS: look.host.procFS).find(name) else { return [] }
        return pids
    }

    private func isGone(_ pid: Int32) -> Bool {
        switch ProcessFinder(procFS: look.host.procFS).find("\(pid)") {
        case .nobody, .zombie: true
        default: false
        }
    }

    private mutating func drain() {
        var records: [ActivityRecord] = []
        var misunderstood: UInt64 = 0
        watch.consume { bytes in
            do throws(DecodeError) { records.append(try ActivityRecord(bytes, native: Host.nativeABI)) } catch {
                misunderstood += 1
            }
        }
        self.misunderstood += misunderstood
        for record in records {
            if case .sample(let sample) = record { maps.learn(sample.pid) }
            log.note(record)
        }
    }

    // MARK: - what it amounts to

    private mutating func report(word: String, isByName: Bool, begin: UInt64, watched: UInt64) -> ActivityReport {
        let sums = CallSum.rows(watch.sums(), native: Host.nativeABI)
        look.watchDevices()
        let named = log.lives.filter(\.isNamed)
        let there = named.filter { $0.exitedNanoseconds == nil }
        // of those that are gone, one by id is told like those that are there
        let told = isByName ? there : named
        var processes: [ActivityReport.Process] = []
        for life in told.prefix(Self.mostProcesses) { processes.append(process(life, sums, begin, watched)) }
        var report = ActivityReport(
            word: word, isByName: isByName, watchedNanoseconds: watched, processes: processes, log: log, sums: sums)
        report.more = max(told.count - Self.mostProcesses, 0)
        report.wasInterrupted = isInterrupted
        let losses = watch.losses
        report.losses.calls = losses.calls + misunderstood
        report.losses.lives = losses.lives
        report.losses.samples = losses.samples
        report.losses.sums = losses.sums
        if watch.samplingErrno != 0 {
            report.losses.sampling = "the kernel gives no timer (\(describe(errno: watch.samplingErrno)))"
        }
        look.endRecording()
        return report
    }

    private mutating func process(
        _ life: ActivityLog.Life, _ sums: [CallSum], _ begin: UInt64, _ watched: UInt64
    ) -> ActivityReport.Process {
        let explanation =
            life.exitedNanoseconds == nil
            ? look.pipeline.explain(
                pid: life.kernelPID, source: &look.source, risky: &look.risky, clock: Clock.now()) : nil
        let from = max(life.bornNanoseconds ?? begin, begin)
        let wall = min((life.exitedNanoseconds ?? (begin + watched)) - min(from, begin + watched), watched)
        var threads: [Int: [UInt8]] = [:]
        for thread in explanation?.threads ?? [] { threads[thread.call.process.tid] = thread.call.process.threadName }
        if life.isApart, threads[life.pid] == nil { threads[life.pid] = life.name }
        for (tid, calls) in log.calls where calls.contains(where: { $0.pid == life.pid }) && threads[tid] == nil {
            threads[tid] = []
        }
        let ends = ends()
        let inOneCall = Dictionary(
            (explanation?.threads ?? []).map {
                ($0.call.process.tid, !$0.isRunning && $0.durationNanoseconds * 2 >= wall)
            }, uniquingKeysWith: { a, _ in a })
        let known = Set((explanation?.threads ?? []).map(\.call.process.tid))
        var activities: [ThreadActivity] = []
        for (tid, name) in threads.sorted(by: { $0.key < $1.key }) {
            let calls = (log.calls[tid] ?? []).filter { $0.pid == life.pid }
            let own = sums.filter { $0.who == UInt64(tid) }
            // a thread that is no more, and did nothing
            guard known.contains(tid) || !own.isEmpty || explanation == nil else { continue }
            let (processor, queued) = spent(life, tid, isOnly: threads.count == 1)
            let samples = log.samples.filter { $0.tid == tid }
            var thread = ThreadActivity(
                pid: life.pid, tid: tid, name: name, wallNanoseconds: wall,
                processorNanoseconds: processor ?? UInt64(samples.count) * 1_000_000_000
                    / ProcessWatch.samplesPerSecond,
                queuedNanoseconds: queued, calls: calls, sums: own, ends: ends,
                isInOneCall: inOneCall[tid] ?? false)
            if let loop = thread.loop, life.exitedNanoseconds == nil {
                thread.loop?.name(names(of: loop.descriptors, in: life, tid))
            }
            let functions = functions(of: samples, in: life, tid)
            thread.place(samples) { [maps] in functions[$0] ?? maps.name(pid: life.pid, $0) }
            activities.append(thread)
        }
        return ActivityReport.Process(life: life, explanation: explanation, threads: activities)
    }

    /// What functions a thread was seen in, by address: of the places where it was most.
    ///
    /// - Returns: nothing of a process that has ended, and of code that no table names.
    private func functions(of samples: [ProcessorSample], in life: ActivityLog.Life, _ tid: Int) -> [UInt64: String] {
        guard let stacks, life.exitedNanoseconds == nil else { return [:] }
        var counts: [UInt64: Int] = [:]
        for sample in samples where !sample.isInKernel || sample.number == nil {
            if let address = sample.stack.first { counts[address, default: 0] += 1 }
        }
        let addresses = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(Self.mostPlaces).map(\.key)
        guard !addresses.isEmpty else { return [:] }
        do throws(StackServer.Failure) {
            let found = try stacks.functions(
                at: addresses, pid: Int32(truncatingIfNeeded: life.pid), tid: Int32(truncatingIfNeeded: tid),
                milliseconds: Self.namingMilliseconds)
            let names = found.map { $0.frames.first?.callName }
            return Dictionary(zip(addresses, names).compactMap { pair in pair.1.map { (pair.0, $0) } }) { first, _ in
                first
            }
        } catch { return [:] }
    }

    /// What descriptors are that it still has.
    private mutating func names(of descriptors: Set<Int>, in life: ActivityLog.Life, _ tid: Int) -> [Int: String] {
        // a recording has the answers for what was asked when it was made, and nothing else
        guard !descriptors.isEmpty, !isRecorded else { return [:] }
        var names = look.pipeline.pure.sockets(
            among: descriptors.sorted(), pid: life.kernelPID, source: &look.source)
        for descriptor in descriptors where names[descriptor] == nil {
            let target = try? look.host.procFS.descriptorTarget(
                pid: Int32(truncatingIfNeeded: life.pid), tid: Int32(truncatingIfNeeded: tid),
                fd: Int32(truncatingIfNeeded: descriptor))
            guard let target, !target.isEmpty, !target.starts(with: "anon_inode:[eventpoll]".utf8) else { continue }
            names[descriptor] = TerminalText.cut(TerminalText.escaped(target), to: 60, keep: .headAndTail)
        }
        return names
    }

    /// What a thread has used since the watch began; `nil` where that is not known.
    private func spent(_ life: ActivityLog.Life, _ tid: Int, isOnly: Bool) -> (processor: UInt64?, queued: UInt64?) {
        let number = Int32(truncatingIfNeeded: tid)
        let earlier = before[number] ?? ThreadTimes(processor: 0, queued: 0)
        if let now = after[number] {
            return (now.processor - min(earlier.processor, now.processor), now.queued - min(earlier.queued, now.queued))
        }
        guard isOnly, life.exitedNanoseconds != nil else { return (nil, nil) }
        return (life.processorNanoseconds - min(earlier.processor, life.processorNanoseconds), nil)
    }

    /// How children ended, by their id.
    private func ends() -> [Int: ChildEnd] {
        var ends: [Int: ChildEnd] = [:]
        for life in log.lives {
            guard let status = life.status else { continue }
            ends[life.pid] = ChildEnd(life, status: status)
        }
        return ends
    }

    // MARK: - /proc

    private func comm(_ pid: Int32) -> [UInt8] {
        Array(((try? look.host.procFS.readFile("\(pid)/comm", limit: 64)) ?? []).prefix { $0 != 10 })
    }

    /// `schedstat`: nanoseconds on a processor, nanoseconds in its queue.
    private func times(_ pid: Int32, _ tid: Int32) -> ThreadTimes? {
        guard let text = try? look.host.procFS.readFile("\(pid)/task/\(tid)/schedstat", limit: 256) else { return nil }
        let numbers = String(decoding: text, as: UTF8.self).split { $0 == " " || $0 == "\n" }.compactMap { UInt64($0) }
        return numbers.count >= 2 ? ThreadTimes(processor: numbers[0], queued: numbers[1]) : nil
    }
}
