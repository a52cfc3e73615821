"""Notices: agents who are told of a message later, with the rest of a burst or in their digest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, or_, select

from gateway.model import Conversation, Message, Notice, Purpose
from gateway.store.database import AnyRow, Tx, insert_each
from gateway.store.prepared import Prepared
from gateway.store.rows import conversation_by_id, messages_by_id
from gateway.store.tables import deliveries, notices

_LONGEST = timedelta(minutes=10)  # for which a burst that doesn't end holds back what has come so far
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = 100  # bursts in one round; the others come with the next one
_MOST_MESSAGES = 50  # of a burst; the earlier ones are counted
_DONE = Prepared(delete(notices).where(notices.c.id == bindparam("id")))


@dataclass(frozen=True, slots=True)
class Pending:
    """What an agent is to be told of one conversation: its latest messages, oldest first.

    `last`: the id of the latest of them; `ids`: those of the notices; `more`: how many earlier messages there are.
    """

    agent: str
    conversation: Conversation
    messages: tuple[Message, ...]
    last: int
    ids: tuple[int, ...]
    since: datetime
    more: int = 0


@dataclass(frozen=True, slots=True)
class Collected:
    """What an agent's digest is to say of one conversation: how many messages came, and since when."""

    conversation: Conversation
    count: int
    last: int
    ids: tuple[int, ...]
    since: datetime


def keep(tx: Tx, conversation: int, message: int, wanted: Iterable[Notice], now: datetime) -> None:
    """Remember whom to tell of a message later."""
    insert_each(tx.connection, notices, [as_row(notice, conversation, message, now) for notice in wanted])


def as_row(notice: Notice, conversation: int, message: int, now: datetime) -> dict[str, Any]:
    return {
        "agent": notice.agent,
        "conversation": conversation,
        "message": message,
        "created_at": now,
        "due_at": notice.due_at,
        "digest": notice.digest,
    }


def due(connection: Connection, now: datetime) -> list[Pending]:
    """The bursts that are over, by agent and conversation; some of them, if they are many.

    A burst is over when nothing has come for its time, or when it has lasted for long.
    """
    rows = connection.execute(_over(now).limit(_MOST)).all()
    return [_pending(connection, row.agent, row.conversation) for row in rows]


def is_due(connection: Connection, now: datetime) -> bool:
    """Is a burst over?"""
    return connection.execute(_over(now).limit(1)).first() is not None


def _over(now: datetime) -> Select[tuple[str, int]]:
    over = or_(func.max(notices.c.due_at) <= now, func.min(notices.c.created_at) <= now - _LONGEST)
    return (
        select(notices.c.agent, notices.c.conversation)
        .where(~notices.c.digest)
        .group_by(notices.c.agent, notices.c.conversation)
        .having(over)
        .order_by(notices.c.agent, func.min(notices.c.id))
    )


def _pending(connection: Connection, agent: str, conversation: int) -> Pending:
    these = (notices.c.agent == agent, notices.c.conversation == conversation, ~notices.c.digest)
    told = connection.execute(
        select(notices.c.id, notices.c.message, notices.c.created_at).where(*these).order_by(notices.c.id)
    ).all()
    ids = sorted({row.message for row in told})
    shown = messages_by_id(connection, ids[-_MOST_MESSAGES:])
    return Pending(
        agent,
        conversation_by_id(connection, conversation),
        tuple(shown[identifier] for identifier in sorted(shown)),
        ids[-1],
        tuple(row.id for row in told),
        min(row.created_at for row in told),
        len(ids) - len(shown),
    )


def with_digests(connection: Connection, now: datetime, since: datetime = _EVER) -> list[str]:
    """The agents for whose digest something was collected that fell due after `since`."""
    due = (notices.c.due_at > since, notices.c.due_at <= now)
    query = select(notices.c.agent).where(notices.c.digest, *due).distinct()
    return list(connection.scalars(query.order_by(notices.c.agent)))


def collected(connection: Connection, agent: str, now: datetime) -> list[Collected]:
    """What was collected for an agent's digest, by conversation, in the order in which it came."""
    mine = (notices.c.agent == agent, notices.c.digest)
    ready = select(notices.c.conversation).where(*mine, notices.c.due_at <= now)
    query = (
        select(notices.c.id, notices.c.conversation, notices.c.message, notices.c.created_at)
        .where(*mine, notices.c.conversation.in_(ready))
        .order_by(notices.c.id)
    )
    found: dict[int, list[AnyRow]] = {}
    for row in connection.execute(query):
        found.setdefault(row.conversation, []).append(row)
    return [
        Collected(
            conversation_by_id(connection, conversation),
            len({row.message for row in rows}),
            max(row.message for row in rows),
            tuple(row.id for row in rows),
            rows[0].created_at,
        )
        for conversation, rows in found.items()
    ]


def told_of(connection: Connection, message: int) -> frozenset[str]:
    """The agents who were told of a message, or will be."""
    sent = select(deliveries.c.recipient).where(
        deliveries.c.message == message, deliveries.c.purpose == Purpose.NOTIFICATION.value
    )
    held = select(notices.c.agent).where(notices.c.message == message)
    return frozenset(connection.scalars(sent.union(held)))


def done(tx: Tx, ids: Iterable[int]) -> None:
    """Forget notices that were told."""
    if rows := [{"id": each} for each in ids]:
        _DONE.run_each(tx.connection, rows)
