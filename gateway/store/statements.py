"""Statements that each engine has its own words for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, cast

from sqlalchemy import Connection, Integer, Table, bindparam, column, delete, func, insert, select
from sqlalchemy import table as named_table

from gateway.store.engines import POSTGRESQL
from gateway.store.prepared import Prepared

if TYPE_CHECKING:
    from sqlalchemy.dialects.sqlite import Insert


def insert_or(connection: Connection, table: Table) -> Insert:
    """An INSERT that may be told what to do where a row is there already; written alike for both."""
    return _insert(connection.dialect.name, table)


def ignoring(connection: Connection, table: Table) -> Insert:
    """An INSERT that leaves rows as they are that are there already."""
    return _ignoring(connection.dialect.name, table)


@cache
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
    """A key that no row has, or will be given by itself, nor had one where the table gives none out twice."""
    return fresh_keys(connection, table, 1)[0]


def fresh_keys(connection: Connection, table: Table, count: int) -> Sequence[int]:
    """So many of them, in their order. SQLite gives them out again, unless the rows are there by then."""
    if connection.dialect.name == POSTGRESQL:
        return _next_of_sequence(table).scalars(connection, {"count": count})
    first = int(_last_of_table(table).scalar(connection, {})) + 1
    return range(first, first + count)


@cache
def _next_of_sequence(table: Table) -> Prepared:
    sequence = func.pg_get_serial_sequence(table.name, next(iter(table.primary_key)).name)
    each = func.generate_series(1, bindparam("count", type_=Integer))
    return Prepared(select(func.nextval(sequence)).select_from(each))


@cache
def _last_of_table(table: Table) -> Prepared:
    given_out = select(_SEQUENCE.c.seq).where(_SEQUENCE.c.name == table.name).scalar_subquery()
    there = select(func.max(next(iter(table.primary_key)))).scalar_subquery()
    return Prepared(select(func.max(func.coalesce(given_out, 0), func.coalesce(there, 0))))


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
