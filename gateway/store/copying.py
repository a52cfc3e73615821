"""A database as it is at one moment, while others write to it; and one that takes its place."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, create_engine

from gateway.errors import Permanent, StoreError
from gateway.store import arrivals, journal
from gateway.store.backup import Snapshot
from gateway.store.engines import check_integrity
from gateway.store.packs import Packs
from gateway.store.schema import current

DATABASE = "gateway.db"


def sqlite(source: Path, packs: Packs, folder: Path) -> Snapshot:
    """Copy a SQLite file into a folder, and look whether the copy is sound.

    What is acknowledged by now, and isn't known to the copy yet, lies in packs (`gateway.store.journal`): these are
    needed up to there.

    All in one step, within one read transaction: a copy in steps begins anew whenever somebody writes, and would
    never end. Writers aren't kept waiting meanwhile; the write-ahead log grows for so long.

    Raises:
        StoreError: it can't be read or written now.
        Permanent: it is damaged.
    """
    target = folder / DATABASE
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True, timeout=30)) as ours,
            closing(sqlite3.connect(target)) as theirs,
        ):
            ends = journal.ends(packs, _known(ours))
            ours.backup(theirs, pages=-1)
            theirs.execute("PRAGMA journal_mode=DELETE").close()  # one file, and nothing that belongs beside it
    except sqlite3.DatabaseError as error:
        raise _unusable(source, error) from error
    for side in ("-wal", "-shm"):  # SQLite doesn't say where it couldn't remove them
        target.with_name(target.name + side).unlink(missing_ok=True)
    engine = create_engine(f"sqlite:///{target}")
    try:
        with engine.connect() as connection:
            if (damage := check_integrity(connection)) != "ok":
                raise Permanent(f"{source} is damaged ({damage}): nothing of it is kept; restore an earlier backup")
            return _with_owed(looked_at(connection), connection, packs, ends)
    finally:
        engine.dispose()


def _known(base: sqlite3.Connection) -> dict[str, int]:
    """Up to where it knows the packs that take mail first."""
    try:
        return dict(base.execute("SELECT pack, known FROM open_packs").fetchall())
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):  # of an older version, which knew of all that it acknowledged
            return {}
        raise


def _with_owed(snapshot: Snapshot, connection: Connection, packs: Packs, ends: Mapping[str, int]) -> Snapshot:
    """With the mails that it is yet to be told of."""
    owed = list(journal.unknown(connection, packs, ends)) if ends else []
    if not owed:
        return snapshot
    needed = {each.raw["pack"]: journal.end(each) for each in owed}
    times = [each.arrival["received_at"] for each in owed]
    return replace(
        snapshot,
        arrivals=snapshot.arrivals + len(owed),
        last_arrival=max([*times, *filter(None, [snapshot.last_arrival])]),
        extents={**snapshot.extents, **needed},
    )


def looked_at(connection: Connection) -> Snapshot:
    """What a database is, for the manifest. A pack is needed with the line feed that ends its last record."""
    count, last = arrivals.last(connection)
    extents = {name: end + 1 for name, end in arrivals.extents(connection).items()}
    return Snapshot(current(connection), count, last, extents)


def _unusable(source: Path, error: sqlite3.DatabaseError) -> StoreError | Permanent:
    words = str(error)
    if "not a database" in words or "malformed" in words:
        return Permanent(f"{source} is damaged: nothing of it is kept; restore an earlier backup")
    return StoreError(f"{source} can't be copied: {words}; this backup isn't kept")
