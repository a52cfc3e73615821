"""What docs/desk.md says of rights, statuses, notifications and commands is what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from gateway.config.settings import Agent
from gateway.desk import commands, rights
from gateway.desk.commands import Verb
from gateway.desk.rights import Action, View
from gateway.model import Status
from gateway.store import notices

PAGE = (Path(__file__).parents[2] / "docs/desk.md").read_text("utf-8")
COLUMNS = (View.MANAGER, View.ADMINISTRATEUR, View.INSTRUCTEUR, View.TRIAGE)
# What the rows of the table begin with, and which actions each is about.
PLAIN = {
    "answers, notes, tags, status, admits": (Action.ANSWER, Action.NOTE, Action.TAG, Action.STATUS, Action.ADMIT),
    "assigns to": (Action.ASSIGN,),
    "moves": (Action.MOVE,),
    "hands over": (Action.TRANSFER, Action.SPAM, Action.REPAIR),
    "erases": (Action.ERASE,),
    "releases": (Action.RELEASE,),
}


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def table(heading: str) -> dict[str, list[str]]:
    """First cell → the others."""
    rows = [line.strip("| ").split(" | ") for line in section(heading).splitlines() if re.match(r"\| [^-]", line)]
    return {first: others for first, *others in rows}


@pytest.mark.parametrize("begins", PLAIN)
def test_who_may_what(begins: str) -> None:
    (cells,) = (cells for first, cells in table("Rights").items() if first.startswith(begins))
    assert len(cells) == len(COLUMNS)
    for view, cell in zip(COLUMNS, cells, strict=True):
        for action in PLAIN[begins]:
            assert (action in rights._MAY[view]) == (cell != "no"), f"{view}: {action}"


def test_every_action_has_its_row() -> None:
    told = {action for actions in PLAIN.values() for action in actions}
    assert told | {Action.SEE, Action.FOLLOW} == set(Action)
    assert any(first == "sees" for first in table("Rights"))
    for view in COLUMNS:
        assert {Action.SEE, Action.FOLLOW} <= rights._MAY[view]


def test_a_support_group_may_what_administrateurs_may() -> None:
    assert "administrateur, support group" in section("Rights")
    assert rights._MAY[View.SUPPORT] == rights._MAY[View.ADMINISTRATEUR]


def test_the_statuses_are_those_there_are() -> None:
    assert list(table("Statuses"))[1:] == [status.value for status in Status]


def test_each_way_to_be_told_is_explained() -> None:
    ways = get_args(get_type_hints(Agent)["notify"])
    explained = section("Who is told")
    assert set(re.findall(r'`(?:notify = )?"([a-z]+)"`', explained)) == set(ways)


def test_a_burst_lasts_as_long_as_is_told() -> None:
    assert notices._LONGEST.total_seconds() == 10 * 60
    assert "ten minutes" in section("Who is told")


def test_its_commands_are_understood() -> None:
    written = re.findall(r"`(@[a-z]+[^`]*)`", PAGE)
    assert len(written) > 10
    for example in written:
        name = example[1:].partition(" ")[0]
        assert name in commands._NAMES or name == "ines", example
        if name != "ines":
            assert commands.parse(example).problems == () or commands._NAMES[name].verb is Verb.MOVE
