"""Several hosts on one kernel: each has a network, a PID, a mount and a UTS namespace of its own, a machine id, and its own blockwatch.

Network namespaces alone are not enough: one blockwatch would find the others' processes by itself, and nothing would be joined.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCKWATCH = os.environ.get("BLOCKWATCH_BINARY") or os.environ.get("BLOCKWATCH") or str(ROOT / ".build/release/blockwatch")
PATIENCE = 20.0

# the first process of a host: ends with whoever started it, and reaps what others leave behind
FIRST = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
sys.stdout.write("up\\n"); sys.stdout.flush()
while True:
    try: os.wait()
    except ChildProcessError: signal.pause()
"""


class Host:
    def __init__(self, fleet: "Fleet", name: str, address: str, machine: str | None):
        self.fleet, self.name, self.address = fleet, name, address
        self.recording = fleet.folder / f"{len(fleet.hosts)}-{name}.ndjson"
        self.children: list[subprocess.Popen] = []
        self.watcher: subprocess.Popen | None = None
        self.identity = hashlib.md5((machine or f"{name} {address}").encode()).hexdigest()
        file = fleet.folder / f"machine-id-{len(fleet.hosts)}"
        file.write_text(self.identity + "\n")
        script = f"hostname {name}; mount --bind {file} /etc/machine-id; ip link set lo up; exec /usr/bin/python3 -c \"$0\""
        self.first = subprocess.Popen(
            ["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", "sh", "-c", script, FIRST],
            stdout=subprocess.PIPE, start_new_session=True)
        if self.first.stdout.readline() != b"up\n":
            raise RuntimeError(f"host {name} does not come up")
        children = pathlib.Path(f"/proc/{self.first.pid}/task/{self.first.pid}/children").read_text().split()
        self.init = int(children[0])

    def inside(self, command: list[str]) -> list[str]:
        return ["nsenter", "--target", str(self.init), "--net", "--uts", "--mount", "--pid", *command]

    def run(self, *command: str) -> str:
        return subprocess.run(self.inside(list(command)), check=True, stdout=subprocess.PIPE, text=True).stdout

    def start(self, *command: str, **more) -> subprocess.Popen:
        child = subprocess.Popen(self.inside(list(command)), start_new_session=True, **{"stdin": subprocess.DEVNULL, **more})
        self.children.append(child)
        return child

    def watch(self, *options: str, threshold: str = "500ms") -> None:
        self.watcher = self.start(
            BLOCKWATCH, "watch", "--scope", "namespace", "--threshold", threshold, "--repeat", "1s", "--summary", "2s", "--format", "ndjson",
            "--output", str(self.recording), *options)

    def records(self) -> list[dict]:
        if not self.recording.exists():
            return []
        return [json.loads(line) for line in self.recording.read_bytes().split(b"\n")[:-1]]

    def hear(self, what: str, wanted) -> dict:
        """The first record that is wanted."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for record in self.records():
                if wanted(record):
                    return record
            time.sleep(0.05)
        raise AssertionError(f"{self.name} has not said: {what}; it said {[r['message'] for r in self.records()]}")

    def stop_watching(self) -> None:
        if self.watcher:
            # nsenter has forked: the program itself is its child, and gets the signal
            for pid in pathlib.Path(f"/proc/{self.watcher.pid}/task/{self.watcher.pid}/children").read_text().split():
                os.kill(int(pid), signal.SIGTERM)
            self.watcher.wait(PATIENCE)
            self.watcher = None

    def end(self) -> None:
        # nsenter stops with the program that it runs, and then nobody would reap that: the namespace would not go
        for child in self.children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.init, signal.SIGKILL)
        self.first.wait()
        self.first.stdout.close()
        for child in self.children:
            child.wait()
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream:
                    stream.close()


class Fleet:
    """Hosts at one switch, until the end of the block."""

    count = 0
    """A network namespace goes some time after its last process, and its links with it: each fleet has names of its own."""

    def __enter__(self) -> "Fleet":
        self.room = tempfile.TemporaryDirectory(prefix="blockwatch-fleet.")
        self.folder = pathlib.Path(self.room.name)
        self.folder.chmod(0o755)
        self.hosts: list[Host] = []
        Fleet.count += 1
        self.bridge = f"bw{os.getpid() % 10000}x{Fleet.count}"
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "link", "set", self.bridge, "up")
        return self

    def host(self, name: str, address: str, machine: str | None = None) -> Host:
        host = Host(self, name, address, machine)
        number = len(self.hosts)
        self.hosts.append(host)
        outer = f"{self.bridge}.{number}"
        run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", str(host.init))
        run("ip", "link", "set", outer, "master", self.bridge, "up")
        host.run("ip", "address", "add", f"{address}/16", "dev", "eth0")
        host.run("ip", "link", "set", "eth0", "up")
        return host

    def recordings(self) -> list[str]:
        return [str(host.recording) for host in self.hosts if host.recording.exists()]

    def __exit__(self, *_) -> None:
        for host in self.hosts:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                host.stop_watching()
        for host in self.hosts:
            host.end()
        run("ip", "link", "delete", self.bridge)
        self.room.cleanup()


def run(*command: str) -> None:
    subprocess.run(command, check=True)
