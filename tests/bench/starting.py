"""Seconds from the start of the process to its being ready for mail."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

from tests.bench import servers
from tests.bench.figures import Figure, Goal, interleaved

EMPTY, BARE = "empty store", "aiosmtpd discarding"


def starting(rounds: int) -> list[Figure]:
    found = interleaved(rounds, {EMPTY: partial(_new, servers.daemon)}, {BARE: partial(_new, servers.discarding)})
    values = tuple(found.values[EMPTY])
    return [Figure("start to ready, empty store", "s", values, found.peers(float, EMPTY), (Goal(1.0),))]


@contextlib.contextmanager
def _new(start: Callable[[], contextlib.AbstractContextManager[servers.Server]]) -> Iterator[Callable[[int], float]]:
    def seconds(_: int) -> float:
        with start() as server:
            return server.seconds

    yield seconds
