"""Does mail come in all the time? Then what nobody waits for must not take disk and processor from it."""

from __future__ import annotations

import math

_CLOSE = 0.01  # seconds between writes that come one after the other


class Rush:
    """Told by whoever keeps mail, asked by the others; in whatever thread."""

    def __init__(self) -> None:
        self._apart = math.inf  # the last two writes
        self._last = -math.inf  # when the last one ended
        self._going = False

    def begins(self, now: float) -> None:
        """Mails are being written."""
        self._apart, self._going = now - self._last, True

    def ends(self, now: float) -> None:
        """They are."""
        self._last, self._going = now, False

    def until(self, now: float) -> float:
        """When it is over, as far as can be told."""
        if self._apart >= _CLOSE:
            return now
        return (now if self._going else self._last) + _CLOSE
