"""A store of a million mails in minutes: a few hundred go through the gateway, then SQL multiplies what it wrote.

    python -m tests.bench.large FOLDER 1000000     leaves FOLDER/gateway.toml and its store

Every row that filing and relay wrote is there for each copy, with ids moved on, and with other people, subjects and
Message-IDs: all that is text carries a mark that the copies replace by their number. They came in the course of a
year, the last of them now. What isn't as it would be: the copies' raw mail lies at the same place as the first's, and
chains of hashes aren't computed anew (`gateway audit` and `gateway evidence` would complain). It is for measuring.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy import Column, Connection, LargeBinary, Table, Text, UniqueConstraint, create_engine, func, select
from sqlalchemy.types import TypeDecorator

from gateway import config, waiting
from gateway.clock import utc_now
from gateway.context import context
from gateway.outbound import Relay
from gateway.reading.readers import Readers
from gateway.relay.transport import transport_for
from gateway.store import keys
from gateway.store.database import Store
from gateway.store.engines import is_shared
from gateway.store.opening import opened
from gateway.store.tables import Time, deliveries, metadata
from tests.bench import filing, servers
from tests.servers.ports import free_port

TEMPLATE = 400  # mails that go through the gateway; a quarter of them are replies to the one before
_MARK = "0000000"
_LEFT = {"audit", "rounds", "token_keys"}  # acts of agents: here there are none; what is done at set times
_YEAR = 365 * 86_400 * 1_000_000  # microseconds
_REFERENCES = {"evidence.chain"}  # by which conversations are called elsewhere


def grow(folder: Path, mails: int, url: str = "", template: int = TEMPLATE) -> Path:
    """Make a store of at least so many mails, at `url` or in the folder. Returns its configuration."""
    path = servers.configured(folder, free_port(), url=url)
    settings = config.load(path)
    with opened(settings) as store:
        filing.keep(store, [_mail(number) for number in range(template)])
        uvloop.run(_through(store, settings))
    multiply(settings.store.url, -(-mails // template) - 1)
    return path


def _mail(number: int) -> bytes:
    """A short mail of a person of its own, or the same person's reply to the one before."""
    reply = number % 4 == 3
    person = number - reply
    fields = (
        f"From: Camille <camille.{_MARK}.{person}@usager.example.net>\r\nTo: {filing.RECIPIENT}\r\n"
        f"Subject: {'Re: ' * reply}Ma demande {_MARK}.{person}\r\n"
        f"Message-ID: <{number}.{_MARK}.large@usager.example.net>\r\n"
        "Date: Mon, 02 Nov 2026 10:00:00 +0100\r\nContent-Type: text/plain; charset=utf-8\r\n"
    )
    cited = f"In-Reply-To: <{person}.{_MARK}.large@usager.example.net>\r\n" * reply
    text = (
        f"Bonjour,\r\n\r\nma demande {_MARK}.{person} n'a pas encore reçu de réponse.\r\n" + "Merci. " * 40 + "\r\n"
    )
    return (fields + cited + "\r\n" + text).encode()


async def _through(store: Store, settings: config.Settings) -> None:
    """File all that waits, and deliver all that comes of it."""
    known = context(settings, keys.load_or_make(Path(settings.store.token_keys_file)))
    async with Readers() as readers:
        while await waiting.file_waiting(store, known, readers, "bench", utc_now):
            pass
    relay = Relay(store, lambda: known, transport_for(settings.relay, "relay.example.org"), now=utc_now)
    work = asyncio.create_task(relay.run(asyncio.Event()))
    unsent = select(func.count()).where(deliveries.c.state != "sent")
    while await store.read(lambda connection: connection.scalar(unsent)):  # noqa: ASYNC110 (it has no bell)
        await asyncio.sleep(0.05)
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How an engine is told to take rows as they come: statements before and after. `kept`: a query for how to drop
    what slows copies down or refuses them, and for how it was made."""

    before: tuple[str, ...]
    kept: str
    after: tuple[str, ...]


_SQLITE = _Dialect(
    tuple(
        f"PRAGMA {setting}"
        for setting in ("foreign_keys = OFF", "journal_mode = OFF", "synchronous = OFF", "cache_size = -500000")
    ),
    "SELECT 'DROP ' || type || ' ' || name, sql FROM sqlite_master"
    " WHERE type IN ('index', 'trigger') AND sql IS NOT NULL",
    ("PRAGMA journal_mode = WAL", "ANALYZE"),
)
_MOVED = """
    CREATE FUNCTION moved(octets bytea, k int) RETURNS bytea LANGUAGE sql IMMUTABLE
    AS 'SELECT substr(octets, 1, length(octets) - 8) || int8send(k)'
"""
_POSTGRESQL = _Dialect(
    (
        "SET session_replication_role = replica",  # no triggers, no foreign keys
        "SET synchronous_commit = off",
        _MOVED,
    ),
    "SELECT 'DROP INDEX ' || indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
    " AND indexname NOT IN (SELECT conname FROM pg_constraint)",
    ("DROP FUNCTION moved", "VACUUM ANALYZE"),
)


def multiply(url: str, copies: int) -> None:
    """Add so many copies of all rows. What is put back when they are there: indices, triggers, the next ids."""
    shared = is_shared(url)
    dialect = _POSTGRESQL if shared else _SQLITE
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with contextlib.closing(engine.connect()) as connection:
        if not shared:
            sqlite: Any = connection.connection.driver_connection
            sqlite.create_function("moved", 2, _moved, deterministic=True)
        _do(connection, dialect.before)
        kept = connection.exec_driver_sql(dialect.kept).all()
        _do(connection, [drop for drop, _ in kept])
        highest = {table.name: _highest(connection, table) for table in metadata.sorted_tables}
        apart = _YEAR // max(1, copies)
        for table in metadata.sorted_tables:
            if table.name not in _LEFT:
                _do(connection, earlier(table, apart * copies))
                source = f"CREATE TEMP TABLE source AS SELECT * FROM {table.name}"
                _do(connection, [source, copying(table, highest, copies, apart), "DROP TABLE source"])
            if shared and highest[table.name]:
                serial = f"pg_get_serial_sequence('{table.name}', 'id')"
                _do(connection, [f"SELECT setval({serial}, (SELECT max(id) FROM {table.name}))"])
        _do(connection, [make for _, make in kept])
        _do(connection, dialect.after)
    engine.dispose()


def _do(connection: Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def _moved(octets: bytes | None, copy: int) -> bytes | None:
    """A digest like no other's."""
    return octets and octets[:-8] + copy.to_bytes(8, "big")


def _highest(connection: Connection, table: Table) -> int:
    """By how much the ids of a copy are moved on; 0 for a table without."""
    if [column.name for column in table.primary_key] != ["id"]:
        return 0
    return int(connection.exec_driver_sql(f"SELECT coalesce(max(id), 0) FROM {table.name}").scalar_one())


def earlier(table: Table, by: int) -> list[str]:
    """What puts a table's rows so many microseconds back."""
    times = ", ".join(f'"{column.name}" = "{column.name}" - {by}' for column in table.columns if _is_time(column))
    return [f"UPDATE {table.name} SET {times}"] if times else []


def copying(table: Table, highest: dict[str, int], copies: int, apart: int) -> str:
    """The statement that adds copies 1 to `copies` of a table's rows, which `source` holds; microseconds between."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    values = ", ".join(_copied(column, highest, apart) for column in table.columns)
    numbers = f"WITH RECURSIVE numbers(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM numbers WHERE k < {copies})"
    return f"{numbers} INSERT INTO {table.name} ({names}) SELECT {values} FROM numbers CROSS JOIN source"


def _copied(column: Column[object], highest: dict[str, int], apart: int) -> str:
    """A column's value in copy `k`."""
    name = f'"{column.name}"'
    if _is_time(column):
        return f"{name} + k * {apart}"
    referred = next((key.column for key in column.foreign_keys), column)
    stride = highest[referred.table.name] if referred.name == "id" else 0
    if stride:
        return f"{name} + k * {stride}"
    if _is(referred, LargeBinary):
        return f"moved({name}, k)" if _single(referred) else name
    if not _is(column, Text):
        return name
    replaced = f"replace({name}, '{_MARK}', substr(CAST(10000000 + k AS TEXT), 2))"
    return f"{replaced} || '-' || k" if _single(column) or str(column) in _REFERENCES else replaced


def _is_time(column: Column[object]) -> bool:
    return isinstance(column.type, Time)


def _is(column: Column[object], kind: type) -> bool:
    return isinstance(column.type.impl if isinstance(column.type, TypeDecorator) else column.type, kind)


def _single(column: Column[object]) -> bool:
    """Whether no two rows may have the same."""
    keys: Sequence[object] = (*column.table.constraints, *column.table.indexes)
    alone = [list(key.columns) == [column] for key in keys if isinstance(key, UniqueConstraint)]
    return bool(column.unique) or list(column.table.primary_key) == [column] or any(alone)


if __name__ == "__main__":
    begin = time.monotonic()
    print(grow(Path(sys.argv[1]), int(sys.argv[2])), f"{time.monotonic() - begin:.0f} s")
