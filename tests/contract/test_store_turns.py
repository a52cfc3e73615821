"""Whose turn it is at the writer: mail that somebody waits with goes first, and holds nothing up for ever."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import pytest
from sqlalchemy import QueuePool
from sqlalchemy.exc import OperationalError

from gateway.errors import StoreError
from gateway.store import arrivals, holders
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
        rush.begins(now)
        rush.ends(now + 0.5)  # a slow disk makes none
        assert rush.until(now + 0.501) <= now + 0.501
        now += 0.6


def test_urgent_jobs_one_after_the_other_are_a_rush_that_ends() -> None:
    rush = Rush()
    for start in (100.0, 100.5):
        rush.begins(start)
        rush.ends(start + 0.499)
    assert 100.999 < rush.until(101.0) < 101.1
    assert rush.until(101.1) <= 101.1


def test_a_rush_lasts_while_mail_is_being_written() -> None:
    rush = Rush()
    for start in (100.0, 100.5):
        rush.begins(start)
        rush.ends(start + 0.499)
    rush.begins(101.0)
    assert rush.until(105.0) > 105.0


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_in_a_rush_what_isnt_urgent_is_taken_one_by_one(store: Store) -> None:
    """So that whoever waits for an answer finds the writer free."""
    for _ in range(2):  # one that lasts
        store.rush.begins(time.monotonic() + 3600)
        store.rush.ends(time.monotonic() + 3600)
    transactions: list[object] = []
    for done in [store.submit(lambda tx: transactions.append(tx.connection)) for _ in range(5)]:
        done.result(60)
    assert len(set(map(id, transactions))) == 5
