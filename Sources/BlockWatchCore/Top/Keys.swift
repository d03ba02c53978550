/// A key, as far as top has use for it.
public enum Key: Sendable, Equatable {
    case up, down, left, right, pageUp, pageDown, home, end, enter, escape, backspace
    case character(Unicode.Scalar)
}

/// Keys from the bytes that terminals send for them. A sequence may come in parts.
public struct KeyDecoder: Sendable {
    private var pending: [UInt8] = []
    private static let longest = 16

    public init() {}

    /// An escape has come, and it is open whether by itself.
    public var isWaiting: Bool { !pending.isEmpty }

    /// Nothing came behind the escape: it was the key.
    public mutating func giveUp() -> [Key] {
        defer { pending = [] }
        return pending.first == 0x1b ? [.escape] : []
    }

    public mutating func feed(_ bytes: some Sequence<UInt8>) -> [Key] {
        pending += bytes
        var keys: [Key] = []
        while let (key, length) = next() {
            if let key { keys.append(key) }
            pending.removeFirst(length)
        }
        return keys
    }

    /// - Returns: `nil` where more must come first; no key for what is none.
    private func next() -> (key: Key?, length: Int)? {
        guard let first = pending.first else { return nil }
        switch first {
        case 0x1b: return sequence()
        case 0x0a, 0x0d: return (.enter, 1)
        case 0x7f, 0x08: return (.backspace, 1)
        // as in editors: Ctrl-P, Ctrl-N, Ctrl-B, Ctrl-F
        case 0x10: return (.up, 1)
        case 0x0e: return (.down, 1)
        case 0x02: return (.pageUp, 1)
        case 0x06: return (.pageDown, 1)
        case 0x00..<0x20: return (nil, 1)
        default:
            let step = UTF8Step(pending.span, at: 0)
            if let scalar = step.scalar { return (.character(scalar), step.length) }
            // a character may come in parts, too
            let length =
                switch first {
                case 0xc2...0xdf: 2
                case 0xe0...0xef: 3
                case 0xf0...0xf4: 4
                default: 1
                }
            let isPart = pending.count < length && pending.dropFirst().allSatisfy { $0 & 0xc0 == 0x80 }
            return isPart ? nil : (nil, 1)
        }
    }

    private func sequence() -> (key: Key?, length: Int)? {
        guard pending.count > 1 else { return nil }
        switch pending[1] {
        case UInt8(ascii: "O"):
            guard pending.count > 2 else { return nil }
            return (Self.letter(pending[2]), 3)
        case UInt8(ascii: "["):
            // the Linux console's function keys
            if pending.count > 2, pending[2] == UInt8(ascii: "[") { return pending.count > 3 ? (nil, 4) : nil }
            guard let end = pending.indices.dropFirst(2).first(where: { (0x40...0x7e).contains(pending[$0]) }) else {
                return pending.count > Self.longest ? (nil, pending.count) : nil
            }
            let letter = pending[end]
            guard letter == UInt8(ascii: "~") else { return (Self.letter(letter), end + 1) }
            let number = pending[2..<end].prefix { (0x30...0x39).contains($0) }
            return (Self.numbered(Int(String(decoding: number, as: UTF8.self)) ?? 0), end + 1)
        // two keys, one soon after the other
        default: return (.escape, 1)
        }
    }

    private static func letter(_ letter: UInt8) -> Key? {
        switch letter {
        case UInt8(ascii: "A"): .up
        case UInt8(ascii: "B"): .down
        case UInt8(ascii: "C"): .right
        case UInt8(ascii: "D"): .left
        case UInt8(ascii: "H"): .home
        case UInt8(ascii: "F"): .end
        case UInt8(ascii: "M"): .enter
        default: nil
        }
    }

    private static func numbered(_ number: Int) -> Key? {
        switch number {
        case 1, 7: .home
        case 4, 8: .end
        case 5: .pageUp
        case 6: .pageDown
        default: nil
        }
    }
}
