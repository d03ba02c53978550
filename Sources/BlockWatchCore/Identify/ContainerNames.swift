/// What containers and pods are called, by what the host keeps for itself: names of folders and links, state files of
/// runtimes. Never an API. Whoever may write there chooses the names: they are claims, as the cgroup's path is.
public struct ContainerNames: Sendable, Equatable {
    public struct Pod: Sendable, Equatable {
        public var namespace, name: String
    }

    /// By uid.
    private(set) var pods: [String: Pod] = [:]
    /// By container id.
    private(set) var containers: [String: String] = [:]

    /// No more than a host has.
    static let most = 16384

    public init() {}

    public var isEmpty: Bool { pods.isEmpty && containers.isEmpty }

    /// - Parameter name: of an entry of /var/log/pods: `NAMESPACE_NAME_UID`, none of which has an underscore.
    public mutating func addPod(logFolder name: String) {
        let parts = name.utf8.split(separator: UInt8(ascii: "_"), omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, !parts.contains(where: { $0?.isEmpty ?? true }), pods.count < Self.most,
            let uid = parts[2], let namespace = parts[0], let pod = parts[1]
        else { return }
        pods[uid] = Pod(namespace: namespace, name: pod)
    }

    /// - Parameter name: of an entry of /var/log/containers: `POD_NAMESPACE_CONTAINER-ID.log`.
    public mutating func addContainer(logLink name: String) {
        guard name.hasSuffix(".log") else { return }
        let parts = name.dropLast(4).split(separator: "_", omittingEmptySubsequences: false)
        // the container's own name may have dashes, its id has none
        guard parts.count == 3, let dash = parts[2].lastIndex(of: "-") else { return }
        add(String(parts[2][..<dash]), id: String(parts[2][parts[2].index(after: dash)...]))
    }

    /// - Parameter file: /var/lib/docker/containers/ID/config.v2.json
    public mutating func addDocker(_ file: [UInt8]) {
        guard let document = try? JSONDocument(file), let id = document.root["ID"]?.string,
            let name = document.root["Name"]?.string
        else { return }
        add(name.hasPrefix("/") ? String(name.dropFirst()) : name, id: id)
    }

    /// - Parameter file: /var/lib/containers/storage/overlay-containers/containers.json
    public mutating func addPodman(_ file: [UInt8]) {
        guard let document = try? JSONDocument(file) else { return }
        for container in document.root.elements {
            guard let id = container["id"]?.string, let name = container["names"]?.elements.first?.string else {
                continue
            }
            add(name, id: id)
        }
    }

    private mutating func add(_ name: String, id: String) {
        guard !name.isEmpty, !id.isEmpty, containers.count < Self.most else { return }
        containers[id] = name
    }

    /// A container that was named before needs no file to be read again.
    ///
    /// - Returns: whether it was.
    public mutating func keep(_ id: String, of before: ContainerNames) -> Bool {
        guard let name = before.containers[id] else { return false }
        add(name, id: id)
        return true
    }
}

extension CgroupIdentity {
    /// With the names that the host has for its ids.
    func named(by names: ContainerNames) -> CgroupIdentity {
        var named = self
        if let containerID { named.containerName = names.containers[containerID] }
        if let podUID, let pod = names.pods[podUID] {
            named.podName = pod.name
            named.podNamespace = pod.namespace
        }
        return named
    }
}
