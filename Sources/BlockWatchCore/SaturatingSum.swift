extension UInt64 {
    /// The sum, or as much as there is: a user may ask for 500 years.
    public func saturatingAdd(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
