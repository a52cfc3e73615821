"""Test mails at an interval: launched, handed in, and taken out of the folder that they left into."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

from gateway import log
from gateway.context import Context
from gateway.errors import StoreError
from gateway.health import canary
from gateway.health.canary import Leg
from gateway.relay.maildir import file_name
from gateway.store import outbox, rounds, turns
from gateway.store.database import Store, Tx

_TICK = 5.0  # seconds
_PATIENCE = 30.0  # seconds that our own listener has
_LATE = timedelta(hours=1)  # after which one that couldn't leave needn't: others have followed it


async def run(
    store: Store,
    context: Callable[[], Context],
    doors: Sequence[tuple[str, str]],
    *,
    now: Callable[[], datetime],
    tick: float = _TICK,
) -> NoReturn:
    """Send test mails for ever, the first an interval after the start. `doors`: protocol and address of listeners."""
    begun = now()
    while True:
        try:
            await step(store, context(), doors, begun, now())
        except (StoreError, OSError, TimeoutError) as error:
            log.canary_refused(reason=str(error) or type(error).__name__)
        except Exception as error:  # noqa: BLE001 (mail goes on; that no test mail comes through is seen)
            log.canary_refused(reason=f"a defect: {type(error).__name__}")
        every = context().settings.health.canary
        await asyncio.sleep(min(tick, every.total_seconds()) if every else tick)


async def step(
    store: Store, context: Context, doors: Sequence[tuple[str, str]], begun: datetime, now: datetime
) -> None:
    """Take away what left; launch what is due."""
    done = await store.read(lambda connection: rounds.times(connection, (canary.SENT, canary.GOING)))
    if canary.GOING in done and context.settings.relay.transport == "maildir":
        await _land(store, context, done[canary.GOING], now)
    every = context.settings.health.canary
    if every is None or not canary.is_kept(context.settings):
        return
    if now - max(begun, done.get(canary.SENT, begun)) >= every:
        await _launch(store, context, doors, every, now)


async def _launch(
    store: Store, context: Context, doors: Sequence[tuple[str, str]], every: timedelta, now: datetime
) -> None:
    """With several daemons, one of them does; each listener has its turn."""

    def turn(tx: Tx) -> bool:
        turns.take(tx.connection)
        before = rounds.last(tx.connection, canary.SENT)
        if before is not None and now - before < every:
            return False
        rounds.made(tx, canary.SENT, now)
        outbox.withdraw_test_mails(tx, now - _LATE, now)
        if not doors:
            outbox.enqueue(tx, None, 0, canary.draft(context, Leg.BACK, now), context.signer, now)
        return True

    if await store.write(turn) and doors:
        protocol, address = doors[int(now.timestamp()) // 60 % len(doors)]
        hello = f"{'LHLO' if protocol == 'lmtp' else 'EHLO'} {context.settings.addresses.domain}"
        to = canary.address(context, Leg.IN, now)
        await canary.hand_in(address, hello, to, canary.octets(context, now), _PATIENCE)


async def _land(store: Store, context: Context, sent_at: datetime, now: datetime) -> None:
    """Take a test mail out of the relay's folder, once it is there."""
    to = canary.address(context, Leg.BACK, sent_at)
    there = await store.read(lambda connection: outbox.sent_to(connection, to))
    for created_at, message_id in there:
        file = Path(context.settings.relay.folder) / "new" / file_name(created_at, message_id)
        await asyncio.to_thread(file.unlink, missing_ok=True)
    if there:
        await store.write(lambda tx: canary.left(tx, now))
