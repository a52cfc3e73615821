"""Mails accepted per second: the gateway with and without its filing, a bare aiosmtpd, a Postfix with a Maildir."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

from tests.bench import servers
from tests.bench.figures import Contender, Figure, Goal, interleaved
from tests.bench.peers.postfix import await_files, postfix

WHOLE, KEEPING, BARE, POSTFIX = "whole daemon", "intake and store alone", "aiosmtpd discarding", "Postfix to Maildir"
_numbers = itertools.count(1, 1_000_000)


def accepted(rounds: int, size: int, cases: dict[int, int]) -> list[Figure]:
    """`cases`: how many clients, and how many mails they send in a round."""
    figures: list[Figure] = []
    for clients, mails in cases.items():
        send = partial(_send, clients=clients, mails=mails, size=size)
        ours: dict[str, Contender[float]] = {
            WHOLE: partial(_daemon, send),
            KEEPING: partial(_one, send, servers.keeping),
        }
        peers: dict[str, Contender[float]] = {
            BARE: partial(_one, send, servers.discarding),
            POSTFIX: partial(_postfix, send, mails),
        }
        found = interleaved(rounds, ours, peers)
        others = found.peers(float, *ours)
        for name in ours:
            what = f"accepted, {size // 1000} kB, {clients} client{'s' * (clients > 1)}, {name}"
            goals = _goals(size) if clients > 1 and name == WHOLE else ()
            figures.append(Figure(what, "mails/s", tuple(found.values[name]), others, goals, tuple(found.without)))
    return figures


def _goals(size: int) -> tuple[Goal, ...]:
    if size > 50_000:
        return (Goal(1.5, BARE, least=True),)
    return (Goal(2.0, BARE, least=True), Goal(4.0, POSTFIX, least=True))


Send = Callable[[int], float]


def _send(port: int, *, clients: int, mails: int, size: int) -> float:
    return servers.load(port, clients, mails, size, next(_numbers))


@contextlib.contextmanager
def _daemon(send: Send) -> Iterator[Callable[[int], float]]:
    """A new daemon each time: what it has yet to file must not disturb whoever comes next.

    It loads what files mail once it takes mail: that is its start, and measured there.
    """

    def measured(_: int) -> float:
        with servers.daemon() as server:
            servers.load(server.port, 1, 1, 1000, next(_numbers))
            servers.await_filed(server, 1)
            return send(server.port)

    yield measured


@contextlib.contextmanager
def _one(send: Send, start: Callable[[], AbstractContextManager[servers.Server]]) -> Iterator[Callable[[int], float]]:
    with start() as server:
        yield lambda _: send(server.port)


@contextlib.contextmanager
def _postfix(send: Send, mails: int) -> Iterator[Callable[[int], float]]:
    """Whoever comes next waits until it has delivered all."""
    with postfix() as (port, box):

        def measured(number: int) -> float:
            rate = send(port)
            await_files(box, (number + 1) * mails)
            return rate

        yield measured
