/// How many calls were written since start, each once: what a counter of a metrics file says.
public struct CallCounts: Sendable, Equatable {
    public struct ServiceKey: Sendable, Hashable {
        /// A systemd unit, or one of ``Services``.
        public var service: String
        public var verdict: Verdict
    }

    public private(set) var byReason: [Reason: UInt64] = [:]
    public private(set) var byService: [ServiceKey: UInt64] = [:]
    private var services: Set<String> = []

    public init() {}

    /// `blocked` and `slow` are the first record of a call, with the verdict of that moment.
    mutating func count(_ action: Record.Action, _ report: CallReport) {
        guard action == .blocked || action == .slow, let finding = report.finding else { return }
        byReason[finding.reason, default: 0] += 1
        byService[key(report, finding.verdict), default: 0] += 1
    }

    /// The output had no room for it.
    mutating func takeBack(_ action: Record.Action, _ report: CallReport) {
        guard action == .blocked || action == .slow, let finding = report.finding else { return }
        decrement(&byReason[finding.reason, default: 0])
        decrement(&byService[key(report, finding.verdict), default: 0])
    }

    private func decrement(_ count: inout UInt64) { count -= min(count, 1) }

    /// A counter must not vanish: who came first keeps its name, whoever comes when all places are taken has none.
    private mutating func key(_ report: CallReport, _ verdict: Verdict) -> ServiceKey {
        let name = Services.name(report.call.process.cgroup)
        if services.count < Services.most || services.contains(name) {
            services.insert(name)
            return ServiceKey(service: name, verdict: verdict)
        }
        return ServiceKey(service: Services.other, verdict: verdict)
    }
}

/// Anyone allowed to make a cgroup chooses its name: in a metrics file there is room for so many.
public enum Services {
    public static let most = 50
    /// Outside any service; a unit's name ends in `.service`.
    public static let none = "none"
    /// Those that found no room.
    public static let other = "other"

    /// With control characters made visible: Prometheus refuses a whole file in which one sample stands twice, so that
    /// those that look the same must be counted as one.
    static func name(_ cgroup: CgroupIdentity) -> String {
        cgroup.serviceName.map { TerminalText.escaped($0) } ?? none
    }
}

/// What is open now: what a gauge says.
public struct OpenCalls: Sendable, Equatable {
    /// Looked at or not, written or not.
    public var count = 0
    /// Of those that were looked at.
    public var byReason: [Reason: UInt64] = [:]
    /// The age of the oldest, in nanoseconds.
    public var oldest: [Verdict: UInt64] = [:]
    /// Of those that were written: of others nobody has asked who they are.
    public var byService: [String: [Verdict: UInt64]] = [:]

    public init() {}

    /// Those services that are worst off, and one for the rest.
    var boundedServices: [(name: String, counts: [Verdict: UInt64])] {
        func weight(_ counts: [Verdict: UInt64], _ verdict: Verdict) -> UInt64 { counts[verdict] ?? 0 }
        let sorted = byService.sorted { left, right in
            for verdict in Verdict.allCases {
                let (a, b) = (weight(left.value, verdict), weight(right.value, verdict))
                if a != b { return a > b }
            }
            return left.key < right.key
        }
        var kept = sorted.prefix(Services.most).map { (name: $0.key, counts: $0.value) }
        guard sorted.count > Services.most else { return kept }
        let rest = sorted.dropFirst(Services.most).reduce(into: [Verdict: UInt64]()) {
            $0.merge($1.value, uniquingKeysWith: +)
        }
        kept.append((Services.other, rest))
        return kept
    }
}
