import BlockWatchCore
import Glibc
import Synchronization

/// Threads that ask what may never be answered. One that hangs is left behind; there are never more than a few.
final class RiskyReaders: RiskyReading, Sendable {
    /// No answer for this long, and the question is given up.
    static let patienceMilliseconds: Int32 = 100
    /// For all questions of a batch together.
    static let longestBatch: UInt64 = 1_000_000_000
    static let mostThreads = 32

    /// The questions of one batch, which one reader answers in order.
    private final class Batch: Sendable {
        let questions: [RiskyQuestion]
        private struct State {
            var next = 0
            var answers: [RiskyAnswer?]
            var isGivenUp = false
        }
        private let state: Mutex<State>

        init(_ questions: [RiskyQuestion]) {
            self.questions = questions
            state = Mutex(State(answers: [RiskyAnswer?](repeating: nil, count: questions.count)))
        }

        /// - Parameters:
        ///   - place: of the question that was answered last, with its answer; nobody may wait for it any more.
        /// - Returns: the place of the next question; `nil` at the end.
        func next(after answered: (place: Int, answer: RiskyAnswer)?) -> Int? {
            state.withLock { state in
                if let (place, answer) = answered {
                    guard !state.isGivenUp, place + 1 == state.next, state.answers[place] == nil else { return nil }
                    state.answers[place] = answer
                }
                guard !state.isGivenUp, state.next < questions.count else { return nil }
                state.next += 1
                return state.next - 1
            }
        }

        /// How many questions have been taken up; nothing is answered while that stays the same.
        var progress: Int { state.withLock { $0.next } }
        var isDone: Bool { state.withLock { $0.next == questions.count && $0.answers.last != .some(nil) } }

        /// Gives up the question that a reader hangs in, and all others of its process.
        ///
        /// - Returns: the process.
        func skip() -> Int32? {
            state.withLock { state in
                let place = state.next - 1
                guard state.answers.indices.contains(place), state.answers[place] == nil else { return nil }
                state.answers[place] = .timedOut
                let pid = questions[place].pid
                // in order of processes
                while state.next < questions.count, questions[state.next].pid == pid {
                    state.answers[state.next] = .timedOut
                    state.next += 1
                }
                return pid
            }
        }

        func giveUp() -> [RiskyAnswer?] {
            state.withLock { state in
                state.isGivenUp = true
                return state.answers
            }
        }
    }

    private struct State {
        var waiting: Batch?
        var threads = 0
        /// Readers that wait for a batch.
        var idle = 0
        /// Processes whose reading is hanging right now, by how many readers.
        var hanging: [Int32: Int] = [:]
    }

    private let state = Mutex(State())
    private let work = Bell()
    private let done = Bell()
    private let procFS: ProcFS

    init(procFS: ProcFS) { self.procFS = procFS }

    func answer(_ questions: [RiskyQuestion]) -> [RiskyQuestion: RiskyAnswer] {
        var result: [RiskyQuestion: RiskyAnswer] = [:]
        result.reserveCapacity(questions.count)
        let hanging = state.withLock { $0.hanging }
        var asked: [RiskyQuestion] = []
        asked.reserveCapacity(questions.count)
        for question in questions {
            if hanging[question.pid] != nil { result[question] = .timedOut } else { asked.append(question) }
        }
        guard !asked.isEmpty else { return result }
        asked.sort { $0.pid < $1.pid }
        let batch = Batch(asked)
        let answers = run(batch)
        for (question, answer) in zip(asked, answers) { result[question] = answer ?? .timedOut }
        return result
    }

    private func run(_ batch: Batch) -> [RiskyAnswer?] {
        let end = Clock.now().monotonic + Self.longestBatch
        _ = done.take(withinMilliseconds: 0)
        guard hand(batch) else { return batch.giveUp() }
        var progress = batch.progress
        while true {
            let isInTime = done.take(withinMilliseconds: Self.patienceMilliseconds)
            if batch.isDone { return batch.giveUp() }
            guard !isInTime else { continue }
            guard Clock.now().monotonic < end else { return abandon(batch) }
            let now = batch.progress
            if now == progress, let pid = batch.skip() {
                state.withLock { $0.hanging[pid, default: 0] += 1 }
                if batch.isDone || !hand(batch) { return batch.giveUp() }
            }
            progress = now
        }
    }

    /// The reader that is at it is slow or hangs: which of them, it will say itself by coming back.
    private func abandon(_ batch: Batch) -> [RiskyAnswer?] {
        if let pid = batch.skip() { state.withLock { $0.hanging[pid, default: 0] += 1 } }
        return batch.giveUp()
    }

    /// - Returns: false if all readers hang.
    private func hand(_ batch: Batch) -> Bool {
        enum Next { case ring, start, nobody }
        let next = state.withLock { state -> Next in
            if state.idle == 0 {
                guard state.threads < Self.mostThreads else { return .nobody }
                state.threads += 1
                state.waiting = batch
                return .start
            }
            state.waiting = batch
            return .ring
        }
        switch next {
        case .ring: work.ring()
        case .start:
            guard startDetachedThread({ [self] in serve() }) else {
                state.withLock { $0.threads -= 1 }
                return false
            }
        case .nobody: return false
        }
        return true
    }

    private func serve() {
        while true {
            let batch = state.withLock { state -> Batch? in
                defer { state.waiting = nil }
                if state.waiting == nil { state.idle += 1 }
                return state.waiting
            }
            guard let batch else {
                work.take()
                state.withLock { $0.idle -= 1 }
                continue
            }
            var memory = ProcessMemory(procFS: procFS)
            var answered: (Int, RiskyAnswer)?
            var last: Int32?
            while let place = batch.next(after: answered) {
                last = batch.questions[place].pid
                answered = (place, ask(batch.questions[place], &memory))
            }
            // a question that somebody gave up has come back: that process can be asked again
            state.withLock { state in
                if let last, let count = state.hanging[last] { state.hanging[last] = count > 1 ? count - 1 : nil }
            }
            done.ring()
        }
    }

    private func sharedMemory(of pid: Int32) throws(ProcError) -> [UInt8] {
        let lines = SharedMemory.lines(maps: try procFS.readFile("\(pid)/maps", limit: 16 << 20))
        guard lines.isEmpty else { return lines }
        // a main thread that has ended has no memory any more; the others still do
        for tid in procFS.numbers(in: "\(pid)/task") where tid != pid {
            return SharedMemory.lines(maps: try procFS.readFile("\(pid)/task/\(tid)/maps", limit: 16 << 20))
        }
        return lines
    }

    private func ask(_ question: RiskyQuestion, _ memory: inout ProcessMemory) -> RiskyAnswer {
        do throws(ProcError) {
            switch question {
            case .commandLine(let pid, let tid):
                return .bytes(try procFS.readFile("\(pid)/task/\(tid)/cmdline", limit: 4096))
            case .mounts(let pid, let tid):
                return .bytes(try procFS.readFile("\(pid)/task/\(tid)/mountinfo", limit: 4 << 20))
            case .blockDevices:
                return .bytes(BlockDevices.withoutUnused(try procFS.readFile("diskstats", limit: 1 << 20)))
            case .loopFile(let device):
                let folder = "/sys/dev/block/\(device >> 20):\(device & 0xfffff)/loop"
                let path = try ProcFS(root: folder).readFile("backing_file", limit: 4096)
                return .bytes(path + (try procFS.readFile("self/mountinfo", limit: 4 << 20)))
            case .memory(let pid, let address, let length):
                return memory.read(pid, address, length)
            case .sharedMemory(let pid):
                return .bytes(try sharedMemory(of: pid))
            // asked of a process of its own: StackServer
            case .userStack: return .failed(ENOSYS)
            case .semaphore(let pid, let set, let number):
                return try SemaphoreReading(procFS: procFS).read(pid, set, number)
            }
        } catch {
            return .failed(error.errno)
        }
    }
}

/// The memory of one process after the other: threads of one process ask in a row.
private struct ProcessMemory: ~Copyable {
    private let procFS: ProcFS
    private var pid: Int32 = -1
    private var descriptor: Int32 = -1
    private var failure: Int32 = 0

    init(procFS: ProcFS) { self.procFS = procFS }
    deinit { if descriptor >= 0 { close(descriptor) } }

    /// C function: `pread` of `/proc/PID/mem`; stops in front of a page that is not there
    mutating func read(_ pid: Int32, _ address: UInt64, _ length: Int) -> RiskyAnswer {
        guard let offset = off_t(exactly: address) else { return .failed(EFAULT) }
        if pid != self.pid {
            open("\(pid)/mem")
            self.pid = pid
        }
        let answer = readOpen(offset, length)
        guard answer.isEmpty else { return answer }
        // a main thread that has ended has no memory any more; the others still do
        for tid in procFS.numbers(in: "\(pid)/task") where tid != pid {
            open("\(pid)/task/\(tid)/mem")
            let answer = readOpen(offset, length)
            if !answer.isEmpty { return answer }
        }
        return .failed(failure == 0 ? ESRCH : failure)
    }

    private mutating func open(_ path: String) {
        if descriptor >= 0 { close(descriptor) }
        descriptor = unsafe Glibc.open("\(procFS.root)/\(path)", O_RDONLY | O_CLOEXEC)
        failure = descriptor < 0 ? errno : 0
    }

    private func readOpen(_ offset: off_t, _ length: Int) -> RiskyAnswer {
        guard descriptor >= 0 else { return .failed(failure) }
        let room = max(0, min(length, 1 << 20))
        var answer: Int32 = 0
        let bytes = unsafe withUnsafeTemporaryAllocation(byteCount: room, alignment: 8) { buffer in
            let got = unsafe pread(descriptor, buffer.baseAddress!, room, offset)
            answer = got < 0 ? errno : 0
            return unsafe [UInt8](UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<max(got, 0)]))
        }
        return answer == 0 ? .bytes(bytes) : .failed(answer)
    }
}

extension RiskyAnswer {
    /// Read, and nothing was there; or the memory itself is gone.
    fileprivate var isEmpty: Bool {
        switch self {
        case .bytes(let bytes): bytes.isEmpty
        case .failed(let errno): errno == ESRCH
        case .timedOut: false
        }
    }
}

extension RiskyQuestion {
    fileprivate var pid: Int32 {
        switch self {
        case .commandLine(let pid, _), .memory(let pid, _, _), .mounts(let pid, _), .sharedMemory(let pid),
            .semaphore(let pid, _, _):
            pid
        case .userStack(let stack): stack.pid
        // no process: one that hangs stands for itself
        case .blockDevices: -1
        case .loopFile: -2
        }
    }
}
