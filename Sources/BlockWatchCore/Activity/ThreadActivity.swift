/// What one thread did while it was watched, and what that amounts to.
public struct ThreadActivity: Sendable {
    /// In the order in which they are told.
    public enum Doing: Int, Sendable, Comparable {
        /// The same calls fail in the same way, again and again.
        case failing
        /// The same calls again and again without a pause, and nothing comes of them.
        case spinning
        /// On a processor, and in hardly any calls.
        case onProcessor
        /// The same calls again and again; no error, no bytes.
        case circling
        /// Bytes are read or written.
        case goingOn
        /// Calls, and no pattern in them.
        case various
        /// It wakes up by its own clock, and finds nothing to do.
        case ticking
        /// In one call all the time, or nearly: what `explain` says.
        case resting

        public static func < (a: Doing, b: Doing) -> Bool { a.rawValue < b.rawValue }

        /// In `json`.
        var name: String {
            switch self {
            case .failing: "failing"
            case .spinning: "spinning"
            case .onProcessor: "on_processor"
            case .circling: "circling"
            case .goingOn: "going_on"
            case .various: "various"
            case .ticking: "ticking"
            case .resting: "resting"
            }
        }

        /// Somebody should look at it.
        public var isFinding: Bool { self == .failing || self == .spinning }
    }

    /// Where it was found on a processor, and in which part of the looks.
    public struct Spot: Sendable, Equatable {
        public var place: String
        /// Of one.
        public var share: Double
    }

    public var pid, tid: Int
    public var name: [UInt8]
    /// How long it was there while somebody watched.
    public var wallNanoseconds: UInt64
    /// `nil`: not known.
    public var processorNanoseconds: UInt64?
    /// It wanted to run, and others did.
    public var queuedNanoseconds: UInt64?
    public var table: CallTable
    public var loop: Loop?
    public var spots: [Spot] = []
    public var doing = Doing.resting

    /// Of one.
    public var processorShare: Double { share(processorNanoseconds ?? 0) }
    public var queuedShare: Double { share(queuedNanoseconds ?? 0) }

    private func share(_ nanoseconds: UInt64) -> Double {
        wallNanoseconds == 0 ? 0 : min(Double(nanoseconds) / Double(wallNanoseconds), 1)
    }

    public init(
        pid: Int, tid: Int, name: [UInt8], wallNanoseconds: UInt64, processorNanoseconds: UInt64?,
        queuedNanoseconds: UInt64? = nil, calls: [WatchedCall], sums: [CallSum], ends: [Int: ChildEnd] = [:],
        isInOneCall: Bool = false
    ) {
        self.pid = pid
        self.tid = tid
        self.name = name
        self.wallNanoseconds = wallNanoseconds
        self.processorNanoseconds = processorNanoseconds
        self.queuedNanoseconds = queuedNanoseconds
        table = CallTable(sums)
        loop = LoopFinder(ends: ends).loop(of: calls, sums: sums)
        doing = judge(isInOneCall: isInOneCall)
    }

    // MARK: - what it amounts to

    /// Without these it cannot do its work, whatever else succeeds: a retry reads its name service's files each time.
    static let essential: Set<String> = [
        "connect", "bind", "execve", "execveat", "accept", "accept4", "write", "send", "sendto", "sendmsg", "writev",
        "recvfrom", "recvmsg", "getsockopt", "mmap", "clone", "clone3", "fork", "vfork", "flock", "socketcall",
    ]

    private func judge(isInOneCall: Bool) -> Doing {
        let isBusy = processorShare + queuedShare >= 0.5 && processorShare >= 0.1
        let moved = table.bytesRead + table.bytesWritten
        if let loop {
            let hard = loop.steps.filter { $0.isError && !$0.isSoft && $0.child == nil }
            let lostChildren = loop.steps.contains { $0.child != nil && $0.isError }
            let isEssential = hard.contains { Self.essential.contains($0.name) }
            let isFailing = lostChildren || isEssential || !hard.isEmpty && table.bytesRead == 0
            if isFailing, !isServing(loop) {
                return isInOneCall && loop.count < 3 ? .resting : .failing
            }
            if moved > 0, !onlySelfMade(loop) { return .goingOn }
            if isBusy {
                let rate = Double(table.count) / (Double(max(wallNanoseconds, 1)) / 1e9)
                return rate < 100 ? .onProcessor : .spinning
            }
            let asleep = loop.steps.filter(\.isOwnClock).reduce(0) { $0 + $1.meanNanoseconds }
            let all = loop.steps.reduce(0) { $0 + $1.meanNanoseconds }
            if asleep > 0, asleep * 10 >= all * 8 { return .ticking }
            return isInOneCall && loop.count < 3 ? .resting : .circling
        }
        if isBusy {
            if moved > 0 { return .goingOn }
            return .onProcessor
        }
        if table.count == 0 || isInOneCall { return .resting }
        return moved > 0 ? .goingOn : .various
    }

    /// Each round begins with somebody's request and ends with an answer, though what it tries in between may fail.
    private func isServing(_ loop: Loop) -> Bool {
        guard table.bytesRead > 0, table.bytesWritten > 0, !loop.steps.contains(where: \.isOwnClock) else {
            return false
        }
        return loop.steps.contains { !$0.isError && ($0.name.hasPrefix("accept") || $0.name.hasPrefix("epoll_")) }
    }

    /// What it reads or writes in its loop is only the word that wakes it up: eight bytes of an event or a timer.
    private func onlySelfMade(_ loop: Loop) -> Bool {
        let moving = table.rows.filter { $0.bytes > 0 }
        return moving.allSatisfy {
            ($0.name == "read" || $0.name == "write") && $0.bytes == 8 * ($0.count - $0.errorCount)
        }
    }

    // MARK: - where it runs

    /// - Parameter naming: what lies at an address of the program.
    public mutating func place(_ samples: [ProcessorSample], naming: (UInt64) -> String?) {
        guard !samples.isEmpty else { return }
        var counts: [String: Int] = [:]
        var named: [UInt64: String] = [:]
        for sample in samples {
            var place: String
            if sample.isInKernel, let number = sample.number {
                place = "the kernel, for " + (SyscallTable.table(for: sample.abi)[number]?.name ?? "call \(number)")
            } else if let address = sample.stack.first {
                if named[address] == nil { named[address] = naming(address) ?? "0x" + String(address, radix: 16) }
                place = named[address] ?? ""
                if sample.isInKernel { place += " (in the kernel: a fault or an interrupt)" }
            } else {
                place = sample.isInKernel ? "the kernel" : "an unknown place"
            }
            counts[place, default: 0] += 1
        }
        spots = counts.map { Spot(place: $0.key, share: Double($0.value) / Double(samples.count)) }
            .sorted { ($1.share, $0.place) < ($0.share, $1.place) }
    }
}

extension ThreadActivity {
    /// The sentence about it, without who it is: `goes round and round ...`; and lines that go with it.
    func sentences() -> (what: String, lines: [String]) {
        var lines: [String] = []
        let share = processorNanoseconds == nil ? nil : TerminalText.percent(processorShare)
        var what: String
        switch doing {
        case .failing:
            what = "goes round and round and gets nowhere: " + rounds
            lines.append(failure + "\(pace)")
        case .spinning:
            what = "spins: \(rounds)"
            lines.append("It never pauses and no bytes come of it\(pace)")
        case .circling:
            what = "goes round and round: \(rounds)"
            lines.append("No error, and no bytes are moved\(pace)")
        case .ticking:
            what = "wakes up by its own clock and finds nothing to do: \(rounds)"
            lines.append("Idle, as far as its calls tell\(pace)")
        case .goingOn:
            what = "gets on: " + moved
            if let loop, loop.coverage >= 0.6 {
                lines.append("Again and again: \(rounds)\(pace)")
            } else {
                lines.append("It is\(pace.dropFirst())")
            }
        case .onProcessor:
            what = "is on a processor \(share ?? "much") of the time and makes \(calls)"
            if queuedShare >= 0.05 {
                what += "; \(TerminalText.percent(queuedShare)) of the time it waits for its turn"
            }
        case .various:
            what = "makes \(calls), in no order that is repeated"
            lines.append("It is\(pace.dropFirst())")
        case .resting:
            what = table.count == 0 ? "is in one call all the time" : "makes \(calls) and then waits"
        }
        if doing != .resting, processorShare >= 0.2, !spots.isEmpty {
            let told = spots.prefix(3).map { "\(TerminalText.percent($0.share)) \($0.place)" }
            lines.append("Where it runs: \(told.joined(separator: ", "))\(spots.count > 3 ? ", ..." : "")")
        }
        return (what, lines)
    }

    private var calls: String {
        table.count == 0 ? "no calls" : "\(table.count) call\(table.count == 1 ? "" : "s")"
    }

    private var rounds: String {
        guard let loop else { return calls }
        let about = loop.isEstimate ? "about " : ""
        return "\(loop.text); \(about)\(loop.count) times"
    }

    private var failure: String {
        guard let loop else { return "" }
        let errors = loop.steps.filter { $0.isError && (!$0.isSoft || $0.child != nil) }
        return errors.count == 1 ? "The same failure each time" : "The same \(errors.count) failures each time"
    }

    private var moved: String {
        let parts = [(table.bytesRead, "read"), (table.bytesWritten, "written")].filter { $0.0 > 0 }
            .map { "\(TerminalText.bytes($0.0)) \($0.1)" }
        return parts.joined(separator: ", ") + " in \(calls)"
    }

    /// `; a round takes 500ms; on a processor 2 % of the time, asleep 98 %.`
    private var pace: String {
        var text = ""
        if let round = loop?.roundNanoseconds, doing != .goingOn || loop != nil {
            text += "; a round takes \(TerminalText.duration(nanoseconds: round))"
        }
        if processorNanoseconds != nil {
            let asleep = max(1 - processorShare - queuedShare, 0)
            text += "; on a processor \(TerminalText.percent(processorShare)) of the time"
            if queuedShare >= 0.05 { text += ", waiting for one \(TerminalText.percent(queuedShare))" }
            if asleep >= 0.005 { text += ", asleep \(TerminalText.percent(asleep))" }
        }
        return text + "."
    }
}

extension TerminalText {
    /// Of one: `97 %`, `<1 %`.
    static func percent(_ share: Double) -> String {
        let whole = Int((min(max(share, 0), 1) * 100).rounded())
        return whole == 0 && share > 0 ? "<1 %" : "\(whole) %"
    }

    /// `340 B`, `12 KB`, `1.2 GB`
    static func bytes(_ count: UInt64) -> String {
        if count < 10_000 { return "\(count) B" }
        var value = Double(count) / 1000
        for unit in ["KB", "MB", "GB"] {
            if value < 1000 {
                return value < 10 ? "\((value * 10).rounded() / 10) \(unit)" : "\(Int(value.rounded())) \(unit)"
            }
            value /= 1000
        }
        return "\(Int(value.rounded())) TB"
    }
}
