"""What lies where, and since when: all that health is judged by, in one look at the store.

Each question is answered from a partial index or from the newest rows, so that it costs the same however much is
stored. What a table's constraints keep right (a ledger row without its arrival, a message without its conversation)
isn't asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, exists, func, literal_column, or_, select

from gateway.model import DeliveryState, Occasion
from gateway.store import engines, pulses
from gateway.store.arrivals import ASIDE, TEST_MAIL, WAITING
from gateway.store.database import AnyRow
from gateway.store.pulses import Standing
from gateway.store.tables import (
    arrivals,
    daemons,
    deliveries,
    evidence,
    mailboxes,
    marks,
    messages,
    notices,
    rounds,
    scans,
)

NEWEST = 2000  # rows that are looked at where there is no index of what would be wrong
_TRIES = 500  # the last attempts to hand a delivery over
_SHOWN = 5  # ids of what is found
# Literals, not parameters: a partial index is only used for a condition that can be read.
_DUE: ColumnElement[bool] = literal_column("deliveries.state IN ('waiting', 'deferred')")
_IN_STATE: Mapping[DeliveryState, ColumnElement[bool]] = {
    DeliveryState.SENDING: literal_column("deliveries.state = 'sending'"),
    DeliveryState.UNKNOWN: literal_column("deliveries.state = 'unknown'"),
}


@dataclass(frozen=True, slots=True)
class Heap:
    """How many of a kind lie there, since when the oldest, and the ids of some."""

    count: int = 0
    since: datetime | None = None
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt to hand a delivery over. `domain`: the recipient's. `reply` may hold anything that a server said."""

    delivery: int
    domain: str
    at: datetime
    host: str
    outcome: str
    reply: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox as its poller saw it last. `compared_at` None: it never saw the whole of it."""

    name: str
    looked_at: datetime
    compared_at: datetime | None
    trouble_since: datetime | None
    trouble: str = field(repr=False)
    missing: tuple[int, ...] = ()
    owed: tuple[int, ...] = ()
    too_large: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Process:
    """A daemon: when it began, and last said that it lives; `ended_at` where it ended in order."""

    name: str
    started_at: datetime
    seen_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Vitals:
    """All that health is judged by. `late` is what of `waiting` was there long before; `overdue` of deliveries too.

    `lost`: arrivals that are done without a message; `unproven`: deliveries that are sent, and no evidence says so;
    `put_off`: deliveries that wait for long, and that no server was asked about in any of their attempts.
    """

    arrivals: int = 0
    deliveries: int = 0
    waiting: Heap = Heap()
    late: Heap = Heap()
    aside: Heap = Heap()
    lost: Heap = Heap()
    open: Mapping[DeliveryState, int] = field(default_factory=dict)
    overdue: Heap = Heap()
    put_off: Heap = Heap()
    sending: tuple[int, ...] = ()
    unknown: Heap = Heap()
    unproven: Heap = Heap()
    tries: tuple[Try, ...] = ()
    notices: Heap = Heap()
    held: Heap = Heap()
    boxes: tuple[Box, ...] = ()
    daemons: tuple[Process, ...] = ()
    standing: tuple[Standing, ...] = ()
    rounds: Mapping[str, datetime] = field(default_factory=dict)
    octets: int = 0


def vitals(connection: Connection, now: datetime, patience: timedelta) -> Vitals:
    """Look at everything. What lies there for more than `patience` is late."""
    before = now - patience
    held = scans.c.next_at.is_not(None)
    return Vitals(
        arrivals=connection.scalar(select(func.max(arrivals.c.id))) or 0,
        deliveries=connection.scalar(select(func.max(deliveries.c.id))) or 0,
        waiting=_waiting(connection),
        late=_waiting(connection, before),
        aside=_heap(connection, arrivals, arrivals.c.id, arrivals.c.received_at, ASIDE),
        lost=_lost(connection),
        open=_open(connection),
        overdue=_deliveries(connection, deliveries.c.next_at, _DUE, deliveries.c.next_at < before),
        put_off=_put_off(connection, before),
        sending=tuple(connection.scalars(select(deliveries.c.id).where(_IN_STATE[DeliveryState.SENDING]))),
        unknown=_deliveries(connection, deliveries.c.created_at, _IN_STATE[DeliveryState.UNKNOWN]),
        unproven=_unproven(connection),
        tries=_tries(connection),
        notices=_heap(connection, notices, notices.c.id, notices.c.due_at, notices.c.due_at < before),
        held=_heap(connection, scans, scans.c.digest, scans.c.at, held),
        boxes=_boxes(connection),
        daemons=_daemons(connection),
        standing=pulses.standing(connection),
        rounds={row.name: row.at for row in connection.execute(select(rounds))},
        octets=engines.octets(connection),
    )


def _heap(
    connection: Connection,
    table: FromClause,
    key: ColumnElement[Any],
    at: ColumnElement[datetime],
    *where: ColumnElement[bool],
) -> Heap:
    count, since = connection.execute(select(func.count(), func.min(at)).select_from(table).where(*where)).one()
    if not count:
        return Heap()
    found = connection.scalars(select(key).where(*where).order_by(at).limit(_SHOWN))
    return Heap(count, since, _named(found))


def _deliveries(connection: Connection, at: ColumnElement[datetime], *where: ColumnElement[bool]) -> Heap:
    return _heap(connection, deliveries, deliveries.c.id, at, *where)


def _named(ids: Any) -> tuple[str, ...]:
    return tuple(each.hex() if isinstance(each, bytes) else str(each) for each in ids)


def _waiting(connection: Connection, before: datetime | None = None) -> Heap:
    """Mail that waits to be filed; that which was there before a time."""
    where = [WAITING]
    if before is not None:
        last = select(func.max(marks.c.arrival)).where(marks.c.at <= before)
        where.append(arrivals.c.id <= (connection.scalar(last) or 0))
    count, first = connection.execute(select(func.count(), func.min(arrivals.c.id)).where(*where)).one()
    found = connection.scalars(select(arrivals.c.id).where(*where).order_by(arrivals.c.id).limit(_SHOWN))
    return Heap(count, pulses.waiting_since(connection, first), _named(found) if count else ())


def _lost(connection: Connection) -> Heap:
    """Of the newest arrivals, those that are said to be filed, and whose message isn't there."""
    newest = arrivals.c.id > (connection.scalar(select(func.max(arrivals.c.id))) or 0) - NEWEST
    there = exists().where(messages.c.id == arrivals.c.message)
    done = (arrivals.c.state.in_(("filed", "duplicate")), arrivals.c.reason != TEST_MAIL)
    return _heap(connection, arrivals, arrivals.c.id, arrivals.c.received_at, newest, *done, ~there)


def _open(connection: Connection) -> dict[DeliveryState, int]:
    """How many deliveries aren't done, by state. (One question for each: so each has its index.)"""
    by_state = select(deliveries.c.state, func.count()).where(_DUE).group_by(deliveries.c.state)
    due = {str(state): int(count) for state, count in connection.execute(by_state)}
    counts = {state: due.get(state, 0) for state in (DeliveryState.WAITING, DeliveryState.DEFERRED)}
    for state, where in _IN_STATE.items():
        counts[state] = connection.scalar(select(func.count()).select_from(deliveries).where(where)) or 0
    return counts


def _unproven(connection: Connection) -> Heap:
    """Of the newest deliveries, those that are said to be sent, and of which no evidence says so."""
    newest = deliveries.c.id > (connection.scalar(select(func.max(deliveries.c.id))) or 0) - NEWEST
    said = or_(evidence.c.said.like('%"outcome": "sent"%'), evidence.c.said == "")  # or its words were erased
    proven = exists().where(evidence.c.delivery == deliveries.c.id, said)
    return _deliveries(connection, deliveries.c.created_at, newest, deliveries.c.state == "sent", ~proven)


def _put_off(connection: Connection, before: datetime) -> Heap:
    """Of the deferred deliveries that are due first: those that ourselves alone put off, since a time before."""
    waiting = select(deliveries.c.id).where(_DUE).order_by(deliveries.c.next_at).limit(NEWEST)
    asked = exists().where(evidence.c.delivery == deliveries.c.id, evidence.c.said.like('%"host": "%'))
    ours = (deliveries.c.state == DeliveryState.DEFERRED.value, deliveries.c.created_at < before, ~asked)
    return _deliveries(connection, deliveries.c.created_at, deliveries.c.id.in_(waiting), *ours)


def _tries(connection: Connection) -> tuple[Try, ...]:
    """The last attempts, the latest first."""
    query = select(evidence, deliveries.c.recipient).join(deliveries, evidence.c.delivery == deliveries.c.id)
    rows = connection.execute(query.order_by(evidence.c.id.desc()).limit(_TRIES))
    return tuple(_try(row) for row in rows if row.event == Occasion.ATTEMPT and row.said)


def _try(row: AnyRow) -> Try:
    said = json.loads(row.said)
    domain = row.recipient.rpartition("@")[2].lower()
    return Try(row.delivery, domain, row.at, said.get("host", ""), said.get("outcome", ""), said.get("reply", ""))


def _boxes(connection: Connection) -> tuple[Box, ...]:
    rows: Sequence[Any] = connection.execute(select(mailboxes).order_by(mailboxes.c.name)).all()
    return tuple(
        Box(
            row.name,
            row.looked_at,
            row.compared_at,
            row.trouble_since,
            row.trouble,
            tuple(row.missing),
            tuple(row.owed),
            tuple(row.too_large),
        )
        for row in rows
    )


def _daemons(connection: Connection) -> tuple[Process, ...]:
    rows = connection.execute(select(daemons).order_by(daemons.c.seen_at))
    return tuple(Process(row.name, row.started_at, row.seen_at, row.ended_at) for row in rows)
