"""The octets that were put last, as far as they fit: mail is read to be filed as soon as it has come."""

from __future__ import annotations

import threading
from collections import OrderedDict

_MOST = 16_000_000  # octets


class Recent:
    """What was put last, by its name. Any thread may ask."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._held = 0
        self._by_name: OrderedDict[str, bytes] = OrderedDict()
        self._turn = threading.Lock()

    def keep(self, name: str, octets: bytes) -> None:
        """Hold it, and let go of the oldest that don't fit beside it. What is larger than all of this isn't held."""
        if len(octets) > self._most:
            return
        with self._turn:
            self._by_name[name] = octets
            self._held += len(octets)
            while self._held > self._most:
                self._held -= len(self._by_name.popitem(last=False)[1])

    def stretch(self, name: str, start: int, end: int) -> bytes | None:
        """Octets of it, None where it isn't held."""
        with self._turn:
            octets = self._by_name.get(name)
        return None if octets is None else octets[start:end]
