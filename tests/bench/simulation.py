"""A day of mail by discrete simulation: when mails come, and how long each waits for filing and for the relay. Pure.

Times are seconds since midnight. Filing is one server that takes mails in their order; the relay is one that takes
deliveries in theirs: as in a daemon, where one thread writes. Acceptance waits for neither.
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

HOUR = 3600.0
# The share of a day's mail that comes in each hour: offices and people at home, a peak before noon and one after.
OFFICE_DAY = (4, 3, 2, 2, 2, 4, 10, 24, 60, 98, 112, 100, 66, 70, 96, 98, 84, 62, 38, 24, 20, 16, 10, 6)


@dataclass(frozen=True, slots=True)
class Station:
    """`seconds`: what one piece takes of it. `closed`: from when to when it does nothing (an outage)."""

    seconds: float
    closed: tuple[float, float] = (math.inf, math.inf)

    def done(self, start: float) -> float:
        """When a piece is done that is begun then, or as soon as the station opens."""
        begin, end = self.closed
        if begin <= start < end:
            start = end
        done = start + self.seconds
        return done if done <= begin or start >= end else done + end - begin


@dataclass(frozen=True, slots=True)
class Day:
    """`delays`: of each mail, from acceptance to its last notification's hand-over. `deepest`: most mails in line."""

    delays: tuple[float, ...]
    deepest: int


def arrivals(mails: int, seed: int, curve: Sequence[float] = OFFICE_DAY) -> list[float]:
    """When so many mails come, by a curve of shares of an hour each; within an hour at random."""
    chance = random.Random(seed)
    hours = chance.choices(range(len(curve)), weights=curve, k=mails)
    return sorted((hour + chance.random()) * HOUR for hour in hours)


def wave(mails: int, begin: float, spread: float, seed: int) -> list[float]:
    """What a mailing to many brings: replies that grow fewer and fewer, half of them within `spread`."""
    chance = random.Random(seed)
    return sorted(begin + chance.expovariate(math.log(2) / spread) for _ in range(mails))


def passed(come: Sequence[float], filing: Station, relay: Station, deliveries: Callable[[int], int]) -> Day:
    """What becomes of mails that come at these times, in order. `deliveries`: how many the n-th causes."""
    filed = list(_served(come, filing))
    notified: list[float] = []
    free = 0.0
    for number, at in enumerate(filed):
        free = max(free, at)
        for _ in range(deliveries(number)):
            free = relay.done(free)
        notified.append(free)
    delays = tuple(done - at for at, done in zip(come, notified, strict=True))
    return Day(delays, max(_lines(come, notified), default=0))


def _served(come: Sequence[float], station: Station) -> Iterator[float]:
    free = 0.0
    for at in come:
        free = station.done(max(free, at))
        yield free


def _lines(come: Sequence[float], gone: Sequence[float]) -> Iterator[int]:
    """How many are there whenever one comes; `gone` grows too."""
    for number, at in enumerate(come):
        yield number + 1 - bisect(gone, at)


def rate(curve: Sequence[float], mails: int, hour: int) -> float:
    """Mails per second in an hour of the curve."""
    return mails * curve[hour] / sum(curve) / HOUR
