"""Mending what was placed wrongly: a message that belongs elsewhere goes there with the mails that it caused."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from gateway.errors import NotFound
from gateway.model import Message
from gateway.store.database import Tx
from gateway.store.recall import as_message
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


def put(tx: Tx, identifier: int, conversation: int) -> None:
    """Put a message into another conversation. Answers to it and to the mails it caused come there too."""
    tx.connection.execute(update(messages).where(messages.c.id == identifier).values(conversation=conversation))
    for table in (deliveries, notices):
        tx.connection.execute(update(table).where(table.c.message == identifier).values(conversation=conversation))


def count(connection: Connection, conversation: int) -> int:
    """How many messages there are, but for the traces of commands."""
    query = select(messages.c.id).where(messages.c.conversation == conversation, messages.c.kind != "event")
    return len(connection.execute(query).all())
