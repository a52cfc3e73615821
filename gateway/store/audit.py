"""Who did what, with which proof: append-only, each row bound to the one before it by its hash (gateway.store.chain).

Written in the transaction of the act. Ids go up by one. Whoever owns the database can make a whole new chain: a hash
that was kept elsewhere tells that. Triggers refuse every change, but that words are erased.

The last row is read and the next one written by one transaction at a time (`turns.chain`): else two writers would
follow the same row, and the primary key would refuse the act of one of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from gateway.store import chain, engines, turns
from gateway.store.chain import Link, Verified
from gateway.store.database import AnyRow, Tx
from gateway.store.tables import audit

_CONTEXT = b"gateway audit 1\0"
_BOUND = ("id", "at", "by", "conversation", "proof", "digest", "previous")
_INSERT = insert(audit)
_LAST = select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)
_ALL = select(audit).order_by(audit.c.id)


def record(tx: Tx, *, at: datetime, by: str, what: str, conversation: str = "", proof: str) -> None:
    """Add an act, in its own transaction. `conversation`: its reference, "" where it is of none."""
    by, what, conversation, proof = map(engines.storable, (by, what, conversation, proof))  # as it will be read
    turns.chain(tx.connection)
    last = tx.connection.execute(_LAST).one_or_none()
    salt = secrets.token_bytes(16)
    bound = {
        "id": last.id + 1 if last else 1,
        "at": at,
        "by": by,
        "conversation": conversation,
        "proof": proof,
        "digest": chain.digest(salt, what),
        "previous": last.hash if last else chain.START,
    }
    tx.connection.execute(_INSERT, {**bound, "what": what, "salt": salt, "hash": _hash(bound)})


def listed(connection: Connection, references: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Acts, the oldest first; with `references`, those in these conversations."""
    query = _ALL if references is None else _ALL.where(audit.c.conversation.in_(references))
    return [
        {
            "id": row.id,
            "at": row.at,
            "by": row.by,
            "what": row.what,
            "conversation": row.conversation or None,
            "proof": row.proof,
            "hash": row.hash.hex(),
        }
        for row in connection.execute(query)
    ]


def head(connection: Connection) -> bytes:
    """The hash of the last row: to be kept elsewhere."""
    last = connection.execute(_LAST).one_or_none()
    return last.hash if last else chain.START


def verified(connection: Connection, kept: bytes = chain.START) -> Verified:
    """Follow the chain to its end, or to the first row that is wrong. `kept`: a head that was kept elsewhere."""
    return chain.follow((_link(row) for row in connection.execute(_ALL).yield_per(1000)), kept)


def _link(row: AnyRow) -> Link:
    return Link(row.id, row.what, row.salt, row.digest, row.previous, row.hash, _hash(row._asdict()))


def _hash(row: Mapping[str, Any]) -> bytes:
    return chain.bound(_CONTEXT, [row[name] for name in _BOUND])
