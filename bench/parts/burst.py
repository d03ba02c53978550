"""10,000 calls that cross the threshold within one second: all of them are written, or counted."""

from __future__ import annotations

import json
import time

from support.figures import median, span
from support.table import BenchError, Row, Section, at_most
from support.watcher import Crowd, Watcher, is_action, thread_of

TITLE = "Burst: 10,000 calls that cross the threshold within one second"
CALLS = 10000
THRESHOLD = 2.0
PATIENCE = 30
"""Seconds after the last crossing until the rest counts as missing."""


def burst(bench, rate: int | None, is_counting: bool):
    """Seconds from the last crossing until all is written, or also counted (None: not in time); how many were written;
    how many within 2 s; seconds from the first entry to the last; lines that a `loss` counts as not read fast enough."""
    with Crowd(f"pipe:{CALLS}", window=0.9) as crowd:
        watched = Watcher(bench.plants, "--threshold", f"{THRESHOLD:g}s", "--summary", "250ms", rate=rate)
        with watched as watcher:
            before = len(watcher.stream.snapshot())
            crowd.begin()
            crowd.wait_until_in()
            seats = crowd.seats()
            ours = {thread for thread, *_ in seats}
            crossing = max(entry for *_, entry in seats) + round(THRESHOLD * 1e9)
            told: set[int] = set()
            dropped = 0
            base: dict | None = None

            def is_last(line: bytes) -> bool:
                nonlocal base, dropped
                if is_action(line, "blocked", "slow") and thread_of(line) in ours:
                    told.add(thread_of(line))
                    return len(told) + dropped >= CALLS
                if is_action(line, "loss"):
                    loss = json.loads(line)["loss"]
                    dropped += loss["count"] if loss["what"] == "lines" else 0
                    return bool(told) and len(told) + dropped >= CALLS
                if not is_counting or not is_action(line, "summary"):
                    return False
                now = json.loads(line)["blockwatch"]
                base = base or now
                held = now.get("hidden", {}).get("max_rate", 0) - base.get("hidden", {}).get("max_rate", 0)
                return bool(told) and len(told) + held >= CALLS and now["open"] >= CALLS

            last = watcher.stream.wait_for(is_last, PATIENCE + THRESHOLD, before)
            time.sleep(0.2)
            said = [(at, thread_of(line)) for at, line in watcher.stream.snapshot() if is_action(line, "blocked", "slow")]
            written = {thread for _, thread in said} & ours
            in_time = {thread for at, thread in said if at <= crossing + 2e9} & ours
            spread = (max(entry for *_, entry in seats) - min(entry for *_, entry in seats)) / 1e9
    if spread > 1.5:
        raise BenchError(f"the host is too busy for a burst: {CALLS} calls took {spread:.1f} s to begin")
    if not written:
        raise BenchError(f"blockwatch wrote none of {CALLS} calls of a burst: it was not watching")
    return (last[0] - crossing) / 1e9 if last else None, len(written), len(in_time), spread, dropped


def run(bench) -> Section:
    section = Section("burst", TITLE)
    rounds = 1 if bench.quick else 3
    spreads = []
    for title, rate, counted in (
        ("`--max-rate 1000000`: written, or counted as `loss`", 1000000, False),
        ("`--max-rate 1000`, the default: written, or counted in `summary`", None, True),
    ):
        results = []
        for turn in range(rounds):
            bench.progress(f"{title}, round {turn + 1} of {rounds}")
            results.append(burst(bench, rate, counted))
        spreads += [result[3] for result in results]
        times = [PATIENCE if late is None else late for late, *_ in results]
        middle = median(times)
        written = min(result[1] for result in results)
        is_whole = all(late is not None for late, *_ in results)
        rest = f", the other {CALLS - written} counted" if written < CALLS and is_whole else ""
        dropped = max(result[4] for result in results)
        rest += f" ({dropped} lines dropped: not read fast enough)" if dropped else ""
        section.rows.append(
            Row(
                title,
                f"the last one after {middle:.2f} s" if middle < PATIENCE else f"not all within {PATIENCE} s",
                f"{span(min(times), max(times), lambda s: f'{s:.2f} s')}; {written} of {CALLS} written{rest}, "
                f"{min(result[2] for result in results)} of them within 2 s",
                **at_most(2, max(times), "at most 2 s"),
            )
        )
    section.notes = [
        f"{CALLS} threads in 10 processes, each begins a read of a pipe of its own whose writer is stopped; the last begins "
        f"{max(spreads):.2f} s after the first. `--threshold {THRESHOLD:g}s --summary 250ms`. Time from the moment the last "
        "one crosses the threshold until the last line, or the `summary` that counts the rest, was read from a pipe; median "
        f"of {rounds}, held against the goal by the worst.",
    ]
    return section
