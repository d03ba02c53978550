"""explain --for: what it adds to the calls of the process that it watches, and to those of all others."""

from __future__ import annotations

import contextlib
import pathlib
import re
import signal
import subprocess
import time

from support import peers, processes
from support.figures import nanoseconds, quantile, span
from support.loops import Loop, Readings, nothing
from support.processes import BINARY, all_cores_but_the_last
from support.table import BenchError, Row, Section, at_most

TITLE = "explain --for: time added to a call"

LOOPS = {"getppid": "getppid", "pread": "pread of 1 byte"}
MANY = {"getppid": (4000, 50), "pread": (4000, 50)}
FEW = {"getppid": (100, 20), "pread": (100, 20)}
ROW = re.compile(r"^ +\S+ +(\d+) .* (getppid|pread64)(?: |$)", re.MULTILINE)


def said_in_all(process, said: processes.Stream) -> str:
    """Interrupts a program, and waits for what it says then."""
    process.send_signal(signal.SIGINT)
    process.wait(30)
    time.sleep(0.1)
    text = b"\n".join(line for _, line in said.snapshot()).decode(errors="replace")
    processes.stop(process)
    return text


@contextlib.contextmanager
def explain(pid: int, calls: int):
    """`explain --for 600s PID`, broken off in the end; must have counted that many calls."""
    process = processes.start(
        [BINARY, "explain", "--for", "600s", str(pid)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said = processes.Stream(process.stdout.fileno())
    status = pathlib.Path(f"/proc/{process.pid}/status")
    deadline = time.monotonic() + 30
    # it watches once it has given up all other system calls
    while "Seccomp:\t2" not in status.read_text():
        if time.monotonic() > deadline or process.poll() is not None:
            raise BenchError("explain --for does not watch")
        time.sleep(0.01)
    time.sleep(0.3)
    try:
        yield process
    finally:
        text = said_in_all(process, said)
    counted = sum(int(count) for count, _ in ROW.findall(text))
    if counted < calls:
        raise BenchError(f"explain --for counted {counted} of {calls} calls: {text[:500]}")


@contextlib.contextmanager
def summing(command: list[str], wait: str | None, calls: int):
    """strace or perf trace that sums up: must show the calls in the end."""
    peers.need(command[0])
    process = processes.start(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = processes.Stream(process.stdout.fileno())
    if wait is None:
        time.sleep(1.5)  # it does not say when it is ready
    elif not said.wait_for(lambda line: wait.encode() in line, 5):
        raise peers.PeerError(f"{command[0]} did not attach within 5 s")
    try:
        yield process
    finally:
        text = said_in_all(process, said)
    counts = [int(word) for line in text.splitlines() if "getppid" in line for word in line.split() if word.isdigit()]
    # perf loses some in a burst
    if max(counts, default=0) < 0.99 * calls:
        raise BenchError(f"{command[0]} did not count {calls} calls: {text[:500]}")


def run(bench) -> Section:
    section = Section("explain_for", TITLE)
    rounds = 4 if bench.quick else 16
    readings = Readings()
    failures: dict[str, str] = {}
    with Loop() as loop, all_cores_but_the_last():
        pid = loop.pids[0]
        other = processes.start(["sleep", "3600"])
        states = {
            "nothing": (nothing, MANY),
            "watched": (lambda: explain(pid, 50 * 4000), MANY),
            "others": (lambda: explain(other.pid, 0), MANY),
            "strace -c": (lambda: summing(["strace", "-c", "-f", "-p", str(pid)], "attached", 20 * 100), FEW),
            "perf trace -s": (lambda: summing(["perf", "trace", "-s", "-p", str(pid)], None, 20 * 100), FEW),
        }
        names = list(states)
        for turn in range(rounds):
            bench.progress(f"round {turn + 1} of {rounds}")
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                start, counts = states[name]
                if name in failures:
                    continue
                try:
                    with start():
                        readings.take(loop, name, counts)
                except peers.PeerError as error:
                    failures[name] = str(error)
        processes.stop(other)
    bench.noise("bare getppid loop", readings.values("getppid", "nothing"))
    for name, title in LOOPS.items():
        bare = min(readings.values(name, "nothing"))
        ours = readings.added("watched", name)
        values = readings.values(name, "watched")
        spread = span(quantile(values, 0.25) - bare, quantile(values, 0.75) - bare, nanoseconds)
        for peer in ("strace -c", "perf trace -s"):
            if peer in failures:
                continue
            theirs = readings.added(peer, name)
            section.rows.append(
                Row(
                    f"{title}, of the watched process",
                    f"+{nanoseconds(ours)}",
                    spread,
                    f"{peer} +{nanoseconds(theirs)}",
                    ours / theirs,
                    **at_most(0.2, ours / theirs),
                )
            )
        aside = readings.added("others", name)
        section.rows.append(Row(f"{title}, of any other process meanwhile", f"+{nanoseconds(aside)}"))
    for tool, message in failures.items():
        section.rows.append(Row(f"beside {tool}", "", peer=f"{tool} cannot run here: {message}"))
    alone = ", ".join(f"{nanoseconds(min(readings.values(name, 'nothing')))} a {name}" for name in LOOPS)
    section.notes = [
        f"Minimum of {rounds} interleaved rounds of 50 chunks of 4,000 calls (beside the tools 20 of 100) on the last core, "
        f"the watcher elsewhere; the loops alone take {alone}. "
        "`strace -c -f -p PID`, `perf trace -s -p PID`. Every one of them had counted the calls in the end.",
        readings.note(),
    ]
    return section
