/// One step of a chain.
struct ChainLink: Sendable, Equatable {
    /// `db[9] recvfrom tcp`, safe for terminals.
    var text: String
    /// Who waits there; `nil` for what is no thread, or more than one.
    var tid: Int?
    /// The program's own function that it waits in: bytes of others, not escaped.
    var site: [UInt8]?

    init(_ text: String, tid: Int? = nil) {
        self.text = text
        self.tid = tid
    }

    /// - Parameter columns: of the function's name.
    fileprivate func text(_ columns: Int) -> String {
        guard let site else { return text }
        // a name must not look like another step
        let name = TerminalText.escaped(site).replacing(" <- ", with: " < - ")
        return "\(text) in \(TerminalText.cut(name, to: columns, keep: .headAndTail))"
    }
}

extension Finding {
    /// - Parameter sites: functions of threads that wait, by thread.
    mutating func take(sites: [Int: [UInt8]]) {
        for place in links.indices {
            if let site = links[place].tid.flatMap({ sites[$0] }) { links[place].site = site }
        }
    }

    /// The way to the root with the function in which each thread waits, as far as that is known:
    /// `worker[8] futex in Pool::checkout <- db[9] recvfrom tcp in PQgetResult`. Functions give way before steps do.
    ///
    /// - Parameter room: bytes; where the steps alone take more, it is longer.
    func chain(within room: Int) -> String {
        guard links.contains(where: { $0.site != nil }) else { return chain }
        for columns in [60, 40, 24] {
            let text = links.map { $0.text(columns) }.joined(separator: " <- ")
            if text.utf8.count <= room { return text }
        }
        // of a long one both ends
        let ends = [0, links.count - 1]
        let text = links.indices.map { ends.contains($0) ? links[$0].text(24) : links[$0].text }.joined(
            separator: " <- ")
        return text.utf8.count <= room ? text : chain
    }

    /// ` in PQgetResult`: where the thread at the root waits.
    var rootPlace: String {
        guard let last = links.last, let site = last.site, let kind = root.value?.kind,
            kind == .thread || kind == .process
        else { return "" }
        return " in \(TerminalText.cut(TerminalText.escaped(site), to: 60, keep: .headAndTail))"
    }
}
