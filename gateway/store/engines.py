"""The engines: SQLite, which one daemon has for itself, and PostgreSQL, which several share.

How they are opened, and what a connection to them is told. Where else they differ: `turns`, `channel`, `statements`,
`failures`; everything else in the store is written once, for both.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gateway.errors import Permanent, StoreError
from gateway.folders import make_folder

Files = tuple[tuple[int, int] | None, ...]  # device and inode of each
POSTGRESQL = "postgresql"
# Said for every session: what was acknowledged is on the disk whatever the server's own setting; a daemon that hangs
# in a transaction, or whose machine is gone, holds the others up for so long at most.
_SESSION = (
    "SET synchronous_commit = on",
    "SET idle_in_transaction_session_timeout = '30s'",
    "SET lock_timeout = '10s'",
    "SET TIME ZONE 'UTC'",
)
CONNECT: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def engine_for(url: str) -> Engine:
    """An engine that keeps what it is given. `url` as in `store.url`: of a file, with an absolute path.

    Raises:
        StoreError: the folder of the file can't be made.
        Permanent: what PostgreSQL needs isn't installed.
    """
    return _postgresql(url) if is_shared(url) else _sqlite(url)


def is_shared(url: str) -> bool:
    """May several daemons work on this store?"""
    return url.startswith(POSTGRESQL)


def file_of(url: str) -> Path | None:
    """The file that holds the store, None where a server has it."""
    return None if is_shared(url) else Path(url.removeprefix("sqlite:///"))


def shown(engine: Engine) -> str:
    """The store's name, for messages: never with a password."""
    url = engine.url
    return f"{url.host or 'local'}/{url.database}" if is_shared(url.drivername) else str(url.database)


def _sqlite(url: str) -> Engine:
    folder = Path(url.removeprefix("sqlite:///")).parent
    try:
        make_folder(folder)
    except OSError as error:
        raise StoreError(f"the store's folder {folder} can't be made: {error.strerror}") from error
    engine = create_engine(url, connect_args={"timeout": 30}, hide_parameters=True)
    event.listen(engine, "connect", _pragmas)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "commit", _look_for_it)
    return engine


def _pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own idea of it breaks savepoints
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=30000",
        "cache_size=-16000",
        "journal_size_limit=67108864",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
    if writing:
        connection.info.setdefault("files", _files(connection.engine))


def _look_for_it(connection: Connection) -> None:
    look_for(connection.engine, used(connection))


def used(connection: Connection) -> Files | None:
    """The files that a connection writes to; None where it never did, and on a server."""
    return connection.info.get("files")


def look_for(engine: Engine, files: Files | None) -> None:
    """What is written to a file that somebody removed is taken like any other, and nobody would ever find it.

    Raises:
        StoreError: these files don't bear the database's names any more.
    """
    if files not in {None, _files(engine)}:
        raise StoreError(
            f"the database {engine.url.database}, or its -wal file, was removed or replaced: "
            "nothing is written until it is put back; restart the gateway if it is to work on another file"
        )


def _files(engine: Engine) -> Files:
    """Which files bear the names of the database and of its WAL; None where none does."""
    return tuple(_file(f"{engine.url.database}{ending}") for ending in ("", "-wal"))


def _file(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _postgresql(url: str) -> Engine:
    try:
        engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            connect_args={"application_name": "gateway", **CONNECT},
            hide_parameters=True,
            isolation_level="READ COMMITTED",  # whoever waited for their turn must see what those before them wrote
            pool_pre_ping=True,  # a server that came back is noticed before a sender is told to come again
            pool_size=8,
        )
    except ImportError as error:
        raise Permanent("a store in PostgreSQL needs psycopg: pip install 'gateway[postgresql]'") from error
    event.listen(engine, "connect", _session)
    return engine


def _session(connection: Any, _record: Any) -> None:
    connection.adapters.register_dumper(str, _storable_dumper())
    with connection.cursor() as cursor:
        for setting in _SESSION:
            cursor.execute(setting)
    connection.commit()


@cache
def _storable_dumper() -> type[Any]:
    from psycopg.types.string import StrDumper  # noqa: PLC0415 (installed where it is used)

    class Storable(StrDumper):
        """PostgreSQL keeps no NUL in a text. Whoever writes one to us is filed all the same."""

        def dump(self, obj: str) -> Any:
            return super().dump(storable(obj))

    return Storable


def storable(text: str) -> str:
    """The text as every engine keeps it: without NUL."""
    return text.replace("\0", "\ufffd")


def for_reading(engine: Engine) -> Engine:
    """The engine for queries: each sees one state of the store, however many statements it takes."""
    if engine.dialect.name != POSTGRESQL:
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """A connection of the pool, given back in the end.

    Raises:
        StoreError: all of them are waiting for an answer.
        DBAPIError: there is none to be had.
    """
    try:
        connection = engine.connect()
    except PoolTimeoutError as error:
        raise StoreError("the database failed: it answers on none of its connections") from error
    with connection:
        yield connection


def octets(connection: Connection) -> int:
    """How large the database is, without its log."""
    if connection.dialect.name == POSTGRESQL:
        return int(connection.scalar(select(func.pg_database_size(func.current_database()))) or 0)
    pages, size = (connection.scalar(text(f"PRAGMA {name}")) or 0 for name in ("page_count", "page_size"))
    return int(pages * size)


def check_integrity(connection: Connection) -> str:
    """Answer "ok", or why what is kept can't be relied on."""
    if connection.dialect.name == POSTGRESQL:
        unsafe = [name for name in ("fsync", "full_page_writes") if connection.scalar(text(f"SHOW {name}")) == "off"]
        return f"the server runs with {' and '.join(unsafe)} off" if unsafe else "ok"
    return str(connection.execute(text("PRAGMA quick_check(1)")).scalar())


def lends_sessions(engine: Engine) -> bool:
    """Does a pooler between us and PostgreSQL lend its sessions for a transaction alone?

    Then nothing lasts that is said for a session: prepared statements, LISTEN, settings. Two connections that take
    turns are one session then, or one of them is several.
    """
    if not is_shared(engine.url.drivername):
        return False
    with engine.connect() as one, engine.connect() as other:
        sessions = [_session_of(connection) for _ in range(3) for connection in (one, other)]
    return sessions[0::2] != [sessions[0]] * 3 or sessions[1::2] != [sessions[1]] * 3 or sessions[0] == sessions[1]


def _session_of(connection: Connection) -> int:
    found = connection.execute(select(func.pg_backend_pid())).scalar_one()
    connection.commit()
    return int(found)
