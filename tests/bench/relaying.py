"""Deliveries per second to Postfix's smtp-sink: with the outbox kept, and an aiosmtplib that keeps nothing.

The gateway has sixteen connections, of which each has one mail at a time that a crash would leave in doubt: a commit
then stands for sixteen mails. Who keeps nothing waits for nothing, and has one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import aiosmtplib
import uvloop
from sqlalchemy import func, select

from gateway import config, waiting
from gateway.clock import utc_now
from gateway.context import context
from gateway.model import Attempt, DeliveryState, Outgoing
from gateway.outbound import Relay
from gateway.reading.readers import Readers
from gateway.relay.transport import Committing, Transport, transport_for
from gateway.store import keys
from gateway.store.database import Store
from gateway.store.opening import opened
from gateway.store.tables import deliveries
from tests.bench import filing, servers
from tests.bench.figures import Figure, Goal, interleaved
from tests.bench.load import mail

OURS, NOTHING = "outbox kept", "aiosmtplib keeping nothing"

_CONNECTIONS = 16


def relayed(rounds: int, mails: int) -> list[Figure]:
    with servers.sink() as port:
        found = interleaved(rounds, {OURS: partial(_relay, port, mails)}, {NOTHING: partial(_bare, port, mails)})
    goals = (Goal(0.5, NOTHING, least=True),)
    peers = found.peers(float, OURS)
    values = tuple(found.values[OURS])
    return [Figure("relayed to smtp-sink", "deliveries/s", values, peers, goals, tuple(found.without))]


@contextlib.contextmanager
def _relay(port: int, mails: int) -> Iterator[Callable[[int], float]]:
    yield lambda number: _ours(port, number * mails, mails)


@contextlib.contextmanager
def _bare(port: int, mails: int) -> Iterator[Callable[[int], float]]:
    yield lambda _: uvloop.run(_nothing_kept(port, mails))


def _ours(port: int, first: int, mails: int) -> float:
    relay = f'transport = "smtp"\nhost = "127.0.0.1"\nport = {port}\nconnections = {_CONNECTIONS}\n'
    with servers.scratch() as folder:
        settings = config.load(servers.configured(folder, 2525, relay))
        with opened(settings) as store:
            filing.keep(store, [mail(first + number, 4000) for number in range(mails)])
            return uvloop.run(_deliver(store, settings))


class _Counting:
    """A transport that says when so many mails were taken: asking the store all the time costs more than they do."""

    idempotent = False

    def __init__(self, transport: Transport, count: int) -> None:
        self._transport, self._left = transport, count
        self.all_taken = asyncio.Event()
        self.rest, self.close = transport.rest, transport.close

    async def deliver(self, outgoing: Outgoing, wire: bytes, committing: Committing) -> Attempt:
        attempt = await self._transport.deliver(outgoing, wire, committing)
        self._left -= attempt.state is DeliveryState.SENT
        if not self._left:
            self.all_taken.set()
        return attempt


async def _deliver(store: Store, settings: config.Settings) -> float:
    known = context(settings, keys.load_or_make(Path(settings.store.token_keys_file)))
    async with Readers() as readers:
        while await waiting.file_waiting(store, known, readers, "bench", utc_now):
            pass
    count = store.read_now(lambda connection: connection.scalar(select(func.count()).select_from(deliveries))) or 0
    transport = _Counting(transport_for(settings.relay, "relay.example.org"), count)
    relay = Relay(store, lambda: known, transport, now=utc_now)
    begin = time.perf_counter()
    work = asyncio.create_task(relay.run(asyncio.Event()))
    await transport.all_taken.wait()
    unsent = select(func.count()).where(deliveries.c.state != "sent")
    while await store.read(lambda connection: connection.scalar(unsent)):  # noqa: ASYNC110 (it has no bell)
        await asyncio.sleep(0.002)
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
