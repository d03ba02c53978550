/// What secrets are called, and how tokens begin.
extension CommandLineRedaction {
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

    /// Tokens that say by their beginning what they are; the beginning stays.
    static let tokenBeginnings = [
        "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xoxa-", "xapp-", "hvs.",
        "dckr_pat_", "npm_", "pypi-", "AIza", "ya29.", "sk-", "sk_live_", "rk_live_", "SG.", "eyJ",
    ].map { Bytes($0.utf8) }
}
