"""Engine trace: what it adds to a system call, beside empty programs on both tracepoints and beside other tracers."""

from __future__ import annotations

import time

from support import peers
from support.figures import nanoseconds, quantile, span
from support.loops import LOOPS, Loop, Readings, empty_programs, nothing
from support.processes import all_cores_but_the_last
from support.table import BenchError, Row, Section, at_most
from support.watcher import Watcher, prove_tracing

TITLE = "Engine trace: time added to a system call"

# calls a chunk, chunks
FULL = {"getppid": (4000, 50), "read": (4000, 50), "pread": (4000, 50), "pingpong": (200, 50)}
OPTIONS = {
    "--threshold 5s": (("--threshold", "5s"), 5.0),
    "--threshold 50ms": (("--threshold", "50ms"), 0.05),
    "--syscall flock": (("--syscall", "flock"), 5.0),
}
UNWATCHED, WATCHED, PRECISE = 1.15, 1.35, 2.6


def goal(loop: str, state: str, ratio: float) -> dict:
    if loop == "pingpong":
        return {}
    if loop == "getppid" or "flock" in state:
        return at_most(UNWATCHED, ratio)
    return at_most(PRECISE if "50ms" in state else WATCHED, ratio)


def run(bench) -> Section:
    section = Section("overhead", TITLE)
    rounds = 4 if bench.quick else 16
    for options, threshold in OPTIONS.values():
        prove_tracing(bench.plants, *options, threshold=threshold)
    readings = Readings()
    with Loop() as loop, all_cores_but_the_last():
        for turn in range(rounds):
            bench.progress(f"round {turn + 1} of {rounds}")
            states = {"nothing": nothing, "empty": empty_programs}
            for name, (options, _) in OPTIONS.items():
                states[name] = lambda options=options: Watcher(bench.plants, *options)
            names = list(states)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                with states[name]():
                    if name in OPTIONS:
                        time.sleep(0.1)  # past its first look
                    readings.take(loop, name, FULL)
        peer_added, failures = beside_peers(bench, loop, readings)
    bench.noise("bare getppid loop", readings.values("getppid", "nothing"))
    for name, title in LOOPS.items():
        floor = readings.added("empty", name)
        if floor <= 0:
            raise BenchError(f"empty programs seem to cost nothing ({floor:.0f} ns a {name}): the host is too noisy")
        for state in OPTIONS:
            added = readings.added(state, name)
            rounds_ratios = readings.ratios(state, name, "empty")
            ratio = added / floor
            section.rows.append(
                Row(
                    f"{title}, `{state}`",
                    f"+{nanoseconds(added)}",
                    span(quantile(rounds_ratios, 0.25), quantile(rounds_ratios, 0.75)) if rounds_ratios else "",
                    f"empty programs +{nanoseconds(floor)}",
                    ratio,
                    **goal(name, state, ratio),
                )
            )
    for (tool, name), (added, spread) in peer_added.items():
        ours = readings.added("--threshold 5s", name)
        theirs = f"{tool} +{nanoseconds(added)}"
        section.rows.append(
            Row(f"{LOOPS[name]}, `--threshold 5s`", f"+{nanoseconds(ours)}", spread, theirs, ours / added)
        )
    for tool, message in failures.items():
        section.rows.append(Row(f"beside {tool}", "", peer=f"{tool} cannot run here: {message}"))
    bare = ", ".join(f"{nanoseconds(min(readings.values(name, 'nothing')))} a {name}" for name in LOOPS)
    section.notes = [
        f"Minimum of {rounds} interleaved rounds of 50 chunks of 4,000 calls (ping-pong 200) on the last core, the watcher "
        f"elsewhere; the loops alone take {bare}. Spread: the middle half of the rounds' own ratios; beside a tool, the middle "
        "half of what that adds. A read of one byte is watched and does not block; with `--syscall flock` it is not watched. "
        "strace is attached to both processes (`-f -o FILE -p`), perf runs as `perf trace -a --duration 300`, bpftrace with "
        "a hash by thread, updated at entry and deleted at exit. Every watcher reported a hang planted before its "
        "measurement, and a call that returned past its threshold; every peer showed all calls, or a planted sleep.",
        readings.note(),
    ]
    return section


def beside_peers(bench, loop: Loop, readings: Readings):
    """What the tools add, with fewer calls: they are slower."""
    few = {"getppid": (100, 20), "pread": (100, 20), "pingpong": (50, 20)}
    more = {"getppid": (2000, 50), "pread": (2000, 50), "pingpong": (100, 50)}
    calls = sum(count * chunks for count, chunks in few.values())
    tools = {
        "strace -f": (lambda: peers.strace(loop.pids, calls), few),
        "perf trace -a": (peers.perf_trace, few),
        "bpftrace": (peers.bpftrace, more),
    }
    failures: dict[str, str] = {}
    for turn in range(1 if bench.quick else 4):
        for tool, (start, counts) in tools.items():
            if tool in failures:
                continue
            bench.progress(f"{tool}, round {turn + 1}")
            try:
                with start():
                    readings.take(loop, tool, counts)
            except peers.PeerError as error:
                failures[tool] = str(error)
    added = {}
    for tool in tools:
        for name in few:
            if tool in readings.by_state:
                values, bare = readings.values(name, tool), min(readings.values(name, "nothing"))
                spread = span(quantile(values, 0.25) - bare, quantile(values, 0.75) - bare, nanoseconds)
                added[tool, name] = (min(values) - bare, spread)
    return added, failures
