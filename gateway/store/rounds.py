"""What falls due with time: conversations to wake, to remind of, to close; and when each round was last made."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    type_coerce,
    update,
)

from gateway.model import Conversation, Status
from gateway.store import statements
from gateway.store.database import Tx
from gateway.store.rows import as_conversation
from gateway.store.tables import arrivals, conversations, history, messages, participations, rounds

_MOST = 1000  # conversations in one round; the others come with the next one
_WHOLE = conversations.c.merged_into.is_(None)
_TOLD = exists().where(participations.c.conversation == conversations.c.id)


def _from(source: str) -> ColumnElement[bool]:
    """Conversations with mail from a source of this beginning."""
    mine = (messages.c.conversation == conversations.c.id, arrivals.c.digest == messages.c.digest)
    return exists().where(*mine, arrivals.c.source.startswith(source, autoescape=True))


def _filed(late: timedelta) -> ColumnElement[bool]:
    """Conversations whose first line of history was written so long after their first mail came."""
    begun = select(func.min(type_coerce(history.c.at, BigInteger))).where(
        history.c.conversation == conversations.c.id
    )
    came = type_coerce(conversations.c.created_at, BigInteger)
    return func.coalesce(begun.scalar_subquery(), came) - came > late // timedelta(microseconds=1)


def last(connection: Connection, name: str) -> datetime | None:
    """When a round was last made."""
    return connection.scalar(select(rounds.c.at).where(rounds.c.name == name))


def times(connection: Connection, names: Collection[str]) -> dict[str, datetime]:
    """The same of several; those that were never made aren't in it."""
    rows = connection.execute(select(rounds).where(rounds.c.name.in_(names)))
    return {row.name: row.at for row in rows}


def made(tx: Tx, name: str, at: datetime) -> None:
    """Remember that a round was made."""
    row = statements.insert_or(tx.connection, rounds).values(name=name, at=at)
    tx.connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"at": at}))


def noted(tx: Tx, name: str, since: datetime | None) -> None:
    """Remember since when something lasts; None: it is over."""
    if since is None:
        tx.connection.execute(delete(rounds).where(rounds.c.name == name))
    else:
        made(tx, name, since)


def to_wake(connection: Connection, now: datetime) -> list[Conversation]:
    """Conversations that were set aside until now."""
    query = select(conversations).where(conversations.c.snoozed_until <= now, _WHOLE).limit(_MOST)
    return [as_conversation(row) for row in connection.execute(query)]


def to_close(connection: Connection, now: datetime) -> list[Conversation]:
    """Conversations whose announced end has come."""
    pending = (conversations.c.status == Status.PENDING.value, conversations.c.waiting_since.is_not(None))
    query = select(conversations).where(*pending, conversations.c.closing_at <= now, _WHOLE).limit(_MOST)
    return [as_conversation(row) for row in connection.execute(query)]


def to_remind(
    connection: Connection, now: datetime, patience: timedelta, *, times: int, imported: str, late: timedelta
) -> Iterator[Conversation]:
    """Active conversations that have waited for `patience` since they were last told, the longest first.

    Not those of which was told `times` already; nor those of quiet mail: it came from a source whose name begins with
    `imported`, or was filed `late`, and nobody was ever written to about it.
    """
    reminded = conversations.c.reminded
    since = type_coerce(conversations.c.waiting_since, BigInteger)
    waits = since + literal(patience // timedelta(microseconds=1), BigInteger) * (reminded + 1)
    query = (
        select(conversations)
        .where(conversations.c.status == Status.ACTIVE.value, conversations.c.waiting_since.is_not(None), _WHOLE)
        .where(reminded < times, waits <= bindparam("now", now, conversations.c.waiting_since.type))
        .where(or_(_TOLD, ~or_(_from(imported), _filed(late))))
        .order_by(conversations.c.waiting_since)
    )
    for row in connection.execute(query):
        yield as_conversation(row)


def to_announce(connection: Connection, since: datetime) -> Iterator[Conversation]:
    """Conversations that wait for their usager since `since` or longer, and whose end wasn't announced yet."""
    query = (
        select(conversations)
        .where(conversations.c.status == Status.PENDING.value, conversations.c.waiting_since <= since, _WHOLE)
        .where(conversations.c.closing_at.is_(None), conversations.c.snoozed_until.is_(None))
        .order_by(conversations.c.waiting_since)
    )
    for row in connection.execute(query):
        yield as_conversation(row)


def call_off(tx: Tx) -> None:
    """Close none of those whose end was announced."""
    pending = (conversations.c.status == Status.PENDING.value, conversations.c.waiting_since.is_not(None))
    query = update(conversations).where(*pending, conversations.c.closing_at.is_not(None))
    tx.connection.execute(query.values(closing_at=None))


def last_message(connection: Connection, conversation: int) -> int:
    """The id of the last message of a conversation."""
    query = select(func.max(messages.c.id)).where(messages.c.conversation == conversation)
    return int(connection.scalar(query) or 0)
