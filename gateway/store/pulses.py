"""Signs of life: which daemons run, up to where mail had come at a time, what pollers saw, which alarms stand.

Each is one small row that is written over. Nothing here is needed to do any work: it tells whether work is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from gateway.model import Look
from gateway.store.arrivals import WAITING
from gateway.store.database import Tx
from gateway.store.tables import alarms, arrivals, daemons, mailboxes, marks

_RECENT = timedelta(hours=1)  # for which all marks are kept
_FORGOTTEN = timedelta(days=1)  # after which a process that ended isn't told of any more
_MOST_UIDS = 100  # of each kind that are remembered; they are counted when there are that many


# --- daemons, and marks of time -------------------------------------------------------------------------------


def started(tx: Tx, name: str, now: datetime) -> None:
    """A process begins to work on the store."""
    tx.connection.execute(delete(daemons).where(daemons.c.seen_at < now - _FORGOTTEN))
    _put(tx.connection, daemons, {"name": name}, {"started_at": now, "seen_at": now, "ended_at": None})


def beat(tx: Tx, name: str, now: datetime) -> None:
    """A process says that it lives; and which arrival was the last by now."""
    tx.connection.execute(update(daemons).where(daemons.c.name == name).values(seen_at=now))
    last = tx.connection.scalar(select(func.max(arrivals.c.id))) or 0
    _put(tx.connection, marks, {"at": now}, {"arrival": last})
    needed = waiting_since(tx.connection, tx.connection.scalar(select(func.min(arrivals.c.id)).where(WAITING)))
    tx.connection.execute(delete(marks).where(marks.c.at < now - _RECENT, marks.c.at != (needed or now)))


def ended(tx: Tx, name: str, now: datetime) -> None:
    """A process ends in order."""
    tx.connection.execute(update(daemons).where(daemons.c.name == name).values(seen_at=now, ended_at=now))


def forget(tx: Tx) -> None:
    """What was seen is of another time: the store comes from a backup."""
    for table in (daemons, marks, mailboxes, alarms):
        tx.connection.execute(delete(table))


def waiting_since(connection: Connection, arrival: int | None) -> datetime | None:
    """Since when an arrival has been there, at the latest: the first mark that knows it. None: no mark tells."""
    if arrival is None:
        return None
    found: datetime | None = connection.scalar(select(func.min(marks.c.at)).where(marks.c.arrival >= arrival))
    return found


# --- mailboxes ------------------------------------------------------------------------------------------------


def reached(connection: Connection, mailbox: str, uidvalidity: int) -> int:
    """The first UID that no look at the mailbox passed."""
    where = (mailboxes.c.name == mailbox, mailboxes.c.uidvalidity == uidvalidity)
    return connection.scalar(select(mailboxes.c.reached).where(*where)) or 1


def looked(tx: Tx, look: Look, now: datetime) -> None:
    """A poller has looked at its mailbox. What was missing is told until the next comparison of it all."""
    values: dict[str, Any] = {
        "uidvalidity": look.uidvalidity,
        "reached": look.reached,
        "looked_at": now,
        "trouble_since": None,
        "trouble": "",
        "owed": look.owed[:_MOST_UIDS],
        "too_large": look.too_large[:_MOST_UIDS],
    }
    compared = {"compared_at": now, "missing": look.missing[:_MOST_UIDS]} if look.whole else {}
    _put(tx.connection, mailboxes, {"name": look.mailbox}, values | compared, {"missing": ()})


def troubled(tx: Tx, mailbox: str, reason: str, now: datetime) -> None:
    """A poller couldn't look at its mailbox."""
    first = update(mailboxes).where(mailboxes.c.name == mailbox, mailboxes.c.trouble_since.is_(None))
    tx.connection.execute(first.values(trouble_since=now))
    never = {"uidvalidity": 0, "reached": 1, "looked_at": now, "missing": (), "owed": (), "too_large": ()}
    _put(tx.connection, mailboxes, {"name": mailbox}, {"trouble": reason}, {"trouble_since": now, **never})


# --- alarms ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """An alarm that stands, as it was last seen."""

    kind: str
    began_at: datetime
    seen_at: datetime
    count: int
    since: datetime | None
    examples: tuple[str, ...]


def standing(connection: Connection) -> tuple[Standing, ...]:
    """Every alarm that began and isn't over."""
    rows = connection.execute(select(alarms).order_by(alarms.c.kind))
    return tuple(Standing(**{**row, "examples": tuple(row["examples"])}) for row in rows.mappings())


def raised(tx: Tx, kind: str, count: int, since: datetime | None, examples: Sequence[str], now: datetime) -> bool:
    """An alarm stands. Does it begin with this?"""
    values = {"seen_at": now, "count": count, "since": since, "examples": tuple(examples)}
    return _put(tx.connection, alarms, {"kind": kind}, values, {"began_at": now})


def over(tx: Tx, kind: str) -> bool:
    """An alarm is over. Did it stand?"""
    return tx.connection.execute(delete(alarms).where(alarms.c.kind == kind)).rowcount == 1


def _put(
    connection: Connection,
    table: Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    first: Mapping[str, Any] | None = None,
) -> bool:
    """Write a row over, or make it, with `first` besides. Was it made?"""
    where = [table.c[name] == value for name, value in key.items()]
    if connection.execute(update(table).where(*where).values(**values)).rowcount:
        return False
    connection.execute(insert(table).values(**key, **{**(first or {}), **values}))
    return True
