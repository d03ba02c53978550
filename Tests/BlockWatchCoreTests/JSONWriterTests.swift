import Foundation
import Testing

@testable import BlockWatchCore

struct JSONWriterTests {
    private func text(_ build: (inout JSONWriter) -> Void) -> String {
        var json = JSONWriter()
        build(&json)
        return String(decoding: json.bytes, as: UTF8.self)
    }

    /// What stands between the quotes.
    private func escaped(_ bytes: [UInt8]) -> [UInt8] {
        var json = JSONWriter()
        json.element(bytes)
        return Array(json.bytes.dropFirst().dropLast())
    }

    @Test func objectsArraysAndCommas() {
        let line = text { json in
            json.beginObject()
            json.string("verdict", "stuck")
            json.beginObject("process")
            json.integer("pid", 7)
            json.bool("deleted", false)
            json.endObject()
            json.beginObject("empty")
            json.endObject()
            json.strings("none", [String]())
            json.strings("two", ["a", "b"])
            json.beginArray("numbers")
            json.element(1)
            json.element(-2)
            json.endArray()
            json.beginArray("members")
            json.beginObject()
            json.integer("fd", Int64.min)
            json.endObject()
            json.beginObject()
            json.integer("fd", UInt64.max)
            json.endObject()
            json.endArray()
            json.bool("last", true)
            json.endObject()
            json.newline()
        }
        #expect(
            line == #"{"verdict":"stuck","process":{"pid":7,"deleted":false},"empty":{},"none":[],"two":["a","b"],"#
                + #""numbers":[1,-2],"members":[{"fd":-9223372036854775808},{"fd":18446744073709551615}],"last":true}"#
                + "\n")
    }

    @Test func smallestAndLargestIntegersOfEachWidth() {
        let line = text { json in
            json.beginArray()
            json.element(Int8.min)
            json.element(UInt8.max)
            json.element(Int32.min)
            json.element(0)
            json.endArray()
        }
        #expect(line == "[-128,255,-2147483648,0]")
    }

    @Test func aSecondLineBeginsWithoutComma() {
        var json = JSONWriter()
        for _ in 0..<2 {
            json.beginObject()
            json.endObject()
            json.newline()
        }
        #expect(String(decoding: json.bytes, as: UTF8.self) == "{}\n{}\n")
        json.removeAll()
        json.beginObject()
        json.endObject()
        #expect(json.count == 2)
    }

    @Test(
        "control characters, quotes and backslashes are escaped; nothing else is",
        arguments: [
            ("a\nb", "a\\u000ab"), ("\0\u{1b}\u{1f}", "\\u0000\\u001b\\u001f"),
            ("\u{7f}\u{80}\u{9f}", "\\u007f\\u0080\\u009f"),
            ("\"\\/", "\\\"\\\\/"), ("ü漢🙂\u{2028}\u{a0}", "ü漢🙂\u{2028}\u{a0}"), ("", ""),
        ])
    func escapes(plain: String, written: String) {
        #expect(String(decoding: escaped(Array(plain.utf8)), as: UTF8.self) == written)
        #expect(text { $0.element(plain) } == "\"\(written)\"")
    }

    @Test func keysAreEscapedToo() {
        #expect(text { $0.integer("a\"b\n", 1) } == #""a\"b\u000a":1"#)
    }

    @Test(
        "one U+FFFD for each maximal subpart of an ill-formed sequence",
        arguments: [
            ([0xff, 0x61], "\u{fffd}a"), ([0xc0, 0xaf], "\u{fffd}\u{fffd}"), ([0xe2, 0x80], "\u{fffd}"),
            ([0xe2, 0x80, 0x61], "\u{fffd}a"), ([0xed, 0xa0, 0x80], "\u{fffd}\u{fffd}\u{fffd}"),
            ([0xf0, 0x9f, 0x99], "\u{fffd}"), ([0xf4, 0x90, 0x80, 0x80], "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ([0xe0, 0x80, 0xc3, 0xa4], "\u{fffd}\u{fffd}ä"), ([0x80], "\u{fffd}"), ([0xf0, 0x80], "\u{fffd}\u{fffd}"),
            ([0xf1, 0x80, 0xc3, 0xa4], "\u{fffd}ä"),
        ] as [([UInt8], String)])
    func illFormed(bytes: [UInt8], written: String) {
        #expect(String(decoding: escaped(bytes), as: UTF8.self) == written)
    }

    @Test func durationsPastTwoToTheFiftyThirdStayExactInADouble() {
        for value in [UInt64(1) << 53, 9_007_199_254_740_993, 31_536_000_000_000_001] {
            let line = text { $0.nanoseconds("d", value) }
            let number = UInt64(line.dropFirst(4))!
            #expect(UInt64(Double(number)) == number)
            #expect(value - number < 1_000_000)
        }
        #expect(text { $0.nanoseconds("d", 9_007_199_254_740_991) } == #""d":9007199254740991"#)
    }

    /// Bytes of the kinds that go wrong, more often than chance would have them.
    private func hostile(_ generator: inout FixedSeed, upTo limit: Int = 60) -> [UInt8] {
        let pieces: [[UInt8]] = [
            [0x22], [0x5c], [0x0a], [0], [0x1b, 0x5b], [0x7f], [0xc2, 0x85], [0xe2, 0x80, 0xa8], [0xe2, 0x80],
            [0xf0, 0x9f, 0x99, 0x82], [0xf0, 0x9f], [0xff], [0xc3, 0xa4], [0xed, 0xa0, 0x80], Array("abc/".utf8),
        ]
        var bytes: [UInt8] = []
        while bytes.count < Int.random(in: 0...limit, using: &generator) {
            if Bool.random(using: &generator) {
                bytes += pieces.randomElement(using: &generator)!
            } else {
                bytes.append(UInt8.random(in: 0...255, using: &generator))
            }
        }
        return bytes
    }

    @Test func whateverTheBytesAnotherParserReadsTheSameBack() throws {
        var generator = FixedSeed(state: 42)
        for _ in 0..<3_000 {
            let bytes = hostile(&generator)
            let key = String(decoding: hostile(&generator, upTo: 8), as: UTF8.self)
            var json = JSONWriter()
            json.beginObject()
            json.string("text", bytes)
            json.beginObject("in")
            json.string(key, String(decoding: bytes, as: UTF8.self))
            json.endObject()
            json.endObject()
            #expect(!json.bytes.contains { $0 < 0x20 || $0 == 0x7f })
            #expect(String(validating: json.bytes, as: UTF8.self) != nil)
            let read = try #require(
                try JSONSerialization.jsonObject(with: Data(json.bytes)) as? [String: Any])
            let expected = Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)
            #expect((read["text"] as? String).map { Array($0.unicodeScalars) } == expected)
            let inner = try #require(read["in"] as? [String: String])
            #expect(inner.values.first.map { Array($0.unicodeScalars) } == expected)
        }
    }

    // MARK: - Cutting

    @Test func cutKeepsWhatFitsAndMarksTheCut() {
        func cut(_ text: String, _ budget: Int, _ keep: JSONWriter.Keep) -> String {
            String(decoding: JSONWriter.cut(Array(text.utf8), budget: budget, keep: keep).bytes, as: UTF8.self)
        }
        #expect(cut("abcdef", 6, .head) == "abcdef")
        #expect(cut("abcdefg", 6, .head) == "abc…")
        #expect(cut("/usr/lib/x.so", 11, .headAndTail) == "/usr….so".replacingOccurrences(of: "….", with: "…x."))
        #expect(cut("ääää", 6, .head) == "ä…")
        #expect(cut("\n\n\n", 12, .head) == "\n…")
        #expect(cut("\"\"\"\"", 7, .headAndTail) == "\"…\"")
        #expect(cut("abcd", 3, .head) == "…")
        #expect(cut("abcd", 2, .head) == "")
        #expect(cut("abcd", -1, .headAndTail) == "")
        #expect(cut("", 0, .head) == "")
    }

    @Test func cutStaysWithinItsBudgetWhateverTheBytes() throws {
        var generator = FixedSeed(state: 43)
        for _ in 0..<5_000 {
            let bytes = hostile(&generator)
            let budget = Int.random(in: -2...80, using: &generator)
            let whole = escaped(bytes)
            #expect(JSONWriter.escapedCount(bytes) == whole.count)
            for keep in [JSONWriter.Keep.head, .headAndTail] {
                let (cut, wasCut) = JSONWriter.cut(bytes, budget: budget, keep: keep)
                let written = escaped(cut)
                #expect(written.count <= max(budget, 0))
                #expect(wasCut == (whole.count > budget))
                guard wasCut, budget >= 3 else {
                    #expect(wasCut || cut == bytes)
                    continue
                }
                // Beginning and end of what the whole would have been, no character or escape torn.
                let mark = Array("…".utf8)
                let splits = written.indices.filter { written[$0...].starts(with: mark) }
                #expect(
                    splits.contains { at in
                        whole.starts(with: written[..<at])
                            && whole.suffix(written.count - at - 3).elementsEqual(written[(at + 3)...])
                    })
                // At most one step of the widest kind stays unused.
                #expect(written.count > budget - 6 - (keep == .head ? 0 : 6))
            }
        }
    }
}
