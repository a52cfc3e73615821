"""What was written while the clock was ahead: once it is right again, nothing waits for a time that nobody meant.

A machine may start with a wrong clock, which is put right by the network later. Intervals that are set on purpose end
sooner than `_AHEAD`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update

from gateway.store.database import Tx
from gateway.store.tables import arrivals, deliveries, notices, rounds, scans

_AHEAD = timedelta(hours=6)  # the relay's longest interval is five


def put_right(tx: Tx, now: datetime) -> int:
    """Have all that waits for a time too far ahead wait no longer; how much that was."""
    soon = now + _AHEAD
    waiting = deliveries.c.state.in_(("waiting", "deferred"))
    changes = (
        update(arrivals).where(arrivals.c.state == "waiting", arrivals.c.lease_until > soon).values(lease_until=now),
        update(deliveries).where(waiting, deliveries.c.next_at > soon).values(next_at=now),
        update(scans).where(scans.c.next_at > soon).values(next_at=now),
        update(notices).where(notices.c.created_at > soon).values(created_at=now, due_at=now),
        update(rounds).where(rounds.c.at > soon).values(at=now),
    )
    return sum(tx.connection.execute(change).rowcount for change in changes)
