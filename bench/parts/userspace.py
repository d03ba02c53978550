"""What blockwatch itself takes on a host with 10,000 blocked threads, 1,000 of them reportable."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
import time

from support import peers, processes
from support.figures import mebibytes, nanoseconds, number
from support.processes import cpu_ns, memory
from support.table import BenchError, Row, Section, at_most
from support.watcher import Crowd, Watcher, is_action, thread_of

TITLE = "blockwatch's own processor time and memory: 10,000 blocked threads, 1,000 of them hung"
PARKED, HUNG = 9000, 1000
MEMORY_GOAL = 40 * 2**20


def run(bench) -> Section:
    section = Section("userspace", TITLE)
    warm, window = (5, 15) if bench.quick else (10, 60)
    with Crowd(f"futex:{PARKED}", f"pipe:{HUNG}") as crowd:
        crowd.begin()
        crowd.wait_until_in()
        time.sleep(bench.plants.AGE)  # old hangs, all of them
        seats = crowd.seats()
        hung = {thread for thread, _, kind, _ in seats if kind == "pipe"}
        looks = {}
        for engine in ("trace", "scan"):
            bench.progress(f"engine {engine}, {warm + window} s")
            looks[engine] = watch(bench, engine, hung, warm, window)
        said = []
        for engine, (first, later, used, written, lines, ending) in looks.items():
            name = f"`--engine {engine} --threshold 5s`"
            share = 100 * later / window / 1e9
            said.append(f"engine {engine} wrote {written} of {HUNG} hung calls, {lines:,} lines in all")
            section.rows += [
                Row(f"{name}: % of a core, {window} s from its start", f"{number(100 * first / window / 1e9)} %"),
                Row(
                    f"{name}: % of a core, {window} s after the first {warm} s",
                    f"{number(share)} %",
                    **at_most(1, share, "at most 1 %"),
                ),
                Row(
                    f"{name}: resident memory, VmRSS",
                    mebibytes(used["VmRSS"]),
                    f"peak (VmHWM) {mebibytes(used['VmHWM'])}",
                    **at_most(MEMORY_GOAL, used["VmRSS"], "at most 40 MB"),
                ),
                Row(f"{name}: from SIGTERM to its end", nanoseconds(ending), **at_most(2e9, ending, "at most 2 s")),
            ]
        section.rows += beside_peers(bench, seats, looks["trace"], window)
    bench.plants.replant()
    section.notes = [
        f"{PARKED} threads wait on conditions and {HUNG} read pipes whose writers are stopped, in processes of 1,000 threads. "
        "CPU time is that of all threads of blockwatch, looks, passes over the open files and loading the programs included "
        "(loading: the first figure only); `--max-rate 1000000`, so that all are written: "
        f"{'; '.join(said)}. lsof and strace were run once, after blockwatch, on the same threads.",
    ]
    return section


def watch(bench, engine: str, hung: set[int], warm: float, window: float):
    """CPU ns of the first window and of the one after the warm-up, memory in the end, hung calls and lines written, and
    ns from SIGTERM to its end."""
    with Watcher(bench.plants, "--engine", engine, "--threshold", "5s") as watcher:

        def cpu_at(seconds: float) -> int:
            time.sleep(max(0, watcher.started_ns / 1e9 + seconds - time.monotonic()))
            return cpu_ns(watcher.pid)

        after_warm = cpu_at(warm)
        first = cpu_at(window)
        last = cpu_at(warm + window)
        used = memory(watcher.pid)
        lines = [line for _, line in watcher.stream.snapshot()]
    written = len({thread_of(line) for line in lines if is_action(line, "blocked")} & hung)
    if written < 0.99 * len(hung):
        raise BenchError(f"blockwatch --engine {engine} wrote only {written} of {len(hung)} hung calls: this is not its work")
    return first, last - after_warm, used, written, len(lines), watcher.ending_ns


def beside_peers(bench, seats, ours, window) -> list[Row]:
    """One look of lsof at the host, and strace put on all of these threads."""
    first = f"its first {window} s: {nanoseconds(ours[0])} of CPU time"
    rows = []
    bench.progress("lsof -n")
    limit = 10 if bench.quick else 30
    peers.need("lsof")
    wall, cpu, is_whole, _ = timed(["lsof", "-n"], limit)
    text = f"lsof -n, one look: {nanoseconds(cpu)} of CPU time, {nanoseconds(wall)}"
    rows.append(Row("beside lsof", first, "" if is_whole else f"ended after {limit} s, not done", text, ours[0] / cpu))
    bench.progress("strace -f")
    leaders = sorted({process for _, process, _, _ in seats})
    words = [word for pid in leaders for word in ("-p", str(pid))]
    with tempfile.NamedTemporaryFile() as output:
        wall, cpu, _, shown = timed(["strace", "-f", "-o", output.name, *words], limit, lines=len(seats), output=output.name)
    text = f"strace -f, to show {shown} of {len(seats)} calls: {nanoseconds(cpu)} of CPU time, {nanoseconds(wall)}"
    rows.append(Row("beside strace", first, "", text, ours[0] / cpu))
    return rows


def timed(command, limit: float, lines: int = 0, output: str = "") -> tuple[float, float, bool, int]:
    """Wall and CPU ns of a command that ends by itself, when `output` has so many lines, or when the limit is over."""
    start = time.monotonic_ns()
    process = processes.start(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cpu, shown, is_whole = 0, 0, False
    while time.monotonic_ns() - start < limit * 1e9:
        with contextlib.suppress(ProcessLookupError, OSError):
            cpu = cpu_ns(process.pid)
        if process.poll() is not None:
            is_whole = True
            break
        if output:
            with open(output, "rb") as file:
                shown = sum(1 for _ in file)
            if shown >= lines:
                is_whole = True
                break
        time.sleep(0.05)
    wall = time.monotonic_ns() - start
    processes.stop(process, signal.SIGINT, seconds=60)
    return wall, cpu, is_whole, shown
