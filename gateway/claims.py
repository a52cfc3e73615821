"""Mails are claimed; those that aren't worked on after all are free again, however long the store fails meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from gateway import log
from gateway.errors import StoreError
from gateway.store import arrivals
from gateway.store.database import Store, Tx

# Seconds that a process has lived before a mail has its last attempt in it. Who kills it as often as it starts, or
# whatever else ends it then, isn't to be taken for the mail that happened to be at work.
CALM = 10.0
_AGAIN = 1.0  # seconds
T = TypeVar("T")


async def claimed(store: Store, claim: Callable[[Tx, datetime], T], owner: str, now: Callable[[], datetime]) -> T:
    """Claim mails by `claim(tx, at)`, as soon as the store lets us; what it gives.

    Where the answer of a commit is cut off, nobody knows whether the claim was written. What it took is given back
    first: else that would wait until its lease ends.
    """
    while True:
        at = now()
        try:
            return await store.write(lambda tx, at=at: claim(tx, at), beside=True)  # type: ignore[misc]
        except StoreError as error:
            log.filing_paused(reason=str(error))
        await asyncio.sleep(_AGAIN)
        await _written(store, lambda tx, at=at: arrivals.unclaim_taken(tx, owner, at))  # type: ignore[misc]


async def give_back(store: Store, ids: Sequence[int], owner: str, until: datetime | None = None) -> None:
    """Free them, to be claimed at once, or from `until` on. Else they would wait until their lease ends."""
    await _written(store, lambda tx: arrivals.unclaim(tx, ids, owner, until))


async def _written(store: Store, work: Callable[[Tx], None]) -> None:
    """Write it, be it long after."""
    while True:
        try:
            await store.write(work, beside=True)
        except StoreError:
            await asyncio.sleep(_AGAIN)
        else:
            return
