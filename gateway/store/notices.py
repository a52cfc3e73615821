"""Notices: agents who are told of a message later, with the rest of a burst or in their digest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, or_, select

from gateway.model import Conversation, Message, Notice
from gateway.store import recall
from gateway.store.database import Tx
from gateway.store.tables import messages, notices

_LONGEST = timedelta(minutes=10)  # for which a burst that doesn't end holds back what has come so far


@dataclass(frozen=True, slots=True)
class Pending:
    """What an agent is to be told of one conversation: its messages, oldest first.

    `last`: the id of the latest of them; `ids`: those of the notices.
    """

    agent: str
    conversation: Conversation
    messages: tuple[Message, ...]
    last: int
    ids: tuple[int, ...]
    since: datetime


def keep(tx: Tx, conversation: int, message: int, wanted: Iterable[Notice], now: datetime) -> None:
    """Remember whom to tell of a message later."""
    rows = [
        {
            "agent": notice.agent,
            "conversation": conversation,
            "message": message,
            "created_at": now,
            "due_at": notice.due_at,
            "digest": notice.digest,
        }
        for notice in wanted
    ]
    if rows:
        tx.connection.execute(insert(notices), rows)


def due(connection: Connection, now: datetime, *, digest: bool) -> list[Pending]:
    """What is to be told now, by agent and conversation.

    A burst is over when nothing has come for its time, or when it has lasted for long.
    """
    over = or_(func.max(notices.c.due_at) <= now, func.min(notices.c.created_at) <= now - _LONGEST)
    ready = (
        select(notices.c.agent, notices.c.conversation)
        .where(notices.c.digest == digest)
        .group_by(notices.c.agent, notices.c.conversation)
        .having(func.min(notices.c.due_at) <= now if digest else over)
        .order_by(notices.c.agent, func.min(notices.c.id))
    )
    return [_pending(connection, row.agent, row.conversation, digest) for row in connection.execute(ready).all()]


def _pending(connection: Connection, agent: str, conversation: int, digest: bool) -> Pending:
    query = (
        select(notices.c.id.label("notice"), notices.c.created_at.label("noticed_at"), messages)
        .join(messages, messages.c.id == notices.c.message)
        .where(notices.c.agent == agent, notices.c.conversation == conversation, notices.c.digest == digest)
        .order_by(messages.c.id)
    )
    rows = connection.execute(query).all()
    return Pending(
        agent,
        recall.conversation_by_id(connection, conversation),
        tuple(recall.as_message(row) for row in rows),
        rows[-1].id,
        tuple(row.notice for row in rows),
        rows[0].noticed_at,
    )


def done(tx: Tx, ids: Iterable[int]) -> None:
    """Forget notices that were told."""
    tx.connection.execute(delete(notices).where(notices.c.id.in_(list(ids))))
