"""The antivirus gate: asked before a mail is filed, and again about what it didn't say.

Filing waits for it, but never for long, and never for nothing: after one silence it is left alone for a while, and
what comes meanwhile is held. Only mails with attachments are asked about, since nothing else of a mail is sent on as
it came: about the raw mail, and about each attachment as we decode it, so that what clamd reads otherwise than we do
hides nothing from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NoReturn

from gateway import log, releasing
from gateway.context import Context
from gateway.errors import StoreError
from gateway.inspection import clamd
from gateway.mail.contents import contents
from gateway.model import Arrival, Finding, Mail, Scan
from gateway.store import arrivals, scans
from gateway.store.database import Store

Ask = Callable[[str, Iterable[bytes], float], Awaitable[Scan]]
_AT_ONCE = 4  # mails that it is asked about
_PACE = 2.0  # seconds until it is looked for what is to be asked again
_PATIENCE = 60.0  # seconds, where nobody waits for the answer
_TAKEN = timedelta(seconds=2 * _PATIENCE)  # for which no other daemon asks about what one took up
_REST = timedelta(minutes=1)  # for which filing doesn't ask one that gave no answer; a silence is long after it


class Antivirus:
    """Asks, and keeps what was said. Knows since when it is silent, and until when it isn't asked before filing."""

    def __init__(
        self,
        store: Store,
        context: Callable[[], Context],
        *,
        now: Callable[[], datetime],
        ask: Ask = clamd.scan,
    ) -> None:
        self._store = store
        self._context = context
        self._now = now
        self._ask = ask
        self._rests_until: datetime | None = None
        self._silent_since: datetime | None = None

    # --- before filing -----------------------------------------------------------------------------------

    async def look(self, mails: Iterable[tuple[Arrival, Mail | Exception]]) -> None:
        """Ask about mails that are to be filed, all of them within the time that the configuration gives.

        Raises:
            StoreError: what was said can't be written.
        """
        found = {arrival.digest: mail for arrival, mail in mails if isinstance(mail, Mail) and mail.attachments}
        if not found or not self._context().settings.antivirus.socket:
            return
        known = await self._store.read(lambda connection: scans.of_mails(connection, found))
        wanted = {digest: [file.part for file in mail.attachments] for digest, mail in found.items()}
        said = await self._said({digest: parts for digest, parts in wanted.items() if digest not in known})
        now = self._now()
        await self._store.write(lambda tx: scans.keep_all(tx, said, now))
        self._tell(said)

    async def _said(self, wanted: Mapping[str, list[int]]) -> dict[str, Scan]:
        """What it says of each within the time; held where it says nothing, and all of it where it just didn't."""
        if self._rests_until is not None and self._now() < self._rests_until:
            return dict.fromkeys(wanted, Scan(Finding.HELD, "it gave no answer a moment ago"))
        patience = self._context().settings.antivirus.timeout.total_seconds()
        said = await self._asked(wanted, patience)
        silent = any(clamd.silent(scan) for scan in said.values())
        self._rests_until = self._now() + _REST if silent else None
        return said

    # --- again ---------------------------------------------------------------------------------------------

    async def run(self, planned: asyncio.Event) -> NoReturn:
        """Ask again, for ever; `planned` is set when there may be mail to send."""
        while True:
            try:
                if await self.again():
                    planned.set()
                    continue
            except StoreError as error:
                log.antivirus_paused(reason=str(error))
            except Exception as error:  # noqa: BLE001 (mail goes on; what is held stays held)
                log.antivirus_paused(reason=f"a defect: {type(error).__name__}")
            await asyncio.sleep(_PACE)

    async def again(self) -> int:
        """Ask about some of what is held, if it is due; return how many of them it spoke about.

        Raises:
            StoreError: the store failed.
        """
        if not self._context().settings.antivirus.socket:
            return 0
        now = self._now()
        due = dict(await self._store.write(lambda tx: scans.take_due(tx, now, _AT_ONCE, now + _TAKEN), beside=True))
        wanted = {digest: await self._parts(digest) for digest in due}
        said = await self._asked({digest: parts for digest, parts in wanted.items() if parts}, _PATIENCE)
        unfiled = dict.fromkeys((d for d in wanted if d not in said), Scan(Finding.HELD, "not filed yet"))
        for digest, scan in {**said, **unfiled}.items():
            await self._settle(digest, scan, due[digest] + 1)
        self._tell(said)
        return sum(scan.finding is not Finding.HELD for scan in said.values())

    async def _settle(self, digest: str, scan: Scan, attempts: int) -> None:
        """Act on what was said of a mail. One with which that fails is put off, so that the others get their turn."""
        context, now = self._context(), self._now()
        try:
            await self._store.write(lambda tx: releasing.settle(tx, context, digest, scan, now, attempts=attempts))
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 (one mail's defect isn't the others')
            log.antivirus_paused(reason=f"a defect: {type(error).__name__}")
            held = Scan(Finding.HELD, f"what it said could not be acted on: {type(error).__name__}")
            await self._store.write(lambda tx: scans.keep(tx, digest, held, now, attempts))

    async def _parts(self, digest: str) -> list[int]:
        """The attachments of a mail that stand in messages: all that could leave."""
        rows = await self._store.read(lambda connection: scans.bearing(connection, digest))
        return sorted({stored["part"] for row in rows.values() for stored in row.attachments})

    # --- asking --------------------------------------------------------------------------------------------

    async def _asked(self, wanted: Mapping[str, list[int]], patience: float) -> dict[str, Scan]:
        """Ask about mails beside each other; what isn't answered within `patience` seconds is held."""
        if not wanted:
            return {}
        room = asyncio.Semaphore(_AT_ONCE)
        tasks = {d: asyncio.create_task(self._one(d, parts, patience, room)) for d, parts in wanted.items()}
        try:
            done, _ = await asyncio.wait(tasks.values(), timeout=patience)
        finally:
            for task in tasks.values():
                task.cancel()
        said = {digest: task.result() if task in done else clamd.LATE for digest, task in tasks.items()}
        await self._heard(said.values())
        return said

    async def _heard(self, said: Collection[Scan]) -> None:
        """Once it speaks after a long silence, it is asked at once about all that waits.

        Raises:
            StoreError: that can't be written.
        """
        now, before = self._now(), self._silent_since
        if all(clamd.silent(scan) for scan in said):
            self._silent_since = before or now
            return
        self._silent_since = None
        if before is not None and now - before > _REST:
            await self._store.write(lambda tx: scans.hasten(tx, now), beside=True)

    async def _one(self, digest: str, parts: list[int], patience: float, room: asyncio.Semaphore) -> Scan:
        async with room:
            try:
                pieces = await asyncio.to_thread(self._pieces, digest, parts)
                return await self._ask(self._context().settings.antivirus.socket, pieces, patience)
            except Exception as error:  # noqa: BLE001 (whatever it is: nothing was said)
                return Scan(Finding.HELD, f"it could not be asked: {type(error).__name__}")

    def _pieces(self, digest: str, parts: list[int]) -> list[bytes]:
        """The raw mail, and its attachments as they would leave, each once."""
        location = self._store.read_now(lambda connection: arrivals.locate(connection, digest))
        raw = self._store.packs.read(location)
        return list(dict.fromkeys((raw, *contents(raw, parts))))

    def _tell(self, said: Mapping[str, Scan]) -> None:
        for digest, scan in said.items():
            if scan.finding is Finding.INFECTED:
                log.virus_found(mail=log.mail_id(digest), name=scan.name)
        held = [scan.name for scan in said.values() if scan.finding is Finding.HELD]
        if held:
            log.attachments_held(mails=len(held), reason=held[0])
