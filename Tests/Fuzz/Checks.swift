@testable import BlockWatchCore

/// A line of the stream: whole, short enough, JSON, and nothing in it that a terminal would obey.
func checkNDJSON(_ line: [UInt8], limit: Int = NDJSON.lineLimit) {
    require(line.count <= limit, "a line of \(line.count) bytes")
    require(line.last == 10, "no newline at its end")
    require(!line.dropLast().contains { $0 < 0x20 || $0 == 0x7f }, "a control character")
    require(String(validating: line, as: UTF8.self) != nil, "no UTF-8")
    require(!String(decoding: line, as: UTF8.self).unicodeScalars.contains { (0x80...0x9f).contains($0.value) }, "C1")
    do {
        let document = try JSONDocument(line)
        require(document.range == 0..<line.count - 1, "something behind the object")
        checkKeys(document.root)
    } catch { fatalError("no JSON: \(error)") }
}

/// No key twice, none empty.
private func checkKeys(_ value: JSONValue) {
    var seen: Set<String> = []
    for (key, member) in value.members {
        require(seen.insert(key).inserted, "the key \(key) twice")
        checkKeys(member)
    }
    for element in value.elements { checkKeys(element) }
}

/// A line for people: one, and nothing in it that a terminal would obey.
func checkText(_ line: String) {
    for scalar in line.unicodeScalars {
        let value = scalar.value
        require(
            value >= 0x20 && !(0x7f...0x9f).contains(value) && !(0x202a...0x202e).contains(value)
                && !(0x2066...0x2069).contains(value) && value != 0x2028 && value != 0x2029,
            "U+\(String(value, radix: 16)) in \(line.debugDescription)")
    }
}

func checkText(_ line: [UInt8]) {
    require(line.last == 10, "no newline at its end")
    guard let text = String(validating: line.dropLast(), as: UTF8.self) else { fatalError("no UTF-8") }
    checkText(text)
}
