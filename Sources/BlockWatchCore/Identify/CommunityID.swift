/// Community ID 1.0 of a flow: the same text for both directions, on both hosts and in other tools.
/// Source: https://github.com/corelight/community-id-spec
public enum CommunityID {
    /// `1:` and the Base64 of the flow's SHA-1.
    ///
    /// - Parameters:
    ///   - protocolNumber: 6 (TCP) or 17 (UDP), as in the IP header.
    ///   - source: 4 or 16 bytes in network order. IPv4 in IPv6 (`::ffff:10.0.0.1`) counts as IPv4, which is what is
    ///     on the wire.
    ///   - destination: of the same family.
    ///   - seed: 0 unless a site sets another one everywhere.
    /// - Returns: nil for another protocol, or addresses that are not of one family.
    public static func text(
        protocolNumber: UInt8, source: [UInt8], sourcePort: UInt16,
        destination: [UInt8], destinationPort: UInt16, seed: UInt16 = 0
    ) -> String? {
        guard protocolNumber == 6 || protocolNumber == 17 else { return nil }
        let from = unmapped(source)
        let to = unmapped(destination)
        guard from.count == to.count, from.count == 4 || from.count == 16 else { return nil }

        // The smaller endpoint first, so that both directions agree.
        let isOrdered =
            from == to ? sourcePort <= destinationPort : from.lexicographicallyPrecedes(to)
        var flow: [UInt8] = []
        flow.reserveCapacity(40)
        append(seed, to: &flow)
        flow += isOrdered ? from : to
        flow += isOrdered ? to : from
        flow.append(protocolNumber)
        flow.append(0)
        append(isOrdered ? sourcePort : destinationPort, to: &flow)
        append(isOrdered ? destinationPort : sourcePort, to: &flow)
        return "1:" + ByteText.base64(SHA1.digest(flow))
    }

    private static func append(_ value: UInt16, to bytes: inout [UInt8]) {
        bytes.append(UInt8(value >> 8))
        bytes.append(UInt8(value & 0xff))
    }

    private static func unmapped(_ address: [UInt8]) -> [UInt8] {
        guard address.count == 16, address[0..<10].allSatisfy({ $0 == 0 }), address[10] == 0xff, address[11] == 0xff
        else { return address }
        return Array(address[12...])
    }
}
