"""Processes of which nobody may say that they hang: real software at rest, and the churn."""

from __future__ import annotations

import collections
import contextlib
import json
from datetime import datetime
from typing import Callable

import processes
from hangs import get


class Controls:
    """`fail(check, text)` hears of each record that says so all the same."""

    def __init__(self, fail: Callable[[str, str], None]):
        self.fail = fail
        self.known: dict[int, tuple[str, float, bool]] = {}
        """pid: name, start, whether it is at rest."""
        self.seen: set[str] = set()
        self.false: collections.Counter[str] = collections.Counter()
        self.is_ready = False

    def add(self, pid: int, name: str, at_rest: bool) -> None:
        # it may be gone already: then it has not hung for long
        with contextlib.suppress(OSError):
            self.known[pid] = (name, processes.started_at(pid), at_rest)

    @property
    def names(self) -> set[str]:
        """What is at rest."""
        return {name for name, _, at_rest in self.known.values() if at_rest}

    def hear(self, line: bytes) -> None:
        """A line of idle.py."""
        said = json.loads(line)
        if "pid" in said:
            self.add(said["pid"], said["software"], True)
        if "ready" in said:
            self.is_ready = True

    def take(self, record: dict) -> None:
        known = self.known.get(get(record, "process.pid"))
        if not known or "verdict" not in record:
            return
        name, started, at_rest = known
        # a number that another process has now
        start = get(record, "process.start")
        if start and abs(datetime.fromisoformat(start).timestamp() - started) > 1:
            return
        if at_rest:
            self.seen.add(name)
        verdict, reason = record["verdict"], record["reason"]
        # what writes to a disk may wait for it, as long as the disk answers
        # it is used between its rests, and on a busy host an answer may take its time: one that has come accuses nobody
        if verdict == "waiting" and get(record, "event.action") == "slow":
            return
        if verdict in ("stuck", "deadlock") or (at_rest and (verdict == "waiting" or verdict == "busy" and reason != "in_progress")):
            self.false[verdict] += 1
            state = "at rest" if at_rest else "at work"
            self.fail("false", f"{name} is {state}, and was told as {verdict} {reason}: {json.dumps(record)}")
