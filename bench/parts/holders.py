"""Finding the other ends of 10,000 blocked reads, beside lsof on the same host."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time

from support import peers, processes
from support.figures import nanoseconds
from support.table import BenchError, Row, Section
from support.watcher import Crowd, Watcher, is_action, thread_of

TITLE = "Who holds the other end of 10,000 pipes"
LOOK = re.compile(r"asked for (\d+) other ends: open files (\d+) us, threads (\d+) us")


def run(bench) -> Section:
    section = Section("holders", TITLE)
    count = 2000 if bench.quick else 10000
    rounds = 1 if bench.quick else 3
    with Crowd(f"pipe:{count}") as crowd:
        crowd.begin()
        crowd.wait_until_in()
        threads = {thread for thread, *_ in crowd.seats()}
        time.sleep(1.5)
        looks = []
        for turn in range(rounds):
            bench.progress(f"round {turn + 1} of {rounds}")
            looks.append(look(bench, threads))
        bench.progress("lsof -n")
        limit = 20 if bench.quick else 60
        peers.need("lsof")
        with tempfile.TemporaryFile() as listing:
            start = time.monotonic_ns()
            process = processes.start(["lsof", "-n"], stdin=subprocess.DEVNULL, stdout=listing, stderr=subprocess.DEVNULL)
            try:
                process.wait(limit)
            except subprocess.TimeoutExpired:
                pass
            took = time.monotonic_ns() - start
            is_whole = process.poll() is not None
            processes.stop(process, signal=9)
            listing.seek(0)
            lines = sum(1 for _ in listing)
    questions, files, others = min(looks, key=lambda one: one[1] + one[2])
    ours = (files + others) * 1000
    worst = max(one[1] + one[2] for one in looks) * 1000
    section.rows.append(
        Row(
            f"{questions} questions at once",
            f"{nanoseconds(ours)}: open files {nanoseconds(files * 1000)}, threads {nanoseconds(others * 1000)}",
            f"worst {nanoseconds(worst)}",
            f"lsof -n {nanoseconds(took)}" + ("" if is_whole else ", not done yet"),
            ours / took,
        )
    )
    section.notes = [
        f"{count} threads, each in a read of a pipe of its own whose writer is another process; blockwatch named the writer of "
        f"every one. Its figure is the dearest pass of a run, the best of {rounds} runs; "
        + (f"lsof listed {lines:,} lines." if is_whole else "lsof was stopped then."),
    ]
    return section


def look(bench, threads: set[int]) -> tuple[int, int, int]:
    """Questions, and microseconds for the open files and for the threads of their holders, of the dearest pass."""
    with Watcher(bench.plants, "--threshold", "1s", "--all", debug=True) as watcher:
        named: set[int] = set()

        def is_last(line: bytes) -> bool:
            if is_action(line, "blocked") and b'"relation":"writer"' in line and thread_of(line) in threads:
                named.add(thread_of(line))
            return len(named) == len(threads)

        if not watcher.stream.wait_for(is_last, 30):
            raise BenchError(f"blockwatch named the writers of only {len(named)} of {len(threads)} reads")
        found = [tuple(map(int, look)) for look in LOOK.findall(watcher.log())]
    if not found:
        raise BenchError("blockwatch did not say how long its passes took (--log-level debug)")
    return max(found, key=lambda one: one[0])
