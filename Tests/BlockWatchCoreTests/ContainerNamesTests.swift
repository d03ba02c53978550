import Testing

@testable import BlockWatchCore

@Suite struct `Names of containers` {
    private let id = String(repeating: "ab", count: 32)
    private let uid = "8a1b2c3d-0000-4000-8000-000000000000"

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func `a pod is named by its folder of logs, a container by its link`() {
        var names = ContainerNames()
        names.addPod(logFolder: "shop_web-7d4b9c6f5-x2x9z_\(uid)")
        names.addContainer(logLink: "web-7d4b9c6f5-x2x9z_shop_nginx-proxy-\(id).log")
        let dashed = uid.replacing("-", with: "_")
        let cgroup = CgroupIdentity(
            path: "/kubepods.slice/kubepods-burstable-pod\(dashed).slice/cri-containerd-\(id).scope"
        ).named(by: names)
        #expect(cgroup.podNamespace == "shop")
        #expect(cgroup.podName == "web-7d4b9c6f5-x2x9z")
        #expect(cgroup.containerName == "nginx-proxy")
    }

    @Test func `Docker and Podman say names in their state files`() {
        var names = ContainerNames()
        names.addDocker(bytes(#"{"StreamConfig":{},"ID":"\#(id)","Name":"/web","Config":{"Env":["PASSWORD=x"]}}"#))
        #expect(CgroupIdentity(path: "/system.slice/docker-\(id).scope").named(by: names).containerName == "web")
        var later = ContainerNames()
        #expect(later.keep(id, of: names) && !later.keep("x", of: names))
        #expect(later == names)
        let other = String(repeating: "0c", count: 32)
        names.addPodman(bytes(#"[{"id":"x"},{"id":"\#(other)","names":["db","database"],"layer":"y"}]"#))
        #expect(CgroupIdentity(path: "/machine.slice/libpod-\(other).scope").named(by: names).containerName == "db")
    }

    @Test func `what is no such name is left alone`() {
        var names = ContainerNames()
        for folder in ["", "_", "__", "a_b", "a_b_", "_b_c", "a_b_c_d"] { names.addPod(logFolder: folder) }
        for link in ["", ".log", "a_b_c.log", "a_b_-\(id).log", "a_b_c-.log", "a_b_c-\(id)", "a_c-\(id).log"] {
            names.addContainer(logLink: link)
        }
        for file in ["", "{", "[]", "{}", #"{"ID":7,"Name":"x"}"#, #"{"ID":"x","Name":"/"}"#] {
            names.addDocker(bytes(file))
            names.addPodman(bytes(file))
        }
        names.addPodman(bytes(#"[{"id":"x","names":[]},{"id":"x","names":[7]},7]"#))
        #expect(names.isEmpty)
    }
}
