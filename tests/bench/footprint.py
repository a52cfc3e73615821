"""Memory at rest and with 50 clients, and the time from start to ready."""

from __future__ import annotations

import statistics
import threading
from contextlib import AbstractContextManager

from tests.bench import servers
from tests.bench.figures import Figure

_MB = 1_000_000


def footprint(rounds: int, mails: int) -> list[Figure]:
    rest, busy, seconds = [], [], []
    for number in range(rounds):
        with servers.daemon() as server:
            seconds.append(server.seconds)
            rest.append(servers.memory(server.process.pid))
            if number < 2:
                busy.append(_highest(server, mails))
    bare_rest, bare_busy = _bare(servers.discarding(), mails)
    idle, load, ready = statistics.median(rest), max(busy), statistics.median(seconds)
    return [
        _memory("memory at rest (PSS)", idle, bare_rest, 80),
        _memory("memory, 50 clients (PSS, highest)", load, bare_busy, 200),
        Figure("start to ready, empty store", f"{ready:.2f} s", (), "≤ 1 s", ready <= 1),
    ]


def _memory(what: str, ours: float, bare: float, limit: int) -> Figure:
    peers = (("aiosmtpd discarding", ours / bare),)
    return Figure(what, f"{ours / _MB:.0f} MB", peers, f"≤ {limit} MB", ours <= limit * _MB)


def _bare(server: AbstractContextManager[servers.Server], mails: int) -> tuple[int, int]:
    with server as bare:
        return servers.memory(bare.process.pid), _highest(bare, mails)


def _highest(server: servers.Server, mails: int) -> int:
    """While 50 clients send, and a little longer."""
    seen: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            seen.append(servers.memory(server.process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        servers.load(server.port, 50, mails, 4000, 1)
    finally:
        ended.wait(1.0)
        ended.set()
        watcher.join()
    return max(seen)
