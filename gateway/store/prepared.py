"""Statements that run with every mail, compiled once: what SQLAlchemy does around each costs more than most of them.

They are written as all others are, mean the same on every engine, and raise the same errors. Parameters have names;
one that stands for a list can't be among them: `About` is for those. They need an open transaction, and run in it.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import compress, cycle, islice
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Dialect, bindparam, literal, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement
from sqlalchemy.types import TypeEngine

T = TypeVar("T")
Values = Mapping[str, Any]
_MOST_AT_ONCE = 64
_TOGETHER = 20  # values that one statement looks for, each by itself


class Prepared:
    """A statement. `columns`: of an INSERT, those that it gives."""

    def __init__(self, statement: ClauseElement, columns: Iterable[str] | None = None) -> None:
        self._statement = statement
        self._columns = None if columns is None else list(columns)
        self._made: dict[str, _Made] = {}

    def run(self, connection: Connection, values: Values) -> int:
        """Run it; how many rows it changed."""
        made = self._for(connection.dialect)
        return int(made.run(connection, made.bound(values)).rowcount)

    def run_each(self, connection: Connection, rows: Iterable[Values]) -> int:
        """Run it with each of these, in one go; how many rows that changed."""
        made = self._for(connection.dialect)
        return int(made.run(connection, list(map(made.bound, rows)), many=True).rowcount)

    def rows(self, connection: Connection, values: Values) -> list[Any]:
        """What it finds, as tuples with the columns' names."""
        made = self._for(connection.dialect)
        return list(map(made.row, made.run(connection, made.bound(values)).fetchall()))

    def first(self, connection: Connection, values: Values) -> Any:
        """The first row that it finds, or None."""
        return next(iter(self.rows(connection, values)), None)

    def scalars(self, connection: Connection, values: Values) -> list[Any]:
        """The first column of what it finds."""
        return [row[0] for row in self.rows(connection, values)]

    def scalar(self, connection: Connection, values: Values) -> Any:
        """The first column of the first row that it finds, or None."""
        return next(iter(self.scalars(connection, values)), None)

    def _for(self, dialect: Dialect) -> _Made:
        made = self._made.get(dialect.name)
        if made is None:
            made = self._made[dialect.name] = _Made(self._statement, dialect, self._columns)
        return made


class About:
    """A statement about a list of values: compiled for few lengths, of which the next one is filled up.

    `statement`: what it is for so many placeholders; a value that comes twice must mean the same as once.
    """

    def __init__(self, statement: Callable[[list[ColumnElement[Any]]], ClauseElement]) -> None:
        self._statement = statement
        self._sized: dict[int, Prepared] = {}

    def rows(self, connection: Connection, about: Iterable[Any], values: Values = MappingProxyType({})) -> list[Any]:
        """What it finds, in no order; `values` are those of its other parameters."""
        found: list[Any] = []
        left = list(about)
        while left:
            some, left = left[:_MOST_AT_ONCE], left[_MOST_AT_ONCE:]
            size = 1 << (len(some) - 1).bit_length()
            filled = some + some[-1:] * (size - len(some))
            found += self._for(size).rows(connection, {**dict(zip(_names(size), filled, strict=True)), **values})
        return found

    def _for(self, size: int) -> Prepared:
        if size not in self._sized:
            self._sized[size] = Prepared(self._statement([bindparam(name) for name in _names(size)]))
        return self._sized[size]


@cache
def _names(size: int) -> tuple[str, ...]:
    return tuple(f"value_{number}" for number in range(size))


class Present:
    """Which of several values a column has, in rows for which `which` holds: many are asked for together.

    Each is looked for until the first row is found. The statement is always the same: what is short is filled up.
    """

    def __init__(self, column: ColumnElement[Any], *which: ColumnElement[bool]) -> None:
        one = (column == bindparam(f"v{n}", type_=column.type) for n in range(_TOGETHER))
        there = (select(literal(1)).where(is_it, *which).exists() for is_it in one)
        self._query = Prepared(select(*(found.label(f"f{n}") for n, found in enumerate(there))))

    def among(self, connection: Connection, values: Iterable[T], more: Values = MappingProxyType({})) -> set[T]:
        """Those that there are; nothing empty is ever there. `more`: the parameters of `which`."""
        found: set[T] = set()
        wanted = list(dict.fromkeys(filter(None, values)))
        for start in range(0, len(wanted), _TOGETHER):
            some = list(islice(cycle(wanted[start : start + _TOGETHER]), _TOGETHER))
            row = self._query.first(connection, {**more, **{f"v{n}": value for n, value in enumerate(some)}})
            found.update(compress(some, row))
        return found


class _Made:
    """What a statement comes to on one engine."""

    def __init__(self, statement: ClauseElement, dialect: Dialect, columns: list[str] | None) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=columns)
        assert not compiled.post_compile_params, "a list is of no fixed length"
        self._sql = str(compiled)
        self._by_place = bool(compiled.positional)
        self._names = compiled.positiontup if self._by_place else list(compiled.params)
        self._fixed = {name: bind.value for bind, name in compiled.bind_names.items() if not bind.required}
        self._binding: dict[str, Callable[[Any], Any]] = dict(compiled._bind_processors)
        found = compiled._result_columns or ()
        names = " ".join(column.keyname for column in found)
        self._row: Any = namedtuple("Found", names, rename=True)  # type: ignore[misc]  # known at run time alone
        self._reading = [(n, read) for n, c in enumerate(found) if (read := _reader(c.type, dialect)) is not None]

    def run(self, connection: Connection, values: Any, *, many: bool = False) -> Any:
        """Its cursor, once it has run. The driver's errors become SQLAlchemy's, without what was to be written."""
        cursor = connection.connection.cursor()
        try:
            (cursor.executemany if many else cursor.execute)(self._sql, values)
        except Exception as error:
            raise _as_elsewhere(error, self._sql, connection.dialect) from error
        return cursor

    def bound(self, values: Values) -> Any:
        """The values as the driver takes them: by place, or by name."""
        taken = {**self._fixed, **values}
        for name, convert in self._binding.items():
            taken[name] = convert(taken[name])
        return tuple([taken[name] for name in self._names]) if self._by_place else taken

    def row(self, found: Sequence[Any]) -> Any:
        row = list(found)
        for place, read in self._reading:
            row[place] = read(row[place])
        return self._row._make(row)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _as_elsewhere(error: Exception, sql: str, dialect: Dialect) -> BaseException:
    driver = dialect.loaded_dbapi.Error
    return DBAPIError.instance(sql, None, error, driver, dialect=dialect)
