"""Engine scan: the same loops with it and with no blockwatch at all."""

from __future__ import annotations

from support.figures import interval, median, nanoseconds, span
from support.loops import LOOPS, Loop, Readings, nothing
from support.table import Row, Section, at_most
from support.watcher import Watcher

TITLE = "Engine scan: the same loops, with it and with no blockwatch at all"

CALLS = {"getppid": (5000, 40), "read": (5000, 40), "pread": (5000, 40), "pingpong": (250, 40)}
OPTIONS = ("--engine", "scan", "--threshold", "5s")


def run(bench) -> Section:
    section = Section("engine_scan", TITLE)
    rounds = 8 if bench.quick else 40
    readings = Readings()
    with Loop() as loop:
        loop.measure("pingpong", 250, 40)
        for turn in range(rounds):
            bench.progress(f"round {turn + 1} of {rounds}")
            states = [("nothing", nothing), ("scan", lambda: Watcher(bench.plants, *OPTIONS))]
            for name, start in states if turn % 2 else reversed(states):
                with start():
                    readings.take(loop, name, CALLS)
    bench.noise("bare getppid loop", readings.values("getppid", "nothing"))
    for name, title in LOOPS.items():
        for text, kind in (("fastest of 40 chunks", "fastest"), ("CPU time of all", "cpu")):
            pairs = readings.pairs(name, "scan", "nothing", kind=kind)
            ratios = [ours / bare for ours, bare in pairs]
            low, high = interval(ratios)
            ratio = median(ratios)
            section.rows.append(
                Row(
                    f"{title}: {text}",
                    nanoseconds(median([ours for ours, _ in pairs])),
                    f"{low:.3f} to {high:.3f}",
                    f"no blockwatch {nanoseconds(median([bare for _, bare in pairs]))}",
                    ratio,
                    **(at_most(1.01, ratio) if kind == "fastest" else {}),
                )
            )
    section.notes = [
        f"`--engine scan --threshold 5s`, free to run on any core; {rounds} pairs of 40 chunks of 5,000 calls (ping-pong 250), "
        "in turns the one and the other first. The ratio is the median of the pairs' own; spread: its 95 % confidence "
        "interval. What the looks themselves cost is CPU time of blockwatch, measured below.",
        readings.note(),
    ]
    return section
