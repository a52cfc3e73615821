"""The outbox and what filing writes: ids fixed once, threads that hold, merges that lead on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.errors import NotFound, Refused
from gateway.mail import tokens
from gateway.mail.tokens import TokenKind
from gateway.model import (
    Attempt,
    Clues,
    Conversation,
    DeliveryState,
    Direction,
    Draft,
    Event,
    Fact,
    Filing,
    Kind,
    Message,
    Nature,
    Occasion,
    Role,
    Settlement,
)
from gateway.store import filing, outbox, recall, references, sending, views
from gateway.store.database import Store
from gateway.store.sending import Settled
from gateway.store.tables import conversations, deliveries, participations
from tests.builders import DOMAIN, KEYS, MANON, NOW, ULYSSE, conversation, draft, make_context

SIGNER = make_context().signer


def message(identifier: str = "m1@x", **values: Any) -> Message:
    base = Message(identifier, Direction.IN, Kind.EXTERNAL, Nature.PERSON, None, ULYSSE, ("a@x",), NOW, "s", "t")
    return replace(base, **{"fingerprint": identifier.encode().hex().ljust(64, "0")[:64], **values})


def file(store: Store, letter: Message, *letters: Draft, into: Conversation | None = None, **values: Any) -> Any:
    filed = Filing(into or conversation(0), ((letter, letters),), **values)
    return store.write_now(lambda tx: filing.file(tx, filed, SIGNER, NOW))


def due(store: Store, at: Any = NOW, limit: int = 10, busy: tuple[int, ...] = ()) -> list[Any]:
    return store.read_now(lambda c: sending.due(c, at, limit, busy))


def state(store: Store, delivery: int = 1) -> str:
    return str(store.read_now(lambda c: c.scalar(select(deliveries.c.state).where(deliveries.c.id == delivery))))


def settle(store: Store, found: DeliveryState, then: Any = NOW) -> None:
    fact = Fact(1, Occasion.ATTEMPT, Attempt(found, "said", "host", "tls"))
    store.write_now(lambda tx: sending.settle(tx, [Settled(fact, then)], NOW))


# --- what is fixed when it is written -----------------------------------------------------------------------


def test_ids_and_addresses_say_whose_and_which(store: Store) -> None:
    file(store, message(), draft(), draft(MANON, role=Role.AGENT, silent=True))
    first, second = due(store)
    for outgoing, person in ((first, 1), (second, 2)):
        delivery, token = tokens.in_message_id(outgoing.message_id, DOMAIN, KEYS) or (0, None)
        assert (delivery, token and token.subject) == (outgoing.id, person)
        reply = tokens.verify(outgoing.reply_to.partition("+")[2].partition("@")[0], KEYS)
        assert reply is not None
        assert (reply.kind, reply.subject, reply.epoch) == (TokenKind.REPLY, person, 0)
    bounce = tokens.verify(first.envelope_sender.partition("+")[2].partition("@")[0], KEYS)
    assert bounce is not None
    assert (bounce.kind, bounce.subject) == (TokenKind.BOUNCE, first.id)
    assert second.envelope_sender == ""
    assert (first.draft, second.draft) == (draft(), draft(MANON, role=Role.AGENT, silent=True))


def test_without_plus_addressing(store: Store) -> None:
    signer = replace(SIGNER, reply="")
    store.write_now(lambda tx: filing.file(tx, Filing(conversation(0), ((message(), (draft(),)),)), signer, NOW))
    (found,) = due(store)
    assert found.reply_to == found.envelope_sender == f"contact@{DOMAIN}"


def test_one_token_for_a_person_and_a_raised_epoch_for_the_next(store: Store) -> None:
    file(store, message(), draft(), draft())
    one, two = due(store)
    assert one.reply_to == two.reply_to
    assert one.message_id != two.message_id
    store.write_now(lambda tx: tx.connection.execute(update(participations).values(epoch=3)))
    file(store, message("m2@x"), draft(), into=conversation(1))
    third = due(store)[2]
    token = tokens.verify(third.reply_to.partition("+")[2].partition("@")[0], KEYS)
    assert token is not None
    assert (token.subject, token.epoch) == (1, 3)


def test_a_mail_answers_what_its_reader_wrote_last(store: Store) -> None:
    file(store, message(), draft(), draft(MANON, role=Role.AGENT))
    usagers, agents = due(store)
    assert (usagers.in_reply_to, usagers.references) == (("m1@x",), ("m1@x",))
    assert (agents.in_reply_to, agents.references) == ((), ())  # Manon hasn't seen the usager's own mail
    file(store, message("m2@x", received_at=NOW + timedelta(hours=1)), draft(), into=conversation(1))
    later = due(store)[2]
    assert later.in_reply_to == ("m2@x",)
    assert set(later.references) == {"m1@x", usagers.message_id, "m2@x"}
    assert later.references[-1] == "m2@x"


# --- work ------------------------------------------------------------------------------------------------


def test_due_in_order_within_bounds_and_not_twice(store: Store) -> None:
    file(store, message(), *(draft(f"{n}@x") for n in range(5)))
    assert [o.id for o in due(store, limit=1)] == [1]
    assert [o.id for o in due(store, busy=(1, 3))] == [2, 4, 5]
    assert due(store, NOW - timedelta(seconds=1)) == []
    store.write_now(lambda tx: sending.committing(tx, [1]))
    assert store.write_now(sending.adopt) == [1]
    settle(store, DeliveryState.DEFERRED, NOW + timedelta(hours=1))
    assert [o.id for o in due(store)] == [2, 3, 4, 5]
    assert [o.attempts for o in due(store, NOW + timedelta(hours=1))] == [0, 0, 0, 0, 1]


def test_those_that_there_is_no_room_for_stay_due(store: Store) -> None:
    file(store, message(), *(draft(f"{n}@x") for n in range(4)))
    asked: list[str] = []

    def room(address: str) -> bool:
        asked.append(address)
        return len(asked) != 2

    assert [o.id for o in store.read_now(lambda c: sending.due(c, NOW, 3, room=room))] == [1, 4]
    assert asked == ["0@x", "1@x", "3@x"]
    assert [o.id for o in due(store)] == [1, 2, 3, 4]


def test_the_oldest_are_due_first_and_a_quarter_of_the_newest_with_them(store: Store) -> None:
    for n in range(12):
        at = NOW + timedelta(minutes=n)
        opening = Filing(conversation(0, reference=f"REF-{n}"), ((message(f"m{n}@x"), (draft(f"{n}@x"),)),))
        store.write_now(lambda tx, o=opening, a=at: filing.file(tx, o, SIGNER, a))  # type: ignore[misc]
    later = NOW + timedelta(hours=1)
    assert [o.id for o in due(store, later, limit=8)] == [1, 2, 3, 4, 5, 6, 12, 11]
    assert [o.id for o in due(store, later, limit=12)] == [*range(1, 10), 12, 11, 10]
    assert [o.id for o in due(store, later, limit=13)] == list(range(1, 13))


def test_domains_that_are_crowded_are_passed_over(store: Store) -> None:
    file(
        store,
        message(),
        *(draft(to) for to in ("a@slow.example", "b@x.example", "c@notslow.example", "d@s_ow.example")),
    )
    found = store.read_now(lambda c: sending.due(c, NOW, 10, (), ("slow.example", "s_ow.example")))
    assert [o.draft.to for o in found] == ["b@x.example", "c@notslow.example"]


def test_what_has_waited_for_long_is_found(store: Store) -> None:
    file(store, message(), draft(), draft(), draft())
    settle(store, DeliveryState.SENT)
    assert store.read_now(lambda c: sending.older(c, NOW, 10)) == [2, 3]
    assert store.read_now(lambda c: sending.older(c, NOW, 1)) == [2]
    assert store.read_now(lambda c: sending.older(c, NOW - timedelta(seconds=1), 10)) == []


def test_the_last_step_is_taken_once(store: Store) -> None:
    file(store, message(), draft(), draft(), draft())
    store.write_now(lambda tx: outbox.cancel(tx, 2, MANON, NOW))
    assert store.write_now(lambda tx: sending.committing(tx, [1, 2])) == {1}
    assert store.write_now(lambda tx: sending.committing(tx, [1, 3])) == {3}
    settle(store, DeliveryState.SENT)
    assert store.write_now(lambda tx: sending.committing(tx, [1])) == set()


def test_many_are_settled_at_once_and_what_was_decided_meanwhile_stands(store: Store) -> None:
    file(store, message(), draft(), draft(), draft())
    store.write_now(lambda tx: outbox.cancel(tx, 1, MANON, NOW))
    store.write_now(lambda tx: sending.reported(tx, Settlement(2, S.REFUSED, "5.1.1"), NOW))
    later = NOW + timedelta(hours=1)
    found = ((1, S.DEFERRED), (2, S.SENT), (3, S.DEFERRED))
    facts = [Settled(Fact(d, Occasion.ATTEMPT, Attempt(s, "said")), later) for d, s in found]
    store.write_now(lambda tx: sending.settle(tx, facts, NOW))
    rows = store.read_now(outbox.listed)
    assert [(r["state"], r["attempts"], r["last_reply"]) for r in rows] == [
        ("cancelled", 1, ""),
        ("refused", 1, "5.1.1"),
        ("deferred", 1, "said"),
    ]
    assert [o.id for o in due(store, later)] == [3]


S = DeliveryState


@pytest.mark.parametrize(
    ("before", "may_retry", "may_cancel"),
    [
        (S.WAITING, True, True),
        (S.DEFERRED, True, True),
        (S.UNKNOWN, True, True),
        (S.REFUSED, True, False),
        (S.SENDING, False, False),
        (S.SENT, False, False),
        (S.CANCELLED, False, False),
    ],
)
def test_what_may_be_retried_and_cancelled(store: Store, before: S, may_retry: bool, may_cancel: bool) -> None:
    file(store, message(), draft())
    acts = ((may_retry, outbox.retry, "waiting"), (may_cancel, outbox.cancel, "cancelled"))
    for allowed, act, after in acts:
        store.write_now(lambda tx: tx.connection.execute(update(deliveries).values(state=before.value)))
        if allowed:
            store.write_now(lambda tx, a=act: a(tx, 1, MANON, NOW))  # type: ignore[misc]
            assert state(store) == after
        else:
            with pytest.raises(Refused, match=before.value):
                store.write_now(lambda tx, a=act: a(tx, 1, MANON, NOW))  # type: ignore[misc]
            assert state(store) == before.value
    with pytest.raises(NotFound):
        store.write_now(lambda tx: outbox.cancel(tx, 99, MANON, NOW))


def test_a_bounce_does_not_undo_a_cancellation(store: Store) -> None:
    file(store, message(), draft())
    store.write_now(lambda tx: outbox.cancel(tx, 1, MANON, NOW))
    store.write_now(lambda tx: sending.reported(tx, Settlement(1, S.REFUSED, "no"), NOW))
    assert state(store) == "cancelled"


def test_the_list_names_what_waits_and_when(store: Store) -> None:
    file(store, message(), draft(), draft(MANON))
    settle(store, S.SENT)
    sent, waiting = store.read_now(outbox.listed)
    assert (sent["state"], sent["next_at"], sent["last_reply"]) == ("sent", None, "said")
    assert (waiting["to"], waiting["state"], waiting["next_at"]) == (MANON, "waiting", NOW)


# --- filing and recall -------------------------------------------------------------------------------------


def clues(**values: Any) -> Clues:
    base = Clues("ff" * 32, "", (), (), (), ULYSSE)
    return replace(base, **values)


def recalled(store: Store, **values: Any) -> Any:
    return store.read_now(lambda c: recall.recall(c, clues(**values), NOW))


def test_all_of_a_filing_or_nothing(store: Store) -> None:
    file(store, message())
    with pytest.raises(IntegrityError):
        file(store, message(), draft(), into=conversation(0, reference="REF-2"))
    assert len(store.read_now(lambda c: views.listed(c, views.Filter()))) == 1
    assert due(store) == []


def test_what_was_filed_is_recalled(store: Store) -> None:
    file(store, message(cited=("p@x", "p@x", "q@x")), draft())
    assert recalled(store, fingerprint=message().fingerprint).duplicate_of == 1
    (answer,) = recalled(store, cited=("z@x", "m1@x")).links
    assert (answer.message_id, answer.author, answer.people, answer.replies) == ("m1@x", ULYSSE, ("a@x",), False)
    (early,) = recalled(store, message_id="p@x").links
    assert (early.message_id, early.replies) == ("m1@x", True)
    ((person, home),) = recalled(store, participations=(1, 99)).participations
    assert (person.address, home.id) == (ULYSSE, 1)
    (sent,) = recalled(store, deliveries=(1, 99)).sent
    assert (sent.recipient, sent.author) == (ULYSSE, ULYSSE)


def test_empty_ids_link_nothing(store: Store) -> None:
    file(store, message("", fingerprint="aa" * 32, cited=("",)))
    assert recalled(store, message_id="", cited=("",)).links == ()


def test_links_come_in_the_order_in_which_they_are_cited(store: Store) -> None:
    for n in range(4):
        file(store, message(f"m{n}@x"), into=None if n == 0 else conversation(1))
    found = recalled(store, cited=("m2@x", "m0@x", "m3@x")).links
    assert [link.message_id for link in found] == ["m2@x", "m0@x", "m3@x"]


def test_a_merged_conversation_leads_on(store: Store) -> None:
    for n in (1, 2, 3):
        file(store, message(f"m{n}@x"), draft(), draft(f"only{n}@x"), into=conversation(0, reference=f"REF-{n}"))
    file(store, message("m4@x"), into=conversation(2), merge=(3,))
    file(store, message("m5@x"), into=conversation(1), merge=(2,))
    for reference in ("REF-1", "ref-2", " REF-3 "):
        assert store.read_now(lambda c, r=reference: views.find(c, r)).id == 1  # type: ignore[misc]
    assert {home.id for _, home in recalled(store, participations=tuple(range(1, 7))).participations} == {1}
    assert {sent.conversation.id for sent in recalled(store, deliveries=tuple(range(1, 7))).sent} == {1}
    (summary,) = store.read_now(lambda c: views.listed(c, views.Filter()))
    assert (summary["messages"], len(summary["participants"])) == (5, 4)
    home = store.read_now(lambda c: views.find(c, "REF-1"))
    shown = store.read_now(lambda c: views.shown(c, home))
    assert [m["message_id"] for m in shown["messages"]] == [f"m{n}@x" for n in range(1, 6)]
    assert sum("joined with conversation" in event["what"] for event in shown["history"]) == 2


def test_related_pairs_are_kept_once(store: Store) -> None:
    for n in (1, 2):
        file(store, message(f"m{n}@x"), into=conversation(0, reference=f"REF-{n}"))
    for n in (3, 4):
        file(store, message(f"m{n}@x"), into=conversation(n - 2), related=(1, 2))
    from gateway.store.tables import related

    assert [tuple(row) for row in store.read_now(lambda c: c.execute(select(related)).all())] == [(1, 2)]


def test_history_and_settlements(store: Store) -> None:
    file(store, message(), draft())
    back = (Settlement(1, S.REFUSED, "5.1.1"),)
    file(store, message("b@x"), into=conversation(1), settlements=back, history=(Event("gateway", "came back"),))
    assert state(store) == "refused"
    home = store.read_now(lambda c: views.find(c, "REF-0"))
    assert store.read_now(lambda c: views.shown(c, home))["history"] == [
        {"at": NOW, "by": "gateway", "what": "came back"}
    ]


def test_references_are_easy_to_read_out(store: Store) -> None:
    found = store.read_now(lambda c: {references.unused(c) for _ in range(200)})
    assert len(found) == 200
    for reference in found:
        assert len(reference) == 9
        assert not set(reference.replace("-", "")) & set("0O1ILS5B8UV")


def test_a_reference_names_one_conversation(store: Store) -> None:
    file(store, message())
    row = store.read_now(lambda c: dict(c.execute(select(conversations)).one()._mapping))
    with pytest.raises(IntegrityError):
        store.write_now(lambda tx: tx.connection.execute(insert(conversations), {**row, "id": 2}))
