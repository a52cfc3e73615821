"""Where a delivery leads back: the participation whose token it bears, and the mails that it answers.

A person has one participation in a conversation, and its epoch is what her tokens are signed with.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, literal, select, update

from gateway.mail import tokens
from gateway.model import Purpose, Role
from gateway.store import statements
from gateway.store.database import AnyRow, Tx, insert_each
from gateway.store.prepared import Prepared
from gateway.store.tables import conversations, deliveries, messages, participations

_MOST_REFERENCES = 20
# Built once: building a statement costs more than running it.
_PERSON = Prepared(
    select(
        participations.c.id,
        participations.c.epoch,
        participations.c.role,
        participations.c.usager.label("told"),
        participations.c.written_at,
        conversations.c.usager,
    )
    .join(conversations, conversations.c.id == participations.c.conversation)
    .where(
        participations.c.conversation == bindparam("conversation"),
        participations.c.address == bindparam("address"),
        participations.c.role == bindparam("role"),
    )
)
_USAGER = Prepared(select(conversations.c.usager).where(conversations.c.id == bindparam("conversation")))
_WROTE = Prepared(
    select(messages.c.received_at.label("at"), messages.c.message_id, literal(1).label("own"))
    .where(
        messages.c.conversation == bindparam("conversation"),
        messages.c.author == bindparam("address"),
        messages.c.message_id != "",
    )
    .order_by(messages.c.received_at.desc())
    .limit(_MOST_REFERENCES)
)
_WAS_SENT = Prepared(
    select(deliveries.c.created_at.label("at"), deliveries.c.message_id, literal(0).label("own"))
    .where(
        deliveries.c.conversation == bindparam("conversation"),
        deliveries.c.recipient == bindparam("address"),
        deliveries.c.message_id.is_not(None),
        deliveries.c.purpose != Purpose.CONFIRMATION.value,  # what answers it is no part of the exchange
    )
    .order_by(deliveries.c.created_at.desc())
    .limit(_MOST_REFERENCES)
)
_WRITTEN = Prepared(
    update(participations)
    .where(participations.c.id == bindparam("participation"))
    .values(epoch=bindparam("raised"), usager=bindparam("told"), written_at=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Leads:
    """Where a delivery leads back: the reply address of a participation, and the ids that a mail client threads by.

    `participation` 0: it has no reply address of its own.
    """

    participation: int = 0
    epoch: int = 0
    answers: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


def participation_row(
    identifier: int, conversation: int, address: str, role: Role, usager: str | None, now: datetime
) -> dict[str, Any]:
    """Somebody's part in a conversation, who is written to for the first time. `usager`: whom an agent is told of."""
    return {
        "id": identifier,
        "conversation": conversation,
        "address": address,
        "role": role.value,
        "epoch": 0,
        "usager": usager if role is Role.AGENT else None,
        "written_at": now,
    }


def participation(
    tx: Tx, conversation: int, address: str, role: Role, life: timedelta | None, now: datetime
) -> tuple[int, int]:
    """The participation of a person who is written to, made where it isn't there yet; id and epoch.

    An agent was told with her tokens whom her answers go to. Where that has changed, they are revoked. Those that
    have expired are revoked too: what is over stays so when she is written to again.
    """
    person = {"conversation": conversation, "address": address, "role": role.value}
    row = _PERSON.first(tx.connection, person)
    if row is None:
        usager = _USAGER.scalar(tx.connection, {"conversation": conversation}) if role is Role.AGENT else None
        (fresh,) = statements.fresh_keys(tx.connection, participations, 1)
        row = participation_row(fresh, conversation, address, role, usager, now)
        insert_each(tx.connection, participations, [row])
        return fresh, 0
    told = row.usager if role is Role.AGENT else row.told
    over = row.told not in {None, told} or tokens.expired(row.written_at, life, now)
    participation, epoch = _raised(tx, row.id, row.epoch) if over else (row.id, row.epoch)
    written = {"participation": participation, "raised": epoch, "told": told, "now": now}
    _WRITTEN.run(tx.connection, written)
    return participation, epoch


def revoke(tx: Tx, parts: Collection[int], address: str) -> None:
    """End a person's tokens in a conversation, `parts`: its id, and those of what was merged into it."""
    named = select(deliveries.c.participation).where(
        deliveries.c.conversation.in_(parts), deliveries.c.recipient == address
    )
    hers = participations.c.conversation.in_(parts) | participations.c.id.in_(named)
    query = select(participations.c.id, participations.c.epoch).where(hers, participations.c.address == address)
    for row in tx.connection.execute(query).all():
        participation, epoch = _raised(tx, row.id, row.epoch)
        tx.connection.execute(update(participations).where(participations.c.id == participation).values(epoch=epoch))


def _raised(tx: Tx, participation: int, epoch: int) -> tuple[int, int]:
    """The id and the epoch that its next tokens bear, so that those before are nothing.

    Where the octet for epochs is used up, they are counted anew for another id. Tokens of the old one name nobody.
    """
    if epoch < tokens.LAST_EPOCH:
        return participation, epoch + 1
    fresh = statements.fresh_key(tx.connection, participations)
    where = deliveries.c.participation == participation
    tx.connection.execute(update(deliveries).where(where).values(participation=None))
    tx.connection.execute(
        update(participations).where(participations.c.id == participation).values(id=fresh, epoch=0)
    )
    return fresh, 0


def thread(connection: Connection, conversation: int, address: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """In-Reply-To and References (RFC 5322 §3.6.4) from the ids of the conversation that this person has seen.

    The mail answers the last one she wrote, or else the last one she was sent.
    """
    person = {"conversation": conversation, "address": address}
    seen = merge(_WROTE.rows(connection, person), _WAS_SENT.rows(connection, person), key=_at, reverse=True)
    rows = list(islice(seen, _MOST_REFERENCES))
    answers = next((row.message_id for row in rows if row.own), rows[0].message_id if rows else None)
    references = dict.fromkeys(row.message_id for row in reversed(rows))
    return (answers,) if answers else (), tuple(references)


def _at(row: AnyRow) -> datetime:
    at: datetime = row.at
    return at
