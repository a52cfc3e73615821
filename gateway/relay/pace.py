"""How fast mail leaves, and whose turn it is. Pure.

Where the smarthost itself fails or slows us, nobody's mail leaves for a while; one connection looks whether it is
over, and then there are more again, twice as many after each answer. A domain that is slow or defers has one
connection, and no domain has them all unless it was quick just now.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.model import Attempt, DeliveryState, Outgoing

_PAUSES = tuple(timedelta(seconds=s) for s in (5, 10, 30, 60, 120, 300))
REMEMBERED = timedelta(minutes=10)  # for how long a domain is taken for slow, or quick
_SLOW = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Pace:
    """`lanes`: connections at a time. `until`: nothing leaves before. `since`: when the smarthost began to fail.

    `failures` in a row; `said`: the last of them, in its words.
    """

    lanes: int
    until: datetime | None = None
    since: datetime | None = None
    failures: int = 0
    said: str = ""

    def rests(self, now: datetime) -> bool:
        return self.until is not None and now < self.until


def after(pace: Pace, attempt: Attempt, now: datetime, jitter: float, most: int) -> Pace:
    """The pace once an attempt has ended. `jitter` is drawn from 0 to 1: up to a quarter more; `most` connections."""
    if not attempt.host:  # it got nowhere: an attachment that can't be read, a mail that was withdrawn
        return pace
    if pace.rests(now):  # it was under way already: it says nothing new
        return pace
    if not attempt.wide:
        return Pace(min(most, pace.lanes * 2))
    failures = pace.failures + 1
    pause = _PAUSES[min(failures, len(_PAUSES)) - 1] * (1 + jitter / 4)
    return Pace(1, now + pause, pace.since or now, failures, attempt.reply)


def domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def is_slow(attempt: Attempt, took: timedelta) -> bool:
    """Does this attempt speak of a domain that is slow, or lets us wait?"""
    deferred = attempt.state is DeliveryState.DEFERRED and bool(attempt.host) and not attempt.wide
    return deferred or took > _SLOW


def turn(
    waiting: Sequence[Outgoing],
    running: Mapping[str, int],
    slow: Collection[str],
    quick: Collection[str],
    lanes: int,
) -> Outgoing | None:
    """Which of those that wait is next, where `running` says how many of each domain are on their way.

    The last free connection is for others, be it that they come later; but a domain that is known to be `quick` won't
    keep them waiting.
    """
    if sum(running.values()) >= lanes:
        return None
    most = max(1, lanes - 1)
    for outgoing in waiting:
        name = domain(outgoing.draft.to)
        if running.get(name, 0) < (1 if name in slow else most):
            return outgoing
    return next((o for o in waiting if (name := domain(o.draft.to)) in quick and name not in slow), None)
