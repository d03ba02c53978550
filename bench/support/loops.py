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


def attached() -> list[str]:
    """Names of the programs that are on tracepoints of this host, whoever has attached them."""
    done = subprocess.run([TOOLS / "links"], capture_output=True, text=True, check=True)
    return done.stdout.split()


@contextlib.contextmanager
def nothing():
    """Nothing attached: waits a little for programs of others to go."""
    deadline = time.monotonic() + 3
    while attached() and time.monotonic() < deadline:
        time.sleep(0.1)
    yield


@dataclass
class Reading:
    programs: int
    """On tracepoints meanwhile, those of others too."""
    fastest: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)


class Readings:
    """Nanoseconds a call by state and loop, one reading a round.

    Programs of others on the tracepoints slow the loops: a reading that they disturb is taken again, and left out as
    long as enough others remain.
    """

    TRIES = 4
    ENOUGH = 3

    def __init__(self):
        self.by_state: dict[str, list[Reading]] = {}

    def take(self, loop: Loop, state: str, calls: dict[str, tuple[int, int]]) -> None:
        taken = self.by_state.setdefault(state, [])
        best: Reading | None = None
        for _ in range(self.TRIES):
            reading = Reading(len(attached()))
            for name, (count, chunks) in calls.items():
                reading.fastest[name], _, reading.cpu[name] = loop.measure(name, count, chunks)
            reading.programs = max(reading.programs, len(attached()))
            best = min(best or reading, reading, key=lambda one: one.programs)
            if best.programs <= min((one.programs for one in taken), default=best.programs):
                break
            time.sleep(0.5)
        taken.append(best)

    def _is_clean(self, state: str, turn: int) -> bool:
        readings = self.by_state[state]
        return readings[turn].programs == min(one.programs for one in readings)

    def pairs(self, name: str, *states: str, kind: str = "fastest") -> list[tuple[float, ...]]:
        """The values of one loop in all of these states, of the rounds in which all were undisturbed."""
        turns = range(min(len(self.by_state[state]) for state in states))
        clean = [turn for turn in turns if all(self._is_clean(state, turn) for state in states)]
        return [
            tuple(getattr(self.by_state[state][turn], kind)[name] for state in states)
            for turn in (clean if len(clean) >= self.ENOUGH else turns)
        ]

    def values(self, name: str, state: str) -> list[float]:
        return [value for (value,) in self.pairs(name, state)]

    def added(self, state: str, name: str, base: str = "nothing") -> float:
        """Minimum of all rounds over the minimum of the bare loop."""
        return min(self.values(name, state)) - min(self.values(name, base))

    def ratios(self, state: str, name: str, floor: str, base: str = "nothing") -> list[float]:
        """Of what is added, round by round."""
        return [
            (value - bare) / (least - bare) for value, least, bare in self.pairs(name, state, floor, base) if least > bare
        ]

    def note(self, base: str = "nothing") -> str:
        """What others did to it."""
        total = sum(map(len, self.by_state.values()))
        bad = sum(not self._is_clean(state, turn) for state in self.by_state for turn in range(len(self.by_state[state])))
        always = min(one.programs for one in self.by_state[base])
        text = f"Programs of others came onto tracepoints during {bad} of {total} readings."
        if always:
            text += f" {always} programs of others were there all the time: the bare loops were not bare."
        return text
