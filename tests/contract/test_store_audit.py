"""The audit: what was written stays as it was, and whatever is done to it shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import IntegrityError

from gateway.errors import Refused
from gateway.store import audit, chain, tables
from gateway.store.database import Store, Tx
from gateway.store.engines import storable
from tests.builders import ALICE, NOW, opened, spoken

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.fixture
def store(tmp_path: Path, engine: str) -> Iterator[Store]:
    with opened(tmp_path) as store:
        store.write_now(lambda tx: [act(tx, f"act {n}") for n in range(1, 6)])
        yield store


def act(tx: Tx, what: str, at: datetime = NOW) -> None:
    audit.record(tx, at=at, by=ALICE, what=what, conversation="K7M2-4QXA", proof="token and DMARC")


@pytest.fixture
def loose(store: Store) -> Iterator[Connection]:
    """A copy of the five acts whose triggers are gone, as for whoever has the file."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        rows = store.read_now(lambda c: [dict(row._mapping) for row in c.execute(audit._ALL)])
        connection.execute(tables.audit.insert(), rows[:5])
        for trigger in ("audit_stays", "audit_remains"):
            connection.execute(text(f"DROP TRIGGER {trigger}"))
        yield connection
    engine.dispose()


def test_a_chain_holds_and_ends_at_its_head(store: Store, loose: Connection) -> None:
    found = audit.verified(loose)
    assert (found.rows, found.erased, found.fault) == (5, 0, "")
    assert found.head == audit.head(loose) != chain.START
    assert [row["what"] for row in audit.listed(loose)] == [f"act {n}" for n in range(1, 6)]


def test_an_empty_one_holds_too() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        assert audit.verified(connection) == chain.Verified(0, 0, chain.START)
        assert audit.head(connection) == chain.START
    engine.dispose()


@pytest.mark.parametrize(
    ("done", "fault"),
    [
        ("UPDATE audit SET what = 'nothing' WHERE id = 3", "row 3: its words were changed"),
        ("UPDATE audit SET what = '' WHERE id = 3", "row 3: its words were changed"),
        ("UPDATE audit SET salt = zeroblob(16) WHERE id = 3", "row 3: its words were changed"),
        ("UPDATE audit SET by = 'mallory@example.org' WHERE id = 3", "row 3 was changed"),
        ("UPDATE audit SET at = at + 1 WHERE id = 3", "row 3 was changed"),
        ("UPDATE audit SET conversation = '' WHERE id = 3", "row 3 was changed"),
        ("UPDATE audit SET proof = 'more' WHERE id = 3", "row 3 was changed"),
        ("UPDATE audit SET hash = zeroblob(32) WHERE id = 5", "row 5 was changed"),
        ("UPDATE audit SET previous = zeroblob(32) WHERE id = 3", "row 3 doesn't follow the one before it"),
        ("DELETE FROM audit WHERE id = 1", "row 1 is missing"),
        ("DELETE FROM audit WHERE id = 3", "row 3 is missing"),
        ("UPDATE audit SET id = id + 1 WHERE id = 5", "row 5 is missing"),
    ],
)
def test_what_is_done_to_it_shows(loose: Connection, done: str, fault: str) -> None:
    loose.execute(text(done))
    assert audit.verified(loose).fault == fault


def test_rows_that_close_a_gap_show(loose: Connection) -> None:
    """Deleted, and the later ones renumbered."""
    loose.execute(text("DELETE FROM audit WHERE id = 3"))
    loose.execute(text("UPDATE audit SET id = id - 1 WHERE id > 3"))
    assert audit.verified(loose).fault == "row 3 doesn't follow the one before it"


def test_what_was_cut_off_shows_to_who_kept_the_head(loose: Connection) -> None:
    kept = audit.head(loose)
    assert audit.verified(loose, kept).fault == ""
    loose.execute(text("DELETE FROM audit WHERE id = 5"))
    assert audit.verified(loose).fault == ""
    assert audit.verified(loose, kept).fault == f"no row up to 4 has the hash {kept.hex()}"


def test_a_head_that_was_kept_holds_when_more_is_done(store: Store) -> None:
    kept = store.read_now(audit.head)
    store.write_now(lambda tx: act(tx, "more"))
    assert store.read_now(lambda c: audit.verified(c, kept)).fault == ""


def test_words_can_go_and_the_chain_holds(loose: Connection) -> None:
    loose.execute(text("UPDATE audit SET what = '', salt = zeroblob(16) WHERE id = 3"))
    found = audit.verified(loose)
    assert (found.rows, found.erased, found.fault) == (5, 1, "")


@pytest.mark.parametrize(
    "done",
    [
        "DELETE FROM audit WHERE id = 2",
        "UPDATE audit SET what = 'nothing' WHERE id = 2",
        "UPDATE audit SET what = '' WHERE id = 2",
        "UPDATE audit SET by = 'mallory', what = '', salt = zeroblob(16) WHERE id = 2",
        "UPDATE audit SET hash = zeroblob(32), what = '', salt = zeroblob(16) WHERE id = 2",
        "UPDATE audit SET id = 99, what = '', salt = zeroblob(16) WHERE id = 2",
        {
            "sqlite": "REPLACE INTO audit SELECT id, at, by, '', conversation, proof, salt, digest, previous, hash"
            " FROM audit",
            "postgresql": "TRUNCATE audit",
        },
        "INSERT INTO audit SELECT 99, at, by, what, conversation, proof, salt, digest, previous, hash FROM audit",
    ],
)
def test_the_database_refuses_it(store: Store, engine: str, done: str | dict[str, str]) -> None:
    done = spoken(done if isinstance(done, str) else done[engine], engine)
    before = store.read_now(audit.listed)
    with pytest.raises(IntegrityError):
        store.write_now(lambda tx: tx.connection.execute(text(done)))
    assert store.read_now(audit.listed) == before


def test_the_database_lets_words_go(store: Store, engine: str) -> None:
    erase = spoken("UPDATE audit SET what = '', salt = zeroblob(16) WHERE id = 1", engine)
    store.write_now(lambda tx: tx.connection.execute(text(erase)))
    assert store.read_now(audit.verified).fault == ""
    assert store.read_now(audit.listed)[0]["what"] == ""


def test_an_act_that_is_taken_back_leaves_no_gap(store: Store) -> None:
    def taken_back(tx: Tx) -> None:
        act(tx, "never happened")
        raise Refused("no")

    with pytest.raises(Refused):
        store.write_now(taken_back)
    store.write_now(lambda tx: act(tx, "happened"))
    assert store.read_now(audit.verified).fault == ""
    assert "never happened" not in {row["what"] for row in store.read_now(audit.listed)}


def test_two_processes_write_one_chain(engine: str, tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as other:
        jobs = [each.submit(lambda tx, n=n: act(tx, str(n))) for n in range(50) for each in (one, other)]  # type: ignore[misc]
        for job in jobs:
            job.result(60)
        found = one.read_now(audit.verified)
    assert (found.rows, found.fault) == (100, "")


@settings(max_examples=60)
@given(_TEXTS, _TEXTS, _TEXTS, _TEXTS, st.integers(0, 4 * 10**15))
def test_whatever_is_written_holds(
    store: Store, by: str, what: str, conversation: str, proof: str, microseconds: int
) -> None:
    at = datetime(1971, 1, 1, tzinfo=timezone(timedelta(hours=1))) + timedelta(microseconds=microseconds)
    row = {"by": by, "what": what, "conversation": conversation, "proof": proof}
    store.write_now(lambda tx: audit.record(tx, at=at, **row))
    found = store.read_now(audit.verified)
    assert found.fault == ""
    last = store.read_now(audit.listed)[-1]
    assert (last["by"], last["what"], last["proof"]) == tuple(map(storable, (by, what, proof)))
    assert last["at"] == at
