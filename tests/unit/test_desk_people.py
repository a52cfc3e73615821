"""Who is told of a message, whom an answer goes to, whom a note names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.desk.people import audience, mentioned, told, unstaffed
from gateway.model import GLOBAL, Circle, Conversation
from gateway.routing.directory import directory
from tests.builders import ALICE, DEMARCHE, DOSSIER, INES, ULYSSE, conversation, settings

ADMIN, ADMIN2, INST, FOLLOWER, SUPPORT, MANAGER, TRIAGE = (
    f"{name}@x" for name in ("admin", "admin2", "inst", "follower", "support", "manager", "triage")
)
CIRCLE = Circle(
    managers=frozenset({MANAGER}), administrateurs=frozenset({ADMIN, ADMIN2}), instructeurs=frozenset({INST})
)
FOLLOWED = Circle(CIRCLE.managers, CIRCLE.administrateurs, frozenset(), CIRCLE.instructeurs, frozenset({FOLLOWER}))
OF_GLOBAL = Circle(managers=frozenset({MANAGER}), triage=frozenset({TRIAGE}))
OF_MANAGERS = Circle(managers=frozenset({MANAGER}))


def notified(where: Conversation, author: str = "usager@x", circle: Circle = CIRCLE, **wants: str) -> tuple[str, ...]:
    return told(where, circle, author, lambda address: wants.get(address.partition("@")[0], "all"))


# --- who is told -----------------------------------------------------------------------------------------


def test_those_nearest_are_told() -> None:
    assert notified(conversation(1, DOSSIER), circle=FOLLOWED) == (FOLLOWER,)
    assert notified(conversation(1, DOSSIER)) == (INST,)
    assert notified(conversation(1, DEMARCHE)) == (ADMIN2, ADMIN)
    assert notified(conversation(1, GLOBAL), circle=OF_GLOBAL) == (MANAGER, TRIAGE)


def test_a_support_group_is_told_beside_the_administrateurs() -> None:
    helped = Circle(CIRCLE.managers, frozenset({ADMIN}), frozenset({SUPPORT}), frozenset({INST}))
    assert notified(conversation(1, DEMARCHE), circle=helped) == (ADMIN, SUPPORT)


def test_where_nobody_wants_mail_those_behind_them_are_told() -> None:
    assert notified(conversation(1, DOSSIER), circle=FOLLOWED, follower="none") == (INST,)
    assert notified(conversation(1, DOSSIER), inst="none") == (ADMIN2, ADMIN)
    assert notified(conversation(1, DOSSIER), inst="assigned", admin="none") == (ADMIN2,)


@pytest.mark.parametrize("inbox", [DEMARCHE, DOSSIER])
def test_an_organisation_keeps_its_mail_to_itself(inbox: Any) -> None:
    """Even where none of its agents wants to be told: the platform's team isn't bothered."""
    nobody: dict[str, Any] = {"inst": "none", "admin": "none", "admin2": "assigned"}
    assert notified(conversation(1, inbox), **nobody) == ()
    assert notified(conversation(1, inbox), circle=OF_MANAGERS) == (MANAGER,)  # it has no agent left


def test_an_assignee_is_told_alone() -> None:
    for wants in ("all", "assigned", "digest"):
        assert notified(conversation(1, DOSSIER, assignee=ADMIN), admin=wants) == (ADMIN,)


def test_an_assignee_who_wants_no_mail_keeps_nobody_else_from_it() -> None:
    assert notified(conversation(1, DOSSIER, assignee=ADMIN), admin="none") == (INST,)
    assert notified(conversation(1, DOSSIER, assignee=ADMIN, muted=(ADMIN,))) == (INST,)


def test_nobody_is_told_of_what_they_wrote_themselves() -> None:
    assert notified(conversation(1, DEMARCHE), author=ADMIN) == (ADMIN2,)
    assert notified(conversation(1, DOSSIER, assignee=ADMIN), author=ADMIN) == ()
    assert notified(conversation(1, DOSSIER, followers=(INST,)), author=INST) == (ADMIN2, ADMIN)


def test_whoever_follows_is_told_too_while_she_may_see_it() -> None:
    where = conversation(1, DOSSIER, assignee=INST, followers=(ADMIN, "gone@x"))
    assert notified(where) == (ADMIN, INST)
    assert notified(where, admin="assigned") == (ADMIN, INST)  # she asked for this one
    assert notified(conversation(1, DEMARCHE, followers=(INST,))) == (ADMIN2, ADMIN)


def test_whoever_muted_it_is_not_told() -> None:
    assert notified(conversation(1, DEMARCHE, muted=(ADMIN,))) == (ADMIN2,)
    assert notified(conversation(1, DEMARCHE, muted=(ADMIN, ADMIN2))) == ()


# --- whose it is -----------------------------------------------------------------------------------------


def test_an_organisation_without_an_agent_who_could_see_it() -> None:
    only_instructeurs = Circle(managers=frozenset({MANAGER}), instructeurs=frozenset({INST}))
    assert not unstaffed(DOSSIER, only_instructeurs)
    assert unstaffed(DEMARCHE, only_instructeurs)  # they see its dossiers alone
    assert not unstaffed(DEMARCHE, Circle(support=frozenset({SUPPORT})))
    assert not unstaffed(DOSSIER, Circle(followers=frozenset({FOLLOWER})))
    assert unstaffed(DOSSIER, OF_MANAGERS)
    assert unstaffed(GLOBAL, OF_GLOBAL)
    assert not unstaffed(GLOBAL, Circle(administrateurs=frozenset({ADMIN})))


# --- the audience of an answer -------------------------------------------------------------------------------


def test_an_answer_goes_to_the_usager_and_whom_an_agent_admitted() -> None:
    where = conversation(1, DOSSIER, guests=("guest@y", ULYSSE))
    assert audience(where, (), ("stranger@z", "guest@y")) == (ULYSSE, "guest@y")


def test_the_people_of_the_dossier_are_written_to_once_they_wrote() -> None:
    where = conversation(1, DOSSIER)
    admitted = (ULYSSE, "invited@y", "silent@y")
    assert audience(where, admitted, ("stranger@z", "invited@y", ULYSSE)) == (ULYSSE, "invited@y")


def test_nobody_known_is_nobody() -> None:
    assert audience(conversation(1, usager=""), ("",), ("",)) == ()


addresses = st.lists(st.sampled_from(["a@y", "b@y", "c@y", "d@y", ""]), max_size=4).map(tuple)


@given(st.sampled_from(["a@y", ""]), addresses, addresses, addresses)
def test_the_audience_is_never_widened(
    usager: str, guests: tuple[str, ...], admitted: tuple[str, ...], writers: tuple[str, ...]
) -> None:
    found = audience(conversation(1, usager=usager, guests=guests), admitted, writers)
    assert set(found) == ({usager, *guests} | (set(admitted) & set(writers))) - {""}
    assert len(set(found)) == len(found)
    assert not usager or found[0] == usager


# --- whom a note names -----------------------------------------------------------------------------------

DIRECTORY = directory(
    settings(
        agents=[
            {"email": INES, "name": "Inès Instruit"},
            {"email": ALICE, "name": "Alice Admin"},
            {"email": "paul@x.example", "name": "Paul Un"},
            {"email": "paul.deux@x.example", "name": "Paul Deux"},
        ]
    )
)
NEAR = frozenset({INES, ALICE, "paul@x.example", "paul.deux@x.example"})


@pytest.mark.parametrize(
    ("note", "names"),
    [
        ("@ines à toi", (INES,)),
        ("Vu avec @Inès, et @alice.", (INES, ALICE)),
        ("(@INES) (@ines)", (INES,)),
        (f"demander à {ALICE}!", (ALICE,)),
        ("voir <ines.instruit@mairie.example.org>", (INES,)),
        ("« @ines »", (INES,)),
        ("@alice.admin", (ALICE,)),
        ("@paul sait", ()),  # which of the two?
        ("@paul.deux sait", ("paul.deux@x.example",)),
        ("@inconnue", ()),
        ("écrire à jean@ailleurs.example", ()),
        ("ines sans arobase", ()),
        ("@", ()),
        ("@ @@ @.", ()),
        ("", ()),
    ],
)
def test_whom_a_note_names(note: str, names: tuple[str, ...]) -> None:
    assert mentioned(note, lambda words: DIRECTORY.agents_named(words, NEAR)) == names


@given(st.text(max_size=80))
def test_any_note_names_agents_or_nobody(note: str) -> None:
    assert set(mentioned(note, lambda words: DIRECTORY.agents_named(words, NEAR))) <= NEAR
