"""The outbox: deliveries written in the transaction of their cause, looked at, and what people do about them.

waiting → sending → sent | deferred → … | refused | unknown (`gateway.store.sending`);  any that waits → cancelled
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, case, exists, insert, literal, or_, select, update

from gateway.errors import NotFound, Refused
from gateway.mail import tokens
from gateway.model import Attempt, DeliveryState, Draft, Fact, Occasion, Purpose, Role
from gateway.store import evidence, leads, sending, statements, volume
from gateway.store.database import Tx
from gateway.store.leads import Leads
from gateway.store.prepared import Prepared
from gateway.store.signer import Signer
from gateway.store.tables import conversations, deliveries, messages, participations, rounds

_AT_ONCE = 500
_DRAFT = tuple(field.name for field in fields(Draft))
RESTORED = "restored"  # the round that tells up to when mail was answered, maybe, before a backup was restored
HELD = "it may have been sent before the store was restored from a backup"

# Its cause came before the loss of what was restored: it may have been sent then.
_WAS_THERE = (
    select(literal(1))
    .where(rounds.c.name == RESTORED, messages.c.id == bindparam("its_cause"), messages.c.received_at <= rounds.c.at)
    .exists()
)
_PLANNED = (
    "id",
    "conversation",
    "message",
    "participation",
    "purpose",
    "recipient",
    "message_id",
    "envelope_sender",
    "reply_to",
    "draft",
    "attempts",
    "created_at",
    "next_at",
)
_ENQUEUE = Prepared(
    insert(deliveries)
    .inline()
    .values(
        state=case((_WAS_THERE, DeliveryState.UNKNOWN.value), else_=DeliveryState.WAITING.value),
        last_reply=case((_WAS_THERE, HELD), else_=""),
    ),
    _PLANNED,
)


# --- writing ---------------------------------------------------------------------------------------------


def enqueue(tx: Tx, conversation: int | None, message: int, draft: Draft, signer: Signer, now: datetime) -> int:
    """Write a delivery; everything that identifies it is fixed here. Returns its id.

    `conversation` None: a digest. It has no reply address of its own: an answer to it would belong nowhere. What an
    agent is to confirm has one that leads to that alone, and cites nothing.
    """
    back = Leads()
    if conversation is not None and draft.confirms is None:
        participation, epoch = leads.participation(tx, conversation, draft.to, draft.role, signer.life, now)
        back = Leads(participation, epoch, *leads.thread(tx.connection, conversation, draft.to))
    (delivery,) = statements.fresh_keys(tx.connection, deliveries, 1)
    write(tx, [as_row(delivery, conversation, message, draft, back, signer, now)], now)
    return delivery


def as_row(
    delivery: int, conversation: int | None, message: int, draft: Draft, leads: Leads, signer: Signer, now: datetime
) -> dict[str, Any]:
    """A delivery as it is written. `message`: what caused it, 0 for none."""
    if draft.confirms is not None:
        asked = draft.confirms or delivery
        its_id, reply_to = signer.confirm_id(delivery, asked), signer.confirm_to(asked)
    else:
        its_id = signer.message_id(delivery, leads.participation, leads.epoch)
        reply_to = signer.reply_to(leads.participation, leads.epoch) if leads.participation else signer.plain
    return {
        "id": delivery,
        "conversation": conversation,
        "message": message or None,
        "participation": leads.participation or None,
        "purpose": draft.purpose.value,
        "recipient": draft.to,
        "message_id": its_id,
        "envelope_sender": "" if draft.silent else signer.envelope_sender(delivery),
        "reply_to": reply_to,
        "draft": {**_as_stored(draft), "in_reply_to": leads.answers, "references": leads.references},
        "attempts": 0,
        "created_at": now,
        "next_at": now,
    }


def _as_stored(draft: Draft) -> dict[str, Any]:
    """As `asdict` gives it, which copies every value of it deeply."""
    values: dict[str, Any] = {name: getattr(draft, name) for name in _DRAFT}
    return {**values, "enclosures": [asdict(enclosure) for enclosure in draft.enclosures]}


def write(tx: Tx, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Write deliveries whose conversations, causes and participations are there."""
    _ENQUEUE.run_each(tx.connection, [{**row, "its_cause": row["message"]} for row in rows])
    volume.wrote(tx, sum(row["purpose"] == Purpose.ACKNOWLEDGEMENT for row in rows), now)


def reply_address(tx: Tx, conversation: int, agent: str, signer: Signer, now: datetime) -> str:
    """Where an agent's mail reaches a conversation, as the notification of it would say."""
    return signer.reply_to(*leads.participation(tx, conversation, agent, Role.AGENT, signer.life, now))


def follow(tx: Tx, conversation: int, into: int) -> None:
    """Take the deliveries and participations of a merged conversation along."""
    tx.connection.execute(
        update(deliveries).where(deliveries.c.conversation == conversation).values(conversation=into)
    )
    here = select(participations.c.address, participations.c.role).where(participations.c.conversation == into)
    there = {(row.address, row.role) for row in tx.connection.execute(here)}
    rows = tx.connection.execute(select(participations).where(participations.c.conversation == conversation)).all()
    for row in rows:  # one of the same person stays where it is: its tokens lead on by `merged_into`
        if (row.address, row.role) not in there:
            where = participations.c.id == row.id
            tx.connection.execute(update(participations).where(where).values(conversation=into))


# --- after a restore -------------------------------------------------------------------------------------


def hold(tx: Tx, at: datetime, by: str) -> int:
    """Hold all that is open: the store is that of a backup, and it may have been sent since; how many they are."""
    open_ = or_(sending.DUE, sending.SENDING)
    ids = list(tx.connection.scalars(select(deliveries.c.id).where(open_).order_by(deliveries.c.id)))
    held = {"state": DeliveryState.UNKNOWN.value, "last_reply": HELD}
    tx.connection.execute(update(deliveries).where(open_).values(**held))
    said = Attempt(DeliveryState.UNKNOWN, HELD)
    for start in range(0, len(ids), _AT_ONCE):
        evidence.record(tx, [Fact(each, Occasion.RESTORE, said, by) for each in ids[start : start + _AT_ONCE]], at)
    return len(ids)


def held(connection: Connection) -> list[int]:
    """Deliveries that are held since a backup was restored."""
    where = (deliveries.c.state == DeliveryState.UNKNOWN.value, deliveries.c.last_reply == HELD)
    return list(connection.scalars(select(deliveries.c.id).where(*where).order_by(deliveries.c.id)))


# --- commands --------------------------------------------------------------------------------------------


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Deliveries that aren't done, and the last thousand that are, as `outbox list` shows them."""
    open_ = or_(sending.DUE, sending.SENDING, deliveries.c.state == "unknown")
    people = deliveries.c.purpose != Purpose.CANARY.value
    latest = select(deliveries.c.id).where(people).order_by(deliveries.c.id.desc()).limit(1000)
    query = (
        select(deliveries, conversations.c.reference)
        .outerjoin(conversations, conversations.c.id == deliveries.c.conversation)
        .where(or_(open_, deliveries.c.id.in_(latest)))
        .order_by(deliveries.c.id)
    )
    return [
        {
            "id": row.id,
            "conversation": row.reference,
            "to": row.recipient,
            "message_id": row.message_id,
            "state": row.state,
            "attempts": row.attempts,
            "next_at": row.next_at if row.state in {"waiting", "deferred"} else None,
            "last_reply": row.last_reply,
        }
        for row in connection.execute(query)
    ]


def is_written_to(connection: Connection, address: str) -> bool:
    """Is there a delivery to this very address?"""
    return bool(connection.scalar(select(exists().where(deliveries.c.recipient == address))))


def may_leave(connection: Connection, address: str) -> bool:
    """Is there a delivery to this very address that has left, or may yet?"""
    over = ("refused", "cancelled", "unknown")
    query = select(exists().where(deliveries.c.recipient == address, deliveries.c.state.not_in(over)))
    return bool(connection.scalar(query))


def sent_to(connection: Connection, address: str) -> list[tuple[datetime, str]]:
    """When the deliveries to this very address were written that are sent, and their Message-IDs."""
    sent = (deliveries.c.recipient == address, deliveries.c.state == DeliveryState.SENT.value)
    rows = connection.execute(select(deliveries.c.created_at, deliveries.c.message_id).where(*sent))
    return [(row.created_at, row.message_id) for row in rows]


def signed_by(connection: Connection, since: datetime) -> Counter[int]:
    """Key id → how many people have, in a conversation, a reply address that it signed, in mail since then."""
    query = select(deliveries.c.participation, deliveries.c.message_id).where(
        deliveries.c.created_at > since, deliveries.c.participation.is_not(None), deliveries.c.message_id.is_not(None)
    )
    rows = connection.execute(query).yield_per(1000)
    pairs = {(tokens.key_named(row.message_id), row.participation) for row in rows}
    return Counter(key_id for key_id, _ in pairs)


def retry(tx: Tx, delivery: int, by: str, now: datetime) -> None:
    """Send a delivery that was deferred, refused or is uncertain, now, and for as long as a new one. `by`: who asks.

    Raises:
        NotFound: there is no such delivery.
        Refused: it was sent, cancelled, or is being sent.
    """
    _change(
        tx, delivery, {"waiting", "deferred", "refused", "unknown"}, state="waiting", next_at=now, tried_since=now
    )
    evidence.record(tx, [Fact(delivery, Occasion.RETRY, Attempt(DeliveryState.WAITING, ""), by)], now)


def cancel(tx: Tx, delivery: int, by: str, now: datetime) -> None:
    """Never send a delivery that still waits.

    Raises:
        NotFound, Refused: as `retry`.
    """
    _change(tx, delivery, {"waiting", "deferred", "unknown"}, state="cancelled")
    evidence.record(tx, [Fact(delivery, Occasion.CANCEL, Attempt(DeliveryState.CANCELLED, ""), by)], now)


def withdraw_test_mails(tx: Tx, before: datetime, now: datetime) -> None:
    """Never send test mails that were written before then and still wait: they would only come back in heaps."""
    waiting = select(deliveries.c.id).where(
        sending.DUE, deliveries.c.purpose == Purpose.CANARY.value, deliveries.c.created_at < before
    )
    for delivery in tx.connection.scalars(waiting).all():
        cancel(tx, delivery, "", now)


def _change(tx: Tx, delivery: int, allowed: set[str], **values: Any) -> None:
    where = deliveries.c.id == delivery
    state = tx.connection.scalar(select(deliveries.c.state).where(where))
    if state is None:
        raise NotFound(f"there is no delivery {delivery}; `gateway outbox list` names them")
    if state not in allowed:
        raise Refused(f"delivery {delivery} is {state}: only one that is {', '.join(sorted(allowed))} can be")
    tx.connection.execute(update(deliveries).where(where).values(**values))
