"""Whose turn it is: whatever decides about conversations sees what all others decided.

SQLite has one writer at a time anyway. On PostgreSQL a transaction has the turn for itself (`take`), or shares it
with others that file mail (`share`). Those say first which names they look up or write, all at once and in one order,
so that nobody waits for whom they hold up; where two name the same, the second waits for the end of the first. All
locks end with their transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

from sqlalchemy import ARRAY, BigInteger, Connection, bindparam, func, select

from gateway.store.engines import POSTGRESQL
from gateway.store.prepared import Prepared

MOST_NAMES = 2000  # that one transaction holds: the server has room for some thousand locks
_TURN = 0x6D61696C  # « mail »: the lock by which daemons take turns
_CHAINS = "chains"


class Entangled(Exception):
    """What shares the turn would touch what it didn't name: it must have the turn for itself."""


def take(connection: Connection) -> None:
    """Wait until no other transaction, of whichever process, decides about conversations.

    What is read afterwards is what the one before left. SQLite's writers have taken turns already.
    """
    if connection.dialect.name == POSTGRESQL:
        _TAKE.run(connection, {})


def share(connection: Connection, names: Collection[str]) -> None:
    """Wait until nobody has the turn for themselves, nor any of these names. Only once in a transaction.

    Raises:
        Entangled: they are too many.
    """
    if len(names) > MOST_NAMES:
        raise Entangled
    _SHARE.run(connection, {})
    _HOLD.run(connection, {"keys": _keys(names)})


def held(connection: Connection, names: Iterable[str]) -> bool:
    """Hold these names besides, if nobody else does: where somebody does, it isn't waited for."""
    return all(_TRY.scalars(connection, {"keys": _keys(names)}))


def chain(connection: Connection) -> None:
    """Wait until no other transaction adds to a chain of hashes (`audit`, `evidence`).

    It is the one lock that is waited for after `share`: whoever holds it waits for nobody.
    """
    if connection.dialect.name == POSTGRESQL:
        _HOLD.run(connection, {"keys": _keys((_CHAINS,))})


def _keys(names: Iterable[str]) -> list[int]:
    """What stands for names, in the order in which everybody locks them."""
    return sorted({_key(name) for name in names})


def _key(name: str) -> int:
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


_EACH = func.unnest(bindparam("keys", type_=ARRAY(BigInteger))).column_valued("key")
_TAKE = Prepared(select(func.pg_advisory_xact_lock(_TURN)))
_SHARE = Prepared(select(func.pg_advisory_xact_lock_shared(_TURN)))
_HOLD = Prepared(select(func.pg_advisory_xact_lock(_EACH)))
_TRY = Prepared(select(func.pg_try_advisory_xact_lock(_EACH)))
