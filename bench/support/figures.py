"""Numbers: what repeated measurements say, and how they are written."""

from __future__ import annotations

import math


def quantile(values: list[float], share: float) -> float:
    """The value below which `share` (0 to 1) of all lie, interpolated."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def median(values: list[float]) -> float:
    return quantile(values, 0.5)


def interval(values: list[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the median, by ranks: true whatever the noise looks like.

    With fewer than six values there is none that narrow: then the least and the greatest.
    """
    ordered = sorted(values)
    reach = 0.98 * math.sqrt(len(ordered))
    low = max(0, math.floor(len(ordered) / 2 - reach))
    high = min(len(ordered) - 1, math.ceil(len(ordered) / 2 + reach) - 1)
    return (ordered[0], ordered[-1]) if len(ordered) < 6 else (ordered[low], ordered[high])


def number(value: float) -> str:
    """Three digits that count: 0.0123, 1.23, 12.3, 123, 12,345."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    magnitude = math.floor(math.log10(abs(value)))
    return f"{value:,.{min(max(2 - magnitude, 0), 5)}f}"


def nanoseconds(value: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        # 10 µs and more: below that, nanoseconds compare better
        if abs(value) >= size * (1 if size > 1e3 else 10):
            return f"{number(value / size)} {unit}"
    return f"{value:,.0f} ns"


def mebibytes(value: float) -> str:
    return f"{number(value / 2**20)} MB"


def span(low: float, high: float, write=number) -> str:
    return f"{write(low)} to {write(high)}"
