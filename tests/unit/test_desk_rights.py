"""The table of rights: cell by cell, and over random directories, against a second writing of it (tests.desks)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.desk.people import told
from gateway.desk.rights import NOBODY, Action, Destination, may, sees
from gateway.model import GLOBAL, Conversation, Inbox, InboxKind
from gateway.routing.directory import directory
from tests.builders import conversation, settings
from tests.desks import AGENTS, INBOXES, MAIRIE, ORDINARY, PREFECTURE, World, conversations, someone, worlds

RESPONSIBLE = (Action.SPAM, Action.TRANSFER, Action.REPAIR)
ANYBODY = (*AGENTS, "stranger@elsewhere.example")

# --- cell by cell ----------------------------------------------------------------------------------------
# Démarche 42 of the mairie, with the groupes Nord and Sud and Wanda for both; a support group helps the mairie.

EVERYONE = ("manager", "admin", "admin2", "support", "wanda", "nord", "nord2", "sud", "follower", "triage", "other")
D41, D42, D43 = (Inbox(InboxKind.DEMARCHE, number) for number in (41, 42, 43))
NORD, SUD, NO_GROUPE, ELSEWHERE = (Inbox(InboxKind.DOSSIER, number) for number in (1, 2, 3, 4))


def at(name: str) -> str:
    return f"{name}@x.example"


def those(*names: str) -> list[str]:
    return [at(name) for name in names]


def desk(**changed: Any) -> World:
    told: dict[str, Any] = {
        "organisations": [
            {"siret": MAIRIE, "name": "Mairie d'Exemple"},
            {"siret": PREFECTURE, "name": "Préfecture"},
        ],
        "demarches": [
            {"number": 41, "title": "Autre", "organisation": MAIRIE, "administrateurs": those("admin")},
            {
                "number": 42,
                "title": "Permis",
                "organisation": MAIRIE,
                "administrateurs": those("admin", "admin2"),
                "instructeurs": those("wanda"),
                "groupes": [
                    {"label": "Nord", "instructeurs": those("nord", "nord2")},
                    {"label": "Sud", "instructeurs": those("sud")},
                ],
            },
            {"number": 43, "title": "Titre", "organisation": PREFECTURE, "instructeurs": those("other")},
        ],
        "dossiers": [
            {
                "number": 1,
                "demarche": 42,
                "usager": "u@x.example",
                "groupe": "Nord",
                "followers": those("follower"),
            },
            {"number": 2, "demarche": 42, "usager": "u@x.example", "groupe": "Sud"},
            {"number": 3, "demarche": 42, "usager": "u@x.example"},
            {"number": 4, "demarche": 43, "usager": "u@x.example"},
        ],
        "agents": [{"email": at("manager"), "capacities": ["manager"]}],
        "support_groups": [{"name": "adullact", "organisations": [MAIRIE], "agents": those("support")}],
        "desk": {"global_agents": those("triage")},
    }
    made = settings(**told | changed)
    return World(made, directory(made))


DESK = desk()


def allowed(name: str, action: Action, where: Conversation, target: Any = None, of: World = DESK) -> bool:
    ruling = may(at(name), action, where, of.directory.circle_of(where), target)
    assert ruling.because
    assert ruling.allowed == (ruling.problem is None)
    return ruling.allowed


def who(action: Action, where: Conversation, target: Any = None, of: World = DESK) -> set[str]:
    return {name for name in EVERYONE if allowed(name, action, where, target, of)}


ABOVE = {"manager", "admin", "admin2", "support"}
SEEN = [
    (GLOBAL, {"manager", "triage"}),
    (D42, ABOVE),
    (NORD, ABOVE | {"wanda", "nord", "nord2", "follower"}),
    (SUD, ABOVE | {"wanda", "sud"}),
    (NO_GROUPE, ABOVE | {"wanda", "nord", "nord2", "sud"}),
    (D41, {"manager", "admin", "support"}),
    (D43, {"manager"}),
    (ELSEWHERE, {"manager", "other"}),
    (Inbox(InboxKind.DOSSIER, 999), {"manager"}),  # the directory doesn't know it (any more)
]


@pytest.mark.parametrize("action", ORDINARY)
@pytest.mark.parametrize(("inbox", "agents"), SEEN)
def test_who_sees_answers_notes_tags_and_sets_the_status(inbox: Inbox, agents: set[str], action: Action) -> None:
    assert who(action, conversation(1, inbox)) == agents


@pytest.mark.parametrize("action", ORDINARY)
@pytest.mark.parametrize("inbox", [GLOBAL, D42, NORD, ELSEWHERE])
def test_an_assignee_always_sees_what_is_assigned_to_them(inbox: Inbox, action: Action) -> None:
    for name in ("other", "sud", "wanda"):
        assert allowed(name, action, conversation(1, inbox, assignee=at(name)))


@pytest.mark.parametrize("action", RESPONSIBLE)
@pytest.mark.parametrize(("inbox", "agents"), [(GLOBAL, {"manager", "triage"}), (D42, ABOVE), (NORD, ABOVE)])
def test_spam_hand_over_and_repair_are_for_those_responsible(inbox: Inbox, agents: set[str], action: Action) -> None:
    assert who(action, conversation(1, inbox, assignee=at("other"))) == agents


@pytest.mark.parametrize("inbox", INBOXES)
def test_only_a_manager_erases(inbox: Inbox) -> None:
    assert who(Action.ERASE, conversation(1, inbox, assignee=at("other"))) == {"manager"}


INSTRUCTEURS = {"wanda", "nord", "nord2", "sud"}
RESPONSIBLES = {"admin", "admin2", "support"}


@pytest.mark.parametrize(
    ("inbox", "name", "targets"),
    [
        *((inbox, "manager", set(EVERYONE)) for inbox in (GLOBAL, D42, NORD, D43)),
        *((NORD, name, RESPONSIBLES | INSTRUCTEURS | {"follower"}) for name in ("admin", "support")),
        *((D42, name, RESPONSIBLES | INSTRUCTEURS) for name in ("admin", "support")),
        (NORD, "nord", {"nord", "nord2", "wanda", "follower", "admin", "admin2"}),
        (NORD, "wanda", INSTRUCTEURS - {"sud"} | {"follower", "admin", "admin2"}),
        (NORD, "follower", {"follower", "nord", "nord2", "wanda", "admin", "admin2"}),
        (SUD, "sud", {"sud", "wanda", "admin", "admin2"}),
        (NORD, "sud", set()),
        (D42, "nord", set()),
        (GLOBAL, "triage", {"triage", "manager"}),
        (GLOBAL, "admin", set()),
        (ELSEWHERE, "other", {"other", "manager"}),  # nobody stands between
    ],
)
def test_who_assigns_to_whom(inbox: Inbox, name: str, targets: set[str]) -> None:
    where = conversation(1, inbox)
    assert {target for target in EVERYONE if allowed(name, Action.ASSIGN, where, at(target))} == targets


def test_whoever_is_assigned_gives_it_to_colleagues_or_back_up() -> None:
    where = conversation(1, D42, assignee=at("nord"))
    targets = {target for target in EVERYONE if allowed("nord", Action.ASSIGN, where, at(target))}
    assert targets == {"nord", "nord2", "wanda", "admin", "admin2"}
    assert not allowed("nord2", Action.ASSIGN, where, at("nord2"))


def test_who_takes_an_assignment_away() -> None:
    assert who(Action.ASSIGN, conversation(1, NORD, assignee=at("nord")), NOBODY) == ABOVE | {"nord"}
    assert who(Action.ASSIGN, conversation(1, GLOBAL, assignee=at("other")), NOBODY) == {
        "manager",
        "triage",
        "other",
    }


@pytest.mark.parametrize(
    ("inbox", "to", "agents"),
    [
        (NORD, D42, ABOVE | {"wanda", "nord", "nord2", "follower"}),
        (NORD, GLOBAL, ABOVE),
        (NORD, D41, {"manager", "admin", "support"}),
        (NORD, SUD, ABOVE),
        (NORD, D43, {"manager"}),
        (D42, NORD, ABOVE),
        (D42, GLOBAL, ABOVE),
        (D41, D42, {"manager", "admin", "support"}),
        (D42, ELSEWHERE, {"manager"}),
        (GLOBAL, D42, {"manager", "triage"}),
        (GLOBAL, D43, {"manager", "triage"}),
        (GLOBAL, NORD, {"manager"}),
    ],
)
def test_who_moves_where(inbox: Inbox, to: Inbox, agents: set[str]) -> None:
    target = Destination(to, DESK.directory.circle(to))
    assert who(Action.MOVE, conversation(1, inbox, assignee=at("other")), target) == agents


def test_an_instructeur_does_not_move_what_is_assigned_to_her_in_a_demarche() -> None:
    where = conversation(1, D42, assignee=at("nord"))
    for to in (GLOBAL, NORD, D41):
        assert not allowed("nord", Action.MOVE, where, Destination(to, DESK.directory.circle(to)))


def test_what_was_handed_over_is_for_the_agents_of_that_organisation() -> None:
    handed = conversation(1, GLOBAL, organisation=MAIRIE)
    assert who(Action.SEE, handed) == {"manager", "triage", "admin", "admin2", "support"}
    assert who(Action.SPAM, handed) == {"manager", "triage", "admin", "admin2", "support"}
    assert who(Action.MOVE, handed, Destination(D42, DESK.directory.circle(D42))) == {*ABOVE, "triage"}
    assert who(Action.MOVE, handed, Destination(D43, DESK.directory.circle(D43))) == {"manager", "triage"}


def test_several_capacities_add_up() -> None:
    """Whoever is named for the global inbox and responsible in an organisation may do what either may."""
    both = desk(desk={"global_agents": those("admin")})
    handed = conversation(1, GLOBAL, organisation=MAIRIE)
    assert allowed("admin", Action.MOVE, handed, Destination(D43, both.directory.circle(D43)), both)
    assert allowed("admin", Action.ASSIGN, handed, at("support"), both)
    assert allowed("admin", Action.ASSIGN, handed, at("manager"), both)


# --- delegation: a contract begins and ends --------------------------------------------------------------


def test_a_contract_begins_and_ends_and_what_its_agents_see_changes_at_once() -> None:
    group = {"name": "adullact", "agents": those("support")}
    without = desk(support_groups=[{**group, "organisations": []}])
    of_another = desk(support_groups=[{**group, "organisations": [PREFECTURE]}])
    for inbox in (D41, D42, NORD, SUD, NO_GROUPE):
        for action in (*ORDINARY, *RESPONSIBLE):
            assert allowed("support", action, conversation(1, inbox))
            assert not allowed("support", action, conversation(1, inbox), of=without)
            assert not allowed("support", action, conversation(1, inbox), of=of_another)
    for inbox in (D43, ELSEWHERE):
        assert not allowed("support", Action.SEE, conversation(1, inbox))
        assert allowed("support", Action.SEE, conversation(1, inbox), of=of_another)
    assert not allowed("admin", Action.ASSIGN, conversation(1, D42), at("support"), of=without)


# --- over random directories -----------------------------------------------------------------------------


@given(worlds, conversations(), st.sampled_from(ANYBODY))
def test_whoever_sees_may_and_nobody_else(world: World, where: Conversation, agent: str) -> None:
    circle = world.directory.circle_of(where)
    assert sees(agent, where, circle) == world.sees(agent, where)
    for action in (*ORDINARY, *RESPONSIBLE, Action.ERASE):
        assert may(agent, action, where, circle).allowed == world.allows(agent, action, where), action


@given(worlds, conversations(), someone, st.sampled_from((NOBODY, *ANYBODY)), st.sampled_from(INBOXES))
def test_assigning_and_moving_reach_as_far_as_the_table_says(
    world: World, where: Conversation, agent: str, target: str, to: Inbox
) -> None:
    circle = world.directory.circle_of(where)
    destination = Destination(to, world.directory.circle(to))
    assigns, moves = (may(agent, action, where, circle, aim).allowed for action, aim in _aims(target, destination))
    assert assigns == world.allows(agent, Action.ASSIGN, where, target)
    assert moves == world.allows(agent, Action.MOVE, where, destination)


def _aims(target: str, to: Destination) -> tuple[tuple[Action, Any], ...]:
    return (Action.ASSIGN, target), (Action.MOVE, to)


@given(worlds, conversations(), someone)
def test_an_assignee_sees_it_and_once_unassigned_only_with_another_right(
    world: World, where: Conversation, agent: str
) -> None:
    circle = world.directory.circle_of(where)
    assert sees(agent, replace(where, assignee=agent), circle)
    unassigned = replace(where, assignee=None)
    assert sees(agent, unassigned, circle) == world.sees(agent, unassigned)


@given(worlds, conversations(), st.sampled_from(ANYBODY))
def test_nobody_is_told_of_what_they_may_not_see_nor_of_their_own_act(
    world: World, where: Conversation, author: str
) -> None:
    found = told(where, world.directory.circle_of(where), author, world.directory.notify_of)
    assert all(world.sees(agent, where) for agent in found)
    assert not {author, *where.muted} & set(found)
    assert list(found) == sorted(set(found))
