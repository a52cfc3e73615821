"""The one owner of writes: a thread that takes all jobs that wait, runs them in one transaction, commits once.

    await store.write(job)      job(tx) runs in the writer; its result comes back once it is durable
    … (job, urgent=True)        before all that isn't: somebody waits at the other end of a connection
    await store.read(query)     query(connection) runs beside it, on what was committed last

Each job has its own savepoint: one that raises takes back its own work only. SQLite runs in WAL with
`synchronous=FULL`: only this survives a power cut. Urgent jobs go first, but one other has its turn forty times
a second, so that nothing is put off for ever.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Row, Table, create_engine, event, insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from gateway.errors import StoreError
from gateway.folders import make_folder
from gateway.store.folder import Folder
from gateway.store.packs import Packs

T = TypeVar("T")
AnyRow = Row[*tuple[Any, ...]]
_LONGEST = 0.1  # seconds for which a transaction takes up jobs while none is urgent
_PUT_OFF = 0.025  # seconds for which urgent jobs may go before the others


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
    """An open store. `raw`: a folder, or packs elsewhere. `close` waits for the jobs handed in so far."""

    def __init__(self, url: str, raw: Path | Packs) -> None:
        self.engine = engine_for(url)
        self.packs: Packs = Folder(raw) if isinstance(raw, Path) else raw
        self._urgent: deque[_Job] = deque()
        self._others: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._turn = 0.0  # when one of the others must be taken
        self._readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="store-read")
        self._writer = threading.Thread(target=self._write_all, name="store-write", daemon=True)
        self._writer.start()

    async def write(self, work: Callable[[Tx], T], *, urgent: bool = False) -> T:
        """Run `work` in the next transaction; return once it is committed.

        Cancelling the caller doesn't stop a write that is under way.

        Raises:
            StoreError: the database or the disk failed; nothing of it is kept.
        """
        return await asyncio.shield(asyncio.wrap_future(self.submit(work, urgent=urgent)))

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on a connection of its own.

        Raises:
            StoreError: the database failed.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, query)

    def submit(self, work: Callable[[Tx], T], *, urgent: bool = False) -> Future[T]:
        """Hand `work` to the writer; the future tells when it is committed."""
        done: Future[T] = Future()
        with self._changed:
            (self._urgent if urgent else self._others).append(_Job(work, done))
            self._changed.notify()
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
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join()
        self._readers.shutdown()
        self.packs.close()
        self.engine.dispose()

    def _write_all(self) -> None:
        while self._await_jobs():
            self._commit()

    def _await_jobs(self) -> bool:
        """Wait for a job. False: the store is being closed, and all are done."""
        with self._changed:
            self._changed.wait_for(lambda: self._urgent or self._others or self._closing)
            return bool(self._urgent or self._others)

    def _jobs(self) -> Iterator[_Job]:
        """The jobs of one transaction: others while none is urgent, or one whose turn it is; then the urgent ones."""
        start = time.monotonic()
        if self._others and (not self._urgent or start >= self._turn):
            yield self._others.popleft()
            while self._others and not self._urgent and time.monotonic() < start + _LONGEST:
                yield self._others.popleft()
            self._turn = time.monotonic() + _PUT_OFF
        for _ in range(len(self._urgent)):
            yield self._urgent.popleft()

    def _commit(self) -> None:
        jobs: list[_Job] = []
        outcomes: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            with self.engine.connect() as connection, connection.execution_options(writing=True).begin():
                for job in self._jobs():
                    jobs.append(job)
                    outcomes.append(self._run(job, Tx(connection, self.packs)))
                self.packs.sync()
        except (DBAPIError, StoreError) as error:
            trouble = error if isinstance(error, StoreError) else StoreError(_plain(error))
            outcomes = [(job, None, trouble) for job in jobs or self._jobs()]
        except BaseException as error:  # noqa: BLE001 (whoever waits must be told; the writer must live on)
            outcomes = [(job, None, error) for job in jobs or self._jobs()]
        for job, result, failure in outcomes:
            if failure is not None:
                job.done.set_exception(failure)
            else:
                job.done.set_result(result)

    def _run(self, job: _Job, tx: Tx) -> tuple[_Job, Any, BaseException | None]:
        try:
            with savepoint(tx.connection):
                result = job.work(tx)
        except DBAPIError as error:
            if not isinstance(error, IntegrityError):
                raise
            return job, None, error
        except Exception as error:  # noqa: BLE001 (a job's failure is its caller's, not the other jobs')
            return job, None, error
        return job, result, None


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Take back what was written inside if it raises. (SQLAlchemy's own one is compiled anew each time.)"""
    connection.exec_driver_sql("SAVEPOINT work")
    try:
        yield
    except OperationalError:
        raise  # the whole transaction is lost
    except BaseException:
        connection.exec_driver_sql("ROLLBACK TO work")
        connection.exec_driver_sql("RELEASE work")
        raise
    connection.exec_driver_sql("RELEASE work")


def _plain(error: DBAPIError) -> str:
    """The driver's words, without statement and parameters: those may hold what people wrote."""
    return f"the database failed: {error.orig}"


def engine_for(url: str) -> Engine:
    """An engine that keeps what it is given. `url` as in `store.url`, with an absolute path."""
    folder = Path(url.removeprefix("sqlite:///")).parent
    try:
        make_folder(folder)
    except OSError as error:
        raise StoreError(f"the store's folder {folder} can't be made: {error.strerror}") from error
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


_into = cache(insert)  # building a statement costs more than running it


def inserted(connection: Connection, table: Table, row: dict[str, Any]) -> int:
    """Insert a row; return the key it got."""
    key = connection.execute(_into(table), row).inserted_primary_key
    assert key is not None
    return int(key[0])


def check_integrity(connection: Connection) -> str:
    """Answer "ok", or what SQLite finds damaged."""
    return str(connection.execute(text("PRAGMA quick_check(1)")).scalar())
