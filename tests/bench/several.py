"""Mails filed per second by two daemons on one PostgreSQL, beside one: measured, and simulated for more cores than
this machine has.

Where daemons and server share two cores, a second daemon has little left to work with. What a mail costs each of them
is measured, and daemons are simulated that spend as much on any number of cores (`tests.bench.cores`): on as many as
there are here, too, which shows how far that can be believed; and daemons that decide in turn, one at a time, beside
them.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from sqlalchemy import func, select

from gateway import config, waiting
from gateway.clock import utc_now
from gateway.context import context
from gateway.reading.readers import MOST_READERS, Readers
from gateway.store import keys
from gateway.store.database import Store, Tx
from gateway.store.opening import opened
from gateway.store.tables import arrivals
from tests.bench import servers
from tests.bench.cores import Compute, Give, Machine, Program, Take
from tests.bench.figures import Figure, Goal, Peer, interleaved
from tests.bench.filing import WARMING, keep
from tests.bench.load import mail
from tests.servers.postgresql import PostgreSQL

TWO, ONE, IN_TURN = "two daemons", "one daemon", "two that decide in turn"
_WAITING = select(func.count()).where(arrivals.c.state == "waiting")
_CORES = (4, 8)  # that are simulated besides those of this machine
_BATCH, _AT_ONCE = 50, 16  # mails that a daemon claims, and that it files in one transaction
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Costs:
    """Of a mail, seconds of a core: its readers', the daemon's in the transactions that decide, its other work, and
    the server's."""

    reading: float
    deciding: float
    around: float
    server: float


def several(rounds: int, mails: int) -> list[Figure]:
    with contextlib.closing(PostgreSQL()) as server:
        contenders = {name: partial(_filing, server, daemons, mails) for name, daemons in ((TWO, 2), (ONE, 1))}
        found = interleaved(rounds, {TWO: contenders[TWO]}, {ONE: contenders[ONE]})
        costs = [costs_of(server, mails) for _ in range(rounds)]
    values, peers = tuple(found.values[TWO]), found.peers(float, TWO)
    measured = Figure("filed by two daemons, PostgreSQL", "mails/s", values, peers, (), tuple(found.without))
    return [measured, *(_simulated(costs, cores, mails) for cores in (os.cpu_count() or 1, *_CORES))]


# --- simulated -------------------------------------------------------------------------------------------


def _simulated(costs: Sequence[Costs], cores: int, mails: int) -> Figure:
    def rates(daemons: int, *, in_turn: bool = False) -> tuple[float, ...]:
        return tuple(rate(each, cores, daemons, mails, in_turn=in_turn) for each in costs)

    peers = (Peer(ONE, rates(1)), Peer(IN_TURN, rates(2, in_turn=True)))
    goals = (Goal(1.6, ONE, least=True),) if cores in _CORES else ()
    return Figure(f"the same, simulated on {cores} cores", "mails/s", rates(2), peers, goals)


def rate(costs: Costs, cores: int, daemons: int, mails: int, *, in_turn: bool) -> float:
    """Mails filed per second."""
    left = [mails]
    return mails / Machine(cores).run(*(_daemon(left, costs, in_turn=in_turn) for _ in range(daemons)))


def _daemon(left: list[int], costs: Costs, *, in_turn: bool) -> Program:
    """It claims mails, has them read, and files them, as `gateway.waiting` does: one step after the other."""
    while claimed := min(_BATCH, left[0]):
        left[0] -= claimed
        yield Compute((costs.around * claimed,))
        yield Compute((costs.reading * claimed / MOST_READERS,) * MOST_READERS)
        for start in range(0, claimed, _AT_ONCE):
            if in_turn:
                yield Take("the turn")
            yield Compute(((costs.deciding + costs.server) * min(_AT_ONCE, claimed - start),))
            if in_turn:
                yield Give("the turn")


# --- measured --------------------------------------------------------------------------------------------


class _Timed(Store):
    """A store that adds up what deciding takes of the processor."""

    deciding = 0.0

    async def write(self, work: Callable[[Tx], T], **how: Any) -> T:
        def timed(tx: Tx) -> T:
            begin = time.thread_time()
            try:
                return work(tx)
            finally:
                self.deciding += time.thread_time() - begin

        return await super().write(work if how.get("beside") else timed, **how)


def costs_of(server: PostgreSQL, mails: int) -> Costs:
    """What one daemon that files and does nothing else spends, and what the server does for it."""
    with servers.scratch() as folder:
        settings = config.load(servers.configured(folder, 0, url=server.url(server.database())))
        with opened(settings):
            pass  # it has its schema now
        assert isinstance(settings.store.raw, Path)
        store = _Timed(settings.store.url, settings.store.raw)
        with contextlib.closing(store):
            return uvloop.run(_costs(server, store, settings, mails))


async def _costs(server: PostgreSQL, store: _Timed, settings: config.Settings, mails: int) -> Costs:
    known = context(settings, keys.load_or_make(Path(settings.store.token_keys_file)))
    async with Readers() as readers:

        async def file(raws: list[bytes]) -> None:
            keep(store, raws)
            while await waiting.file_waiting(store, known, readers, "bench", utc_now):
                pass

        def spent() -> tuple[float, float, float, float]:
            database = servers.cpu(server.pid)
            own = time.process_time()
            return servers.cpu(os.getpid()) - own - database, store.deciding, own, database

        await file([mail(mails + number, 1000) for number in range(WARMING)])
        before = spent()
        await file([mail(number, 4000) for number in range(mails)])
        reading, deciding, own, database = ((b - a) / mails for a, b in zip(before, spent(), strict=True))
    return Costs(reading, deciding, own - deciding, database)


@contextlib.contextmanager
def _filing(server: PostgreSQL, daemons: int, mails: int) -> Iterator[Callable[[int], float]]:
    def measured(_: int) -> float:
        with servers.scratch() as folder, contextlib.ExitStack() as running:
            path = servers.configured(folder, 0, url=server.url(server.database()))
            store = running.enter_context(opened(config.load(path)))
            for nth in range(daemons):
                logs = folder / f"daemon {nth}"
                logs.mkdir()
                running.enter_context(servers.started([*servers.running(path), "--only", "filing"], logs, 0))
            _filed(store, [mail(mails + number, 1000) for number in range(daemons * WARMING)])
            return _filed(store, [mail(number, 4000) for number in range(mails)])

    yield measured


def _filed(store: Store, raws: list[bytes]) -> float:
    """How many are filed in a second, from the moment that the first is."""
    keep(store, raws)
    waiting = partial(store.read_now, lambda connection: connection.scalar(_WAITING) or 0)
    servers.awaited(lambda: waiting() < len(raws), "the first mail filed", 60, pause=0.005)
    begin, before = time.perf_counter(), waiting()
    servers.awaited(lambda: not waiting(), "all mails filed", 300)
    return before / (time.perf_counter() - begin)
