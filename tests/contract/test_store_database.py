"""The one owner of writes: what it acknowledges is durable; each job answers for itself; trouble passes."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from gateway.errors import NotFound, Permanent, StoreError
from gateway.store import arrivals, journal, schema
from gateway.store.database import Store, Tx
from gateway.store.engines import check_integrity
from gateway.store.journal import Journal
from gateway.store.keeper import Keeper
from gateway.store.packs import Location
from gateway.store.tables import conversations, history, raws
from tests.builders import NOW, ROOT, incoming, opened, raw_mail

Job = Callable[[Tx], Any]


def mark(words: str) -> Job:
    return lambda tx: tx.connection.execute(insert(history), {"conversation": 1, "at": NOW, "by": "x", "what": words})


def marks(store: Store) -> set[str]:
    return set(store.read_now(lambda c: c.scalars(select(history.c.what)).all()))


@pytest.fixture
def ready(store: Store) -> Store:
    row = {
        "reference": "A",
        "inbox_kind": "global",
        "strength": 0,
        "pinned": False,
        "status": "active",
        "subject": "",
    }
    row |= {"usager": "", "tags": [], "because": [], "created_at": NOW, "updated_at": NOW}
    store.write_now(lambda tx: tx.connection.execute(insert(conversations), row))
    return store


def together(store: Store, *jobs: Job) -> list[Future[Any]]:
    """Hand jobs in so that they share one commit: the writer is kept busy meanwhile."""
    begun, go = threading.Event(), threading.Event()
    store._writer._longest = 60.0  # however slow the machine is

    def block(_: Tx) -> None:
        begun.set()
        go.wait(60)

    first = store.submit(block)
    begun.wait(60)
    done = [store.submit(job) for job in jobs]
    go.set()
    first.exception(60)  # it may share their fate
    return done


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_pragmas(store: Store) -> None:
    found = {
        name: store.read_now(lambda c, n=name: c.execute(text(f"PRAGMA {n}")).scalar())  # type: ignore[misc]
        for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
    }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    assert store.read_now(check_integrity) == "ok"


def test_a_job_that_raises_takes_back_its_own_work_only(ready: Store) -> None:
    def raising(tx: Tx) -> None:
        mark("taken back")(tx)
        raise NotFound("no")

    def colliding(tx: Tx) -> None:
        mark("taken back too")(tx)
        tx.connection.execute(insert(history), {"id": 1, "conversation": 99, "at": NOW, "by": "", "what": ""})

    one, two, three, four = together(ready, mark("before"), raising, colliding, mark("after"))
    one.result(60), four.result(60)
    with pytest.raises(NotFound):
        two.result(60)
    with pytest.raises(IntegrityError):
        three.result(60)
    assert marks(ready) == {"before", "after"}


def test_jobs_that_wait_share_a_commit(ready: Store) -> None:
    commits = []
    from sqlalchemy import event

    event.listen(ready.engine, "commit", lambda _: commits.append(1))
    for done in together(ready, *(mark(str(n)) for n in range(100))):
        done.result(60)
    assert len(marks(ready)) == 100
    assert len(commits) < 20


def test_results_come_back(store: Store) -> None:
    assert store.write_now(lambda _: 5) == 5
    assert store.submit(lambda tx: tx.packs).result(60) is store.packs


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_full_disk_fails_all_and_passes(ready: Store, tmp_path: Path) -> None:
    pages = ready.read_now(lambda c: c.execute(text("PRAGMA page_count")).scalar())
    limited: list[Any] = []
    from sqlalchemy import event

    def limit(connection: Any) -> None:
        raw = connection.connection.dbapi_connection
        raw.execute(f"PRAGMA max_page_count={pages if limited else 1 << 30}").close()

    event.listen(ready.engine, "begin", limit)
    limited.append(1)
    small, large, other = together(ready, mark("small"), mark("x" * 5_000_000), mark("other"))
    with pytest.raises(StoreError, match="full"):
        large.result(60)
    acknowledged = {words for words, job in (("small", small), ("other", other)) if job.exception(60) is None}
    assert marks(ready) == acknowledged
    limited.clear()
    ready.write_now(mark("x" * 5_000_000))
    assert len(marks(ready)) == len(acknowledged) + 1


def test_a_failing_sync_acknowledges_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fdatasync

    def failing(file: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    for done in together(
        store, *(lambda tx, n=n: arrivals.keep(tx, [incoming(raw_mail(text=str(n)))]) for n in "ab")
    ):
        with pytest.raises(StoreError):
            done.result(60)
    assert store.read_now(lambda c: c.scalar(select(func.count()).select_from(raws))) == 0
    monkeypatch.setattr(os, "fdatasync", real)
    assert len(store.write_now(lambda tx: arrivals.keep(tx, [incoming(raw_mail())]))) == 1


def test_a_half_written_mail_fails_those_beside_it_that_were_not_synced(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.pwrite, []

    def failing(file: int, octets: Any, at: int) -> int:
        calls.append(file)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return real(file, octets, at)

    monkeypatch.setattr(os, "pwrite", failing)
    jobs = [lambda tx, n=n: arrivals.keep(tx, [incoming(raw_mail(text=n))]) for n in "abc"]
    for done in together(store, *jobs):
        with pytest.raises(StoreError):
            done.result(60)
    assert store.read_now(lambda c: c.scalar(select(func.count()).select_from(raws))) == 0


def test_reading_trouble_is_a_store_error(store: Store) -> None:
    with pytest.raises(StoreError, match=r"no such table|does not exist"):
        store.read_now(lambda c: c.execute(text("SELECT * FROM absent")).all())


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_row_that_another_holds_for_too_long_is_said_to_be_busy(ready: Store) -> None:
    def wait(tx: Tx) -> None:
        tx.connection.execute(text("SET LOCAL lock_timeout = '10ms'"))
        tx.connection.execute(text("UPDATE conversations SET subject = 'x'"))

    with ready.engine.begin() as other:
        other.execute(text("SELECT id FROM conversations FOR UPDATE"))
        with pytest.raises(StoreError, match=r"^the database is busy: somebody else holds .*lock timeout\)$"):
            ready.write_now(wait)


def test_what_people_wrote_is_in_no_error(ready: Store) -> None:
    with pytest.raises(StoreError) as caught:
        ready.write_now(lambda tx: tx.connection.execute(text("INSERT INTO absent VALUES (:x)"), {"x": "secret"}))
    assert "secret" not in str(caught.value)


async def test_cancelling_the_caller_does_not_stop_the_write(ready: Store) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(tx: Tx) -> None:
        begun.set()
        go.wait(60)
        mark("written")(tx)

    task = asyncio.create_task(ready.write(slow))
    await asyncio.to_thread(begun.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()
    await ready.write(lambda _: None)
    assert marks(ready) == {"written"}


def test_close_waits_for_the_jobs_handed_in(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        done = [store.submit(lambda _, n=n: n) for n in range(600)]  # type: ignore[misc]
    assert [future.result(0) for future in done] == list(range(600))


def test_a_second_process_waits_for_its_turn(ready: Store, tmp_path: Path) -> None:
    other = Store(str(ready.engine.url), tmp_path / "raw")
    jobs = [by.submit(mark(f"{n}{i}")) for n in range(50) for i, by in enumerate((ready, other))]
    for done in jobs:
        done.result(60)
    assert len(marks(ready)) == 100
    other.close()


# --- killed ------------------------------------------------------------------------------------------------

KEEPING = """
import asyncio, sys
from pathlib import Path
from gateway.store.keeper import Keeper
from tests.builders import incoming, opened, raw_mail

async def main(folder):
    with opened(folder) as store:
        keeper = Keeper(store, asyncio.Event())
        async def client(name):
            for n in range(10**6):
                raw = raw_mail(identifier=f"{sys.argv[2]}.{name}.{n}@x", text="x" * 500)
                await keeper.keep(incoming(raw))
                print(f"{sys.argv[2]}.{name}.{n}", flush=True)
        await asyncio.gather(*(client(n) for n in range(8)))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_what_was_acknowledged_before_a_kill_is_there(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for kills in (200, 400, 1):
        command = [sys.executable, "-c", KEEPING, str(tmp_path), str(kills)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
            assert process.stdout is not None
            for count, line in enumerate(process.stdout, 1):
                acknowledged.add(line.strip())
                if count == kills:
                    process.send_signal(signal.SIGKILL)  # what it still says was acknowledged too
    with opened(tmp_path) as store:
        assert store.read_now(check_integrity) == "ok"
        journal.take_up(store)
        rows = store.read_now(lambda c: c.execute(select(raws.c.pack, raws.c.offset, raws.c.size)).all())
        kept = {
            store.packs.read(Location(*row)).split(b"Message-ID: <")[1].partition(b"@")[0].decode() for row in rows
        }
    assert len(acknowledged) > 600
    assert acknowledged <= kept


# --- keeper ------------------------------------------------------------------------------------------------


async def test_the_keeper_tells_everyone_of_a_failure_and_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = asyncio.Event()
    keeper = Keeper(store, arrived)
    real = os.fdatasync
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(5, "EIO")))
        mails = [incoming(raw_mail(text=str(n))) for n in range(5)]
        failed = await asyncio.gather(*map(keeper.keep, mails), return_exceptions=True)
    assert {type(error) for error in failed} == {StoreError}
    assert os.fdatasync is real
    await asyncio.gather(*map(keeper.keep, mails))
    await keeper.close()
    assert arrived.is_set()
    assert store.read_now(lambda c: c.scalar(select(func.count()).select_from(raws))) == 5


def test_only_one_daemons_own_store_has_a_journal(store: Store, engine: str) -> None:
    """Where several share one, each mail is in the database before it is acknowledged: another may file it."""
    assert (Journal.of(store) is None) == (engine != "sqlite")


async def test_a_client_that_goes_away_does_not_stop_the_keeping(store: Store) -> None:
    keeper = Keeper(store, asyncio.Event())
    gone = asyncio.create_task(keeper.keep(incoming(raw_mail(text="gone"))))
    stays = asyncio.create_task(keeper.keep(incoming(raw_mail(text="stays"))))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
    await keeper.close()
    assert store.read_now(lambda c: c.scalar(select(func.count()).select_from(raws))) == 2


# --- schema ------------------------------------------------------------------------------------------------


def test_migrations_make_exactly_the_tables(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from gateway.store.tables import metadata

    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        indices = {
            "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index'",
            "postgresql": "SELECT indexname, indexdef FROM pg_indexes",
        }
        rows = connection.execute(text(indices[store.engine.dialect.name])).all()
        made = {name: str(definition) for name, definition in rows}
    assert "WHERE" in made["ix_arrivals_waiting"]  # a comparison doesn't see what makes an index partial
    assert store.read_now(schema.current) == schema.HEAD


def test_an_upgrade_of_what_is_current_changes_nothing(store: Store) -> None:
    assert schema.upgrade(store.engine) == schema.HEAD


def test_a_newer_database_is_refused(store: Store) -> None:
    store.write_now(lambda tx: tx.connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(Permanent, match="newer"):
        schema.upgrade(store.engine)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"no database at all " * 100)
    with pytest.raises(Permanent, match="restore it from a backup"), opened(tmp_path):
        pass


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_queues_are_found_by_their_index(store: Store) -> None:
    """However much is stored, what waits is found without looking at the rest."""
    plans = {
        "ix_arrivals_waiting": "SELECT id FROM arrivals WHERE state = 'waiting' ORDER BY id",
        "ix_deliveries_due": "SELECT id FROM deliveries WHERE deliveries.state IN ('waiting', 'deferred')"
        " AND next_at <= 5 ORDER BY next_at, id",
        "ix_messages_message_id": "SELECT id FROM messages WHERE message_id IN ('a', 'b') AND message_id != ''",
    }
    for index, query in plans.items():
        rows = store.read_now(lambda c, q=query: c.execute(text(f"EXPLAIN QUERY PLAN {q}")).all())  # type: ignore[misc]
        assert any(index in row[3] for row in rows), (index, rows)
    assert sqlite3.sqlite_version_info >= (3, 35)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_what_may_be_claimed_is_found_however_much_else_waits(store: Store) -> None:
    asked: list[str] = []

    def claims(tx: Tx) -> None:
        event.listen(store.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
        arrivals.claim(tx, "x", NOW, 5)
        arrivals.claim_begun(tx, "x", NOW)
        arrivals.claim_uninspected(tx, "x", NOW, 5)

    store.write_now(claims)
    queues = ("ix_arrivals_ready", "ix_arrivals_begun", "ix_arrivals_unchecked")
    for queue, query in zip(queues, list(asked), strict=True):
        filled = query.replace("?", "1")
        rows = store.read_now(lambda c, q=filled: c.execute(text(f"EXPLAIN QUERY PLAN {q}")).all())  # type: ignore[misc]
        assert any(queue in row[3] for row in rows), (queue, rows)
    rows = store.read_now(lambda c: c.execute(text("EXPLAIN QUERY PLAN SELECT * FROM related WHERE other = 1")).all())
    assert any("ix_related_other" in row[3] for row in rows), rows
