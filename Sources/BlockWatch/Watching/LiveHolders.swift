import BlockWatchCapture
import BlockWatchCore
import Synchronization

/// The kernel's answers about other ends, behind a deadline: the pass over the open files can hang in letting go of
/// one of them, so a thread of its own runs it.
struct LiveHolders: HolderSource {
    let holders: Holders
    let runner: FilePassRunner
    let log: Log
    /// This process's PID namespace is the host's: the same numbers.
    let seesAllProcesses: Bool
    private let recorder: Recorder?
    /// Of this look.
    private(set) var questionCount = 0
    private(set) var filesNanoseconds: UInt64 = 0
    private(set) var threadsNanoseconds: UInt64 = 0

    init(holders: Holders, runner: FilePassRunner, seesAllProcesses: Bool, recorder: Recorder?, log: Log) {
        self.recorder = recorder
        self.seesAllProcesses = seesAllProcesses
        self.holders = holders
        self.runner = runner
        self.log = log
    }

    mutating func files(_ questions: [FileQuestion]) -> FileAnswers? {
        let bytes = passes(questions)
        recorder?.note(.files(questions.map(FileKey.init), bytes))
        guard let bytes else { return nil }
        do throws(DecodeError) { return try HolderRecords.files(bytes) } catch {
            log.error("an answer of the pass over the open files is not understood: \(error)")
            return nil
        }
    }

    /// - Returns: the answers in a row; `nil` if there were none in time.
    private mutating func passes(_ questions: [FileQuestion]) -> [UInt8]? {
        let start = Clock.now().monotonic
        defer { filesNanoseconds += Clock.now().monotonic - start }
        questionCount += questions.count
        let keys = questions.map { HolderKey(bytes: $0.bytes, flags: $0.flags) }
        var answers: [UInt8] = []
        for start in stride(from: 0, to: keys.count, by: Holders.mostKeys) {
            let batch = keys[start..<min(start + Holders.mostKeys, keys.count)]
            let processes = questions[batch.indices].map(\.process)
            let isNarrow = seesAllProcesses && !processes.contains(nil)
            let pass = holders.prepare(
                batch,
                processes: isNarrow ? Set(processes.compactMap { $0.map(UInt32.init(truncatingIfNeeded:)) }) : nil)
            defer { holders.finish(batch) }
            guard let bytes = runner.run(pass) else { return nil }
            answers += bytes
        }
        return answers
    }

    mutating func threads(_ questions: [ViewQuestion]) -> [CallRecord] {
        let begin = Clock.now().monotonic
        defer { threadsNanoseconds += Clock.now().monotonic - begin }
        var records: [CallRecord] = []
        var all: [UInt8] = []
        for start in stride(from: 0, to: questions.count, by: Holders.mostKeys) {
            let batch = questions[start..<min(start + Holders.mostKeys, questions.count)]
            var threads: [UInt32] = []
            var processes: [UInt32] = []
            for question in seesAllProcesses ? batch : [] {
                switch question {
                case .thread(let tid): threads.append(UInt32(truncatingIfNeeded: tid))
                case .process(let pid): processes.append(UInt32(truncatingIfNeeded: pid))
                case .children, .inner, .namespace: break
                }
            }
            do {
                let bytes = try holders.view(batch.map(\.bytes), threads: threads, processes: processes)
                records += try HolderRecords.threads(bytes)
                if recorder != nil { all += bytes }
            } catch {
                log.error("cannot see what the holders are doing: \(error)")
            }
        }
        if let recorder {
            recorder.note(.threads(questions.map(\.bytes), all))
            recorder.sawCalls(records)
        }
        return records
    }
}

/// Runs passes over the open files, one at a time. One that hangs is left behind, and none is begun until it ends.
final class FilePassRunner: Sendable {
    static let patienceMilliseconds: Int32 = 250

    private enum Stage: Sendable { case resting, asked(FilePass), running, answered([UInt8]?) }

    private struct State {
        var stage = Stage.resting
        var isStarted = false
    }
    private let state = Mutex(State())
    private let work = Bell()
    private let done = Bell()
    private let log: Log

    init(log: Log) { self.log = log }

    /// - Returns: the answers in a row; `nil` if there were none in time.
    func run(_ pass: FilePass) -> [UInt8]? {
        let mayRun = state.withLock { state -> Bool in
            if case .running = state.stage { return false }
            state.stage = .asked(pass)
            return true
        }
        guard mayRun, start() else { return nil }
        _ = done.take(withinMilliseconds: 0)
        work.ring()
        guard done.take(withinMilliseconds: Self.patienceMilliseconds) else { return nil }
        return state.withLock { state in
            guard case .answered(let bytes) = state.stage else { return nil }
            state.stage = .resting
            return bytes
        }
    }

    private func start() -> Bool {
        let isNew = state.withLock { state -> Bool in
            defer { state.isStarted = true }
            return !state.isStarted
        }
        return !isNew || startDetachedThread { [self] in serve() }
    }

    private func serve() {
        while true {
            work.take()
            let pass = state.withLock { state -> FilePass? in
                guard case .asked(let pass) = state.stage else { return nil }
                state.stage = .running
                return pass
            }
            guard let pass else { continue }
            var answer: [UInt8]?
            do throws(CaptureError) { answer = try pass.run() } catch { log.error(error.description) }
            state.withLock { $0.stage = .answered(answer) }
            done.ring()
        }
    }
}
