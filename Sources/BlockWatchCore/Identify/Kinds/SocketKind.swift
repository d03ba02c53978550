/// Sockets of every family.
enum SocketKind {
    static func resource(_ object: KernelObject) -> Resource {
        switch object.socketFamily {
        case 1: unix(object)
        case 2, 10: internet(object)
        case 16: netlink(object)
        case 40: vsock(object)
        default: other(object)
        }
    }

    // MARK: - IPv4 and IPv6

    private static func internet(_ object: KernelObject) -> Resource {
        let inet = object.internet
        let isTCP = object.socketProtocol == 6 || object.socketProtocol == 262
        let isUDP = object.socketProtocol == 17 || object.socketProtocol == 136
        let kind: ResourceKind = isTCP ? .tcp : isUDP ? .udp : .raw
        let local = InternetAddress(inet.local)
        let peer = InternetAddress(inet.peer)
        let state = isTCP ? tcpStateName(object.tcpState) : nil

        // a dual-stack socket without a peer is still an IPv6 one
        let isV4 = local.isV4 && (peer.isV4 || peer.isUnspecified) && !local.isUnspecified || object.socketFamily == 2
        var network = NetworkFields(transport: kind.rawValue, type: isV4 ? "ipv4" : "ipv6")
        network.state = state
        network.local.address = local.text
        network.local.port = inet.localPort
        network.inode = object.inode
        network.receiveQueue = inet.receiveQueue
        network.sendQueue = inet.sendQueue
        network.lastSent = inet.lastSent
        network.lastReceived = inet.lastReceived
        let hasPeer = inet.peerPort != 0 || !peer.isUnspecified
        if hasPeer {
            network.peer.address = peer.text
            network.peer.port = inet.peerPort
        }
        if isTCP && object.tcpState != 10 {
            network.retransmits = inet.retransmits
            network.unacknowledged = inet.inFlight
        }
        if hasPeer, isTCP || isUDP {
            network.communityID = CommunityID.text(
                protocolNumber: isTCP ? 6 : 17, source: inet.local, sourcePort: inet.localPort,
                destination: inet.peer, destinationPort: inet.peerPort)
        }
        var name = "\(kind.rawValue) \(local.endpoint(inet.localPort))"
        if hasPeer { name += "->" + peer.endpoint(inet.peerPort) }
        if let state { name += " " + state }
        var resource = Resource(kind, name: Array(name.utf8))
        resource.network = network
        return resource
    }

    /// `enum` of the kernel's tcp_states.h.
    static func tcpStateName(_ state: Int) -> String? {
        let names = [
            "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT",
            "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV",
        ]
        return state >= 1 && state <= names.count ? names[state - 1] : nil
    }

    // MARK: - unix

    private static func unix(_ object: KernelObject) -> Resource {
        let unix = object.unix
        let types = [1: "stream", 2: "dgram", 5: "seqpacket"]
        var network = NetworkFields(transport: "unix", type: types[object.socketType])
        let isStream = object.socketType != 2
        network.state = isStream || object.tcpState == 1 ? tcpStateName(object.tcpState) : nil
        network.inode = object.inode
        network.receiveQueue = unix.receiveQueue
        network.sendQueue = unix.sendQueue
        if !unix.local.isEmpty { network.local.path = printable(unix.local) }
        if !unix.peer.isEmpty { network.peer.path = printable(unix.peer) }
        network.peer.inode = unix.peerInode

        var name = Array("unix ".utf8) + (network.local.path ?? Array("socket:[\(object.inode)]".utf8))
        if let path = network.peer.path, path != network.local.path {
            name += Array("->".utf8) + path
        } else if let inode = unix.peerInode {
            name += Array("->socket:[\(inode)]".utf8)
        }
        if network.state == "LISTEN" { name += Array(" LISTEN".utf8) }
        var resource = Resource(.unix, name: name)
        resource.network = network
        return resource
    }

    /// NULs of an abstract name as `@`, as /proc/net/unix and ss show them.
    static func printable(_ path: [UInt8]) -> [UInt8] {
        path.first == 0 ? path.map { $0 == 0 ? UInt8(ascii: "@") : $0 } : path
    }

    // MARK: - the rest

    private static func netlink(_ object: KernelObject) -> Resource {
        let netlink = object.netlink
        let families = [
            0: "route", 4: "sock_diag", 5: "nflog", 6: "xfrm", 7: "selinux", 9: "audit", 12: "netfilter",
            15: "kobject_uevent", 16: "generic", 20: "rdma", 21: "crypto",
        ]
        let family = families[Int(netlink.protocolNumber)] ?? String(netlink.protocolNumber)
        var resource = Resource(.netlink, name: Array("netlink \(family) port \(netlink.port)".utf8))
        var network = NetworkFields(transport: "netlink", type: family)
        network.inode = object.inode
        resource.network = network
        return resource
    }

    private static func vsock(_ object: KernelObject) -> Resource {
        let vsock = object.vsock
        func endpoint(_ cid: UInt32, _ port: UInt32) -> String {
            "\(cid == .max ? "*" : String(cid)):\(port == .max ? "*" : String(port))"
        }
        let name =
            "vsock \(endpoint(vsock.localCID, vsock.localPort))->\(endpoint(vsock.peerCID, vsock.peerPort))"
        var resource = Resource(.vsock, name: Array(name.utf8))
        var network = NetworkFields(transport: "vsock")
        network.inode = object.inode
        network.state = tcpStateName(object.tcpState)
        resource.network = network
        return resource
    }

    private static func other(_ object: KernelObject) -> Resource {
        let families = [
            3: "ax25", 4: "ipx", 17: "packet", 29: "can", 31: "bluetooth", 38: "alg", 44: "xdp", 45: "mctp",
        ]
        let family = families[object.socketFamily] ?? "family \(object.socketFamily)"
        var resource = Resource(.raw, name: Array("socket \(family) socket:[\(object.inode)]".utf8))
        var network = NetworkFields(transport: "raw", type: family)
        network.inode = object.inode
        resource.network = network
        return resource
    }
}

/// An IPv4 or IPv6 address in network order, and its text (RFC 5952). IPv4 in IPv6 counts as IPv4,
/// which is what is on the wire.
struct InternetAddress {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        let isMapped =
            bytes.count == 16 && bytes[0..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
        self.bytes = isMapped ? [UInt8](bytes[12...]) : bytes
    }

    var isV4: Bool { bytes.count == 4 }
    var isUnspecified: Bool { bytes.allSatisfy { $0 == 0 } }

    func endpoint(_ port: UInt16) -> String { isV4 ? "\(text):\(port)" : "[\(text)]:\(port)" }

    var text: String {
        if isV4 { return bytes.map(String.init).joined(separator: ".") }
        let groups = stride(from: 0, to: bytes.count - 1, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
        // the longest run of two or more zero groups becomes "::", the first one where two are equal
        var best = 0..<0
        var start = 0
        while start < groups.count {
            guard groups[start] == 0 else {
                start += 1
                continue
            }
            let end = groups[start...].firstIndex { $0 != 0 } ?? groups.count
            if end - start > max(best.count, 1) { best = start..<end }
            start = end
        }
        func hex(_ range: Range<Int>) -> String {
            groups[range].map { String($0, radix: 16) }.joined(separator: ":")
        }
        return best.isEmpty
            ? hex(0..<groups.count) : hex(0..<best.lowerBound) + "::" + hex(best.upperBound..<groups.count)
    }
}
