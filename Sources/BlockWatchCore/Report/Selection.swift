/// Which calls the options leave out.
struct Selection {
    private let filter: Filter
    private let ignoreRules: [IgnoreRule]
    private let verdicts: Set<Verdict>
    private let newOnly: Bool
    private let busyAfterNanoseconds: UInt64
    /// CLOCK_MONOTONIC, nanoseconds: when blockwatch began.
    private let startedAt: UInt64

    init(_ settings: Pipeline.Settings, startedAt: UInt64) {
        filter = settings.filter
        ignoreRules = settings.ignoreRules
        verdicts = settings.verdicts
        newOnly = settings.newOnly
        busyAfterNanoseconds = settings.busyAfterNanoseconds
        self.startedAt = startedAt
    }

    /// Calls of its verdict are written.
    func wants(_ reason: Reason) -> Bool { verdicts.contains(reason.verdict) }

    /// It waits for somebody who is at work, and has done so for long.
    func hasWaitedEnough(_ duration: UInt64, _ reason: Reason) -> Bool {
        reason.verdict == .busy && wants(reason) && duration >= busyAfterNanoseconds
    }

    /// A call that was over before anybody could look at it, and of which nothing is known: it has not hung, and accuses nobody.
    /// Whoever asks for idle calls is told of it.
    func isIdle(over reason: Reason, unseen: Bool) -> Bool {
        unseen && reason == .unknown && !verdicts.contains(.idle)
    }

    /// A change of a written call's verdict or reason is to be said at once. That somebody is at work is said once, though
    /// he rests between, but to whoever asks for idle calls too.
    ///
    /// - Parameter said: what its last record has said.
    func isNews(_ finding: Finding, said: Finding?) -> Bool {
        guard let said, [.busy, .idle].contains(said.verdict), [.busy, .idle].contains(finding.verdict) else {
            return true
        }
        return verdicts.contains(.idle) && (said.verdict != finding.verdict || finding.verdict == .idle)
    }

    /// Why a call is not to be written; `nil` if it is.
    ///
    /// - Parameter reason: `nil` as long as nobody has looked.
    func exclusion(
        of sighting: Sighting, duration: UInt64, reason: Reason? = nil, identifier: inout Identifier
    ) -> Exclusion? {
        let (record, call) = sighting
        if newOnly, call.startSource == .lastRan, call.startNanoseconds < startedAt { return .newOnly }
        if let reason, !wants(reason) { return .verdict }
        if let reason, reason.verdict == .busy, !hasWaitedEnough(duration, reason) { return .busyAfter }
        if filter.isEmpty, ignoreRules.isEmpty { return nil }
        var subject = identifier.subject(record, call, duration: duration)
        subject.reason = reason?.rawValue
        if !filter.admits(subject) { return .filter }
        return ignoreRules.first { $0.ignores(subject) }.map { .ignoreRule($0.name) }
    }
}

/// The option that keeps a call from being written.
enum Exclusion: Equatable {
    case newOnly, verdict, filter
    /// Whoever it waits for is at work, and not for long yet.
    case busyAfter
    case ignoreRule(String)
    /// It was over before anybody could look at it, and nothing is known of it.
    case over
    /// There were too many records in this second.
    case maxRate

    /// All but the rules, whose names are a user's.
    static let named = [Exclusion.newOnly, .verdict, .filter, .busyAfter, .over, .maxRate].map(\.name)

    /// The option's name, as ``Totals/hidden`` has it.
    var name: String {
        switch self {
        case .newOnly: "new_only"
        case .verdict: "verdict"
        case .busyAfter: "busy_after"
        case .filter: "filter"
        case .over: "over"
        case .ignoreRule(let name): "ignore.\(name)"
        case .maxRate: "max_rate"
        }
    }

    /// Nobody wants to hear of this call, unlike of one that comes when there is no room.
    var isUnwanted: Bool { if case .ignoreRule = self { true } else { isLasting } }

    /// It stays, whatever becomes of the call; an ignore rule may run out.
    var isLasting: Bool { self == .filter || self == .newOnly }
}
