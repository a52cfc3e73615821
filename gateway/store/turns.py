"""Whose turn it is: whatever decides about conversations runs in turn, so that it sees what all others decided.

SQLite has one writer at a time anyway; PostgreSQL is asked for a lock that ends with the transaction.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from gateway.store.engines import POSTGRESQL

_TURN = 0x6D61696C  # « mail »: the lock by which daemons take turns


def take(connection: Connection) -> None:
    """Wait until no other transaction, of whichever process, decides about conversations.

    What is read afterwards is what the one before left. SQLite's writers have taken turns already.
    """
    if connection.dialect.name == POSTGRESQL:
        connection.execute(_LOCK)


_LOCK = select(func.pg_advisory_xact_lock(_TURN))
