import BlockWatchCore

/// The privileges that watching takes, and which of them this process has.
extension Host {
    /// The kernel would refuse later and say less.
    func requireCapabilities() {
        guard !mayLoadPrograms, let first = Self.neededCapabilities.first else { return }
        let missing = Self.neededCapabilities.filter { !has($0.number) }
        fail(
            .missingPrivilege,
            "\(first.purpose) needs \(missing.map(\.name).joined(separator: " and ")); run blockwatch as root (sudo) or give "
                + "it the capabilities, and see blockwatch doctor; \(Self.worksWithout)")
    }

    /// Of the commands: for a host that may not be watched, or a laptop.
    static let worksWithout =
        "without them replay, graph --replay and top --replay read recordings, and syscalls lists the calls"

    struct Capability: Sendable {
        var number: Int
        var name: String
        var purpose: String
        var isOptional = false
    }

    static let sysAdmin = 21
    static let neededCapabilities = [
        Capability(number: 39, name: "CAP_BPF", purpose: "loading BPF programs"),
        Capability(number: 38, name: "CAP_PERFMON", purpose: "reading the kernel's structures"),
    ]
    static let usefulCapabilities = [
        Capability(number: 19, name: "CAP_SYS_PTRACE", purpose: "paths, executables and memory of others' processes"),
        Capability(number: 2, name: "CAP_DAC_READ_SEARCH", purpose: "descriptors and memory of other users' processes"),
        Capability(
            number: 14, name: "CAP_IPC_LOCK", purpose: "keeping its own pages in memory when a disk has died",
            isOptional: true),
    ]

    private var capabilityBits: UInt64 {
        guard let status = try? procFS.readFile("self/status", limit: 16384) else { return 0 }
        for line in String(decoding: status, as: UTF8.self).split(separator: "\n") where line.hasPrefix("CapEff:") {
            return UInt64(line.dropFirst(7).drop { $0 == "\t" || $0 == " " }, radix: 16) ?? 0
        }
        return 0
    }

    func has(_ capability: Int) -> Bool { capabilityBits >> UInt64(capability) & 1 == 1 }

    var mayLoadPrograms: Bool { has(Self.sysAdmin) || Self.neededCapabilities.allSatisfy { has($0.number) } }

    /// Those of its capabilities that watching takes.
    var keptCapabilities: UInt64 {
        var kept: UInt64 = 0
        for capability in Self.neededCapabilities + Self.usefulCapabilities { kept |= 1 << UInt64(capability.number) }
        // before Linux 5.8, and wherever only this was granted, it stands for the first two
        let isGranted = Self.neededCapabilities.allSatisfy { has($0.number) }
        if !isGranted { kept |= 1 << UInt64(Self.sysAdmin) }
        return kept & capabilityBits
    }

    /// What will be missing, each with its purpose.
    func warnOfMissingCapabilities(_ log: Log) {
        for capability in Self.usefulCapabilities where !capability.isOptional && !has(capability.number) {
            log.warning("without \(capability.name) there is less detail: it is needed for \(capability.purpose)")
        }
    }

    /// Those of blockwatch's interest that it has.
    func capabilities() -> [String] {
        (Self.neededCapabilities + Self.usefulCapabilities
            + [Capability(number: Self.sysAdmin, name: "CAP_SYS_ADMIN", purpose: "")])
            .filter { has($0.number) }.map(\.name)
    }
}
