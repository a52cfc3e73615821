"""The table of rights, cell by cell; and nobody outside the circle, ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.desk.rights import Action, may
from gateway.model import GLOBAL, Circle, Conversation, Inbox
from tests.builders import DEMARCHE, DOSSIER, conversation

CIRCLE = Circle(
    managers=frozenset({"manager"}),
    administrateurs=frozenset({"admin", "admin2"}),
    support=frozenset({"support"}),
    instructeurs=frozenset({"instructeur", "instructeur2"}),
    followers=frozenset({"follower"}),
)
OF_GLOBAL = Circle(managers=CIRCLE.managers)
EVERYONE = ("manager", "admin", "support", "instructeur", "follower", "outsider")
ORDINARY = (Action.SEE, Action.ANSWER, Action.NOTE, Action.STATUS, Action.TAG)


def circle_of(inbox: Inbox) -> Circle:
    return OF_GLOBAL if inbox == GLOBAL else CIRCLE


def allowed(agent: str, action: Action, where: Conversation, target: str | None = None) -> bool:
    ruling = may(agent, action, where, circle_of(where.inbox), target)
    assert ruling.because
    assert ruling.allowed == (ruling.problem is None)
    return ruling.allowed


@pytest.mark.parametrize("action", ORDINARY)
@pytest.mark.parametrize(
    ("inbox", "who"),
    [
        (GLOBAL, {"manager"}),
        (DEMARCHE, {"manager", "admin", "support"}),
        (DOSSIER, {"manager", "admin", "support", "instructeur", "follower"}),
    ],
)
def test_who_sees_answers_notes_and_changes_the_status(inbox: Inbox, who: set[str], action: Action) -> None:
    assert {agent for agent in EVERYONE if allowed(agent, action, conversation(1, inbox))} == who


@pytest.mark.parametrize("action", ORDINARY)
@pytest.mark.parametrize("inbox", [GLOBAL, DEMARCHE, DOSSIER])
def test_an_assignee_always_sees_what_is_assigned_to_them(inbox: Inbox, action: Action) -> None:
    for agent in ("outsider", "instructeur"):
        assert allowed(agent, action, conversation(1, inbox, assignee=agent))


@pytest.mark.parametrize("inbox", [GLOBAL, DEMARCHE, DOSSIER])
def test_spam_is_for_managers_administrateurs_and_support(inbox: Inbox) -> None:
    where = conversation(1, inbox, assignee="outsider")
    expected = {"manager"} if inbox == GLOBAL else {"manager", "admin", "support"}
    assert {agent for agent in EVERYONE if allowed(agent, Action.SPAM, where)} == expected


@pytest.mark.parametrize(
    ("agent", "targets"),
    [
        ("manager", {"manager", "admin2", "support", "instructeur2", "follower", "outsider"}),
        ("admin", {"admin", "admin2", "support", "instructeur2"}),
        ("support", {"admin2", "support", "instructeur2"}),
        ("instructeur", {"admin2", "instructeur", "instructeur2"}),
        ("follower", {"admin2", "instructeur2", "follower"}),
        ("outsider", set()),
    ],
)
def test_who_assigns_to_whom(agent: str, targets: set[str]) -> None:
    possible = {"manager", "admin2", "support", "instructeur2", "follower", "outsider", agent}
    where = conversation(1, DOSSIER)
    assert {target for target in possible if allowed(agent, Action.ASSIGN, where, target)} == targets


names = st.sampled_from(["a", "b", "c", "d", "e"])
groups = st.frozensets(names)
circles = st.builds(
    Circle, managers=groups, administrateurs=groups, support=groups, instructeurs=groups, followers=groups
)


@given(
    names,
    st.sampled_from(Action),
    circles,
    st.sampled_from([GLOBAL, DEMARCHE, DOSSIER]),
    st.none() | names,
    st.none() | names,
)
def test_nobody_outside_ever(
    agent: str, action: Action, circle: Circle, inbox: Inbox, assignee: str | None, target: str | None
) -> None:
    everyone = circle.managers | circle.administrateurs | circle.support | circle.instructeurs | circle.followers
    ruling = may(agent, action, conversation(1, inbox, assignee=assignee), circle, target)
    if agent not in everyone and agent != assignee:
        assert not ruling.allowed
    if ruling.allowed:  # whoever may act may see
        assert may(agent, Action.SEE, conversation(1, inbox, assignee=assignee), circle).allowed
