"""Mail that is durable before the database knows of it: the pack that it lies in is its journal.

A record in a pack holds all that the database is to know of a mail (`gateway.store.packs`). So one sync is enough to
acknowledge it, and the database may learn of many mails at a time, later. Which packs are written to in this way, and
up to where they are known, stands in the database itself: in the same transaction as the mails. What a daemon that
ended couldn't enter any more is entered when the next one starts (`take_up`), as is what it had written, and could
acknowledge to nobody: as if the answer had been lost on its way.

It's for stores in a file, and raw mail in a folder: one daemon has them for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from sqlalchemy import bindparam, delete, select

from gateway import log
from gateway.errors import StoreError
from gateway.model import Incoming
from gateway.store import arrivals, engines, salvage
from gateway.store.arrivals import Entry
from gateway.store.database import Store, Tx
from gateway.store.folder import Folder
from gateway.store.prepared import Prepared
from gateway.store.salvage import Found
from gateway.store.tables import open_packs

_AT_ONCE = 100
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
    tx.connection.execute(open_packs.insert().values(pack=name, known=0))
    return engines.used(tx.connection)


def enter(tx: Tx, entries: Sequence[Entry]) -> None:
    """Let the database know of mails that were written, in their order."""
    arrivals.enter(tx, entries)
    ends = {each.raw["pack"]: each.raw["offset"] + each.raw["size"] + 1 for each in entries}
    for name, end in ends.items():
        _KNOWN.run(tx.connection, {"name": name, "end": end})


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
        for batch in _batches(each for each in found if isinstance(each, Found)):
            taken += len(store.write_now(partial(_adopt, batch)))
        store.write_now(lambda tx: _left(tx, pack))
    except KeyError:
        log.pack_not_read(pack=pack, reason="it isn't there")
    except StoreError as error:
        log.pack_not_read(pack=pack, reason=str(error))
    return taken


def _left(tx: Tx, pack: str) -> None:
    tx.connection.execute(delete(open_packs).where(open_packs.c.pack == pack))


def _adopt(batch: Sequence[Found], tx: Tx) -> Sequence[Found]:
    return arrivals.adopt(tx, batch)


def _batches(found: Iterator[Found]) -> Iterator[list[Found]]:
    while batch := list(islice(found, _AT_ONCE)):
        yield batch


def forget(tx: Tx) -> None:
    """The store comes from a backup: what came since is for `recover` to find."""
    tx.connection.execute(delete(open_packs))
