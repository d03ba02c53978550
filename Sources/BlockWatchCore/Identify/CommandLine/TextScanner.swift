/// Finds secrets inside one piece of text. Every scan is one pass: hostile arguments must not cost more than others.
enum TextScanner {
    typealias Bytes = [UInt8]
    private typealias Rules = CommandLineRedaction

    static func redacted(_ text: Bytes) -> Bytes {
        hidingShapes(hidingPairs(hidingLogins(text)))
    }

    // MARK: Members of objects

    /// `"password": "***"`, also with `'`, with escaped quotes, and with `=>`.
    static func hidingMembers(_ text: Bytes) -> Bytes {
        var result = Bytes()
        result.reserveCapacity(text.count)
        var copied = 0
        var index = 0
        while index < text.count {
            let quote = text[index]
            guard quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
                index += 1
                continue
            }
            let isEscaped = index > 0 && text[index - 1] == UInt8(ascii: "\\")
            let nameStart = index + 1
            var nameEnd = nameStart
            while nameEnd < text.count, isNameByte(text[nameEnd]) { nameEnd += 1 }
            var at = nameEnd
            if isEscaped, at < text.count, text[at] == UInt8(ascii: "\\") { at += 1 }
            guard nameEnd > nameStart, nameEnd - nameStart < 64, at < text.count, text[at] == quote else {
                index = max(nameEnd, index + 1)
                continue
            }
            let afterName = at
            at = skippingBlanks(text, at + 1)
            if at < text.count, text[at] == UInt8(ascii: ":") {
                at += 1
            } else if at + 1 < text.count, text[at] == UInt8(ascii: "="), text[at + 1] == UInt8(ascii: ">") {
                at += 2
            } else {
                index = afterName
                continue
            }
            at = skippingBlanks(text, at)
            let secrecy = Rules.secrecy(of: text[nameStart..<nameEnd])
            if case .not = secrecy {
                index = at
                continue
            }

            var start = at
            var end = at
            if isEscaped, at + 1 < text.count, text[at] == UInt8(ascii: "\\"), isQuote(text[at + 1]) {
                start = at + 2
                end = start
                while end < text.count, !(text[end] == text[at + 1] && text[end - 1] == UInt8(ascii: "\\")) { end += 1 }
                if end < text.count { end -= 1 }
                end = max(end, start)
            } else if at < text.count, isQuote(text[at]) {
                start = at + 1
                end = start
                while end < text.count, text[end] != text[at] {
                    end += text[end] == UInt8(ascii: "\\") ? 2 : 1
                }
                end = min(end, text.count)
            } else {
                while end < text.count, text[end] != UInt8(ascii: ","), text[end] != UInt8(ascii: "}"), text[end] > 0x20
                {
                    // An object is looked into, not hidden.
                    if text[end] == UInt8(ascii: "{") || text[end] == UInt8(ascii: "[") { break }
                    end += 1
                }
            }
            if Rules.hides(secrecy, text[start..<end]) {
                result += text[copied..<start]
                result += Rules.marker
                copied = end
            }
            index = max(end, afterName + 1)
            // The closing quote opens no name.
            if index < text.count, index > start, isQuote(text[index]) { index += 1 }
        }
        return result + text[copied...]
    }

    // MARK: URLs

    /// `scheme://user:***@host`, and `scheme://***@host` where the user is a token.
    private static func hidingLogins(_ text: Bytes) -> Bytes {
        guard text.contains(UInt8(ascii: "@")) else { return text }
        var result = Bytes()
        var copied = 0
        var index = 0
        while index + 2 < text.count {
            guard text[index] == UInt8(ascii: ":"), text[index + 1] == UInt8(ascii: "/"),
                text[index + 2] == UInt8(ascii: "/")
            else {
                index += 1
                continue
            }
            let start = index + 3
            var end = start
            var authorityEnd: Int?
            var colon: Int?
            var lastAt: Int?
            var lastAtInAuthority: Int?
            while end < text.count, text[end] > 0x20, !isQuote(text[end]), text[end] != UInt8(ascii: "<"),
                text[end] != UInt8(ascii: ">")
            {
                let byte = text[end]
                // The next of several URLs.
                if byte == UInt8(ascii: ":"), end + 2 < text.count, text[end + 1] == UInt8(ascii: "/"),
                    text[end + 2] == UInt8(ascii: "/")
                {
                    break
                }
                if authorityEnd == nil, [UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#")].contains(byte) {
                    authorityEnd = end
                }
                if byte == UInt8(ascii: ":"), authorityEnd == nil, colon == nil { colon = end }
                if byte == UInt8(ascii: "@") {
                    lastAt = end
                    if authorityEnd == nil { lastAtInAuthority = end }
                }
                end += 1
            }
            index = end
            var at = lastAtInAuthority
            if at == nil, let colon, let authorityEnd, let lastAt, colon + 1 < authorityEnd {
                // Digits before the slash are a port. Anything else there is a password that nobody encoded.
                let isPort = text[(colon + 1)..<authorityEnd].allSatisfy {
                    $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")
                }
                // [::1] is no user.
                if !isPort, text[start] != UInt8(ascii: "[") { at = lastAt }
            }
            guard let at else { continue }
            if let colon, colon < at {
                guard colon + 1 < at else { continue }
                result += text[copied...colon]
            } else if looksRandom(text[start..<at]) {
                result += text[copied..<start]
            } else {
                continue
            }
            result += Rules.marker
            copied = at
        }
        return result + text[copied...]
    }

    // MARK: Pairs

    /// `name=***` at the start and after `? & ; , { ( [` or a blank or quote.
    private static func hidingPairs(_ text: Bytes) -> Bytes {
        guard text.contains(UInt8(ascii: "=")) else { return text }
        var result = Bytes()
        var copied = 0
        var index = 0
        var delimiter: UInt8 = 0
        while index < text.count {
            let nameStart = index
            var isUpper = true
            while index < text.count, isNameByte(text[index]) {
                if text[index] >= UInt8(ascii: "a"), text[index] <= UInt8(ascii: "z") { isUpper = false }
                index += 1
            }
            // `Account Key=x` in connection texts has its blank outside: Key alone is not enough, but `Password =` is.
            guard index < text.count else { break }
            guard text[index] == UInt8(ascii: "="), index > nameStart else {
                delimiter = text[index]
                index += 1
                continue
            }
            let name = text[nameStart..<index]
            var secrecy = index - nameStart < 128 ? Rules.secrecy(of: name) : .not
            if case .not = secrecy, delimiter == UInt8(ascii: "?") || delimiter == UInt8(ascii: "&"),
                Rules.queryNames.contains(String(decoding: name.prefix(32), as: UTF8.self).lowercased())
            {
                secrecy = .surely
            }
            index += 1
            if case .not = secrecy {
                delimiter = UInt8(ascii: "=")
                continue
            }
            let start: Int
            let end: Int
            if index < text.count, isQuote(text[index]) {
                let quote = text[index]
                start = index + 1
                var closing = start
                while closing < text.count, text[closing] != quote { closing += 1 }
                end = closing
            } else if isUpper, delimiter == 0 {
                // A variable: whatever follows is its value.
                (start, end) = (index, text.count)
            } else {
                start = index
                end = valueEnd(text, from: index)
            }
            if Rules.hides(secrecy, text[start..<end]) {
                result += text[copied..<start]
                result += Rules.marker
                copied = end
            }
            index = end
            delimiter = UInt8(ascii: "=")
        }
        return result + text[copied...]
    }

    /// Where a value ends: before a blank or quote, or a separator after which another `name=` begins.
    private static func valueEnd(_ text: Bytes, from start: Int) -> Int {
        var index = start
        while index < text.count {
            let byte = text[index]
            if byte <= 0x20 || isQuote(byte) || byte == UInt8(ascii: ")") || byte == UInt8(ascii: "}") { return index }
            if byte == UInt8(ascii: "&") || byte == UInt8(ascii: ",") || byte == UInt8(ascii: ";") {
                var ahead = index + 1
                while ahead < text.count, isNameByte(text[ahead]) || text[ahead] == UInt8(ascii: " ") { ahead += 1 }
                if ahead < text.count, ahead > index + 1, text[ahead] == UInt8(ascii: "=") { return index }
                index = ahead
            } else {
                index += 1
            }
        }
        return index
    }

    // MARK: Shapes

    private static func hidingShapes(_ text: Bytes) -> Bytes {
        var result = Bytes()
        var copied = 0
        var index = 0
        while index < text.count {
            // One run of token characters at a time.
            guard isTokenByte(text[index]) else {
                index += 1
                continue
            }
            let start = index
            while index < text.count, isTokenByte(text[index]) { index += 1 }
            let run = text[start..<index]
            guard run.count >= 24, run.count < 4096,
                let shape = Rules.tokenBeginnings.first(where: { run.starts(with: $0) }),
                run.contains(where: { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") })
            else { continue }
            result += text[copied..<(start + shape.count)]
            result += Rules.marker
            copied = index
        }
        return copied == 0 ? text : result + text[copied...]
    }

    /// A user name of 20 characters and more with digits in it is a token.
    private static func looksRandom(_ text: ArraySlice<UInt8>) -> Bool {
        text.count >= 20 && text.allSatisfy(isTokenByte)
            && text.contains { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    }

    // MARK: Bytes

    private static func isQuote(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") }

    private static func isTokenByte(_ byte: UInt8) -> Bool { isNameByte(byte) }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    private static func skippingBlanks(_ text: Bytes, _ start: Int) -> Int {
        var index = start
        while index < text.count, text[index] == UInt8(ascii: " ") || text[index] == 9 { index += 1 }
        return index
    }
}
