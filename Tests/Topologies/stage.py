"""Plays topologies: starts their threads, and waits until each blocks in its last line."""

from __future__ import annotations

import contextlib
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import tempfile
import time

import topology as shapes

ROOT = pathlib.Path(__file__).resolve().parents[2]
ACTOR = pathlib.Path(os.environ.get("BLOCKWATCH_PROGRAMS", ROOT / ".build/programs")) / "actor"
PATIENCE = 5.0

# of x86_64
CALLS = {
    "read": {0}, "readv": {19}, "recv": {45}, "recvmsg": {47}, "write": {1}, "writev": {20}, "send": {44}, "sendmsg": {46},
    "poll": {7}, "ppoll": {271}, "select": {23, 270}, "pselect": {270}, "epoll": {232}, "epoll2": {232},
    "wait4": {61}, "waitid": {247}, "join": {202}, "condition": {202}, "semaphore": {202},
    "sleep": {35, 230}, "pause": {34}, "accept": {43}, "enter": {257},
}  # fmt: skip
LOCK_CALLS = {"flock": {73}, "posix": {72}, "ofd": {72}, "mutex": {202}, "rwlock": {202}}


class Unplayable(Exception):
    """A thread does not block where it should: the kernel, or the C library, knows better."""


class Play:
    """One topology on the stage."""

    def __init__(self, topology: dict):
        self.topology = topology
        self.folder = tempfile.mkdtemp(prefix="topology-")
        for place, thread in enumerate(topology["threads"]):
            if thread["does"]["how"] == "enter":
                os.mkfifo(f"{self.folder}/entry{place}")
        self.actor = subprocess.Popen(
            [ACTOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True
        )
        self.actor.stdin.write(shapes.scripts(topology, self.folder))
        self.actor.stdin.close()
        self.pids: dict[int, int] = {}
        self.tids: dict[int, int] = {}
        self.barrier = range(0)

    def wait(self) -> None:
        """Until everybody blocks; then those stop who are to be stopped."""
        try:
            self.hear()
            deadline = time.monotonic() + PATIENCE
            for place in self.tids:
                while not self.is_blocked(place):
                    if time.monotonic() > deadline:
                        raise Unplayable(f"thread {place} does not {self.topology['threads'][place]['does']}")
                    time.sleep(0.002)
            stopped = [at for at, made in enumerate(self.topology["processes"]) if made["stopped"]]
            for at in stopped:
                os.kill(self.pids[at], signal.SIGSTOP)
            for place in self.tids:
                while self.topology["threads"][place]["process"] in stopped and self.state(place) not in "TZ":
                    time.sleep(0.002)
            # that one comes to its wait may have ended another's
            if not self.is_still():
                raise Unplayable("somebody no longer waits")
        except (OSError, ValueError) as error:
            raise Unplayable(str(error)) from error

    def is_still(self) -> bool:
        processes = self.topology["processes"]
        return all(processes[self.topology["threads"][place]["process"]]["stopped"] or self.is_blocked(place) for place in self.tids)

    def waiting_threads(self) -> set[int]:
        return {tid for place, tid in self.tids.items() if self.topology["threads"][place]["does"]["how"] != "leave"}

    def hear(self) -> None:
        for line in self.actor.stdout:
            if line == "end\n":
                return
            if line.startswith("barrier"):
                start, length = map(int, line.split()[1:])
                self.barrier = range(start, start + length)
                continue
            script, pid, tid = map(int, line.split())
            if script:
                self.tids[script - 1] = tid
                self.pids[self.topology["threads"][script - 1]["process"]] = pid
        raise Unplayable(self.actor.stderr.read() or "the actor is gone")

    def state(self, place: int) -> str:
        return self.proc(place, "stat").rpartition(")")[2].split()[0]

    def proc(self, place: int, name: str) -> str:
        pid = self.pids[self.topology["threads"][place]["process"]]
        return pathlib.Path(f"/proc/{pid}/task/{self.tids[place]}/{name}").read_text()

    def is_blocked(self, place: int) -> bool:
        if self.topology["threads"][place]["does"]["how"] == "leave":
            return self.state(place) == "Z"
        if self.state(place) not in "SD":
            return False
        does = self.topology["threads"][place]["does"]
        words = self.proc(place, "syscall").split()
        if words[0] in ("running", "-1"):
            return False
        if platform.machine() != "x86_64":
            return True
        wanted = LOCK_CALLS[does["lock"]["on"]] if does["how"] == "lock" else CALLS[does["how"]]
        if int(words[0]) not in wanted:
            return False
        # the C library waits for ever at a word of its own where the kernel has seen a deadlock
        if does["how"] == "lock" and does["lock"].get("type") == shapes.INHERITING:
            return int(words[2], 16) & 0x7F in (6, 13)
        return int(words[0]) != 202 or int(words[1], 16) not in self.barrier


    def end(self) -> None:
        for pid in [*self.pids.values(), self.actor.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.actor.wait()
        self.actor.stdout.close()
        self.actor.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)
