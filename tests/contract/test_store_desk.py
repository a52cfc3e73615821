"""What the store keeps for the desk: conversations whole, notices, digests, what falls due, when rounds were made."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select

from gateway.model import (
    GLOBAL,
    Attempt,
    Clues,
    Conversation,
    DeliveryState,
    Direction,
    Fact,
    Filing,
    Kind,
    Message,
    Nature,
    Notice,
    Occasion,
    Purpose,
    Role,
    Settlement,
    Status,
)
from gateway.store import exchange, filing, notices, outbox, recall, rounds, sending, views
from gateway.store.database import Store
from gateway.store.tables import deliveries
from tests.builders import HOTLINE, INES, MANON, NOW, ULYSSE, conversation, draft, make_context

SIGNER = make_context().signer
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LATER = NOW + 3 * DAY


def message(text: str = "t", **values: Any) -> Message:
    base = Message("", Direction.IN, Kind.EXTERNAL, Nature.PERSON, None, ULYSSE, (), NOW, "s", text)
    return replace(base, **values)


def file(
    store: Store, letter: Message | None, into: Conversation, *drafts: Any, at: datetime = NOW, **more: Any
) -> int:
    messages = ((letter, drafts),) if letter else ()
    return store.write_now(lambda tx: filing.file(tx, Filing(into, messages, **more), SIGNER, at))[0]


def found(store: Store, reference: str = "REF-0") -> Conversation:
    return store.read_now(lambda c: views.find(c, reference))


# --- conversations -----------------------------------------------------------------------------------------


def test_all_that_a_conversation_holds_comes_back(store: Store) -> None:
    full = conversation(
        0,
        GLOBAL,
        strength=40,
        pinned=True,
        status=Status.PENDING,
        assignee=INES,
        because=("un", "deux"),
        tags=("a", "é"),
        organisation="21310555400017",
        language="en",
        outside=True,
        guests=("g@x", "h@x"),
        followers=(MANON,),
        muted=(INES,),
        asked=(123, 456),
        waiting_since=NOW,
        snoozed_until=LATER,
        reminded=2,
        closing_at=LATER,
    )
    file(store, None, full)
    assert found(store) == replace(full, id=1)
    empty = conversation(0, reference="REF-9", asked=())
    file(store, None, empty)
    assert found(store, "REF-9") == replace(empty, id=2)
    changed = replace(conversation(1), reference="REF-0")
    file(store, None, changed, at=LATER)
    assert found(store) == replace(changed, updated_at=LATER)
    unset = {f.name for f in fields(Conversation) if getattr(full, f.name) == getattr(conversation(0), f.name)}
    assert unset <= {"id", "reference", "inbox", "subject", "usager", "created_at", "updated_at"}  # all was tried


# --- notices -----------------------------------------------------------------------------------------------


def notice(store: Store, text: str, due: datetime, into: int = 1, at: datetime = NOW, **values: Any) -> None:
    wanted = Notice(values.get("agent", INES), due, values.get("digest", False))
    file(store, message(text), replace(conversation(into), reference=f"REF-{into}"), notices=(wanted,), at=at)


def due(store: Store, at: datetime) -> list[notices.Pending]:
    found = store.read_now(lambda c: notices.due(c, at))
    assert store.read_now(lambda c: notices.is_due(c, at)) == bool(found)
    return found


def collected(store: Store, at: datetime, agent: str = INES) -> list[notices.Collected]:
    return store.read_now(lambda c: notices.collected(c, agent, at))


@pytest.fixture
def two(store: Store) -> Store:
    for reference in ("REF-1", "REF-2"):
        file(store, None, conversation(0, reference=reference))
    return store


def test_a_burst_is_due_when_nothing_has_come_for_its_time(two: Store) -> None:
    notice(two, "un", NOW + MINUTE)
    notice(two, "deux", NOW + 2 * MINUTE, at=NOW + MINUTE)
    assert due(two, NOW + MINUTE) == []
    (burst,) = due(two, NOW + 2 * MINUTE)
    assert [m.text for m in burst.messages] == ["un", "deux"]
    assert (burst.agent, burst.conversation.id, burst.since, burst.ids, burst.last) == (INES, 1, NOW, (1, 2), 2)
    two.write_now(lambda tx: notices.done(tx, burst.ids))
    assert due(two, LATER) == []


def test_a_burst_that_does_not_end_is_due_after_ten_minutes(two: Store) -> None:
    for minute in range(11):
        notice(two, str(minute), NOW + (minute + 5) * MINUTE, at=NOW + minute * MINUTE)
    assert due(two, NOW + 10 * MINUTE - timedelta(seconds=1)) == []
    (burst,) = due(two, NOW + 10 * MINUTE)
    assert len(burst.messages) == 11


def test_agents_conversations_and_digests_are_kept_apart(two: Store) -> None:
    for agent, into in ((INES, 1), (MANON, 1), (INES, 2)):
        notice(two, f"{agent} {into}", NOW, into, agent=agent)
    notice(two, "digest", NOW + MINUTE, agent=INES, digest=True)
    assert [(p.agent, p.conversation.id, len(p.messages)) for p in due(two, NOW)] == [
        (INES, 1, 1),
        (INES, 2, 1),
        (MANON, 1, 1),
    ]
    assert collected(two, NOW) == []
    assert two.read_now(lambda c: notices.with_digests(c, NOW)) == []
    assert two.read_now(lambda c: notices.with_digests(c, NOW + MINUTE)) == [INES]
    assert collected(two, NOW + MINUTE, MANON) == []
    (one,) = collected(two, NOW + MINUTE)
    assert (one.conversation.id, one.count, one.last, one.ids, one.since) == (1, 1, 4, (4,), NOW)


def test_what_was_collected_of_a_conversation_is_told_together(two: Store) -> None:
    for text, due_at in (("un", NOW), ("deux", LATER)):
        notice(two, text, due_at, digest=True)
    notice(two, "ailleurs", LATER, 2, digest=True)
    (one,) = collected(two, NOW)
    assert (one.conversation.id, one.count, one.last, one.ids) == (1, 2, 2, (1, 2))
    assert [each.conversation.id for each in collected(two, LATER)] == [1, 2]


def test_of_a_long_burst_the_latest_are_shown_and_the_others_counted(
    two: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "_MOST_MESSAGES", 3)
    for number in range(5):
        notice(two, str(number), NOW)
    (burst,) = due(two, NOW)
    assert ([m.text for m in burst.messages], burst.more, burst.last) == (["2", "3", "4"], 2, 5)
    assert burst.ids == (1, 2, 3, 4, 5)


def test_bursts_without_number_are_told_one_after_the_other(two: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_MOST", 1)
    notice(two, "un", NOW, 1)
    notice(two, "deux", NOW, 2)
    for conversation_id in (1, 2):
        (burst,) = due(two, NOW)
        assert burst.conversation.id == conversation_id
        two.write_now(lambda tx, ids=burst.ids: notices.done(tx, ids))  # type: ignore[misc]
    assert due(two, NOW) == []


def test_who_was_told_of_a_message_or_will_be(two: Store) -> None:
    into = replace(conversation(1), reference="REF-1")
    told = draft(INES, purpose=Purpose.NOTIFICATION, role=Role.AGENT)
    file(two, message("un"), into, told, draft(ULYSSE), notices=(Notice(MANON, LATER, True),))
    file(two, message("deux"), into, notices=(Notice(HOTLINE, LATER, False),))
    assert two.read_now(lambda c: notices.told_of(c, 1)) == {INES, MANON}
    assert two.read_now(lambda c: notices.told_of(c, 2)) == {HOTLINE}


def test_notices_go_along_when_conversations_become_one(two: Store) -> None:
    notice(two, "un", NOW, 1)
    notice(two, "deux", NOW, 2)
    file(two, None, replace(conversation(1), reference="REF-1"), merge=(2,))
    (burst,) = due(two, NOW)
    assert (burst.conversation.id, [m.text for m in burst.messages]) == (1, ["un", "deux"])


# --- what is known of a conversation ---------------------------------------------------------------------------


def test_when_agents_were_told_since_one_of_them_did_something(two: Store) -> None:
    into = replace(conversation(1), reference="REF-1")
    told = draft(INES, purpose=Purpose.NOTIFICATION, role=Role.AGENT)
    file(two, message("un"), into, told, draft(ULYSSE))
    assert two.read_now(lambda c: exchange.thread(c, 1)).notified == {INES: NOW}
    for own in (
        message("r", direction=Direction.OUT),
        message("n", kind=Kind.INTERNAL),
        message("e", kind=Kind.EVENT),
    ):
        file(two, own, into)
        assert two.read_now(lambda c: exchange.thread(c, 1)).notified == {}
        file(two, message("encore"), into, told, at=NOW + MINUTE)
        assert two.read_now(lambda c: exchange.thread(c, 1)).notified == {INES: NOW + MINUTE}


def test_who_will_be_told_of_a_burst(two: Store) -> None:
    notice(two, "un", NOW)
    notice(two, "deux", NOW, 2, agent=MANON)
    notice(two, "trois", NOW, agent=MANON, digest=True)
    assert two.read_now(lambda c: exchange.thread(c, 1)).held == {INES}


def test_the_latest_and_the_writers_are_those_from_outside(two: Store) -> None:
    into = replace(conversation(1), reference="REF-1")
    for letter in (
        message("un"),
        message("deux", author="guest@x"),
        message("note", kind=Kind.INTERNAL, author=INES),
        message("absent", kind=Kind.MACHINE, author="robot@x"),
        message("answer", direction=Direction.OUT, author=INES),
    ):
        file(two, letter, into)
    thread = two.read_now(lambda c: exchange.thread(c, 1))
    assert thread.latest is not None
    assert (thread.latest.text, thread.writers) == ("deux", ("guest@x", ULYSSE))


# --- digests ---------------------------------------------------------------------------------------------------


def test_a_digest_is_of_no_conversation(store: Store) -> None:
    mail = draft(INES, purpose=Purpose.NOTIFICATION, role=Role.AGENT)
    store.write_now(lambda tx: outbox.enqueue(tx, None, 0, mail, SIGNER, NOW))
    (sent,) = store.read_now(lambda c: sending.due(c, NOW, 10))
    assert (sent.conversation, sent.draft, sent.reply_to) == (None, mail, SIGNER.plain)
    assert (sent.in_reply_to, sent.references) == ((), ())
    assert [row["conversation"] for row in store.read_now(outbox.listed)] == [None]
    assert store.read_now(lambda c: recall.sent_by_id(c, sent.id)) is None
    fact = Fact(sent.id, Occasion.ATTEMPT, Attempt(DeliveryState.SENT, "250"))
    store.write_now(lambda tx: sending.settle(tx, [sending.Settled(fact, NOW)], NOW))
    store.write_now(lambda tx: sending.reported(tx, Settlement(sent.id, DeliveryState.REFUSED, "550"), NOW))
    assert store.read_now(lambda c: c.scalar(select(deliveries.c.state))) == "refused"

    def answers(author: str, *cited: int) -> bool:
        clues = Clues("ff" * 32, "", (), (), cited, author)
        return store.read_now(lambda c: recall.recall(c, clues, NOW)).digest

    assert answers(INES, sent.id)
    assert not answers(MANON, sent.id)
    assert not answers(INES, 99)


def test_the_address_in_a_digest_is_that_of_the_conversations_notifications(two: Store) -> None:
    first = two.write_now(lambda tx: outbox.reply_address(tx, 1, INES, SIGNER, NOW))
    told = draft(INES, purpose=Purpose.NOTIFICATION, role=Role.AGENT)
    file(two, message(), replace(conversation(1), reference="REF-1"), told)
    (sent,) = two.read_now(lambda c: sending.due(c, NOW, 10))
    assert sent.reply_to == first
    assert two.write_now(lambda tx: outbox.reply_address(tx, 2, INES, SIGNER, NOW)) != first


# --- what falls due ----------------------------------------------------------------------------------------------


def test_what_falls_due(store: Store) -> None:
    states: dict[str, dict[str, Any]] = {
        "asleep": {"status": Status.PENDING, "waiting_since": NOW, "snoozed_until": LATER},
        "ending": {"status": Status.PENDING, "waiting_since": NOW, "closing_at": LATER},
        "waiting": {"status": Status.PENDING, "waiting_since": NOW + MINUTE},
        "reopened": {"status": Status.ACTIVE, "waiting_since": NOW, "closing_at": LATER},
        "active": {"status": Status.ACTIVE, "waiting_since": NOW - MINUTE},
        "closed": {"status": Status.CLOSED},
    }
    for name, values in states.items():
        file(store, None, conversation(0, reference=name.upper(), **values))

    def names(query: Any) -> list[str]:
        return [c.reference.lower() for c in store.read_now(query)]

    def remind(connection: Any, at: datetime) -> Any:
        return list(rounds.to_remind(connection, at, MINUTE, times=3, imported="import", late=DAY))

    soon = LATER - timedelta(microseconds=1)
    assert names(lambda c: rounds.to_wake(c, soon)) == names(lambda c: rounds.to_close(c, soon)) == []
    assert names(lambda c: rounds.to_wake(c, LATER)) == ["asleep"]
    assert names(lambda c: rounds.to_close(c, LATER)) == ["ending"]
    assert names(lambda c: list(rounds.to_announce(c, NOW))) == []
    assert names(lambda c: list(rounds.to_announce(c, LATER))) == ["waiting"]
    assert names(lambda c: remind(c, LATER)) == ["active", "reopened"]
    assert names(lambda c: remind(c, NOW)) == ["active"]
    one = found(store, "ACTIVE")
    file(store, None, one, merge=tuple(found(store, name).id for name in ("ASLEEP", "ENDING", "REOPENED")))
    assert names(lambda c: rounds.to_wake(c, LATER)) == names(lambda c: rounds.to_close(c, LATER)) == []
    assert names(lambda c: remind(c, LATER)) == ["active"]


def test_when_a_round_was_last_made(store: Store) -> None:
    assert store.read_now(lambda c: rounds.last(c, "digest")) is None
    for at in (NOW, LATER):
        store.write_now(lambda tx, t=at: rounds.made(tx, "digest", t))  # type: ignore[misc]
        assert store.read_now(lambda c: rounds.last(c, "digest")) == at
    assert store.read_now(lambda c: rounds.last(c, "other")) is None


def test_the_last_message(two: Store) -> None:
    assert two.read_now(lambda c: rounds.last_message(c, 1)) == 0
    notice(two, "un", NOW)
    notice(two, "deux", NOW, 2)
    assert two.read_now(lambda c: rounds.last_message(c, 1)) == 1
    assert two.read_now(lambda c: c.scalar(select(func.count()).select_from(deliveries))) == 0


def test_who_is_reminded_again_waits_as_long_again(store: Store) -> None:
    for reminded in range(4):
        values: dict[str, Any] = {"status": Status.ACTIVE, "waiting_since": NOW, "reminded": reminded}
        file(store, None, conversation(0, reference=f"R{reminded}", **values))

    def found_at(at: datetime) -> list[str]:
        query = partial(rounds.to_remind, times=3, imported="import", late=DAY)
        return [c.reference for c in store.read_now(lambda c: list(query(c, at, MINUTE)))]

    soon = timedelta(microseconds=1)
    assert [found_at(NOW + n * MINUTE) for n in range(4)] == [[], ["R0"], ["R0", "R1"], ["R0", "R1", "R2"]]
    assert [found_at(NOW + n * MINUTE - soon) for n in (1, 2, 3)] == [[], ["R0"], ["R0", "R1"]]


def test_announcements_are_called_off(store: Store) -> None:
    values: dict[str, Any] = {"status": Status.PENDING, "waiting_since": NOW}
    file(store, None, conversation(0, reference="REF-1", closing_at=LATER, **values))
    store.write_now(rounds.call_off)
    assert found(store, "REF-1").closing_at is None
