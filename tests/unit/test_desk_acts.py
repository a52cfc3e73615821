"""What an agent's wish changes: all of it, or nothing and the reasons."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.desk.acts import Outcome, decide
from gateway.desk.commands import parse
from gateway.desk.people import told
from gateway.model import GLOBAL, Circle, Conversation, Event, Problem, Status
from tests.builders import DEMARCHE, DOSSIER, conversation

ADMIN, ADMIN2, INST, MANAGER, OTHER = "admin@x", "admin2@x", "inst@x", "manager@x", "other@x"
CIRCLE = Circle(
    managers=frozenset({MANAGER}), administrateurs=frozenset({ADMIN, ADMIN2}), instructeurs=frozenset({INST})
)
AGENTS = frozenset({ADMIN, ADMIN2, INST, MANAGER, OTHER})


def act(own: str, agent: str = ADMIN, where: Conversation | None = None, **values: Any) -> Outcome:
    return decide(agent, parse(own), where or conversation(1, DOSSIER), CIRCLE, AGENTS.__contains__, **values)


def test_an_answer_waits_for_the_usager() -> None:
    done = act("Bonjour")
    assert (done.answers, done.answer, done.conversation.status) == (True, "Bonjour", Status.PENDING)
    assert done.history == (Event(ADMIN, "answered the usager"),)


def test_a_command_beside_the_answer_has_the_last_word() -> None:
    done = act("@clore\n@tag urgent\n@affecter inst@x\n@note vu\nBonjour")
    after = done.conversation
    assert (after.status, after.tags, after.assignee) == (Status.CLOSED, ("urgent",), INST)
    assert (done.answer, done.notes, done.assigned, len(done.history)) == ("Bonjour", ("vu",), INST, 5)


def test_commands_alone_relay_nothing() -> None:
    done = act("@clore")
    assert (done.answers, done.answer, done.conversation.status) == (False, "", Status.CLOSED)
    assert act("@aide").help


def test_an_attachment_without_words() -> None:
    assert act("", enclosed=True).answers
    assert act("@clore", enclosed=True).answers
    assert not act("@note pour nous", enclosed=True).answers  # it belongs to the note
    assert act("").problems == (Problem("empty"),)


@pytest.mark.parametrize(
    ("own", "agent", "code"),
    [
        ("@clotûrer\nBonjour", ADMIN, "unknown_command"),
        ("@dossier 5\nBonjour", ADMIN, "later_command"),
        ("@affecter nobody@x\nBonjour", ADMIN, "unknown_agent"),
        ("@affecter\nBonjour", ADMIN, "unknown_agent"),
        ("@affecter other@x\nBonjour", ADMIN, "assign_reach"),
        ("@spam\nBonjour", INST, "spam_right"),
        ("@tag\nBonjour", ADMIN, "empty_tag"),
        ("@note", ADMIN, "empty_note"),
        ("Bonjour", OTHER, "no_part"),
    ],
)
def test_one_problem_and_nothing_happens(own: str, agent: str, code: str) -> None:
    before = conversation(1, DOSSIER)
    done = act(f"@clore\n@note vu\n@tag x\n{own}", agent, before)
    assert [problem.code for problem in done.problems] == [code]
    assert done == Outcome(before, problems=done.problems)


def test_no_usager_no_answer() -> None:
    assert act("Bonjour", where=conversation(1, DOSSIER, usager="")).problems == (Problem("no_usager"),)
    assert act("@clore", where=conversation(1, DOSSIER, usager="")).problems == ()


@pytest.mark.parametrize("name", ["inst@x", " INST@X ", "<inst@x>", "mailto:inst@x", "<mailto:inst@x>"])
def test_an_agent_is_named_in_many_ways(name: str) -> None:
    assert act(f"@affecter {name}").assigned == INST
    assert act("@affecter moi").assigned == act("@assign me").assigned == ADMIN


lines = st.lists(
    st.sampled_from(
        [
            "@clore",
            "@spam",
            "@tag a",
            "@tag",
            "@note n",
            "@affecter inst@x",
            "@affecter other@x",
            "@xyz",
            "Bonjour",
            "",
        ]
    ),
    max_size=6,
)


@given(
    lines, st.sampled_from([ADMIN, INST, MANAGER, OTHER, "nobody@x"]), st.sampled_from([GLOBAL, DEMARCHE, DOSSIER])
)
def test_all_or_none(written: list[str], agent: str, inbox: Any) -> None:
    before = conversation(1, inbox)
    done = decide(agent, parse("\n".join(written)), before, CIRCLE, AGENTS.__contains__)
    if done.problems:
        assert done == Outcome(before, problems=done.problems)
    else:
        assert done.history or done.help
        assert all(event.by == agent for event in done.history)
    if agent in {OTHER, "nobody@x"}:
        assert done.problems


# --- who is told -----------------------------------------------------------------------------------------


def notified(where: Conversation, author: str = "usager@x", circle: Circle = CIRCLE, **wants: str) -> tuple[str, ...]:
    return told(where, circle, author, lambda address: wants.get(address.partition("@")[0], "all"))


def test_those_nearest_are_told() -> None:
    followed = Circle(CIRCLE.managers, CIRCLE.administrateurs, frozenset(), CIRCLE.instructeurs, frozenset({OTHER}))
    assert notified(conversation(1, DOSSIER), circle=followed) == (OTHER,)
    assert notified(conversation(1, DOSSIER)) == (INST,)
    assert notified(conversation(1, DEMARCHE)) == (ADMIN2, ADMIN)
    assert notified(conversation(1, GLOBAL), circle=Circle(CIRCLE.managers)) == (MANAGER,)


def test_where_nobody_wants_mail_those_behind_them_are_told() -> None:
    assert notified(conversation(1, DOSSIER), inst="none") == (ADMIN2, ADMIN)
    assert notified(conversation(1, DOSSIER), inst="assigned", admin="none") == (ADMIN2,)
    assert notified(conversation(1, DOSSIER), inst="none", admin="none", admin2="none") == (MANAGER,)


def test_an_assignee_is_told_alone() -> None:
    assert notified(conversation(1, DOSSIER, assignee=ADMIN)) == (ADMIN,)
    assert notified(conversation(1, DOSSIER, assignee=ADMIN), admin="assigned") == (ADMIN,)


def test_nobody_is_told_of_what_they_wrote_themselves() -> None:
    assert notified(conversation(1, DEMARCHE), author=ADMIN) == (ADMIN2,)
    assert notified(conversation(1, DOSSIER, assignee=ADMIN), author=ADMIN) == ()


@pytest.mark.parametrize("named", ["Inès <inst@x>", "inst@x<mailto:inst@x>", "<INST@x>", "mailto:inst@x", "inst@x."])
def test_an_agent_is_named_in_any_form_that_holds_one_address(named: str) -> None:
    assert act(f"@affecter {named}").conversation.assignee == INST
    assert act(f"@affecter {named} admin@x").problems != ()
