"""Mails per second from the first that is offered to the last that is dealt with, beside who else deals with mail.

Gateway: kept, read, placed, routed, filed, its notifications in the outbox. Mailman: kept, moderated, headers and
footers, in the queue that sends. Rails' Action Mailbox: kept, routed, a row written by the application.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial

from tests.bench import servers
from tests.bench.figures import Figure, Goal, interleaved
from tests.bench.load import mail
from tests.bench.peers.mailman import await_processed, mailman
from tests.bench.peers.rails import rails

OURS, MAILMAN, RAILS = "gateway", "Mailman 3 (LMTP)", "Rails Action Mailbox (relay)"
CLIENTS, SIZE = 10, 4000


def processed(rounds: int, mails: int, theirs: int) -> list[Figure]:
    """`theirs`: how many mails the others are given, who take far longer."""
    found = interleaved(
        rounds,
        {OURS: partial(_gateway, mails)},
        {MAILMAN: partial(_mailman, theirs), RAILS: partial(_rails, theirs)},
    )
    values = tuple(found.values[OURS])
    goals = tuple(Goal(20, name, least=True) for name in (MAILMAN, RAILS))
    peers = found.peers(float, OURS)
    return [Figure("offered to dealt with, 4 kB", "mails/s", values, peers, goals, tuple(found.without))]


@contextlib.contextmanager
def _gateway(mails: int) -> Iterator[Callable[[int], float]]:
    """A store that grows, as the others' does."""
    with servers.daemon() as server:

        def measured(number: int) -> float:
            taken = servers.load(server.port, CLIENTS, mails, SIZE, number * mails)
            return _all(taken, mails, lambda: servers.await_filed(server, (number + 1) * mails))

        yield measured


@contextlib.contextmanager
def _mailman(mails: int) -> Iterator[Callable[[int], float]]:
    with mailman() as (port, queues):

        def measured(number: int) -> float:
            taken = servers.load(port, CLIENTS, mails, SIZE, number * mails, "LHLO")
            return _all(taken, mails, lambda: await_processed(queues, (number + 1) * mails))

        yield measured


def _all(taken: float, mails: int, finish: Callable[[], None]) -> float:
    """Mails per second, of which so many a second were taken, until all are dealt with."""
    begin = time.perf_counter()
    finish()
    return mails / (mails / taken + time.perf_counter() - begin)


@contextlib.contextmanager
def _rails(mails: int) -> Iterator[Callable[[int], float]]:
    numbers = itertools.count()
    with rails() as application:
        yield lambda _: application.take([mail(next(numbers), SIZE) for _ in range(mails)], CLIENTS)
