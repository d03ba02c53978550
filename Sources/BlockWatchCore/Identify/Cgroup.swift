/// What the path of a control group says about who runs there.
public struct CgroupIdentity: Equatable, Sendable {
    /// The innermost container: 64 hexadecimal digits, or the name for LXC and systemd-nspawn.
    public var containerID: String?
    /// `docker`, `containerd`, `podman`, `cri-o`, `lxc` or `systemd-nspawn`; nil where the path does not tell.
    public var containerRuntime: String?
    /// The innermost Kubernetes pod, with dashes.
    public var podUID: String?
    /// What the host calls them; the path does not tell.
    public var containerName, podName, podNamespace: String?
    /// The innermost systemd service unit: `nginx.service`.
    public var serviceName: String?

    /// Nothing is known.
    static let none = CgroupIdentity(path: "")

    /// - Parameter path: as in /proc/PID/cgroup, of version 1 or 2, made by systemd or by cgroupfs:
    ///   `/system.slice/docker-<64 hex>.scope`. Anyone allowed to make a cgroup chooses its name: this is a claim.
    public init(path: String) {
        let parts = path.utf8.split(separator: UInt8(ascii: "/")).map { Array($0) }
        for (index, part) in parts.enumerated() {
            readPod(part, below: parts[..<index])
            readContainer(part, below: parts[..<index])
            if let unit = Self.removing(suffix: ".service", from: part), !unit.isEmpty {
                serviceName = Self.unescaped(unit) + ".service"
            }
        }
    }

    /// The prefixes of scopes and folders that end in a container's id.
    private static let prefixes: [(prefix: String, runtime: String)] = [
        ("docker-", "docker"), ("cri-containerd-", "containerd"), ("nerdctl-", "containerd"),
        ("crio-", "cri-o"), ("libpod-payload-", "podman"), ("libpod-", "podman"),
    ]

    private mutating func readContainer(_ part: [UInt8], below parents: ArraySlice<[UInt8]>) {
        let name = Self.removing(suffix: ".scope", from: part) ?? part

        // `crio-conmon-<id>` and `libpod-conmon-<id>` hold the monitor, which is the host's: what follows the prefix
        // must be an id as a whole.
        for (prefix, runtime) in Self.prefixes {
            if let id = Self.removing(prefix: prefix, from: name), Self.isContainerID(id) {
                return set(id, runtime)
            }
        }
        // The systemd notation taken literally by a cgroupfs driver: `system.slice:docker:<id>`.
        let fields = name.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        if fields.count == 3, Self.isContainerID(Array(fields[2])) {
            let notation = Array(fields[1]) + [UInt8(ascii: "-")]
            return set(
                Array(fields[2]), Self.prefixes.first { $0.prefix.utf8.elementsEqual(notation) }?.runtime)
        }
        if Self.isContainerID(name), name.count == part.count {
            // Docker's own folder decides, and only if nothing of Kubernetes lies in between.
            let owner = parents.last {
                $0.elementsEqual("docker".utf8) || $0.starts(with: "kubepods".utf8) || $0.starts(with: "kubelet".utf8)
            }
            return set(name, owner?.elementsEqual("docker".utf8) == true ? "docker" : nil)
        }
        // lxc.monitor.NAME is the host's part of that container.
        if let name = Self.removing(prefix: "lxc.payload.", from: part), !name.isEmpty { return set(name, "lxc") }
        if let parent = parents.last, parent.elementsEqual("lxc".utf8) || parent.elementsEqual("lxc.payload".utf8) {
            return set(part, "lxc")
        }
        if let instance = Self.removing(prefix: "systemd-nspawn@", from: part),
            let name = Self.removing(suffix: ".service", from: instance), !name.isEmpty
        {
            return set(Array(Self.unescaped(name).utf8), "systemd-nspawn")
        }
        if parents.last?.elementsEqual("machine.slice".utf8) == true, name.count < part.count,
            let machine = Self.removing(prefix: "machine-", from: name), !machine.isEmpty
        {
            let machineName = Self.unescaped(machine)
            // libvirt's virtual machines register the same way and are no containers.
            if !machineName.hasPrefix("qemu-") { set(Array(machineName.utf8), "systemd-nspawn") }
        }
    }

    private mutating func set(_ id: [UInt8], _ runtime: String?) {
        containerID = String(decoding: id, as: UTF8.self)
        containerRuntime = runtime
    }

    /// `pod<uid>` below a kubepods folder, or `...kubepods-burstable-pod<uid with underscores>.slice`.
    private mutating func readPod(_ part: [UInt8], below parents: ArraySlice<[UInt8]>) {
        // With the literal notation the pod's slice and the container share one component.
        let head = part.prefix { $0 != UInt8(ascii: ":") }
        var uid: [UInt8]
        if let slice = Self.removing(suffix: ".slice", from: Array(head)) {
            guard Self.contains("kubepods", in: slice),
                let mark = Self.lastIndex(of: "-pod", in: slice)
            else { return }
            uid = Array(slice[(mark + 4)...])
        } else if let rest = Self.removing(prefix: "pod", from: part) {
            guard parents.contains(where: { Self.contains("kubepods", in: $0) }) else { return }
            uid = rest
        } else {
            return
        }
        for index in uid.indices where uid[index] == UInt8(ascii: "_") { uid[index] = UInt8(ascii: "-") }
        // A UUID, or the 32 digits of a static pod's manifest.
        guard uid.count == 32 || uid.count == 36,
            uid.allSatisfy({ Self.isHexDigit($0) || $0 == UInt8(ascii: "-") })
        else { return }
        podUID = String(decoding: uid, as: UTF8.self)
    }

    // MARK: - Bytes

    private static func isContainerID(_ id: [UInt8]) -> Bool { id.count == 64 && id.allSatisfy(isHexDigit) }

    private static func isHexDigit(_ byte: UInt8) -> Bool { hexValue(byte) != nil }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    private static func removing(prefix: String, from bytes: [UInt8]) -> [UInt8]? {
        bytes.starts(with: prefix.utf8) ? Array(bytes.dropFirst(prefix.utf8.count)) : nil
    }

    private static func removing(suffix: String, from bytes: [UInt8]) -> [UInt8]? {
        guard bytes.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) else { return nil }
        return Array(bytes.dropLast(suffix.utf8.count))
    }

    private static func contains(_ word: String, in bytes: [UInt8]) -> Bool { lastIndex(of: word, in: bytes) != nil }

    private static func lastIndex(of word: String, in bytes: [UInt8]) -> Int? {
        let length = word.utf8.count
        guard bytes.count >= length else { return nil }
        for start in stride(from: bytes.count - length, through: 0, by: -1)
        where bytes[start..<(start + length)].elementsEqual(word.utf8) {
            return start
        }
        return nil
    }

    /// A unit's name as a user writes it: `\x2d` becomes `-`, and the `_` that systemd puts before a name the cgroup
    /// file system reserves is taken off.
    private static func unescaped(_ name: [UInt8]) -> String {
        var plain: [UInt8] = []
        plain.reserveCapacity(name.count)
        var index = name.count > 1 && name[0] == UInt8(ascii: "_") ? 1 : 0
        while index < name.count {
            if name[index] == UInt8(ascii: "\\"), index + 3 < name.count, name[index + 1] == UInt8(ascii: "x"),
                let high = hexValue(name[index + 2]), let low = hexValue(name[index + 3])
            {
                plain.append(high << 4 | low)
                index += 4
            } else {
                plain.append(name[index])
                index += 1
            }
        }
        return String(decoding: plain, as: UTF8.self)
    }
}
