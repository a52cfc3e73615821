"""Mail that is durable before the database knows of it: the pack that it lies in is its journal.

A record in a pack holds all that the database is to know of a mail (`gateway.store.packs`). So one sync is enough to
acknowledge it, and the database may learn of many mails at a time, later. Which packs are written to in this way, and
up to where they are known, stands in the database itself: in the same transaction as the mails. What a daemon that
ended couldn't enter any more is entered when the next one starts (`take_up`), as is what it had written, and could
acknowledge to nobody: as if the answer had been lost on its way. A backup holds it in its packs, and `restore` enters
it from there.

It's for stores in a file, and raw mail in a folder: one daemon has them for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice

from sqlalchemy import Connection, bindparam, delete, select

from gateway import log
from gateway.errors import StoreError
from gateway.model import Incoming
from gateway.store import arrivals, engines, salvage, statements
from gateway.store.arrivals import Entry
from gateway.store.database import AnyRow, Store, Tx
from gateway.store.folder import Folder
from gateway.store.packs import Packs
from gateway.store.prepared import Prepared
from gateway.store.salvage import Damage, Found
from gateway.store.tables import open_packs

_AT_ONCE = 100
_TOLD = Prepared(select(open_packs.c.known).where(open_packs.c.pack == bindparam("name")))
_KNOWN = Prepared(open_packs.update().where(open_packs.c.pack == bindparam("name")).values(known=bindparam("end")))


class Journal:
    """The pack that takes mail. One thread at a time may `write`."""

    def __init__(self, store: Store, packs: Folder) -> None:
        self._store = store
        self._packs = packs
        self._begun = ""
        self._files: engines.Files | None = None  # of the database that knows of it

    @classmethod
    def of(cls, store: Store) -> Journal | None:
        """None where mail must be in the database before it is acknowledged."""
        packs = store.packs
        return cls(store, packs.another()) if isinstance(packs, Folder) and not store.shared else None

    def write(self, mails: Sequence[Incoming]) -> list[Entry]:
        """Make mails durable; what is to be entered.

        Raises:
            StoreError: none of them is.
        """
        engines.look_for(self._store.engine, self._files)
        name = self._packs.begin()
        if name != self._begun:
            self._files = self._store.submit(lambda tx: _begin(tx, name), urgent=True).result()
            self._begun = name
        places = self._packs.append_all([(mail.raw, arrivals.about(mail)) for mail in mails])
        self._packs.sync()
        return list(map(Entry.of, mails, places))

    def end(self, tx: Tx) -> None:
        """All that was written is known: nothing is to be read after this."""
        _left(tx, self._begun)

    def close(self) -> None:
        self._packs.close()


def _begin(tx: Tx, name: str) -> engines.Files | None:
    """It may be begun already: the commit that failed may have been written all the same."""
    tx.connection.execute(statements.ignoring(tx.connection, open_packs), {"pack": name, "known": 0})
    return engines.used(tx.connection)


def enter(tx: Tx, entries: Sequence[Entry]) -> None:
    """Let the database know of mails that were written, in their order; each once, however often it is told."""
    reached = {each.raw["pack"]: end(each) for each in entries}
    told = {name: _TOLD.scalar(tx.connection, {"name": name}) or 0 for name in reached}
    fresh = [each for each in entries if each.raw["offset"] >= told[each.raw["pack"]]]
    if not fresh:
        return
    arrivals.enter(tx, fresh)
    for name, there in reached.items():
        _KNOWN.run(tx.connection, {"name": name, "end": there})


def end(entry: Entry) -> int:
    """Where its record ends."""
    return int(entry.raw["offset"] + entry.raw["size"] + 1)


def take_up(store: Store) -> int:
    """Enter what a daemon wrote that ended before it could do so itself; how many mails.

    A pack that can't be had now is told, and waits for the next start.
    """
    packs = store.read_now(lambda connection: connection.execute(select(open_packs)).all())
    return sum(_taken_up(store, row.pack, row.known) for row in packs)


def _taken_up(store: Store, pack: str, known: int) -> int:
    taken = 0
    try:
        found = salvage.records(store.packs, pack, known, store.packs.sizes()[pack])
        for batch in _batches(_entries(_looked_through(found))):
            store.write_now(partial(enter, entries=batch))
            taken += len(batch)
        store.write_now(lambda tx: _left(tx, pack))
    except KeyError:
        log.pack_not_read(pack=pack, reason="it isn't there")
    except StoreError as error:
        log.pack_not_read(pack=pack, reason=str(error))
    return taken


def overdue(store: Store, before: datetime) -> list[str]:
    """Packs with mail that came before that time, and that the database wasn't told of; or that can't be had now.

    Raises:
        StoreError: the database can't be asked, or no pack can be had.
    """
    packs = store.read_now(lambda connection: connection.execute(select(open_packs)).all())
    sizes = store.packs.sizes() if packs else {}
    return [row.pack for row in packs if row.pack not in sizes or _is_overdue(store.packs, row, sizes, before)]


def _is_overdue(packs: Packs, row: AnyRow, sizes: Mapping[str, int], before: datetime) -> bool:
    try:
        first = next(_entries(salvage.records(packs, row.pack, row.known, sizes[row.pack])), None)
    except StoreError:
        return True
    return first is not None and first.arrival["received_at"] < before


def _left(tx: Tx, pack: str) -> None:
    tx.connection.execute(delete(open_packs).where(open_packs.c.pack == pack))


def _looked_through(found: Iterable[Found | Damage]) -> Iterator[Found | Damage]:
    """Nobody writes to it any more: what isn't whole is told."""
    for each in found:
        if isinstance(each, Damage):
            log.pack_ends_early(pack=each.pack, offset=each.offset)
        yield each


def _entries(found: Iterable[Found | Damage]) -> Iterator[Entry]:
    """One mail's octets at a time are in memory."""
    return (Entry.of(each.mail, each.at) for each in found if isinstance(each, Found))


def _batches(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    while batch := list(islice(entries, _AT_ONCE)):
        yield batch


# --- backups -------------------------------------------------------------------------------------------------


def ends(packs: Packs, known: Mapping[str, int]) -> dict[str, int]:
    """Where what is whole ends now, in packs that the database knows up to there.

    Raises:
        StoreError: they can't be had now.
    """
    sizes = packs.sizes()
    found = {pack: salvage.records(packs, pack, start, sizes.get(pack, 0)) for pack, start in known.items()}
    return {pack: max(map(end, _entries(each)), default=known[pack]) for pack, each in found.items()}


def unknown(connection: Connection, packs: Packs, up_to: Mapping[str, int]) -> Iterator[Entry]:
    """Mails of which the database is yet to be told; those that end there at the latest.

    Raises:
        StoreError: they can't be had now.
    """
    rows = connection.execute(select(open_packs)).all()
    sizes = packs.sizes() if rows else {}
    for row in rows:
        last = min(up_to.get(row.pack, 0), sizes.get(row.pack, 0))
        yield from _entries(salvage.records(packs, row.pack, row.known, last))


def settle(tx: Tx, up_to: Mapping[str, int]) -> None:
    """The store comes from a backup, which needs its packs up to there: what it is yet to be told of is entered.

    What came since is for `recover` to find.
    """
    for batch in _batches(unknown(tx.connection, tx.packs, up_to)):
        enter(tx, batch)
    tx.connection.execute(delete(open_packs))
