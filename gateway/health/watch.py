"""The daemon's look at itself: a sign of life, a look at the store and its packs, and the alarms that follow.

Everything is looked at every ten seconds, or twice between two comparisons. An alarm begins when a gap is there at
two looks, so that nothing which is being worked on just now is one: within six minutes of the trouble, counted with
`gaps.PATIENCE`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

from gateway import log
from gateway.context import Context
from gateway.errors import StoreError
from gateway.health import alarms, canary, gaps, metrics
from gateway.health.gaps import Gap, Kind
from gateway.store import arrivals, packs, pulses
from gateway.store.database import Store
from gateway.store.vitals import Vitals, vitals

PACE = 10.0  # seconds
_UNSEEN = timedelta(seconds=3 * PACE)  # after which none of several daemons sees an alarm any more
_PAST = frozenset({Kind.MISSING})  # what is being mended already when it is found


@dataclass
class Memory:
    """What is remembered from one look to the next, and needn't survive."""

    before: frozenset[Kind] = frozenset()
    sending: dict[int, datetime] = field(default_factory=dict)
    extents: dict[str, int] = field(default_factory=dict)
    extended_to: int = 0  # the last arrival that `extents` counts with
    compared_at: datetime | None = None
    packs: tuple[Gap, ...] = ()
    blind_since: datetime | None = None


async def run(
    store: Store,
    context: Callable[[], Context],
    *,
    name: str,
    planned: asyncio.Event,
    now: Callable[[], datetime],
    pace: float = PACE,
) -> NoReturn:
    """Look for ever; `planned` is set when there may be mail to send. `name` is this process's."""
    memory = Memory()
    try:
        while True:
            try:
                await look(store, context(), memory, name, planned, now())
            except StoreError as error:
                _blind(memory, str(error), now())
            except OSError as error:
                log.health_paused(reason=f"{error.filename}: {error.strerror}")
            except Exception as error:  # noqa: BLE001 (mail goes on; whoever looks at us sees that we are silent)
                log.health_paused(reason=f"a defect: {type(error).__name__}")
            await asyncio.sleep(min(pace, context().settings.health.reconcile.total_seconds() / 2))
    finally:
        store.submit(lambda tx: pulses.ended(tx, name, now()))


async def look(
    store: Store, context: Context, memory: Memory, name: str, planned: asyncio.Event, now: datetime
) -> None:
    await store.write(lambda tx: pulses.beat(tx, name, now))
    seen = await store.read(lambda connection: vitals(connection, now, gaps.PATIENCE))
    _sighted(memory, now)
    await _compare_packs(store, memory, context.settings.health.reconcile, now)
    found = _found(seen, context, memory, now)
    known = {one.kind for one in seen.standing} | memory.before | _PAST
    memory.before = frozenset(gap.kind for gap in found)
    sure = [gap for gap in found if gap.kind in known]
    if sure or seen.standing:
        unseen = _UNSEEN if len(gaps.alive(seen.daemons, now)) > 1 else timedelta()
        changes = await store.write(lambda tx: alarms.change(tx, context, sure, now, unseen))
        alarms.log_changes(changes, now)
        if changes.mails:
            log.round_made(deliveries=changes.mails)
            planned.set()
    file = context.settings.health.metrics_file
    if file is not None:
        await asyncio.to_thread(metrics.write, file, metrics.text(seen, sure, canary.end(context.settings), now))


def _found(seen: Vitals, context: Context, memory: Memory, now: datetime) -> tuple[Gap, ...]:
    memory.sending = {delivery: memory.sending.get(delivery, now) for delivery in seen.sending}
    polls = context.settings.intake.polls
    return (
        *gaps.found(seen, polls, now),
        *gaps.stuck(memory.sending, now),
        *memory.packs,
        *canary.untested(seen, context.settings, now),
    )


async def _compare_packs(store: Store, memory: Memory, every: timedelta, now: datetime) -> None:
    """Are all packs there, and as long as what is referred to? Only what came since is looked up in the store."""
    if memory.compared_at is not None and now - memory.compared_at < every:
        return
    last, extents = await store.read(lambda connection: arrivals.extended(connection, memory.extended_to))
    for pack, end in extents.items():
        memory.extents[pack] = max(end, memory.extents.get(pack, 0))
    memory.extended_to, memory.compared_at = last, now
    try:
        lost = await asyncio.to_thread(packs.missing, store.packs, memory.extents)
    except StoreError as error:
        log.health_paused(reason=str(error))
        lost = ["all: they can't be listed"]
    memory.packs = gaps.incomplete(lost, next((gap.since for gap in memory.packs), None) or now)


def _blind(memory: Memory, reason: str, now: datetime) -> None:
    """The store can't be looked at: that can be told to the log alone."""
    log.health_paused(reason=reason)
    if memory.blind_since is None:
        memory.blind_since = now
        log.alarm_raised(kind=Kind.STORE.value, count=1, since=now.isoformat(), examples=())


def _sighted(memory: Memory, now: datetime) -> None:
    if memory.blind_since is not None:
        log.alarm_over(kind=Kind.STORE.value, minutes=(now - memory.blind_since).total_seconds() / 60)
        memory.blind_since = None
