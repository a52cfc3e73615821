"""What was reached on real mail isn't fallen short of, and differences are listed only where there are any."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests import corpora
from tests.conformance import judges, report
from tests.conformance.figure import Figure
from tests.conformance.judges import Judge


def measured(name: str) -> Judge:
    """What a judge finds; all of them are measured at once."""
    corpora.folder()
    return {judge.name: judge for judge in judges.measured(judges.names())}[name]


def figures() -> Iterator[Figure]:
    return (figure for name in judges.names() for figure in measured(name).figures)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", judges.names())
def test_every_figure_stands_where_it_stood(name: str) -> None:
    floors = judges.floors()
    judge = measured(name)
    assert judge.figures
    assert [fault for figure in judge.figures for fault in judges.faults(figure, floors)] == []


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", judges.names())
def test_the_document_says_what_is_measured(name: str) -> None:
    """Written anew by `python -m tests.conformance --write`."""
    document = report.DOCUMENT.read_text("utf-8")
    assert report.markdown([measured(name)]) in document


def test_every_floor_is_a_figures() -> None:
    keys = {figure.key for figure in figures()}
    assert set(judges.floors()) <= keys


def test_every_list_of_differences_is_a_figures() -> None:
    keys = {figure.key for figure in figures()}
    assert {path.stem for path in judges.DIFFERENCES.glob("*.toml")} <= keys


def test_each_key_stands_once_and_begins_with_its_letter() -> None:
    keys = [figure.key for figure in figures()]
    assert len(keys) == len(set(keys))
    assert all(re.fullmatch(r"C\d+-[\w-]+", key) for key in keys)
