"""Deliveries per second to Postfix's smtp-sink: with the outbox kept, and an aiosmtplib that keeps nothing."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from pathlib import Path

import aiosmtplib
import uvloop
from sqlalchemy import func, select

from gateway import config, waiting
from gateway.context import context
from gateway.daemon import opened, utc_now
from gateway.outbound import Relay
from gateway.reading.readers import Readers
from gateway.relay.transport import transport_for
from gateway.store import keys
from gateway.store.database import Store
from gateway.store.tables import deliveries
from tests.bench import filing, servers
from tests.bench.figures import Figure, interleaved, ratio
from tests.bench.load import mail

_OURS, _NOTHING = "outbox kept", "aiosmtplib keeping nothing"


def relayed(rounds: int, mails: int) -> list[Figure]:
    if servers.SINK is None:
        print("No smtp-sink: the relay isn't measured")
        return []
    with servers.sink() as port:
        found = interleaved(
            rounds,
            {
                _OURS: lambda number: _ours(port, number * mails, mails),
                _NOTHING: lambda _: uvloop.run(_nothing_kept(port, mails)),
            },
        )
    against = ratio(found[_OURS], found[_NOTHING])
    value = f"{statistics.median(found[_OURS]):.0f} deliveries/s"
    return [Figure("relayed to smtp-sink", value, ((_NOTHING, against),), "≥ 0.5 × aiosmtplib", against >= 0.5)]


def _ours(port: int, first: int, mails: int) -> float:
    relay = f'transport = "smtp"\nhost = "127.0.0.1"\nport = {port}\n'
    with servers.scratch() as folder:
        settings = config.load(servers.configured(folder, 2525, relay))
        with opened(settings) as store:
            filing.keep(store, [mail(first + number, 4000) for number in range(mails)])
            return uvloop.run(_deliver(store, settings))


async def _deliver(store: Store, settings: config.Settings) -> float:
    known = context(settings, keys.load_or_make(Path(settings.store.token_keys_file)))
    async with Readers() as readers:
        while await waiting.file_waiting(store, known, readers.read, "bench", utc_now):
            pass
    count = store.read_now(lambda connection: connection.scalar(select(func.count()).select_from(deliveries))) or 0
    relay = Relay(store, lambda: known, transport_for(settings.relay, "relay.example.org"), now=utc_now)
    begin = time.perf_counter()
    work = asyncio.create_task(relay.run(asyncio.Event()))
    unsent = select(func.count()).where(deliveries.c.state != "sent")
    while await store.read(lambda connection: connection.scalar(unsent)):  # noqa: ASYNC110 (it has no bell)
        await asyncio.sleep(0.005)
    seconds = time.perf_counter() - begin
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return count / seconds


async def _nothing_kept(port: int, mails: int) -> float:
    raws = [mail(number, 4000) for number in range(mails)]
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port) as client:
        begin = time.perf_counter()
        for raw in raws:
            await client.mail("gateway@support.example.org")
            await client.rcpt("camille@usager.example.net")
            await client.data(raw)
        return mails / (time.perf_counter() - begin)
