"""blockwatch itself, started, proven to watch, and stopped; and the hangs that prove it."""

from __future__ import annotations

import contextlib
import fcntl
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time

from . import processes
from .processes import BINARY, Conversation, Stream
from .table import BenchError

PATIENCE = 120
"""Seconds to end in: too slow is a figure, not the end of a run."""

FLOCK = "73 " if platform.machine() == "x86_64" else "32 "
"""Its number."""

THREAD = re.compile(rb'"thread":\{"id":(\d+)')


def thread_of(line: bytes) -> int | None:
    """The thread that a record is about."""
    found = THREAD.search(line)
    return int(found[1]) if found else None


def is_action(line: bytes, *actions: str) -> bool:
    return any(b'"action":"%s"' % action.encode() in line for action in actions)


class Crowd(Conversation):
    """Threads that block when told to: see bench/programs/crowd.c."""

    def __init__(self, *kinds: str, window: float = 0, is_random: bool = False, group: int = 1000):
        options = ["--window", round(window * 1000), "--group", group] + (["--random"] if is_random else [])
        super().__init__("crowd", *options, *kinds)
        self._expect("ready")

    def _expect(self, word: str) -> None:
        line = self.hear()
        if line != word:
            raise BenchError(f"crowd says {line} instead of {word}")

    def begin(self) -> None:
        self.say("go")

    def wait_until_in(self) -> None:
        self._expect("in")

    def seats(self) -> list[tuple[int, int, str, int]]:
        """Thread, process, kind, and when it was about to block (CLOCK_MONOTONIC, ns)."""
        self.say("tell")
        rows = []
        while (line := self.hear()) != "end":
            thread, process, kind, entry = line.split()
            rows.append((int(thread), int(process), kind, int(entry)))
        return rows


class Plants:
    """Hangs that are older than any threshold used: whoever watches reports them with its first look."""

    AGE = 5.5

    def __init__(self):
        self.crowd = Crowd("pipe:1", "lock:1")
        self.crowd.begin()
        self.crowd.wait_until_in()
        self.since = time.monotonic()
        self.threads = {kind: thread for thread, _, kind, _ in self.crowd.seats()}
        self.process = self.crowd.seats()[0][1]

    def wait_until_old(self) -> None:
        time.sleep(max(0, self.since + self.AGE - time.monotonic()))

    def replant(self) -> None:
        """New ones: tools that stop processes may have disturbed the old."""
        self.crowd.close()
        self.__init__()


def explain(pid: int) -> str:
    """What blockwatch says of a process when it is asked."""
    try:
        done = subprocess.run([BINARY, "explain", str(pid)], capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return "nothing within 20 s"
    return " ".join((done.stdout + done.stderr).split())[:1000]


class Watcher:
    """`blockwatch` with these options, writing NDJSON to a pipe that is read at once.

    Beginning fails if it does not report the planted hang, leaving the block ends it, and fails if it does not end well.
    `rate` is its --max-rate, None for the default: on a host with many hangs that would hold the planted one back.
    """

    def __init__(
        self, plants: Plants, *options: str, seconds: float = 30, debug: bool = False, rate: int | None = 1000000
    ):
        plants.wait_until_old()
        self.options = options
        self.ending_ns = 0
        self._where = ""
        self._log = tempfile.TemporaryFile()
        self.started_ns = time.monotonic_ns()
        more = (["--log-level", "debug"] if debug else []) + (["--max-rate", str(rate)] if rate else [])
        # what tracing costs is what is measured, unless the budget is
        if "--max-overhead" not in options:
            more += ["--max-overhead", "none"]
        self.process = processes.start(
            [BINARY, "--format", "ndjson", *more, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log
        )
        self.pid = self.process.pid
        self.stream = Stream(self.process.stdout.fileno())
        wanted = plants.threads["lock" if "flock" in options else "pipe"]
        found = self.stream.wait_for(lambda line: is_action(line, "blocked") and thread_of(line) == wanted, seconds)
        if not found:
            lines = self.stream.snapshot()
            threads = processes.what_its_threads_do(self.pid)
            self.stop()
            raise BenchError(
                f"blockwatch {' '.join(options)} did not report the planted hang of thread {wanted} within {seconds:g} s, "
                f"these figures would mean nothing; it wrote {len(lines)} lines and says: {self.log()[-500:] or 'nothing'}; "
                f"{threads}; blockwatch explain says: {explain(plants.process)}"
            )
        self.planted_ns = found[0]

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()

    def stop(self) -> None:
        """SIGTERM, and patience: how long it takes is `ending_ns`."""
        if self.process.poll() is None:
            start = time.monotonic_ns()
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._where = f"within {PATIENCE} s of SIGTERM, {processes.what_its_threads_do(self.pid)}"
            self.ending_ns = time.monotonic_ns() - start
        processes.stop(self.process, signal=9)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        ended = self.process.poll()
        self.stop()
        if self._where:
            print(f"bench: blockwatch {' '.join(self.options)} did not end {self._where}", file=sys.stderr)
        elif kind is None and (ended is not None or self.process.returncode != 0):
            raise BenchError(
                f"blockwatch {' '.join(self.options)} ended with {self.process.returncode}"
                f"{' by itself' if ended is not None else ''}: {self.log()[-500:] or 'it says nothing'}"
            )


def wait_until_in_flock(pid: int) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{pid}/syscall").read_text().startswith(FLOCK):
                return
        time.sleep(0.05)
    raise BenchError("flock(1) did not begin to wait within 30 s")


def prove_tracing(plants: Plants, *options: str, threshold: float) -> None:
    """A call that returns past the threshold must be reported with its result: the tracepoints are attached."""
    # this process has the lock, and its threads are at work: a wait for it would be told after a minute
    told = ("--all", "--busy-after", "1ms")
    with tempfile.NamedTemporaryFile() as lock, Watcher(plants, *told, *options) as watcher:
        since = len(watcher.stream.snapshot())
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiter = processes.start(["flock", lock.name, "true"])
        wait_until_in_flock(waiter.pid)
        time.sleep(threshold + 0.5)
        fcntl.flock(lock, fcntl.LOCK_UN)
        found = watcher.stream.wait_for(
            lambda line: is_action(line, "returned", "slow") and thread_of(line) == waiter.pid and b'"result":0' in line,
            30,
            since,
        )
        processes.stop(waiter)
        if not found:
            raise BenchError(
                f"blockwatch {' '.join(options)} did not see a planted flock return: its tracepoints are not attached"
            )
