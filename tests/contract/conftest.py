"""The contract of the store: what asks for `engine`, as `store` does, runs on SQLite and on PostgreSQL.

What is true of one alone says so: `@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store import schema
from gateway.store.database import Store
from gateway.store.engines import engine_for
from tests.builders import Databases, opened, sqlite_in
from tests.servers import postgresql

_MISSING = pytest.mark.skipif(postgresql.BIN is None, reason=postgresql.MISSING)


@pytest.fixture(scope="session")
def server() -> Iterator[postgresql.PostgreSQL]:
    """A PostgreSQL with a database `current`, which has the schema and nothing in it."""
    server = postgresql.PostgreSQL(durable=False)
    try:
        server.sql("CREATE DATABASE current")
        engine = engine_for(server.url("current"))
        schema.upgrade(engine)
        engine.dispose()
        yield server
    finally:
        server.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=_MISSING)])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Which engine it is. On PostgreSQL the store of each folder is a database of its own."""
    if request.param == "sqlite":
        yield request.param
        return
    server: postgresql.PostgreSQL = request.getfixturevalue("server")
    made: dict[Path, str] = {}

    def of(folder: Path) -> str:
        if folder not in made:
            made[folder] = server.database("current")
        return server.url(made[folder])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Databases, "of", staticmethod(of))
        yield request.param
    for name in made.values():
        server.drop(name)


@pytest.fixture
def empty(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a store that has no schema yet."""
    if engine == "sqlite":
        yield sqlite_in(tmp_path)
        return
    server: postgresql.PostgreSQL = request.getfixturevalue("server")
    name = server.database()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def store(engine: str, tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store
