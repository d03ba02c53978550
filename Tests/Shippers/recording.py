"""A stream that blockwatch really wrote, of programs that really hang; made once a run."""
import functools
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import programs

HANGS = [
    "pipe-read", "deadlock-flock", "chain-three", "poll-connect", "tcp-connect", "mutex", "stopped", "weird-names",
    "long-path", "secrets", "deadlock-mutex", "epoll-silent-server", "fifo-open-read", "lock-taker-died",
]
"""Each has something that a shipper can spoil: sets, holders, chains, odd names, lines near the limit."""


class Hangs:
    """These programs, hanging, until the end of the block."""

    def __init__(self, modes):
        self.modes = modes
        self.children: list[subprocess.Popen] = []

    def __enter__(self):
        for mode in self.modes:
            # a group of its own: many of them have children
            self.children.append(
                subprocess.Popen([programs.HANG, mode], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True))
        return self

    def __exit__(self, *_):
        for child in self.children:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()


@functools.cache
def lines() -> list[bytes]:
    """Of some seconds, from `started` to `stopped`."""
    with tempfile.TemporaryDirectory(prefix="blockwatch-test.") as folder:
        path = pathlib.Path(folder) / "log"
        with Hangs(HANGS):
            watcher = subprocess.Popen(
                [programs.BLOCKWATCH, "--threshold", "500ms", "--all", "--summary", "2s", "--held-sockets", "--output", path])
            try:
                end = time.monotonic() + programs.PATIENCE
                wanted = {"cycle", "lock_held", "connect_unanswered", "stopped", "peer_stuck", "reply_pending"}
                while True:
                    records = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []
                    if wanted <= {record.get("reason") for record in records} and any("usage" in r.get("blockwatch", {}) for r in records):
                        break
                    if time.monotonic() > end or watcher.poll() is not None:
                        raise AssertionError(f"not seen: {wanted - {record.get('reason') for record in records}}")
                    time.sleep(0.1)
            finally:
                watcher.terminate()
                watcher.wait(20)
        result = path.read_bytes().splitlines(keepends=True)
    assert json.loads(result[-1])["event"]["action"] == "stopped"
    return result
