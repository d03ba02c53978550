"""What may be said of a host on which nothing hangs but one planted program."""

from __future__ import annotations

import collections
from datetime import datetime

from hangs import get

CALLS = {"blocked", "still_blocked", "returned", "ended", "slow"}
BUSY_AFTER_NS = 60_000_000_000


class Lines:
    """Takes the records of a run.

    `ours` and `planted` are cgroups: of the programs that do not hang, and of the one that does.
    """

    def __init__(self, ours: str, planted: str):
        self.ours, self.planted = ours, planted
        self.false: list[str] = []
        self.busy: set[str] = set()
        """event.id of those that were said to be busy."""
        self.said: collections.Counter[str] = collections.Counter()
        self.hidden: dict[str, int] = {}
        self.busy_by_reason: collections.Counter[str] = collections.Counter()
        self.idle_by_reason: collections.Counter[str] = collections.Counter()
        self.summaries = self.others = 0
        self.told: float | None = None
        """Seconds from the beginning of the planted hang to its line."""

    def take(self, record: dict) -> None:
        action = get(record, "event.action")
        if action == "summary":
            self.summaries += 1
            self.hidden = get(record, "blockwatch.hidden") or {}
            for reasons, name in ((self.busy_by_reason, "busy_by_reason"), (self.idle_by_reason, "idle_by_reason")):
                for reason, count in (get(record, f"blockwatch.{name}") or {}).items():
                    reasons[reason] = max(reasons[reason], count)
        if action == "deadlock":
            # its members have records of their own, with their cgroups
            return
        if action not in CALLS:
            return
        group = get(record, "cgroup.path") or ""
        if group.startswith(self.planted):
            if action == "blocked" and record["verdict"] == "stuck" and self.told is None:
                self.told = get(record, "event.duration") / 1e9
            return
        if not group.startswith(self.ours):
            self.others += 1
            return
        identity, verdict, reason = get(record, "event.id"), record.get("verdict"), record.get("reason")
        self.said[f"{action} {verdict} {reason}"] += 1
        if action in ("returned", "ended"):
            return
        if verdict == "busy" and get(record, "event.duration") >= BUSY_AFTER_NS:
            if identity in self.busy:
                self.false.append(f"said twice: {self.text(record)}")
            self.busy.add(identity)
        else:
            self.false.append(f"{action} {verdict} {reason}: {self.text(record)}")

    @staticmethod
    def text(record: dict) -> str:
        parts = [
            f"{datetime.fromisoformat(record['@timestamp']):%H:%M:%S}", record["message"],
            f"[{get(record, 'process.command_line')}]", f"evidence {record.get('evidence')}",
            f"chain {record.get('chain')}", f"unresolved {record.get('unresolved')}",
        ]
        return " | ".join(parts)

    def failures(self, limit: float) -> list[str]:
        found = list(self.false)
        if self.told is None or self.told > limit:
            found.append(f"the planted hang was told after {self.told} s: a watch that says nothing is no quiet one")
        if not self.summaries or not self.idle_by_reason:
            found.append("no summary counts idle calls by reason")
        return found

    def table(self) -> list[str]:
        def counts(values: dict[str, int]) -> str:
            return ", ".join(f"{name} {count}" for name, count in sorted(values.items(), key=lambda item: -item[1])) or "none"

        return [
            f"said of them: {counts(self.said)}",
            f"busy ones in a summary, at most: {counts(self.busy_by_reason)}",
            f"idle ones in a summary, at most: {counts(self.idle_by_reason)}",
            f"not written: {counts(self.hidden)}",
            f"the planted hang was told after {self.told and round(self.told, 1)} s; {self.others} records of other programs",
        ]
