import Testing

@testable import BlockWatchCore

private let id = "4f1e0e3b6c1d4a5b8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d"
private let other = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
private let uid = "12345678-9abc-def0-1234-56789abcdef0"
private let uidUnderscored = "12345678_9abc_def0_1234_56789abcdef0"

struct CgroupTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var path: String
        var container: String?
        var runtime: String?
        var pod: String?
        var service: String?
        var testDescription: String { path }

        init(
            _ path: String, _ container: String? = nil, _ runtime: String? = nil, pod: String? = nil,
            service: String? = nil
        ) {
            (self.path, self.container, self.runtime, self.pod, self.service) = (path, container, runtime, pod, service)
        }
    }

    static let cases: [Case] = [
        // Docker: cgroupfs, systemd, nested, with systemd inside.
        Case("/docker/\(id)", id, "docker"),
        Case("/system.slice/docker-\(id).scope", id, "docker"),
        Case("/docker/\(id)/docker/\(other)", other, "docker"),
        Case("/system.slice/docker-\(id).scope/docker/\(other)", other, "docker"),
        Case("/docker/\(id)/system.slice/nginx.service", id, "docker", service: "nginx.service"),
        Case("/../../docker/\(id)", id, "docker"),
        Case("/system.slice/docker.service", service: "docker.service"),
        Case("/docker/buildkit/abc"),
        // Kubernetes: both drivers, three classes, static pods, in Docker.
        Case("/kubepods/burstable/pod\(uid)/\(id)", id, nil, pod: uid),
        Case("/kubepods/pod\(uid)/\(id)", id, nil, pod: uid),
        Case("/kubepods/besteffort/pod\(uid)/crio-\(id)", id, "cri-o", pod: uid),
        Case(
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\(uidUnderscored).slice/cri-containerd-\(id).scope",
            id, "containerd", pod: uid),
        Case(
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod\(uidUnderscored).slice/docker-\(id).scope",
            id, "docker", pod: uid),
        Case("/kubepods.slice/kubepods-pod\(uidUnderscored).slice/crio-\(id).scope", id, "cri-o", pod: uid),
        Case("/kubepods.slice/kubepods-pod\(uidUnderscored).slice/crio-\(id).scope/container", id, "cri-o", pod: uid),
        Case("/kubepods.slice/kubepods-pod\(uidUnderscored).slice/crio-conmon-\(id).scope", pod: uid),
        Case("/kubepods.slice/kubepods-pod\(uidUnderscored).slice", pod: uid),
        Case(
            "/kubepods/burstable/pod3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b/\(id)", id, nil,
            pod: "3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b"),
        Case("/docker/\(other)/kubelet/kubepods/burstable/pod\(uid)/\(id)", id, nil, pod: uid),
        Case(
            "/docker/\(other)/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod\(uidUnderscored).slice/cri-containerd-\(id).scope",
            id, "containerd", pod: uid),
        Case(
            "/system.slice/containerd.service/kubepods-burstable-pod\(uidUnderscored).slice:cri-containerd:\(id)",
            id, "containerd", pod: uid, service: "containerd.service"),
        Case("/podcasts/pod\(uid)"),
        Case("/kubepods/podnot-a-uid"),
        // Podman.
        Case("/machine.slice/libpod-\(id).scope", id, "podman"),
        Case("/machine.slice/libpod-\(id).scope/container", id, "podman"),
        Case("/machine.slice/libpod-conmon-\(id).scope"),
        Case("/machine.slice/machine-libpod_pod_\(other).slice/libpod-\(id).scope/container", id, "podman"),
        Case("/libpod_parent/libpod-\(id)", id, "podman"),
        Case("/libpod_parent/libpod-conmon-\(id)"),
        Case(
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-\(id).scope/container", id, "podman",
            service: "user@1000.service"),
        Case("/system.slice/web.service/libpod-payload-\(id)", id, "podman", service: "web.service"),
        Case("/system.slice/nerdctl-\(id).scope", id, "containerd"),
        // LXC.
        Case("/lxc.payload.web1", "web1", "lxc"),
        Case("/lxc.payload.web1/system.slice/nginx.service", "web1", "lxc", service: "nginx.service"),
        Case("/lxc.payload/web1/x", "web1", "lxc"),
        Case("/lxc/101/ns/init.scope", "101", "lxc"),
        Case("/lxc.monitor.web1"),
        Case("/lxc.payload.web1/docker/\(id)", id, "docker"),
        Case("/lxc"),
        // systemd-nspawn, and virtual machines, which are none.
        Case("/machine.slice/machine-deb\\x2d12.scope/payload", "deb-12", "systemd-nspawn"),
        Case(
            "/machine.slice/systemd-nspawn@web.service/payload/system.slice/sshd.service", "web", "systemd-nspawn",
            service: "sshd.service"),
        Case("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope"),
        Case("/machine.slice/machine-libpod_pod_\(other).slice"),
        // Units.
        Case("/"), Case(""), Case("/init.scope"), Case("/user.slice/user-1000.slice/session-3.scope"),
        Case("/system.slice/nginx.service", service: "nginx.service"),
        Case("/system.slice/system-getty.slice/getty@tty1.service", service: "getty@tty1.service"),
        Case("/system.slice/foo\\x2dbar.service", service: "foo-bar.service"),
        Case("/system.slice/bad\\x2.service", service: "bad\\x2.service"),
        Case("/system.slice/_tasks.service", service: "tasks.service"),
        Case(
            "/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", service: "foo.service"),
        Case("/system.slice/foo.service/worker", service: "foo.service"),
        Case("/system.slice/.service"),
        // A folder of 64 digits is a container wherever it lies; one digit less is not.
        Case("/actions_job/\(id)", id, nil),
        Case("/docker/\(id.dropLast())"),
        Case("/docker/\(id.uppercased())"),
        Case("/system.slice/docker-\(id.dropLast())g.scope"),
    ]

    @Test("the path names container, pod and unit", arguments: cases)
    func paths(expected: Case) {
        let identity = CgroupIdentity(path: expected.path)
        #expect(identity.containerID == expected.container)
        #expect(identity.containerRuntime == expected.runtime)
        #expect(identity.podUID == expected.pod)
        #expect(identity.serviceName == expected.service)
    }

    @Test func hostilePathsDoNotTrap() {
        for path in [
            "////", ":::", "\\x\\x2\\x2d.service", "docker-", "pod", "-pod.slice", "kubepods-pod.slice", "lxc/",
            ".scope",
            "machine.slice/.scope", "machine.slice/machine-.scope", "a\0b.service", "systemd-nspawn@.service",
            "_.service",
            String(repeating: "kubepods-pod", count: 2_000) + ".slice", String(repeating: "/lxc", count: 2_000),
        ] {
            _ = CgroupIdentity(path: path)
        }
    }
}
