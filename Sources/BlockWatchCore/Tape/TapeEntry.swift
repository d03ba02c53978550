/// A file of /proc, or a link.
public struct ProcQuestion: Hashable, Sendable {
    public var path: String
    public var isLink: Bool

    public init(path: String, isLink: Bool) {
        self.path = path
        self.isLink = isLink
    }
}

/// `struct bw_key` and the flags of the question.
public struct FileKey: Hashable, Sendable {
    public var bytes: [UInt8]
    public var flags: UInt32

    public init(_ question: FileQuestion) {
        bytes = question.bytes
        flags = question.flags
    }

    init(bytes: [UInt8], flags: UInt32) {
        self.bytes = bytes
        self.flags = flags
    }
}

/// What crosses from the host into the pure part, one after the other: steps, and after each step what was asked during
/// it with the answers.
public enum TapeEntry: Sendable, Equatable {
    /// By name; a name may come again.
    case settings([TapeSetting])

    // MARK: steps
    case started(Started, ClockReading)
    /// A record of the ring, which the next `ingest` takes.
    case ring([UInt8])
    case ingest(ClockReading)
    case relate(ClockReading, relooks: Bool)
    case lost(Loss, ClockReading)
    case dueRepeats(at: UInt64, most: UInt64)
    case endOfScan(at: UInt64)
    case vanished(call: UInt64, ClockReading)
    case summarize(OwnUsage, threads: UInt64, scanNanoseconds: UInt64, ClockReading)
    case stopped(reason: String, OwnUsage, ClockReading)
    case engine(Overhead, isChange: Bool, ClockReading)
    case stackCounts(StackCounts)
    /// The lines said so far were taken.
    case taken
    /// The output had no room for that record.
    case dropped(sequence: UInt64)
    /// What is open was told, by `snapshot`, out of so many threads.
    case reports(ClockReading, threads: UInt64)
    case explain(pid: Int, ClockReading)

    // MARK: answers
    /// The places in the answer are those of the questions; `nil`: none came in time.
    case files([FileKey], [UInt8]?)
    /// Questions are `struct bw_view_key`.
    case threads([[UInt8]], [UInt8])
    case risky(RiskyQuestion, RiskyAnswer)
    /// The bytes, or an errno.
    case proc(ProcQuestion, [UInt8]?, errno: Int32)

    // MARK: names
    case symbol(address: UInt64, String)
    case user(id: UInt32, String)

    /// So many entries found no room.
    case gap(UInt64)

    var isAnswer: Bool {
        switch self {
        case .files, .threads, .risky, .proc: true
        default: false
        }
    }
}

public struct TapeSetting: Sendable, Equatable {
    public var name, value: String

    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

// MARK: - to bytes

extension TapeEntry {
    private enum Kind: UInt8 {
        case settings = 1
        case started, ring, ingest, relate, lost, dueRepeats, endOfScan, vanished, summarize, stopped, taken, dropped
        case reports, explain, files, threads, risky, proc, symbol, user, gap, engine, stackCounts
    }

    /// What stands on a tape, without the length before it.
    func encoded() -> [UInt8] {
        var to = TapeWriter()
        to.byte(kind.rawValue)
        switch self {
        case .settings(let settings):
            to.list(settings) {
                $0.text($1.name)
                $0.text($1.value)
            }
        case .started(let body, let clock):
            to.clock(clock)
            for text in [body.version, body.kernel, body.machine, body.engine, body.scope] { to.text(text) }
            to.list(body.options) { $0.text($1) }
            to.list(body.capabilities) { $0.text($1) }
            to.long(body.thresholdNanoseconds)
        case .ring(let bytes): to.text(bytes)
        case .ingest(let clock): to.clock(clock)
        case .relate(let clock, let relooks):
            to.clock(clock)
            to.flag(relooks)
        case .lost(let loss, let clock):
            to.clock(clock)
            to.text(loss.what)
            to.long(loss.count)
            to.text(loss.reason)
        case .dueRepeats(let now, let most):
            to.long(now)
            to.long(most)
        case .endOfScan(let now): to.long(now)
        case .vanished(let call, let clock):
            to.clock(clock)
            to.long(call)
        case .summarize(let usage, let threads, let duration, let clock):
            to.clock(clock)
            to.usage(usage)
            to.long(threads)
            to.long(duration)
        case .stopped(let reason, let usage, let clock):
            to.clock(clock)
            to.usage(usage)
            to.text(reason)
        case .engine(let overhead, let isChange, let clock):
            to.clock(clock)
            to.flag(isChange)
            to.overhead(overhead)
        case .stackCounts(let counts): to.stackCounts(counts)
        case .taken: break
        case .dropped(let sequence): to.long(sequence)
        case .reports(let clock, let threads):
            to.clock(clock)
            to.long(threads)
        case .explain(let pid, let clock):
            to.clock(clock)
            to.long(UInt64(bitPattern: Int64(pid)))
        case .files(let keys, let bytes):
            to.list(keys) {
                $0.text($1.bytes)
                $0.word($1.flags)
            }
            to.flag(bytes != nil)
            to.text(bytes ?? [])
        case .threads(let keys, let bytes):
            to.list(keys) { $0.text($1) }
            to.text(bytes)
        case .risky(let question, let answer): to.risky(question, answer)
        case .proc(let question, let bytes, let errno):
            to.flag(question.isLink)
            to.text(question.path)
            to.flag(bytes != nil)
            to.text(bytes ?? [])
            to.word(UInt32(bitPattern: errno))
        case .symbol(let address, let name):
            to.long(address)
            to.text(name)
        case .user(let id, let name):
            to.word(id)
            to.text(name)
        case .gap(let count): to.long(count)
        }
        return to.bytes
    }

    private var kind: Kind {
        switch self {
        case .settings: .settings
        case .started: .started
        case .ring: .ring
        case .ingest: .ingest
        case .relate: .relate
        case .lost: .lost
        case .dueRepeats: .dueRepeats
        case .endOfScan: .endOfScan
        case .vanished: .vanished
        case .summarize: .summarize
        case .stopped: .stopped
        case .taken: .taken
        case .dropped: .dropped
        case .reports: .reports
        case .explain: .explain
        case .files: .files
        case .threads: .threads
        case .risky: .risky
        case .proc: .proc
        case .symbol: .symbol
        case .user: .user
        case .gap: .gap
        case .engine: .engine
        case .stackCounts: .stackCounts
        }
    }

    // MARK: - from bytes

    /// - Parameter offset: where it stands, for the error.
    init(_ bytes: [UInt8], offset: Int) throws(TapeError) {
        var from = TapeReader(bytes, offset: offset)
        let number = try from.byte()
        guard let kind = Kind(rawValue: number) else {
            throw from.error("an entry of the unknown kind \(number): is it of a newer blockwatch?")
        }
        self = try Self.read(kind, &from)
        guard from.isAtEnd else { throw from.error("an entry \(kind) that is too long") }
    }

    private static func read(_ kind: Kind, _ from: inout TapeReader) throws(TapeError) -> TapeEntry {
        switch kind {
        case .settings:
            return .settings(
                try from.list { from throws(TapeError) in TapeSetting(try from.string(), try from.string()) })
        case .started:
            let clock = try from.clock()
            var texts: [String] = []
            for _ in 0..<5 { texts.append(try from.string()) }
            let options = try from.list { from throws(TapeError) in try from.string() }
            let capabilities = try from.list { from throws(TapeError) in try from.string() }
            return .started(
                Started(
                    version: texts[0], options: options, kernel: texts[1], machine: texts[2], engine: texts[3],
                    scope: texts[4], capabilities: capabilities, thresholdNanoseconds: try from.long()), clock)
        case .ring: return .ring(try from.text())
        case .ingest: return .ingest(try from.clock())
        case .relate: return .relate(try from.clock(), relooks: try from.flag())
        case .lost:
            let clock = try from.clock()
            let what = try from.string()
            let count = try from.amount(most: TapeFile.mostCount)
            return .lost(Loss(what: what, count: count, reason: try from.string()), clock)
        case .dueRepeats: return .dueRepeats(at: try from.amount(), most: try from.long())
        case .endOfScan: return .endOfScan(at: try from.amount())
        case .vanished:
            let clock = try from.clock()
            return .vanished(call: try from.long(), clock)
        case .summarize:
            let clock = try from.clock()
            return .summarize(
                try from.usage(), threads: try from.amount(), scanNanoseconds: try from.amount(), clock)
        case .stopped:
            let clock = try from.clock()
            let usage = try from.usage()
            return .stopped(reason: try from.string(), usage, clock)
        case .taken: return .taken
        case .dropped: return .dropped(sequence: try from.long())
        case .reports: return .reports(try from.clock(), threads: try from.amount())
        case .explain:
            let clock = try from.clock()
            return .explain(pid: Int(truncatingIfNeeded: try from.long()), clock)
        case .files:
            let keys = try from.list { from throws(TapeError) in
                FileKey(bytes: try from.text(), flags: try from.word())
            }
            let isInTime = try from.flag()
            let bytes = try from.text()
            return .files(keys, isInTime ? bytes : nil)
        case .threads:
            return .threads(try from.list { from throws(TapeError) in try from.text() }, try from.text())
        case .risky: return try from.risky()
        case .proc:
            let isLink = try from.flag()
            let question = ProcQuestion(path: try from.string(), isLink: isLink)
            let isRead = try from.flag()
            let bytes = try from.text()
            return .proc(question, isRead ? bytes : nil, errno: Int32(bitPattern: try from.word()))
        case .symbol: return .symbol(address: try from.long(), try from.string())
        case .user: return .user(id: try from.word(), try from.string())
        case .gap: return .gap(try from.long())
        case .engine:
            let clock = try from.clock()
            let isChange = try from.flag()
            return .engine(try from.overhead(), isChange: isChange, clock)
        case .stackCounts: return .stackCounts(try from.stackCounts())
        }
    }
}

extension TapeWriter {
    fileprivate mutating func stackCounts(_ counts: StackCounts) {
        for (_, count) in counts.named { long(count) }
        flag(counts.isWorkerBlocked)
    }

    fileprivate mutating func overhead(_ overhead: Overhead) {
        flag(overhead.isTraced)
        long(overhead.callNanoseconds)
        long(overhead.changes)
        for number in [overhead.rate, overhead.share, overhead.limit] {
            flag(number != nil)
            long(number ?? 0)
        }
    }

    fileprivate mutating func usage(_ usage: OwnUsage) {
        long(usage.cpuNanoseconds)
        long(usage.residentBytes)
    }

    fileprivate mutating func risky(_ question: RiskyQuestion, _ answer: RiskyAnswer) {
        switch question {
        case .commandLine(let pid, let tid), .mounts(let pid, let tid):
            if case .mounts = question { byte(2) } else { byte(0) }
            word(UInt32(bitPattern: pid))
            word(UInt32(bitPattern: tid))
        case .memory(let pid, let address, let length):
            byte(1)
            word(UInt32(bitPattern: pid))
            long(address)
            long(UInt64(bitPattern: Int64(length)))
        case .semaphore(let pid, let set, let number):
            byte(3)
            word(UInt32(bitPattern: pid))
            word(UInt32(bitPattern: set))
            word(UInt32(number))
        case .sharedMemory(let pid):
            byte(4)
            word(UInt32(bitPattern: pid))
        case .blockDevices:
            byte(5)
            word(0)
        case .userStack(let stack):
            byte(7)
            word(UInt32(bitPattern: stack.pid))
            word(UInt32(bitPattern: stack.tid))
            word(stack.kernelTID)
            long(stack.switches)
            byte(stack.hasLines ? 1 : 0)
        case .loopFile(let device):
            byte(6)
            word(device)
        }
        switch answer {
        case .bytes(let bytes):
            byte(0)
            text(bytes)
        case .failed(let errno):
            byte(1)
            word(UInt32(bitPattern: errno))
        case .timedOut: byte(2)
        }
    }
}

extension TapeReader {
    fileprivate mutating func stackCounts() throws(TapeError) -> StackCounts {
        var counts = StackCounts()
        counts.taken = try long()
        counts.late = try long()
        counts.failed = try long()
        counts.moved = try long()
        counts.skipped = try long()
        counts.isWorkerBlocked = try flag()
        return counts
    }

    fileprivate mutating func overhead() throws(TapeError) -> Overhead {
        var overhead = Overhead(
            isTraced: try flag(), rate: nil, callNanoseconds: try amount(), share: nil, limit: nil,
            changes: try amount(most: TapeFile.mostCount))
        overhead.rate = try number()
        overhead.share = try number()
        overhead.limit = try number()
        return overhead
    }

    private mutating func number() throws(TapeError) -> UInt64? {
        let isThere = try flag()
        let number = try amount()
        return isThere ? number : nil
    }

    fileprivate mutating func usage() throws(TapeError) -> OwnUsage {
        OwnUsage(cpuNanoseconds: try amount(), residentBytes: try amount())
    }

    fileprivate mutating func risky() throws(TapeError) -> TapeEntry {
        let kind = try byte()
        let pid = Int32(bitPattern: try word())
        let question: RiskyQuestion
        switch kind {
        case 0: question = .commandLine(pid: pid, tid: Int32(bitPattern: try word()))
        case 1: question = .memory(pid: pid, address: try long(), length: Int(truncatingIfNeeded: try long()))
        case 2: question = .mounts(pid: pid, tid: Int32(bitPattern: try word()))
        case 3:
            question = .semaphore(
                pid: pid, set: Int32(bitPattern: try word()), number: UInt16(truncatingIfNeeded: try word()))
        case 4: question = .sharedMemory(pid: pid)
        case 5: question = .blockDevices
        case 7:
            question = .userStack(
                StackQuestion(
                    pid: pid, tid: Int32(bitPattern: try word()), kernelTID: try word(), switches: try long(),
                    hasLines: try flag()))
        case 6: question = .loopFile(device: UInt32(bitPattern: pid))
        default: throw error("a question of the unknown kind \(kind)")
        }
        switch try byte() {
        case 0: return .risky(question, .bytes(try text()))
        case 1: return .risky(question, .failed(Int32(bitPattern: try word())))
        case 2: return .risky(question, .timedOut)
        case let other: throw error("an answer of the unknown kind \(other)")
        }
    }
}
