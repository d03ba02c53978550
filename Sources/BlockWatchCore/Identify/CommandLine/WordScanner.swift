/// Goes through the words of one command line and remembers what the last one announced.
struct WordScanner {
    typealias Bytes = [UInt8]
    private typealias Rules = CommandLineRedaction

    /// What the next word is.
    private enum Next {
        case word
        case secret(Rules.Secrecy, evenIfOption: Bool)
        case login(separator: UInt8)
        /// After `-pass`, which is also how encoders number their passes.
        case passOrNumber
        case passSource
        case header
    }

    /// How often a word was itself read as a command line.
    private let depth: Int
    private var next = Next.word
    private var program = Rules.Program(isWrapper: true)
    private var sawLogin = false
    private var sawOpenSSL = false
    /// The secrecy of the word before, for `password = x`.
    private var before = Rules.Secrecy.not

    init(depth: Int) { self.depth = depth }

    /// The word after those already seen, with what looks like a secret hidden.
    mutating func redacted(_ word: Bytes) -> Bytes {
        let announced = next
        let secrecyBefore = before
        next = .word
        before = .not
        switch announced {
        case .word: break
        case .secret(let secrecy, let evenIfOption):
            let isOption = word.first == UInt8(ascii: "-") && word.count > 1 && !evenIfOption
            if !isOption {
                if Self.isHidden(word) { return word }
                return Rules.hides(secrecy, Self.unquoted(word)) ? Rules.marker : word
            }
        case .login(let separator):
            return Self.hidingAfter(separator, in: word)
        case .passOrNumber:
            if word.first != UInt8(ascii: "-"), !word.isEmpty { return word.count == 1 ? word : Rules.marker }
        case .passSource: return Self.hidingPassSource(word)
        case .header:
            if let header = Self.hidingHeader(word) { return header }
        }

        if word.first == UInt8(ascii: "-"), word.count > 1 { return option(word) }
        if let inner = Self.insideQuotes(word) {
            let quote = word[word.startIndex]
            return Self.quoted(text(inner), quote)
        }

        // `password = x` and `password: x` in three words or two.
        if word.elementsEqual("=".utf8) || word.elementsEqual(":".utf8) || word.elementsEqual(":=".utf8) {
            if case .surely = secrecyBefore { next = .secret(.surely, evenIfOption: true) }
            return word
        }
        if word.last == UInt8(ascii: ":"), word.count < 64, case .surely = Rules.secrecy(of: word.dropLast()) {
            next = .secret(.surely, evenIfOption: true)
            return word
        }
        before = word.count < 64 ? Rules.secrecy(of: word) : .not

        remember(word)
        if program.takesSlashLogin, let login = Self.hidingSlashLogin(word) { return login }
        // xfreerdp and other programs from elsewhere.
        if word.starts(with: "/p:".utf8), word.count > 3 { return Bytes("/p:***".utf8) }
        return text(word)
    }

    /// `'***'}` of a member that was hidden with its quotes.
    private static func isHidden(_ word: Bytes) -> Bool {
        word.count > 3 && (word.first == UInt8(ascii: "'") || word.first == UInt8(ascii: "\""))
            && word[1...].starts(with: Rules.marker)
    }

    /// A shell separator: another command begins.
    mutating func commandEnds() {
        next = .word
        before = .not
        program = Rules.Program(isWrapper: true)
        sawLogin = false
        sawOpenSSL = false
    }

    private mutating func remember(_ word: Bytes) {
        if word.elementsEqual("login".utf8) { sawLogin = true }
        if word.count < 64, program.secretWords.contains(String(decoding: word, as: UTF8.self)) {
            next = .secret(.surely, evenIfOption: true)
        }
        guard program.isWrapper, !word.contains(UInt8(ascii: "=")) else { return }
        if let known = Rules.program(word) {
            // docker ... login: the image's or host's name is no program.
            if !(sawLogin && program.needsLogin) { program = known }
            if word.suffix(7).elementsEqual("openssl".utf8) { sawOpenSSL = true }
        }
    }

    // MARK: Options

    private mutating func option(_ word: Bytes) -> Bytes {
        let dashes = word.starts(with: "--".utf8) ? 2 : 1
        let body = word[dashes...]

        // before `=` is looked at: a cookie holds some
        if body.starts(with: "H".utf8), dashes == 1, let header = Self.hidingHeader(Bytes(body.dropFirst())) {
            return word[..<(dashes + 1)] + header
        }
        if let equals = body.firstIndex(of: UInt8(ascii: "=")) {
            let head = word[...equals]
            let value = Bytes(word[(equals + 1)...])
            if dashes == 1, let letter = body.first, letter == UInt8(ascii: "D") || letter == UInt8(ascii: "P"),
                Rules.hides(Rules.secrecy(of: body[(dashes + 1)..<equals]), Self.unquoted(value))
            {
                return head + Rules.marker
            }
            let name = body[..<equals]
            if let short = shortOption(word) { return short }
            if name.elementsEqual("user".utf8) || name.elementsEqual("proxy-user".utf8), !program.pair.isEmpty {
                return head + Self.hidingAfter(program.separator, in: value)
            }
            if name.elementsEqual("header".utf8), let header = Self.hidingHeader(value) { return head + header }
            if name.elementsEqual("from-literal".utf8), let assignment = value.firstIndex(of: UInt8(ascii: "=")) {
                return head + value[...assignment] + Rules.marker
            }
            if Rules.hides(Rules.secrecy(of: name), Self.unquoted(value)) { return head + Rules.marker }
            if let inner = Self.insideQuotes(value) {
                return head + Self.quoted(text(inner), value[0])
            }
            return head + text(value)
        }

        if body.elementsEqual("passin".utf8) || body.elementsEqual("passout".utf8)
            || (sawOpenSSL && body.elementsEqual("pass".utf8))
        {
            next = .passSource
            return word
        }
        if let short = shortOption(word) { return short }
        if !program.pair.isEmpty, body.elementsEqual("user".utf8) || body.elementsEqual("proxy-user".utf8) {
            next = .login(separator: program.separator)
            return word
        }
        if body.elementsEqual("header".utf8) || body.elementsEqual("H".utf8) {
            next = .header
            return word
        }
        if body.count > 1, body.count < 64, Self.isName(body) {
            let secrecy = Rules.secrecy(of: body)
            let asksOnly =
                program.asksForPassword && body.elementsEqual("password".utf8)
                // The argument names a secret of the engine.
                || program.needsLogin && body.elementsEqual("secret".utf8)
                || body.elementsEqual("auth-user-pass".utf8)
            if asksOnly { return word }
            if body.elementsEqual("pass".utf8) {
                next = .passOrNumber
            } else if case .not = secrecy {
                next = .word
            } else {
                next = .secret(secrecy, evenIfOption: false)
            }
            return word
        }
        return body.count > 2 ? word[..<dashes] + text(Bytes(body)) : word
    }

    /// An option of one letter by the program's rules; nil if it has none for it.
    private mutating func shortOption(_ word: Bytes) -> Bytes? {
        guard word.count >= 2, word[1] != UInt8(ascii: "-") else { return nil }
        let letter = word[1]
        let isAttached = word.count > 2
        if program.pair.utf8.contains(letter) {
            if !isAttached {
                next = .login(separator: program.separator)
                return word
            }
            return word[..<2] + Self.hidingAfter(program.separator, in: Bytes(word[2...]))
        }
        if program.needsLogin, !sawLogin { return nil }
        if isAttached {
            return program.attached.utf8.contains(letter) ? word[..<2] + Rules.marker : nil
        }
        guard program.separate.utf8.contains(letter) else { return nil }
        next = .secret(.surely, evenIfOption: true)
        return word
    }

    private static func isName(_ text: ArraySlice<UInt8>) -> Bool {
        text.allSatisfy { byte in
            let lower = byte | 0x20
            return (lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z"))
                || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"))
                || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
        }
    }

    // MARK: Values

    /// `user:***`
    private static func hidingAfter(_ separator: UInt8, in word: Bytes) -> Bytes {
        let closing: Bytes = insideQuotes(word) == nil ? [] : [word[word.count - 1]]
        guard let at = word.firstIndex(of: separator), at + 1 < word.count - closing.count else { return word }
        return word[...at] + Rules.marker + closing
    }

    /// openssl's `pass:secret`; `env:`, `file:`, `fd:` and `stdin` name a place.
    private static func hidingPassSource(_ word: Bytes) -> Bytes {
        word.starts(with: "pass:".utf8) && word.count > 5 ? Bytes("pass:***".utf8) : word
    }

    /// `user/***@service`
    private static func hidingSlashLogin(_ word: Bytes) -> Bytes? {
        guard let slash = word.firstIndex(of: UInt8(ascii: "/")), slash > 0, slash + 1 < word.count else { return nil }
        // A login before the slash, or name=user/secret.
        let end = word.lastIndex(of: UInt8(ascii: "@")) ?? word.count
        guard end > slash + 1, !word[..<slash].contains(UInt8(ascii: ".")), word[slash + 1] != UInt8(ascii: "/")
        else { return nil }
        return word[...slash] + Rules.marker + word[end...]
    }

    /// `Authorization: Bearer ***`; nil if this is no header, or none that holds a secret.
    static func hidingHeader(_ word: Bytes) -> Bytes? {
        if let inner = insideQuotes(word) {
            return hidingHeader(inner).map { quoted($0, word[0]) }
        }
        guard let colon = word.prefix(64).firstIndex(of: UInt8(ascii: ":")), colon > 0,
            isName(word[..<colon])
        else { return nil }
        let name = String(decoding: word[..<colon], as: UTF8.self).lowercased()
        if case .not = Rules.secrecy(of: word[..<colon]), name != "set-cookie" { return nil }
        var start = colon + 1
        while start < word.count, word[start] == UInt8(ascii: " ") { start += 1 }
        guard start < word.count, word[start] != UInt8(ascii: "/") else { return nil }
        // The scheme says how to log in and is no secret.
        if name.hasSuffix("authorization"), let blank = word[start...].prefix(16).firstIndex(of: UInt8(ascii: " ")) {
            start = blank + 1
        }
        return word[..<start] + Rules.marker
    }

    // MARK: Text

    /// A word that is neither option nor announced, or a whole text with blanks in it.
    private func text(_ word: Bytes) -> Bytes {
        guard !word.isEmpty else { return word }
        let isList = word.contains { $0 == UInt8(ascii: " ") || ($0 >= 9 && $0 <= 13) }
        var result = word
        if word.contains(UInt8(ascii: "\"")) || word.contains(UInt8(ascii: "'")) {
            result = TextScanner.hidingMembers(result)
        }
        guard isList else { return TextScanner.redacted(result) }
        if let header = Self.hidingHeader(result) { return header }
        // git's `http.extraHeader=Authorization: ...`
        if let equals = result.prefix(64).firstIndex(of: UInt8(ascii: "=")),
            let header = Self.hidingHeader(Bytes(result[(equals + 1)...]))
        {
            return result[...equals] + header
        }
        // A shell's -c text holds commands, and these may hold others; whoever nests deeper hides from more than us.
        guard depth < 4 else { return TextScanner.redacted(result) }
        return Self.redactedCommands(result, depth: depth + 1)
    }

    /// Splits as a shell does, keeps what is between the words, and treats each command as a vector of its own.
    private static func redactedCommands(_ text: Bytes, depth: Int) -> Bytes {
        var result = Bytes()
        result.reserveCapacity(text.count + 16)
        var words = WordScanner(depth: depth)
        var word = Bytes()
        var quote: UInt8?
        var isEscaped = false
        for byte in text {
            if isEscaped {
                word.append(byte)
                isEscaped = false
            } else if byte == UInt8(ascii: "\\"), quote != UInt8(ascii: "'") {
                word.append(byte)
                isEscaped = true
            } else if let open = quote {
                word.append(byte)
                if byte == open { quote = nil }
            } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                // An apostrophe inside a word (don't) opens nothing; in an option or after = it does.
                let isApostrophe =
                    byte == UInt8(ascii: "'") && word.first != UInt8(ascii: "-")
                    && (word.last.map { isName([$0]) } ?? false)
                if !isApostrophe { quote = byte }
                word.append(byte)
            } else if byte == UInt8(ascii: " ") || (byte >= 9 && byte <= 13) {
                if !word.isEmpty { result += words.redacted(word) }
                word.removeAll(keepingCapacity: true)
                if byte == 10 { words.commandEnds() }
                result.append(byte)
            } else if byte == UInt8(ascii: ";") || byte == UInt8(ascii: "|") || byte == UInt8(ascii: "(")
                || (byte == UInt8(ascii: "&") && !word.contains(UInt8(ascii: "?")))
            {
                // A connection text (`Server=a;Password=b`) and a form are one word.
                if byte != UInt8(ascii: "("), byte != UInt8(ascii: "|"), word.contains(UInt8(ascii: "=")) {
                    word.append(byte)
                    continue
                }
                if !word.isEmpty { result += words.redacted(word) }
                word.removeAll(keepingCapacity: true)
                words.commandEnds()
                result.append(byte)
            } else {
                word.append(byte)
            }
        }
        if !word.isEmpty { result += words.redacted(word) }
        return result
    }

    /// What is between the quotes around a whole word.
    static func insideQuotes(_ word: Bytes) -> Bytes? {
        guard word.count >= 2, let first = word.first, first == word.last,
            first == UInt8(ascii: "'") || first == UInt8(ascii: "\"")
        else { return nil }
        return Bytes(word[1..<(word.count - 1)])
    }

    private static func quoted(_ inner: Bytes, _ quote: UInt8) -> Bytes {
        var word = Bytes()
        word.reserveCapacity(inner.count + 2)
        word.append(quote)
        word += inner
        word.append(quote)
        return word
    }

    private static func unquoted(_ word: Bytes) -> Bytes { insideQuotes(word) ?? word }
}
