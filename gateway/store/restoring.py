"""A store from a backup. What may have been sent since the backup isn't sent again by itself.

What was open then is held as `unknown`; so is what mail causes that came before the loss: it was filed once, and
comes again from packs that outlived or from its mailbox. Ids that may have been given out since are left out, so that
no reply address of then leads to somebody else's conversation, and no Message-ID is used twice.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path

from gateway.errors import Refused, StoreError
from gateway.folders import sync_folder
from gateway.store import engines, manifests, outbox, pulses, rounds, schema
from gateway.store.database import Store, Tx
from gateway.store.manifests import Copy
from gateway.store.packs import Packs
from gateway.store.tables import deliveries, participations

SIDE_FILES = ("", "-wal", "-shm")
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


def put_database(source: Path, target: Path, packs: Packs, finish: Callable[[Tx], None]) -> None:
    """Let a copied database take the place of `target`, once it has its present schema and `finish` is done with it.

    Raises:
        StoreError: it can't be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = target.with_name(target.name + ".restoring")
    try:
        shutil.copyfile(source, temporary)
        temporary.chmod(0o600)
        with closing(Store(f"sqlite:///{temporary}", packs)) as store:
            schema.upgrade(store.engine)
            store.write_now(finish)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        owned_like(target.parent, temporary)
        temporary.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise StoreError(f"{target} can't be written: {error.strerror}") from error
    finally:
        for side in SIDE_FILES:
            temporary.with_name(temporary.name + side).unlink(missing_ok=True)


def set_aside(file: Path, now: datetime) -> None:
    """Keep a database that is replaced, with what belongs beside it, under another name."""
    for side in SIDE_FILES:
        there = file.with_name(file.name + side)
        if there.exists():
            there.rename(file.with_name(f"{file.name}.before-{now:%Y%m%dT%H%M%SZ}{side}"))


def owned_like(folder: Path, file: Path) -> None:
    """Root restores for the account that the folder belongs to."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(file, owner.st_uid, owner.st_gid)


def hold(tx: Tx, lost_at: datetime, now: datetime, by: str) -> int:
    """Hold what may have been sent up to `lost_at`, now and when it comes again; how many deliveries are held."""
    rounds.made(tx, outbox.RESTORED, lost_at)
    return outbox.hold(tx, now, by)


def begin_anew(tx: Tx) -> None:
    """Never give out ids that may have been given out since the backup; signs of life of then tell nothing."""
    pulses.forget(tx)
    for table in (deliveries, participations):
        engines.skip_keys(tx.connection, table, _GAP)
