"""Mending what was placed wrongly: a message that belongs elsewhere goes there with the mails that it caused."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, update

from gateway.errors import NotFound
from gateway.model import Message
from gateway.store.database import Tx
from gateway.store.rows import as_message
from gateway.store.tables import deliveries, messages, notices


def message(connection: Connection, conversation: int, identifier: int) -> Message:
    """A message of a conversation, by its id as `show` names it.

    Raises:
        NotFound: it isn't one of this conversation.
    """
    query = select(messages).where(messages.c.id == identifier, messages.c.conversation == conversation)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"there is no message {identifier} in it; `gateway show REF --json` names their ids")
    return as_message(row)


def put(tx: Tx, identifier: int, conversation: int) -> int:
    """Put a message into another conversation. Answers to it and to the mails it caused come there too.

    Returns the id of the conversation that it was in.
    """
    there = {"conversation": conversation, "opens": False}
    before = tx.connection.scalar(select(messages.c.conversation).where(messages.c.id == identifier))
    tx.connection.execute(update(messages).where(messages.c.id == identifier).values(**there))
    for table in (deliveries, notices):
        tx.connection.execute(update(table).where(table.c.message == identifier).values(conversation=conversation))
    return before or conversation


def anchor(tx: Tx, identifier: int) -> None:
    """An agent has said where a message belongs: no mail takes it elsewhere."""
    tx.connection.execute(update(messages).where(messages.c.id == identifier).values(anchored=True))


def anchor_all(tx: Tx, conversation: int) -> None:
    """An agent has said where all messages of a conversation belong."""
    tx.connection.execute(update(messages).where(messages.c.conversation == conversation).values(anchored=True))


def unanswered(connection: Connection, conversation: int) -> tuple[int, ...]:
    """The ids of what came from outside since the last answer."""
    external = (messages.c.conversation == conversation, messages.c.kind == "external")
    last = select(func.coalesce(func.max(messages.c.id), 0)).where(*external, messages.c.direction == "out")
    came = select(messages.c.id).where(*external, messages.c.direction == "in")
    return tuple(connection.scalars(came.where(messages.c.id > last.scalar_subquery()).order_by(messages.c.id)))


def answered(connection: Connection, conversation: int) -> bool:
    """Does an answer stand in it?"""
    external = (messages.c.conversation == conversation, messages.c.kind == "external")
    query = select(messages.c.id).where(*external, messages.c.direction == "out").limit(1)
    return connection.scalar(query) is not None


def count(connection: Connection, conversation: int) -> int:
    """How many messages there are, but for the traces of commands."""
    query = select(messages.c.id).where(messages.c.conversation == conversation, messages.c.kind != "event")
    return len(connection.execute(query).all())
