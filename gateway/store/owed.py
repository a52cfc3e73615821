"""Mails that lie in the journal, and of which the database is yet to be told: soon, and many at a time in a rush."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from gateway.errors import StoreError
from gateway.store import journal
from gateway.store.arrivals import Entry
from gateway.store.database import Store

_GATHER = 0.1  # seconds for which mails gather in a rush
_AGAIN = 0.5  # seconds until the database is told again, where it couldn't be
_AT_ONCE = 500  # mails in one transaction
_MOST = 5_000  # recipients of mails that wait: their addresses are what takes memory


class Owed:
    """In the order in which they were written. `entered` is called when there are more that can be filed."""

    def __init__(self, store: Store, entered: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        self._store = store
        self._entered = entered
        self._failed = failed
        self._entries: list[Entry] = []
        self._recipients = 0
        self._trouble: Exception | None = None
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._tried = asyncio.Event()  # wakes whoever waits, after each try

    def add(self, entries: Sequence[Entry]) -> None:
        self._entries += entries
        self._recipients += _recipients(entries)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._tell_all(), name="owed")

    async def room(self) -> None:
        """Wait until there are few enough.

        Raises:
            StoreError: the database can't be told of them now, so it mustn't be more.
        """
        while self._recipients > _MOST and self._trouble is None:
            await self._tried.wait()
        if self._trouble is not None:
            raise StoreError(str(self._trouble))

    async def told(self) -> bool:
        """Wait until there are none, or the database can't be told. Is it?"""
        self._hurry.set()
        while self._entries and self._trouble is None:
            await self._tried.wait()
        return not self._entries

    async def _tell_all(self) -> None:
        while self._entries:
            await self._let_gather()
            await self._tell(self._entries[:_AT_ONCE])
            self._tried.set()
            self._tried.clear()

    async def _let_gather(self) -> None:
        now = time.monotonic()
        rush = self._store.rush.until(now) > now
        pause = _AGAIN if self._trouble is not None else _GATHER if rush else 0.0
        if pause:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()

    async def _tell(self, some: Sequence[Entry]) -> None:
        try:
            await self._store.write(lambda tx: journal.enter(tx, some), urgent=True)
        except Exception as error:  # noqa: BLE001 (they are kept, and it is tried again, whatever it was)
            self._trouble = error
            self._failed(error)
            return
        self._trouble = None
        del self._entries[: len(some)]
        self._recipients -= _recipients(some)
        self._entered()


def _recipients(entries: Sequence[Entry]) -> int:
    return sum(max(1, len(each.arrival["recipients"])) for each in entries)
