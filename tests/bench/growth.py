"""What a mail costs, and how long a start takes, once a million are stored: beside an empty store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from gateway import config
from gateway.store.opening import opened
from tests.bench import filing, large, servers
from tests.bench.figures import Figure, Goal, interleaved
from tests.bench.load import mail
from tests.bench.starting import new, seconds
from tests.servers.postgresql import PostgreSQL

EMPTY = "empty store"
Places = Callable[[], AbstractContextManager[Callable[[], str]]]  # gives what makes a new store, and returns its url


def grown(rounds: int, stored: int, count: int, engine: str) -> list[Figure]:
    """`stored`: how many mails are there already; `count`: how many are filed in a round. `engine`: of PLACES."""
    name = f"{stored:,} mails stored in {engine}"
    with servers.scratch() as folder, PLACES[engine]() as place:
        path = large.grow(folder, stored, place())
        filed = interleaved(rounds, {name: partial(_large, path, count)}, {EMPTY: partial(_empty, place, count)})
        start = partial(servers.started, servers.running(path), folder, 0)
        begun = interleaved(rounds, {name: partial(new, start)}, {EMPTY: partial(new, servers.daemon)})
    cost, begin = tuple(filed.values[name]), tuple(map(seconds, begun.values[name]))
    same, without = (Goal(1.2, EMPTY),), tuple(filed.without)
    return [
        Figure(f"cost of filing a mail, {name}", "ms", cost, filed.peers(float, name), same, without),
        Figure(f"start to ready, {name}", "s", begin, begun.peers(seconds, name), (Goal(2.0),)),
    ]


@contextlib.contextmanager
def _files() -> Iterator[Callable[[], str]]:
    """As it is shipped: a file in the folder of the configuration."""
    yield lambda: ""


@contextlib.contextmanager
def _databases() -> Iterator[Callable[[], str]]:
    with contextlib.closing(PostgreSQL()) as server:
        yield lambda: server.url(server.database())


PLACES: dict[str, Places] = {"SQLite": _files, "PostgreSQL": _databases}


@contextlib.contextmanager
def _large(path: Path, count: int) -> Iterator[Callable[[int], float]]:
    """The same store in each round: it is hardly larger by what is filed into it."""
    yield lambda number: _cost(path, _mails(number, count))


@contextlib.contextmanager
def _empty(place: Callable[[], str], count: int) -> Iterator[Callable[[int], float]]:
    def measured(number: int) -> float:
        with servers.scratch() as folder:
            return _cost(servers.configured(folder, 0, url=place()), _mails(number, count))

    yield measured


def _mails(number: int, count: int) -> list[bytes]:
    return [mail(number * count + place, 4000) for place in range(count)]


def _cost(path: Path, raws: Sequence[bytes]) -> float:
    """Milliseconds for each mail."""
    settings = config.load(path)
    with opened(settings) as store:
        return 1000 / filing.rate(store, settings, raws)
