"""Mails filed per second, on real mail and on plain mail; beside it what parsing alone does on the same mails."""

from __future__ import annotations

import contextlib
import email
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import mailparser
import uvloop

from gateway import config, waiting
from gateway.clock import utc_now
from gateway.context import context
from gateway.mail.read import read
from gateway.model import Envelope, Incoming
from gateway.reading.readers import Readers
from gateway.store import arrivals, keys
from gateway.store.database import Store
from gateway.store.opening import opened
from tests import corpora
from tests.bench import servers
from tests.bench.figures import Contender, Figure, Goal, interleaved
from tests.bench.load import RECIPIENT, mail
from tests.bench.peers import notmuch

OURS, COMPAT, PARSER, READ = "filed", "compat32 alone", "mail-parser alone", "our reading alone"
NOTMUCH = "notmuch new"
WARMING, _OTHERS = 50, 10_000_000  # how many mails are filed before time is taken, and their numbers


def filed(rounds: int, count: int) -> list[Figure]:
    figures = [_figure("plain 4 kB mails", rounds, [mail(number, 4000) for number in range(count)])]
    try:
        paths = corpora.sample(count)
    except BaseException as error:  # noqa: BLE001 (pytest's skip is one)
        print(f"No real mail: {error}")
        return figures
    return [*figures, _figure("real mails", rounds, [path.read_bytes() for path in paths])]


def _figure(what: str, rounds: int, raws: Sequence[bytes]) -> Figure:
    ours: dict[str, Contender[float]] = {OURS: partial(_filing, raws)}
    peers: dict[str, Contender[float]] = {name: partial(_parsing, name, raws) for name in _PARSERS}
    peers[NOTMUCH] = partial(_indexing, raws)
    found = interleaved(rounds, ours, peers)
    goals = (Goal(0.8, PARSER, least=True),)
    values = tuple(found.values[OURS])
    return Figure(f"filed, {what}", "mails/s", values, found.peers(float, OURS), goals, tuple(found.without))


def _compat(raw: bytes) -> object:
    return [part.get_payload(decode=True) for part in email.message_from_bytes(raw).walk() if not part.is_multipart()]


_PARSERS: dict[str, Callable[[bytes], object]] = {COMPAT: _compat, PARSER: mailparser.parse_from_bytes, READ: read}
_given: list[bytes] = []  # a parsing process's mails


@contextlib.contextmanager
def _parsing(name: str, raws: Sequence[bytes]) -> Iterator[Callable[[int], float]]:
    """Parsing on all cores, as filing may use them: a process for each, which has the mails already."""
    cores = os.cpu_count() or 1
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, spawn, _give, (list(raws),)) as pool:

        def measured(_: int) -> float:
            begin = time.perf_counter()
            list(pool.map(partial(_parse, name, cores), range(cores)))
            return len(raws) / (time.perf_counter() - begin)

        measured(0)  # so that the processes are there
        yield measured


def _give(raws: Sequence[bytes]) -> None:
    _given.extend(raws)


def _parse(name: str, parts: int, part: int) -> None:
    for raw in _given[part::parts]:
        with contextlib.suppress(Exception):  # some mails are too much for some parsers
            _PARSERS[name](raw)


@contextlib.contextmanager
def _indexing(raws: Sequence[bytes]) -> Iterator[Callable[[int], float]]:
    yield lambda _: notmuch.indexed(raws)


@contextlib.contextmanager
def _filing(raws: Sequence[bytes]) -> Iterator[Callable[[int], float]]:
    yield lambda _: _file_all(raws)


def _file_all(raws: Sequence[bytes]) -> float:
    with servers.scratch() as folder:
        settings = config.load(servers.configured(folder, 2525))
        with opened(settings) as store:
            return rate(store, settings, raws)


def rate(store: Store, settings: config.Settings, raws: Sequence[bytes]) -> float:
    """How many of them are filed in a second, after some others: by then every reader has started."""
    return uvloop.run(_file(store, settings, raws))


def keep(store: Store, raws: Sequence[bytes]) -> None:
    """Have them waiting in the store."""
    envelope = Envelope("camille@usager.example.net", (RECIPIENT,), "127.0.0.1", "client.example.net")
    at = datetime.now(UTC)
    incoming = [Incoming(raw, "smtp", at, envelope, "") for raw in raws]
    store.write_now(lambda tx: arrivals.keep(tx, incoming))


async def _file(store: Store, settings: config.Settings, raws: Sequence[bytes]) -> float:
    known = context(settings, keys.load_or_make(Path(settings.store.token_keys_file)))
    async with Readers() as readers:
        for mails in ([mail(_OTHERS + number, 1000) for number in range(WARMING)], raws):
            keep(store, mails)
            begin = time.perf_counter()
            while await waiting.file_waiting(store, known, readers, "bench", utc_now):
                pass
    return len(raws) / (time.perf_counter() - begin)
