extension Pipeline {
    public struct Settings: Sendable {
        public var thresholdNanoseconds: UInt64
        /// Calls that began before blockwatch are left out.
        public var newOnly: Bool
        /// `nil` for never.
        public var repeatNanoseconds: UInt64?
        public var maxRate: UInt64
        public var filter: Filter
        public var ignoreRules: [IgnoreRule]
        /// Those that are written.
        public var verdicts: Set<Verdict>
        /// Says which connections the process of a written call holds besides.
        public var tellsHeldSockets: Bool
        /// Whose stacks are asked for.
        public var stacks = StackPolicy.none
        /// Calls that wait for somebody who is at work are written after this.
        public var busyAfterNanoseconds: UInt64

        public init(
            thresholdNanoseconds: UInt64, newOnly: Bool, repeatNanoseconds: UInt64?, maxRate: UInt64,
            filter: Filter, ignoreRules: [IgnoreRule], verdicts: Set<Verdict> = Set(Verdict.allCases),
            tellsHeldSockets: Bool = false, busyAfterNanoseconds: UInt64 = 0
        ) {
            self.busyAfterNanoseconds = busyAfterNanoseconds
            self.verdicts = verdicts
            self.tellsHeldSockets = tellsHeldSockets
            self.thresholdNanoseconds = thresholdNanoseconds
            self.newOnly = newOnly
            self.repeatNanoseconds = repeatNanoseconds
            self.maxRate = maxRate
            self.filter = filter
            self.ignoreRules = ignoreRules
        }
    }
}
