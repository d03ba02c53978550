internal import BlockWatchBPF

/// The conventions by which a system call is made; `syscall.abi`.
public enum ABI: String, Sendable, CaseIterable {
    case x86_64, i386, aarch64
}

/// What a call can wait for; the numbers are `enum bw_class`.
public enum SyscallClass: UInt8, Sendable, CaseIterable {
    case none = 0
    case descriptor, set, lock, process, memory, time, signal, path, ipc, kernel
    case sigreturn = 14
    case restart = 15

    public var label: String { "\(self)" }

    /// Whether a call of that class can ever have that reason; true where in doubt.
    func mayBe(_ reason: Reason) -> Bool {
        switch self {
        case .none, .sigreturn, .restart: false
        // they wait for nobody, or there is always a way out
        case .time: [.timer, .overdue, .stopped, .kernelStuck, .inProgress, .unknown].contains(reason)
        case .signal: [.awaitingInput, .overdue, .stopped, .kernelStuck, .inProgress, .unknown].contains(reason)
        case .set: reason != .cycle
        default: true
        }
    }

    /// Whether the resource of such a call can be a socket with ports.
    var mayHavePort: Bool { self == .descriptor || self == .kernel }

    /// Whether it can be something with a path.
    var mayHavePath: Bool {
        switch self {
        case .none, .set, .process, .time, .signal, .sigreturn, .restart: false
        case .descriptor, .lock, .memory, .path, .ipc, .kernel: true
        }
    }

    public init?(label: some StringProtocol) {
        guard let found = Self.allCases.first(where: { $0.label == label }) else { return nil }
        self = found
    }
}

/// Where a call has its own time-out.
public struct SyscallTimeout: Sendable, Equatable {
    public enum Unit: String, Sendable, CaseIterable {
        case timespec, timespec32, timeval, timeval32, milliseconds, seconds
    }

    /// From 0.
    public var argument: Int
    public var unit: Unit
}

/// One line of the table.
public struct SyscallInfo: Sendable, Equatable {
    public var name: String
    public var number: Int
    public var `class`: SyscallClass
    /// Which argument is the descriptor, from 0.
    public var descriptorArgument: Int?
    /// Which argument is the directory that a path argument behind it is relative to.
    public var directoryArgument: Int?
    /// A positive result means that bytes moved.
    public var movesBytes: Bool
    public var timeout: SyscallTimeout?
    /// In a few words.
    public var waitsFor: String

    /// The byte of `bw_call_class.watched`; 0 for a call that never blocks.
    public var kernelByte: UInt8 {
        guard self.class != .none else { return 0 }
        let argument = descriptorArgument.map { UInt8($0) } ?? (directoryArgument == nil ? 7 : 6)
        return self.class.rawValue | (movesBytes ? 0x10 : 0) | argument << 5
    }
}

/// The system calls of one ABI by number: data made from the kernel's headers, see SyscallTable+Generated.swift.
public struct SyscallTable: Sendable {
    /// `BW_SYSCALLS_MAX`
    public static let kernelTableSize = 512

    /// By number, in order.
    public let all: [SyscallInfo]
    private let places: [Int: Int]
    private let numbers: [String: Int]

    public static func table(for abi: ABI) -> SyscallTable {
        switch abi {
        case .x86_64: x86_64
        case .i386: i386
        case .aarch64: aarch64
        }
    }

    private static let x86_64 = SyscallTable(rows: x86_64Rows)
    private static let i386 = SyscallTable(rows: i386Rows)
    private static let aarch64 = SyscallTable(rows: aarch64Rows)

    public subscript(_ number: Int) -> SyscallInfo? { places[number].map { all[$0] } }

    public func number(named name: String) -> Int? { numbers[name] }

    /// Whether a call that can block is left out.
    public func isNarrow(watching: (SyscallInfo) -> Bool) -> Bool {
        all.contains { ![.none, .sigreturn, .restart].contains($0.class) && !watching($0) }
    }

    /// The table of the kernel side.
    ///
    /// - Parameter watching: whether a call that can block is wanted. What the kernel side needs to follow signals
    ///   (rt_sigreturn, restart_syscall) is always in it.
    public func kernelBytes(watching: (SyscallInfo) -> Bool) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.kernelTableSize)
        for info in all where info.number < bytes.count {
            let isNeeded = info.class == .sigreturn || info.class == .restart
            if isNeeded || info.class != .none && watching(info) { bytes[info.number] = info.kernelByte }
        }
        return bytes
    }

    /// `bw_call_class.traits`: what the kernel side must know of calls beyond their class.
    public var kernelTraits: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.kernelTableSize)
        for info in all where info.number < bytes.count {
            let traits: [(has: Bool, trait: Int32)] = [
                (SystemCall.sends(named: info.name), BW_TRAIT_SENDS), (SetMembers.isPoll(info.name), BW_TRAIT_POLLS),
                (info.name == "poll", BW_TRAIT_MILLISECONDS), (info.name == "connect", BW_TRAIT_CONNECTS),
                (["epoll_wait", "epoll_pwait"].contains(info.name), BW_TRAIT_MILLISECONDS_4TH),
            ]
            bytes[info.number] = traits.reduce(0) { $0 | ($1.has ? UInt8($1.trait) : 0) }
        }
        return bytes
    }

    private init(rows: String) {
        var all: [SyscallInfo] = []
        for line in rows.utf8.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: "\t")).map { Substring($0) }
            guard fields.count == 7, let number = Int(fields[0]), let kind = SyscallClass(label: fields[2]) else {
                continue
            }
            all.append(
                SyscallInfo(
                    name: String(fields[1]), number: number, class: kind, descriptorArgument: Int(fields[3]),
                    directoryArgument: fields[3].hasPrefix("dir") ? Int(fields[3].dropFirst(3)) : nil,
                    movesBytes: fields[4] == "bytes", timeout: SyscallTimeout(fields[5]), waitsFor: String(fields[6])))
        }
        self.all = all
        places = Dictionary(all.enumerated().map { ($1.number, $0) }) { first, _ in first }
        numbers = Dictionary(all.map { ($0.name, $0.number) }) { first, _ in first }
    }
}

extension SyscallTimeout {
    /// `2:timespec`; nil for `-`.
    fileprivate init?(_ text: Substring) {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let argument = Int(parts[0]), let unit = Unit(rawValue: String(parts[1])) else {
            return nil
        }
        self.init(argument: argument, unit: unit)
    }
}
