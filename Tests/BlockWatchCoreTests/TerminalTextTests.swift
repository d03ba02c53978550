import Testing

@testable import BlockWatchCore

struct TerminalTextTests {
    @Test(
        "what a terminal would obey or hide is made visible",
        arguments: [
            ("plain ü 漢 🙂", "plain ü 漢 🙂"), ("a\nb\r\tc", "a\\nb\\r\\tc"), ("\u{1b}[31m", "\\x1b[31m"),
            ("\0\u{7}\u{7f}", "\\x00\\x07\\x7f"), ("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}"),
            ("a\u{202e}txt.exe\u{2066}", "a\\u{202e}txt.exe\\u{2066}"), ("\u{202a}\u{2069}", "\\u{202a}\\u{2069}"),
            ("\u{200f}\u{2028}\u{feff}\u{e0041}", "\\u{200f}\\u{2028}\\u{feff}\\u{e0041}"),
            ("back\\slash", "back\\slash"),
            ("e\u{301}", "e\u{301}"), ("", ""), ("a\r\nb", "a\\r\\nb"),
        ])
    func escapes(text: String, shown: String) {
        #expect(TerminalText.escaped(text) == shown)
        #expect(TerminalText.escaped(Array(text.utf8)) == shown)
    }

    @Test func bytesThatAreNotUTF8AreShownOneByOne() {
        #expect(TerminalText.escaped([0x61, 0xff, 0xe2, 0x80, 0x62, 0x9b]) == "a\\xff\\xe2\\x80b\\x9b")
        #expect(TerminalText.escaped([0xc0, 0xaf, 0xed, 0xa0, 0x80]) == "\\xc0\\xaf\\xed\\xa0\\x80")
        #expect(TerminalText.escaped([0xf4, 0x90, 0x80, 0x80]) == "\\xf4\\x90\\x80\\x80")
        // A cut one, followed by an escape sequence that must not be swallowed with it.
        #expect(TerminalText.escaped([0xf0, 0x9f, 0x1b, 0x5b]) == "\\xf0\\x9f\\x1b[")
    }

    @Test func noBytesWhateverReachTheTerminalAsControls() {
        var generator = FixedSeed(state: 7)
        for _ in 0..<2_000 {
            let bytes = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let shown = TerminalText.escaped(bytes)
            #expect(!shown.unicodeScalars.contains { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) })
        }
    }

    @Test(
        "durations are rounded down and short",
        arguments: [
            (UInt64(0), "0ns"), (999, "999ns"), (850_999, "850µs"), (450_000_000, "450ms"), (999_999_999, "999ms"),
            (12_399_999_999, "12.3s"), (59_999_999_999, "59.9s"), (60_000_000_000, "1m"),
            (185_000_000_000, "3m 5s"), (3_599_999_999_999, "59m 59s"), (8_040_000_000_000, "2h 14m"),
            (86_399_999_999_999, "23h 59m"), (273_600_000_000_000, "3d 4h"), (.max, "213503d 23h"),
        ])
    func durations(nanoseconds: UInt64, text: String) {
        #expect(TerminalText.duration(nanoseconds: nanoseconds) == text)
    }

    @Test(
        arguments: [("abc", 3), ("", 0), ("漢字", 4), ("e\u{301}", 1), ("🙂", 2), ("ｆ", 2), ("ä€", 2), ("한", 2)])
    func width(text: String, columns: Int) {
        #expect(TerminalText.width(text) == columns)
    }

    @Test func paddingFillsToColumnsAndLeavesWhatIsLonger() {
        #expect(TerminalText.padded("ab", to: 4) == "ab  ")
        #expect(TerminalText.padded("ab", to: 4, .right) == "  ab")
        #expect(TerminalText.padded("漢", to: 4) == "漢  ")
        #expect(TerminalText.padded("abcdef", to: 4) == "abcdef")
        #expect(TerminalText.padded("a", to: -1) == "a")
    }

    @Test func cuttingMarksWhereItCut() {
        #expect(TerminalText.cut("abcdef", to: 6) == "abcdef")
        #expect(TerminalText.cut("abcdefg", to: 6) == "abcde…")
        #expect(TerminalText.cut("/usr/lib/x.so", to: 8, keep: .headAndTail) == "/usr….so")
        #expect(TerminalText.cut("漢字漢字", to: 4) == "漢…")
        #expect(TerminalText.cut("abc", to: 1) == "…")
        #expect(TerminalText.cut("abc", to: 0) == "")
        #expect(TerminalText.cut("abc", to: -3) == "")
        #expect(fitted("漢字漢字", to: 4) == "漢… ")
    }

    /// A column of a table: exactly so wide.
    private func fitted(_ text: String, to width: Int, keep: JSONWriter.Keep = .head) -> String {
        TerminalText.padded(TerminalText.cut(text, to: width, keep: keep), to: width)
    }

    @Test func cuttingNeverExceedsTheWidth() {
        var generator = FixedSeed(state: 11)
        let alphabet: [Unicode.Scalar] = ["a", "漢", "\u{301}", "🙂", "ä", "/"]
        for _ in 0..<2_000 {
            var text = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...20, using: &generator) {
                text.append(alphabet.randomElement(using: &generator)!)
            }
            let columns = Int.random(in: 0...20, using: &generator)
            for keep in [JSONWriter.Keep.head, .headAndTail] {
                #expect(TerminalText.width(TerminalText.cut(String(text), to: columns, keep: keep)) <= columns)
                #expect(TerminalText.width(fitted(String(text), to: columns, keep: keep)) == columns)
            }
        }
    }
}

/// SplitMix64: the same numbers in every run.
struct FixedSeed: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
