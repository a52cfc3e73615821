"""A day of mail, simulated: when mails come, and how long each waits until all that it causes is handed over. Pure.

Times are seconds since midnight. One daemon works as `gateway.daemon` does on SQLite: it takes mail, files it in
batches that its readers read, and relays what comes of it; one step of its own at a time, all of them and the readers
on the cores that there are (`tests.bench.cores`).
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass

from tests.bench.cores import Compute, Give, Hear, Machine, Program, Rest, Ring, Step, Take

HOUR = 3600.0
# The share of a day's mail that comes in each hour: offices and people at home, a peak before noon and one after.
OFFICE_DAY = (4, 3, 2, 2, 2, 4, 10, 24, 60, 98, 112, 100, 66, 70, 96, 98, 84, 62, 38, 24, 20, 16, 10, 6)


_BATCH, _READERS = 50, 2  # mails that are filed together, and processes that read them
_DAEMON, _KEPT, _PLANNED = "the daemon", "kept", "planned"


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of a core: of a mail, for who sends it, the daemon that takes it, its readers, the daemon that files
    it; of a delivery, for the daemon that relays it."""

    sending: float
    taking: float
    reading: float
    filing: float
    relaying: float

    def slower(self, times: float) -> Costs:
        """On a machine so many times slower, or that others use so much besides."""
        return Costs(*(seconds * times for seconds in astuple(self)))


@dataclass(frozen=True, slots=True)
class Day:
    """`delays`: of each mail, from acceptance to its last notification's hand-over. `deepest`: most mails in line.
    `over`: when all was handed over."""

    delays: tuple[float, ...]
    deepest: int
    over: float


def arrivals(mails: int, seed: int, curve: Sequence[float] = OFFICE_DAY) -> list[float]:
    """When so many mails come, by a curve of shares of an hour each; within an hour at random."""
    chance = random.Random(seed)
    hours = chance.choices(range(len(curve)), weights=curve, k=mails)
    return sorted((hour + chance.random()) * HOUR for hour in hours)


def wave(mails: int, begin: float, spread: float, seed: int) -> list[float]:
    """What a mailing to many brings: replies that grow fewer and fewer, half of them within `spread`."""
    chance = random.Random(seed)
    return sorted(begin + chance.expovariate(math.log(2) / spread) for _ in range(mails))


def passed(
    come: Sequence[float],
    costs: Costs,
    deliveries: Callable[[int], int],
    cores: int,
    closed: tuple[float, float] = (math.inf, math.inf),
) -> Day:
    """What becomes of mails that come at these times, in order. `deliveries`: how many the n-th causes. `closed`:
    from when to when the smarthost takes nothing."""
    return _Daemon(Machine(cores), costs, deliveries, closed).day(come)


class _Daemon:
    def __init__(
        self, machine: Machine, costs: Costs, deliveries: Callable[[int], int], closed: tuple[float, float]
    ) -> None:
        self._machine, self._costs, self._deliveries, self._closed = machine, costs, deliveries, closed
        self._kept, self._planned = deque[int](), deque[int]()
        self._taken, self._done = dict[int, float](), dict[int, float]()
        self._deepest = 0

    def day(self, come: Sequence[float]) -> Day:
        sent = (self._sent(number, at) for number, at in enumerate(come))
        over = self._machine.run(self._filing(), self._relaying(), *sent)
        delays = tuple(self._done[number] - taken for number, taken in sorted(self._taken.items()))
        return Day(delays, self._deepest, over)

    def _own(self, seconds: float) -> Iterator[Step]:
        """What the daemon itself does: one thing at a time."""
        if seconds:
            yield Take(_DAEMON)
            yield Compute((seconds,))
            yield Give(_DAEMON)

    def _sent(self, number: int, at: float) -> Program:
        yield Rest(at)
        if self._costs.sending:
            yield Compute((self._costs.sending,))
        yield from self._own(self._costs.taking)
        self._taken[number] = self._machine.now
        self._kept.append(number)
        self._deepest = max(self._deepest, len(self._taken) - len(self._done))
        yield Ring(_KEPT)

    def _filing(self) -> Program:
        while True:
            if not self._kept:
                yield Hear(_KEPT)
                continue
            batch = [self._kept.popleft() for _ in range(min(_BATCH, len(self._kept)))]
            at_once = min(_READERS, len(batch))
            yield Compute((self._costs.reading * len(batch) / at_once,) * at_once)
            for number in batch:
                yield from self._own(self._costs.filing)
                if self._deliveries(number):
                    self._planned.append(number)
                else:
                    self._done[number] = self._machine.now
            yield Ring(_PLANNED)

    def _relaying(self) -> Program:
        begin, end = self._closed
        while True:
            if not self._planned:
                yield Hear(_PLANNED)
                continue
            if begin <= self._machine.now < end:
                yield Rest(end)
            number = self._planned.popleft()
            yield from self._own(self._costs.relaying * self._deliveries(number))
            self._done[number] = self._machine.now


def rate(curve: Sequence[float], mails: int, hour: int) -> float:
    """Mails per second in an hour of the curve."""
    return mails * curve[hour] / sum(curve) / HOUR
