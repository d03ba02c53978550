import BlockWatchCore
import DequeModule
import Glibc
import Synchronization

/// `--debug-record`: writes down what crosses into the pure part. A thread of its own writes: whoever watches never
/// waits for the disk, and what finds no room in the queue is missing on the tape, which says so.
final class Recorder: Sendable {
    private struct State {
        var frames: Deque<[UInt8]> = []
        /// Of the frames, and of those that the writer has taken and not written yet.
        var byteCount = 0
        /// Entries that found no room since the last that did.
        var missing: UInt64 = 0
        var isClosing = false
        var hasFailed = false
        var users: Set<UInt32> = []
        var addresses: Set<UInt64> = []
    }

    private static let mostBytes = 32 << 20
    /// Names are told once, and again after so many.
    private static let mostAddresses = 65_536

    private let state = Mutex(State())
    private let work = Bell()
    private let done = Bell()
    private let descriptor: Int32
    private let path: String
    private let log: Log
    private let users: UserNames
    private let kernelNames: KernelNames

    /// Makes the file, for its owner only; one that is there already is left alone. Nothing is written before ``start()``.
    init(
        path: String, users: UserNames, kernelNames: @escaping KernelNames, log: Log
    ) throws(SafePath.PathError) {
        descriptor = try SafePath(path).open(O_CREAT | O_EXCL, mode: 0o600)
        self.path = path
        self.users = users
        self.log = log
        self.kernelNames = kernelNames
        state.withLock { $0.frames.append(TapeFile.magic) }
    }

    deinit { Glibc.close(descriptor) }

    /// - Returns: `nil` without a path; ends the program if the file cannot be made.
    static func begin(path: String?, host: Host, kernelNames: @escaping KernelNames, log: Log) -> Recorder? {
        guard let path else { return nil }
        do throws(SafePath.PathError) {
            return try Recorder(path: path, users: host.users, kernelNames: kernelNames, log: log)
        } catch {
            fail(
                .cannotWriteOutput,
                "cannot make the recording \(path): \(error.description); name a new file in an existing folder")
        }
    }

    /// Starts the writer's thread.
    func start(_ host: TapeHost) {
        note(host.entry)
        startNeededThread { [self] in serve() }
    }

    func note(_ entry: @autoclosure () -> TapeEntry) {
        guard !state.withLock({ $0.hasFailed }) else { return }
        let frame = TapeFile.frame(entry())
        state.withLock { state in
            guard state.byteCount + frame.count <= Self.mostBytes else {
                state.missing += 1
                return
            }
            var frames = [frame]
            if state.missing > 0 {
                frames.insert(TapeFile.frame(.gap(state.missing)), at: 0)
                state.missing = 0
            }
            state.frames += frames
            state.byteCount += frames.reduce(0) { $0 + $1.count }
        }
        work.ring()
    }

    /// Tells the names that the pure part will look up for these records.
    func sawCalls(_ records: [CallRecord]) {
        for record in records {
            let (user, addresses) = state.withLock { state in
                (
                    state.users.insert(record.userID).inserted,
                    record.stack.filter { address in
                        if state.addresses.count >= Self.mostAddresses { state.addresses = [] }
                        return state.addresses.insert(address).inserted
                    }
                )
            }
            if user, let name = users.name(uid: record.userID) { note(.user(id: record.userID, name)) }
            guard !addresses.isEmpty else { continue }
            for (address, name) in kernelNames(addresses) ?? [:] { note(.symbol(address: address, name)) }
        }
    }

    /// Writes what is left, but does not wait for ever.
    func close() {
        let missing = state.withLock { state in
            if state.missing > 0 { state.frames.append(TapeFile.frame(.gap(state.missing))) }
            state.isClosing = true
            return state.missing
        }
        work.ring()
        if !done.take(withinMilliseconds: 5000) {
            log.warning("the recording \(path) is not whole: the disk does not take it")
        } else if missing > 0 {
            log.warning("the recording \(path) is not whole: its disk was too slow")
        }
    }

    private func serve() {
        while true {
            let (frames, isClosing) = state.withLock { state -> (Deque<[UInt8]>, Bool) in
                defer { state.frames = [] }
                return (state.frames, state.isClosing)
            }
            for frame in frames {
                guard write(frame) else {
                    state.withLock { state in
                        state.hasFailed = true
                        state.frames = []
                    }
                    return done.ring()
                }
                state.withLock { $0.byteCount = max($0.byteCount - frame.count, 0) }
            }
            guard frames.isEmpty else { continue }
            if isClosing { return done.ring() }
            work.take()
        }
    }

    private func write(_ bytes: [UInt8]) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(descriptor, buffer.baseAddress! + offset, buffer.count - offset)
            }
            if count >= 0 { offset += count; continue }
            if errno == EINTR { continue }
            log.warning("cannot write the recording \(path): \(describe(errno: errno)); it ends here")
            return false
        }
        return true
    }
}

/// Answers of risky readers, written down on the way.
struct TapedReaders: RiskyReading {
    let readers: RiskyReaders
    let recorder: Recorder?
    /// Where stacks are asked for.
    var stacks: StackWalker?

    mutating func answer(_ questions: [RiskyQuestion]) -> [RiskyQuestion: RiskyAnswer] {
        let walks = questions.compactMap { if case .userStack(let stack) = $0 { stack } else { nil } }
        var answers = walks.count == questions.count ? [:] : readers.answer(questions)
        for (question, answer) in stacks?.answer(walks) ?? [:] { answers[.userStack(question)] = answer }
        if let recorder { for (question, answer) in answers { recorder.note(.answered(question, answer)) } }
        return answers
    }
}

/// Files and links of /proc, written down on the way.
struct TapedProc: ProcReading {
    let procFS: ProcFS
    let recorder: Recorder

    func readFile(_ path: String, limit: Int) throws(ProcError) -> [UInt8] {
        try noted(ProcQuestion(path: path, isLink: false)) { () throws(ProcError) in
            try procFS.readFile(path, limit: limit)
        }
    }

    func readLink(_ path: String, limit: Int) throws(ProcError) -> [UInt8] {
        try noted(ProcQuestion(path: path, isLink: true)) { () throws(ProcError) in
            try procFS.readLink(path, limit: limit)
        }
    }

    private func noted(
        _ question: ProcQuestion, _ read: () throws(ProcError) -> [UInt8]
    ) throws(ProcError) -> [UInt8] {
        do throws(ProcError) {
            let bytes = try read()
            recorder.note(.proc(question, bytes, errno: 0))
            return bytes
        } catch {
            recorder.note(.proc(question, nil, errno: error.errno))
            throw error
        }
    }
}
