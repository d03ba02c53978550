internal import Glibc

/// A call that was open at the end of a recording, with the host that it was on.
struct OpenCall {
    var host: Int
    var report: CallReport
    /// Community IDs of the connections that it waits on, and of others that its process has.
    var waitsOn: Set<String>
    var holds: Set<String>
    var isPartial: Bool

    init(_ record: RecordedRecord, host: Int, at moment: UInt64) {
        self.host = host
        report = CallReport(recorded: record.value)
        report.durationNanoseconds = Run.duration(of: record, until: moment)
        isPartial = Run.isPartial(record)
        waitsOn = Self.connections(report)
        holds = Set((record.value["held_sockets"]?.elements ?? []).prefix(64).compactMap(\.string))
    }

    var chainID: String? { report.finding?.chainID }
    var thread: Trees.Thread { Trees.Thread(host: host, tid: report.call.process.tid) }

    private static func connections(_ report: CallReport) -> Set<String> {
        var ids: Set<String> = []
        if let network = report.call.resource.network {
            if let id = network.communityID {
                ids.insert(id)
            } else if let local = network.local.address, let peer = network.peer.address,
                let from = network.local.port, let to = network.peer.port,
                let id = communityID(network.transport, local, from, peer, to)
            {
                ids.insert(id)
            }
        }
        for member in report.finding?.members ?? [] {
            if let id = communityID(ofName: member.resource.name) { ids.insert(id) }
        }
        return ids
    }

    /// From `tcp 10.0.0.1:4040->10.0.0.5:3306 ESTABLISHED`, as sockets are named.
    static func communityID(ofName name: [UInt8]) -> String? {
        let words = String(decoding: name, as: UTF8.self).split(separator: " ")
        guard words.count >= 2 else { return nil }
        let ends = words[1].split(separator: ">", maxSplits: 1)
        guard ends.count == 2, ends[0].last == "-", let local = endpoint(ends[0].dropLast()),
            let peer = endpoint(ends[1])
        else { return nil }
        return communityID(String(words[0]), local.address, local.port, peer.address, peer.port)
    }

    /// `10.0.0.1:4040`, `[::1]:4040`
    private static func endpoint(_ text: Substring) -> (address: String, port: UInt16)? {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var address = text[..<colon]
        if address.first == "[", address.last == "]" { address = address.dropFirst().dropLast() }
        return (String(address), port)
    }

    private static func communityID(
        _ transport: String, _ local: String, _ localPort: UInt16, _ peer: String, _ peerPort: UInt16
    ) -> String? {
        guard let number: UInt8 = ["tcp": 6, "udp": 17][transport], let local = bytes(of: local),
            let peer = bytes(of: peer)
        else { return nil }
        return CommunityID.text(
            protocolNumber: number, source: local, sourcePort: localPort, destination: peer, destinationPort: peerPort)
    }

    /// C function: `inet_pton`
    private static func bytes(of address: String) -> [UInt8]? {
        for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
            var bytes = [UInt8](repeating: 0, count: count)
            if unsafe inet_pton(family, address, &bytes) == 1 { return bytes }
        }
        return nil
    }
}

/// Chains that end at another host go on there, where that was recorded too: both ends of a connection have one
/// Community ID.
struct Joining {
    /// Of each group of calls, the call on another host that it hangs on, and which of its own calls does.
    struct Link {
        var from: Trees.Thread
        var to: OpenCall
    }

    /// By chain and host.
    struct Group: Hashable {
        var host: Int
        var chain: String
    }

    private(set) var links: [Group: Link] = [:]

    init(_ calls: [OpenCall]) {
        var holders: [String: [OpenCall]] = [:]
        for call in calls {
            for id in call.waitsOn.union(call.holds) { holders[id, default: []].append(call) }
        }
        for call in calls {
            guard let root = call.report.finding?.root.value, root.kind == .remote, let chain = call.chainID else {
                continue
            }
            let group = Group(host: call.host, chain: chain)
            guard links[group] == nil else { continue }
            let others = call.waitsOn.flatMap { id in
                (holders[id] ?? []).filter { $0.host != call.host }.map {
                    (isDirect: $0.waitsOn.contains(id), call: $0)
                }
            }
            // who serves it: the worst off, then who waits on this very connection
            func rank(_ other: (isDirect: Bool, call: OpenCall)) -> (Int, Int, Int) {
                (
                    other.call.report.finding?.verdict.rank ?? 9, other.isDirect ? 0 : 1,
                    other.call.report.call.process.tid
                )
            }
            if let other = others.min(by: { rank($0) < rank($1) }) {
                links[group] = Link(from: call.thread, to: other.call)
            }
        }
    }

    /// Where the chain of a group ends when it is followed from host to host.
    ///
    /// - Returns: the last group, or the last call where that one is the root itself.
    func end(of group: Group) -> (group: Group?, call: OpenCall)? {
        guard var link = links[group] else { return nil }
        var seen: Set<Group> = [group]
        while let chain = link.to.chainID {
            let next = Group(host: link.to.host, chain: chain)
            guard seen.insert(next).inserted, let further = links[next] else { return (next, link.to) }
            link = further
        }
        return (nil, link.to)
    }
}
