import Foundation
import Testing

@testable import BlockWatchCore

@Suite struct `JSON is read strictly, and whatever it is` {
    private func read(_ text: String) -> JSONValue? { try? JSONDocument(Array(text.utf8)).root }
    private func fault(_ bytes: [UInt8]) -> JSONDocument.Failure.What? {
        do throws(JSONDocument.Failure) {
            _ = try JSONDocument(bytes)
            return nil
        } catch {
            return error.what
        }
    }
    private func fault(_ text: String) -> JSONDocument.Failure.What? { fault(Array(text.utf8)) }

    @Test func `members through several levels, elements, words and numbers`() throws {
        let value = try #require(read(#" {"a":{"b":[1,"two",true,null,{}],"c":-0.5e+3},"a":9,"":""} "#))
        #expect(value["a", "b"]?.elements.count == 5)
        #expect(value["a", "b"]?.elements[1].string == "two")
        #expect(value["a", "b"]?.elements[2].bool == true)
        #expect(value["a", "c"]?.integer == -500)
        #expect(value[""]?.string == "")
        #expect(value["a", "b", "c"] == nil)
        #expect(value["z"] == nil)
        #expect(value["a"]?.isObject == true, "of equal keys the first counts")
        #expect(value.members.map(\.key) == ["a", "a", ""])
    }

    @Test func `whole numbers, exactly or not at all`() {
        for (text, number) in [
            ("9223372036854775807", Int64.max), ("-9223372036854775808", .min), ("5e9", 5_000_000_000), ("2.0", 2),
            ("-0", 0),
        ] {
            #expect(read(text)?.integer == number, "\(text)")
        }
        for text in ["9223372036854775808", "1.5", "1e300", "9.1e15", "true", "\"1\"", "-1e-400000"] {
            #expect(read(text)?.integer == nil || text == "-1e-400000", "\(text)")
        }
        #expect(read("-1")?.count == nil)
        #expect(read(String(repeating: "1", count: 100_000))?.integer == nil)
    }

    @Test func `escapes, and keys that have some`() {
        #expect(read(#""\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00""#)?.string == "\"\\/\u{8}\u{c}\n\r\tAé€😀")
        #expect(read(#"{"a\u0062":1}"#)?["ab"]?.integer == 1)
        #expect(read("\"é€😀\"")?.string == "é€😀")
        #expect(read(#""\u0000""#)?.bytes == [0])
    }

    @Test(arguments: [
        "{", "[", "\"", "\"a", "\"\\", "\"\\u12", "\"\\ud800\\u", "tru", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,",
        "[1,", "-", "1.",
        "1e", "1e+", "", "  ",
    ])
    func `what ends too early is cut off`(text: String) { #expect(fault(text) == .cutOff, "\(text)") }

    @Test(arguments: [
        "}", "{]", "[}", "{a:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "[1 2]", "[,1]", "[1,]", "{\"a\":1,}", "{,}",
        "True", "nul1", "+1", ".5",
        "-x", "1.x", "1ex", "'a'", "\"\\x\"", "\"\\u12g4\"", "\"\\udc00\"", "\"\\ud800x\"", "\"\\ud800\\n\"",
        "\"\\ud800\\u0041\"",
        "\"\u{1}\"", "\"a\nb\"", "NaN",
    ])
    func `what breaks the grammar is refused`(text: String) { #expect(fault(text) == .malformed, "\(text)") }

    @Test func `strings are UTF-8`() {
        for bytes: [UInt8] in [
            [0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80], [0xe2, 0x28, 0xa1],
        ] {
            #expect(fault([0x22] + bytes + [0x22]) == .malformed, "\(bytes)")
        }
        #expect(fault([0x22, 0xe2, 0x82]) == .cutOff)
    }

    @Test func `deep nesting ends, it does not overflow`() {
        let limit = JSONDocument.depthLimit
        #expect(fault(String(repeating: "[", count: limit) + String(repeating: "]", count: limit)) == nil)
        #expect(fault(String(repeating: "[", count: 1_000_000)) == .tooDeep)
        #expect(fault(String(repeating: "{\"a\":", count: 1_000_000)) == .tooDeep)
    }

    @Test func `a value in the midst of a line, and where it ends`() throws {
        let document = try JSONDocument(Array("x {\"a\":1}{\"b\":2} y".utf8), at: 2)
        #expect(document.range == 2..<9)
        let next = try JSONDocument(Array("x {\"a\":1}{\"b\":2} y".utf8), at: 9)
        #expect(next.root["b"]?.integer == 2)
    }

    @Test func `a byte order mark in a string is a character like others`() throws {
        for text in ["\u{feff}b", "a\"\u{feff}b"] {
            var json = JSONWriter()
            json.beginObject()
            json.string("k", text)
            json.endObject()
            let read = try #require(try JSONDocument(json.bytes).root["k"]?.string)
            #expect(Array(read.unicodeScalars) == Array(text.unicodeScalars))
        }
    }

    @Test func `the same as Foundation says of what blockwatch writes`() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let bytes = (0..<Int.random(in: 0..<64, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            var json = JSONWriter()
            json.beginObject()
            // Foundation drops a U+FEFF that begins a string, or follows an escape in one
            if String(decoding: bytes, as: UTF8.self).unicodeScalars.contains("\u{feff}") { continue }
            json.string("k", bytes)
            json.integer("n", Int64.random(in: .min ... .max, using: &generator))
            json.endObject()
            let mine = try JSONDocument(json.bytes).root
            let other = try #require(try JSONSerialization.jsonObject(with: Data(json.bytes)) as? [String: Any])
            #expect(mine["k"]?.string == other["k"] as? String)
            #expect(mine["n"]?.integer == (other["n"] as? NSNumber)?.int64Value)
            var copy = JSONWriter()
            copy.copy(mine)
            #expect(copy.bytes == json.bytes)
        }
    }

    @Test func `lines, however they come, and those that are too long`() {
        let text = Array("one\n\ntwo\(String(repeating: "x", count: 20))\nthree\nfo".utf8)
        for step in 1...text.count {
            var splitter = LineSplitter(limit: 10)
            var lines: [LineSplitter.Line] = []
            for start in stride(from: 0, to: text.count, by: step) {
                splitter.feed(text[start..<min(start + step, text.count)]) { lines.append($0) }
            }
            splitter.finish { lines.append($0) }
            #expect(
                lines == [
                    .whole(Array("one".utf8)), .whole([]), .tooLong(bytes: 23), .whole(Array("three".utf8)),
                    .whole(Array("fo".utf8)),
                ])
        }
    }

    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2023-11-14T22:13:20.123456Z", 1_700_000_000_123_456_000),
            ("2024-02-29t23:59:60.5+01:00", 1_709_247_599_500_000_000),
            ("2024-01-01 00:00:00-00:30", 1_704_069_000_000_000_000),
            ("2023-02-29T00:00:00Z", nil), ("2023-13-01T00:00:00Z", nil), ("2023-00-10T00:00:00Z", nil),
            ("1969-12-31T23:59:59Z", nil),
            ("2023-11-14T22:13:20", nil), ("2023-11-14T24:00:00Z", nil), ("2023-11-14T22:13:20.Z", nil),
            ("9999-01-01T00:00:00Z", nil),
            ("2023-11-14T22:13:20Zx", nil), ("", nil), ("yesterday", nil),
        ] as [(String, UInt64?)])
    func `times are read as they are written`(text: String, nanoseconds: UInt64?) {
        #expect(Timestamp.nanoseconds(rfc3339: text.utf8) == nanoseconds)
    }

    @Test func `and every time that is written reads back`() {
        for day in stride(from: 0, to: 213_000, by: 37) {
            let seconds = Int64(day) * 86_400 + 12_345
            let text = Timestamp.rfc3339(seconds: seconds, nanoseconds: 1_000)
            #expect(Timestamp.nanoseconds(rfc3339: text.utf8) == UInt64(seconds) * 1_000_000_000 + 1_000, "\(text)")
        }
    }
}
