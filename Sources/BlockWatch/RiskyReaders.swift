import BlockWatchCore
import DequeModule
import Glibc
import Synchronization

/// Threads that ask what may never be answered. One that hangs is left behind; there are never more than a few.
final class RiskyReaders: RiskyReading, Sendable {
    /// No answer for this long, and the rest of a batch is given up.
    static let patienceMilliseconds: Int32 = 100
    static let mostThreads = 8
    private static let wantedThreads = 2

    private struct Job: Sendable {
        var batch: UInt64
        var question: RiskyQuestion
    }

    private struct State {
        var batch: UInt64 = 0
        var waiting: Deque<Job> = []
        var answers: [RiskyQuestion: RiskyAnswer] = [:]
        var threads = 0
        /// Processes whose reading is hanging right now, by how many readers.
        var hanging: [Int32: Int] = [:]
        /// What each busy reader is at.
        var running: [Int: Job] = [:]
        var nextReader = 0
    }

    private let state = Mutex(State())
    private let work = Bell()
    private let done = Bell()
    private let procFS: ProcFS

    init(procFS: ProcFS) { self.procFS = procFS }

    func answer(_ questions: [RiskyQuestion]) -> [RiskyQuestion: RiskyAnswer] {
        var result: [RiskyQuestion: RiskyAnswer] = [:]
        let asked = state.withLock { state -> UInt64 in
            state.batch += 1
            state.answers.removeAll(keepingCapacity: true)
            for question in questions {
                if state.hanging[question.pid] != nil {
                    result[question] = .timedOut
                } else {
                    state.waiting.append(Job(batch: state.batch, question: question))
                }
            }
            return UInt64(state.waiting.count)
        }
        guard asked > 0 else { return result }
        startThreads()
        work.ring(times: min(Int(asked), Self.wantedThreads))
        while true {
            let inTime = done.take(withinMilliseconds: Self.patienceMilliseconds)
            let isOver = state.withLock { state -> Bool in
                if state.answers.count == Int(asked) || !inTime {
                    result.merge(state.answers) { first, _ in first }
                    return true
                }
                return false
            }
            if isOver { break }
        }
        if result.count < questions.count { giveUp(on: questions, &result) }
        return result
    }

    /// Nobody answered: readers that are busy are hanging, and what still waits is not asked any more.
    private func giveUp(on questions: [RiskyQuestion], _ result: inout [RiskyQuestion: RiskyAnswer]) {
        for question in questions where result[question] == nil { result[question] = .timedOut }
        state.withLock { state in
            state.waiting.removeAll()
            state.batch += 1
            for job in state.running.values where state.hanging[job.question.pid] == nil {
                state.hanging[job.question.pid] = state.running.values.count { $0.question.pid == job.question.pid }
            }
        }
    }

    private func startThreads() {
        let missing = state.withLock { state -> Int in
            let free = state.threads - state.hanging.values.reduce(0, +)
            let missing = min(Self.wantedThreads - free, Self.mostThreads - state.threads)
            state.threads += max(missing, 0)
            return missing
        }
        for _ in 0..<max(missing, 0) where !startDetachedThread({ [self] in serve() }) {
            state.withLock { $0.threads -= 1 }
        }
    }

    private func serve() {
        let me = state.withLock { state -> Int in
            state.nextReader += 1
            return state.nextReader
        }
        while true {
            let job = state.withLock { state -> Job? in
                guard let job = state.waiting.popFirst() else { return nil }
                state.running[me] = job
                return job
            }
            guard let job else {
                work.take()
                continue
            }
            let answer = ask(job.question)
            state.withLock { state in
                state.running[me] = nil
                if let count = state.hanging[job.question.pid] {
                    state.hanging[job.question.pid] = count > 1 ? count - 1 : nil
                }
                if job.batch == state.batch { state.answers[job.question] = answer }
            }
            done.ring()
        }
    }

    private func ask(_ question: RiskyQuestion) -> RiskyAnswer {
        do throws(ProcError) {
            switch question {
            case .commandLine(let pid, let tid):
                return .bytes(try procFS.readFile("\(pid)/task/\(tid)/cmdline", limit: 4096))
            case .descriptorInfo(let pid, let tid, let descriptor):
                return .bytes(try procFS.readFile("\(pid)/task/\(tid)/fdinfo/\(descriptor)", limit: 1 << 20))
            case .mounts(let pid, let tid):
                return .bytes(try procFS.readFile("\(pid)/task/\(tid)/mountinfo", limit: 4 << 20))
            case .memory(let pid, let address, let length):
                return readMemory(pid, address, length)
            }
        } catch {
            return .failed(error.errno)
        }
    }

    /// C function: `pread` of `/proc/PID/mem`; stops in front of a page that is not there
    private func readMemory(_ pid: Int32, _ address: UInt64, _ length: Int) -> RiskyAnswer {
        guard let offset = off_t(exactly: address) else { return .failed(EFAULT) }
        let memory = unsafe open("\(procFS.root)/\(pid)/mem", O_RDONLY | O_CLOEXEC)
        guard memory >= 0 else { return .failed(errno) }
        defer { close(memory) }
        var bytes = [UInt8](repeating: 0, count: max(0, min(length, 1 << 20)))
        let got = unsafe pread(memory, &bytes, bytes.count, offset)
        return got < 0 ? .failed(errno) : .bytes([UInt8](bytes.prefix(got)))
    }
}

extension RiskyQuestion {
    fileprivate var pid: Int32 {
        switch self {
        case .commandLine(let pid, _), .memory(let pid, _, _), .mounts(let pid, _), .descriptorInfo(let pid, _, _): pid
        }
    }
}
