"""Programs that the soak starts, what they do, and their end."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import heapq
import os
import pathlib
import platform
import selectors
import signal
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_started: dict[int, subprocess.Popen] = {}


def adopt_orphans() -> None:
    """What the programs leave behind becomes this process's child: seen, and ended with it."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl PR_SET_CHILD_SUBREAPER")


def start(arguments, cores: set[int] | None = None, **options) -> subprocess.Popen:
    """A program in a session of its own (Ctrl-C is the soak's alone), which ends when the soak is killed."""

    def prepare():
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if cores:
            os.sched_setaffinity(0, cores)

    process = subprocess.Popen(
        [str(argument) for argument in arguments], start_new_session=True, preexec_fn=prepare, **options
    )
    _started[process.pid] = process
    return process


def reap() -> None:
    """Ends of programs, and of whatever they left behind."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if not ended:
            return
        process = _started.pop(ended.si_pid, None)
        if process and process.returncode is None:
            process.poll()
        else:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(ended.si_pid, 0)


def stat_of(pid: int | str, tid: int | str | None = None) -> list[str]:
    """The fields of /proc/PID/stat from the state on (proc(5) counts it as 3). FileNotFoundError: it is gone."""
    path = f"/proc/{pid}/task/{tid}/stat" if tid else f"/proc/{pid}/stat"
    return pathlib.Path(path).read_text(errors="replace").rpartition(")")[2].split()


def started_at(pid: int) -> float:
    """When a process started, seconds since the epoch, right to 10 ms."""
    ticks = int(stat_of(pid)[19])
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def descendants() -> list[int]:
    """Everything that runs below this process."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                parents[int(entry)] = int(stat_of(entry)[1])
    found, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        grown = bool(more)
        found |= more
    return sorted(found - {os.getpid()})


def end_all(patience: float = 10) -> list[str]:
    """SIGKILL to whatever is left below this process.

    Returns what did not end within `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        reap()
        left = descendants()
        if not left or time.monotonic() > deadline:
            return [what_its_thread_does(pid, pid) for pid in left]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def what_its_thread_does(pid: int, tid: int) -> str:
    """State, call and kernel stack, for a message."""
    told = []
    folder = pathlib.Path(f"/proc/{pid}/task/{tid}")
    try:
        told.append(f"state {stat_of(pid, tid)[0]}")
        told.append(f"syscall {(folder / 'syscall').read_text().split()[0]}")
        told.append("in " + " ".join(line.split()[-1] for line in (folder / "stack").read_text().splitlines()[:4]))
    except OSError as error:
        told.append(error.strerror)
    return f"thread {tid} of {pid}: {', '.join(told)}"


# ---- BPF objects: who has which, and whether they are still there

_BPF_BY_ID = {"prog_id": 13, "map_id": 14, "link_id": 30}
_BPF = {"x86_64": 321, "aarch64": 280}.get(platform.machine(), 0)


def bpf_ids(pid: int) -> set[tuple[str, int]]:
    """Programs, maps and links that a process has open."""
    found = set()
    for file in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            for line in file.read_text().splitlines():
                key, _, value = line.partition(":")
                if key in _BPF_BY_ID and value.strip().isdigit() and int(value):
                    found.add((key, int(value)))
    return found


def bpf_open(kind: str, number: int) -> int | None:
    """A descriptor of one; None: there is none of that number."""
    attributes = (ctypes.c_uint32 * 32)(number)
    descriptor = _libc.syscall(_BPF, _BPF_BY_ID[kind], ctypes.byref(attributes), ctypes.sizeof(attributes))
    if descriptor < 0 and ctypes.get_errno() != errno.ENOENT:
        raise OSError(ctypes.get_errno(), f"bpf: {kind} {number}: {os.strerror(ctypes.get_errno())}")
    return descriptor if descriptor >= 0 else None


def bpf_exists(kind: str, number: int) -> bool:
    descriptor = bpf_open(kind, number)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None


class Loop:
    """Lines of programs and moments in time, one after the other."""

    HELD_UP = 0.3
    """Seconds that a moment may come late by, or take, before that counts."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.held_up = 0.0
        """Seconds in all in which this process did not get on: nor did others, so that limits must be longer."""
        self.moments: list = []
        self.serial = 0
        self.marked = time.monotonic()

    def at(self, when: float, action, *arguments) -> None:
        self.serial += 1
        heapq.heappush(self.moments, (when, self.serial, action, arguments))

    def after(self, seconds: float, action, *arguments) -> None:
        """So many seconds from now, in which this host is not held up."""
        self._after(time.monotonic(), seconds, self.held_up, action, arguments)

    def _after(self, start: float, seconds: float, held_up: float, action, arguments) -> None:
        due = start + seconds + self.held_up - held_up
        if time.monotonic() < due:
            self.at(due, self._after, start, seconds, held_up, action, arguments)
        else:
            action(*arguments)

    def lines(self, file, take, over=None) -> None:
        """Each line that comes; `over` when the last has come."""
        self.selector.register(file, selectors.EVENT_READ, [take, over, b""])

    def forget(self, file) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(file)
        file.close()

    def turn(self, until: float) -> None:
        """Whatever is due, and what comes before the next moment."""
        next_moment = min([until] + ([self.moments[0][0]] if self.moments else []))
        ready = self.selector.select(max(0, next_moment - time.monotonic()))
        self._mark(max(next_moment, self.marked))
        for key, _ in ready:
            # one that an earlier line has ended
            if not key.fileobj.closed:
                self._read(key)
        self._mark(self.marked)
        while self.moments and self.moments[0][0] <= time.monotonic():
            _, _, action, arguments = heapq.heappop(self.moments)
            action(*arguments)
            self._mark(self.marked)

    def _mark(self, since: float) -> None:
        """Nothing else was done since then, and nothing may take so long."""
        self.marked = time.monotonic()
        if self.marked - since > self.HELD_UP:
            self.held_up += self.marked - since

    def _read(self, key) -> None:
        take, over, rest = key.data
        chunk = os.read(key.fd, 1 << 20)
        *lines, key.data[2] = (rest + chunk).split(b"\n")
        for line in lines:
            take(line)
        if not chunk:
            rest = key.data[2]
            self.forget(key.fileobj)
            if over:
                over(rest)
