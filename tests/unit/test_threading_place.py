"""Placement: a token first, then links that count, else a new conversation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.model import (
    GLOBAL,
    Address,
    Conversation,
    Inbox,
    InboxKind,
    Linked,
    Nature,
    Participation,
    Purpose,
    Recalled,
    Role,
    Sent,
    Status,
)
from gateway.threading.place import joined as join
from gateway.threading.place import place
from tests.builders import DEMARCHE, DOSSIER, INES, NOW, ULYSSE, conversation, mail

STRANGER = "stranger@elsewhere.example"
GATEWAY = "contact@support.example.org"


def link(into: Conversation, author: str = ULYSSE, people: tuple[str, ...] = (GATEWAY,), **values: Any) -> Linked:
    return Linked("m0@x", into, author, people, values.get("replies", False))


def token(into: Conversation, address: str = ULYSSE, role: Role = Role.USAGER) -> tuple[Participation, Conversation]:
    return Participation(9, into.id, address, role), into


# --- which conversation ----------------------------------------------------------------------------------


def test_nothing_known() -> None:
    found = place(mail(), Recalled())
    assert (found.conversation, found.merge, found.related) == (None, (), ())
    assert "new conversation" in found.because


def test_a_token_goes_before_links() -> None:
    home, other = conversation(1), conversation(2)
    found = place(mail(), Recalled(participations=(token(home),), links=(link(other),)))
    assert found.conversation == home
    assert found.participation is not None
    assert (found.merge, found.related) == ((), (2,))


def test_a_machine_goes_where_the_mail_it_is_about_was_sent() -> None:
    home = conversation(1)
    recalled = Recalled(sent=(Sent(5, home, Purpose.ANSWER, ULYSSE, INES),), links=(link(conversation(2)),))
    assert place(mail(nature=Nature.BOUNCE), recalled).conversation == home
    assert place(mail(), recalled).conversation == conversation(2)  # a person's mail isn't about a delivery


def test_an_answer_of_its_author_and_of_its_recipient() -> None:
    home = conversation(1)
    assert place(mail(ULYSSE), Recalled(links=(link(home, ULYSSE),))).conversation == home
    assert place(mail("guest@x"), Recalled(links=(link(home, ULYSSE, ("guest@x",)),))).conversation == home


def test_a_stranger_who_cites_an_id_gets_a_conversation_of_her_own() -> None:
    found = place(mail(STRANGER), Recalled(links=(link(conversation(1)),)))
    assert found.conversation is None
    assert "neither wrote nor received" in found.because


def test_an_author_who_is_not_sure_is_nobody() -> None:
    assert place(mail(ULYSSE, sure=False), Recalled(links=(link(conversation(1)),))).conversation is None


def test_a_parent_that_comes_late() -> None:
    """The reply is there; its author is the parent's own, or one of those the parent went to."""
    home = conversation(1)
    early = link(home, "guest@x", replies=True)
    assert place(mail(ULYSSE), Recalled(links=(early,))).conversation is None
    assert place(mail(ULYSSE, cc=(Address("guest@x"),)), Recalled(links=(early,))).conversation == home
    assert place(mail(ULYSSE), Recalled(links=(link(home, ULYSSE, replies=True),))).conversation == home


# --- merging ---------------------------------------------------------------------------------------------


def test_the_oldest_goes_on() -> None:
    old, new = conversation(1), conversation(2)
    for links in ((link(old), link(new)), (link(new), link(old))):
        found = place(mail(), Recalled(links=links))
        assert found.conversation is not None
        assert (found.conversation.id, found.merge, found.related) == (1, (2,), ())


def test_conversations_that_are_never_merged() -> None:
    other = Inbox(InboxKind.DOSSIER, 124)
    home = conversation(1, DOSSIER)
    for different in (
        conversation(2, other),
        conversation(2, usager="guest@x"),
        conversation(2, pinned=True),
        conversation(2, status=Status.SPAM),
    ):
        found = place(mail(), Recalled(links=(link(home), link(different))))
        assert (found.merge, found.related) == ((), (2,)), different


def joined(*conversations: Conversation) -> Conversation:
    found = place(mail(), Recalled(links=tuple(link(c) for c in conversations))).conversation
    assert found is not None
    return found


def test_what_is_merged_keeps_the_closest_inbox() -> None:
    assert joined(conversation(1, GLOBAL), conversation(2, DOSSIER, strength=40)).inbox == DOSSIER
    assert joined(conversation(1, DEMARCHE), conversation(2, GLOBAL)).inbox == DEMARCHE
    assert joined(conversation(1, DEMARCHE, strength=60), conversation(2, DOSSIER, strength=30)).strength == 30


def test_work_that_waits_is_not_hidden_in_a_closed_conversation() -> None:
    closed = conversation(1, status=Status.CLOSED)
    assert joined(closed, conversation(2, status=Status.ACTIVE)).status is Status.ACTIVE
    assert joined(closed, conversation(2, status=Status.PENDING)).status is Status.PENDING
    assert joined(closed, conversation(2, status=Status.CLOSED)).status is Status.CLOSED


def test_assignee_and_tags_survive_a_merge() -> None:
    whole = joined(conversation(1, tags=("a",)), conversation(2, assignee=INES, tags=("b", "a")))
    assert (whole.assignee, whole.tags) == (INES, ("a", "b"))


@given(st.permutations([conversation(1), conversation(2, DEMARCHE), conversation(3, DOSSIER, strength=30)]))
def test_what_is_merged_does_not_depend_on_which_is_cited_first(order: list[Conversation]) -> None:
    found = place(mail(), Recalled(links=tuple(link(c) for c in order)))
    assert found.conversation is not None
    assert (found.conversation.id, found.conversation.inbox, sorted(found.merge)) == (1, DOSSIER, [2, 3])


def test_who_was_let_in_to_one_is_not_let_in_to_the_other() -> None:
    found = place(mail(), Recalled(links=(link(conversation(1)), link(conversation(2, guests=("guest@x",))))))
    assert (found.merge, found.related) == ((), (2,))
    both = (conversation(1, guests=("guest@x",)), conversation(2, guests=("guest@x",)))
    assert place(mail(), Recalled(links=tuple(link(c) for c in both))).merge == (2,)


def test_deadlines_go_with_the_status_that_counts() -> None:
    early, late = NOW, NOW + timedelta(days=9)
    closed = conversation(1, status=Status.CLOSED, closing_at=None)
    pending = conversation(2, status=Status.PENDING, waiting_since=early, snoozed_until=late, closing_at=late)
    whole = joined(closed, pending)
    assert (whole.waiting_since, whole.snoozed_until, whole.closing_at) == (early, late, late)
    active = conversation(3, status=Status.ACTIVE, waiting_since=late, reminded=2)
    whole = joined(closed, pending, active)
    assert (whole.waiting_since, whole.snoozed_until, whole.closing_at, whole.reminded) == (late, None, None, 2)


def test_followers_go_on_following_and_only_what_was_muted_everywhere_stays_so() -> None:
    whole = joined(
        conversation(1, followers=("a@x",), muted=("m@x", "n@x")),
        conversation(2, followers=("b@x", "a@x"), muted=("n@x",)),
    )
    assert (whole.followers, whole.muted) == (("a@x", "b@x"), ("n@x",))


def test_an_assignment_keeps_what_it_rests_on() -> None:
    whole = joined(conversation(1), conversation(2, assignee=INES, outside=True))
    assert (whole.assignee, whole.outside) == (INES, True)
    assert not joined(conversation(1, assignee=INES), conversation(2, assignee="b@x", outside=True)).outside


def test_what_was_handed_over_stays_so_unless_the_other_stands_closer() -> None:
    handed = conversation(1, GLOBAL, organisation="21310555400017", strength=20)
    assert joined(handed, conversation(2, GLOBAL)).organisation == "21310555400017"
    assert joined(handed, conversation(2, DOSSIER)).organisation == ""


def test_what_an_agent_joins_that_was_moved_by_an_agent_is_moved_by_no_mail() -> None:
    assert join(conversation(1), [conversation(2, DOSSIER, pinned=True)]).pinned
    assert not join(conversation(1), [conversation(2)]).pinned
