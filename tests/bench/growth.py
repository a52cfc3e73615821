"""What a mail costs, and how long a start takes, once a million are stored: beside an empty store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from gateway import config
from gateway.daemon import opened
from tests.bench import filing, large, servers
from tests.bench.figures import Figure, Goal, interleaved
from tests.bench.load import mail
from tests.bench.starting import new, seconds

EMPTY = "empty store"


def grown(rounds: int, stored: int, count: int) -> list[Figure]:
    """`stored`: how many mails are there already; `count`: how many are filed in a round."""
    with servers.scratch() as folder:
        path = large.grow(folder, stored)
        name = f"{stored:,} mails stored"
        filed = interleaved(rounds, {name: partial(_large, path, count)}, {EMPTY: partial(_empty, count)})
        start = partial(servers.started, servers.running(path), folder, 0)
        begun = interleaved(rounds, {name: partial(new, start)}, {EMPTY: partial(new, servers.daemon)})
    return [
        Figure(
            f"cost of filing a mail, {name}",
            "ms",
            tuple(filed.values[name]),
            filed.peers(float, name),
            (Goal(1.2, EMPTY),),
            tuple(filed.without),
        ),
        Figure(
            f"start to ready, {name}",
            "s",
            tuple(map(seconds, begun.values[name])),
            begun.peers(seconds, name),
            (Goal(2.0),),
            tuple(begun.without),
        ),
    ]


@contextlib.contextmanager
def _large(path: Path, count: int) -> Iterator[Callable[[int], float]]:
    """The same store in each round: it is hardly larger by what is filed into it."""
    yield lambda number: _cost(path, _mails(number, count))


@contextlib.contextmanager
def _empty(count: int) -> Iterator[Callable[[int], float]]:
    def measured(number: int) -> float:
        with servers.scratch() as folder:
            return _cost(servers.configured(folder, 0), _mails(number, count))

    yield measured


def _mails(number: int, count: int) -> list[bytes]:
    return [mail(number * count + place, 4000) for place in range(count)]


def _cost(path: Path, raws: Sequence[bytes]) -> float:
    """Milliseconds for each mail."""
    settings = config.load(path)
    with opened(settings) as store:
        return 1000 / filing.rate(store, settings, raws)
