"""The figures as people read them: a table on the terminal, wrong cases one by one, `docs/conformance.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tests import measured
from tests.conformance.figure import Figure
from tests.conformance.judges import Judge, floor

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "conformance.md"
_HEAD = ("key", "kind", "cases", "right", "wrong", "listed", "reached", "target", "met")
_WORDS = 2  # columns of words, left-aligned; the others are numbers


def table(figures: Iterable[Figure]) -> list[str]:
    """Lines for a terminal, in the order of the keys, the columns as wide as what is in them."""
    rows = [_HEAD, *map(row, sorted(figures, key=lambda figure: figure.key))]
    widths = [max(len(cells[n]) for cells in rows) for n in range(len(_HEAD))]
    return ["  ".join(_aligned(cells, widths)).rstrip() for cells in rows]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for n, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        yield cell.ljust(width) if n < _WORDS else cell.rjust(width)


def row(figure: Figure) -> tuple[str, ...]:
    right, wrong, listed = figure.right, len(figure.wrong), len(figure.kept)
    counts = (str(n) for n in (len(figure.cases), right, wrong, listed))
    return (
        figure.key,
        figure.title,
        *counts,
        share(figure.reached),
        share(figure.target),
        "yes" if figure.met else "NO",
    )


def share(value: float) -> str:
    """In percent, rounded down: 99.99 % isn't everything."""
    return f"{int(value * 10_000 + 1e-6) / 100:g} %"


def wrong(figure: Figure) -> Iterator[str]:
    """The wrong cases, each with what was expected and what came out."""
    for case in figure.wrong:
        yield case.name
        yield from (f"    {line}" for line in case.detail.split("\n") if line)


def markdown(judges: Iterable[Judge]) -> str:
    """What stands between the marks of the document: for each judge its truth, its figures, their differences."""
    ordered = sorted(judges, key=lambda judge: [figure.key for figure in judge.figures])
    return "\n\n".join("\n".join(_section(judge)) for judge in ordered)


def _section(judge: Judge) -> Iterator[str]:
    yield f"### {judge.name.capitalize().replace('_', ' ')}"
    yield ""
    yield judge.truth
    yield ""
    yield "| " + " | ".join(_HEAD) + " |"
    yield "|---" * _WORDS + "|--:" * (len(_HEAD) - _WORDS) + "|"
    for figure in judge.figures:
        yield "| " + " | ".join(_cell(text) for text in row(figure)) + " |"
    for figure in judge.figures:
        if figure.kept:
            yield ""
            yield f"Differences listed under {figure.key}:"
            yield ""
            yield from _differences(figure)


def _differences(figure: Figure) -> Iterator[str]:
    """A line for each reason, the most frequent first, with its cases."""
    reasons: dict[str, list[str]] = {}
    for case in figure.kept:
        reasons.setdefault(" ".join(figure.listed[case.name].split()), []).append(f"`{case.name}`")
    for reason, names in sorted(reasons.items(), key=lambda entry: -len(entry[1])):
        yield f"- {reason}: {', '.join(names)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def written(document: str, judges: Iterable[Judge]) -> str:
    """The document with what was measured between its marks.

    Raises:
        ValueError: it lacks a mark.
    """
    return measured.written(document, markdown(judges))


def raised(floors: Mapping[str, float], figures: Iterable[Figure]) -> str:
    """The floors as TOML, each at what is reached, or where it stood if that is more."""
    found = {figure.key: max(floor(figure), floors.get(figure.key, 0.0)) for figure in figures}
    lines = (f'"{key}" = {value}' for key, value in sorted(found.items()))
    return (
        "# What was reached: it never falls. Written by `python -m tests.conformance --write`.\n"
        + "\n".join(lines)
        + "\n"
    )
