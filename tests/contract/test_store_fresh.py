"""A conversation that a mail opens is written at once, with others, as where everything is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import select

from gateway.model import (
    GATEWAY,
    Conversation,
    Direction,
    Draft,
    Event,
    Filing,
    Kind,
    Message,
    Nature,
    Notice,
    Purpose,
    Role,
)
from gateway.store import filing, fresh, outbox
from gateway.store.database import Store, Tx
from gateway.store.tables import conversations, messages, metadata
from tests.builders import INES, MANON, NOW, ULYSSE, conversation, draft, make_context, opened

SIGNER = make_context().signer


class _TakenBack(Exception):
    """What was written is looked at, and nothing of it stays."""


def message(number: int, **values: Any) -> Message:
    base = Message(
        f"m{number}@x.example", Direction.IN, Kind.EXTERNAL, Nature.PERSON, None, ULYSSE, ("a@x",), NOW, "s", "t"
    )
    return replace(base, fingerprint=f"{number:064x}", **values)


def written(store: Store, *filings: Filing, one_by_one: bool) -> dict[str, Any]:
    """What each came to, and all rows of all tables."""
    found: dict[str, Any] = {}

    def work(tx: Tx) -> None:
        if one_by_one:
            found["came to"] = [filing.file(tx, each, SIGNER, NOW) for each in filings]
        else:
            found["came to"] = fresh.write(tx, filings, SIGNER, NOW)
        for table in metadata.sorted_tables:
            found[table.name] = [tuple(row) for row in tx.connection.execute(select(table).order_by(*table.c))]
        raise _TakenBack

    with pytest.raises(_TakenBack):
        store.write_now(work)
    return found


def _draft(to: str, role: Role, purpose: Purpose, *, asks: bool, silent: bool) -> Draft:
    return draft(to, role=role, purpose=purpose, confirms=0 if asks else None, silent=silent)


_PURPOSES = st.sampled_from([Purpose.NOTIFICATION, Purpose.ACKNOWLEDGEMENT])
_DRAFTS = st.lists(
    st.builds(
        _draft,
        st.sampled_from([ULYSSE, MANON, INES, "x@x.example"]),
        st.sampled_from(Role),
        _PURPOSES,
        asks=st.booleans(),
        silent=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda one: one.to,
)


@st.composite
def filings(drawn: st.DrawFn, number: int) -> Filing:
    cited = drawn(st.lists(st.sampled_from(["a@x", "b@x", "c@x"]), max_size=4))
    said = message(
        number,
        author=drawn(st.sampled_from([ULYSSE, MANON])),
        cited=tuple(cited),
        loose=tuple(cited[:1]),
    )
    said = said if drawn(st.booleans()) else replace(said, message_id="")
    events = drawn(st.lists(st.sampled_from(["opened", "marked"]), max_size=2))
    agents = drawn(st.lists(st.sampled_from([MANON, INES]), max_size=2))
    return Filing(
        conversation(0, reference=f"AAAA-{number:04}", usager=drawn(st.sampled_from(["", ULYSSE]))),
        ((said, tuple(drawn(_DRAFTS))),),
        notices=tuple(Notice(agent, NOW, digest=False) for agent in agents),
        history=tuple(Event(GATEWAY, words) for words in events),
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with opened(tmp_path_factory.mktemp("fresh")) as store:
        yield store


@profile(max_examples=60)
@given(st.tuples(*(filings(number) for number in range(3))))
def test_at_once_is_as_one_by_one(shared: Store, several: tuple[Filing, ...]) -> None:
    assert all(map(fresh.is_fresh, several))
    at_once = written(shared, *several, one_by_one=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fresh, "is_fresh", lambda _: False)
        assert at_once == written(shared, *several, one_by_one=True)
    assert at_once["messages"]


@pytest.mark.parametrize(
    "changed",
    [
        {"conversation": conversation(1)},
        {"conversation": conversation(0, reference="")},
        {"merge": (1,)},
        {"takes": (1,)},
        {"related": (1,)},
        {"history": (Event(MANON, "wrote a note"),)},
        {"messages": ()},
        {"messages": ((message(1), ()), (message(2), ()))},
        {"messages": ((message(1), (draft(), draft())),)},
    ],
)
def test_what_changes_more_is_none(changed: dict[str, Any]) -> None:
    plain = Filing(conversation(0, reference="AAAA-0001"), ((message(1), ()),))
    assert fresh.is_fresh(plain)
    assert not fresh.is_fresh(replace(plain, **changed))


def test_ids_are_those_that_come_next_and_none_comes_twice(store: Store) -> None:
    def several(first: int) -> list[Filing]:
        home: list[Conversation] = [conversation(0, reference=f"AAAA-{first + n:04}") for n in range(2)]
        return [Filing(each, ((message(first + n), (draft(), draft(MANON))),)) for n, each in enumerate(home)]

    one, two = store.write_now(lambda tx: fresh.write(tx, several(0), SIGNER, NOW))
    alone = store.write_now(lambda tx: outbox.enqueue(tx, None, 0, draft(), SIGNER, NOW))
    three, four = store.write_now(lambda tx: fresh.write(tx, several(2), SIGNER, NOW))
    assert [one[0], two[0], three[0], four[0]] == [1, 2, 3, 4]
    assert [*one[1], *two[1], alone, *three[1], *four[1]] == [*range(1, 10)]
    homes = store.read_now(lambda c: list(c.scalars(select(messages.c.conversation).order_by(messages.c.id))))
    assert homes == store.read_now(lambda c: list(c.scalars(select(conversations.c.id).order_by(conversations.c.id))))
