internal import BlockWatchBPF
internal import Synchronization

/// How questions of the pure part were answered from a tape.
public struct TapeCounts: Sendable, Equatable {
    /// From the same moment.
    public var answered = 0
    /// Only from an earlier moment.
    public var older = 0
    /// Never recorded: answered as if the thread or file were gone.
    public var missed = 0
    /// The first of those, in words.
    public var firstMissed: [String] = []

    mutating func miss(_ what: @autoclosure () -> String) {
        missed += 1
        if firstMissed.count < 10 { firstMissed.append(what()) }
    }
}

/// The answers on a tape by what was asked: a core that asks in another order or grouping finds them too.
///
/// Who asks the same again within a moment gets what was answered then, one after the other, and the last of them from
/// then on.
final class TapeAnswers: Sendable {
    private struct Shelf<Question: Hashable, Answer> {
        /// Of this moment, in order, and how many were taken.
        private var now: [Question: (answers: [Answer], taken: Int)] = [:]
        /// The last of earlier moments.
        private var before: [Question: Answer] = [:]

        mutating func turnOver() {
            for (question, entry) in now { if let last = entry.answers.last { before[question] = last } }
            now = [:]
        }

        mutating func put(_ question: Question, _ answer: Answer) {
            now[question, default: ([], 0)].answers.append(answer)
        }

        mutating func take(_ question: Question, _ counts: inout TapeCounts) -> Answer? {
            if let (answers, taken) = now[question], let last = answers.indices.last {
                counts.answered += 1
                now[question]?.taken = min(taken + 1, last)
                return answers[min(taken, last)]
            }
            guard let answer = before[question] else { return nil }
            counts.older += 1
            return answer
        }
    }

    /// Records of one answer about threads: which of them belong to a question.
    private struct View {
        var serial: Int
        var records: [CallRecord]
        var places: [Int]
    }

    private struct State {
        /// `nil`: no answer came in time.
        var files = Shelf<FileKey, FileAnswers?>()
        var threads = Shelf<[UInt8], View>()
        var risky = Shelf<RiskyQuestion, RiskyAnswer>()
        var proc = Shelf<ProcQuestion, (bytes: [UInt8]?, errno: Int32)>()
        var serial = 0
        var counts = TapeCounts()
    }

    private let state = Mutex(State())

    var counts: TapeCounts { state.withLock { $0.counts } }

    /// The next moment, with its answers.
    ///
    /// - Returns: how many of them are not understood.
    func begin(_ answers: [TapeEntry]) -> Int {
        var broken = 0
        state.withLock { state in
            state.files.turnOver()
            state.threads.turnOver()
            state.risky.turnOver()
            state.proc.turnOver()
            for entry in answers {
                switch entry {
                case .files(let keys, let bytes):
                    do throws(DecodeError) {
                        let all = try bytes.map { bytes throws(DecodeError) in try HolderRecords.files(bytes) }
                        let parts = all.map { Self.parts($0, keys.count) }
                        for (place, key) in keys.enumerated() { state.files.put(key, parts?[place]) }
                    } catch { broken += 1 }
                case .threads(let keys, let bytes):
                    do throws(DecodeError) {
                        let records = try HolderRecords.threads(bytes)
                        state.serial += 1
                        let places = Self.places(records, of: keys)
                        for (key, places) in zip(keys, places) {
                            state.threads.put(key, View(serial: state.serial, records: records, places: places))
                        }
                    } catch { broken += 1 }
                case .risky(let question, let answer): state.risky.put(question, answer)
                case .proc(let question, let bytes, let errno): state.proc.put(question, (bytes, errno))
                default: break
                }
            }
        }
        return broken
    }

    /// An answer to several questions as one to each.
    private static func parts(_ all: FileAnswers, _ count: Int) -> [FileAnswers] {
        var parts = [FileAnswers](repeating: FileAnswers(), count: count)
        for file in all.files where parts.indices.contains(file.question) { parts[file.question].files.append(file) }
        for lock in all.locks where parts.indices.contains(lock.question) { parts[lock.question].locks.append(lock) }
        for one in all.members where parts.indices.contains(one.question) { parts[one.question].members.append(one) }
        for set in all.sets where parts.indices.contains(set.question) { parts[set.question].sets.append(set) }
        return parts
    }

    /// Which records answer which question. One that fits none, its thread has changed while it was looked at, answers
    /// all of them.
    private static func places(_ records: [CallRecord], of keys: [[UInt8]]) -> [[Int]] {
        var places = [[Int]](repeating: [], count: keys.count)
        let index = Dictionary(keys.enumerated().map { ($1, $0) }) { first, _ in first }
        for (place, record) in records.enumerated() {
            let fitting: [ViewQuestion] = [
                .process(record.pid), .thread(record.tid), .children(of: record.parentPID),
                .inner(namespace: record.pidNamespace, tid: record.innerTID),
                .inner(namespace: 0, tid: record.innerTID),
            ]
            let found = fitting.compactMap { index[$0.bytes] }
            for key in found.isEmpty ? Array(keys.indices) : found { places[key].append(place) }
        }
        return places
    }

    // MARK: - questions

    fileprivate func files(_ questions: [FileQuestion]) -> FileAnswers? {
        state.withLock { state in
            var all = FileAnswers()
            var isInTime = true
            for (place, question) in questions.enumerated() {
                guard let answer = state.files.take(FileKey(question), &state.counts) else {
                    state.counts.miss("open files: \(ByteText.hex(question.bytes))")
                    continue
                }
                guard let answer else {
                    isInTime = false
                    continue
                }
                func placed<Value>(_ values: [Value], _ field: WritableKeyPath<Value, Int>) -> [Value] {
                    values.map { value in
                        var value = value
                        value[keyPath: field] = place
                        return value
                    }
                }
                all.files += placed(answer.files, \.question)
                all.locks += placed(answer.locks, \.question)
                all.members += placed(answer.members, \.question)
                all.sets += placed(answer.sets, \.question)
            }
            return isInTime ? all : nil
        }
    }

    fileprivate func threads(_ questions: [ViewQuestion]) -> [CallRecord] {
        state.withLock { state in
            var found: [(serial: Int, place: Int, record: CallRecord)] = []
            var seen: Set<[UInt8]> = []
            for question in questions where seen.insert(question.bytes).inserted {
                guard let view = state.threads.take(question.bytes, &state.counts) else {
                    state.counts.miss("\(question)")
                    continue
                }
                found += view.places.map { (view.serial, $0, view.records[$0]) }
            }
            found.sort { ($0.serial, $0.place) < ($1.serial, $1.place) }
            // one look shows a thread as often as it did, several looks show it once
            var taken: Set<[Int]> = []
            var shownBy: [Int: Int] = [:]
            return found.compactMap { serial, place, record in
                guard taken.insert([serial, place]).inserted, shownBy[record.tid, default: serial] == serial else {
                    return nil
                }
                shownBy[record.tid] = serial
                return record
            }
        }
    }

    fileprivate func answer(_ questions: [RiskyQuestion]) -> [RiskyQuestion: RiskyAnswer] {
        state.withLock { state in
            var answers: [RiskyQuestion: RiskyAnswer] = [:]
            for question in questions where answers[question] == nil {
                if let answer = state.risky.take(question, &state.counts) {
                    answers[question] = answer
                } else {
                    // older recordings have none of these
                    if question != .blockDevices { state.counts.miss("\(question)") }
                    answers[question] = .failed(Self.noSuchProcess)
                }
            }
            return answers
        }
    }

    /// ESRCH
    private static let noSuchProcess: Int32 = 3
}

/// The open files and threads of a tape.
struct TapeHolders: HolderSource {
    let answers: TapeAnswers

    mutating func files(_ questions: [FileQuestion]) -> FileAnswers? { answers.files(questions) }
    mutating func threads(_ questions: [ViewQuestion]) -> [CallRecord] { answers.threads(questions) }
}

/// The memory, arguments and mounts of a tape.
struct TapeMemory: RiskyReading {
    let answers: TapeAnswers

    mutating func answer(_ questions: [RiskyQuestion]) -> [RiskyQuestion: RiskyAnswer] { answers.answer(questions) }
}

extension TapeAnswers: ProcReading {
    func readFile(_ path: String, limit: Int) throws(ProcError) -> [UInt8] {
        Array(try read(ProcQuestion(path: path, isLink: false)).prefix(max(limit, 0)))
    }

    func readLink(_ path: String, limit: Int) throws(ProcError) -> [UInt8] {
        Array(try read(ProcQuestion(path: path, isLink: true)).prefix(max(limit, 0)))
    }

    private func read(_ question: ProcQuestion) throws(ProcError) -> [UInt8] {
        let answer = state.withLock { state -> (bytes: [UInt8]?, errno: Int32) in
            if let answer = state.proc.take(question, &state.counts) { return answer }
            state.counts.miss("/proc/\(question.path)")
            return (nil, Self.noSuchProcess)
        }
        if let bytes = answer.bytes { return bytes }
        throw ProcError(path: "/proc/\(question.path)", errno: answer.errno)
    }
}
