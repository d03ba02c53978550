"""Engine scan: the same loops with it and with no blockwatch at all."""

from __future__ import annotations

from support.figures import interval, median, nanoseconds, span
from support.loops import LOOPS, Bare, Loop, Readings
from support.table import Row, Section, at_most
from support.watcher import Watcher

TITLE = "Engine scan: the same loops, with it and with no blockwatch at all"

CALLS = {"getppid": (5000, 40), "read": (5000, 40), "pread": (5000, 40), "pingpong": (250, 40)}
OPTIONS = ("--engine", "scan", "--threshold", "5s")


def run(bench) -> Section:
    section = Section("engine_scan", TITLE)
    rounds = 8 if bench.quick else 40
    readings, bare_host = Readings(), Bare()
    with Loop() as loop:
        loop.measure("pingpong", 250, 40)
        for turn in range(rounds):
            bench.progress(f"round {turn + 1} of {rounds}")
            states = [("nothing", lambda: bare_host), ("scan", lambda: Watcher(bench.plants, *OPTIONS))]
            for name, start in states if turn % 2 else reversed(states):
                with start():
                    readings.take(loop, name, CALLS)
    bench.noise("bare getppid loop", readings.fastest["nothing", "getppid"])
    for name, title in LOOPS.items():
        for kind, values in (("fastest of 40 chunks", readings.fastest), ("CPU time of all", readings.cpu)):
            ours, bare = values["scan", name], values["nothing", name]
            ratios = [a / b for a, b in zip(ours, bare)]
            low, high = interval(ratios)
            ratio = median(ratios)
            section.rows.append(
                Row(
                    f"{title}: {kind}",
                    nanoseconds(median(ours)),
                    f"{low:.3f} to {high:.3f}",
                    f"no blockwatch {nanoseconds(median(bare))}",
                    ratio,
                    **(at_most(1.01, ratio) if kind.startswith("fastest") else {}),
                )
            )
    section.notes = [
        f"`--engine scan --threshold 5s`, free to run on any core; {rounds} pairs of 40 chunks of 5,000 calls (ping-pong 250), "
        "in turns the one and the other first. The ratio is the median of the pairs' own; spread: its 95 % confidence "
        "interval. What the looks themselves cost is CPU time of blockwatch, measured below.",
        bare_host.note(),
    ]
    return section
