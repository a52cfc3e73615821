"""Which token keys belong to a store: whoever works on it must have them.

A machine that made keys of its own would sign addresses that no other recognises, and take the others' for forged. So
the store knows a mark of each key, from which nobody finds the key; the first file that is used with it is its own.
A file that holds one of its keys at least is of this store: it may have been copied before the last rotation, or
before a key was retired.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select

from gateway.errors import ConfigError
from gateway.mail.tokens import Keys
from gateway.store import keys
from gateway.store.database import Store, Tx
from gateway.store.tables import token_keys

REMEDY = (
    "take the file from a machine that works on this store, or from the backup (chmod 600); "
    "if they are lost for good, `gateway keys forget`"
)
Marks = Mapping[bytes, int]  # mark → key id


def marks(found: Keys) -> Marks:
    """A key has 32 octets of chance at least: its HMAC tells nothing of it."""
    return {hmac.digest(key, b"a token key of this store", "sha256")[:16]: key_id for key_id, key in found.by_id}


def known(connection: Connection) -> Marks:
    """The keys that belong to the store; none before the first were used."""
    return {row.mark: row.key_id for row in connection.execute(select(token_keys))}


def keys_of(store: Store, path: Path) -> Keys:
    """The keys in a file, which is made where the store knows none yet.

    Raises:
        ConfigError: the file isn't there or holds none of the store's keys; or others may read it.
        StoreError: file or store can't be read or written.
    """
    before = store.read_now(known)
    if before and not path.exists():
        raise ConfigError(f"{path}: the token keys of this store aren't there; {REMEDY}")
    found = keys.load_or_make(path)
    if new(found, before):
        store.write_now(lambda tx: _adopt(tx, found, path))
    return found


def missing(connection: Connection, found: Keys) -> list[int]:
    """The ids of keys that belong to the store and aren't in a file."""
    here = marks(found)
    return sorted(key_id for mark, key_id in known(connection).items() if mark not in here)


def new(found: Keys, before: Marks) -> Marks:
    """Those that belong to the store from now on: all, where it knows none; else what was put in front of its own.

    What comes behind, and isn't known, was retired on another machine, and stays so.
    """
    return dict(takewhile(lambda one: one[0] not in before, marks(found).items()))


def retired(connection: Connection, found: Keys) -> list[int]:
    """The ids of keys in a file of this store that don't belong to it any more."""
    before = known(connection)
    lasting = before.keys() | new(found, before).keys()
    return sorted(key_id for mark, key_id in marks(found).items() if mark not in lasting)


def is_strange(connection: Connection, found: Keys) -> bool:
    """Are they another store's?"""
    before = known(connection)
    return bool(before) and before.keys().isdisjoint(marks(found))


def adopt(tx: Tx, found: Keys) -> None:
    """Those that are new in a file belong to it from now on."""
    added = new(found, known(tx.connection))
    if added:
        tx.connection.execute(insert(token_keys), [{"mark": mark, "key_id": added[mark]} for mark in added])


def forget(tx: Tx, key_id: int) -> bool:
    """This one doesn't belong to it any more; was it known?"""
    return bool(tx.connection.execute(delete(token_keys).where(token_keys.c.key_id == key_id)).rowcount)


def forget_all(tx: Tx) -> None:
    """The next file that is used with the store is its own."""
    tx.connection.execute(delete(token_keys))


def _adopt(tx: Tx, found: Keys, path: Path) -> None:
    """Two may come at once with keys that each has made: the second is the stranger."""
    if is_strange(tx.connection, found):
        raise ConfigError(f"{path}: these aren't the token keys of this store; {REMEDY}")
    adopt(tx, found)
