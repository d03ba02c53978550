import Glibc

/// One program with a target for each door through which bytes of others come in; BLOCKWATCH_FUZZ_TARGET chooses.
///
/// libFuzzer's own main is not used: Swift's package manager wants one of its own name.
let targets: [(name: String, run: @Sendable ([UInt8]) -> Void)] = [
    ("records", fuzzRecords), ("proc", fuzzProc), ("memory", fuzzMemory), ("config", fuzzConfig), ("text", fuzzText),
    ("replay", fuzzReplay), ("metrics", fuzzMetrics), ("tape", fuzzTape),
    ("stack", fuzzStack),
]

nonisolated(unsafe) private var chosen: @Sendable ([UInt8]) -> Void = { _ in }

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutableRawPointer,
    _ one: @convention(c) (UnsafePointer<UInt8>, Int) -> CInt
) -> CInt

@_cdecl("BlockWatchFuzz_main")
public func fuzzMain(_ count: CInt, _ arguments: UnsafeMutableRawPointer) -> CInt {
    let name = getenv("BLOCKWATCH_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = targets.first(where: { $0.name == name }) else {
        print("BLOCKWATCH_FUZZ_TARGET: \(targets.map(\.name).joined(separator: ", "))")
        return 64
    }
    chosen = target.run
    var count = count
    var arguments = arguments
    return withUnsafeMutablePointer(to: &arguments) { arguments in
        runDriver(&count, UnsafeMutableRawPointer(arguments)) { data, size in
            chosen([UInt8](UnsafeBufferPointer(start: size > 0 ? data : nil, count: size)))
            return 0
        }
    }
}

/// What must hold, whatever came in.
func require(_ holds: Bool, _ what: @autoclosure () -> String) {
    if !holds { fatalError(what()) }
}

/// Values from the input, one after the other; zeros when it is used up.
struct Input {
    private let bytes: [UInt8]
    private var at = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isEmpty: Bool { at >= bytes.count }

    mutating func byte() -> UInt8 {
        guard at < bytes.count else { return 0 }
        defer { at += 1 }
        return bytes[at]
    }
    mutating func number(_ size: Int) -> UInt64 {
        (0..<size).reduce(0) { value, index in value | UInt64(byte()) << UInt64(8 * index) }
    }
    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(at + count, bytes.count)
        defer { at = end }
        return Array(bytes[at..<end])
    }
    mutating func rest() -> [UInt8] { take(bytes.count) }
}
