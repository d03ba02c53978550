/// One step through bytes that should be UTF-8: a character, or a part that is none.
struct UTF8Step {
    /// nil for an invalid part, one U+FFFD's worth (a maximal subpart in the words of the Unicode standard).
    let scalar: Unicode.Scalar?
    /// In bytes, 1 to 4.
    let length: Int

    /// The step at an index inside the span.
    @inline(__always)
    init(_ bytes: Span<UInt8>, at index: Int) {
        let first = bytes[index]
        if first < 0x80 {
            scalar = Unicode.Scalar(first)
            length = 1
            return
        }
        // How many bytes follow, and the bounds of the first of them: these exclude overlong forms, surrogates and
        // what lies past U+10FFFF.
        let following: Int
        var low: UInt8 = 0x80
        var high: UInt8 = 0xbf
        switch first {
        case 0xc2...0xdf: following = 1
        case 0xe0: (following, low) = (2, 0xa0)
        case 0xed: (following, high) = (2, 0x9f)
        case 0xe1...0xef: following = 2
        case 0xf0: (following, low) = (3, 0x90)
        case 0xf1...0xf3: following = 3
        case 0xf4: (following, high) = (3, 0x8f)
        default: following = 0
        }
        var value = UInt32(first) & (0x3f >> UInt32(max(following, 1)))
        var taken = 1
        while taken <= following, index + taken < bytes.count {
            let next = bytes[index + taken]
            guard next >= low, next <= high else { break }
            value = value << 6 | UInt32(next & 0x3f)
            (low, high) = (0x80, 0xbf)
            taken += 1
        }
        length = taken
        scalar = following > 0 && taken == following + 1 ? Unicode.Scalar(value) : nil
    }
}
