"""Bells between the parts of a daemon; where a store is shared, they ring in every daemon.

Whoever rings one sets it here at once, and has the others told. Nothing depends on that: whoever waits for a bell
looks by themselves every second or two. It only makes the way from one daemon to another short.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NoReturn

from sqlalchemy import Engine

from gateway.errors import StoreError
from gateway.store import channel
from gateway.store.database import Store

_GATHER = 0.05  # seconds for which what rings is told together
_AGAIN = 1.0  # seconds until the server is tried again


class Bell(asyncio.Event):
    """An event that tells `rung` when it is set here, and not when it was rung elsewhere (`heard`)."""

    def __init__(self, rung: Callable[[], None]) -> None:
        super().__init__()
        self._rung = rung

    def set(self) -> None:
        super().set()
        self._rung()

    def heard(self) -> None:
        super().set()


class Bells:
    """A mail was kept; one may be filed; there may be one to send. Holds what is still to be told."""

    def __init__(self, store: Store, owner: str) -> None:
        self._store = store
        self._owner = owner
        self._untold: set[str] = set()
        self._telling: asyncio.Task[None] | None = None
        self.kept, self.arrived, self.planned = (self._bell(name) for name in ("kept", "arrived", "planned"))

    def ring_all(self) -> None:
        """There may be work of every kind here."""
        for bell in self._by_name().values():
            bell.heard()

    def _by_name(self) -> Mapping[str, Bell]:
        return {"kept": self.kept, "arrived": self.arrived, "planned": self.planned}

    def _bell(self, name: str) -> Bell:
        return Bell((lambda: self._rung(name)) if self._store.shared else lambda: None)

    def _rung(self, name: str) -> None:
        self._untold.add(name)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name="telling")

    async def _tell(self) -> None:
        while self._untold:
            names, self._untold = sorted(self._untold), set()
            words = " ".join((self._owner, *names))
            try:
                await self._store.write(lambda tx, w=words: channel.tell(tx.connection, w), beside=True)  # type: ignore[misc]
            except StoreError:
                return  # whoever isn't told looks by themselves
            await asyncio.sleep(_GATHER)

    async def listen(self) -> NoReturn:
        """Hear what other daemons ring, for ever."""
        while True:
            try:
                await self._hear(self._store.engine)
            except channel.driver_errors():
                await asyncio.sleep(_AGAIN)

    async def _hear(self, engine: Engine) -> None:
        async with await channel.ear(engine) as connection:
            self.ring_all()  # what was rung before wasn't heard
            async for said in connection.notifies():
                self._heard(said.payload)

    def _heard(self, words: str) -> None:
        """Whoever may connect to the database may say anything: what isn't ours is passed over."""
        owner, _, names = words.partition(" ")
        for name, bell in self._by_name().items() if owner != self._owner else ():
            if name in names.split():
                bell.heard()
