internal import BlockWatchBPF

/// One record of the programs that watch a process call by call.
public enum ActivityRecord: Sendable {
    case call(WatchedCall)
    case life(LifeEvent)
    case sample(ProcessorSample)

    /// - Parameters:
    ///   - bytes: `struct bw_watched_call`, `struct bw_life` or `struct bw_sample`.
    ///   - native: the ABI of 64-bit calls here.
    /// - Throws: ``DecodeError``; never traps, whatever the bytes are.
    public init(_ bytes: Span<UInt8>, native: ABI) throws(DecodeError) {
        guard bytes.count >= 4 else { throw .short(bytes: bytes.count, needed: 4) }
        let type = UInt32(bytes[0]) | UInt32(bytes[1]) << 8 | UInt32(bytes[2]) << 16 | UInt32(bytes[3]) << 24
        switch type {
        case BW_RECORD_WATCHED_CALL.rawValue:
            let fixed = MemoryLayout<bw_watched_call>.size - Int(BW_PAYLOAD_LEN)
            self = .call(WatchedCall(raw: try load(bytes, as: bw_watched_call(), atLeast: fixed), native: native))
        case BW_RECORD_LIFE.rawValue:
            self = .life(LifeEvent(raw: try load(bytes, as: bw_life(), atLeast: MemoryLayout<bw_life>.size)))
        case BW_RECORD_SAMPLE.rawValue:
            let raw = try load(bytes, as: bw_sample(), atLeast: MemoryLayout<bw_sample>.size)
            self = .sample(ProcessorSample(raw: raw, native: native))
        default:
            throw .unknownType(type)
        }
    }
}

private func abi(_ raw: UInt32, _ native: ABI) -> ABI { raw == BW_ABI_COMPAT.rawValue ? .i386 : native }

/// `struct bw_watched_call`: a call that has returned.
public struct WatchedCall: Sendable, Equatable {
    /// The thread, or the processes of one name, whose sums it is in.
    public var who: UInt64
    /// Of the thread's calls; gaps are calls that are only summed up.
    public var sequence: UInt64
    /// CLOCK_MONOTONIC, nanoseconds.
    public var startNanoseconds: UInt64
    public var durationNanoseconds: UInt64
    /// A count, or a negative errno.
    public var result: Int64
    public var arguments: [UInt64]
    public var pid, tid: Int
    public var number: Int
    public var abi: ABI
    /// What its argument points at: a path without its NUL, a socket address, a time, a set to poll. Empty where that
    /// could not be read.
    public var payload: [UInt8]

    public init(
        who: UInt64, sequence: UInt64, startNanoseconds: UInt64, durationNanoseconds: UInt64, result: Int64,
        arguments: [UInt64], pid: Int, tid: Int, number: Int, abi: ABI, payload: [UInt8]
    ) {
        self.who = who
        self.sequence = sequence
        self.startNanoseconds = startNanoseconds
        self.durationNanoseconds = durationNanoseconds
        self.result = result
        self.arguments = arguments
        self.pid = pid
        self.tid = tid
        self.number = number
        self.abi = abi
        self.payload = payload
    }

    init(raw: bw_watched_call, native: ABI) {
        let length = min(Int(raw.payload_len), Int(BW_PAYLOAD_LEN))
        self.init(
            who: raw.who, sequence: raw.sequence, startNanoseconds: raw.start_ns,
            durationNanoseconds: raw.duration_ns, result: raw.result,
            arguments: [raw.args.0, raw.args.1, raw.args.2, raw.args.3, raw.args.4, raw.args.5],
            pid: Int(raw.tgid), tid: Int(raw.pid), number: Int(raw.number),
            abi: BlockWatchCore.abi(raw.abi, native),
            payload: unsafe withUnsafeBytes(of: raw.payload) { unsafe [UInt8]($0.prefix(length)) })
    }
}

/// `struct bw_life`: a process came, went, or executes another program.
public struct LifeEvent: Sendable, Equatable {
    public enum Kind: Sendable, Equatable { case born, named, exited }

    public var kind: Kind
    /// CLOCK_MONOTONIC, nanoseconds.
    public var nowNanoseconds: UInt64
    public var who: UInt64
    /// Of one that exited: processor time of all its threads.
    public var processorNanoseconds: UInt64
    public var pid, parentPID: Int
    /// As the kernel has it, in the initial PID namespace.
    public var kernelPID: Int
    /// It has the name that was asked for.
    public var isNamed: Bool
    /// Its sums are those of all of its name.
    public var isFolded: Bool
    /// As wait(2) has it.
    public var status: Int
    public var name, parentName: [UInt8]

    init(raw: bw_life) {
        kind =
            switch raw.event {
            case BW_LIFE_EXITED.rawValue: .exited
            case BW_LIFE_NAMED.rawValue: .named
            default: .born
            }
        nowNanoseconds = raw.now_ns
        who = raw.who
        processorNanoseconds = raw.cpu_ns
        pid = Int(raw.tgid)
        parentPID = Int(raw.parent)
        kernelPID = Int(raw.kernel_tgid)
        isNamed = raw.flags & UInt32(BW_WATCHED_NAMED) != 0
        isFolded = raw.flags & UInt32(BW_WATCHED_FOLDED) != 0
        status = Int(raw.status)
        name = cString(raw.comm)
        parentName = cString(raw.parent_comm)
    }
}

/// `struct bw_sample`: what a thread was at when a timer looked.
public struct ProcessorSample: Sendable, Equatable {
    public var pid, tid: Int
    public var isInKernel: Bool
    /// The call it is in; `nil` for none.
    public var number: Int?
    public var abi: ABI
    /// Addresses of the program, innermost first.
    public var stack: [UInt64]

    public init(pid: Int, tid: Int, isInKernel: Bool, number: Int?, abi: ABI, stack: [UInt64]) {
        self.pid = pid
        self.tid = tid
        self.isInKernel = isInKernel
        self.number = number
        self.abi = abi
        self.stack = stack
    }

    init(raw: bw_sample, native: ABI) {
        let depth = min(Int(raw.depth), Int(BW_SAMPLE_DEPTH))
        self.init(
            pid: Int(raw.tgid), tid: Int(raw.pid), isInKernel: raw.in_kernel != 0,
            number: raw.number >= 0 ? Int(raw.number) : nil, abi: BlockWatchCore.abi(raw.abi, native),
            stack: unsafe withUnsafeBytes(of: raw.stack) {
                unsafe [UInt64]($0.bindMemory(to: UInt64.self).prefix(depth))
            })
    }
}

/// `struct bw_total_key` and `struct bw_total`: calls that are alike, summed up.
public struct CallSum: Sendable, Equatable {
    /// A thread's id, or ``LifeEvent/who``.
    public var who: UInt64
    /// Tells apart what they were on.
    public var object: UInt64
    public var number: Int
    public var abi: ABI
    /// 0 for calls that did not fail.
    public var errno: Int64
    public var count, totalNanoseconds, longestNanoseconds: UInt64
    /// Of calls that move bytes, how many they moved.
    public var bytes: UInt64
    /// How many of them returned 0.
    public var zeros: UInt64

    public init(
        who: UInt64, object: UInt64, number: Int, abi: ABI, errno: Int64, count: UInt64, totalNanoseconds: UInt64,
        longestNanoseconds: UInt64, bytes: UInt64, zeros: UInt64
    ) {
        self.who = who
        self.object = object
        self.number = number
        self.abi = abi
        self.errno = errno
        self.count = count
        self.totalNanoseconds = totalNanoseconds
        self.longestNanoseconds = longestNanoseconds
        self.bytes = bytes
        self.zeros = zeros
    }

    /// - Parameter bytes: rows without anything between them; what is cut at the end is left out.
    public static func rows(_ bytes: [UInt8], native: ABI) -> [CallSum] {
        let keySize = MemoryLayout<bw_total_key>.size
        let size = keySize + MemoryLayout<bw_total>.size
        return stride(from: 0, to: bytes.count - bytes.count % size, by: size).compactMap { start in
            let row = bytes.span.extracting(start..<start + size)
            guard let key = try? load(row, as: bw_total_key(), atLeast: size),
                let total = try? load(row.extracting(droppingFirst: keySize), as: bw_total(), atLeast: size - keySize)
            else { return nil }
            return CallSum(
                who: key.who, object: key.object, number: Int(key.number & ~UInt32(BW_TOTAL_COMPAT)),
                abi: key.number & UInt32(BW_TOTAL_COMPAT) != 0 ? .i386 : native, errno: Int64(key.error),
                count: total.count, totalNanoseconds: total.total_ns, longestNanoseconds: total.max_ns,
                bytes: total.results, zeros: total.zeros)
        }
    }
}
