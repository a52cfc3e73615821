"""A delivery becomes the octets that leave: its attachments are read from the mails they came with, and looked at
once more at the last moment.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from gateway.config import Settings
from gateway.errors import Refused, Temporary
from gateway.mail.contents import contents
from gateway.model import Outgoing, Problem
from gateway.relay import withheld
from gateway.relay.compose import compose
from gateway.store import arrivals, scans
from gateway.store.database import Store


class Infected(Refused):
    """A virus of this name is in its attachments."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a virus was found in its attachments ({name})")
        self.problem = Problem("delivery_virus", name)


async def composed(store: Store, settings: Settings, outgoing: Outgoing, now: datetime) -> bytes:
    """Beside the loop where files go with it; all others are made faster than a thread is asked.

    Raises:
        StoreError: a mail that they came with can't be read now.
        Infected, WireError: it may never leave as it is.
        Temporary: the antivirus hasn't spoken yet.
    """
    if outgoing.draft.enclosures:
        return await asyncio.to_thread(with_files, store, settings, outgoing, now)
    return compose(outgoing, ())


def with_files(store: Store, settings: Settings, outgoing: Outgoing, now: datetime) -> bytes:
    """As `composed`, blocking. Each mail that attachments come from is read once."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for enclosure in outgoing.draft.enclosures:
        wanted[enclosure.digest].append(enclosure.attachment.part)
    found: dict[tuple[str, int], bytes] = {}
    for digest, numbers in wanted.items():
        location = store.read_now(lambda connection, d=digest: arrivals.locate(connection, d))  # type: ignore[misc]
        read = contents(store.packs.read(location), numbers)
        found |= {(digest, number): data for number, data in zip(numbers, read, strict=True)}
    _assert_clean(store, wanted, now, asked=bool(settings.antivirus.socket))
    return compose(outgoing, [found[e.digest, e.attachment.part] for e in outgoing.draft.enclosures])


def _assert_clean(store: Store, digests: Collection[str], now: datetime, *, asked: bool) -> None:
    """Nothing leaves of a mail that the antivirus, where there is one to be asked, hasn't called clean.

    Raises:
        Infected: it found something.
        Temporary: it hasn't spoken yet. What it wasn't asked about, it is now.
    """
    known = store.read_now(lambda connection: scans.of_mails(connection, digests))
    barred = {digest: withheld.barred_by(known.get(digest), asked=asked) for digest in digests}
    for digest, why in barred.items():
        if why == withheld.INFECTED:
            raise Infected(known[digest].name)
    if withheld.UNSCANNED in barred.values():
        store.write_now(lambda tx: scans.ask(tx, digests, now))
        raise Temporary("its attachments are not checked for viruses yet")
