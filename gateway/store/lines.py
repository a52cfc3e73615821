"""Mails that wait to be kept: all that wait are kept at once, and each is told what became of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from gateway.errors import StoreError
from gateway.model import Incoming

_MOST_MAILS, _MOST_OCTETS = 200, 32_000_000
KeepAll = Callable[[Sequence[Incoming]], Awaitable[None]]
"""Make mails durable. Raises where none of them is: StoreError where that isn't any mail's fault."""


class Line:
    """`await line.keep(incoming)` returns when `keep_all` has kept it, and raises what that raised."""

    def __init__(self, keep_all: KeepAll) -> None:
        self._keep_all = keep_all
        self._waiting: deque[tuple[Incoming, asyncio.Future[None]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def keep(self, incoming: Incoming) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((incoming, done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work(), name="keeper")
        await done

    async def _work(self) -> None:
        while self._waiting:
            await self._company()
            batch = self._next_batch()
            failure = await self._kept([incoming for incoming, _ in batch])
            alone = len(batch) > 1 and failure is not None and not isinstance(failure, StoreError)
            for incoming, done in batch:
                # One mail that can't be written mustn't keep the others out.
                failed = await self._kept([incoming]) if alone else failure
                if done.done():
                    continue  # its client went away
                if failed is None:
                    done.set_result(None)
                else:
                    done.set_exception(failed)

    async def _company(self) -> None:
        """Wait while more mails come with each turn of the event loop.

        One written alone costs a sync as all do together. Nobody waits for long: each turn must bring one, of a
        client that waits from then on, and one who comes alone waits for a single turn.
        """
        met = 0
        while met < len(self._waiting) < _MOST_MAILS:
            met = len(self._waiting)
            await asyncio.sleep(0)

    async def _kept(self, mails: Sequence[Incoming]) -> Exception | None:
        try:
            await self._keep_all(mails)
        except Exception as error:  # noqa: BLE001 (whoever waits is told, whatever it was)
            return error
        return None

    def _next_batch(self) -> list[tuple[Incoming, asyncio.Future[None]]]:
        batch: list[tuple[Incoming, asyncio.Future[None]]] = []
        octets = 0
        while self._waiting and len(batch) < _MOST_MAILS and octets < _MOST_OCTETS:
            batch.append(self._waiting.popleft())
            octets += len(batch[-1][0].raw)
        return batch
