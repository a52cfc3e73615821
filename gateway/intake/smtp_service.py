"""What all sessions of one listener share, and the keeping of their mails, which outlives a session."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter

from gateway import log
from gateway.intake.keep import Accepts, Keep
from gateway.intake.smtp_body import Body, Flaw
from gateway.intake.smtp_limits import Hold, Limits, Network, Room
from gateway.model import Incoming

LATER = "451 4.3.0 Can't take mail now, try again later"
"""The one answer to every trouble of ours: it says nothing about it, and the client keeps the mail."""
_LARGE = 256_000  # octets that take the event loop too long to look through


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
    keeping: set[asyncio.Task[str | Flaw]] = field(default_factory=set)

    def take_in(self, body: Body, incoming: Callable[[bytes], Incoming], hold: Hold) -> asyncio.Task[str | Flaw]:
        """Keep the mail that came in; the task's result is the reply, or what is wrong with it.

        Whoever waits may vanish: the mail is written all the same.
        """
        task = asyncio.create_task(self._taken_in(body, incoming))
        self.keeping.add(task)
        task.add_done_callback(self.keeping.discard)
        task.add_done_callback(lambda _: hold.release())
        return task

    async def _taken_in(self, body: Body, incoming: Callable[[bytes], Incoming]) -> str | Flaw:
        if body.held <= _LARGE:
            mail = _made(body, incoming)
        else:
            mail = await asyncio.to_thread(_made, body, incoming)
        return mail if isinstance(mail, Flaw) else await self._kept(mail)

    async def _kept(self, incoming: Incoming) -> str:
        mail, start = log.mail_id(incoming.digest.hex()), perf_counter()
        try:
            await self.keep(incoming)
        except Exception as error:  # noqa: BLE001 (whatever it is, the client has to keep its mail)
            log.keep_failed(mail, self.source, type(error).__name__)
            return LATER
        except asyncio.CancelledError:
            log.keep_failed(mail, self.source, "CancelledError")
            raise
        ms = (perf_counter() - start) * 1000
        log.mail_kept(mail, self.source, len(incoming.raw), len(incoming.envelope.recipients), ms)
        return f"250 2.0.0 Kept as {mail}"


def _made(body: Body, incoming: Callable[[bytes], Incoming]) -> Incoming | Flaw:
    mail = body.take()
    return mail if isinstance(mail, Flaw) else incoming(mail)
