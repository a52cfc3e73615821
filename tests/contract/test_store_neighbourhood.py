"""What the store gives placement to look at: conversations whole, those that touch them, responses without ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, update

from gateway.model import (
    GLOBAL,
    Clues,
    Direction,
    Evidence,
    Filing,
    Kind,
    Message,
    Nature,
    Neighbourhood,
    Recalled,
    Status,
    Trace,
    Traits,
)
from gateway.store import filing, neighbourhood, recall, tables
from gateway.store.database import Store
from tests.builders import (
    DEMARCHE,
    DOSSIER,
    NOW,
    ULYSSE,
    conversation,
    file_all,
    incoming,
    keep,
    make_context,
    opened,
    raw_mail,
    take,
)

SIGNER = make_context().signer
PLACED = Traits(anchored=False, evidence=Evidence())


@pytest.fixture
def store(tmp_path: Path, engine: str) -> Iterator[Store]:
    with opened(tmp_path) as store:
        if engine == "sqlite":
            event.listen(
                store.engine, "connect", lambda driver, _: driver.execute("PRAGMA synchronous = OFF").close()
            )
            store.engine.dispose()
        yield store


def message(name: str, **values: Any) -> Message:
    base = Message(f"{name}@x", Direction.IN, Kind.EXTERNAL, Nature.PERSON, None, ULYSSE, (), NOW, "s", name)
    return replace(base, traits=PLACED, **values)


def filed(store: Store, *messages: Message, **changes: Any) -> int:
    """Open a conversation with these; its id."""

    def work(tx: Any) -> int:
        fresh = replace(conversation(0), reference="", **changes.pop("conversation", {}))
        found = Filing(fresh, messages=tuple((letter, ()) for letter in messages), **changes)
        first, _ = filing.file(tx, found, SIGNER, NOW)
        query = tables.messages.select().where(tables.messages.c.id == first)
        return int(tx.connection.execute(query).one().conversation)

    return store.write_now(work)


def around(store: Store, *conversations: int) -> Neighbourhood:
    return store.read_now(lambda c: neighbourhood.neighbourhood(c, conversations))


def trace(store: Store, letter: Message, **changes: Any) -> Trace:
    (found,) = around(store, filed(store, letter, **changes)).traces
    return found


# --- whole -----------------------------------------------------------------------------------------------


def test_a_message_comes_back_as_placement_needs_it(store: Store) -> None:
    traits = Traits(
        sure=False,
        sent_at=NOW - timedelta(days=3),
        matter="m" * 32,
        outlook="o" * 32,
        orphan=True,
        anchored=True,
        evidence=Evidence(DOSSIER, 40, "the subject names dossier 123", (123, 124)),
    )
    letter = replace(message("a", cited=("c@x", "b@x"), loose=("b@x",), people=("p@x", "q@x")), traits=traits)
    found = trace(store, replace(letter, fingerprint="ab" * 32))
    assert (found.message_id, found.author, found.people) == ("a@x", ULYSSE, ("p@x", "q@x"))
    assert (found.cited, found.loose, found.fingerprint) == (("c@x", "b@x"), ("b@x",), "ab" * 32)
    assert (found.traits, found.machine) == (traits, False)


def test_nothing_is_made_up(store: Store) -> None:
    found = trace(store, replace(message("a"), traits=replace(PLACED, evidence=Evidence(GLOBAL))))
    assert found.traits.sent_at is None
    assert found.traits.evidence == Evidence()
    assert trace(store, message("b", kind=Kind.MACHINE, nature=Nature.AUTO_REPLY)).machine


@pytest.mark.parametrize(
    ("letter", "acted"),
    [
        (message("a"), False),
        (message("a", kind=Kind.MACHINE), False),
        (replace(message("a", kind=Kind.INTERNAL), traits=Traits()), True),
        (replace(message("a", kind=Kind.EVENT, direction=Direction.OUT), traits=Traits()), True),
        (replace(message("a", direction=Direction.OUT), traits=Traits()), True),
    ],
)
def test_where_an_agent_acted(store: Store, letter: Message, acted: bool) -> None:
    here = filed(store, message("first"), letter)
    held = around(store, here).held[here]
    assert (held.acted, held.frozen, held.fixed) == (acted, acted, False)


@pytest.mark.parametrize("kept", [{"pinned": True}, {"status": Status.SPAM}])
def test_what_an_agent_moved_or_refused_is_fixed(store: Store, kept: dict[str, Any]) -> None:
    here = filed(store, message("a"), conversation=kept)
    assert around(store, here).held[here].fixed


# --- what touches it -------------------------------------------------------------------------------------


def test_related_ones_come_along_and_theirs(store: Store) -> None:
    first = filed(store, message("a"))
    second = filed(store, message("b"), related=(first,))
    third = filed(store, message("c"), related=(second,))
    filed(store, message("d"))
    for start in (first, second, third):
        found = around(store, start)
        assert set(found.held) == {first, second, third}
        assert {seen.message_id for seen in found.traces} == {"a@x", "b@x", "c@x"}


def test_what_was_merged_is_where_it_went_with_all_that_touched_it(store: Store) -> None:
    first, second = filed(store, message("a")), filed(store, message("b"))
    third = filed(store, message("c"), related=(second,))
    store.write_now(
        lambda tx: filing.file(tx, Filing(conversation(first, reference="X"), merge=(second,)), SIGNER, NOW)
    )
    for start in (first, third):
        found = around(store, start)
        assert set(found.held) == {first, third}
        assert {(seen.message_id, seen.conversation) for seen in found.traces} == {
            ("a@x", first),
            ("b@x", first),
            ("c@x", third),
        }
    assert store.read_now(neighbourhood.all_conversations) == [first, third]


def test_too_many_conversations_are_not_looked_at(store: Store) -> None:
    ids = [filed(store, message(str(number))) for number in range(100)]
    assert len(around(store, *ids).held) == 100
    ids.append(filed(store, message("one more"), related=(ids[0],)))
    assert around(store, *ids[:100]) == Neighbourhood((), {})


def test_too_many_messages_are_not_looked_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbourhood, "_MOST_MESSAGES", 5)
    here = filed(store, *(message(str(number)) for number in range(5)))
    assert len(around(store, here).traces) == 5
    other = filed(store, message("one more"), related=(here,))
    assert around(store, other) == Neighbourhood((), {})


# --- responses that cite nothing -------------------------------------------------------------------------


def alike(
    store: Store, matter: str = "", outlook: str = "", *, orphan: bool = False, at: datetime = NOW
) -> tuple[int, ...]:
    clues = Clues("00" * 32, "", (), (), (), ULYSSE, matter=matter, outlook=outlook, orphan=orphan, sent_at=at)
    found: Recalled = store.read_now(lambda c: recall.recall(c, clues, NOW))
    return found.alike


def test_a_response_finds_its_subject_and_its_subject_finds_it(store: Store) -> None:
    plain, response, other = (
        filed(store, replace(message(name), traits=replace(PLACED, sent_at=NOW, **values)))
        for name, values in (
            ("a", {"matter": "s"}),
            ("b", {"matter": "s", "orphan": True}),
            ("c", {"matter": "t", "outlook": "o"}),
        )
    )
    assert set(alike(store, "s", orphan=True)) == {plain, response}
    assert alike(store, "s") == (response,)
    assert alike(store, "", "o", orphan=True) == (other,)
    assert alike(store, "none", "none", orphan=True) == ()


def test_what_has_no_subject_is_like_nothing(store: Store) -> None:
    filed(store, message("a"), message("b"))
    assert alike(store, orphan=True) == ()


def test_of_many_the_latest_are_found(store: Store) -> None:
    """Who asks the same thing every week answers what she was last told."""
    ids = [
        filed(store, replace(message(str(n)), traits=replace(PLACED, matter="s", sent_at=NOW + timedelta(days=n))))
        for n in range(30)
    ]
    assert ids[-1] in alike(store, "s", orphan=True, at=NOW + timedelta(days=30))


def test_a_subject_holds_for_its_window_and_outlooks_thread_for_ever(store: Store) -> None:
    traits = replace(PLACED, matter="s", outlook="o", sent_at=NOW)
    here = filed(store, replace(message("a"), traits=traits))
    for day, found in ((30, (here,)), (31, ()), (-30, (here,)), (-31, ())):
        assert alike(store, "s", orphan=True, at=NOW + timedelta(days=day)) == found
        assert alike(store, "s", "o", orphan=True, at=NOW + timedelta(days=day)) == (here,)


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_a_date_at_the_end_of_time_is_one(store: Store, at: datetime) -> None:
    assert alike(store, "s", "o", orphan=True, at=at) == ()


# --- reading all of it anew ------------------------------------------------------------------------------


def test_mails_that_are_placed_by_what_they_cite(store: Store, tmp_path: Path) -> None:
    """Neither machines', nor what a token led, nor duplicates, nor what waits or was set aside."""
    context = make_context(tmp_path)
    take(store, context, raw_mail(identifier="a@x"), raw_mail(identifier="a@x"))
    take(store, context, raw_mail(identifier="b@x", text="b", Auto_Submitted="auto-replied"))
    take(store, context, raw_mail(identifier="c@x", text="c"))
    store.write_now(
        lambda tx: tx.connection.execute(
            update(tables.messages).where(tables.messages.c.message_id == "c@x").values(anchored=True)
        )
    )
    keep(store, incoming(raw_mail(identifier="d@x", text="d")))
    found = store.read_now(neighbourhood.mails)
    ids = [row.message_id for row in store.read_now(lambda c: c.execute(tables.messages.select()).all())]
    assert ids == ["a@x", "b@x", "c@x"]
    assert [message for message, _ in found] == [1]
    file_all(store, context)
    assert [message for message, _ in store.read_now(neighbourhood.mails)] == [1, 4]


def test_what_was_read_otherwise_is_written(store: Store) -> None:
    old = trace(store, message("a", cited=("b@x", "c@x"), loose=("c@x",), people=("p@x",)))
    evidence = Evidence(DEMARCHE, 60, "it was sent there", (123,))
    traits = replace(old.traits, sent_at=NOW, matter="s", evidence=evidence)
    new = replace(old, message_id="z@x", cited=("d@x", "b@x"), loose=("d@x",), people=("q@x",), traits=traits)
    store.write_now(lambda tx: neighbourhood.renew(tx, [new]))
    assert around(store, old.conversation).traces == (new,)
    bare = replace(new, cited=(), loose=())
    store.write_now(lambda tx: neighbourhood.renew(tx, [bare]))
    assert around(store, old.conversation).traces == (bare,)
