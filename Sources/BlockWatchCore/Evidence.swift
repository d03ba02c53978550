/// What was found out about something that a wait hangs on. Three values, so that what could not be read is never taken
/// for what is not there: whoever asks has to answer for all of them.
public enum Evidence<Value> {
    case known(Value)
    /// Known to be none.
    case absent
    /// Not found out, and why.
    case unknown(Gap)

    /// What is known; `nil` where there is none and where it was not found out. Only for whoever treats both alike.
    public var value: Value? { if case .known(let value) = self { value } else { nil } }
    public var gap: Gap? { if case .unknown(let gap) = self { gap } else { nil } }

    public func map<Other>(_ transform: (Value) -> Other) -> Evidence<Other> {
        switch self {
        case .known(let value): .known(transform(value))
        case .absent: .absent
        case .unknown(let gap): .unknown(gap)
        }
    }
}

extension Evidence: Sendable where Value: Sendable {}
extension Evidence: Equatable where Value: Equatable {}

/// Why something was not found out: the reasons of `unresolved` (CONTRACT, section 3).
public enum Gap: String, Sendable, CaseIterable {
    case processGone = "process_gone"
    case closed
    case notPermitted = "not_permitted"
    case timedOut = "timed_out"
    /// Beyond the bounds of one look.
    case tooMany = "too_many"
    /// Behind address translation.
    case nat
    /// On its way from one state to another, or seen by the kernel in no process's table.
    case inFlight = "in_flight"
    /// Neither the kernel nor the program keeps it.
    case notRecorded = "not_recorded"

    /// `holders=timed_out`
    public func of(_ field: String) -> String { "\(field)=\(rawValue)" }
}
