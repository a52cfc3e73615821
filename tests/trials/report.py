"""The outcomes as people read them: lines on the terminal, the table of the suite's document."""

from __future__ import annotations

from collections.abc import Iterable

from tests import measured
from tests.trials.case import Case, Outcome, When
from tests.trials.suite import Suite


def line(outcome: Outcome) -> str:
    key = f"{outcome.case.key:<24}"
    if outcome.left_out:
        return f"{key} LEFT OUT: {outcome.left_out}"
    verdict = f"FAULT: {outcome.fault}" if outcome.fault else "held"
    return f"{key} {outcome.defended!s:>22}   control {outcome.control!s:>22}   {verdict}"


def command(suite: Suite, case: Case) -> str:
    full = " --full" if case.when is When.FULL else ""
    return f"`python -m {suite.program}{full} {case.key}`"


def row(suite: Suite, outcome: Outcome) -> str:
    case = outcome.case
    figures = ("left out", "left out") if outcome.left_out else (str(outcome.defended), str(outcome.control))
    return _line((case.key, case.trial, case.promise, *figures, case.removed, command(suite, case)))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def written(suite: Suite, document: str, outcomes: Iterable[Outcome]) -> str:
    """The document with these outcomes in its table; rows of other cases stay as they are.

    Raises:
        ValueError: it lacks a mark.
    """
    rows = _rows(document) | {outcome.case.key: row(suite, outcome) for outcome in outcomes}
    head = ("case", suite.trial, "promised", suite.through, "without the defence", "which is", "command")
    known = (rows[case.key] for case in suite.every() if case.key in rows)
    return measured.written(document, "\n".join((_line(head), _line(("---",) * len(head)), *known)))


def told(suite: Suite) -> list[str]:
    """The keys in the document's table, in its order."""
    return list(_rows(suite.path.read_text("utf-8")))


def _rows(document: str) -> dict[str, str]:
    """The lines of the document's table but its head, by their keys."""
    table = document.partition(measured.BEGIN)[2].partition(measured.END)[0]
    lines = [each for each in table.splitlines() if each.startswith("|")][2:]
    return {each.split("|")[1].strip(): each for each in lines}
