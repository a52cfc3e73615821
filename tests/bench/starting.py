"""Seconds from the start of the process to its being ready for mail, and the memory it then takes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

from tests.bench import servers
from tests.bench.directories import NATIONAL
from tests.bench.figures import Figure, Goal, interleaved

EMPTY, LARGE, BARE = "empty store", "large directory", "aiosmtpd discarding"
_MB = 1_000_000
Begun = tuple[float, float]  # seconds, octets


def starting(rounds: int) -> list[Figure]:
    ours = {EMPTY: partial(new, servers.daemon), LARGE: partial(new, partial(servers.daemon, size=NATIONAL))}
    found = interleaved(rounds, ours, {BARE: partial(new, servers.discarding)})
    directory = f"{NATIONAL.demarches:,} démarches and {NATIONAL.agents:,} agents"

    def figure(what: str, name: str, of: Callable[[Begun], float], unit: str, *goals: Goal) -> Figure:
        peers = found.peers(of, *ours)
        return Figure(what, unit, tuple(map(of, found.values[name])), peers, goals, tuple(found.without))

    return [
        figure("start to ready, empty store", EMPTY, seconds, "s", Goal(1.0)),
        figure(f"start to ready, {directory}", LARGE, seconds, "s", Goal(5.0)),
        figure(f"memory at rest, {directory}", LARGE, lambda begun: begun[1] / _MB, "MB"),
    ]


def seconds(begun: Begun) -> float:
    return begun[0]


@contextlib.contextmanager
def new(start: Callable[[], AbstractContextManager[servers.Server]]) -> Iterator[Callable[[int], Begun]]:
    """It is started anew in each round."""

    def once(_: int) -> Begun:
        with start() as server:
            return server.seconds, servers.memory(server.process.pid)

    yield once
