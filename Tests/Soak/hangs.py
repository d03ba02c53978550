"""The planted hangs: what each mode of Tests/EndToEnd/Programs/hang must be told as, and how it is ended."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import Callable

import processes

NOT_PLANTED = {
    # storms, helpers, and modes whose every call returns in time
    "fork-storm", "debugger", "idle", "crossing", "duty-cycle", "fault-loop", "spin", "ppoll-eintr-loop", "many-threads",
    "many-pipes",
    # busy, or coming and going: ExplainForTests
    "retry-connect", "retry-connect-logging", "spin-again", "spin-poll", "spin-without-calls",
    "spin-in-one-thread", "missing-file", "epoll-unread", "epoll-ticking", "copy-bytes",
    "restart-worker", "crash-worker", "end-on-signal", "rename-on-signal",
    # what they say of themselves is not what a record of them says: VerdictTests
    "poll-pair", "rwlock-shared-read-by",
    # faults that whoever looks at the host feels: FaultTests makes those alone
    "fuse-dead", "mmap-lock", "userfaultfd-epoll",
}  # fmt: skip

TOLD_AS = {
    "deadlock cycle, deadlock": "deadlock-flock deadlock-leaderless deadlock-mutex deadlock-self-mutex deadlock-three "
    "deadlock-wait-stdin flock-self io-uring-circle poll-circle",
    "stuck connect_backlog_full, process": "tcp-backlog-full-connect unix-connect-backlog",
    "stuck connect_unanswered, remote": "netns-connect poll-connect tcp-connect",
    "stuck kernel_stuck, process": "fuse-flush-exit fuse-flush-kill fuse-read fuse-read-cached fuse-write-lock",
    "stuck kernel_stuck, unknown": "userfaultfd-page userfaultfd-read",
    "stuck lock_held, process": "deadlock-with-alarm deleted-file-lock flock lock-queue lock-taker-died many-waiters mutex-shared "
    "mutex-shared-timed rwlock-shared-read rwlock-shared-write "
    "ofd-lock posix-lock posix-lock-seek-cur sem-held shared-lock",
    "stuck lock_held, thread": "mutex mutex-adaptive mutex-errorcheck mutex-other-namespace mutex-pi mutex-recursive mutex-robust "
    "rwlock-read "
    "rwlock-write",
    "stuck owner_gone, nobody": "mutex-forked sem-dead",
    "stuck not_accepted, process": "tcp-read tcp-write tcp6-read",
    "stuck peer_gone, nobody": "dead-leader fd-2000 fifo-open-read int80-read longjmp-out pipe-read pipe-write read-until-signal "
    "restart-sigaltstack restart-timer sendfile splice unix-abstract-read unix-dgram-recv unix-named-read "
    "unix-stream-read",
    "stuck peer_stuck, process": "chain-three tcp-chain",
    "stuck send_stalled, process": "tty-write-ctrl-s tty-write-stopped",
    "stuck send_stalled, network": "tcp-reply-lost",
    "stuck stopped, process": "ptrace-entry-stop stopped",
    "busy peer_busy, process": "two-writers",
    "waiting peer_sleeping, process": "shared-table",
    "waiting reply_pending, process": "unix-unanswered epoll-silent-server io-uring-silent-server poll-asks-again "
    "peer-in-other-namespace",
    "waiting unknown, unknown": "io-uring-worker msgrcv peer-in-flight seccomp-notify seccomp-notify-continue seccomp-notify-getppid semop "
    "socketcall-recv",
    "idle awaiting_request": "udp-recv udp-recvmsg",
    "idle awaiting_child, process": "pidfd-poll vfork wait4 wait4-nested waitid-pidfd",
    "idle awaiting_child, thread": "join",
    "idle awaiting_input": "device-read inotify-read netlink-recv pause pty-read secrets signalfd-read sigsuspend "
    "sigtimedwait x32-number zombie",
    "idle event_loop": "epoll-idle-server epoll-wait poll ppoll pselect select",
    "idle listening": "accept4 tcp-accept unix-named-accept",
    "idle awaiting_request, process": "unix-server-at-rest",
    "idle parked, process": "exec-from-thread fd-closed-while-blocked fd-reused-while-blocked group-exit "
    "second-thread weird-thread-name",
    "idle parked, nobody": "eventfd-read fifo-read io-uring-enter long-path mq-receive namespaces poll-renewed "
    "poll-simple weird-names",
    "idle parked": "condition-wait futex-foreign futex-wait",
    "idle peer_idle, process": "peer-passed-on",
    "idle timer": "clock-nanosleep nanosleep timerfd-read",
}
"""Verdict, reason, and what kind of root, by docs/verdicts.md: the modes."""

EXPECTED = {mode: told.partition(", ") for told, modes in TOLD_AS.items() for mode in modes.split()}


def modes_of(program: str) -> list[str]:
    """The modes of `hang` or `hang32` that hang. ValueError: one that nobody has said how it must be told."""
    said = subprocess.run([program, "list"], capture_output=True, text=True, check=True).stdout
    modes = [line.split()[0] for line in said.splitlines() if line.split()[0] not in NOT_PLANTED]
    unknown = [mode for mode in modes if mode not in EXPECTED]
    if unknown:
        raise ValueError(f"Tests/Soak/hangs.py does not say how these modes of {program} must be told: {unknown}")
    return modes


def get(record: dict, path: str):
    """The value at `process.thread.id`, or None."""
    value = record
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


def threads_in_deadlock(says: dict) -> set[int]:
    """Of the deadlock that a program says it is in; empty: it is in none."""
    return {says[f"member_{index}"] for index in range(says.get("members_count", 0))}


SAID_AND_TOLD = {
    "pid": "process.pid",
    "kind": "resource.kind",
    "fd": "resource.fd",
    "inner_pid": "process.namespace.pid",
    "holder_pid": "holder.pid",
    "owner_tid": "holder.tid",
    "holder_count": "holder.count",
    "root_pid": "root.pid",
    "local_port": "network.local.port",
    "peer_port": "network.peer.port",
    "state": "network.state",
    "peer_inode": "network.peer.inode",
    "lock": "lock.type",
    "lock_mode": "lock.mode",
    "filesystem": "file.filesystem",
}
OF_THE_CALL = {"syscall": "syscall.name", "number": "syscall.number", "abi": "syscall.abi"}


def differences(mode: str, says: dict, record: dict) -> list[str]:
    """What a record of a planted thread has wrong."""
    verdict, _, root = EXPECTED[mode]
    wanted = dict(zip(("verdict", "reason"), verdict.split()))
    wanted["root.kind"] = root or None
    pairs = SAID_AND_TOLD | (OF_THE_CALL if says["syscall"] != "none" else {})
    wanted |= {path: says[key] for key, path in pairs.items() if key in says}
    return [
        f"{path} is {get(record, path)!r}, not {value!r}" for path, value in wanted.items() if get(record, path) != value
    ]


# ---- how a call is let go, where somebody other than SIGKILL can


def _signal(hang: "Hang") -> None:
    os.kill(hang.says["pid"], signal.SIGUSR1)


def _kill(key: str) -> Callable[["Hang"], None]:
    return lambda hang: os.kill(hang.says[key], signal.SIGKILL)


def _open_fifo(hang: "Hang") -> None:
    os.close(os.open(hang.says["path"], os.O_WRONLY | os.O_NONBLOCK))


def _write_fifo(hang: "Hang") -> None:
    fifo = os.open(hang.says["path"], os.O_WRONLY | os.O_NONBLOCK)
    os.write(fifo, b"x")
    os.close(fifo)


def _connect(hang: "Hang") -> None:
    with socket.socket() as client:
        client.settimeout(1)
        client.connect(("127.0.0.1", hang.says["local_port"]))


def _connect_unix(hang: "Hang") -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        client.connect(hang.says["path"])


def _send(hang: "Hang") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", hang.says["local_port"]))


def _create(hang: "Hang") -> None:
    (hang.folder / "watched" / "new").touch()


LET_GO: dict[str, tuple[Callable[["Hang"], None], str]] = {
    **dict.fromkeys(("read-until-signal", "longjmp-out", "signalfd-read", "sigtimedwait"), (_signal, "returned")),
    **dict.fromkeys(("group-exit", "exec-from-thread"), (_signal, "ended")),
    "fifo-open-read": (_open_fifo, "returned"),
    "fifo-read": (_write_fifo, "returned"),
    "inotify-read": (_create, "returned"),
    **dict.fromkeys(("tcp-accept", "accept4"), (_connect, "returned")),
    "unix-named-accept": (_connect_unix, "returned"),
    **dict.fromkeys(("udp-recv", "udp-recvmsg", "socketcall-recv"), (_send, "returned")),
    **dict.fromkeys(("wait4", "waitid-pidfd", "pidfd-poll"), (_kill("child_pid"), "returned")),
    "chain-three": (_kill("root_pid"), "returned"),
    **dict.fromkeys(
        ("flock", "deleted-file-lock", "posix-lock", "posix-lock-seek-cur", "ofd-lock", "lock-taker-died",
         "epoll-silent-server", "peer-passed-on", "peer-in-other-namespace", "tcp-chain"),
        (_kill("holder_pid"), "returned"),
    ),
}  # fmt: skip
"""What is done to let the call go on, and the record that must close it then."""


@dataclass
class Hang:
    """One program that hangs, from its start to the record that closes its call."""

    mode: str
    abi: str
    folder: pathlib.Path
    process: subprocess.Popen
    chance: float
    """0 to 1: how long it stays, and how it is ended."""
    says: dict | None = None
    said_at: float = 0
    records: list[dict] = field(default_factory=list)
    """Of its thread, since it said so."""
    told_at: float = 0
    """When the `blocked` of its call came; 0: not yet."""
    right_at: float = 0
    """When the first record of it came in which all is right."""
    id: str = ""
    ended_at: float = 0
    closing: tuple[str, ...] = ()
    closed_at: float = 0
    deadlock_told: bool = False
    given_up: bool = False

    @property
    def name(self) -> str:
        return f"{self.mode} ({self.abi}, thread {self.says['tid'] if self.says else '?'})"

    @property
    def is_over(self) -> bool:
        return self.given_up or bool(self.closed_at)


@dataclass
class Count:
    """Of one mode."""

    planted: int = 0
    found: int = 0
    closed: int = 0
    late: list[float] = field(default_factory=list)
    """Seconds past the threshold at which each was told right."""


class Planter:
    """Plants hangs at random moments, and holds what is told of them against what they say of themselves."""

    def __init__(self, loop, folder: pathlib.Path, programs: dict[str, str], threshold: float, limit: float, seed: int, fail):
        self.loop, self.folder, self.fail = loop, folder, fail
        self.programs, self.threshold, self.limit = programs, threshold, limit
        self.random = random.Random(seed)
        self.modes: dict[str, list[str]] = {}
        for abi, program in programs.items():
            for mode in modes_of(program):
                self.modes.setdefault(mode, []).append(abi)
        self.counts = {mode: Count() for mode in sorted(self.modes)}
        self.alive: list[Hang] = []
        self.by_thread: dict[int, Hang] = {}
        self.by_id: dict[str, Hang] = {}
        self.out_until = 0.0
        """Until when the probes on system calls were out."""
        self.corrected = self.let_go = self.abi32 = self.serial = 0
        self.closing_took: list[float] = []

    def schedule(self, start: float, window: float) -> None:
        """Each mode equally often, at least once, at random moments of `window` seconds."""
        rounds = max(1, int(window / len(self.modes)))
        for number in range(rounds):
            begin = start + number * window / rounds
            modes = list(self.modes)
            self.random.shuffle(modes)
            moments = sorted(self.random.uniform(0, window / rounds) for _ in modes)
            for mode, moment in zip(modes, moments):
                self.loop.at(begin + moment, self.plant, mode, self.random.choice(self.modes[mode]), self.random.random())

    def plant(self, mode: str, abi: str, chance: float) -> None:
        self.serial += 1
        folder = self.folder / f"hang-{self.serial}"
        folder.mkdir(mode=0o755)
        with open(folder.with_suffix(".stderr"), "wb") as errors:
            process = processes.start(
                [self.programs[abi], mode, folder], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
            )
        hang = Hang(mode, abi, folder, process, chance)
        self.alive.append(hang)
        self.counts[mode].planted += 1
        self.abi32 += abi == "i386"
        self.loop.lines(process.stdout, lambda line: self.hear(hang, line))
        self.loop.after(30, self.must_have_said, hang)

    def must_have_said(self, hang: Hang) -> None:
        if not hang.says and not hang.given_up:
            errors = hang.folder.with_suffix(".stderr").read_text(errors="replace").strip()
            self.fail("not planted", f"{hang.mode} ({hang.abi}) did not hang within 30 s; it says: {errors or 'nothing'}")
            self.give_up(hang)

    def hear(self, hang: Hang, line: bytes) -> None:
        """Its first line: it is about to block."""
        if hang.says or hang.given_up:
            return
        hang.says = json.loads(line)
        hang.said_at = time.monotonic()
        self.by_thread[hang.says["tid"]] = hang
        self.loop.after(self.threshold + self.limit, self.must_be_found, hang)

    # ---- what blockwatch says

    def take(self, record: dict, now: float) -> None:
        """Any record of a call or of a deadlock."""
        action = record["event"]["action"]
        if action == "deadlock":
            self.take_deadlock(record)
            return
        hang = self.by_thread.get(get(record, "process.thread.id"))
        if not hang or hang.is_over:
            return
        hang.records.append(record)
        if action in ("blocked", "still_blocked"):
            self.take_open(hang, record, now)
        elif hang.id and record["event"]["id"] == hang.id:
            self.take_closing(hang, record, now)

    def take_open(self, hang: Hang, record: dict, now: float) -> None:
        wrong = differences(hang.mode, hang.says, record)
        if not wrong and not hang.right_at:
            hang.id, hang.right_at = record["event"]["id"], now
            self.by_id[hang.id] = hang
            self.corrected += record["event"]["action"] == "still_blocked"
            # in time: else it was given up
            self.counts[hang.mode].found += 1
            self.counts[hang.mode].late.append(max(0.0, now - hang.said_at - self.threshold))
            # most are ended soon, one of twenty gets older than its first repetition
            stay = 0.2 + 2.5 * hang.chance if hang.chance < 0.95 else 15
            self.loop.at(now + stay, self.end, hang)
        elif wrong and record["event"]["id"] == hang.id and not hang.ended_at:
            self.fail("wrong", f"{hang.name} was told right, and then: {'; '.join(wrong)} in {json.dumps(record)}")

    def take_engine(self, engine: str, now: float) -> None:
        """The probes have come or gone."""
        self.out_until = float("inf") if engine == "scan" else now

    def take_deadlock(self, record: dict) -> None:
        if "parts" in record["event"]:
            return
        told = {member["tid"] for member in record.get("members", [])}
        for hang in self.alive:
            if hang.says and (hang.says["tid"] in told) and not hang.is_over:
                wanted = threads_in_deadlock(hang.says)
                if told != wanted:
                    self.fail("wrong", f"{hang.name}: a deadlock of {told}, where there is one of {wanted or 'nobody'}")
                hang.deadlock_told = True

    def take_closing(self, hang: Hang, record: dict, now: float) -> None:
        action = record["event"]["action"]
        # nobody saw how it ended
        closing = ("ended", "returned") if self.out_until >= hang.ended_at else hang.closing
        if not hang.ended_at:
            self.fail("wrong", f"{hang.name} is in its call, and was told as {action}: {json.dumps(record)}")
        elif action not in closing:
            self.fail("wrong", f"{hang.name} was closed by {action}, not by {' or '.join(closing)}: {json.dumps(record)}")
        else:
            self.counts[hang.mode].closed += 1
            self.closing_took.append(now - hang.ended_at)
        hang.closed_at = now
        self.clear(hang)

    def must_be_found(self, hang: Hang) -> None:
        if hang.is_over:
            return
        if hang.right_at:
            if threads_in_deadlock(hang.says) and not hang.deadlock_told:
                self.fail("missed", f"{hang.name}: no deadlock record of exactly {threads_in_deadlock(hang.says)}")
            return
        where = f"it says {json.dumps(hang.says)}; {processes.what_its_thread_does(hang.says['pid'], hang.says['tid'])}"
        if hang.records:
            last = next((one for one in reversed(hang.records) if "verdict" in one), hang.records[-1])
            wrong = "; ".join(differences(hang.mode, hang.says, last))
            self.fail("wrong", f"{hang.name}: {wrong} in {json.dumps(last)}; {where}")
        else:
            self.fail("missed", f"{hang.name} was not told within {self.threshold + self.limit:g} s; {where}")
        self.give_up(hang)

    # ---- its end

    def end(self, hang: Hang) -> None:
        if hang.is_over or hang.ended_at:
            return
        # a deadlock is told by a second look
        if threads_in_deadlock(hang.says) and not hang.deadlock_told and time.monotonic() < hang.right_at + self.limit:
            self.loop.at(time.monotonic() + 0.2, self.end, hang)
            return
        hang.ended_at = time.monotonic()
        hang.closing = ("ended", "returned")  # what a killed call shows first
        way_out = LET_GO.get(hang.mode) if int(hang.chance * 1000) % 2 else None
        if way_out:
            let_go, closing = way_out
            try:
                let_go(hang)
                hang.closing = (closing,)
                self.let_go += 1
            except OSError as error:
                self.fail("not planted", f"{hang.name} could not be let go: {error}")
                way_out = None
        if not way_out:
            self.kill(hang)
        self.loop.after(self.limit, self.must_be_closed, hang)

    def must_be_closed(self, hang: Hang) -> None:
        if not hang.is_over:
            self.fail(
                "not closed",
                f"{hang.name} was ended {self.limit:g} s ago and its call {hang.id} is not closed; "
                f"{processes.what_its_thread_does(hang.says['pid'], hang.says['tid'])}",
            )
            self.give_up(hang)

    def kill(self, hang: Hang) -> None:
        # a session of its own: nobody else is in its group
        with contextlib.suppress(ProcessLookupError):
            os.killpg(hang.process.pid, signal.SIGKILL)

    def give_up(self, hang: Hang) -> None:
        hang.given_up = True
        self.clear(hang)

    def clear(self, hang: Hang) -> None:
        self.kill(hang)
        self.loop.forget(hang.process.stdout)
        if hang.says and self.by_thread.get(hang.says["tid"]) is hang:
            del self.by_thread[hang.says["tid"]]
        self.by_id.pop(hang.id, None)
        self.alive.remove(hang)
        shutil.rmtree(hang.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            hang.folder.with_suffix(".stderr").unlink()

    def close(self) -> None:
        for hang in list(self.alive):
            self.give_up(hang)
