import BlockWatchCore
import Glibc
import Synchronization

/// Reads what the host calls its containers, every ten seconds, by a thread of its own: the folders lie on disks that may
/// not answer. Whoever asks gets what was read last, and never waits.
final class ContainerNameReader: Sendable {
    private let names = Mutex(ContainerNames())
    private let never = Bell()
    private static let period: Int32 = 10_000

    /// - Parameter root: the host's.
    func start(root: String) {
        _ = startDetachedThread { [self] in
            while true {
                let read = Self.read(root: root, before: latest)
                names.withLock { $0 = read }
                _ = never.take(withinMilliseconds: Self.period)
            }
        }
    }

    var latest: ContainerNames { names.withLock { $0 } }

    private static func read(root: String, before: ContainerNames) -> ContainerNames {
        var names = ContainerNames()
        for name in entries(of: "\(root)/var/log/pods") { names.addPod(logFolder: name) }
        for name in entries(of: "\(root)/var/log/containers") { names.addContainer(logLink: name) }
        let docker = "\(root)/var/lib/docker/containers"
        for id in entries(of: docker).prefix(4096) where !names.keep(id, of: before) {
            names.addDocker(file("\(docker)/\(id)/config.v2.json"))
        }
        names.addPodman(file("\(root)/var/lib/containers/storage/overlay-containers/containers.json"))
        return names
    }

    /// C function: `readdir`
    private static func entries(of path: String) -> [String] {
        guard let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }

    /// Its first MiB; empty where it cannot be read.
    private static func file(_ path: String) -> [UInt8] {
        // the name alone is given: the way through /proc/1/root is the reader's own choice
        guard let slash = path.lastIndex(of: "/") else { return [] }
        let folder = ProcFS(root: String(path[..<slash]))
        return (try? folder.readFile(String(path[path.index(after: slash)...]), limit: 1 << 20)) ?? []
    }
}
