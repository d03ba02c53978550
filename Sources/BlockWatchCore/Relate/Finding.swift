/// What a record says of a call beyond the call itself: who can end it, who is at the root, how bad it is and by which rule.
public struct Finding: Sendable, Equatable {
    public var holders: [Holder] = []
    /// How many there are; `holders` may have fewer.
    public var holderCount = 0
    /// The way to the root in one line; empty where there is none.
    public var chain = ""
    /// The same, step by step; empty where nobody asks for stacks, and of a recording.
    var links: [ChainLink] = []
    /// The end of the chain; absent where what it waits for has no other end.
    public var root: Evidence<Root> = .absent
    /// One for all calls behind the same root, 16 hexadecimal digits.
    public var chainID: String?
    public var verdict = Verdict.waiting
    public var reason = Reason.unknown
    /// The rule that decided; of a recording only the verdict is sure to be known.
    public var rule: Rule?
    public var unresolved: [String] = []
    /// Of a wait for a set: the most suspicious members, and how many there are.
    public var members: [SetMember] = []
    public var memberCount = 0
    public var hasMoreMembers = false
    /// It is in a deadlock, or behind one.
    public var isInDeadlock = false
    /// What the verdict stands on, short and true, the rule first.
    public var evidence: [String] = []

    public init() {}

    /// Of a thread that the look has not come to.
    static let nothing: Finding = {
        var finding = Finding(Judgement(.unknown, by: .unknown))
        finding.root = .unknown(.inFlight)
        finding.unresolved = [Gap.inFlight.of("root")]
        finding.evidence = ["rule=\(Rule.unknown.rawValue)"]
        return finding
    }()

    init(_ judgement: Judgement) {
        verdict = judgement.verdict
        reason = judgement.reason
        rule = judgement.rule
    }

    /// What the program's functions tell of the wait; the verdict does not stand on it.
    mutating func take(waitOf stack: UserStack?) {
        guard let wait = stack?.wait, evidence.count < 4 else { return }
        let holder = wait == UserStack.gil ? stack?.gilHolder.map { ", which thread \($0) has" } : nil
        evidence.append("waits for \(wait)\(holder ?? "")")
    }

    /// What a more thorough look has found of its set.
    mutating func take(membersOf finding: Finding) {
        members = finding.members
        memberCount = finding.memberCount
        hasMoreMembers = finding.hasMoreMembers
    }
}

/// The end of a chain.
public struct Root: Sendable, Equatable {
    public enum Kind: String, Sendable {
        case thread, process, remote, device, nobody, deadlock
        /// The way between two ends that are both well.
        case network
    }

    public var kind: Kind
    public var pid: Int?
    public var name: [UInt8]?
    public var doing: String?
    public var address: String?
    /// Of a remote one: the connection to it, by which its own host's records are found.
    public var communityID: String?
}

/// One descriptor of a set that is waited for.
public struct SetMember: Sendable, Equatable {
    public var resource: Resource
    public var reason: Reason
}
