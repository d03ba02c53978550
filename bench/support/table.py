"""The rows that the parts bring home, and the page they are written to."""

from __future__ import annotations

from dataclasses import dataclass, field


class BenchError(Exception):
    """The measurement means nothing: something was not running, not watching, or not there."""


@dataclass
class Row:
    what: str
    value: str
    """Of blockwatch."""
    spread: str = ""
    peer: str = ""
    """The floor of the mechanism, no blockwatch at all, or another tool."""
    ratio: float | None = None
    """Of blockwatch's figure to that."""
    goal: str = ""
    met: bool | None = None
    """None: there is no goal."""


def at_most(limit: float, value: float, text: str | None = None) -> dict:
    """The goal's two columns."""
    return {"goal": text or f"at most {limit:g}", "met": value <= limit}


def at_least(limit: float, value: float, text: str | None = None) -> dict:
    return {"goal": text or f"at least {limit:g}", "met": value >= limit}


def shown_at_least(limit: float, low: float, high: float) -> dict:
    """Held against a confidence interval: missed where all of it lies below, met where none of it does, else neither."""
    met = False if high < limit else True if low >= limit else None
    return {"goal": f"at least {limit:g}" + (": not shown" if met is None else ""), "met": met}


@dataclass
class Section:
    name: str
    title: str
    notes: list[str] = field(default_factory=list)
    """How it was measured: sentences under the table."""
    rows: list[Row] = field(default_factory=list)
    failure: str | None = None


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ") or " "


def section_lines(section: Section) -> list[str]:
    lines = [f"## {section.title}", ""]
    if section.failure:
        lines += [f"**Not measured: {section.failure}**", ""]
    if section.rows:
        lines += [
            "| what | blockwatch | spread | floor or peer | ratio | goal |",
            "|---|---|---|---|---|---|",
        ]
        for row in section.rows:
            ratio = "" if row.ratio is None else ratio_text(row.ratio)
            goal = row.goal
            if row.met is not None:
                goal += ": met" if row.met else ": **missed**"
            lines.append("| " + " | ".join(map(cell, (row.what, row.value, row.spread, row.peer, ratio, goal))) + " |")
        lines.append("")
    if section.notes:
        lines += [" ".join(section.notes), ""]
    return lines


def ratio_text(ratio: float) -> str:
    """To the third digit near 1, where goals of 1 % lie."""
    if 0.9 < ratio < 1.1:
        return f"{ratio:.3f}"
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def missed(sections: list[Section]) -> list[str]:
    return [
        f"{section.name}: {row.what}: {ratio_text(row.ratio) if row.ratio is not None and not row.value else row.value}"
        + (f" (ratio {ratio_text(row.ratio)})" if row.ratio is not None and row.value else "")
        + f", goal {row.goal}"
        for section in sections
        for row in section.rows
        if row.met is False
    ]


def not_shown(sections: list[Section]) -> list[str]:
    """Goals that the confidence interval is too wide for."""
    return [
        f"{section.name}: {row.what}: {row.spread}, goal {row.goal}"
        for section in sections
        for row in section.rows
        if row.goal and row.met is None
    ]
