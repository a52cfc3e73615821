"""Bounces, automatic mail and people's, in real mail: the scorecard's figures C6 and C7."""

from __future__ import annotations

import re
from functools import cache

import pytest

from gateway.mail.read import read
from gateway.model import Nature
from tests import corpora
from tests.conformance import automatic, bounces
from tests.conformance.figure import Figure

KEYS = ("C6-recognised", "C6-recipient", "C6-status", "C6-persons", "C7-marked", "C7-unmarked")


@cache
def figures() -> dict[str, Figure]:
    return {figure.key: figure for figure in (*bounces.figures(), *automatic.figures())}


@pytest.mark.timeout(900)  # the first one waits for all of them
@pytest.mark.parametrize("key", KEYS)
def test_the_figure_is_reached(key: str) -> None:
    figure = figures()[key]
    assert figure.cases
    assert figure.met, [f"{case.name}: {case.detail}" for case in figure.wrong[:20]]


@pytest.mark.parametrize("key", KEYS)
def test_every_listed_difference_is_one(key: str) -> None:
    """A reason that is no longer needed goes."""
    figure = figures()[key]
    assert set(figure.listed) <= {case.name for case in figure.cases if not case.right}


def test_what_looks_automatic_but_is_not_through_a_list_stays_a_persons() -> None:
    """X-Auto-Response-Suppress, X-Loop, `Precedence: bulk` on people's mail, with the list's marks taken off."""
    for path in sorted((corpora.folder() / "lists-harvest" / "auto-lookalike").glob("*.eml")):
        raw = re.sub(rb"(?im)^(list-[a-z]+|sender|errors-to):.*(\r?\n[ \t].*)*\r?\n", b"", path.read_bytes())
        assert read(raw).nature is Nature.PERSON, path
