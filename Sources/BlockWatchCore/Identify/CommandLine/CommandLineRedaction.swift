/// Finds what looks like a secret in an argument vector. By appearance: it can miss one, and hide what is none; it is
/// a kindness to whoever reads the logs, `CommandLinePolicy.none` is the promise.
enum CommandLineRedaction {
    typealias Bytes = [UInt8]

    static func redacted(_ arguments: [Bytes]) -> [Bytes] {
        var words = WordScanner(depth: 0)
        return arguments.map { words.redacted($0) }
    }

    static let marker = Bytes("***".utf8)

    /// Whether a name tells that its value is a secret.
    enum Secrecy {
        case not
        /// Often a file or a mode: shown if the value looks like one.
        case perhaps
        case surely
    }

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
}
