"""Whether anything grows: figures of a process, a second apart, the last of them beside the first."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import Callable

MEGABYTE = 1 << 20
SLACK, SHARE = MEGABYTE, 0.03
"""What the median of the last fifth may have more than that of the first, whatever the time: an allocator that takes one
more arena of pages, a table that doubles once."""
SLOPE = MEGABYTE
"""Bytes an hour."""
SLOPE_SECONDS = 1200
"""Below that one such step alone is a slope of many megabytes an hour."""
BLOCKS = 40
WARM_UP = 60
READERS = 2
"""Threads. Of those that read what may hang there is one more for good when one has not answered within 0.1 s, on a busy
host, say; 32 at the most (RiskyReaders)."""
CACHES = {"tables", "ring_files"}
"""LRU maps: of a fixed size, all of whose memory is there from the start, and which fill as caches do."""


@dataclass
class Sample:
    at: float
    """Seconds since the start."""
    memory: int
    """Resident bytes."""
    peak: int
    threads: int
    descriptors: int
    bpf: int
    """Of these descriptors: programs, maps and links."""
    map_bytes: int
    elements: dict[str, int] = field(default_factory=dict)
    """Of each of its hash maps."""


def plain(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


@dataclass
class Growth:
    what: str
    first: float
    last: float
    most: float
    write: Callable[[float], str] = plain
    grown: str = ""
    """Why it is too much; empty: it is not."""


def warm(samples: list[Sample]) -> list[Sample]:
    """Those after the warm-up: a quarter of the time, a minute at most."""
    start = min(WARM_UP, samples[-1].at / 4)
    return [one for one in samples if one.at >= start]


def slope_at_least(points: list[tuple[float, float]]) -> float:
    """What a series surely rises by in each unit of x: the lower end of the 95 % confidence interval of the median of
    all slopes between two points (Theil and Sen; the interval is Sen's, by ranks). Steps and spikes of a few points do
    not move it."""
    slopes = sorted((y2 - y1) / (x2 - x1) for i, (x1, y1) in enumerate(points) for x2, y2 in points[i + 1 :] if x2 > x1)
    n = len(points)
    reach = 1.96 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    return slopes[max(0, round((len(slopes) - reach) / 2))]


def growths(samples: list[Sample]) -> list[Growth]:
    """ValueError: too few samples to say anything."""
    if len(samples) < 30 or len(warm(samples)) < 20:
        raise ValueError(f"{len(samples)} samples are too few to see whether anything grows")
    kept = warm(samples)
    fifth = len(kept) // 5
    first, last = kept[:fifth], kept[-fifth:]

    def values(part: list[Sample], name: str) -> list[int]:
        return [getattr(one, name, None) if hasattr(one, name) else one.elements.get(name, 0) for one in part]

    memory = Growth(
        "resident memory",
        median(values(first, "memory")),
        median(values(last, "memory")),
        max(one.peak for one in samples),
        lambda value: f"{value / MEGABYTE:.2f} MB",
    )
    if memory.last > memory.first * (1 + SHARE) + SLACK:
        memory.grown = f"more than {SLACK / MEGABYTE:g} MB and {100 * SHARE:g} %"
    seconds = kept[-1].at - kept[0].at
    if seconds >= SLOPE_SECONDS and not memory.grown:
        size = len(kept) // BLOCKS
        blocks = [kept[index : index + size] for index in range(0, size * BLOCKS, size)]
        # the least of each: what calls that are open just then take is no growth
        slope = 3600 * slope_at_least([(block[0].at, min(values(block, "memory"))) for block in blocks])
        if slope > SLOPE:
            memory.grown = f"by at least {slope / MEGABYTE:.2f} MB an hour"
    result = [memory]
    for name, what, room in (
        ("descriptors", "open descriptors", 0),
        ("threads", "threads", READERS),
        ("bpf", "BPF programs, maps and links", 0),
        ("map_bytes", "bytes of BPF maps", 0),
        *((name, f"elements of BPF map {name}", 0) for name in sorted(set(kept[0].elements) - CACHES)),
    ):
        growth = Growth(what, median(values(first, name)), median(values(last, name)), max(values(samples, name)))
        # all of these come and go with each look; what stays raises the least
        before, after = min(values(first, name)), min(values(last, name))
        if after > before + room:
            growth.grown = f"the least from {plain(before)} to {plain(after)}"
        result.append(growth)
    return result
