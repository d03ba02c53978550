/// What of a command line is shown.
public enum CommandLinePolicy: String, CaseIterable, Sendable {
    case full
    /// The values of what looks like a secret become `***`.
    case redacted
    case none

    /// The arguments as one line that a shell would read back: quoted where they hold blanks, quotes or characters a
    /// shell obeys, separated by a blank. A single argument is a title that the process gave itself and stays unquoted.
    ///
    /// - Parameter arguments: bytes as the process has them; what is not UTF-8 becomes U+FFFD. Control characters stay:
    ///   whoever writes the line escapes them.
    /// - Returns: nil for `none`, and without arguments. At most four times as long as what was given, and two more
    ///   bytes an argument.
    public func render(_ arguments: [[UInt8]]) -> String? {
        guard self != .none, !arguments.isEmpty else { return nil }
        let shown = self == .full ? arguments : CommandLineRedaction.redacted(arguments)
        var line: [UInt8] = []
        for (index, argument) in shown.enumerated() {
            if index > 0 { line.append(UInt8(ascii: " ")) }
            if shown.count == 1 { line += argument } else { Self.appendQuoted(argument, to: &line) }
        }
        return String(decoding: line, as: UTF8.self)
    }

    private static func appendQuoted(_ argument: [UInt8], to line: inout [UInt8]) {
        var isPlain = !argument.isEmpty
        var hasApostrophe = false
        var isObeyedInQuotes = false
        for byte in argument {
            switch byte {
            case 0...0x20, 0x7f, UInt8(ascii: "&"), UInt8(ascii: "|"), UInt8(ascii: ";"), UInt8(ascii: "<"),
                UInt8(ascii: ">"), UInt8(ascii: "("), UInt8(ascii: ")"):
                isPlain = false
            case UInt8(ascii: "'"):
                isPlain = false
                hasApostrophe = true
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "$"), UInt8(ascii: "`"), UInt8(ascii: "!"):
                isPlain = isPlain && byte == UInt8(ascii: "!")
                isObeyedInQuotes = true
            default: break
            }
        }
        if isPlain {
            line += argument
        } else if hasApostrophe, !isObeyedInQuotes {
            line.append(UInt8(ascii: "\""))
            line += argument
            line.append(UInt8(ascii: "\""))
        } else {
            line.append(UInt8(ascii: "'"))
            for byte in argument {
                if byte == UInt8(ascii: "'") { line += "'\\''".utf8 } else { line.append(byte) }
            }
            line.append(UInt8(ascii: "'"))
        }
    }
}

/// Finds what looks like a secret in an argument vector. By appearance: it can miss one, and hide what is none; it is
/// a kindness to whoever reads the logs, `CommandLinePolicy.none` is the promise.
enum CommandLineRedaction {
    typealias Bytes = [UInt8]

    static func redacted(_ arguments: [Bytes]) -> [Bytes] {
        var words = WordScanner(depth: 0)
        return arguments.map { words.redacted($0) }
    }

    static let marker = Bytes("***".utf8)

    // MARK: - Names

    /// Whether a name tells that its value is a secret.
    enum Secrecy {
        case not
        /// Often a file or a mode: shown if the value looks like one.
        case perhaps
        case surely
    }

    /// Names of options, variables, headers, query parameters and members: `--api-key`, `PGPASSWORD`,
    /// `spring.datasource.password`, `X-Auth-Token`, `keyStorePassword`.
    static func secrecy(of name: some Sequence<UInt8>) -> Secrecy {
        // PWD and OLDPWD are folders.
        var parts: [String] = []
        var part = Bytes()
        var previousWasLower = false
        for byte in name {
            let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
            let isLower = byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")
            let isDigit = byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
            if !(isUpper || isLower || isDigit) || (isUpper && previousWasLower) {
                if !part.isEmpty { parts.append(String(decoding: part, as: UTF8.self)) }
                part.removeAll(keepingCapacity: true)
            }
            if isUpper || isLower || isDigit { part.append(isUpper ? byte | 0x20 : byte) }
            previousWasLower = isLower
        }
        if !part.isEmpty { parts.append(String(decoding: part, as: UTF8.self)) }

        guard let first = parts.first, let last = parts.last else { return .not }
        // --no-password, --ask-become-pass, --enable-auth; --password-file, TOKEN_URL, SSH_AUTH_SOCK.
        if parts.count > 1, innocentFirst.contains(first) || innocentLast.contains(last) { return .not }

        for part in parts {
            if secretParts.contains(part) || secretEndings.contains(where: part.hasSuffix) { return .surely }
        }
        if last == "pw" || last == "otp" || last == "psk" { return .surely }
        if last == "pwd" || last == "auth" || last == "cookie" { return .perhaps }
        if parts.count > 1, last.hasSuffix("pwd") { return .perhaps }
        if last == "key", parts.count > 1, !innocentBeforeKey.contains(parts[parts.count - 2]) { return .perhaps }
        if keyEndings.contains(where: last.hasSuffix) { return .perhaps }
        if name.elementsEqual("KEY".utf8) { return .perhaps }
        return .not
    }

    private static let innocentFirst: Set<String> = ["no", "ask", "enable", "disable", "skip", "with", "without"]

    private static let innocentLast: Set<String> = [
        "file", "files", "path", "dir", "stdin", "fd", "env", "prompt", "prompts", "name", "id", "type", "length",
        "len",
        "policy", "ttl", "expiry", "expires", "timeout", "url", "uri", "arn", "sock", "socket", "command", "cmd", "age",
        "count", "min", "max", "limit", "size", "store", "provider", "version", "mode", "algorithm", "alg", "method",
        "endpoint", "lifetime", "format", "helper", "service", "source", "class", "ring", "plugin", "server", "host",
        "port", "user", "username", "enabled", "required", "authentication", "authenticator", "issuer", "audience",
    ]

    private static let secretParts: Set<String> = [
        "password", "passwd", "passphrase", "passwort", "passcode", "pass", "secret", "secrets", "token", "credential",
        "credentials", "creds", "bearer", "jwt", "authorization", "signature", "storepass", "keypass", "userpass",
        "dbpass", "rootpass", "adminpass", "httppass", "proxypass", "smtppass", "authpass", "privpass",
    ]

    private static let secretEndings = [
        "password", "passwd", "passphrase", "secret", "authtoken", "accesstoken", "apitoken", "token",
    ]

    private static let keyEndings = [
        "apikey", "accesskey", "secretkey", "privatekey", "authkey", "masterkey", "signingkey", "encryptionkey",
    ]

    private static let innocentBeforeKey: Set<String> = [
        "public", "pub", "primary", "foreign", "sort", "partition", "host", "group", "index", "unique", "shard", "row",
        "cache", "object", "map", "lookup", "natural", "compose", "ssl", "tls", "client", "server", "ca", "trusted",
    ]

    /// Short names that only the query of a URL gives to secrets.
    static let queryNames: Set<String> = ["key", "sig", "auth", "code", "session", "sessionid", "sid", "pwd", "otp"]

    /// Whether a value that may be a secret is rather a file or a mode.
    static func looksInnocent(_ value: some Collection<UInt8>) -> Bool {
        let text = String(decoding: value.prefix(64), as: UTF8.self)
        if value.count > 64 { return text.hasPrefix("/") && !text.hasSuffix("=") }
        let starts = ["/", "./", "../", "~", "SHA", "sha256", "sha512", "MD5", "file:", "id=", "type=", "src="]
        let ends = [".pem", ".key", ".crt", ".cer", ".pub", ".json", ".der", ".jks", ".p12"]
        let modes: Set<String> = ["basic", "digest", "ntlm", "negotiate", "any", "jwt"]
        return starts.contains(where: text.hasPrefix) || ends.contains(where: text.hasSuffix)
            || modes.contains(text) || isSwitch(text)
    }

    /// `PasswordAuthentication=no`: a switch and not its secret.
    static func isSwitch(_ text: String) -> Bool {
        ["true", "false", "yes", "no", "on", "off", "none", "null"].contains(text)
    }

    static func hides(_ secrecy: Secrecy, _ value: some Collection<UInt8>) -> Bool {
        guard !value.isEmpty else { return false }
        switch secrecy {
        case .not: return false
        case .perhaps: return !looksInnocent(value)
        case .surely: return value.count > 5 || !isSwitch(String(decoding: value, as: UTF8.self))
        }
    }

    // MARK: - Programs

    /// What a program's short options mean. Each set lists option letters.
    struct Program {
        /// `-pSECRET` in one word.
        var attached = ""
        /// `-p SECRET` in two.
        var separate = ""
        /// `-u user:SECRET`
        var pair = ""
        /// The character between user and secret in `pair`.
        var separator = UInt8(ascii: ":")
        /// Only after `login`: everywhere else -p is a port.
        var needsLogin = false
        /// Runs another program, whose rules then count.
        var isWrapper = false
        /// `--password` asks for one, and takes none in the next word.
        var asksForPassword = false
        /// Takes `user/SECRET@service`.
        var takesSlashLogin = false
        /// Words, not options, that are followed by a secret.
        var secretWords: Set<String> = []
    }

    static func program(_ word: some Collection<UInt8>) -> Program? {
        guard word.count < 256 else { return nil }
        let name: String
        if let slash = Array(word).lastIndex(of: UInt8(ascii: "/")) {
            name = String(decoding: word.dropFirst(slash + 1), as: UTF8.self)
        } else {
            name = String(decoding: word, as: UTF8.self)
        }
        if let known = programs[name] { return known }
        if name.hasPrefix("python") || name.hasPrefix("perl") || name.hasPrefix("ruby") || name.hasPrefix("php") {
            return Program(isWrapper: true)
        }
        if name.hasPrefix("pt-") { return Program(attached: "p", separate: "p") }
        return nil
    }

    private static let programs: [String: Program] = {
        var table: [String: Program] = [:]
        func add(_ names: String, _ program: Program) {
            for name in names.split(separator: " ") { table[String(name)] = program }
        }
        add(
            """
            mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlpump mysqlbinlog mysqlslap mysqlsh \
            mysql_upgrade mariadb mariadb-dump mariadb-admin mariadb-import mariadb-check mariadb-show mariadb-binlog \
            mariadb-slap mariadb-backup mariabackup xtrabackup innobackupex mytop
            """, Program(attached: "p", asksForPassword: true))
        add("mycli", Program(attached: "p", separate: "p"))
        add(
            "psql pg_dump pg_dumpall pg_restore pg_basebackup createdb dropdb vacuumdb reindexdb pg_isready pgbench",
            Program(asksForPassword: true))
        add("sshpass", Program(attached: "p", separate: "p", isWrapper: true))
        add(
            """
            mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat mongotop mydumper myloader cqlsh \
            rabbitmqadmin rdesktop useradd usermod ncftpput ncftpget ncftpls
            """, Program(attached: "p", separate: "p"))
        add(
            "docker podman nerdctl buildah skopeo helm oras crane az cf oc argocd",
            Program(attached: "p", separate: "p", needsLogin: true, isWrapper: true))
        add("curl", Program(attached: "b", separate: "b", pair: "uUE"))
        add("http https xh", Program(pair: "a"))
        add("redis-cli redis-benchmark valkey-cli keydb-cli", Program(separate: "a"))
        add(
            "ldapsearch ldapmodify ldapadd ldapdelete ldapwhoami ldapcompare ldapmodrdn ldapexop",
            Program(attached: "w", separate: "w"))
        add("ldappasswd", Program(attached: "was", separate: "was"))
        add("sqlcmd bcp osql tsql isql unzip zip zipcloak", Program(attached: "P", separate: "P"))
        add("7z 7za 7zr 7zz rar unrar", Program(attached: "p"))
        add("ipmitool", Program(separate: "P"))
        add("ssh-keygen", Program(attached: "NP", separate: "NP"))
        add(
            "snmpget snmpgetnext snmpwalk snmpbulkwalk snmpbulkget snmpset snmptrap",
            Program(attached: "cAX", separate: "cAX"))
        add("smbclient rpcclient net smbget smbmap", Program(pair: "U", separator: UInt8(ascii: "%")))
        add("lftp", Program(pair: "u", separator: UInt8(ascii: ",")))
        add("sqlplus expdp impdp exp imp sqlldr", Program(takesSlashLogin: true))
        add("openssl", Program(separate: "kK"))
        add(
            "nmcli", Program(secretWords: ["password", "wifi-sec.psk", "802-11-wireless-security.psk", "vpn.secrets"]))
        add("aws", Program(secretWords: ["aws_secret_access_key", "aws_session_token"]))
        add(
            """
            sh bash dash zsh ksh fish busybox env sudo doas su runuser timeout nice ionice nohup setsid stdbuf xargs \
            time watch strace ltrace gdb valgrind ssh chroot nsenter unshare systemd-run setpriv taskset numactl \
            chrt flock script tini dumb-init gosu su-exec catchsegv kubectl crictl ctr lxc lxc-attach lxc-execute \
            machinectl node java find parallel ionice cgexec firejail bwrap unbuffer expect screen tmux
            """, Program(isWrapper: true))
        return table
    }()
}

// MARK: - Words

/// Goes through the words of one command line and remembers what the last one announced.
private struct WordScanner {
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
    fileprivate static func hidingHeader(_ word: Bytes) -> Bytes? {
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
    fileprivate static func insideQuotes(_ word: Bytes) -> Bytes? {
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

// MARK: - Text

/// Finds secrets inside one piece of text. Every scan is one pass: hostile arguments must not cost more than others.
private enum TextScanner {
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

    /// Tokens that say by their beginning what they are; the beginning stays.
    private static let shapes = [
        "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xoxa-", "xapp-", "hvs.",
        "dckr_pat_", "npm_", "pypi-", "AIza", "ya29.", "sk-", "sk_live_", "rk_live_", "SG.", "eyJ",
    ].map { Bytes($0.utf8) }

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
            guard run.count >= 24, run.count < 4096, let shape = shapes.first(where: { run.starts(with: $0) }),
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
