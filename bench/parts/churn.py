"""Whether anything grows while processes, threads, connections and blocked calls come and go."""

from __future__ import annotations

import os
import pathlib
import subprocess
import time
from dataclasses import dataclass

from support.figures import mebibytes, median
from support.processes import TOOLS, Conversation, cpu_ns, memory
from support.table import BenchError, Row, Section, at_most
from support.watcher import Watcher, is_action

TITLE = "Churn: what grows while processes, threads and connections come and go"
SECONDS = float(os.environ.get("CHURN") or 0)
ROUNDS = 50
"""At the least: 25,000 processes, 100,000 threads, 10,000 connections, 5,000 reads that block."""


CACHES = {"tables"}
"""LRU maps: of a fixed size, and they fill as caches do."""


@dataclass
class Sample:
    memory: int
    peak: int
    descriptors: int
    maps: int
    map_bytes: int
    elements: int


def sample(pid: int) -> Sample:
    used = memory(pid)
    said = subprocess.run([TOOLS / "maps", str(pid)], capture_output=True, text=True, check=False)
    if said.returncode:
        raise BenchError(said.stderr.strip())
    maps = [line.split() for line in said.stdout.splitlines()]
    return Sample(
        memory=used["VmRSS"],
        peak=used["VmHWM"],
        descriptors=len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir())),
        maps=len(maps),
        map_bytes=sum(int(size) for _, _, size, _ in maps),
        elements=sum(max(0, int(count)) for _, name, _, count in maps if name not in CACHES),
    )


def run(bench) -> Section:
    section = Section("churn", TITLE)
    seconds = SECONDS or (15 if bench.quick else 60)
    rounds = 10 if bench.quick else ROUNDS
    # all of it is written: what comes and goes in user space too
    with Watcher(bench.plants, "--threshold", "100ms", "--all") as watcher:
        start_cpu, start = cpu_ns(watcher.pid), time.monotonic()
        with Conversation("churn", round(seconds), rounds) as churn:
            samples, done, told = [], [], 0.0
            while line := churn.process.stdout.readline():
                done = [int(word) for word in line.split()]
                samples.append(sample(watcher.pid))
                if time.monotonic() > told + 10:
                    told = time.monotonic()
                    bench.progress(f"{done[0]} processes, {done[1]} threads, {mebibytes(samples[-1].memory)} resident")
            if churn.process.wait():
                raise BenchError(f"churn ended with {churn.process.returncode}")
        took = time.monotonic() - start
        share = 100 * (cpu_ns(watcher.pid) - start_cpu) / took / 1e9
        lines = [line for _, line in watcher.stream.snapshot()]
    reported = sum(is_action(line, "blocked", "slow") for line in lines)
    if reported < 0.5 * done[3]:
        raise BenchError(f"blockwatch reported only {reported} of {done[3]} blocked reads: it was not watching")
    # warm after a quarter of the time; the middle of the second quarter beside the middle of the last
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]

    def middle(part: list[Sample], name: str) -> float:
        return median([getattr(one, name) for one in part])

    def fewest(part: list[Sample], name: str) -> float:
        return min(getattr(one, name) for one in part)

    before, after = middle(early, "memory"), middle(late, "memory")
    section.rows = [
        Row(
            f"resident memory over {took:.0f} s",
            mebibytes(after),
            f"{mebibytes(min(one.memory for one in samples))} to {mebibytes(max(one.memory for one in samples))}",
            f"a quarter in: {mebibytes(before)}",
            after / before,
            **at_most(1.02, after / before, "flat: at most 1.02"),
        )
    ]
    for name, title, write, of_quarter in (
        ("descriptors", "open descriptors", str, middle),
        ("maps", "BPF maps", str, middle),
        ("map_bytes", "bytes of BPF maps", mebibytes, middle),
        # full while blockwatch looks, empty between two looks
        ("elements", "elements of its hash maps, the fewest", str, fewest),
    ):
        before, after = round(of_quarter(early, name)), round(of_quarter(late, name))
        values = [getattr(one, name) for one in samples]
        section.rows.append(
            Row(
                title,
                write(after),
                f"{write(min(values))} to {write(max(values))}",
                f"a quarter in: {write(before)}",
                after / before if before else None,
                **at_most(before, after, "flat"),
            )
        )
    section.notes = [
        f"{done[0]:,} processes in storms of 500, {done[1]:,} threads, {done[2]:,} TCP connections and {done[3]:,} reads that "
        f"block for 0.4 s, beside `--threshold 100ms --all`; {len(lines):,} lines, {share:.1f} % of a core. The figures are "
        f"medians of the last quarter of {len(samples)} samples, beside the second quarter's; spread: all samples. "
        "`CHURN=3600` makes it an hour.",
    ]
    return section
