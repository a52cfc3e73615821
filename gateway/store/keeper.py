"""Keeping for sources of mail: all that wait share one commit; and the IMAP ledger, as the poller asks for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from gateway import log
from gateway.errors import StoreError
from gateway.model import ImapCursor, Incoming, Look
from gateway.store import arrivals, ledger, pulses
from gateway.store.database import Store

_MOST_MAILS, _MOST_OCTETS = 200, 32_000_000


class Keeper:
    """`await keeper.keep(incoming)` returns when the mail is durable. `arrived` are set whenever one is."""

    def __init__(self, store: Store, *arrived: asyncio.Event) -> None:
        self._store = store
        self._arrived = arrived
        self._waiting: deque[tuple[Incoming, asyncio.Future[None]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._paused = False

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
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((incoming, done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._keep_all(), name="keeper")
        await done

    async def _keep_all(self) -> None:
        while self._waiting:
            batch = self._next_batch()
            failure = await self._keep([incoming for incoming, _ in batch])
            alone = len(batch) > 1 and failure is not None and not isinstance(failure, StoreError)
            for incoming, done in batch:
                # One mail that can't be written mustn't keep the others out.
                failed = await self._keep([incoming]) if alone else failure
                if done.done():
                    continue  # its client went away
                if failed is None:
                    done.set_result(None)
                else:
                    done.set_exception(failed)
            for event in self._arrived:
                event.set()

    async def _keep(self, mails: Sequence[Incoming]) -> Exception | None:
        try:
            await self._store.write(lambda tx: arrivals.keep_all(tx, mails), urgent=True)
        except Exception as error:  # noqa: BLE001 (whoever waits is told, whatever it was)
            if isinstance(error, StoreError):
                self._pause(error)
            return error
        if self._paused:
            self._paused = False
            log.keeping_resumed()
        return None

    def _pause(self, error: StoreError) -> None:
        """Said once, until mail can be kept again."""
        if not self._paused:
            self._paused = True
            log.keeping_paused(reason=str(error))

    def _next_batch(self) -> list[tuple[Incoming, asyncio.Future[None]]]:
        batch: list[tuple[Incoming, asyncio.Future[None]]] = []
        octets = 0
        while self._waiting and len(batch) < _MOST_MAILS and octets < _MOST_OCTETS:
            batch.append(self._waiting.popleft())
            octets += len(batch[-1][0].raw)
        return batch


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
