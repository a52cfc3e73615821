"""Mails in agents' names that aren't proven: what each was asked, and what she said. Each acts once at most."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from gateway.errors import StoreError
from gateway.model import Answered, Ask, Asked, Confirmation
from gateway.store.database import Tx
from gateway.store.rows import conversation_by_id, messages_by_id
from gateway.store.tables import confirmations, messages


def asked(connection: Connection, deliveries: Iterable[int]) -> tuple[Asked, ...]:
    """What these deliveries asked, in their order. Its conversation is the one that the mail stands in by now."""
    query = (
        select(confirmations, messages.c.conversation)
        .join(messages, messages.c.id == confirmations.c.message)
        .where(confirmations.c.delivery.in_(list(deliveries)))
        .order_by(confirmations.c.delivery)
    )
    rows = connection.execute(query).all()
    filed = messages_by_id(connection, [row.message for row in rows])
    return tuple(
        Asked(
            delivery=row.delivery,
            agent=row.agent,
            message=row.message,
            filed=filed[row.message],
            conversation=conversation_by_id(connection, row.conversation),
            name=row.name,
            usager=row.usager,
            at=row.asked_at,
            state=Confirmation(row.state),
            told=row.told,
        )
        for row in rows
    )


def ask(tx: Tx, delivery: int, message: int, wanted: Ask, now: datetime) -> None:
    """Remember that a delivery asks an agent whether a message is hers."""
    row = {
        "delivery": delivery,
        "message": message,
        "agent": wanted.agent,
        "name": wanted.name,
        "usager": wanted.usager,
        "asked_at": now,
        "state": Confirmation.ASKED.value,
        "told": "",
    }
    tx.connection.execute(insert(confirmations), row)


def answer(tx: Tx, answered: Answered, now: datetime) -> None:
    """Write what her answer comes to.

    Raises:
        StoreError: it was confirmed or withdrawn since it was looked up; nothing of the act may be written.
    """
    mine = confirmations.c.delivery == answered.delivery
    if answered.told:
        tx.connection.execute(update(confirmations).where(mine).values(told=answered.told))
        return
    open_ = confirmations.c.state == Confirmation.ASKED.value
    done = update(confirmations).where(mine, open_).values(state=answered.state.value, done_at=now)
    if tx.connection.execute(done).rowcount != 1:
        raise StoreError(f"what delivery {answered.delivery} asked was answered meanwhile")


def of_messages(connection: Connection, conversation: int) -> dict[int, dict[str, Any]]:
    """What was asked about the messages of a conversation, by message, as `show` shows it."""
    query = (
        select(confirmations)
        .join(messages, messages.c.id == confirmations.c.message)
        .where(messages.c.conversation == conversation)
    )
    return {
        row.message: {
            "agent": row.agent,
            "state": row.state,
            "asked_at": row.asked_at,
            "done_at": row.done_at,
        }
        for row in connection.execute(query)
    }
