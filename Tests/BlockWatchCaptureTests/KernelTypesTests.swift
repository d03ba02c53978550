import Testing

@testable import BlockWatchCapture

/// vmlinux and a module as one description of types, for a user who may not list modules.
@Suite struct `Types of the kernel and of a module` {
    private func number(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

    /// - Parameter gap: of the header and before the strings, as later formats may have.
    private func description(_ types: [UInt8], _ strings: String, gap: Int = 0) -> [UInt8] {
        let strings = Array(strings.utf8)
        let filler = [UInt8](repeating: 0xff, count: gap)
        return [0x9f, 0xeb, 1, 0] + number(24 + gap) + number(0) + number(types.count) + number(types.count + gap)
            + number(strings.count) + filler + types + filler + strings
    }

    @Test func `types go on behind types, strings behind strings`() {
        let base = description([1, 2, 3, 4], "\0int\0")
        let module = description([5, 6, 7, 8], "fuse\0", gap: 8)
        #expect(KernelTypes.joined(base, module) == description([1, 2, 3, 4, 5, 6, 7, 8], "\0int\0fuse\0"))
        #expect(KernelTypes.joined(base, description([], "")) == base)
    }

    @Test func `what is cut short or is no such description is none`() {
        let whole = description([1, 2, 3, 4], "\0int\0")
        for count in 0..<whole.count { #expect(KernelTypes.joined(Array(whole.prefix(count)), whole) == nil) }
        #expect(KernelTypes.joined(whole, [0x7f] + whole.dropFirst()) == nil)
        var large = whole
        large[15] = 0xff
        #expect(KernelTypes.joined(whole, large) == nil)
    }
}
