"""Delivery to a Maildir: one file for each mail and recipient, its envelope in X-Envelope-From and X-Envelope-To.

The name of the file is the delivery's: writing it a second time finds the first, so nothing is ever there twice.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from gateway.folders import make_folder, sync_folder
from gateway.model import Attempt, DeliveryState, Outgoing
from gateway.relay.wire import enveloped

_FLAGS = ("", ":2,", ":2,S", ":2,RS", ":2,FS", ":2,FRS", ":2,F", ":2,R", ":2,ST", ":2,T", ":2,PS", ":2,DS")


def file_name(created_at: datetime, message_id: str) -> str:
    """What the file of a delivery is called."""
    return f"{int(created_at.timestamp())}.{message_id.partition('@')[0]}.gateway"


class MaildirTransport:
    """Writes into `folder`/new, by way of `folder`/tmp."""

    idempotent = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._making = threading.Lock()

    async def deliver(self, outgoing: Outgoing, wire: bytes, committing: Callable[[], Awaitable[None]]) -> Attempt:
        try:
            return await asyncio.to_thread(self._write, outgoing, wire)
        except OSError as error:
            return Attempt(DeliveryState.DEFERRED, f"{self.folder}: {error.strerror}", str(self.folder), wide=True)

    async def rest(self) -> None:
        """Nothing is kept for the next mail."""

    async def close(self) -> None:
        """Nothing stays open."""

    def _write(self, outgoing: Outgoing, wire: bytes) -> Attempt:
        with self._making:  # whoever finds a folder there is to find it durable
            for name in ("tmp", "new", "cur"):
                make_folder(self.folder / name)
        name = file_name(outgoing.created_at, outgoing.message_id)
        if not self._there(name):
            self._put(name, enveloped(outgoing.envelope_sender, outgoing.draft.to, wire))
        sync_folder(self.folder / "new")  # also of one that is there: whoever wrote it may have died before this
        return Attempt(DeliveryState.SENT, f"written as new/{name}", str(self.folder))

    def _there(self, name: str) -> bool:
        """A mail client may have moved it to `cur`, with flags behind its name. The folder grows: no listing."""
        return (self.folder / "new" / name).exists() or any(
            (self.folder / "cur" / f"{name}{flags}").exists() for flags in _FLAGS
        )

    def _put(self, name: str, octets: bytes) -> None:
        temporary = self.folder / "tmp" / name
        with temporary.open("wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self.folder / "new" / name)
