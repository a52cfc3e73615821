"""Keeping for sources of mail: all that wait are made durable at once; and the IMAP ledger, as pollers ask for it.

Where that is possible, a mail is durable as soon as it lies in a pack (`gateway.store.journal`), and the database is
told of it then. What comes from a mailbox is written together with its place in the ledger, in one transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime

from gateway import log
from gateway.errors import StoreError
from gateway.model import ImapCursor, Incoming, Look
from gateway.store import arrivals, ledger, pulses
from gateway.store.database import Store
from gateway.store.journal import Journal
from gateway.store.lines import Line
from gateway.store.owed import Owed


class Keeper:
    """`await keeper.keep(incoming)` returns when the mail is durable. `arrived` are set when mail can be filed."""

    def __init__(self, store: Store, *arrived: asyncio.Event) -> None:
        self._store = store
        self._arrived = arrived
        self._paused = False
        self._journal = Journal.of(store)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._owed = Owed(store, self._ring, self._pause)
        self._fetched = Line(self._write)
        self._brought = self._fetched if self._journal is None else Line(self._write_to_journal)

    async def probe(self) -> None:
        """Say in the log if mail can't be kept now, rather than with the first mail that is told to come later."""
        try:
            await asyncio.to_thread(self._store.packs.probe)
        except StoreError as error:
            self._pause(error)

    async def keep(self, incoming: Incoming) -> None:
        """Keep one mail.

        Raises:
            StoreError: it isn't kept; the sender must be told to try again.
        """
        await (self._fetched if incoming.cursor else self._brought).keep(incoming)

    async def close(self) -> None:
        """Tell the database of all that was kept, if it can be told now. Nothing is kept any more."""
        told = await self._owed.told()
        self._thread.shutdown()
        if self._journal is not None:
            self._journal.close()
            with suppress(StoreError):
                if told:
                    await self._store.write(self._journal.end)

    async def _write(self, mails: Sequence[Incoming]) -> None:
        with self._watched(in_database=True):
            await self._store.write(lambda tx: arrivals.keep_all(tx, mails), urgent=True)
        self._ring()

    async def _write_to_journal(self, mails: Sequence[Incoming]) -> None:
        assert self._journal is not None
        with self._watched(in_database=False):
            await self._owed.room()
            write = asyncio.get_running_loop().run_in_executor(self._thread, self._journal.write, mails)
            self._owed.add(await write)

    @contextmanager
    def _watched(self, *, in_database: bool) -> Iterator[None]:
        """Tell others that there is mail to be kept, and the log where that can't be done, or can again."""
        self._store.rush.begins(time.monotonic(), in_database=in_database)
        try:
            yield
        except StoreError as error:
            self._pause(error)
            raise
        finally:
            self._store.rush.ends(time.monotonic())
        if self._paused:
            self._paused = False
            log.keeping_resumed()

    def _pause(self, error: Exception) -> None:
        """Said once, until mail can be kept again."""
        if not self._paused:
            self._paused = True
            log.keeping_paused(reason=str(error))

    def _ring(self) -> None:
        for event in self._arrived:
            event.set()


class StoreLedger:
    """The IMAP ledger (gateway.intake.ledger.Ledger) in the store."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def known(self, mailbox: str, uidvalidity: int, low: int, high: int) -> frozenset[int]:
        return await self._store.read(lambda c: ledger.known_uids(c, mailbox, uidvalidity, low, high))

    async def unsettled(self, mailbox: str, uidvalidity: int, limit: int) -> tuple[int, ...]:
        return await self._store.read(lambda c: ledger.unsettled_uids(c, mailbox, uidvalidity, limit))

    async def settle(self, cursors: Sequence[ImapCursor]) -> None:
        await self._store.write(lambda tx: ledger.settle(tx, cursors))

    async def passed(self, mailbox: str, uidvalidity: int) -> int:
        return await self._store.read(lambda c: pulses.reached(c, mailbox, uidvalidity))

    async def looked(self, look: Look) -> None:
        await self._store.write(lambda tx: pulses.looked(tx, look, self._now()))

    async def troubled(self, mailbox: str, reason: str) -> None:
        await self._store.write(lambda tx: pulses.troubled(tx, mailbox, reason, self._now()))
