"""Whose turn it is at the writer: mail that somebody waits with goes first, and holds nothing up for ever."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack
from itertools import groupby

import pytest
from sqlalchemy import Connection, QueuePool
from sqlalchemy.exc import OperationalError

from gateway.errors import StoreError
from gateway.store import arrivals, holders, writer
from gateway.store.database import Store, Tx
from gateway.store.folder import Folder
from gateway.store.rush import Rush
from tests.builders import incoming, raw_mail
from tests.patience import PATIENCE


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_urgent_job_goes_before_all_that_wait(store: Store) -> None:
    begun, go = threading.Event(), threading.Event()
    order: list[str] = []

    def block(_: Tx) -> None:
        begun.set()
        go.wait(60)

    store.submit(block)
    begun.wait(60)
    waiting = [store.submit(lambda _, n=name: order.append(n)) for name in ("one", "two")]  # type: ignore[misc]
    waiting.append(store.submit(lambda _: order.append("urgent"), urgent=True))
    go.set()
    for done in waiting:
        done.result(60)
    assert order == ["urgent", "one", "two"]


def test_urgent_jobs_without_end_hold_nothing_up_for_ever(store: Store) -> None:
    patient, deadline = threading.Event(), time.monotonic() + PATIENCE  # so that a red test ends, too

    def again(_: Tx) -> None:
        if not patient.is_set() and time.monotonic() < deadline:
            store.submit(again, urgent=True)

    begun = threading.Event()
    store.submit(lambda tx: (begun.set(), again(tx)), urgent=True)
    begun.wait(60)
    store.submit(lambda _: patient.set())
    assert patient.wait(60)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_sign_of_life_waits_for_no_raw_mail(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go, sync = threading.Event(), threading.Event(), Folder.sync

    def slow(folder: Folder) -> None:
        if folder._dirty:
            begun.set()
            go.wait(60)
        sync(folder)

    monkeypatch.setattr(Folder, "sync", slow)
    kept = store.submit(lambda tx: arrivals.keep_all(tx, [incoming(raw_mail())]), urgent=True)
    assert begun.wait(60)
    try:
        assert not store.submit(lambda tx: holders.beat(tx, "me"), apart=True).result(60)
        assert not kept.done()
    finally:
        go.set()
    kept.result(60)


def test_whoever_waits_is_told_when_no_transaction_can_begin(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def connect(self) -> None:
            raise OperationalError("BEGIN", {}, Exception("database is locked"))

    with monkeypatch.context() as patch:
        patch.setattr(store, "engine", Broken())
        for urgent in (False, True):
            with pytest.raises(StoreError, match="locked"):
                store.submit(lambda _: None, urgent=urgent).result(60)
    assert store.write_now(lambda _: "well again") == "well again"


def test_where_all_connections_wait_for_an_answer_it_is_the_stores_trouble(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = store.engine.pool
    assert isinstance(pool, QueuePool)
    monkeypatch.setattr(pool, "_timeout", 0.05)
    with ExitStack() as held:
        for _ in range(pool.size() + pool._max_overflow):
            held.enter_context(store.engine.connect())
        for ask in (store.read_now, store.write_now):
            with pytest.raises(StoreError, match="none of its connections"):
                ask(lambda _: None)
    assert store.write_now(lambda _: "well again") == "well again"


def test_single_urgent_jobs_are_no_rush() -> None:
    rush, now = Rush(), 100.0
    for _ in range(5):
        rush.begins(now, in_database=True)
        rush.ends(now + 0.5)  # a slow disk makes none
        assert rush.until(now + 0.501) <= now + 0.501
        now += 0.6


def test_urgent_jobs_one_after_the_other_are_a_rush_that_ends() -> None:
    rush = Rush()
    for start in (100.0, 100.5):
        rush.begins(start, in_database=True)
        rush.ends(start + 0.499)
    assert 100.999 < rush.until(101.0) < 101.1
    assert rush.until(101.1) <= 101.1


def test_a_rush_lasts_while_mail_is_being_written() -> None:
    rush = Rush()
    for start in (100.0, 100.5):
        rush.begins(start, in_database=True)
        rush.ends(start + 0.499)
    rush.begins(101.0, in_database=True)
    assert rush.until(105.0) > 105.0


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_in_a_rush_what_isnt_urgent_is_taken_one_by_one(store: Store) -> None:
    """So that whoever waits for an answer finds the writer free."""
    _begin_rush(store, in_database=True)
    assert _in_transactions(store, 5) == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_in_a_rush_that_waits_for_no_database_they_are_taken_together(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is acknowledged from its pack leaves the writer to others: each by itself costs more of the processor."""
    monkeypatch.setattr(writer, "time", Clock())  # no turn lasts too long
    _begin_rush(store, in_database=False)
    assert _in_transactions(store, 5) == [5]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_in_a_rush_a_long_turn_is_followed_by_a_longer_rest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(writer, "time", clock)
    monkeypatch.setattr(store.rush, "until", lambda now: now + 3600)

    def lasts(seconds: float) -> None:
        def job(_: Tx) -> None:
            clock.now += seconds

        store.submit(job).result(60)

    lasts(0.1)
    assert store._writer._put_off(clock.now) == pytest.approx(0.7)
    clock.now += 0.7
    lasts(60)
    assert store._writer._put_off(clock.now) == pytest.approx(5)  # a single long one mustn't stop all for minutes
    clock.now += 5
    store.submit(lambda _: None).result(60)
    assert store._writer._put_off(clock.now) == pytest.approx(0.025)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_where_nobody_waits_nothing_rests_after_a_long_turn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(writer, "time", clock)

    def long(_: Tx) -> None:
        clock.now += 0.1

    store.submit(long).result(60)
    assert store._writer._put_off(clock.now) <= 0


async def test_a_lull_is_not_waited_for_where_there_is_no_rush() -> None:
    with pytest.raises(StopIteration):
        Rush().lull(3600).send(None)


async def test_a_lull_comes_when_the_rush_is_over() -> None:
    rush, over = Rush(), asyncio.Event()
    rush.until = lambda now: now if over.is_set() else now + 0.001  # type: ignore[method-assign]
    waiting = asyncio.create_task(rush.lull(3600))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    over.set()
    await waiting


async def test_a_lull_is_not_waited_for_without_end() -> None:
    rush = Rush()
    rush.until = lambda now: now + 3600  # type: ignore[method-assign]
    await rush.lull(0.01)


class Clock:
    """A time that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def _begin_rush(store: Store, *, in_database: bool) -> None:
    """One that lasts."""
    for _ in range(2):
        store.rush.begins(time.monotonic() + 3600, in_database=in_database)
        store.rush.ends(time.monotonic() + 3600)


def _in_transactions(store: Store, count: int) -> list[int]:
    """How many of so many jobs that wait together are done in each transaction."""
    begun, go = threading.Event(), threading.Event()
    transactions: list[Connection] = []
    store.submit(lambda _: (begun.set(), go.wait(60)), urgent=True)
    begun.wait(60)
    waiting = [store.submit(lambda tx: transactions.append(tx.connection)) for _ in range(count)]
    go.set()
    for done in waiting:
        done.result(60)
    return [len(list(jobs)) for _, jobs in groupby(transactions, id)]
