"""What went wrong with a statement or a transaction, and whose fault it is."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError, ProgrammingError

# SQLSTATEs of transactions that came into each other's way: run again, they pass.
_CONFLICTS = frozenset({"40001", "40P01"})
_UNIQUE = "23505"
_LOCKED = "55P03"  # somebody holds what is to be written, for longer than `lock_timeout`
_LIMIT = "54000"  # what was to be written is larger than an index takes, say


def words(error: DBAPIError) -> str:
    """The driver's words and the remedy, without statement, parameters and rows: those may hold what people wrote."""
    said = str(getattr(getattr(error.orig, "diag", None), "message_primary", None) or error.orig)
    if _state(error) == _LOCKED or "database is locked" in said:
        return f"the database is busy: somebody else holds what is to be written ({said})"
    remedy = next((remedy for known, remedy in _REMEDIES.items() if known in said), "")
    return f"the database failed: {said}{remedy}"


_DAMAGED = "; stop the daemon, look at the disk and at `gateway check`, and restore a backup"
_REMEDIES = {
    "malformed": _DAMAGED,
    "not a database": _DAMAGED,
    "disk I/O error": "; look at the disk and at the system's log",
    "database or disk is full": "; make room, it goes on by itself",
    "readonly database": "; the gateway's account must be able to write the file and its folder",
    "unable to open database file": "; the gateway's account must be able to write the file and its folder",
}


def breaks_a_rule(error: DBAPIError) -> bool:
    """Did what was to be written break a rule? Then its savepoint is enough; else the transaction is lost."""
    return isinstance(error, IntegrityError | DataError) or _state(error) == _LIMIT


def blames_the_row(error: DBAPIError) -> bool:
    """Is what was to be written at fault, and not the disk or the server?"""
    # SQLite's driver calls a value that it can't bind a programming error, or one of its interface.
    unbound = isinstance(error, ProgrammingError | InterfaceError) and isinstance(error.orig, sqlite3.Error)
    return unbound or breaks_a_rule(error)


def is_conflict(error: BaseException) -> bool:
    """Did transactions come into each other's way, so that it passes when it is run again?"""
    return isinstance(error, DBAPIError) and _state(error) in _CONFLICTS


def came_second(error: BaseException) -> bool:
    """Was there meanwhile what a look-up hadn't found? Only with several writers: run again, it finds it."""
    return isinstance(error, IntegrityError) and _state(error) == _UNIQUE


def is_lost(error: BaseException) -> bool:
    """Is the whole transaction lost, so that not even its savepoints can be gone back to?"""
    return isinstance(error, OperationalError) and not breaks_a_rule(error)


def _state(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)
