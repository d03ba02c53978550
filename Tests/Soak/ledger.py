"""The stream of records, held against what SCHEMA.md promises of it. Reads lines only: no process, no clock."""

from __future__ import annotations

import collections
import json
from typing import Callable

from hangs import get

LONGEST_LINE = 4080
"""Bytes, with the newline."""

OF_THE_MACHINE = (
    "scanning less often",
    "held up",
    "the kernel gave no storage for a thread",
    "that no scan had come to",
)
"""Losses that say that this host was busy."""

CALLS = ("blocked", "still_blocked", "returned", "ended", "slow")


OF_THE_SWITCHES = "while the probes were out"
"""A loss of what came and went between two looks, where there are only looks."""


class Ledger:
    """`fail(check, text)` hears of each thing that is not as it must be; `validate(record)` says what the schema has
    against one: of one line in `sample`, and of the first ten of every sort."""

    def __init__(self, fail: Callable[[str, str], None], validate: Callable[[dict], str | None], sample: int = 50):
        self.fail, self.validate, self.sample = fail, validate, sample
        self.count = self.validated = self.longest = 0
        self.sequence = 0
        self.actions: collections.Counter[str] = collections.Counter()
        self.sorts: collections.Counter[tuple] = collections.Counter()
        self.losses: collections.Counter[str] = collections.Counter()
        self.open: dict[str, dict] = {}
        """The calls whose `blocked` is not closed: their last record."""
        self.closed: set[str] = set()
        self.last: dict | None = None
        self.stopped: dict | None = None

    def take(self, line: bytes) -> dict | None:
        """The next line, without its newline. None: it is no record."""
        self.count += 1
        self.longest = max(self.longest, len(line) + 1)
        if len(line) + 1 > LONGEST_LINE:
            self.fail("stream", f"a line of {len(line) + 1} bytes: {line.decode(errors='replace')}")
        try:
            record = json.loads(line)
            action, sequence = record["event"]["action"], record["event"]["sequence"]
        except (ValueError, KeyError, TypeError) as error:
            self.fail("stream", f"line {self.count} is no record ({error!r}): {line.decode(errors='replace')}")
            return None
        if any(byte < 0x20 or byte == 0x7F for byte in line):
            self.fail("stream", f"a control character: {line!r}")
        if sequence != self.sequence + 1:
            self.fail("stream", f"event.sequence {sequence} follows {self.sequence}: {line.decode()}")
        self.sequence = sequence
        if (self.count == 1) != (action == "started"):
            self.fail("stream", f"line {self.count} is {action}: {line.decode()}")
        if self.stopped:
            self.fail("stream", f"a line after stopped: {line.decode()}")
        self.actions[action] += 1
        self._check_schema(record)
        if action in CALLS:
            self._follow(record, action)
        elif action == "loss":
            self._take_loss(record)
        elif action == "stopped":
            self.stopped = record
        self.last = record
        return record

    def _check_schema(self, record: dict) -> None:
        sort = (record["event"]["action"], record.get("verdict"), record.get("reason"), get(record, "resource.kind"))
        self.sorts[sort] += 1
        if self.sorts[sort] > 10 and self.count % self.sample:
            return
        self.validated += 1
        if wrong := self.validate(record):
            self.fail("schema", f"{wrong}: {json.dumps(record)}")

    def _follow(self, record: dict, action: str) -> None:
        name = record["event"]["id"]
        if name in self.closed:
            self.fail("closing", f"{action} of a call that is closed: {json.dumps(record)}")
        elif action == "blocked":
            if name in self.open:
                self.fail("closing", f"blocked a second time: {json.dumps(record)}")
            self.open[name] = record
        elif action == "slow":
            if name in self.open:
                self.fail("closing", f"slow, and blocked before: {json.dumps(record)}")
            self.closed.add(name)
        elif name not in self.open:
            self.fail("closing", f"{action} of a call that was never blocked: {json.dumps(record)}")
        elif record["event"]["duration"] < self.open[name]["event"]["duration"]:
            self.fail("closing", f"{action} is shorter than before: {json.dumps(record)}")
        elif action == "still_blocked":
            self.open[name] = record
        else:
            del self.open[name]
            self.closed.add(name)

    def _take_loss(self, record: dict) -> None:
        reason = get(record, "loss.reason") or ""
        self.losses[reason] += 1
        is_expected = any(words in reason for words in OF_THE_MACHINE)
        if not is_expected and not (OF_THE_SWITCHES in reason and self.actions["engine"]):
            self.fail("loss", json.dumps(record))

    def end(self, rest: bytes = b"") -> None:
        """The stream is over; `rest` is what came after the last newline."""
        if rest:
            self.fail("stream", f"the last line has no end: {rest.decode(errors='replace')}")
        if not self.stopped:
            self.fail("stream", f"the last line is not stopped: {json.dumps(self.last)}")
            return
        totals = {**self.stopped["blockwatch"]["totals"], "open": self.stopped["blockwatch"]["open"]}
        for name in CALLS:
            if totals[name] != self.actions[name]:
                self.fail("stream", f"stopped counts {totals[name]} {name}, and {self.actions[name]} came")
        if totals["open"] != len(self.open):
            self.fail("closing", f"stopped closes {totals['open']} calls, and {len(self.open)} are open")
