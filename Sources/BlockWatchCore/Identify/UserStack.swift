/// Where in its program a thread waits: functions, innermost first.
public struct UserStack: Sendable, Equatable {
    public struct Frame: Sendable, Equatable {
        /// Bytes as the program's own tables have them; `nil` where they name none.
        public var function: [UInt8]?
        /// The file that it comes from, as the process sees it, and where in it.
        public var module: [UInt8]?
        public var offset: UInt64
        public var file: [UInt8]?
        public var line: Int?
        /// In the function that follows.
        public var isInlined = false
        /// Called by a signal.
        public var isSignal = false
        /// A function of a Python program.
        public var isPython = false
    }

    public var frames: [Frame]
    /// There are more.
    public var isCut = false
    /// Of a Python program: the thread that has its global lock, as blockwatch's own /proc numbers it.
    public var gilHolder: Int?
    /// The caller of the last one was not found.
    public var isLost = false

    public init(frames: [Frame]) { self.frames = frames }
}

/// Of which written calls the stack is asked for.
public enum StackPolicy: String, Sendable, CaseIterable {
    case none
    /// Of those that are stuck or in a deadlock.
    case stuck
    case all
    /// Of all, with files and lines.
    case lines

    func wants(_ verdict: Verdict) -> Bool {
        switch self {
        case .none: false
        case .stuck: verdict == .stuck || verdict == .deadlock
        case .all, .lines: true
        }
    }
}

// MARK: - from bytes

extension UserStack {
    /// What of a frame's texts is kept.
    private static let mostText = 1024
    private static let mostFrames = 64

    /// One thread of a worker's answer, as `stacks.h` lays it out. It has read what others wrote: whatever the bytes are,
    /// this throws and never traps.
    ///
    /// - Parameter bytes: what is left of the answer; without this thread afterwards.
    /// - Returns: the thread, with an errno instead of a stack.
    /// - Throws: ``DecodeError`` for an end in the middle.
    public static func thread(
        from bytes: inout ArraySlice<UInt8>
    ) throws(DecodeError) -> (tid: Int32, stack: UserStack, errno: Int32) {
        let tid = Int32(bitPattern: UInt32(try number(&bytes, 4)))
        let count = try number(&bytes, 4)
        let flags = try number(&bytes, 4)
        let errno = Int32(bitPattern: UInt32(try number(&bytes, 4)))
        let holder = try number(&bytes, 4)
        _ = try number(&bytes, 4)
        var stack = UserStack(frames: [])
        stack.isCut = flags & 1 != 0
        stack.isLost = flags & 2 != 0
        stack.gilHolder = holder > 0 && holder < 1 << 31 ? Int(holder) : nil
        // each takes bytes: what is too many ends before long
        for index in 0..<count {
            let frame = try frame(&bytes)
            if index < mostFrames { stack.frames.append(frame) } else { stack.isCut = true }
        }
        return (tid, stack, errno)
    }

    private static func frame(_ bytes: inout ArraySlice<UInt8>) throws(DecodeError) -> Frame {
        let offset = try number(&bytes, 8)
        let flags = try number(&bytes, 4)
        let line = try number(&bytes, 4)
        let lengths = (try number(&bytes, 2), try number(&bytes, 2), try number(&bytes, 2))
        _ = try number(&bytes, 2)
        var frame = Frame(offset: offset)
        frame.function = try text(&bytes, Int(lengths.0))
        frame.module = try text(&bytes, Int(lengths.1))
        frame.file = try text(&bytes, Int(lengths.2))
        frame.line = line > 0 && line < 1 << 31 ? Int(line) : nil
        frame.isInlined = flags & 1 != 0
        frame.isSignal = flags & 2 != 0
        frame.isPython = flags & 4 != 0
        return frame
    }

    private static func number(_ bytes: inout ArraySlice<UInt8>, _ size: Int) throws(DecodeError) -> UInt64 {
        guard bytes.count >= size else { throw .short(bytes: bytes.count, needed: size) }
        let value = bytes.prefix(size).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        bytes = bytes.dropFirst(size)
        return value
    }

    private static func text(_ bytes: inout ArraySlice<UInt8>, _ size: Int) throws(DecodeError) -> [UInt8]? {
        guard bytes.count >= size else { throw .short(bytes: bytes.count, needed: size) }
        defer { bytes = bytes.dropFirst(size) }
        return size == 0 ? nil : Array(bytes.prefix(min(size, mostText)))
    }
}

// MARK: - asking

extension UserStack {
    /// Of one look; a process with thousands of threads has few different ones.
    private static let mostAsked = 512

    /// Who sleeps in the kernel has its registers there; the kernel's own threads and workers have none.
    static func canBeWalked(_ record: CallRecord, nativeABI: ABI) -> Bool {
        guard nativeABI == .x86_64, record.procTID > 0 else { return false }
        switch record.kind {
        case .systemCall, .page, .stopped: return true
        case .exiting, .ioWorker, .running: return false
        }
    }

    /// - Returns: by thread.
    static func ask(
        for records: [CallRecord], hasLines: Bool, _ risky: inout some RiskyReading
    ) -> [Int: RiskyAnswer] {
        let asked = records.prefix(mostAsked).map { ($0.tid, StackQuestion($0, hasLines: hasLines)) }
        guard !asked.isEmpty else { return [:] }
        let answers = risky.answer(asked.map { .userStack($0.1) })
        var byThread: [Int: RiskyAnswer] = [:]
        for (tid, question) in asked { byThread[tid] = answers[.userStack(question)] ?? .timedOut }
        for record in records.dropFirst(mostAsked) { byThread[record.tid] = .failed(7) }
        return byThread
    }

    /// - Returns: the stack; `nil` where there is none.
    init?(_ answer: RiskyAnswer) {
        guard case .bytes(let bytes) = answer else { return nil }
        var rest = bytes[...]
        guard let thread = try? Self.thread(from: &rest), thread.errno == 0, !thread.stack.frames.isEmpty else {
            return nil
        }
        self = thread.stack
    }

    /// The program's own innermost functions of those that have answered, by thread.
    static func sites(_ answers: [Int: RiskyAnswer]) -> [Int: [UInt8]] {
        answers.compactMapValues { UserStack($0)?.site }
    }
}

extension BlockedCall {
    /// - Parameter answer: `nil` if nobody has asked.
    mutating func take(_ answer: RiskyAnswer?) {
        guard let answer else { return }
        if case .bytes = answer {
            userStack = UserStack(answer)
            if userStack == nil { unresolved.append(Gap.inFlight.of("code.stack")) }
        } else if let gap = answer.gap {
            unresolved.append(gap.of("code.stack"))
        }
    }
}

// MARK: - names

extension UserStack.Frame {
    /// `libc.so.6`
    var moduleName: [UInt8]? {
        guard let module else { return nil }
        let path = module.suffix(10).elementsEqual(" (deleted)".utf8) ? module.dropLast(10) : module[...]
        return path.split(separator: UInt8(ascii: "/")).last.map { Array($0) }
    }

    /// `Pool::checkout`, else `libc.so.6+0x89e40`, else an address; bytes of others, not escaped.
    public var name: [UInt8] {
        if let function { return function }
        let place = "0x" + String(offset, radix: 16)
        return moduleName.map { $0 + "+\(place)".utf8 } ?? Array(place.utf8)
    }
}

extension UserStack {
    /// - Returns: names only, each cut to 128 bytes.
    func names(most: Int) -> [[UInt8]] {
        frames.prefix(most).map { JSONWriter.cut($0.name, budget: 128, keep: .head).bytes }
    }
}
