"""The tools that blockwatch is measured beside. Each is started, proven to trace, and stopped."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from . import processes
from .table import BenchError


class PeerError(Exception):
    """This tool cannot run here; its message."""


BPFTRACE_SCRIPT = """
tracepoint:raw_syscalls:sys_enter { @start[tid] = nsecs; }
tracepoint:raw_syscalls:sys_exit /@start[tid]/ {
  $age = nsecs - @start[tid];
  delete(@start[tid]);
  if ($age > 300000000) { printf("%d %d\\n", tid, $age); }
}
"""

# Debian's bpftrace looks for the tracepoints below debugfs only: mounted where nobody else sees it.
IN_OWN_MOUNTS = (
    "[ -d /sys/kernel/debug/tracing/events ] || mount -t debugfs none /sys/kernel/debug || exit 1; "
    '[ -d /sys/kernel/debug/tracing/events ] || mount -t tracefs none /sys/kernel/debug/tracing || exit 1; exec "$@"'
)


def version(tool: str) -> str:
    """`strace 6.1`; the name alone if it does not say."""
    if not shutil.which(tool):
        return f"{tool} missing"
    flag = "-v" if tool == "lsof" else "--version"
    said = subprocess.run([tool, flag], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    found = re.search(r"(?:version|revision:|v)\s*v?(\d+\.[\w.]+)", said.stdout + said.stderr)
    return f"{tool} {found[1]}" if found else tool


def need(tool: str) -> None:
    if not shutil.which(tool):
        raise PeerError(f"{tool} is not installed")


def short_sleep() -> int:
    """A process that has been in one call for 0.5 s and has returned: every tool with a shorter limit shows it."""
    sleeper = processes.start(["sleep", "0.5"])
    sleeper.wait()
    processes.stop(sleeper)
    return sleeper.pid


@contextlib.contextmanager
def strace(pids: list[int], calls: int):
    """`strace -f -o FILE -p PID...`; must have written that many lines in the end."""
    need("strace")
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder, "trace")
        options = [word for pid in pids for word in ("-p", pid)]
        process = processes.start(
            ["strace", "-f", "-o", output, *options], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        said = processes.Stream(process.stderr.fileno())
        try:
            if not said.wait_for(lambda line: b"attached" in line, 5):
                message = b" ".join(line for _, line in said.snapshot()).decode(errors="replace")
                raise PeerError(f"strace: {message or 'did not attach within 5 s'}")
            yield process
        finally:
            processes.stop(process, signal.SIGINT)
        with output.open("rb") as lines:
            written = sum(1 for _ in lines)
        if written < calls:
            raise BenchError(f"strace wrote {written} lines of {calls} calls: it was not tracing")


@contextlib.contextmanager
def perf_trace():
    """`perf trace -a --duration 300`, calls of 300 ms and more; must have shown a sleep of 0.5 s in the end."""
    need("perf")
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder, "trace")
        process = processes.start(
            ["perf", "trace", "-a", "--duration", "300", "-o", output],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            time.sleep(1.5)  # it does not say when it is ready
            if process.poll() is not None:
                raise PeerError(f"perf trace: {process.stderr.read().decode(errors='replace').strip()[:200]}")
            sleeper = short_sleep()
            yield process
        finally:
            processes.stop(process, signal.SIGINT)
        if f"/{sleeper} " not in output.read_text(errors="replace"):
            raise BenchError("perf trace did not show a planted sleep: it was not tracing")


@contextlib.contextmanager
def bpftrace():
    """Entry and exit of all calls with a hash by thread, update and delete; must show a sleep of 0.5 s."""
    need("bpftrace")
    command = ["bpftrace", "-e", BPFTRACE_SCRIPT]
    if not os.path.isdir("/sys/kernel/debug/tracing/events"):
        command = ["unshare", "-m", "sh", "-c", IN_OWN_MOUNTS, "sh", *command]
    # an unbuffered stdout: lines come when they are printed
    process = processes.start(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "BPFTRACE_STRLEN": "64"},
    )
    said = processes.Stream(process.stdout.fileno())
    try:
        if not said.wait_for(lambda line: line.startswith(b"Attaching"), 15):
            raise PeerError("bpftrace: " + b" ".join(line for _, line in said.snapshot()).decode(errors="replace")[:300])
        time.sleep(0.5)  # it says so before it does
        sleeper = b"%d " % short_sleep()
        yield process
    finally:
        processes.stop(process, signal.SIGINT)
    # to a pipe it writes at its end
    if not said.wait_for(lambda line: line.startswith(sleeper), 5):
        raise BenchError("bpftrace did not show a planted sleep: it was not tracing")


@contextlib.contextmanager
def sampler(thread: int):
    """Once a second all threads by a task iterator, their state and call; must show the planted thread."""
    process = processes.start(
        [processes.TOOLS / "sample", processes.TOOLS / "sample.bpf.o"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    said = processes.Stream(process.stdout.fileno())
    planted = b"%d " % thread
    try:
        if not said.wait_for(lambda line: line.startswith(planted), 5):
            raise BenchError("sampling did not show the planted hang")
        yield process
        if not said.wait_for(lambda line: line.startswith(planted), 3, len(said.snapshot())):
            raise BenchError("sampling did not go on")
    finally:
        processes.stop(process)
