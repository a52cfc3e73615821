"""Mails filed per second by two daemons on one PostgreSQL, beside one. On two cores, which the server shares with
them, a second daemon has little left to work with: the ratio says what the store allows only where cores are idle."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial

from sqlalchemy import func, select

from gateway import config
from gateway.store.database import Store
from gateway.store.opening import opened
from gateway.store.tables import arrivals
from tests.bench import servers
from tests.bench.figures import Figure, Goal, interleaved
from tests.bench.filing import WARMING, keep
from tests.bench.load import mail
from tests.servers.postgresql import PostgreSQL

TWO, ONE = "two daemons", "one daemon"
_WAITING = select(func.count()).where(arrivals.c.state == "waiting")


def several(rounds: int, mails: int) -> list[Figure]:
    with contextlib.closing(PostgreSQL()) as server:
        contenders = {name: partial(_filing, server, daemons, mails) for name, daemons in ((TWO, 2), (ONE, 1))}
        found = interleaved(rounds, {TWO: contenders[TWO]}, {ONE: contenders[ONE]})
    values, peers = tuple(found.values[TWO]), found.peers(float, TWO)
    goals = (Goal(1.6, ONE, least=True),)
    return [Figure("filed by two daemons, PostgreSQL", "mails/s", values, peers, goals, tuple(found.without))]


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
