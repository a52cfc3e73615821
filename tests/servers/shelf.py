"""Keep and Ledger in memory, as the store does it: the mail and its cursor together, or neither."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from gateway.model import ImapCursor, Incoming, Look
from tests.patience import PATIENCE


async def until(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for what tells nobody when it becomes true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0.01)


class Shelf:
    """`mails` in the order kept; `trouble` is raised by `keep` while it's set; `changed` tells that one was kept."""

    def __init__(self) -> None:
        self.mails: list[Incoming] = []
        self.open: dict[ImapCursor, bool] = {}
        self.trouble: Exception | None = None
        self.refused = 0
        self.looks: list[Look] = []
        self.troubles: list[str] = []
        self.changed = asyncio.Condition()

    async def keep(self, incoming: Incoming) -> None:
        await asyncio.sleep(0)
        async with self.changed:
            self.changed.notify_all()
            if self.trouble is not None:
                self.refused += 1
                raise self.trouble
            assert incoming.cursor is not None
            assert incoming.cursor not in self.open, "kept twice under one cursor"
            self.mails.append(incoming)
            self.open[incoming.cursor] = not incoming.settled

    async def known(self, mailbox: str, uidvalidity: int, low: int, high: int) -> frozenset[int]:
        return frozenset(uid for uid in self._uids(mailbox, uidvalidity) if low <= uid <= high)

    async def unsettled(self, mailbox: str, uidvalidity: int, limit: int) -> tuple[int, ...]:
        uids = self._uids(mailbox, uidvalidity)
        return tuple(sorted(uid for uid in uids if self.open[ImapCursor(mailbox, uidvalidity, uid)]))[:limit]

    async def passed(self, mailbox: str, uidvalidity: int) -> int:
        return max((look.reached for look in self.looks if look.uidvalidity == uidvalidity), default=1)

    async def looked(self, look: Look) -> None:
        async with self.changed:
            self.looks.append(look)
            self.changed.notify_all()

    async def troubled(self, mailbox: str, reason: str) -> None:
        self.troubles.append(reason)

    async def compared(self, count: int = 1, seconds: float = PATIENCE) -> Look:
        """Wait until the whole mailbox was compared so often from now on; what was seen at last."""
        before = len(self.looks)
        await self._until(lambda: sum(look.whole for look in self.looks[before:]) >= count, seconds)
        return [look for look in self.looks if look.whole][-1]

    async def settle(self, cursors: Sequence[ImapCursor]) -> None:
        for cursor in cursors:
            self.open[cursor] = False
        async with self.changed:
            self.changed.notify_all()

    def _uids(self, mailbox: str, uidvalidity: int) -> list[int]:
        return [c.uid for c in self.open if (c.mailbox, c.uidvalidity) == (mailbox, uidvalidity)]

    @property
    def settled(self) -> int:
        return sum(not open_ for open_ in self.open.values())

    async def holds(self, count: int, seconds: float = PATIENCE) -> None:
        """Wait until `count` mails are kept."""
        await self._until(lambda: len(self.mails) >= count, seconds)

    async def has_settled(self, count: int, seconds: float = PATIENCE) -> None:
        await self._until(lambda: self.settled >= count, seconds)

    async def has_refused(self, count: int, seconds: float = PATIENCE) -> None:
        await self._until(lambda: self.refused >= count, seconds)

    async def _until(self, true: Callable[[], bool], seconds: float) -> None:
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(true)
