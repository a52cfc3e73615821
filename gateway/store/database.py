"""The one owner of writes and reads. Durable is what `write` has returned from.

    await store.write(job)      job(tx) runs in the writer; its result comes back once it is durable
    … (job, urgent=True)        before all that isn't: somebody waits at the other end of a connection
    … (job, beside=True)        it decides nothing about conversations: it needn't wait for other daemons' turn
    … (job, sharing=True)       it says itself what it shares the turn for (gateway.store.turns)
    … (job, apart=True)         nor for raw mail that is being put where it is kept: a sign of life
    await store.read(query)     query(connection) runs beside it, on what was committed last

SQLite has one writer; it runs in WAL with `synchronous=FULL`: only this survives a power cut. On PostgreSQL there are
four: one whose transactions take turns with those of every other daemon, so that what decides about conversations
sees what all others decided; one for what shares a turn with its like; one, for what is urgent or `beside`, that only
ever locks the rows that it writes; and one for what others must see in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Table, insert
from sqlalchemy.exc import DBAPIError

from gateway.errors import StoreError
from gateway.store import engines, failures
from gateway.store.folder import Folder
from gateway.store.packs import Packs
from gateway.store.prepared import Prepared
from gateway.store.rush import Rush
from gateway.store.writer import Tx, Writer, savepoint

__all__ = ["AnyRow", "Store", "Tx", "insert_each", "inserted", "savepoint"]

T = TypeVar("T")
AnyRow = Row[*tuple[Any, ...]]


class Store:
    """An open store. `raw`: a folder, or packs elsewhere. `close` waits for the jobs handed in so far."""

    def __init__(self, url: str, raw: Path | Packs) -> None:
        self.engine = engines.engine_for(url)
        self.packs: Packs = Folder(raw) if isinstance(raw, Path) else raw
        self.shared = engines.is_shared(url)
        self._reading = engines.for_reading(self.engine)
        self._readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="store-read")
        self.rush = Rush()  # of mail that is being kept
        rush = Rush() if self.shared else self.rush
        self._writer = Writer(lambda: self.engine, self.packs, rush, in_turn=True, name="store-write")
        self._beside = self._apart = self._sharing = self._writer
        if self.shared:
            self._beside = self._another(self.rush, "store-write-beside")
            self._apart = self._another(Rush(), "store-write-apart")
            self._sharing = self._another(Rush(), "store-write-sharing", single=True)

    def _another(self, rush: Rush, name: str, *, single: bool = False) -> Writer:
        """With packs of its own: two threads never write to one."""
        return Writer(lambda: self.engine, self.packs.another(), rush, in_turn=False, single=single, name=name)

    async def write(
        self,
        work: Callable[[Tx], T],
        *,
        urgent: bool = False,
        beside: bool = False,
        sharing: bool = False,
        apart: bool = False,
    ) -> T:
        """Run `work` in the next transaction; return once it is committed.

        Cancelling the caller doesn't stop a write that is under way.

        Raises:
            StoreError: the database or the disk failed; nothing of it is kept.
        """
        done = self.submit(work, urgent=urgent, beside=beside, sharing=sharing, apart=apart)
        return await asyncio.shield(asyncio.wrap_future(done))

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on a connection of its own.

        Raises:
            StoreError: the database failed.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, query)

    def submit(
        self,
        work: Callable[[Tx], T],
        *,
        urgent: bool = False,
        beside: bool = False,
        sharing: bool = False,
        apart: bool = False,
    ) -> Future[T]:
        """Hand `work` to its writer; the future tells when it is committed."""
        others = ((apart, self._apart), (urgent or beside, self._beside), (sharing, self._sharing))
        writer = next((writer for wanted, writer in others if wanted), self._writer)
        return writer.submit(work, urgent=urgent)

    def write_now(self, work: Callable[[Tx], T]) -> T:
        """As `write`, for callers without an event loop: it blocks."""
        return self.submit(work).result()

    def read_now(self, query: Callable[[Connection], T]) -> T:
        """As `read`, for callers without an event loop: it blocks."""
        try:
            with engines.connected(self._reading) as connection, connection.begin():
                return query(connection)
        except DBAPIError as error:
            raise StoreError(failures.words(error)) from error

    def close(self) -> None:
        for writer in {self._writer, self._beside, self._sharing, self._apart}:
            writer.close()
        self._readers.shutdown()
        self.engine.dispose()


def inserted(connection: Connection, table: Table, row: dict[str, Any]) -> int:
    """Insert a row; return the key it got."""
    return int(_into(table, tuple(row)).scalar(connection, row))


def insert_each(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of the same columns in one go."""
    if rows:
        _each_into(table, tuple(rows[0])).run_each(connection, rows)


@cache
def _each_into(table: Table, columns: tuple[str, ...]) -> Prepared:
    return Prepared(insert(table).inline(), columns)


@cache
def _into(table: Table, columns: tuple[str, ...]) -> Prepared:
    return Prepared(insert(table).returning(*table.primary_key), columns)
