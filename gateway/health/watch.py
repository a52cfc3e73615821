"""The daemon's look at itself: a sign of life, a look at the store and its packs, and the alarms that follow.

Everything is looked at every ten seconds, or twice between two comparisons. An alarm begins when a gap is there at
two looks, so that nothing which is being worked on just now is one. A store that doesn't answer is one too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NoReturn

from gateway import log
from gateway.context import Context
from gateway.errors import StoreError
from gateway.health import alarms, canary, checks, metrics, signs
from gateway.health.gaps import Kind, Sight
from gateway.store import arrivals, journal, packs, pulses
from gateway.store.database import Store
from gateway.store.vitals import vitals

PACE = 10.0  # seconds
_DUMB = 60.0  # seconds for which the store may not answer
_UNSEEN = timedelta(seconds=3 * PACE)  # after which none of several daemons sees an alarm any more
_PAST = frozenset({Kind.MISSING})  # what is being mended already when it is found


@dataclass
class Memory:
    """What is remembered from one look to the next, and needn't survive."""

    before: frozenset[Kind] = frozenset()
    sending: dict[int, datetime] = field(default_factory=dict)
    extents: dict[str, int] = field(default_factory=dict)
    extended_to: int = 0  # the last arrival that `extents` counts with
    packs: tuple[str, ...] = ()  # those that are broken
    compared_at: datetime | None = None
    broken_since: datetime | None = None
    blind_since: datetime | None = None


async def run(
    store: Store,
    context: Callable[[], Context],
    *,
    name: str,
    planned: asyncio.Event,
    now: Callable[[], datetime],
    pace: float = PACE,
    dumb: float = _DUMB,
) -> None:
    """Look for ever; `planned` is set when there may be mail to send. `name` is this process's.

    `pace`: seconds between two looks; `dumb`: seconds after which a store that doesn't answer is told.
    """
    memory = Memory()

    async def looking() -> NoReturn:
        while True:
            await _watched(look(store, context(), memory, name, planned, now()), memory, now, dumb)
            await asyncio.sleep(_pause(context(), pace))

    async def comparing() -> NoReturn:
        """Beside the looks, which wait for no bucket: to list one takes its time."""
        while True:
            await _defended(compare(store, memory, context().settings.health.reconcile, now()))
            await asyncio.sleep(_pause(context(), pace))

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(looking(), name="looking")
            group.create_task(comparing(), name="comparing")
    finally:
        store.submit(lambda tx: pulses.ended(tx, name, now()))


def _pause(context: Context, pace: float) -> float:
    return min(pace, context.settings.health.reconcile.total_seconds() / 2)


async def _watched(
    looking: Coroutine[Any, Any, None], memory: Memory, now: Callable[[], datetime], dumb: float
) -> None:
    """One look to its end. A store that fails, or says nothing for so long, is told at once."""
    task = asyncio.create_task(looking)
    try:
        done, _ = await asyncio.wait({task}, timeout=dumb)
        if not done:
            _blind(memory, "the store doesn't answer", now())
        await task
    except StoreError as error:
        _blind(memory, str(error), now())
    except Exception as error:  # noqa: BLE001 (mail goes on; whoever looks at us sees that we are silent)
        log.health_paused(reason=_words(error))
    finally:
        task.cancel()


async def _defended(comparing: Coroutine[Any, Any, None]) -> None:
    try:
        await comparing
    except Exception as error:  # noqa: BLE001 (as above; a store that fails is told by the looks)
        log.health_paused(reason=_words(error))


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error) if isinstance(error, StoreError) else f"a defect: {type(error).__name__}"


async def look(
    store: Store, context: Context, memory: Memory, name: str, planned: asyncio.Event, now: datetime
) -> None:
    await store.write(lambda tx: pulses.beat(tx, name, now))
    seen = await store.read(lambda connection: vitals(connection, now, checks.PATIENCE))
    _sighted(memory, now)
    memory.sending = {delivery: memory.sending.get(delivery, now) for delivery in seen.sending}
    found = checks.found(Sight(seen, context.settings, now, memory.sending, memory.packs, memory.broken_since))
    known = {one.kind for one in seen.standing} | memory.before | _PAST
    memory.before = frozenset(gap.kind for gap in found)
    sure = [gap for gap in found if gap.kind in known]
    if sure or seen.standing:
        unseen = _UNSEEN if len(signs.alive(seen.daemons, now)) > 1 else timedelta()
        changes = await store.write(lambda tx: alarms.change(tx, context, sure, now, unseen))
        alarms.log_changes(changes, now)
        if changes.mails:
            log.round_made(deliveries=changes.mails)
            planned.set()
    file = context.settings.health.metrics_file
    if file is not None:
        await asyncio.to_thread(metrics.write, file, metrics.text(seen, sure, canary.end(context.settings), now))


async def compare(store: Store, memory: Memory, every: timedelta, now: datetime) -> None:
    """Are all packs there, and as long as what is referred to, and is the database told of what was acknowledged?

    Only what came since is looked up in the store.
    """
    if memory.compared_at is not None and now - memory.compared_at < every:
        return
    last, extents = await store.read(lambda connection: arrivals.extended(connection, memory.extended_to))
    for pack, end in extents.items():
        memory.extents[pack] = max(end, memory.extents.get(pack, 0))
    memory.extended_to, memory.compared_at = last, now
    try:
        broken = await asyncio.to_thread(packs.missing, store.packs, memory.extents)
        untold = await asyncio.to_thread(journal.overdue, store, now - checks.PATIENCE)
        memory.packs = tuple(sorted({*broken, *untold}))
    except StoreError as error:
        log.health_paused(reason=str(error))
        memory.packs = ("all: they can't be listed",)
    memory.broken_since = (memory.broken_since or now) if memory.packs else None


# --- a store that fails, or doesn't answer ---------------------------------------------------------------------


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
