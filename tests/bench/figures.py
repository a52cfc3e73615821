"""What a measurement says, and how it is shown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LEAST = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """`against`: names of peers and how many times our value is theirs. `target` as text, "" for none."""

    what: str
    value: str
    against: tuple[tuple[str, float], ...] = ()
    target: str = ""
    met: bool | None = None

    @property
    def row(self) -> tuple[str, ...]:
        ratios = ", ".join(f"{ratio:.2f} × {peer}" for peer, ratio in self.against)
        met = {True: "met", False: "missed", None: ""}[self.met]
        return self.what, self.value, ratios, self.target, met


HEAD = ("figure", "median", "against, in the same run", "target", "")


def interleaved(rounds: int, contenders: dict[str, Callable[[int], float]]) -> dict[str, list[float]]:
    """Each contender once a round, one after the other, so that all suffer the same noise. Called with the round."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, measure in contenders.items():
            found[name].append(measure(number))
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios round by round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table."""
    rows = [HEAD, *(figure.row for figure in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)
