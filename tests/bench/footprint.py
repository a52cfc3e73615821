"""Memory at rest, with 50 clients, and with the largest mails at once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tests.bench import servers
from tests.bench.figures import Figure, Goal, interleaved

_MB = 1_000_000
OURS, BARE = "gateway", "aiosmtpd discarding"
_EVERY, _AFTER = 0.05, 1.0  # seconds: how often memory is looked at, and how long after the work
LARGEST = 24_990_000  # octets: what `max_size` lets in


@dataclass(frozen=True, slots=True)
class Memory:
    """Octets of all processes (PSS): at rest after a mail, and the highest while mails come in, small and large."""

    rest: int
    busy: int
    large: int


def footprint(rounds: int, mails: int) -> list[Figure]:
    found = interleaved(
        rounds,
        {OURS: partial(_new, servers.daemon, partial(_measured, mails, True))},
        {BARE: partial(_new, servers.discarding, partial(_measured, mails, False))},
    )

    def figure(what: str, of: Callable[[Memory], float], limit: float) -> Figure:
        values = tuple(map(of, found.values[OURS]))
        return Figure(what, "MB", values, found.peers(of, OURS), (Goal(limit),), tuple(found.without))

    return [
        figure("memory at rest", lambda memory: memory.rest / _MB, 80),
        figure("memory, 50 clients", lambda memory: memory.busy / _MB, 200),
        figure("memory, four mails of 25 MB at once", lambda memory: memory.large / _MB, 350),
    ]


Start = Callable[[], contextlib.AbstractContextManager[servers.Server]]


@contextlib.contextmanager
def _new(start: Start, measured: Callable[[servers.Server], Memory]) -> Iterator[Callable[[int], Memory]]:
    """A new server each round: memory once taken is seldom given back."""

    def once(_: int) -> Memory:
        with start() as server:
            return measured(server)

    yield once


def _measured(mails: int, filing: bool, server: servers.Server) -> Memory:
    def sent(clients: int, count: int, size: int, first: int, before: int) -> None:
        servers.load(server.port, clients, count, size, first)
        if filing:
            servers.await_filed(server, before + count)

    sent(1, 1, 4000, 2_000_001, 0)  # what isn't loaded before the first mail is at work from then on
    time.sleep(_AFTER)
    rest = servers.memory(server.process.pid)
    busy = highest(server, lambda: sent(50, mails, 4000, 1, 1))
    large = highest(server, lambda: sent(4, 4, LARGEST, 1_000_001, mails + 1))
    return Memory(rest, busy, large)


def highest(server: servers.Server, work: Callable[[], object]) -> int:
    """The most that its processes take during the work, and a little longer."""
    seen = [servers.memory(server.process.pid)]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_EVERY):
            seen.append(servers.memory(server.process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        ended.wait(_AFTER)
        ended.set()
        watcher.join()
    return max(seen)
