"""Throughput and p99 of real servers and of a build, with blockwatch, without, and with what people would use instead."""

from __future__ import annotations

import os

from support import peers
from support.figures import interval, median, nanoseconds, number
from support.loops import nothing
from support.table import Row, Section, shown_at_least
from support.watcher import Watcher
from support.workloads import SERVERS, Build, running

TITLE = "Real servers and a build: throughput and p99"
BUDGETED = "default options"
OURS = [BUDGETED, "`--max-overhead none`", "`--engine scan`"]
PEERS = ["threads sampled at 1 Hz", "bpftrace", "perf trace -a", "strace -f"]


class Readings:
    """Of each state and workload one for each round, or None."""

    def __init__(self, rounds: int):
        self.rounds = rounds
        self.values: dict[tuple[str, str], list[tuple[float, float | None] | None]] = {}

    def note(self, turn: int, state: str, work: str, value: tuple[float, float | None]) -> None:
        self.values.setdefault((state, work), [None] * self.rounds)[turn] = value

    def pairs(self, state: str, work: str, index: int) -> list[tuple[float, float]]:
        """With, and without in the same round."""
        with_it, bare = self.values.get((state, work), []), self.values["nothing", work]
        return [(a[index], b[index]) for a, b in zip(with_it, bare) if a and b and a[index] is not None and b[index] is not None]


def state_of(bench, name: str, work):
    """What runs beside; strace has to be told the processes."""
    return {
        "nothing": nothing,
        BUDGETED: lambda: Watcher(bench.plants, "--threshold", "5s", "--max-overhead", "1%"),
        "`--max-overhead none`": lambda: Watcher(bench.plants, "--threshold", "5s"),
        "`--engine scan`": lambda: Watcher(bench.plants, "--threshold", "5s", "--engine", "scan"),
        "threads sampled at 1 Hz": lambda: peers.sampler(bench.plants.threads["pipe"]),
        "bpftrace": peers.bpftrace,
        "perf trace -a": peers.perf_trace,
        "strace -f": lambda: peers.strace(work.pids(), 1000),
    }[name]()


def turns(turn: int, quick: bool) -> list[str]:
    """Who is measured in this round, in which order. What the goal is for stands beside nothing, in turns before and after;
    the others, whose price is no question of a hundredth, come in every second or fourth round."""
    names = ["nothing", BUDGETED] if turn % 2 else [BUDGETED, "nothing"]
    if quick or turn % 2 == 0:
        names += OURS[1:]
    if quick or turn % 4 == 0:
        names += PEERS
    return names


def run(bench) -> Section:
    section = Section("servers", TITLE)
    rounds, seconds = (2, 1) if bench.quick else (20, 2)
    readings = Readings(rounds)
    failures: dict[str, str] = {}
    bench.progress("starts the servers")
    with running(*SERVERS, Build) as works:
        for turn in range(rounds):
            bench.progress(f"round {turn + 1} of {rounds}")
            for name in turns(turn, bench.quick):
                for group in [[work] for work in works] if name == "strace -f" else [works]:
                    if name in failures or (name == "strace -f" and not group[0].pids()):
                        continue
                    try:
                        with state_of(bench, name, group[0]):
                            for work in group:
                                if name == BUDGETED:
                                    work.measure(1)  # until the probes are out
                                readings.note(turn, name, work.name, work.measure(seconds))
                    except peers.PeerError as error:
                        failures[name] = str(error)
    for work in works:
        for name in OURS + PEERS:
            for index, what, write in ((0, "a second", number), (1, "p99", nanoseconds)):
                pairs = readings.pairs(name, work.name, index)
                if not pairs:
                    continue
                ratios = [a / b for a, b in pairs]
                low, high = interval(ratios)
                figure, without = (write(median([pair[side] for pair in pairs])) for side in (0, 1))
                is_peer = name in PEERS
                goal = shown_at_least(0.99, low, high) if name == BUDGETED and index == 0 else {}
                section.rows.append(
                    Row(
                        f"{work.name}: {what}, {name}",
                        "" if is_peer else figure,
                        f"{low:.3f} to {high:.3f}, {len(pairs)} pairs",
                        f"{name} {figure}, without {without}" if is_peer else f"no blockwatch {without}",
                        median(ratios),
                        **goal,
                    )
                )
    for name, message in failures.items():
        section.rows.append(Row(f"beside {name}", "", peer=f"cannot run here: {message}"))
    section.notes = [
        f"{rounds} rounds, {seconds} s of each under each state; clients, servers and watchers share all "
        f"{os.sysconf('SC_NPROCESSORS_ONLN')} cores. What the goal is for is measured in each round right before or after "
        "nothing, in turns, the other states in every second round, other tools in every fourth. The ratio, to no tool at all "
        "in the same round, is the median of the rounds' own; spread: its 95 % confidence interval (of fewer than six pairs, "
        "least and greatest). The goal is missed if all of that lies below it, and met if none of it does. With the default "
        "options (`--max-overhead 1%`) each was loaded for a second before it was measured: then the probes are out, if the "
        "load costs more. A second's requests, transactions or files. bpftrace runs the script of the first table, `perf trace -a --duration "
        "300`, strace is attached to the server's processes and follows their children (a build is not attached to), sampling "
        "is a task iterator that writes number, name, state and call of each thread once a second (`programs/sample.bpf.c`).",
    ]
    return section
