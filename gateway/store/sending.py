"""Deliveries that are worked on: what is due is claimed, marked at its last step, and settled.

waiting → sending → sent | deferred → … | refused | unknown
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, literal_column, or_, select, update

from gateway.model import (
    Attachment,
    Attempt,
    DeliveryState,
    Draft,
    Enclosure,
    Fact,
    Occasion,
    Outgoing,
    Purpose,
    Role,
    Settlement,
)
from gateway.store import evidence
from gateway.store.database import AnyRow, Tx
from gateway.store.prepared import About, Prepared
from gateway.store.tables import deliveries, messages

DUE: ColumnElement[bool] = literal_column("deliveries.state IN ('waiting', 'deferred')")
SENDING: ColumnElement[bool] = literal_column("deliveries.state = 'sending'")
_OURS = or_(deliveries.c.owner == literal_column("''"), deliveries.c.owner == bindparam("holder"))
_ATTEMPTED = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery"))
    .values(attempts=deliveries.c.attempts + 1, owner="")
)
_SETTLED = Prepared(
    _ATTEMPTED.values(state=bindparam("outcome"), last_reply=bindparam("reply"), next_at=bindparam("then"))
)
_DUE_NOW = select(deliveries.c.id, deliveries.c.recipient).where(DUE, deliveries.c.next_at <= bindparam("now"), _OURS)
_OLDEST = _DUE_NOW.order_by(deliveries.c.next_at, deliveries.c.id).limit(bindparam("most"))
_NEWEST = _DUE_NOW.order_by(deliveries.c.next_at.desc(), deliveries.c.id.desc()).limit(bindparam("most"))
_WHOLE = About(
    lambda ids: (
        select(deliveries, messages.c.digest)
        .outerjoin(messages, messages.c.id == deliveries.c.message)
        .where(deliveries.c.id.in_(ids))
    )
)
_COMMITTING = About(
    lambda ids: (
        update(deliveries)
        .where(deliveries.c.id.in_(ids), DUE, deliveries.c.owner == bindparam("holder"))
        .values(state="sending")
        .returning(deliveries.c.id)
    )
)
_TAKE = About(
    lambda ids: (
        update(deliveries)
        .where(deliveries.c.id.in_(ids), DUE, _OURS)
        .values(owner=bindparam("holder"))
        .returning(deliveries.c.id)
    )
)
_ADOPT = (
    update(deliveries)
    .where(SENDING, _OURS, deliveries.c.id.not_in(bindparam("busy", expanding=True)))
    .values(owner=bindparam("holder"))
    .returning(deliveries.c.id)
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an attempt, and when the next one is due, if there is to be one."""

    fact: Fact
    next_at: datetime


def due(
    connection: Connection,
    now: datetime,
    limit: int,
    busy: Collection[int] = (),
    crowded: Collection[str] = (),
    owner: str = "",
    room: Callable[[str], bool] = lambda _: True,
) -> list[Outgoing]:
    """Deliveries whose time has come, but for those in `busy`, those to the domains in `crowded`, and those that a
    daemon other than `owner` has. `room`: is there room for one more, to this address? It is asked for each.

    The oldest first; but where there are more of them, a quarter are the newest: what is written now isn't to wait
    behind all that an outage left.
    """
    elsewhere = [~deliveries.c.recipient.endswith(f"@{name}", autoescape=True) for name in crowded]

    def found(query: Select[Any], most: int, here: Collection[int]) -> list[AnyRow]:
        values = {"now": now, "most": most + len(here), "holder": owner}
        rows = connection.execute(query.where(*elsewhere), values)
        return [row for row in rows if row.id not in here][:most]

    here, newest = set(busy), max(1, limit // 4)
    rows = found(_OLDEST, limit, here)
    if len(rows) == limit > newest:
        rows = rows[: limit - newest]
        rows += found(_NEWEST, newest, here | {row.id for row in rows})
    ids = [row.id for row in rows if room(row.recipient)]
    whole = {row.id: row for row in _WHOLE.rows(connection, ids)}
    return [_outgoing(whole[each]) for each in ids]


def older(connection: Connection, than: datetime, limit: int) -> list[int]:
    """Deliveries that have waited since then or longer."""
    since = func.coalesce(deliveries.c.tried_since, deliveries.c.created_at)
    query = select(deliveries.c.id).where(DUE, since <= than).order_by(deliveries.c.id).limit(limit)
    return list(connection.scalars(query))


def take(tx: Tx, ids: Collection[int], owner: str) -> set[int]:
    """Claim deliveries that are due, where several daemons share the store. Those that come back are ours."""
    return {row.id for row in _TAKE.rows(tx.connection, sorted(ids), {"holder": owner})}


def committing(tx: Tx, ids: Collection[int], owner: str = "") -> set[int]:
    """From here on a crash leaves these deliveries uncertain. Those that come back may leave.

    Others were cancelled meanwhile, or are another daemon's by now, and mustn't.
    """
    return {row.id for row in _COMMITTING.rows(tx.connection, sorted(ids), {"holder": owner})}


def settle(tx: Tx, settled: Sequence[Settled], at: datetime, owner: str = "") -> None:
    """Write what became of attempts, and the attempts themselves as evidence.

    What became known while one ran stands: a delivery that was cancelled isn't tried again, one whose bounce came
    before our own word of it stays refused, and one that is said to have arrived has. What didn't leave because
    another daemon than `owner` has it by now, is that one's to tell.
    """
    known = evidence.about(tx.connection, [one.fact for one in settled])
    settled = [one for one in settled if _is_ours(one.fact.attempt.state, known[one.fact.delivery], owner)]
    facts = [one.fact for one in settled]
    stands = {"refused": DeliveryState.SENT, "cancelled": DeliveryState.DEFERRED}
    overtaken, changed = [], []
    for one in settled:
        delivery, attempt = one.fact.delivery, one.fact.attempt
        before = known[delivery].state
        if before == "sent" or attempt.state is stands.get(before):
            overtaken.append({"delivery": delivery})
        else:
            values = {"outcome": attempt.state.value, "reply": attempt.reply, "then": one.next_at}
            changed.append({"delivery": delivery, **values})
    if overtaken:
        tx.connection.execute(_ATTEMPTED, overtaken)
    if changed:
        _SETTLED.run_each(tx.connection, changed)
    if facts:
        evidence.record(tx, facts, at, known)


def _is_ours(came_to: DeliveryState, row: AnyRow, owner: str) -> bool:
    if came_to is DeliveryState.CANCELLED:
        return row.state in {"cancelled", "sent"}
    return came_to is not DeliveryState.DEFERRED or row.owner in {"", owner}


def adopt(tx: Tx, owner: str = "", busy: Iterable[int] = ()) -> list[int]:
    """Take over deliveries that were at their last step when a process ended. `busy`: those that are at it here."""
    return sorted(tx.connection.scalars(_ADOPT, {"holder": owner, "busy": list(busy)}))


def message_ids(connection: Connection, ids: Collection[int]) -> dict[int, str]:
    """Delivery → its Message-ID."""
    query = select(deliveries.c.id, deliveries.c.message_id).where(deliveries.c.id.in_(ids))
    return {row.id: row.message_id for row in connection.execute(query)}


def reported(tx: Tx, settlement: Settlement, at: datetime) -> None:
    """Mark a delivery by what a mail says of it.

    One that was cancelled stays so. Where one has arrived, there is no doubt any more, and nothing to repeat.
    """
    arrived = settlement.state is DeliveryState.SENT
    occasion = Occasion.RECEIPT if arrived else Occasion.BOUNCE
    open_ = deliveries.c.state.in_(("waiting", "deferred", "sending", "unknown", "sent"))
    may = open_ if arrived else deliveries.c.state != "cancelled"
    where = (deliveries.c.id == settlement.delivery, may)
    values = {"state": settlement.state.value, "last_reply": settlement.reply}
    tx.connection.execute(update(deliveries).where(*where).values(**values))
    said = Attempt(settlement.state, settlement.reply)
    evidence.record(tx, [Fact(settlement.delivery, occasion, said, settlement.by)], at)


def _outgoing(row: AnyRow) -> Outgoing:
    return Outgoing(
        id=row.id,
        conversation=row.conversation,
        draft=_draft(row.draft),
        message_id=row.message_id,
        reply_to=row.reply_to,
        envelope_sender=row.envelope_sender,
        in_reply_to=tuple(row.draft["in_reply_to"]),
        references=tuple(row.draft["references"]),
        created_at=row.created_at,
        attempts=row.attempts,
        cause=row.digest.hex() if row.digest else "",
        tried_since=row.tried_since,
    )


def _draft(stored: dict[str, Any]) -> Draft:
    values = {name: value for name, value in stored.items() if name not in {"in_reply_to", "references"}}
    values["purpose"], values["role"] = Purpose(stored["purpose"]), Role(stored["role"])
    values["enclosures"] = tuple(_enclosures(stored["enclosures"]))
    return Draft(**values)


def _enclosures(stored: Iterable[dict[str, Any]]) -> Iterator[Enclosure]:
    for enclosure in stored:
        yield Enclosure(enclosure["digest"], Attachment(**enclosure["attachment"]))
