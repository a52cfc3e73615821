"""A store from a backup. What may have been sent since the backup isn't sent again by itself.

What was open then is held as `unknown`; so is what mail causes that came before the loss: it was filed once, and
comes again from packs that outlived or from its mailbox. Ids that may have been given out since are left out, so that
no reply address of then leads to somebody else's conversation, and no Message-ID is used twice.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from gateway.errors import Refused, StoreError
from gateway.folders import make_folder, sync_folder
from gateway.store import journal, keyring, manifests, outbox, pulses, rounds, schema, statements
from gateway.store.database import Store, Tx
from gateway.store.manifests import Copy
from gateway.store.packs import Packs
from gateway.store.tables import deliveries, participations

_SIDES = ("", "-wal", "-shm")
_GAP = 10_000_000  # ids: more than any gateway gives out between two backups, of 10¹² that a token can name


def put_packs(packs: Packs, folder: Path, needed: Mapping[str, Copy]) -> int:
    """Put the raw mail of a backup where it belongs, but for what outlived there; how many packs were put.

    Raises:
        StoreError: it can't be written or read now.
        Refused: another pack of that name is there.
    """
    there, put = packs.sizes(), 0
    for name, copy in needed.items():
        if there.get(name, -1) < copy.size:
            packs.put(name, folder / name)
            put += 1
        elif _differs(packs, name, copy):
            raise Refused(f"{name} isn't what it was when the backup was made: move it away, and restore again")
    return put


def _differs(packs: Packs, name: str, copy: Copy) -> bool:
    return manifests.summed(packs.octets(name, 0, copy.size)) != copy


def put_database(source: Path, target: Path, packs: Packs, finish: Callable[[Tx], None], now: datetime) -> None:
    """Let a copied database take the place of `target`, once it has its present schema and `finish` is done with it.

    What was in that place stays, under another name; up to the last step it is there, whole.

    Raises:
        StoreError: it can't be written.
    """
    make_folder(target.parent)
    temporary = target.with_name(target.name + ".restoring")
    try:
        shutil.copyfile(source, temporary)
        temporary.chmod(0o600)
        with closing(Store(f"sqlite:///{temporary}", packs)) as store:
            schema.upgrade(store.engine)
            store.write_now(finish)
        _make_one_file(temporary)
        _take_in(target)
        put_file(temporary, target, now)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"{target} can't be written: {reason}") from error
    finally:
        for side in _SIDES:
            temporary.with_name(temporary.name + side).unlink(missing_ok=True)


def _make_one_file(database: Path) -> None:
    """Nothing that belongs to it may be left beside it: only itself is put elsewhere."""
    with closing(sqlite3.connect(database)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    if mode != "delete":
        raise StoreError(f"{database} is used by somebody else")


def _take_in(database: Path) -> None:
    """Let a database take in what its `-wal` holds, so that no moment sees it without its last commits.

    The two can't lose their name in one step. What is damaged stays as it is.
    """
    if not all(
        part.exists() and part.stat().st_size for part in (database, database.with_name(f"{database.name}-wal"))
    ):
        return  # SQLite takes an empty file for a new database, and throws away what lies beside it
    with closing(sqlite3.connect(database)) as connection:
        try:
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.DatabaseError:
            return
    if busy:
        raise StoreError(f"{database} is used by somebody else")


def put_file(temporary: Path, target: Path, now: datetime) -> None:
    """Let a file take the place of another, durably and in one step; that one stays, with what belongs beside it.

    Raises:
        OSError
    """
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    _owned_like(target.parent, temporary)
    there = [side for side in _SIDES if target.with_name(target.name + side).exists()]
    aside = _free(target, f"before-{now:%Y%m%dT%H%M%SZ}")
    for side in there:  # linked, not moved: a daemon that starts now mustn't find an empty place
        os.link(target.with_name(target.name + side), aside.with_name(aside.name + side))
    for side in there[1:]:  # gone only once all of it has its other name; else it would be read as the new file's
        target.with_name(target.name + side).unlink()
    temporary.rename(target)
    sync_folder(target.parent)


def _free(target: Path, kind: str) -> Path:
    """A name beside it that nothing has: two restores in one second are two files."""
    names = (f"{target.name}.{kind}{suffix}" for suffix in chain([""], (f"-{n}" for n in count(2))))
    return next(path for path in map(target.with_name, names) if not path.exists())


def _owned_like(folder: Path, file: Path) -> None:
    """Root restores for the account that the folder belongs to."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(file, owner.st_uid, owner.st_gid)


def hold(tx: Tx, lost_at: datetime, now: datetime, by: str) -> int:
    """Hold what may have been sent up to `lost_at`, now and when it comes again; how many deliveries are held."""
    rounds.made(tx, outbox.RESTORED, lost_at)
    return outbox.hold(tx, now, by)


def begin_anew(tx: Tx, up_to: Mapping[str, int]) -> None:
    """Never give out ids that may have been given out since the backup; signs of life of then tell nothing.

    `up_to`: where the backup needs each pack.
    """
    pulses.forget(tx)
    keyring.forget_all(tx)  # a key may have come since, and have signed what left
    journal.settle(tx, up_to)
    for table in (deliveries, participations):
        statements.skip_keys(tx.connection, table, _GAP)
