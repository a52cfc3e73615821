"""Who did what, with which proof: append-only, each row bound to the one before it by its hash.

    hash = SHA-256(id, at, by, conversation, proof, digest, previous)      digest = SHA-256(salt, what)

Written in the transaction of the act. Ids go up by one: a row that is missing, changed, put in or moved breaks the
chain where it stands. What was cut off at the end shows only to who kept a later hash elsewhere. Whoever owns the
database can make a whole new chain: the hash that was kept elsewhere tells that too.

Words may be erased (`what` empty, `salt` zero): the digest stays in the chain, and without its salt it tells nothing.
Triggers refuse every other change.

The last row is read and the next one written in one transaction of SQLite's single writer, whichever process that is.
PostgreSQL must take a lock first (`pg_advisory_xact_lock`): else two writers follow the same row, and the primary key
refuses the act of one of them.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from gateway.store.database import AnyRow, Tx
from gateway.store.tables import audit

_CONTEXT = b"gateway audit 1\0"
START = bytes(32)  # what the first row follows
_NO_SALT = bytes(16)
_BOUND = ("id", "at", "by", "conversation", "proof", "digest", "previous")
_INSERT = insert(audit)
_LAST = select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)
_ALL = select(audit).order_by(audit.c.id)


@dataclass(frozen=True, slots=True)
class Verified:
    """What following the chain came to. `head`: the last hash; `fault`: the first row that is wrong, "" for none.

    `erased`: how many rows have lost their words, as they may.
    """

    rows: int
    erased: int
    head: bytes
    fault: str = ""


def record(tx: Tx, *, at: datetime, by: str, what: str, conversation: str = "", proof: str) -> None:
    """Add an act, in its own transaction. `conversation`: its reference, "" where it is of none."""
    last = tx.connection.execute(_LAST).one_or_none()
    salt = secrets.token_bytes(16)
    bound = {
        "id": last.id + 1 if last else 1,
        "at": at,
        "by": by,
        "conversation": conversation,
        "proof": proof,
        "digest": _digest(salt, what),
        "previous": last.hash if last else START,
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
    return last.hash if last else START


def verified(connection: Connection, kept: bytes = START) -> Verified:
    """Follow the chain to its end, or to the first row that is wrong. `kept`: a head that was kept elsewhere."""
    previous, rows, erased, met = START, 0, 0, kept == START
    for row in connection.execute(_ALL).yield_per(1000):
        if fault := next(_faults(row, rows + 1, previous), ""):
            return Verified(rows, erased, previous, fault)
        previous, rows, erased, met = row.hash, rows + 1, erased + _is_erased(row), met or row.hash == kept
    return Verified(rows, erased, previous, "" if met else f"no row up to {rows} has the hash {kept.hex()}")


def _faults(row: AnyRow, expected: int, previous: bytes) -> Iterator[str]:
    """What is wrong with a row, where `expected` is the id that comes next."""
    if row.id != expected:
        yield f"row {expected} is missing"
    if row.previous != previous:
        yield f"row {row.id} doesn't follow the one before it"
    if not _is_erased(row) and row.digest != _digest(row.salt, row.what):
        yield f"row {row.id}: its words were changed"
    if row.hash != _hash(row._asdict()):
        yield f"row {row.id} was changed"


def _is_erased(row: AnyRow) -> bool:
    return not row.what and row.salt == _NO_SALT


def _digest(salt: bytes, what: str) -> bytes:
    return hashlib.sha256(salt + what.encode()).digest()


def _hash(row: Mapping[str, Any]) -> bytes:
    """Of all that a row says, but the words and their salt, for which the digest stands."""
    said = json.dumps([row[name] for name in _BOUND], ensure_ascii=False, default=_plain)
    return hashlib.sha256(_CONTEXT + said.encode()).digest()


def _plain(value: datetime | bytes) -> str:
    return value.hex() if isinstance(value, bytes) else value.astimezone(UTC).isoformat()
