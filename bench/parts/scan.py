"""One look at all threads of the host, beside an empty task iterator."""

from __future__ import annotations

import pathlib
import subprocess
import time

from support.figures import median, nanoseconds, quantile, span
from support.processes import TOOLS
from support.table import BenchError, Row, Section, at_most
from support.watcher import Crowd, Watcher

TITLE = "A look at all threads, 10,000 of them parked"


def host_threads() -> int:
    """Of all processes, kernel threads too: as the last field but one of /proc/loadavg counts them."""
    return int(pathlib.Path("/proc/loadavg").read_text().split()[3].split("/")[1])


def passes(pid: int, rounds: int) -> list[tuple[int, int]]:
    """CPU time of a pass of the empty iterator and of blockwatch's own, in ns."""
    command = [TOOLS / "iterate", TOOLS / "empty.bpf.o", str(pid), "scan", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(done.stderr.strip() or f"iterate ended with {done.returncode}")
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]


def run(bench) -> Section:
    section = Section("scan", TITLE)
    rounds = 30 if bench.quick else 150
    crowds = {"10,000 parked": ("futex:10000",), "9,000 parked, 1,000 hung reads": ("futex:9000", "pipe:1000")}
    for title, kinds in crowds.items():
        with Crowd(*kinds) as crowd:
            crowd.begin()
            crowd.wait_until_in()
            for engine in ("trace", "scan"):
                bench.progress(f"{title}, engine {engine}")
                with Watcher(bench.plants, "--engine", engine, "--threshold", "1s") as watcher:
                    time.sleep(5 if bench.quick else 10)  # judged, all of them
                    values = passes(watcher.pid, rounds)
                    threads = host_threads()
                least, ours = min(empty for empty, _ in values), min(mine for _, mine in values)
                ratios = [mine / empty for empty, mine in values]
                section.rows.append(
                    Row(
                        f"{title}, `--engine {engine}`",
                        f"{nanoseconds(ours)}, {nanoseconds(ours / threads)} a thread",
                        span(quantile(ratios, 0.25), quantile(ratios, 0.75)),
                        f"empty iterator {nanoseconds(least)}",
                        median(ratios),
                        **at_most(2.2, median(ratios)),
                    )
                )
    section.notes = [
        f"CPU time of whole passes of blockwatch's own iterator and program, opened by its link and read as blockwatch reads "
        f"it, in turn with passes of an empty one, {rounds} of each, 5 s or more after all threads were judged. The times are "
        "minima, the ratio is the median of the pairs' own; spread: their middle half.",
    ]
    return section
