"""The other daemons on a store: to be known to them, to take over what one held that is gone, to share mailboxes.

A daemon is gone when it was watched for `PATIENCE` and its beat stood still. While the database is away nobody is
watched: when it comes back, everybody has that time to show that they live.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from gateway import log
from gateway.errors import StoreError, Temporary
from gateway.store import holders
from gateway.store.database import Store

PACE = 2.0  # seconds between two beats
PATIENCE = 10.0  # seconds; more than anything keeps a beat of a living daemon waiting
Seen = Mapping[str, tuple[int, float]]  # owner → its beat, and since when it stands there


def watched(seen: Seen, beats: Mapping[str, int], at: float) -> Seen:
    """What is seen of the daemons now, `at` by our own clock."""
    known = {owner: stands for owner, stands in seen.items() if beats.get(owner) == stands[0]}
    return {owner: known.get(owner, (beat, at)) for owner, beat in beats.items()}


def gone(seen: Seen, at: float, patience: float = PATIENCE) -> dict[str, int]:
    """Those whose beat has stood still for so long, and where it stands."""
    return {owner: beat for owner, (beat, since) in seen.items() if at - since >= patience}


async def run(
    store: Store,
    owner: str,
    *,
    freed: Callable[[], None],
    clock: Callable[[], float] = time.monotonic,
    pace: float = PACE,
    patience: float = PATIENCE,
) -> None:
    """Beat and watch for ever, each by itself: to bury one may take long. `freed` is called when it is done."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_beat(store, owner, pace))
        group.create_task(_watch(store, owner, freed, clock, pace, patience))


async def _beat(store: Store, owner: str, pace: float) -> NoReturn:
    while True:
        with suppress(StoreError):
            if not await store.write(lambda tx: holders.beat(tx, owner), apart=True):
                log.daemon_was_missed(daemon=owner)  # so long that another may have taken over what we held
        await asyncio.sleep(pace)


async def _watch(
    store: Store, owner: str, freed: Callable[[], None], clock: Callable[[], float], pace: float, patience: float
) -> NoReturn:
    seen: Seen = {}
    while True:
        try:
            asked = clock()
            beats = await store.read(holders.beats)
            at = clock()
            if at - asked > patience / 2:  # what held us up may have held their beats up, too
                seen = {}
            seen = watched(seen, beats, at)
            for other, last in gone(seen, at, patience).items():
                if other != owner and await store.write(lambda tx, o=other, b=last: holders.bury(tx, o, b)):  # type: ignore[misc]
                    log.daemon_gone(daemon=other)
                    freed()
        except StoreError:
            seen = {}
        await asyncio.sleep(pace)


def assert_none(store: Store, wait: Callable[[float], None] = time.sleep) -> None:
    """Watch for as long as a daemon may stand still, where several may share a store: does one live?

    Raises:
        Temporary: it does.
    """
    before = store.read_now(holders.beats) if store.shared else {}
    if not before:
        return
    wait(PATIENCE)
    for owner, beat in store.read_now(holders.beats).items():
        if before.get(owner) != beat:
            raise Temporary(f"a daemon works on this store ({owner}): stop all of them, on every machine")


async def attend(
    store: Store, owner: str, mailbox: str, poll: Callable[[], Coroutine[Any, Any, None]], *, pace: float = PACE
) -> NoReturn:
    """Poll a mailbox for as long as it is ours to poll; wait for it while it is another's."""
    poller: asyncio.Task[None] | None = None
    try:
        while True:
            with suppress(StoreError):  # nothing can be kept now; nor can another take it over
                ours = await store.write(lambda tx: holders.lease(tx, f"mailbox {mailbox}", owner), beside=True)
                if ours and poller is None:
                    log.mailbox_attended(mailbox=mailbox)
                    poller = asyncio.create_task(poll(), name=f"imap-{mailbox}")
                elif not ours and poller is not None:
                    poller.cancel()
                    await asyncio.wait([poller])
                    poller = None
            if poller is not None and poller.done():
                poller.result()
            await asyncio.sleep(pace)
    finally:
        if poller is not None:
            poller.cancel()
            await asyncio.wait([poller])
