"""Mails accepted per second: the gateway with and without its filing, a bare aiosmtpd, a Postfix with a Maildir."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from contextlib import ExitStack

from tests.bench import servers
from tests.bench.figures import Figure, interleaved, ratio
from tests.bench.postfix import await_files, postfix, usable

_WHOLE, _KEEPING, _BARE, _POSTFIX = "whole daemon", "intake and store alone", "aiosmtpd discarding", "Postfix"


def accepted(rounds: int, size: int, cases: dict[int, int]) -> list[Figure]:
    """`cases`: how many clients, and how many mails they send in a round."""
    figures: list[Figure] = []
    with ExitStack() as stack:
        measures = _contenders(stack, size)
        for clients, mails in cases.items():
            called = {name: _bound(measure, clients, mails) for name, measure in measures.items()}
            figures += _figures(size, clients, interleaved(rounds, called))
    return figures


Measure = Callable[[int, int], float]


def _bound(measure: Measure, clients: int, mails: int) -> Callable[[int], float]:
    return lambda _: measure(clients, mails)


def _contenders(stack: ExitStack, size: int) -> dict[str, Measure]:
    """What takes clients and mails, and gives mails per second."""
    numbers = itertools.count(1, 1_000_000)
    bare = stack.enter_context(servers.discarding())
    keeping = stack.enter_context(servers.keeping())

    def whole(clients: int, mails: int) -> float:
        """A new daemon each time: what it has yet to file must not disturb whoever comes next."""
        with servers.daemon() as server:
            return servers.load(server.port, clients, mails, size, next(numbers))

    measures: dict[str, Measure] = {
        _BARE: lambda clients, mails: servers.load(bare.port, clients, mails, size, next(numbers)),
        _KEEPING: lambda clients, mails: servers.load(keeping.port, clients, mails, size, next(numbers)),
        _WHOLE: whole,
    }
    if usable():
        port, box = stack.enter_context(postfix())
        delivered = itertools.count()
        total = [next(delivered)]

        def by_postfix(clients: int, mails: int) -> float:
            rate = servers.load(port, clients, mails, size, next(numbers))
            total[0] += mails
            await_files(box, total[0])
            return rate

        measures[_POSTFIX] = by_postfix
    return measures


def _figures(size: int, clients: int, found: dict[str, list[float]]) -> list[Figure]:
    figures = []
    least = 2.0 if size < 50_000 else 1.5
    for ours in (_WHOLE, _KEEPING):
        peers = [(name, ratio(found[ours], found[name])) for name in (_BARE, _POSTFIX) if name in found]
        wanted = f"≥ {least} × aiosmtpd" + (", ≥ 4 × Postfix" if size < 50_000 else "")
        met = peers[0][1] >= least and (size > 50_000 or all(r >= 4 for name, r in peers if name == _POSTFIX))
        what = f"accepted durably, {size // 1000} kB, {clients} clients, {ours}"
        value = f"{statistics.median(found[ours]):.0f} mails/s"
        figures.append(Figure(what, value, tuple(peers), wanted if clients > 1 else "", met if clients > 1 else None))
    return figures
