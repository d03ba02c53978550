"""Programs that a benchmark starts, and what they cost. All end with the benchmark, whatever happens."""

from __future__ import annotations

import atexit
import contextlib
import os
import pathlib
import subprocess
import threading
import time

from .table import BenchError

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".build" / "bench"
BINARY = pathlib.Path(os.environ.get("BLOCKWATCH") or ROOT / ".build/release/blockwatch").absolute()

_running: set[subprocess.Popen] = set()


def start(arguments, **options) -> subprocess.Popen:
    process = subprocess.Popen([str(argument) for argument in arguments], **options)
    _running.add(process)
    return process


def stop(process: subprocess.Popen, signal: int = 15, seconds: float = 10) -> None:
    """Ends a program that `start` started, and waits for it."""
    if process.poll() is None:
        process.send_signal(signal)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)  # one that hangs in the kernel dies later
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    _running.discard(process)


@atexit.register
def _stop_all() -> None:
    for process in list(_running):
        stop(process, signal=9)


def what_its_threads_do(pid: int) -> str:
    """State and kernel stack of each: where a process that does not go on is."""
    told = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            stack = (task / "stack").read_text().split("\n")
            state = (task / "stat").read_text().rpartition(")")[2].split()[0]
            frames = [frame.split()[-1].partition("+")[0] for frame in stack if frame]
            told.append(f"thread {task.name} {state} in {' '.join(frames[:3])}")
    return "; ".join(told)


class Conversation:
    """One of the programs of bench/programs, spoken to in lines."""

    def __init__(self, name: str, *arguments):
        self.name = name
        self.process = start(
            [TOOLS / name, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def say(self, line: str) -> None:
        try:
            self.process.stdin.write(line + "\n")
        except BrokenPipeError:
            raise BenchError(f"{self.name} has ended (exit code {self.process.wait()})") from None

    def hear(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise BenchError(f"{self.name} has ended (exit code {self.process.wait()})")
        return line.rstrip("\n")

    def ask(self, line: str) -> str:
        self.say(line)
        return self.hear()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        stop(self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Stream:
    """A program's output, read by a thread of its own: each line with the time it came at (CLOCK_MONOTONIC, ns)."""

    def __init__(self, descriptor: int):
        self.lines: list[tuple[int, bytes]] = []
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(descriptor,), daemon=True)
        self._thread.start()

    def _read(self, descriptor: int) -> None:
        rest = b""
        while True:
            try:
                chunk = os.read(descriptor, 1 << 20)
            except OSError:
                chunk = b""
            now = time.monotonic_ns()
            pieces = (rest + chunk).split(b"\n")
            rest = pieces.pop()
            with self._changed:
                self.lines += [(now, piece) for piece in pieces]
                self._ended = not chunk
                self._changed.notify_all()
            if not chunk:
                return

    def wait_for(self, is_wanted, seconds: float, since: int = 0) -> tuple[int, bytes] | None:
        """The first line from index `since` on that is wanted; None if it did not come in time."""
        deadline = time.monotonic() + seconds
        index = since
        while True:
            with self._changed:
                while index >= len(self.lines):
                    left = deadline - time.monotonic()
                    if left <= 0 or self._ended:
                        return None
                    self._changed.wait(left)
                batch = self.lines[index:]
            # not under the lock: the reader must keep up
            for line in batch:
                if is_wanted(line[1]):
                    return line
            index += len(batch)

    def snapshot(self) -> list[tuple[int, bytes]]:
        with self._changed:
            return list(self.lines)


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process since it began."""
    # clock_getcpuclockid(3)
    return time.clock_gettime_ns((~pid << 3) | 2)


def memory(pid: int) -> dict[str, int]:
    """Bytes: VmRSS, VmHWM and their like."""
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("Vm"):
            name, kilobytes, _ = line.replace(":", "").split()
            found[name] = int(kilobytes) * 1024
    return found


@contextlib.contextmanager
def all_cores_but_the_last():
    """What is started meanwhile does not run where `loop` does; on one core there is no elsewhere."""
    before = os.sched_getaffinity(0)
    last = os.sysconf("SC_NPROCESSORS_ONLN") - 1
    others = before - {last} or before
    os.sched_setaffinity(0, others)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
