"""When to try again: growing intervals with jitter, and an end (RFC 5321 §4.5.4.1)."""

from __future__ import annotations

from datetime import datetime, timedelta

# The first tries come soon: most trouble is a restart or greylisting. After half an hour they are as far apart as
# the RFC asks for.
FEWEST = 3  # tries, before one is given up
_DELAYS = tuple(timedelta(seconds=s) for s in (10, 60, 300, 600, 1800, 3600, 7200, 14400))


def next_try(attempts: int, now: datetime, jitter: float) -> datetime:
    """The time of the next try after `attempts` failed ones. `jitter` is drawn from 0 to 1: up to a quarter more."""
    delay = _DELAYS[min(attempts, len(_DELAYS)) - 1]
    return now + delay * (1 + jitter / 4)


def given_up(since: datetime, attempts: int, now: datetime, give_up_after: timedelta) -> bool:
    """Has it been tried for long enough? A gateway that was off for days hasn't tried yet."""
    return now - since >= give_up_after and attempts >= FEWEST
