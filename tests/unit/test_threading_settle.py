"""What a mail changes among the conversations that it touches: which goes on, what it takes, whose it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.model import (
    GLOBAL,
    Conversation,
    Held,
    Inbox,
    InboxKind,
    Neighbourhood,
    Participation,
    Role,
    Status,
    Trace,
)
from gateway.threading.place import Beside, Placement
from gateway.threading.settle import placed, settled
from tests.builders import ULYSSE, conversation
from tests.unit.test_threading_partition import RULES, STRANGER, VERA, demarche, dossier, trace

QUICK = Placement(None, "nothing that we know is cited: a new conversation")


def there(*conversations: Conversation, acted: Iterable[int] = ()) -> dict[int, Held]:
    return {c.id: Held(c, c.id in set(acted)) for c in conversations}


def kept(number: int, *cited: int, into: int = 0, **values: Any) -> Trace:
    """A mail that stands in a conversation: one that it opened, of its own number, or `into`."""
    return trace(number, *cited, conversation=into or number, opens=not into, **values)


def late(number: int, *cited: int, **values: Any) -> Trace:
    """The mail that is placed."""
    return trace(number, *cited, id=0, **values)


def put(its: Trace, traces: Iterable[Trace], held: dict[int, Held], quick: Placement = QUICK) -> Placement:
    return placed(its, quick, Neighbourhood(tuple(traces), held), RULES)


def whose(found: Placement) -> tuple[str, Inbox] | None:
    return (found.standing.usager, found.standing.evidence.inbox) if found.standing else None


# --- where it goes ---------------------------------------------------------------------------------------


def test_without_neighbours_what_is_cited_decides() -> None:
    assert placed(late(1), QUICK, Neighbourhood((), {}), RULES) is QUICK


def test_a_parent_after_its_reply() -> None:
    here = conversation(2)
    found = put(late(1), [kept(2, 1)], there(here))
    assert (found.conversation, found.merge, found.takes, found.beside) == (here, (), (), ())
    assert found.because == "it came after its reply <m2> in REF-2"
    assert whose(found) == (ULYSSE, GLOBAL)


def test_a_late_parent_joins_the_oldest_goes_on() -> None:
    found = put(late(1), [kept(2, 1), kept(3, 1)], there(conversation(2), conversation(3)))
    assert found.conversation is not None
    assert (found.conversation.id, found.merge, found.related) == (2, (3,), ())


def test_a_late_parent_of_two_dossiers_relates_them_and_says_so() -> None:
    first, second = conversation(2, dossier(123).inbox), conversation(3, dossier(124).inbox)
    traces = [kept(2, 1, evidence=dossier(123)), kept(3, 1, evidence=dossier(124))]
    found = put(late(1), traces, there(first, second))
    assert found.conversation is not None
    assert (found.conversation.id, found.merge, found.related, found.beside) == (2, (), (3,), ())
    assert "related to REF-3" in found.because


def test_what_names_another_dossier_is_apart_and_says_why() -> None:
    found = put(
        late(2, 1, evidence=dossier(124)),
        [kept(1, evidence=dossier(123))],
        there(conversation(1, dossier(123).inbox)),
    )
    assert (found.conversation, found.related) == (None, (1,))
    assert "the subject names 124" in found.because
    assert whose(found) == (ULYSSE, dossier(124).inbox)


def test_a_response_says_by_what_it_was_placed() -> None:
    ways: tuple[tuple[str, dict[str, Any]], ...] = (
        ("base subject", {"matter": "x"}),
        ("Outlook's Thread-Index", {"outlook": "x"}),
    )
    for words, key in ways:
        found = put(late(2, orphan=True, **key), [kept(1, **key)], there(conversation(1)))
        assert found.conversation is not None
        assert words in found.because
        assert "REF-1" in found.because


def test_a_token_leads_its_mail_and_says_so() -> None:
    """It came after its reply, which stands in another conversation of hers: both become one."""
    token = Participation(9, 1, ULYSSE, Role.USAGER)
    quick = Placement(conversation(1), "a token of ours leads to REF-1", token)
    its = late(5, anchored=True, conversation=1)
    found = put(its, [kept(1), kept(6, 5)], there(conversation(1), conversation(6)), quick)
    assert found.conversation is not None
    assert (found.conversation.id, found.merge, found.participation) == (1, (6,), token)
    assert found.because.startswith(quick.because)


# --- what changes beside it ------------------------------------------------------------------------------


def test_a_late_parent_takes_what_hangs_on_it() -> None:
    """Mail 3 answered it, and cites mail 2 too: it leaves Ulysse's conversation, which stays his."""
    its = late(1, author=VERA, people=(ULYSSE,))
    traces = [kept(2), kept(3, 1, 2, into=2), kept(4, 2, into=2)]
    found = put(its, traces, there(conversation(2)))
    assert (found.conversation, found.takes, found.beside, found.related) == (None, (3,), (), (2,))


def test_a_conversation_stays_with_its_opening_message() -> None:
    """However many leave it: its reference, its tokens and its history are that one's."""
    traces = [kept(2), *(kept(n, 1, 2, into=2) for n in range(3, 9))]
    found = put(late(1, author=VERA, people=(ULYSSE,)), traces, there(conversation(2)))
    assert (found.conversation, found.takes) == (None, (3, 4, 5, 6, 7, 8))


def test_what_parts_from_it_is_named_with_what_it_takes() -> None:
    """The late parent brings its reply to one dossier, so what names another is apart by now."""
    traces = [kept(2, 1), kept(3, 2, into=2, evidence=dossier(125))]
    found = put(late(1, evidence=dossier(123)), traces, there(conversation(2, dossier(125).inbox)))
    assert found.conversation is not None
    assert whose(found) == (ULYSSE, dossier(123).inbox)
    (apart,) = found.beside
    assert (apart.conversation, apart.takes, apart.merge) == (None, (3,), ())
    assert (apart.standing.usager, apart.standing.evidence) == (ULYSSE, dossier(125))


def test_what_is_left_stands_by_what_it_says_itself() -> None:
    traces = [kept(2), kept(3, 1, 2, into=2, evidence=demarche(42)), kept(4, 2, into=2)]
    found = put(late(1, author=VERA, people=(ULYSSE,)), traces, there(conversation(2, demarche(42).inbox)))
    (left,) = found.beside
    assert left.conversation is not None
    assert (left.conversation.id, left.standing.evidence.inbox, left.takes) == (2, GLOBAL, ())
    assert left.stay == (2, 4)


# --- whose it is -----------------------------------------------------------------------------------------


def test_a_mail_never_turns_answers_to_somebody_else() -> None:
    """Véra's mail comes after Ulysse's answer to it: what he opened stays his."""
    found = put(late(1, author=VERA, people=(ULYSSE,)), [kept(2, 1)], there(conversation(2)))
    assert found.standing is not None
    assert found.standing.usager == ULYSSE


def test_where_several_opened_it_it_is_nobodys() -> None:
    its = late(1, author=VERA, people=(ULYSSE, STRANGER))
    traces = [kept(2, 1), kept(3, 1, author=STRANGER)]
    found = put(its, traces, there(conversation(2), conversation(3, usager=STRANGER)))
    assert found.merge == (3,)
    assert found.standing is not None
    assert found.standing.usager == ""


def test_nobody_is_answered_out_of_a_dossier_that_does_not_admit_them() -> None:
    its = late(1, evidence=dossier(123))
    found = put(its, [kept(2, 1, author=STRANGER)], there(conversation(2, usager=STRANGER)))
    assert found.standing is not None
    assert found.standing.usager in {"", ULYSSE}


def test_an_answered_conversation_keeps_its_usager_and_its_messages() -> None:
    held = there(conversation(2, usager=ULYSSE), acted=(2,))
    found = put(late(1, author=VERA, people=(ULYSSE,)), [kept(2, 1)], held)
    assert (found.conversation, found.takes, found.beside, found.related) == (None, (), (), (2,))


def test_whom_an_agent_answered_there_stays_its_usager() -> None:
    """Even where the dossier that she put it into doesn't admit them."""
    held = there(conversation(2, dossier(123).inbox, usager=STRANGER), acted=(2,))
    found = put(late(3, 2, author=STRANGER), [kept(2, author=STRANGER)], held)
    assert whose(found) == (STRANGER, dossier(123).inbox)


def test_nothing_comes_out_of_what_an_agent_moved_or_called_spam() -> None:
    for kind in ({"pinned": True}, {"status": Status.SPAM}):
        held = there(conversation(2, demarche(43).inbox, **kind), conversation(3))
        traces = [kept(2, 1, evidence=dossier(123)), kept(4, 1, into=2), kept(3, 1)]
        found = put(late(1), traces, held)
        assert found.conversation is not None
        assert (found.conversation.id, found.merge, found.takes, found.beside) == (3, (), (), ())


# --- parting all of it anew ------------------------------------------------------------------------------


def anew(traces: Iterable[Trace], held: dict[int, Held]) -> tuple[Beside, ...]:
    return settled(Neighbourhood(tuple(traces), held), RULES)


def test_what_stands_right_changes_nothing() -> None:
    held = there(conversation(1, dossier(123).inbox), conversation(3, usager=VERA), conversation(4, pinned=True))
    traces = [
        kept(1),
        kept(2, 1, into=1, evidence=dossier(123)),
        kept(3, author=VERA),
        kept(4, 1, evidence=dossier(124)),
    ]
    assert anew(traces, held) == ()
    assert anew([], {}) == ()


def test_what_was_handed_over_stays_in_the_global_inbox() -> None:
    handed = conversation(1, organisation="21310555400017")
    assert anew([kept(1, evidence=demarche(42))], there(handed)) == ()
    (found,) = anew([kept(1, evidence=demarche(42))], there(conversation(1)))
    assert found.standing.evidence.inbox == Inbox(InboxKind.DEMARCHE, 42)


def test_what_was_misplaced_comes_back() -> None:
    (found,) = anew([kept(1), kept(2, 1, into=3), kept(3)], there(conversation(1), conversation(3)))
    assert found.conversation == conversation(1)
    assert (found.merge, found.takes) == ((), (2,))
