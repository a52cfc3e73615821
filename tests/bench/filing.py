"""Mails filed per second, on real mail and on plain mail; beside it what parsing alone does on the same mails."""

from __future__ import annotations

import email
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import mailparser
import uvloop

from gateway import config, waiting
from gateway.context import context
from gateway.daemon import opened, utc_now
from gateway.mail.read import read
from gateway.model import Envelope, Incoming
from gateway.reading.readers import Readers
from gateway.store import arrivals, keys
from gateway.store.database import Store
from tests import corpora
from tests.bench import servers
from tests.bench.figures import Figure, interleaved, ratio
from tests.bench.load import RECIPIENT, mail

_FILED, _COMPAT, _PARSER, _READ = "filed", "compat32 alone", "mail-parser alone", "our reading alone"


def filed(rounds: int, count: int) -> list[Figure]:
    figures = _measured("plain 4 kB mails", rounds, [mail(number, 4000) for number in range(count)])
    try:
        paths = corpora.sample(count)
    except BaseException as error:  # noqa: BLE001 (pytest's skip is one)
        print(f"No real mail: {error}")
        return figures
    return figures + _measured("real mails", rounds, [path.read_bytes() for path in paths])


def _measured(what: str, rounds: int, raws: Sequence[bytes]) -> list[Figure]:
    contenders: dict[str, Callable[[int], float]] = {
        _FILED: lambda _: _file_all(raws),
        _COMPAT: lambda _: _each(raws, lambda raw: [p.get_payload(decode=True) for p in _compat(raw)]),
        _PARSER: lambda _: _each(raws, mailparser.parse_from_bytes),
        _READ: lambda _: _each(raws, read),
    }
    found = interleaved(rounds, contenders)
    peers = tuple((name, ratio(found[_FILED], found[name])) for name in (_COMPAT, _PARSER, _READ))
    value = f"{statistics.median(found[_FILED]):.0f} mails/s"
    return [Figure(f"filed, {what}", value, peers, "≥ 0.8 × mail-parser", peers[1][1] >= 0.8)]


def _compat(raw: bytes) -> list[email.message.Message]:
    return [part for part in email.message_from_bytes(raw).walk() if not part.is_multipart()]


def _each(raws: Sequence[bytes], work: Callable[[bytes], object]) -> float:
    begin = time.perf_counter()
    for raw in raws:
        try:
            work(raw)
        except Exception:  # noqa: BLE001 (some mails are too much for some parsers)
            continue
    return len(raws) / (time.perf_counter() - begin)


def _file_all(raws: Sequence[bytes]) -> float:
    with servers.scratch() as folder:
        settings = config.load(servers.configured(folder, 2525))
        with opened(settings) as store:
            keep(store, raws)
            return uvloop.run(_file(store, settings, len(raws)))


def keep(store: Store, raws: Sequence[bytes]) -> None:
    """Have them waiting in the store."""
    envelope = Envelope("camille@usager.example.net", (RECIPIENT,), "127.0.0.1", "client.example.net")
    at = datetime.now(UTC)
    incoming = [Incoming(raw, "smtp", at, envelope, "") for raw in raws]
    store.write_now(lambda tx: arrivals.keep(tx, incoming))


async def _file(store: Store, settings: config.Settings, count: int) -> float:
    known = context(settings, keys.load_or_make(Path(settings.store.token_keys_file)))
    async with Readers() as readers:
        await readers.prepare()
        begin = time.perf_counter()
        while await waiting.file_waiting(store, known, readers.read, "bench", utc_now):
            pass
    return count / (time.perf_counter() - begin)
