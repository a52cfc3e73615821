"""Mails that were claimed, and aren't worked on after all, are free again: however long the store fails meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from gateway.errors import StoreError
from gateway.store import arrivals
from gateway.store.database import Store

_AGAIN = 1.0  # seconds


async def give_back(store: Store, ids: Sequence[int], owner: str, until: datetime | None = None) -> None:
    """Free them, to be claimed at once, or from `until` on. Else they would wait until their lease ends."""
    while True:
        try:
            await store.write(lambda tx: arrivals.unclaim(tx, ids, owner, until), beside=True)
        except StoreError:
            await asyncio.sleep(_AGAIN)
        else:
            return
