"""How much the gateway wrote by itself lately, counted from the deliveries.

Each count ends where it has said enough, whatever is stored. Of what is long ago, the acknowledgements of every hour
are kept as they are written: to count a week of them with each mail would take longer than all else.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, delete, func, literal_column, select

from gateway.config.settings import Limits
from gateway.model import GATHERING, GLOBAL, PERIOD, Acknowledged, Filing, Inbox, InboxKind, Purpose, Volume
from gateway.store import statements
from gateway.store.database import AnyRow, Tx
from gateway.store.prepared import Prepared
from gateway.store.tables import acknowledged, conversations, deliveries, messages

if TYPE_CHECKING:
    from sqlalchemy.dialects.sqlite import Insert

Counted = Callable[[Connection, Collection[str], int, datetime], dict[str, int]]  # as `notifications`

_ALARMING = 10  # times as many as usual
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_DAYS = 7  # that tell what is usual
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_COMPARED = 20  # acknowledgements of one author
_ACKNOWLEDGEMENT = deliveries.c.purpose == literal_column("'acknowledgement'")  # so that its index is used

# Built once: building a query costs more than running it.
_TO_AUTHOR = Prepared(
    select(
        deliveries.c.created_at,
        deliveries.c.draft,
        messages.c.subject,
        messages.c.text,
        conversations.c.inbox_kind,
        conversations.c.inbox_number,
    )
    .outerjoin(messages, messages.c.id == deliveries.c.message)
    .outerjoin(conversations, conversations.c.id == deliveries.c.conversation)
    .where(
        deliveries.c.recipient == bindparam("address"),
        deliveries.c.created_at > bindparam("since"),
        deliveries.c.purpose == bindparam("purpose"),
    )
    .order_by(deliveries.c.created_at.desc())
    .limit(_MOST_COMPARED)
)
_LATEST = Prepared(
    select(deliveries.c.created_at)
    .where(_ACKNOWLEDGEMENT, deliveries.c.created_at <= bindparam("now"))
    .order_by(deliveries.c.created_at.desc())
    .limit(1)
)
_BETWEEN = Prepared(
    select(func.count()).select_from(
        select(deliveries.c.created_at)
        .where(
            _ACKNOWLEDGEMENT,
            deliveries.c.created_at > bindparam("since"),
            deliveries.c.created_at <= bindparam("until"),
        )
        .limit(bindparam("most"))
        .subquery()
    )
)
_HOURS = Prepared(
    select(acknowledged).where(acknowledged.c.hour >= bindparam("since"), acknowledged.c.hour < bindparam("until"))
)
_NOTIFIED = Prepared(
    select(func.count()).select_from(
        select(deliveries.c.id)
        .where(
            deliveries.c.recipient == bindparam("address"),
            deliveries.c.created_at > bindparam("since"),
            deliveries.c.purpose == Purpose.NOTIFICATION.value,
        )
        .limit(bindparam("most"))
        .subquery()
    )
)


def lately(connection: Connection, author: str, limits: Limits, now: datetime) -> Volume:
    """What bears on one more acknowledgement to `author`."""
    values = {"address": author, "since": now - PERIOD, "purpose": Purpose.ACKNOWLEDGEMENT.value}
    rows = _TO_AUTHOR.rows(connection, values)
    to_author = tuple(_acknowledged(row) for row in rows)
    in_a_minute = _count(connection, now - _MINUTE, now, limits.acknowledgements_per_minute)
    return Volume(to_author, in_a_minute, braked(connection, limits, now))


def _acknowledged(row: AnyRow) -> Acknowledged:
    inbox = Inbox(InboxKind(row.inbox_kind), row.inbox_number) if row.inbox_kind else GLOBAL
    return Acknowledged(row.created_at, row.subject or "", row.text or "", row.draft["text"], inbox)


def braked(connection: Connection, limits: Limits, now: datetime) -> bool:
    """Did so many leave within an hour, up to less than an hour ago, that something must be wrong?

    That is more than `alarm_above`, and more than ten times what is usual. An hour after the last one it is tried
    anew: whether there is calm shows by how many are due then.
    """
    last: datetime | None = _LATEST.scalar(connection, {"now": now})
    if last is None or last <= now - _HOUR or not _crowded(connection, limits.alarm_above, last):
        return False
    return _crowded(connection, most(connection, limits, now), last)


def most(connection: Connection, limits: Limits, now: datetime) -> int:
    """Acknowledgements in an hour that nothing can explain."""
    return max(limits.alarm_above, int(_ALARMING * usual(connection, now)))


def usual(connection: Connection, now: datetime) -> float:
    """Acknowledgements in an hour of the middle one of the last seven days, today apart: one bad day isn't usual.

    The days end with the hour that was full last.
    """
    end = _hour(now)
    counts = dict.fromkeys(range(1, _DAYS + 1), 0)
    for row in _HOURS.rows(connection, {"since": end - (_DAYS + 1) * _DAY, "until": end - _DAY}):
        counts[(end - row.hour - _MICROSECOND) // _DAY] += row.written
    return sorted(counts.values())[_DAYS // 2] / 24


def wrote(tx: Tx, acknowledgements: int, now: datetime) -> None:
    """Remember that so many were written."""
    if acknowledgements:
        writer = tx.connection.info.setdefault("writer", secrets.randbits(62))
        row = {"hour": _hour(now), "writer": writer, "written": acknowledgements}
        _more(statements.insert_or(tx.connection, acknowledged)).run(tx.connection, row)


def forget(tx: Tx, now: datetime) -> None:
    """Drop the counts of hours that no usual hour is reckoned from any more."""
    tx.connection.execute(delete(acknowledged).where(acknowledged.c.hour < _hour(now) - (_DAYS + 1) * _DAY))


@cache
def _more(new: Insert) -> Prepared:
    added = {"written": acknowledged.c.written + new.excluded.written}
    return Prepared(
        new.on_conflict_do_update(index_elements=list(acknowledged.primary_key), set_=added), acknowledged.c.keys()
    )


def _hour(at: datetime) -> datetime:
    """When the hour began in which this is."""
    return at - (at - _EPOCH) % _HOUR


def notifications(connection: Connection, agents: Collection[str], most: int, now: datetime) -> dict[str, int]:
    """How many notifications each of the agents had within ten minutes; beyond `most` they aren't counted."""
    values = {"since": now - GATHERING, "most": most}
    return {agent: int(_NOTIFIED.scalar(connection, {**values, "address": agent}) or 0) for agent in agents}


def counting(connection: Connection, limits: Limits, now: datetime, beside: int) -> bool:
    """May `beside` acknowledgements that others are writing decide whether one more may leave?

    Not where a cap is reached already, nor where all are far.
    """
    far = min(limits.acknowledgements_per_minute, limits.alarm_above) - beside
    if far > 0 and _count(connection, now - _HOUR, now, far) < far:
        return False
    minute = _count(connection, now - _MINUTE, now, limits.acknowledgements_per_minute)
    return minute < limits.acknowledgements_per_minute and not braked(connection, limits, now)


def _crowded(connection: Connection, number: int, last: datetime) -> bool:
    """Did so many leave within the hour up to the last one?"""
    return _count(connection, last - _HOUR, last, number) >= number


def _count(connection: Connection, since: datetime, until: datetime, most: int) -> int:
    return int(_BETWEEN.scalar(connection, {"since": since, "until": until, "most": most}) or 0)


def _may_brake(connection: Connection, limits: Limits, now: datetime, more: int) -> bool:
    """Would so many be enough for the brake, with those that left within an hour?"""
    rest = limits.alarm_above - more
    return rest <= 0 or _count(connection, now - _HOUR, now, rest) >= rest


class Tally:
    """What left lately, for several mails that are filed at one time: what the store has, and what they cause so far.

    It says what `lately`, but for the author's own, and `counted` would say, were it written.
    """

    def __init__(self, connection: Connection, limits: Limits, now: datetime, mails: int, counted: Counted) -> None:
        self._connection, self._limits, self._now, self._counted = connection, limits, now, counted
        self._in_a_minute = _count(connection, now - _MINUTE, now, limits.acknowledgements_per_minute)
        self._braked = braked(connection, limits, now)
        self._may_brake = _may_brake(connection, limits, now, mails)
        self._acknowledged = 0  # by the mails
        self._notified: dict[str, int] = {}  # within `GATHERING`, of the agents who were asked about

    def volume(self) -> Volume | None:
        """None: so many left that each must be counted."""
        if self._may_brake:
            return None
        return Volume((), self._in_a_minute + self._acknowledged, self._braked and not self._acknowledged)

    def notifications(self, agents: Collection[str]) -> dict[str, int]:
        """As `notifications`, or whatever `counted` is."""
        new = [agent for agent in agents if agent not in self._notified]
        had = self._counted(self._connection, new, self._limits.notifications_per_agent, self._now) if new else {}
        self._notified |= had
        return {agent: self._notified[agent] for agent in agents}

    def count(self, filing: Filing) -> None:
        """A mail causes this: all to agents who were asked about, or it is written by now."""
        for draft in (draft for _, drafts in filing.messages for draft in drafts):
            self._acknowledged += draft.purpose is Purpose.ACKNOWLEDGEMENT
            if draft.purpose is Purpose.NOTIFICATION and draft.to in self._notified:
                self._notified[draft.to] += 1
