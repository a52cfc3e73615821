"""What the IMAP poller asks of the store: which UIDs are kept, and for which `after` is still to be done.
The row (mailbox, uidvalidity, uid) is written with the mail, in keep's transaction (Incoming.cursor): a mail
is in the ledger if and only if it is kept, whatever moment the process dies at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.model import ImapCursor, Look


class Ledger(Protocol):
    """UIDs of one mailbox (ImapCursor.mailbox) under one UIDVALIDITY. Calls may raise errors.StoreError."""

    async def known(self, mailbox: str, uidvalidity: int, low: int, high: int) -> frozenset[int]:
        """The UIDs in low..high, both included, that are kept."""
        ...

    async def unsettled(self, mailbox: str, uidvalidity: int, limit: int) -> tuple[int, ...]:
        """At most `limit` UIDs that are kept, `after` not yet carried out; the lowest ones, ascending."""
        ...

    async def passed(self, mailbox: str, uidvalidity: int) -> int:
        """The first UID that no look has passed, 1 where nothing is known."""
        ...

    async def looked(self, look: Look) -> None:
        """A round is over, or goes on for long: what it saw."""
        ...

    async def troubled(self, mailbox: str, reason: str) -> None:
        """The mailbox couldn't be looked at."""
        ...

    async def settle(self, cursors: Sequence[ImapCursor]) -> None:
        """`after` is carried out for these. Unknown or settled ones are left alone."""
        ...
