"""The loops of bench/programs/loop.c, measured under one state of the host after the other, in turn."""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import dataclass, field

from .processes import TOOLS, Conversation
from .table import BenchError

LOOPS = {
    "getppid": "getppid, not watched",
    "read": "read of 1 byte, watched, does not block",
    "pread": "pread of 1 byte, watched, does not block",
    "pingpong": "pipe ping-pong, two processes, a round trip",
}


class Loop(Conversation):
    def __init__(self):
        super().__init__("loop")
        self.pids = [int(word) for word in self.hear().split()]

    def measure(self, name: str, calls: int, chunks: int) -> tuple[float, float, float]:
        """Nanoseconds a call: of the fastest chunk, of all by the clock, of all in CPU time."""
        fastest, clock, cpu = map(float, self.ask(f"{name} {calls} {chunks}").split())
        return fastest, clock, cpu


@contextlib.contextmanager
def empty_programs():
    """Programs that do nothing on both tracepoints."""
    with Conversation("attach", TOOLS / "empty.bpf.o") as attach:
        said = attach.hear()
        if said != "attached 2":
            raise BenchError(f"the empty programs are not on both tracepoints: {said}")
        yield


def foreign_programs() -> list[str]:
    """Programs on tracepoints; they are not ours when we have attached nothing."""
    done = subprocess.run([TOOLS / "links"], capture_output=True, text=True, check=True)
    return done.stdout.split()


class Bare:
    """Nothing attached: waits a little for programs of others to go, and counts the rounds in which they did not."""

    def __init__(self):
        self.rounds = 0
        self.names: set[str] = set()
        self.disturbed = 0

    def __enter__(self):
        deadline = time.monotonic() + 3
        while (found := foreign_programs()) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.rounds += 1
        self._before = found

    def __exit__(self, *_):
        found = self._before + foreign_programs()
        self.disturbed += bool(found)
        self.names |= set(found)

    def note(self) -> str:
        if not self.disturbed:
            return "No other programs were on any tracepoint while nothing of the benchmark was."
        return (
            f"In {self.disturbed} of {self.rounds} rounds programs of others ({', '.join(sorted(self.names))}) were on "
            "tracepoints while nothing of the benchmark was: the bare loops were not bare then."
        )


@dataclass
class Readings:
    """Nanoseconds a call by state and loop, one value a round."""

    fastest: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    cpu: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def take(self, loop: Loop, state: str, calls: dict[str, tuple[int, int]]) -> None:
        for name, (count, chunks) in calls.items():
            fastest, _, cpu = loop.measure(name, count, chunks)
            self.fastest.setdefault((state, name), []).append(fastest)
            self.cpu.setdefault((state, name), []).append(cpu)

    def added(self, state: str, name: str, base: str = "nothing") -> float:
        """Minimum of all rounds over the minimum of the bare loop."""
        return min(self.fastest[state, name]) - min(self.fastest[base, name])

    def ratios(self, state: str, name: str, floor: str, base: str = "nothing") -> list[float]:
        """Of what is added, round by round."""
        return [
            (value - bare) / (least - bare)
            for value, least, bare in zip(
                self.fastest[state, name], self.fastest[floor, name], self.fastest[base, name]
            )
            if least > bare
        ]
