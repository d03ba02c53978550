"""The container image and what starts it: validated against the published schemas, built by buildah, and run by crun."""
import copy
import hashlib
import json
import os
import pathlib
import re
import subprocess
import unittest

import jsonschema
import yaml

import programs
import recording
from programs import Case, DEBIAN, PACKAGING, ROOT, program, run

IMAGE = pathlib.Path(os.environ.get("IMAGE_LAYOUT", ROOT / ".build/image"))
BINARY = pathlib.Path(os.environ.get("BLOCKWATCH_STATIC", ROOT / ".build-static/release/blockwatch"))
SCHEMAS = DEBIAN / "usr/share/gocode/src/github.com/opencontainers/image-spec/schema"
CAPABILITIES = {"BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"}


def daemonset() -> dict:
    return yaml.safe_load((PACKAGING / "container/daemonset.yaml").read_text())


class Layout(Case):
    def forget_ids(self, part) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("id"), str):
                del part["id"]
            part = list(part.values())
        for one in part if isinstance(part, list) else []:
            self.forget_ids(one)

    def validate(self, value, schema: str) -> None:
        """Against a schema of the OCI image specification; its parts name each other by file."""
        # the ids are addresses of the web: without them the files are found where they lie
        parts = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
        for part in parts.values():
            self.forget_ids(part)
        store = {f"file:///{name}": part for name, part in parts.items()}
        main = parts[schema]
        resolver = jsonschema.RefResolver(f"file:///{schema}", main, store=store)
        jsonschema.Draft4Validator(main, resolver=resolver).validate(value)

    def blob(self, descriptor: dict) -> bytes:
        data = (IMAGE / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
        self.assertEqual(descriptor["digest"], "sha256:" + hashlib.sha256(data).hexdigest())
        self.assertEqual(descriptor["size"], len(data))
        return data

    def test_it_is_an_image_layout_by_the_specification(self):
        self.validate(json.loads((IMAGE / "oci-layout").read_text()), "image-layout-schema.json")
        index = json.loads((IMAGE / "index.json").read_text())
        self.validate(index, "image-index-schema.json")
        manifest = json.loads(self.blob(index["manifests"][0]))
        self.validate(manifest, "image-manifest-schema.json")
        config = json.loads(self.blob(manifest["config"]))
        self.validate(config, "config-schema.json")
        self.assertEqual(config["rootfs"]["diff_ids"], [layer["digest"] for layer in manifest["layers"]])
        for layer in manifest["layers"]:
            self.blob(layer)
        spoiled = copy.deepcopy(manifest)
        spoiled["config"]["digest"] = "nothing"
        with self.assertRaises(jsonschema.ValidationError):
            self.validate(spoiled, "image-manifest-schema.json")

    def test_it_is_the_same_bytes_each_time(self):
        run("python3", ROOT / "tools/image-layout", BINARY, self.folder / "again")
        self.assertEqual((self.folder / "again/index.json").read_text(), (IMAGE / "index.json").read_text())

    def test_a_binary_that_needs_libraries_is_refused(self):
        with self.assertRaisesRegex(AssertionError, "needs libraries"):
            run("python3", ROOT / "tools/image-layout", "/bin/true", self.folder / "bad")

    def test_it_holds_the_binary_and_its_licence_and_nothing_else(self):
        run(program("umoci"), "unpack", "--image", f"{IMAGE}:latest", self.folder / "bundle")
        rootfs = self.folder / "bundle/rootfs"
        self.assertEqual(sorted(path.name for path in rootfs.iterdir()), ["LICENSE", "blockwatch"])
        self.assertEqual((rootfs / "blockwatch").read_bytes(), BINARY.read_bytes())

    def test_skopeo_reads_it(self):
        policy = self.folder / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        run(program("skopeo"), "--policy", policy, "copy", f"oci:{IMAGE}:latest", f"dir:{self.folder}/copy")
        self.assertEqual(json.loads(run(program("skopeo"), "inspect", f"oci:{IMAGE}:latest"))["Architecture"], os.uname().machine.replace("x86_64", "amd64").replace("aarch64", "arm64"))


class Built(Case):
    """buildah, with the Containerfile as it stands."""

    def test_the_containerfile_makes_the_same_files(self):
        context = self.folder / "context"
        (context / ".build-static/release").mkdir(parents=True)
        os.link(BINARY, context / ".build-static/release/blockwatch") if os.stat(BINARY).st_dev == os.stat(context).st_dev else \
            (context / ".build-static/release/blockwatch").write_bytes(BINARY.read_bytes())
        (context / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
        policy = self.folder / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        registries = self.folder / "registries.conf"
        registries.write_text("")
        buildah = [program("buildah"), "--root", self.folder / "root", "--runroot", self.folder / "run", "--storage-driver", "vfs", "--registries-conf", registries]
        run(*buildah, "bud", "--isolation", "chroot", "--signature-policy", policy, "--timestamp", "0", "--tag", "blockwatch", "--file", PACKAGING / "container/Containerfile", context)
        run(*buildah, "push", "--signature-policy", policy, "blockwatch", f"oci:{self.folder}/image:latest")
        run(program("umoci"), "unpack", "--image", f"{self.folder}/image:latest", self.folder / "bundle")
        rootfs = self.folder / "bundle/rootfs"
        self.assertEqual(sorted(path.name for path in rootfs.iterdir()), ["LICENSE", "blockwatch"])
        self.assertEqual((rootfs / "blockwatch").read_bytes(), BINARY.read_bytes())
        self.assertEqual((rootfs / "blockwatch").stat().st_mode & 0o777, 0o755)
        made = json.loads((self.folder / "bundle/config.json").read_text())
        self.assertEqual(made["process"]["args"], ["/blockwatch"])


class Run(Case):
    """crun starts the image as the DaemonSet asks for it: host's PIDs, four capabilities, a root that is read-only."""

    def bundle(self, capabilities: set[str], arguments: list[str]) -> pathlib.Path:
        run(program("umoci"), "unpack", "--image", f"{IMAGE}:latest", self.folder / "bundle")
        path = self.folder / "bundle/config.json"
        config = json.loads(path.read_text())
        names = sorted("CAP_" + name for name in capabilities)
        config["process"] |= {
            "terminal": False, "args": ["/blockwatch", *arguments], "noNewPrivileges": True, "rlimits": [],
            "capabilities": {kind: names for kind in ["bounding", "effective", "permitted"]},
        }
        config["root"]["readonly"] = True
        # no pid namespace of its own: the host's; no network either
        config["linux"]["namespaces"] = [{"type": kind} for kind in ["mount", "ipc", "uts", "network"]]
        for name in ["resources", "seccomp", "cgroupsPath"]:
            config["linux"].pop(name, None)
        (self.folder / "metrics").mkdir()
        config["mounts"] = [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/sys", "type": "bind", "source": "/sys", "options": ["rbind", "ro", "nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/metrics", "type": "bind", "source": str(self.folder / "metrics"), "options": ["bind", "rw"]},
        ]
        path.write_text(json.dumps(config))
        return path.parent

    def container(self, capabilities: set[str], arguments: list[str], within: tuple = (), **more) -> subprocess.Popen:
        bundle = self.bundle(capabilities, arguments)
        # crun refuses hosts with both versions of cgroups: in a mount namespace of its own it sees one
        crun = [program("crun"), "--root", self.folder / "crun", "--cgroup-manager=disabled", "run", "--bundle", bundle, f"blockwatch-{os.getpid()}"]
        prelude = '[ ! -d /sys/fs/cgroup/unified ] || umount /sys/fs/cgroup/unified; exec "$@"'
        return self.start("unshare", "--mount", "--propagation", "private", *within, "sh", "-c", prelude, "sh", *crun, **more)

    def test_it_sees_the_hosts_processes_with_four_capabilities(self):
        container = daemonset()["spec"]["template"]["spec"]["containers"][0]
        asked = set(container["securityContext"]["capabilities"]["add"])
        arguments = [word for word in container["args"] if word != "5s"]
        arguments.insert(arguments.index("--threshold") + 1, "500ms")
        out = (self.folder / "out").open("wb")
        self.addCleanup(out.close)
        with recording.Hangs(["deadlock-flock", "fifo-open-read", "mutex"]) as hangs:
            self.container(asked, arguments, stdout=out)

            def told():
                return [json.loads(line) for line in self.text("out").split(b"\n")[:-1]]
            reasons = lambda: {record.get("reason") for record in told()}
            self.eventually("the hangs", lambda: {"cycle", "peer_gone", "lock_held"} <= reasons())
            pids = {record["process"]["pid"] for record in told() if "process" in record}
            self.assertTrue({child.pid for child in hangs.children} & pids, "the host's own numbers")
        started = told()[0]
        self.assertEqual(set(started["blockwatch"]["capabilities"]), {"CAP_" + name for name in asked})
        gaps = {gap for record in told() for gap in record.get("unresolved", []) if gap.endswith("=not_permitted")}
        self.assertEqual(gaps, set())
        self.eventually("its metrics on the host", lambda: self.text("metrics/blockwatch.prom"))

    def test_it_says_the_hosts_name_and_id_and_users_though_the_image_has_no_etc(self):
        # what stands for the host is a PID namespace: whether the first process of a machine may be looked at is up to that machine
        namespace = ("--pid", "--fork", "--kill-child", "--mount-proc")
        self.container(CAPABILITIES, ["--threshold", "500ms", "--all", "--scope", "namespace", "--output", "/metrics/log"], within=namespace)
        told = lambda: [json.loads(line) for line in self.text("metrics/log").split(b"\n")[:-1]]
        waiting = self.eventually("whoever waits for the container", lambda: [record for record in told() if "process" in record])[0]
        self.assertEqual(waiting["process"]["user"].get("name"), "root")
        self.assertEqual(waiting["host"]["name"], pathlib.Path("/etc/hostname").read_text().strip())
        self.assertNotEqual(waiting["host"]["name"], "umoci-default", "the container's own")
        self.assertEqual(waiting["host"].get("id"), pathlib.Path("/etc/machine-id").read_text().strip())

    def test_without_one_of_them_it_says_which(self):
        container = self.container(CAPABILITIES - {"BPF"}, ["--duration", "1s"], stdout=subprocess.DEVNULL)
        self.assertEqual(container.wait(60), 77)
        self.assertIn(b"CAP_BPF", self.text("unshare.stderr"))


class Names(Case):
    """A cgroup as a kubelet makes it, and the folders of logs that it keeps: no kubelet runs here."""

    UID, ID = "8a1b2c3d-0000-4000-8000-%012x" % os.getpid(), hashlib.sha256(str(os.getpid()).encode()).hexdigest()

    def folder_of_host(self, path: str) -> pathlib.Path:
        """Made, with what is missing above it, and gone afterwards."""
        made = pathlib.Path(path)
        for parent in [*reversed(made.parents), made]:
            if not parent.exists():
                parent.mkdir()
                # of a cgroup: the kernel needs a moment after its last process
                self.addCleanup(lambda parent=parent: self.eventually(f"the end of {parent}", lambda: self.removed(parent), 10))
        return made

    def removed(self, folder: pathlib.Path) -> bool:
        try:
            folder.rmdir()
            return True
        except OSError:
            return False

    def test_a_call_of_a_pod_says_how_pod_and_container_are_called(self):
        root = "/sys/fs/cgroup"
        if not os.path.exists(root + "/cgroup.controllers"):
            root += "/unified" if os.path.exists(root + "/unified/cgroup.procs") else "/pids"
        cgroup = self.folder_of_host(f"{root}/kubepods/burstable/pod{self.UID}/{self.ID}")
        self.folder_of_host(f"/var/log/pods/shop_web-x2x9z_{self.UID}")
        link = self.folder_of_host("/var/log/containers") / f"web-x2x9z_shop_nginx-proxy-{self.ID}.log"
        link.symlink_to("/nowhere")
        self.addCleanup(link.unlink)
        # no descriptor of a pipe: it waits for a FIFO that nobody writes to
        os.mkfifo(self.folder / "fifo")
        child = self.start("/bin/sh", "-c", f'echo $$ > "{cgroup}/cgroup.procs" && exec cat "{self.folder}/fifo"')
        self.start(programs.BLOCKWATCH, "--threshold", "500ms", "--pid", child.pid, "--output", self.folder / "log")
        told = self.eventually("the hang", lambda: [json.loads(line) for line in self.text("log").split(b"\n") if b'"blocked"' in line])[0]
        self.assertEqual(told["container"], {"id": self.ID, "name": "nginx-proxy"})
        self.assertEqual(told["k8s"], {"pod": {"uid": self.UID, "name": "web-x2x9z"}, "namespace": {"name": "shop"}})
        # its cgroup can be removed once it is empty
        self.end(child)


class Manifests(Case):
    def test_the_daemonset_is_valid_by_the_published_schemas(self):
        validate = ROOT / ".build/shippers-venv/bin/kubernetes-validate"
        path = PACKAGING / "container/daemonset.yaml"
        for version in ["1.30", "1.37"]:
            run(validate, "--strict", "-k", version, path)
        spoiled = self.folder / "spoiled.yaml"
        spoiled.write_text(path.read_text().replace("hostPID: true", "hostPid: true"))
        with self.assertRaises(AssertionError):
            run(validate, "--strict", "-k", "1.37", spoiled)

    def test_the_daemonset_asks_for_no_more_than_it_needs(self):
        pod = daemonset()["spec"]["template"]["spec"]
        self.assertTrue(pod["hostPID"])
        self.assertEqual([pod.get("hostNetwork"), pod.get("hostIPC"), pod["automountServiceAccountToken"]], [None, None, False])
        container, = pod["containers"]
        security = container["securityContext"]
        self.assertEqual(set(security["capabilities"]["add"]), CAPABILITIES)
        self.assertEqual(security["capabilities"]["drop"], ["ALL"])
        self.assertTrue(security["readOnlyRootFilesystem"])
        self.assertNotIn("privileged", security)
        self.assertIn("memory", container["resources"]["limits"])

    def test_the_compose_file_is_valid_by_the_published_schema_and_asks_for_the_same(self):
        service = yaml.safe_load((PACKAGING / "container/compose.yaml").read_text())
        schema = json.loads((DEBIAN / "usr/lib/python3/dist-packages/compose/config/compose_spec.json").read_text())
        jsonschema.validate(service, schema)
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({"services": {"x": {"read_onyl": True}}}, schema)
        one = service["services"]["blockwatch"]
        self.assertEqual(set(one["cap_add"]), CAPABILITIES)
        self.assertEqual((one["pid"], one["read_only"], one["cap_drop"]), ("host", True, ["ALL"]))


if __name__ == "__main__":
    unittest.main()
