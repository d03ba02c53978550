/// The addresses of a host, by which others know it, from text files of /proc: no socket is opened for them.
public enum HostAddresses {
    /// At most so many are told.
    static let most = 16
    private static let limit = 1 << 20

    /// Of the network namespace of the first process that can be seen, which is the host's; else of this one. Loopback and link-local
    /// ones are left out, as other hosts do not know them.
    public static func all(_ procFS: ProcFS) -> [String] {
        for process in ["1", "self"] {
            guard let trie = try? procFS.readFile("\(process)/net/fib_trie", limit: limit) else { continue }
            let v6 = (try? procFS.readFile("\(process)/net/if_inet6", limit: limit)) ?? []
            return Array((v4(trie) + Self.v6(v6)).prefix(most))
        }
        return []
    }

    /// `|-- 10.0.0.5`, and below it `/32 host LOCAL`
    static func v4(_ trie: [UInt8]) -> [String] {
        var found: [String] = []
        var address: Substring?
        for line in String(decoding: trie, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.first == "|--", words.count > 1 {
                address = words[1]
            } else if words.starts(with: ["/32", "host", "LOCAL"]), let address, !address.hasPrefix("127."),
                !address.hasPrefix("169.254."), !found.contains(String(address))
            {
                found.append(String(address))
            }
        }
        return found
    }

    /// `fd000000000000000000000000000005 02 40 00 80 eth0`: the address, then which interface, prefix, scope.
    static func v6(_ table: [UInt8]) -> [String] {
        String(decoding: table, as: UTF8.self).split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count > 3, words[0].utf8.count == 32, words[3] == "00" else { return nil }
            let digits = Array(words[0])
            let bytes = stride(from: 0, to: 32, by: 2).compactMap { UInt8(String(digits[$0..<$0 + 2]), radix: 16) }
            return bytes.count == 16 ? InternetAddress(bytes).text : nil
        }
    }
}
