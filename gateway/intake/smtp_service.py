"""What all sessions of one listener share, and the keeping of their mails, which outlives a session."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter

from gateway import log
from gateway.intake.keep import Accepts, Keep
from gateway.intake.smtp_limits import Hold, Limits, Network, Room
from gateway.model import Incoming

LATER = "451 4.3.0 Can't take mail now, try again later"
"""The one answer to every trouble of ours: it says nothing about it, and the client keeps the mail."""


@dataclass(frozen=True, slots=True)
class Service:
    """One listener's settings and shared state. `keeping` holds the mails that are being written."""

    source: str
    hostname: str
    max_size: int
    trusted: tuple[Network, ...]
    authserv_id: str
    verify: bool
    tls: ssl.SSLContext | None
    keep: Keep
    accepts: Accepts
    now: Callable[[], datetime]
    limits: Limits
    room: Room
    keeping: set[asyncio.Task[str]] = field(default_factory=set)

    async def take_in(self, incoming: Incoming, hold: Hold, patience: float) -> str:
        """Keep this mail, and give the reply. Whoever waits may vanish: the mail is written all the same."""
        mail = log.mail_id(hashlib.sha256(incoming.raw).hexdigest())
        task = asyncio.create_task(self._keep(incoming, mail))
        self.keeping.add(task)
        task.add_done_callback(self.keeping.discard)
        task.add_done_callback(lambda _: hold.release())
        await asyncio.wait({task}, timeout=patience)  # unlike wait_for, cancels nothing
        if task.done() and not task.cancelled():
            return task.result()
        log.keep_failed(mail, self.source, "CancelledError" if task.cancelled() else "TimeoutError")
        return LATER

    async def _keep(self, incoming: Incoming, mail: str) -> str:
        start = perf_counter()
        try:
            await self.keep(incoming)
        except Exception as error:  # noqa: BLE001 (whatever it is, the client has to keep its mail)
            log.keep_failed(mail, self.source, type(error).__name__)
            return LATER
        ms = (perf_counter() - start) * 1000
        log.mail_kept(mail, self.source, len(incoming.raw), len(incoming.envelope.recipients), ms)
        return f"250 2.0.0 Kept as {mail}"
