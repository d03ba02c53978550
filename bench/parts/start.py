"""From exec to the first record of a hang that is older than blockwatch, and to the end of one look."""

from __future__ import annotations

import signal
import subprocess
import time

from support import peers, processes
from support.figures import median, nanoseconds, span
from support.table import BenchError, Row, Section, at_most
from support.watcher import Crowd, Watcher

TITLE = "Cold start: from exec to the record of an old hang, or to the end of one look"
GOAL = 60e6
LOOK_GOAL = 100e6


def starts(bench, runs: int) -> list[int]:
    taken = []
    for _ in range(runs):
        with Watcher(bench.plants, "--threshold", "5s") as watcher:
            taken.append(watcher.planted_ns - watcher.started_ns)
    return taken


def strace_starts(bench, runs: int) -> list[int]:
    """The same from strace, which has to be told the process."""
    peers.need("strace")
    taken = []
    for _ in range(runs):
        start = time.monotonic_ns()
        process = processes.start(
            ["strace", "-f", "-p", bench.plants.process], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        said = processes.Stream(process.stderr.fileno())
        found = said.wait_for(lambda line: b"read(" in line or b"flock(" in line, 5)
        processes.stop(process, signal.SIGINT)
        if not found and not any(b"read(" in line or b"flock(" in line for _, line in said.snapshot()):
            raise BenchError("strace -f -p did not show the planted hang")
        if found:
            taken.append(found[0] - start)
    bench.plants.replant()
    return taken


def looks(command: list, wanted: str, runs: int) -> list[int]:
    """From before exec to its end; each must tell of the hung ones."""
    taken = []
    for _ in range(runs):
        start = time.monotonic_ns()
        done = subprocess.run(
            [str(processes.BINARY), *map(str, command)], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        taken.append(time.monotonic_ns() - start)
        if wanted not in done.stdout:
            raise BenchError(f"blockwatch {command[0]} (exit {done.returncode}) does not tell of {wanted}: {(done.stdout + done.stderr)[-300:]}")
    return taken


def row(
    what: str, taken: list[int], peer: str = "", peer_ns: float | None = None, goal: float = GOAL
) -> Row:
    worst = max(taken)
    return Row(
        what,
        f"{nanoseconds(median(taken))}, worst {nanoseconds(worst)}",
        span(min(taken), worst, nanoseconds),
        peer,
        median(taken) / peer_ns if peer_ns else None,
        **at_most(goal, worst, f"at most {nanoseconds(goal)}"),
    )


def run(bench) -> Section:
    section = Section("start", TITLE)
    runs = 4 if bench.quick else 10
    bench.progress(f"{runs} starts")
    ours = starts(bench, runs)
    others = strace_starts(bench, runs)
    if others:
        peer = f"strace -f -p of that process {nanoseconds(median(others))}"
        section.rows.append(row("this host", ours, peer, median(others)))
    else:
        section.rows.append(row("this host", ours))
    with Crowd("futex:10000") as crowd:
        crowd.begin()
        crowd.wait_until_in()
        bench.plants.wait_until_old()
        bench.progress(f"{runs} starts beside 10,000 threads")
        section.rows.append(row("with 10,000 parked threads", starts(bench, runs)))
    with Crowd("futex:1980", "pipe:20", group=2) as crowd:
        crowd.begin()
        crowd.wait_until_in()
        bench.plants.wait_until_old()
        bench.progress(f"{runs} looks beside 1,000 processes")
        hung = next(seat for seat in crowd.seats() if seat[2] == "pipe")
        # the threshold of a look is one second
        time.sleep(1.5)
        for command in (["snapshot"], ["explain", hung[1]]):
            taken = looks(command, f"crowd[{hung[1]}]" if command[0] == "explain" else "stopped", runs)
            section.rows.append(row(f"`{command[0]}` beside 1,000 processes, 20 threads hung", taken, goal=LOOK_GOAL))
    section.notes = [
        f"{runs} starts each, `--threshold 5s`, from before fork and exec until the line is read from a pipe; the program is "
        "in the page cache. Median and worst; the goal is held against the worst. Looks: 1,000 processes of three threads each, ten of "
        "which read pipes of ten stopped ones; from before fork and exec to the end of the program.",
    ]
    return section
