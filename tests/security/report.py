"""The outcomes as people read them: lines on the terminal, the table of docs/security.md."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests import measured
from tests.security.case import Case, Outcome, When

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "security.md"
_HEAD = ("case", "attack", "promised", "got through", "without the defence", "which is", "command")


def line(outcome: Outcome) -> str:
    verdict = f"FAULT: {outcome.fault}" if outcome.fault else "held"
    return f"{outcome.case.key:<24} {outcome.defended!s:>22}   control {outcome.control!s:>22}   {verdict}"


def command(case: Case) -> str:
    full = " --full" if case.when is When.FULL else ""
    return f"`python -m tests.security{full} {case.key}`"


def markdown(outcomes: Iterable[Outcome]) -> str:
    rows = [_HEAD, ("---",) * len(_HEAD)]
    rows += [
        (o.case.key, o.case.attack, o.case.promise, str(o.defended), str(o.control), o.case.removed, command(o.case))
        for o in sorted(outcomes, key=lambda outcome: outcome.case.key)
    ]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows)


def written(document: str, outcomes: Iterable[Outcome]) -> str:
    """The document with the table between its marks.

    Raises:
        ValueError: it lacks a mark.
    """
    return measured.written(document, markdown(outcomes))
