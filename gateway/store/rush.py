"""Does mail come in all the time? Then what nobody waits for must not take disk and processor from it."""

from __future__ import annotations

import asyncio
import math
import time

_CLOSE = 0.01  # seconds between writes that come one after the other


class Rush:
    """Told by whoever keeps mail, asked by the others; in whatever thread."""

    def __init__(self) -> None:
        self._apart = math.inf  # the last two writes
        self._last = -math.inf  # when the last one ended
        self._going = False
        self.awaits_database = False  # it is the database that acknowledges what was kept last

    def begins(self, now: float, *, in_database: bool) -> None:
        """Mails are being written."""
        self._apart, self._going, self.awaits_database = now - self._last, True, in_database

    def ends(self, now: float) -> None:
        """They are."""
        self._last, self._going = now, False

    def until(self, now: float) -> float:
        """When it is over, as far as can be told."""
        if self._apart >= _CLOSE:
            return now
        return (now if self._going else self._last) + _CLOSE

    async def lull(self, most: float) -> None:
        """Wait until it is over, for so many seconds at most."""
        end = time.monotonic() + most
        while (left := min(self.until(now := time.monotonic()), end) - now) > 0:  # noqa: ASYNC110 (time alone ends it)
            await asyncio.sleep(left)
