"""Opening the store that a configuration names, and who may: one daemon a file, its schema as it must be."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy.exc import DBAPIError

from gateway.config import Settings
from gateway.errors import ConfigError, StoreError, Temporary
from gateway.folders import make_folder
from gateway.store import failures, schema
from gateway.store.apart import apart
from gateway.store.database import Store
from gateway.store.engines import engine_for, file_of, lends_sessions, shown
from gateway.store.places import packs_for


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """The store, its schema current; made where there is none. What is written meanwhile is for this account alone.

    Raises:
        StoreError: it can't be opened.
        Permanent: it is damaged, or of another version.
    """
    with private(), closing(_store(settings)) as store:
        schema.begin(store.engine)
        yield store


@contextmanager
def upgraded(settings: Settings) -> Iterator[Store]:
    """The same for the daemon, which brings a schema of an older version up to date. Nobody else is at work on it.

    Raises:
        Temporary: another daemon runs on it.
        ConfigError: a pooler stands before it through which it can't be worked on.
    """
    with private(), alone(settings):
        if not _is_current(settings):
            apart(lambda: _upgrade(settings))  # what upgrades is 11 MB, and runs once in many starts
        with closing(_store(settings)) as store:
            require_sessions(store)
            schema.require(store.engine)
            yield store


def _is_current(settings: Settings) -> bool:
    """Asked on a connection that is closed again: none may be open when a process is copied."""
    engine = engine_for(settings.store.database)
    try:
        return schema.version(engine) == schema.HEAD
    finally:
        engine.dispose()


def _upgrade(settings: Settings) -> None:
    with closing(_store(settings)) as store:
        require_sessions(store)
        schema.upgrade(store.engine)


def require_sessions(store: Store) -> None:
    """Look for a pooler in between that the gateway can't work through.

    Raises:
        ConfigError: there is one.
        StoreError: it can't be asked now.
    """
    try:
        lent = lends_sessions(store.engine)
    except DBAPIError as error:
        raise StoreError(failures.words(error)) from error
    if lent:
        raise ConfigError(
            f"store.url: a pooler stands before {shown(store.engine)} that lends its sessions for a transaction: "
            "let it pool by session (pool_mode = session), or name the server itself"
        )


def upgrade(settings: Settings) -> str:
    """Bring the schema up to date, unless it is; return the version it had."""
    with private(), closing(_store(settings)) as store:
        if (before := schema.version(store.engine)) == schema.HEAD:
            return before
        with alone(settings):
            return schema.upgrade(store.engine)


def _store(settings: Settings) -> Store:
    return Store(settings.store.database, packs_for(settings.store))


@contextmanager
def private() -> Iterator[None]:
    """What is written meanwhile is for this account alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Hold the lock that keeps a second daemon off a store in a file; those on PostgreSQL share it.

    Raises:
        Temporary: somebody else holds it.
    """
    database = file_of(settings.store.url)
    if database is None:
        yield
        return
    path = database.with_name(f"{database.name}.lock")
    make_folder(path.parent)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Temporary(
                f"another gateway runs on this store ({path} is locked); several can share one in PostgreSQL alone"
            ) from error
        yield
