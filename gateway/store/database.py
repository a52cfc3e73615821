"""The one owner of writes: a thread that takes all jobs that wait, runs them in one transaction, commits once.

    await store.write(job)      job(tx) runs in the writer; its result comes back once it is durable
    await store.read(query)     query(connection) runs beside it, on what was committed last

Each job has its own savepoint: one that raises takes back its own work only. SQLite runs in WAL with
`synchronous=FULL`: only this survives a power cut.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Row, Table, create_engine, event, insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from gateway.errors import StoreError
from gateway.store.packs import Packs

T = TypeVar("T")
AnyRow = Row[*tuple[Any, ...]]
_MOST_JOBS = 256


@dataclass(frozen=True, slots=True)
class Tx:
    """What a job works with: the open transaction, and the packs."""

    connection: Connection
    packs: Packs


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[Tx], Any]
    done: Future[Any]


class Store:
    """An open store. `close` waits for the jobs handed in so far."""

    def __init__(self, url: str, raw: Path) -> None:
        self.engine = engine_for(url)
        self.packs = Packs(raw)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="store-read")
        self._writer = threading.Thread(target=self._write_all, name="store-write", daemon=True)
        self._writer.start()

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in the next transaction; return once it is committed.

        Cancelling the caller doesn't stop a write that is under way.

        Raises:
            StoreError: the database or the disk failed; nothing of it is kept.
        """
        return await asyncio.shield(asyncio.wrap_future(self.submit(work)))

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on a connection of its own.

        Raises:
            StoreError: the database failed.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, query)

    def submit(self, work: Callable[[Tx], T]) -> Future[T]:
        """Hand `work` to the writer; the future tells when it is committed."""
        done: Future[T] = Future()
        self._jobs.put(_Job(work, done))
        return done

    def write_now(self, work: Callable[[Tx], T]) -> T:
        """As `write`, for callers without an event loop: it blocks."""
        return self.submit(work).result()

    def read_now(self, query: Callable[[Connection], T]) -> T:
        """As `read`, for callers without an event loop: it blocks."""
        try:
            with self.engine.connect() as connection, connection.begin():
                return query(connection)
        except DBAPIError as error:
            raise StoreError(_plain(error)) from error

    def close(self) -> None:
        self._jobs.put(None)
        self._writer.join()
        self._readers.shutdown()
        self.packs.close()
        self.engine.dispose()

    def _write_all(self) -> None:
        while (job := self._jobs.get()) is not None:
            jobs, last = self._gather(job)
            self._commit(jobs)
            if last:
                return

    def _gather(self, first: _Job) -> tuple[list[_Job], bool]:
        """All jobs that wait now, and whether the end was asked for behind them."""
        jobs = [first]
        while len(jobs) < _MOST_JOBS:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    def _commit(self, jobs: list[_Job]) -> None:
        outcomes: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            with self.engine.connect() as connection, connection.execution_options(writing=True).begin():
                outcomes = [self._run(job, Tx(connection, self.packs)) for job in jobs]
                self.packs.sync()
        except (DBAPIError, StoreError) as error:
            trouble = error if isinstance(error, StoreError) else StoreError(_plain(error))
            outcomes = [(job, None, trouble) for job in jobs]
        except BaseException as error:  # noqa: BLE001 (whoever waits must be told; the writer must live on)
            outcomes = [(job, None, error) for job in jobs]
        for job, result, failure in outcomes:
            if failure is not None:
                job.done.set_exception(failure)
            else:
                job.done.set_result(result)

    def _run(self, job: _Job, tx: Tx) -> tuple[_Job, Any, BaseException | None]:
        savepoint = tx.connection.begin_nested()
        try:
            result = job.work(tx)
            savepoint.commit()
        except DBAPIError as error:
            if not isinstance(error, IntegrityError):
                raise
            savepoint.rollback()
            return job, None, error
        except Exception as error:  # noqa: BLE001 (a job's failure is its caller's, not the other jobs')
            savepoint.rollback()
            return job, None, error
        return job, result, None


def _plain(error: DBAPIError) -> str:
    """The driver's words, without statement and parameters: those may hold what people wrote."""
    return f"the database failed: {error.orig}"


def engine_for(url: str) -> Engine:
    """An engine that keeps what it is given. `url` as in `store.url`, with an absolute path."""
    folder = Path(url.removeprefix("sqlite:///")).parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = create_engine(url, connect_args={"timeout": 30}, hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: Any) -> None:
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


def inserted(connection: Connection, table: Table, row: dict[str, Any]) -> int:
    """Insert a row; return the key it got."""
    key = connection.execute(insert(table), row).inserted_primary_key
    assert key is not None
    return int(key[0])


def check_integrity(connection: Connection) -> str:
    """Answer "ok", or what SQLite finds damaged."""
    return str(connection.execute(text("PRAGMA quick_check(1)")).scalar())
