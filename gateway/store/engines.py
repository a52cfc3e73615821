"""What differs between the engines: SQLite, which one daemon has for itself, and PostgreSQL, which several share.

Everything else in the store is written once, for both. Whatever decides about conversations runs in turn: SQLite has
one writer at a time anyway, PostgreSQL is asked for a lock (`take_turn`) that ends with the transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import (
    Connection,
    Engine,
    Table,
    bindparam,
    column,
    create_engine,
    delete,
    event,
    func,
    insert,
    make_url,
    select,
    text,
)
from sqlalchemy import table as named_table
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gateway.errors import Permanent, StoreError
from gateway.folders import make_folder

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from sqlalchemy.dialects.sqlite import Insert

POSTGRESQL = "postgresql"
_CHANNEL = "gateway"
_TURN = 0x6D61696C  # « mail »: the lock by which daemons take turns
# SQLSTATEs of transactions that came into each other's way: run again, they pass.
_CONFLICTS = frozenset({"40001", "40P01"})
_UNIQUE = "23505"
_LIMIT = "54000"  # what was to be written is larger than an index takes, say
# Said for every session: what was acknowledged is on the disk whatever the server's own setting; a daemon that hangs
# in a transaction, or whose machine is gone, holds the others up for so long at most.
_SESSION = (
    "SET synchronous_commit = on",
    "SET idle_in_transaction_session_timeout = '30s'",
    "SET lock_timeout = '10s'",
    "SET TIME ZONE 'UTC'",
)
_CONNECT: dict[str, Any] = {
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


# --- connections -----------------------------------------------------------------------------------------


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
        connection.info.setdefault("files", _files(connection))


def _look_for_it(connection: Connection) -> None:
    """What is written to a file that somebody removed is taken like any other, and nobody would ever find it."""
    if connection.info.get("files") not in {None, _files(connection)}:
        raise StoreError(
            f"the database {connection.engine.url.database}, or its -wal file, was removed or replaced: "
            "nothing is written until it is put back; restart the gateway if it is to work on another file"
        )


def _files(connection: Connection) -> tuple[tuple[int, int] | None, ...]:
    """Which files bear the names of the database and of its WAL; None where none does."""
    return tuple(_file(Path(f"{connection.engine.url.database}{ending}")) for ending in ("", "-wal"))


def _file(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _postgresql(url: str) -> Engine:
    try:
        engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            connect_args={"application_name": "gateway", **_CONNECT},
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


def take_turn(connection: Connection) -> None:
    """Wait until no other transaction, of whichever process, decides about conversations.

    What is read afterwards is what the one before left. SQLite's writers have taken turns already.
    """
    if connection.dialect.name == POSTGRESQL:
        connection.execute(_LOCK)


_LOCK = select(func.pg_advisory_xact_lock(_TURN))


# --- telling other daemons -------------------------------------------------------------------------------


def tell(connection: Connection, words: str) -> None:
    """Let all daemons on a PostgreSQL store hear this, once the transaction is committed."""
    connection.execute(_TELL, {"words": words})


_TELL = select(func.pg_notify(_CHANNEL, bindparam("words")))


async def ear(engine: Engine) -> AsyncConnection[Any]:
    """A connection that hears what is told: its `notifies()`.

    Raises:
        driver_errors: there is none to be had now.
    """
    from psycopg import AsyncConnection  # noqa: PLC0415 (installed where it is used)

    _, address = engine.dialect.create_connect_args(engine.url)
    connection: AsyncConnection[Any] = await AsyncConnection.connect(
        **address, autocommit=True, application_name="gateway", **_CONNECT
    )
    await connection.execute(f"LISTEN {_CHANNEL}")
    return connection


def driver_errors() -> type[Exception]:
    """What PostgreSQL's driver raises by itself."""
    from psycopg import Error  # noqa: PLC0415 (as above)

    return Error


# --- what went wrong -------------------------------------------------------------------------------------


def words(error: DBAPIError) -> str:
    """The driver's words and the remedy, without statement, parameters and rows: those may hold what people wrote."""
    said = str(getattr(getattr(error.orig, "diag", None), "message_primary", None) or error.orig)
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


# --- statements ------------------------------------------------------------------------------------------


def insert_or(connection: Connection, table: Table) -> Insert:
    """An INSERT that may be told what to do where a row is there already; written alike for both."""
    return _insert(connection.dialect.name, table)


def ignoring(connection: Connection, table: Table) -> Insert:
    """An INSERT that leaves rows as they are that are there already."""
    return _ignoring(connection.dialect.name, table)


def _insert(dialect: str, table: Table) -> Insert:
    if dialect == POSTGRESQL:
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 (3 MB that a store in a file doesn't need)

        return cast("Insert", postgresql.insert(table))  # alike in all that is used of it
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415 (as above)

    return sqlite.insert(table)


@cache
def _ignoring(dialect: str, table: Table) -> Insert:
    return _insert(dialect, table).on_conflict_do_nothing()


def fresh_key(connection: Connection, table: Table) -> int:
    """A key that no row of the table has, had, or will be given by itself. Of tables that give none out twice."""
    key = next(iter(table.primary_key))
    if connection.dialect.name == POSTGRESQL:
        sequence = func.pg_get_serial_sequence(table.name, key.name)
        return int(connection.scalar(select(func.nextval(sequence))) or 0)
    given_out = connection.scalar(select(_SEQUENCE.c.seq).where(_SEQUENCE.c.name == table.name)) or 0
    return int(max(connection.scalar(select(func.max(key))) or 0, given_out)) + 1


def skip_keys(connection: Connection, table: Table, count: int) -> None:
    """Never give out the next `count` keys of such a table."""
    last = fresh_key(connection, table) - 1 + count
    if connection.dialect.name == POSTGRESQL:
        key = next(iter(table.primary_key))
        connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, key.name), last)))
        return
    connection.execute(delete(_SEQUENCE).where(_SEQUENCE.c.name == table.name))
    connection.execute(insert(_SEQUENCE).values(name=table.name, seq=last))


# SQLite's own, for tables with AUTOINCREMENT: the last key that was given out.
_SEQUENCE = named_table("sqlite_sequence", column("name"), column("seq"))


def check_integrity(connection: Connection) -> str:
    """Answer "ok", or why what is kept can't be relied on."""
    if connection.dialect.name == POSTGRESQL:
        unsafe = [name for name in ("fsync", "full_page_writes") if connection.scalar(text(f"SHOW {name}")) == "off"]
        return f"the server runs with {' and '.join(unsafe)} off" if unsafe else "ok"
    return str(connection.execute(text("PRAGMA quick_check(1)")).scalar())


# --- the schema ------------------------------------------------------------------------------------------


@contextmanager
def rebuilding(connection: Connection) -> Iterator[None]:
    """Let tables be rebuilt, outside of a transaction: SQLite drops one first that others refer to."""
    if connection.dialect.name == POSTGRESQL:
        yield
        return
    _references(connection, checked=False)
    yield
    _references(connection, checked=True)


def _references(connection: Connection, *, checked: bool) -> None:
    driver = connection.connection.dbapi_connection
    assert driver is not None
    driver.cursor().execute(f"PRAGMA foreign_keys={'ON' if checked else 'OFF'}").close()


def broken_references(connection: Connection) -> list[str]:
    """The table of each row that refers to one that isn't there, after rebuilding. PostgreSQL lets none be."""
    if connection.dialect.name == POSTGRESQL:
        return []
    return [str(row[0]) for row in connection.exec_driver_sql("PRAGMA foreign_key_check")]
