"""The schema's version: made at first start, brought up to date later, refused when it is newer than this code.

Alembic is only imported when there is something to do: a daemon that starts on a current store doesn't need it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from gateway.errors import Permanent, StoreError
from gateway.store import engines, failures, turns
from gateway.store.engines import POSTGRESQL

HEAD = "0014"


def current(connection: Connection) -> str:
    """The version of the schema there, or "" for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def version(engine: Engine) -> str:
    """The version of the schema there, or "" for an empty database.

    Raises:
        StoreError: it can't be opened.
        Permanent: it is newer than this code, or the file isn't a database.
    """
    try:
        with engine.connect() as connection:
            found = current(connection)
    except DBAPIError as error:
        words = failures.words(error)
        if "not a database" in words or "malformed" in words:
            raise Permanent(f"the store {engines.shown(engine)} is damaged: restore it from a backup") from error
        raise StoreError(f"the store {engines.shown(engine)} can't be opened: {words}") from error
    if found > HEAD:
        raise Permanent(
            f"the store {engines.shown(engine)} was written by a newer gateway (schema {found}, not {HEAD}): "
            "install that version again, or restore a backup made before it"
        )
    return found


def require(engine: Engine) -> None:
    """Make sure that the schema is `HEAD`, and change nothing.

    Raises:
        StoreError: it isn't yet, or it can't be opened.
        Permanent: as for `version`.
    """
    found = version(engine)
    if found != HEAD:
        older = f"of an older version (schema {found}, not {HEAD})" if found else "empty"
        raise StoreError(
            f"the store {engines.shown(engine)} is {older}: `gateway db upgrade` or the start of the daemon mends it"
        )


def begin(engine: Engine) -> None:
    """Make the schema in an empty database. One of an older version stays: a daemon may be at work on it.

    Raises:
        StoreError, Permanent: as for `require`.
    """
    if version(engine):
        require(engine)
    else:
        upgrade(engine)


def upgrade(engine: Engine) -> str:
    """Bring the schema to `HEAD`; return the version it had.

    Raises:
        StoreError: it can't be opened or changed now.
        Permanent: as for `version`.
    """
    before = version(engine)
    if before == HEAD:
        return before
    try:
        _migrate(engine)
    except DBAPIError as error:
        raise StoreError(f"the store {engines.shown(engine)} can't be upgraded: {failures.words(error)}") from error
    return before


def _migrate(engine: Engine) -> None:
    from alembic import command  # noqa: PLC0415 (see above)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    writing = engine.connect().execution_options(writing=True)
    with writing as connection, rebuilding(connection), connection.begin():
        turns.take(connection)  # several daemons may start at once: the first does it
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        # References hold again when all is done.
        if broken := _broken_references(connection):
            raise StoreError(f"the upgrade would break {len(broken)} reference(s) of {broken[0]}: nothing is done")


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


def _broken_references(connection: Connection) -> list[str]:
    """The table of each row that refers to one that isn't there, after rebuilding. PostgreSQL lets none be."""
    if connection.dialect.name == POSTGRESQL:
        return []
    return [str(row[0]) for row in connection.exec_driver_sql("PRAGMA foreign_key_check")]
