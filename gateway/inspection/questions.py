"""Questions to the DNS about one mail: each bounded in time, all of them in time and number.

Whom we ask, and how often, is up to whoever wrote the mail: names come from its header and its domain's records.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from gateway.errors import Temporary

MOST = 80  # questions for one mail: SPF alone may ask ten times, and for each MX host that it names
DEADLINE = 10.0  # seconds for all questions about one mail
_PATIENCE = 3.0  # seconds for one question, and what it leads to
_LONGEST_TEXT = 4_096  # octets of a record: SPF, DMARC and keys of 4,096 bits need less than a quarter


class Unanswered(Temporary):
    """The DNS didn't answer, in time or at all: nothing is known about the name."""


class Ask(Protocol):
    """Where answers come from: the records of that name and type, () where there are none."""

    def __call__(self, name: str, kind: str, seconds: float) -> tuple[Any, ...]: ...


class Questions:
    """All that may be asked for one mail, through `ask`. `clock` tells seconds."""

    def __init__(self, ask: Ask, *, deadline: float = DEADLINE, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._until = clock() + deadline
        self._left = MOST

    def records(self, name: str, kind: str) -> tuple[Any, ...]:
        """The records (dnspython's) of that name and type, () where there are none.

        Raises:
            Unanswered: nobody answered, or enough was asked.
        """
        seconds = min(self._until - self._clock(), _PATIENCE)
        if seconds <= 0 or self._left <= 0:
            raise Unanswered("it took too long" if self._left else f"more than {MOST} questions")
        self._left -= 1
        return self._ask(name, kind, seconds)

    def texts(self, name: str) -> tuple[bytes, ...]:
        """The TXT records of a name, each in one piece; those that are too long are left out.

        Raises:
            Unanswered: as `records`.
        """
        found = (b"".join(record.strings) for record in self.records(name, "TXT"))
        return tuple(text for text in found if len(text) <= _LONGEST_TEXT)
