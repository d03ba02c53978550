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
    /// By chain and host.
    struct Group: Hashable {
        var host: Int
        var chain: String
    }

    /// Of a call whose chain ends at a connection, the call on another host that it hangs on.
    private(set) var links: [Trees.Thread: OpenCall] = [:]
    /// Of a call behind such a one, which does not say by which connection.
    private var inherited: [Trees.Thread: OpenCall] = [:]

    init(_ calls: [OpenCall]) {
        var holders: [String: [OpenCall]] = [:]
        for call in calls {
            for id in call.waitsOn.union(call.holds) { holders[id, default: []].append(call) }
        }
        var unlinked: [(call: OpenCall, group: Group)] = []
        var first: [Group: OpenCall] = [:]
        for call in calls {
            guard let root = call.report.finding?.root.value, root.kind == .remote, let chain = call.chainID else {
                continue
            }
            let group = Group(host: call.host, chain: chain)
            // the one that the chain ends at, whoever has it; of an older recording those of the call itself
            let ends = root.communityID.map { [$0] } ?? Array(call.waitsOn)
            let others = ends.flatMap { id in
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
            guard let other = others.min(by: { rank($0) < rank($1) })?.call else {
                if root.communityID == nil { unlinked.append((call, group)) }
                continue
            }
            links[call.thread] = other
            if first[group] == nil { first[group] = other }
        }
        for (call, group) in unlinked { inherited[call.thread] = first[group] }
    }

    /// Where the chain of a call ends when it is followed from host to host.
    ///
    /// - Returns: the last call, and its chain, if it has one; `nil` where the chain does not leave its host. All calls of a
    ///   circle of hosts, and behind it, end at the same one.
    func end(of call: OpenCall) -> (group: Group?, call: OpenCall)? {
        guard var last = onward(call) else { return nil }
        var seen = [call]
        while let next = onward(last) {
            if let start = seen.firstIndex(where: { $0.thread == last.thread }) {
                last = seen[start...].min { ($0.host, $0.thread.tid) < ($1.host, $1.thread.tid) } ?? last
                break
            }
            seen.append(last)
            last = next
        }
        return (last.chainID.map { Group(host: last.host, chain: $0) }, last)
    }

    private func onward(_ call: OpenCall) -> OpenCall? { links[call.thread] ?? inherited[call.thread] }
}
