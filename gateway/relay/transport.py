"""The contract of a transport: hand one mail for one recipient over, and say what became of it.

    attempt = await transport.deliver(outgoing, wire, committing)

- It returns what happened (`sent`, `deferred`, `refused`, `unknown`) with the answer.
- It looks once more at what it is about to write (`wire`); what may not leave raises errors.Permanent before anything
  is written. Nothing else is raised on purpose.
- It awaits `committing()` before the step after which it can't know any more whether the mail arrived: from then
  on a crash leaves the delivery uncertain. Up to there, trying again is safe.
- `attempt.wide` says that the trouble would meet every other mail too: nobody's leaves for a while.
- `rest` is called now and then while nothing is due: what was kept for the next mail may be let go.
- A transport whose delivery is idempotent says so (`idempotent`): its uncertain deliveries are simply done again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.config.settings import RelaySettings
from gateway.model import Attempt, Outgoing

Committing = Callable[[], Awaitable[None]]


class Transport(Protocol):
    idempotent: bool

    async def deliver(self, outgoing: Outgoing, wire: bytes, committing: Committing) -> Attempt: ...

    async def rest(self) -> None: ...

    async def close(self) -> None: ...


def transport_for(settings: RelaySettings, hostname: str) -> Transport:
    """The transport that the configuration names."""
    if settings.transport == "maildir":
        from gateway.relay.maildir import MaildirTransport  # noqa: PLC0415 (what isn't used isn't loaded)

        return MaildirTransport(settings.folder)
    from gateway.relay.smtp import SmtpTransport  # noqa: PLC0415 (as above)

    return SmtpTransport(settings, hostname)
