"""What mails may touch: all that filing them may look up or change, found before it is begun. On PostgreSQL alone.

Wherever a mail may be placed, its ids, tokens and matter lead there: to conversations that are there already, or to
names under which another daemon is filing what isn't to be seen yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Text,
    bindparam,
    func,
    literal_column,
    select,
    union_all,
)

from gateway.model import Clues
from gateway.store.prepared import Prepared
from gateway.store.tables import (
    citations,
    confirmations,
    conversations,
    deliveries,
    messages,
    participations,
    related,
)

MOST = 500  # conversations; where there are more, it isn't worth while to name them all


@dataclass(frozen=True, slots=True)
class Reach:
    """Conversations, by all ids that they go or went by, and whom the mails answer, by their addresses."""

    conversations: frozenset[int] = frozenset()
    people: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        return frozenset({*(f"conversation {each}" for each in self.conversations), *map(person, self.people)})


def person(address: str) -> str:
    """The name under which somebody's mail, and what was written to them because of it, is counted."""
    return f"person {address}"


def names(clues: Iterable[Clues]) -> frozenset[str]:
    """Under which mails with these clues are found, and find others, whatever of them is stored."""
    return frozenset(name for one in clues for name in _names(one))


def _names(one: Clues) -> Iterable[str]:
    yield person(one.author)
    yield f"mail {one.fingerprint}"  # its author may be told by the way it came: the same may have two
    yield from (f"id {each}" for each in (one.message_id, *one.cited, one.forwarded) if each)
    yield from (f"matter {each}" for each in (one.matter, one.outlook) if each)


def reach(connection: Connection, clues: Iterable[Clues]) -> Reach:
    """What mails with these clues lead to, and all that is related to it; some of it where it is more than `MOST`."""
    rows = _LED_TO.rows(connection, _asked(clues))
    people = frozenset(row.person for row in rows if row.person)
    return Reach(_around(connection, {row.conversation for row in rows}), people)


def _asked(clues: Iterable[Clues]) -> dict[str, list[int] | list[str]]:
    every = list(clues)
    return {
        "borne": list({each for one in every for each in (*one.cited, one.forwarded) if each}),
        "cited": list({one.message_id for one in every if one.message_id}),
        "matters": list({one.matter for one in every if one.matter}),
        "outlooks": list({one.outlook for one in every if one.outlook}),
        "participations": list({each for one in every for each in one.participations}),
        "deliveries": list({each for one in every for each in one.deliveries}),
    }


def _around(connection: Connection, found: set[int]) -> frozenset[int]:
    """With what they were merged into, and what is related to all of these."""
    known: set[int] = set()
    while (new := found - known) and len(known) <= MOST:
        known |= new
        found = set(_BESIDE.scalars(connection, {"ids": list(new)}))
    return frozenset(known)


def _any(column: ColumnElement[str] | ColumnElement[int], name: str) -> ColumnElement[bool]:
    kind = Text() if isinstance(column.type, Text) else BigInteger()
    return column == func.any(bindparam(name, type_=ARRAY(kind)))


_NOBODY: ColumnElement[str] = literal_column("''").label("person")
_HERE = (messages.c.conversation, _NOBODY)
# Conditions as in the partial indices, so that these are used.
_LED_TO = Prepared(
    union_all(
        select(*_HERE).where(_any(messages.c.message_id, "borne"), messages.c.message_id != literal_column("''")),
        select(*_HERE).join(citations, citations.c.message == messages.c.id).where(_any(citations.c.cited, "cited")),
        select(*_HERE).where(_any(messages.c.matter, "matters"), messages.c.matter != literal_column("''")),
        select(*_HERE).where(_any(messages.c.outlook, "outlooks"), messages.c.outlook != literal_column("''")),
        select(participations.c.conversation, participations.c.address).where(
            _any(participations.c.id, "participations")
        ),
        select(deliveries.c.conversation, _NOBODY).where(
            _any(deliveries.c.id, "deliveries"), deliveries.c.conversation.is_not(None)
        ),
        select(messages.c.conversation, confirmations.c.agent)
        .join(confirmations, confirmations.c.message == messages.c.id)
        .where(_any(confirmations.c.delivery, "deliveries")),
    ),
)
_BESIDE = Prepared(
    union_all(
        select(related.c.other).where(_any(related.c.conversation, "ids")),
        select(related.c.conversation).where(_any(related.c.other, "ids")),
        select(conversations.c.merged_into).where(
            _any(conversations.c.id, "ids"), conversations.c.merged_into.is_not(None)
        ),
    )
)
