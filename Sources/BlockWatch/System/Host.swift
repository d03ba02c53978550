import BlockWatchCore
import Glibc

/// The machine and this process on it.
struct Host: Sendable {
    let procFS: ProcFS
    let name: String
    let kernelRelease: String
    let machine: String
    let bootID: String
    /// What its records say of where they come from.
    let origin: RecordOrigin
    let users: UserNames
    /// The host's own root folder; empty where this process has the same.
    let root: String

    #if arch(arm64)
        static let nativeABI = ABI.aarch64
    #else
        static let nativeABI = ABI.x86_64
    #endif

    init(procFS: ProcFS) {
        self.procFS = procFS
        var names = utsname()
        unsafe uname(&names)
        func text<T>(_ field: T) -> String {
            unsafe withUnsafeBytes(of: field) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }
        kernelRelease = text(names.release)
        machine = text(names.machine)
        bootID = (try? procFS.bootID()) ?? ""
        root = Self.root(procFS)
        let etc = ProcFS(root: root + "/etc")
        name = Self.name(procFS, etc: etc) ?? text(names.nodename)
        // the second where there is no systemd
        let machineID =
            (try? etc.readFile("machine-id", limit: 64)).flatMap(MachineID.text)
            ?? (try? ProcFS(root: root + "/var/lib/dbus").readFile("machine-id", limit: 64)).flatMap(MachineID.text)
        origin = RecordOrigin(
            hostName: name, hostID: machineID, bootID: bootID, runID: RecordOrigin.runID(.random(in: .min ... .max)),
            addresses: HostAddresses.all(procFS))
        users = UserNames(passwd: (try? etc.readFile("passwd", limit: 4 << 20)) ?? [])
    }

    /// In a container that has the host's process ids it is that of the first process, which needs
    /// CAP_SYS_PTRACE; else this one.
    private static func root(_ procFS: ProcFS) -> String {
        let root = "\(procFS.root)/1/root"
        return unsafe access("\(root)/etc", F_OK) == 0 ? root : ""
    }

    /// What the host calls itself, where a container has a name of its own; `nil` where it has none.
    private static func name(_ procFS: ProcFS, etc: ProcFS) -> String? {
        var (own, first) = (stat(), stat())
        guard unsafe stat("\(procFS.root)/self/ns/uts", &own) == 0, unsafe stat("\(procFS.root)/1/ns/uts", &first) == 0,
            own.st_ino != first.st_ino, let text = try? etc.readFile("hostname", limit: 256)
        else { return nil }
        let name = text.prefix { $0 > UInt8(ascii: " ") }
        return name.isEmpty ? nil : String(decoding: name, as: UTF8.self)
    }

    /// That are online.
    ///
    /// C function: `sysconf`
    static var processorCount: Int { max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1) }

    var isInInitialPIDNamespace: Bool {
        let initial = UInt64(CallRecord.initialPIDNamespace)
        return ((try? procFS.ownNamespaceInode("pid")) ?? initial) == initial
    }

    func requireScope(_ scope: Scope) {
        guard scope == .host, !isInInitialPIDNamespace else { return }
        fail(
            .missingPrivilege,
            "this is a PID namespace of its own, from which the host's processes cannot be seen; "
                + "run the pod with hostPID: true (docker: --pid=host), or say --scope namespace")
    }

    /// C function: `getrusage`, and `statm` for the resident set
    func usage() -> OwnUsage {
        var usage = rusage()
        unsafe getrusage(RUSAGE_SELF.rawValue, &usage)
        func nanoseconds(_ time: timeval) -> UInt64 {
            UInt64(max(time.tv_sec, 0)) * 1_000_000_000 + UInt64(max(time.tv_usec, 0)) * 1000
        }
        let statm = (try? procFS.readFile("self/statm", limit: 256)) ?? []
        let pages = String(decoding: statm, as: UTF8.self).split(separator: " ").dropFirst().first.flatMap {
            UInt64($0)
        }
        return OwnUsage(
            cpuNanoseconds: nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime),
            residentBytes: (pages ?? 0) * UInt64(max(sysconf(Int32(_SC_PAGESIZE)), 1)))
    }
}

extension Identifier.Settings {
    init(_ host: borrowing Host, commandLine: CommandLinePolicy) {
        self.init(
            bootID: host.bootID, commandLine: commandLine,
            clockTicksPerSecond: UInt64(max(sysconf(Int32(_SC_CLK_TCK)), 1)), nativeABI: Host.nativeABI)
    }
}
