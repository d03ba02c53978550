"""From the moment a call crosses the threshold to its line on stdout."""

from __future__ import annotations

import contextlib
import threading
import time

from support.figures import nanoseconds, quantile
from support.table import BenchError, Row, Section, at_most
from support.watcher import Crowd, Watcher, is_action, thread_of
from support.workloads import SERVERS, running

TITLE = "Latency: from crossing the threshold to the line on stdout"
GOAL = 50e6
THRESHOLDS = {"500ms": 0.5, "1s": 1.0, "5s": 5.0}


def delays(bench, calls: int, window: float, threshold: float, *options: str) -> list[int]:
    """ns, of calls that begin at random moments of the window."""
    with Crowd(f"pipe:{calls}", window=window, is_random=True) as crowd:
        with Watcher(bench.plants, *options) as watcher:
            crowd.begin()
            crowd.wait_until_in()
            entries = {thread: entry for thread, _, _, entry in crowd.seats()}
            time.sleep(threshold + 2)
            lines = watcher.stream.snapshot()
    said: dict[int, int] = {}
    for at, line in lines:
        thread = thread_of(line)
        # before that it waited at the gate
        if thread in entries and at > entries[thread] and is_action(line, "blocked"):
            said.setdefault(thread, at)
    if len(said) < calls:
        raise BenchError(f"blockwatch {' '.join(options)} reported {len(said)} of {calls} hangs")
    return [at - entries[thread] - round(threshold * 1e9) for thread, at in said.items()]


def row(what: str, found: list[int]) -> Row:
    p99 = quantile(found, 0.99)
    return Row(
        what,
        f"p99 {nanoseconds(p99)}",
        f"p50 {nanoseconds(quantile(found, 0.5))}, worst {nanoseconds(max(found))}, earliest {nanoseconds(min(found))}",
        **at_most(GOAL, p99, f"p99 at most {nanoseconds(GOAL)}"),
    )


@contextlib.contextmanager
def saturating(work, seconds: float):
    """The server at full load meanwhile; fails if the load ended before."""
    failures = []

    def load():
        try:
            work.measure(seconds)
        except BenchError as error:
            failures.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        yield
        if not thread.is_alive():
            raise failures[0] if failures else BenchError(f"{work.name} ended before the hangs were told")
    finally:
        thread.join()


def run(bench) -> Section:
    section = Section("latency", TITLE)
    calls, window = (100, 4) if bench.quick else (400, 15)
    cases = [(name, "trace") for name in THRESHOLDS] + ([] if bench.quick else [("5s", "scan")])
    for name, engine in cases:
        bench.progress(f"threshold {name}, engine {engine}")
        threshold = THRESHOLDS[name]
        found = delays(bench, calls, window, threshold, "--threshold", name, "--engine", engine)
        section.rows.append(row(f"`--threshold {name} --engine {engine}`", found))
    # the default options, as where throughput is measured: the probes are out meanwhile
    budget = ("--threshold", "5s", "--max-overhead", "1%")
    some, window_meanwhile = (50, 4)
    with running(*SERVERS) as works:
        for work in works:
            bench.progress(f"while {work.name} is saturated")
            with saturating(work, window_meanwhile + 5 + 2 + 8):
                found = delays(bench, some, window_meanwhile, 5, *budget)
            section.rows.append(row(f"default options, meanwhile {work.name}", found))
    section.notes = [
        f"{calls} reads of pipes whose writers are stopped, begun at random moments within {window} s. The clock is read "
        "just before the call and again when its line has been read from a pipe. While a server is saturated: "
        f"{some} within {window_meanwhile} s, `--threshold 5s`; server, clients, blockwatch and the reader share all cores.",
    ]
    return section
