"""What falls due with time: conversations to wake, to remind of, to close; and when each round was last made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert

from gateway.model import Conversation, Status
from gateway.store.database import Tx
from gateway.store.recall import as_conversation
from gateway.store.tables import conversations, messages, rounds

_MOST = 1000  # conversations in one round; the others come with the next one
_WHOLE = conversations.c.merged_into.is_(None)


def last(connection: Connection, name: str) -> datetime | None:
    """When a round was last made."""
    return connection.scalar(select(rounds.c.at).where(rounds.c.name == name))


def made(tx: Tx, name: str, at: datetime) -> None:
    """Remember that a round was made."""
    row = insert(rounds).values(name=name, at=at)
    tx.connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"at": at}))


def to_wake(connection: Connection, now: datetime) -> list[Conversation]:
    """Conversations that were set aside until now."""
    query = select(conversations).where(conversations.c.snoozed_until <= now, _WHOLE).limit(_MOST)
    return [as_conversation(row) for row in connection.execute(query)]


def to_close(connection: Connection, now: datetime) -> list[Conversation]:
    """Conversations whose announced end has come."""
    pending = (conversations.c.status == Status.PENDING.value, conversations.c.waiting_since.is_not(None))
    query = select(conversations).where(*pending, conversations.c.closing_at <= now, _WHOLE).limit(_MOST)
    return [as_conversation(row) for row in connection.execute(query)]


def waiting(connection: Connection, status: Status, since: datetime) -> Iterator[Conversation]:
    """Conversations that wait since `since` or longer, the longest first."""
    query = (
        select(conversations)
        .where(conversations.c.status == status.value, conversations.c.waiting_since <= since, _WHOLE)
        .order_by(conversations.c.waiting_since)
    )
    for row in connection.execute(query):
        yield as_conversation(row)


def last_message(connection: Connection, conversation: int) -> int:
    """The id of the last message of a conversation."""
    query = select(func.max(messages.c.id)).where(messages.c.conversation == conversation)
    return int(connection.scalar(query) or 0)
