/// Names the kernel's functions by addresses that lie in them.
///
/// - Returns: without those that lie in none; `nil` if nobody answered.
public typealias KernelNames = @Sendable (_ addresses: [UInt64]) -> [UInt64: String]?
