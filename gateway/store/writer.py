"""A writer: a thread that takes all jobs that wait, runs them in one transaction, commits once.

Each job has its own savepoint: one that raises takes back its own work only. Urgent jobs go first; in a rush, those
that aren't have an eighth of the time, so that nothing waits for ever. Where it is the database that acknowledges
mail, they go one by one, in between; where that lies in a pack, they take their share in one go: done together, they
cost less, and one commit.
Where transactions of several daemons come into each other's way, the jobs are run again: a job must do nothing but
what is taken back with its transaction.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from gateway.errors import StoreError
from gateway.store import engines, failures, turns
from gateway.store.packs import Packs
from gateway.store.prepared import Prepared
from gateway.store.rush import Rush

T = TypeVar("T")
_LONGEST = 0.1  # seconds for which a transaction takes up jobs while none is urgent
_PUT_OFF = 0.025  # seconds for which urgent jobs may go before the others, or a rush; longer after a long turn
_REST, _LONGEST_REST = 7, 5.0  # times as long as their turn was, and seconds
_SAVE, _GO_BACK, _RELEASE = (
    Prepared(text(words)) for words in ("SAVEPOINT work", "ROLLBACK TO SAVEPOINT work", "RELEASE SAVEPOINT work")
)
_TRIES = 5  # of what comes into the way of other transactions


@dataclass(frozen=True, slots=True)
class Tx:
    """What a job works with: the open transaction, and the packs.

    `in_haste`: is somebody waiting, or is it time to commit? A job of many parts leaves some for another, then.
    """

    connection: Connection
    packs: Packs
    in_haste: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[Tx], Any]
    done: Future[Any]


_Outcome = tuple[_Job, Any, BaseException | None]


class Writer:
    """The thread and what waits for it. `in_turn`: its transactions keep those of other daemons' waiting.
    `single`: each job has a transaction to itself."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        packs: Packs,
        rush: Rush,
        *,
        in_turn: bool,
        name: str,
        single: bool = False,
    ) -> None:
        self._engine = engine
        self._packs = packs
        self._in_turn = in_turn
        self._longest = 0.0 if single else _LONGEST
        self._urgent: deque[_Job] = deque()
        self._others: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._turn = 0.0  # when one of the others must be taken
        self._began = 0.0  # the last transaction
        self._rush = rush
        self._thread = threading.Thread(target=self._write_all, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Tx], T], *, urgent: bool) -> Future[T]:
        """Hand `work` in; the future tells when it is committed."""
        done: Future[T] = Future()
        with self._changed:
            (self._urgent if urgent else self._others).append(_Job(work, done))
            self._changed.notify()
        return done

    def close(self) -> None:
        """Wait for the jobs handed in so far."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._packs.close()

    def _write_all(self) -> None:
        while self._await_jobs():
            for job, result, failure in self._committed():
                if failure is not None:
                    job.done.set_exception(failure)
                else:
                    job.done.set_result(result)

    def _await_jobs(self) -> bool:
        """Wait for a job. False: the store is being closed, and all are done."""
        with self._changed:
            while not (self._urgent or self._closing):
                left = self._put_off(time.monotonic()) if self._others else None
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            return bool(self._urgent or self._others)

    def _put_off(self, now: float) -> float:
        """Seconds until the others may be taken."""
        return min(self._turn, self._rush.until(now)) - now

    def _jobs(self) -> Iterator[_Job]:
        """The jobs of one transaction: others while none is urgent, or one whose turn it is; then the urgent ones."""
        start = self._began = time.monotonic()
        rush = self._rush.until(start) > start
        if self._others and (start >= self._turn or not (self._urgent or rush)):
            yield self._others.popleft()
            while self._others and not self._in_haste():
                yield self._others.popleft()
            now = time.monotonic()
            self._turn = now + min(max(_PUT_OFF, _REST * (now - start)), _LONGEST_REST)
        for _ in range(len(self._urgent)):
            yield self._urgent.popleft()

    def _in_haste(self) -> bool:
        """Do urgent jobs wait, or come one after the other, or has the transaction lasted for long enough?"""
        rush = self._rush.awaits_database and self._rush.until(self._began) > self._began
        return bool(self._urgent) or rush or time.monotonic() >= self._began + self._longest

    def _committed(self) -> list[_Outcome]:
        """Run what waits; what became of it."""
        begun: list[_Job] = []
        jobs: Iterable[_Job] = self._jobs()
        trouble: BaseException = StoreError("the database is used by others all the time")
        for _ in range(_TRIES):
            try:
                return self._transaction(jobs, begun)
            except DBAPIError as error:
                trouble = StoreError(failures.words(error))
                if not failures.is_conflict(error):
                    break
            except BaseException as error:  # noqa: BLE001 (whoever waits must be told; the writer must live on)
                trouble = error
                break
            jobs = list(begun)
        return [(job, None, trouble) for job in begun or self._jobs()]

    def _transaction(self, jobs: Iterable[_Job], begun: list[_Job]) -> list[_Outcome]:
        """Run jobs in one transaction; those of which nothing was begun before are added to `begun`."""
        known, outcomes = set(map(id, begun)), []
        with engines.connected(self._engine()) as connection, connection.execution_options(writing=True).begin():
            if self._in_turn:
                turns.take(connection)
            for job in jobs:
                if id(job) not in known:
                    begun.append(job)
                outcomes.append(_run(job, Tx(connection, self._packs, self._in_haste)))
            self._packs.sync()
        return outcomes


def _run(job: _Job, tx: Tx) -> _Outcome:
    """Run a job; again, where another writer was first with what it wanted to write."""
    failure: BaseException | None = None
    for _ in range(_TRIES):
        try:
            with savepoint(tx.connection):
                return job, job.work(tx), None
        except DBAPIError as error:
            if not failures.breaks_a_rule(error):
                raise
            failure = error
        except Exception as error:  # noqa: BLE001 (a job's failure is its caller's, not the other jobs')
            failure = error
        if not failures.came_second(failure):
            break
    return job, None, failure


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Take back what was written inside if it raises. (SQLAlchemy's own one is compiled anew each time.)"""
    _SAVE.run(connection, {})
    try:
        yield
    except BaseException as error:
        if not failures.is_lost(error):  # else there is nothing left to go back to
            _GO_BACK.run(connection, {})
            _RELEASE.run(connection, {})
        raise
    _RELEASE.run(connection, {})
