"""The figures as people read them: a table, and what stands between the marks of `docs/performance.md`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests import measured
from tests.bench.figures import Figure, Goal, Spread
from tests.bench.record import Measured, Run

CHART = "performance.svg"
_HEAD = ("figure", "median (lowest–highest)", "beside others, in the same run", "aimed at", "")


def number(value: float) -> str:
    """Three figures, and no exponent: 2,285, 37.2, 0.104."""
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.{2 if abs(value) < 9.995 else 1}f}" if abs(value) >= 0.0995 or not value else f"{value:.2g}"


def table(run: Run) -> str:
    """Markdown: a row of each figure, a line of what is missing and why."""
    rows = [row(figure) for each in run.measured for figure in each.figures]
    head = ["| " + " | ".join(_HEAD) + " |", "|---|--:|---|---|---|"]
    return "\n".join([*head, *("| " + " | ".join(cells) + " |" for cells in rows), *_missing(run)])


def row(figure: Figure) -> tuple[str, ...]:
    beside = [f"{_spread(figure.ratio(peer))} × {peer.name}" for peer in figure.peers]
    aims = ", ".join(_aim(figure, goal) for goal in figure.goals)
    return figure.what, f"{_spread(figure.ours)} {figure.unit}", "; ".join(beside), aims, _verdict(figure)


def _spread(found: Spread) -> str:
    if found.low == found.high:
        return number(found.median)
    return f"{number(found.median)} ({number(found.low)}–{number(found.high)})"


def _aim(figure: Figure, goal: Goal) -> str:
    return f"{'≥' if goal.least else '≤'} {goal.bound:,g} {f'× {goal.peer}' if goal.peer else figure.unit}"


def _verdict(figure: Figure) -> str:
    known = [met for met in map(figure.met, figure.goals) if met is not None]
    if not known:
        return ""
    return "met" if all(known) else "missed"


def _missing(run: Run) -> Iterator[str]:
    lines = [f"- {each.name}: {each.failure}" for each in run.measured if each.failure]
    lines += dict.fromkeys(f"- {m.name}: without {why}" for m in run.measured for f in m.figures for why in f.without)
    if lines:
        yield "\nNot measured:\n"
        yield from lines


def markdown(run: Run) -> str:
    """All that is drawn from the data: the chart, the table, and under which circumstances."""
    about = f"{run.machine}. {', '.join(run.versions)}."
    when = "\n".join(["| measure | begun (UTC) | took | rounds | load before, after |", "|---|---|--:|--:|---|"])
    circumstances = "\n".join(map(_circumstances, run.measured))
    chart = f"![How many times ahead of others, or behind]({CHART})"
    return f"{chart}\n\n{table(run)}\n\n{about}\n\n{when}\n{circumstances}"


def _circumstances(made: Measured) -> str:
    before, after = made.load
    cells = (made.name, made.at, f"{made.seconds:.0f} s", str(made.rounds), f"{before:g}, {after:g}")
    return "| " + " | ".join(cells) + " |"


def written(document: str, run: Run) -> str:
    """The document with the run between its marks.

    Raises:
        ValueError: it lacks a mark.
    """
    return measured.written(document, markdown(run))


def bars(run: Run) -> Sequence[tuple[str, str, Spread]]:
    """Of each pair that is compared: the figure, the peer, and how many times ahead we are (below 1: behind)."""
    return [
        (figure.what, peer.name, _ahead(figure, figure.ratio(peer)))
        for each in run.measured
        for figure in each.figures
        for peer in figure.peers
    ]


def _ahead(figure: Figure, ratio: Spread) -> Spread:
    return ratio if figure.more_is_better else Spread(1 / ratio.high, 1 / ratio.median, 1 / ratio.low)
