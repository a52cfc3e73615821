"""From each older schema to the newest: nothing that people wrote is lost, and references hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

import gateway.store
from gateway.errors import StoreError
from gateway.model import Attempt, Clues, DeliveryState, Event, Fact, Occasion, Traits
from gateway.store import audit, evidence, exchange, filing, neighbourhood, recall, rounds, schema, views
from gateway.store.database import Store
from gateway.store.engines import engine_for
from gateway.store.rows import messages_by_id
from gateway.store.schema import rebuilding
from gateway.store.tables import metadata
from tests.builders import MANON, NOW, ULYSSE

US = 1_740_821_400_000_000  # NOW, as the store keeps times
_CONVERSATION = {
    "inbox_kind": "global",
    "inbox_number": None,
    "strength": 0,
    "pinned": False,
    "status": "active",
    "assignee": None,
    "subject": "Une question",
    "usager": ULYSSE,
    "tags": '["a"]',
    "because": '["nothing"]',
    "created_at": US,
    "updated_at": US,
    "merged_into": None,
}
_MESSAGE = {
    "conversation": 1,
    "fingerprint": b"f" * 32,
    "digest": b"d" * 32,
    "message_id": "m1@x",
    "direction": "in",
    "kind": "external",
    "nature": "person",
    "proof": None,
    "author": ULYSSE,
    "people": "[]",
    "received_at": US,
    "subject": "Une question",
    "text": "Où en est mon dossier ?",
    "quoted": "",
    "attachments": "[]",
    "because": "[]",
}
_DELIVERY = {
    "conversation": 1,
    "message": 1,
    "participation": 1,
    "purpose": "notification",
    "recipient": MANON,
    "message_id": "1.abc@support.example.org",
    "envelope_sender": "reponse+b@support.example.org",
    "reply_to": "reponse+t@support.example.org",
    "draft": "{}",
    "state": "sent",
    "attempts": 1,
    "created_at": US,
    "next_at": US,
    "last_reply": "250 Ok",
}
OLD: dict[str, list[dict[str, Any]]] = {
    "raws": [{"digest": b"d" * 32, "pack": "0001.pack", "offset": 0, "size": 5}],
    "conversations": [
        {"id": 1, "reference": "AAAA-AAAA", **_CONVERSATION, "assignee": MANON},
        {"id": 2, "reference": "CCCC-CCCC", **_CONVERSATION, "status": "pending", "updated_at": US + 5},
        {"id": 3, "reference": "DDDD-DDDD", **_CONVERSATION, "status": "closed", "merged_into": 1},
        {"id": 4, "reference": "EEEE-EEEE", **_CONVERSATION, "status": "spam", "assignee": MANON},
    ],
    "messages": [{"id": 1, **_MESSAGE}, {"id": 2, **_MESSAGE, "conversation": 2, "fingerprint": None}],
    "arrivals": [
        {
            "id": 1,
            "digest": b"d" * 32,
            "source": "smtp",
            "received_at": US,
            "sender": ULYSSE,
            "recipients": "[]",
            "peer": "",
            "helo": "",
            "authserv_id": "",
            "state": "filed",
            "attempts": 1,
            "owner": "",
            "lease_until": 0,
            "reason": "",
            "message": 1,
        }
    ],
    "imap_ledger": [{"mailbox": "m", "uidvalidity": 1, "uid": 7, "arrival": 1, "settled": False}],
    "related": [{"conversation": 1, "other": 2}],
    "citations": [{"cited": "m0@x", "message": 1}],
    "participations": [{"id": 1, "conversation": 1, "address": MANON, "role": "agent", "epoch": 2}],
    "history": [{"id": 1, "conversation": 1, "at": US, "by": MANON, "what": "wrote a note"}],
    "deliveries": [{"id": 1, **_DELIVERY}, {"id": 5, **_DELIVERY, "message": None, "message_id": "5.abc@x"}],
    "attempts": [
        {"id": 1, "delivery": 1, "at": US, "host": "mx", "tls": "", "outcome": "sent", "reply": "250 Ok"},
        {"id": 2, "delivery": 5, "at": US, "host": "mx", "tls": "", "outcome": "sent", "reply": "250 Ok"},
    ],
}


def migrate(engine: Engine, version: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(gateway.store.__file__).parent / "migrations"))
    writing = engine.connect().execution_options(writing=True)
    with writing as connection, rebuilding(connection), connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, version)


def insert(connection: Connection, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{n}' for n in row)})"), row)


@pytest.fixture
def old(empty: str) -> Iterator[Engine]:
    """A store as the first version left it, with rows in every table."""
    engine = engine_for(empty)
    migrate(engine, "0001")
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        for table, rows in OLD.items():
            for row in rows:
                insert(connection, table, row)
    yield engine
    engine.dispose()


def kept(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """What those of the old tables hold that are there, by the columns that they had."""
    found: dict[str, list[dict[str, Any]]] = {}
    there = set(inspect(engine).get_table_names())
    with engine.connect() as connection:
        for table, rows in OLD.items():
            if table not in there:
                continue
            names = ", ".join(f'"{name}"' for name in rows[0])
            found[table] = [
                dict(r._mapping) for r in connection.execute(text(f"SELECT {names} FROM {table} ORDER BY 1"))
            ]
    return found


def test_every_table_of_the_old_schema_is_tried(old: Engine) -> None:
    with old.connect() as connection:
        tables = set(inspect(connection).get_table_names())
    assert tables == {*OLD, "alembic_version"}


def test_nothing_is_lost_on_the_way(old: Engine) -> None:
    before = kept(old)
    assert schema.upgrade(old) == "0001"
    assert before == OLD
    assert kept(old) == {table: rows for table, rows in OLD.items() if table != "attempts"}
    with old.connect() as connection:
        assert schema.current(connection) == schema.HEAD
        if old.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"


def test_references_are_guarded_afterwards_as_before(old: Engine) -> None:
    schema.upgrade(old)
    row = {**OLD["deliveries"][0], "id": 9, "message_id": "9", "conversation": 99}
    with pytest.raises(IntegrityError), old.connect() as connection, connection.begin():
        insert(connection, "deliveries", row)
    with old.connect() as connection, connection.begin():
        insert(connection, "deliveries", {**OLD["deliveries"][0], "id": 9, "message_id": "9", "conversation": None})


def _objects(engine: Engine) -> dict[str, str]:
    """Tables, indices and triggers, as the database describes them."""
    with engine.connect() as connection:
        return _in_file(connection) if engine.dialect.name == "sqlite" else _on_server(connection)


def _in_file(connection: Connection) -> dict[str, str]:
    rows = connection.execute(text("SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    found = {row.name: (row.type, " ".join(row.sql.split())) for row in rows}
    for table in [name for name, (kind, _) in found.items() if kind == "table"]:
        columns = connection.execute(text(f"PRAGMA table_info({table})")).all()
        described = sorted((c.name, c.type, c.notnull, c.pk) for c in columns)
        words = ("WITHOUT ROWID", "CHECK", "AUTOINCREMENT")
        found[table] = ("table", str((described, *(word in found[table][1] for word in words))))
    found.pop("alembic_version", None)
    return {name: sql.replace('"', "") for name, (_, sql) in found.items()}


def _on_server(connection: Connection) -> dict[str, str]:
    queries = (
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT conrelid::regclass || conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid > 16000",
        "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
        "SELECT attrelid::regclass || attname, (atttypid, attnotnull)::text FROM pg_attribute WHERE attrelid > 16000",
    )
    found = {row[0]: " ".join(row[1].split()) for query in queries for row in connection.execute(text(query))}
    return {name: described for name, described in found.items() if not re.search("alembic_version|pg_toast", name)}


def test_what_comes_out_is_what_the_tables_say(old: Engine, request: pytest.FixtureRequest) -> None:
    """Columns, partial indices and all: an upgraded store is like one that is made anew."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    schema.upgrade(old)
    with old.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    made = create_engine("sqlite://")
    if old.dialect.name == "postgresql":
        server = request.getfixturevalue("server")
        made = engine_for(server.url(server.database()))
    metadata.create_all(made)
    assert _objects(old) == _objects(made)
    made.dispose()


def test_nobody_loses_sight_of_their_work(tmp_path: Path, old: Engine) -> None:
    """Who is assigned goes on being so, even whom only a manager could have chosen; what waits goes on waiting."""
    schema.upgrade(old)
    store = Store(str(old.url), tmp_path / "raw")
    try:
        found = [store.read_now(lambda c, r=row: views.find(c, r["reference"])) for row in OLD["conversations"]]  # type: ignore[misc]
        assert [(c.assignee, c.outside) for c in found] == [
            (MANON, True),
            (None, False),
            (MANON, True),
            (MANON, True),
        ]
        assert [c.waiting_since for c in found[:2]] == [NOW, NOW.replace(microsecond=5)]
        assert found[3].waiting_since is None
        for conversation in found:
            assert (conversation.guests, conversation.followers, conversation.muted) == ((), (), ())
            assert (conversation.organisation, conversation.language, conversation.reminded) == ("", "", 0)
            assert conversation.asked is conversation.snoozed_until is conversation.closing_at is None
        none, late = timedelta(), timedelta(days=999)
        waiting = store.read_now(
            lambda c: list(rounds.to_remind(c, NOW, none, times=3, imported="import", late=late))
        )
        assert [conversation.id for conversation in waiting] == [1]
        assert store.read_now(lambda c: exchange.thread(c, 1)).writers == (ULYSSE,)
    finally:
        store.close()


# What the second version added to the tables of the first, and its own.
NEWER: dict[str, list[dict[str, Any]]] = {
    "notices": [
        {"id": 1, "agent": MANON, "conversation": 1, "message": 1, "created_at": US, "due_at": US, "digest": True}
    ],
    "rounds": [{"name": "digest", "at": US}],
}


def test_older_mail_keeps_its_place(tmp_path: Path, old: Engine) -> None:
    """Nobody noted what its placement rested on: so it stays where it is, with its tokens, whatever comes."""
    migrate(old, "0002")
    with old.connect().execution_options(writing=True) as connection, connection.begin():
        for table, rows in NEWER.items():
            for row in rows:
                insert(connection, table, row)
    before = kept(old)
    assert schema.upgrade(old) == "0002"
    assert kept(old) == {table: rows for table, rows in before.items() if table != "attempts"}
    with old.connect() as connection:
        for table, rows in NEWER.items():
            assert [dict(row._mapping) for row in connection.execute(text(f"SELECT * FROM {table}"))] == rows
    store = Store(str(old.url), tmp_path / "raw")
    try:
        found = store.read_now(lambda c: neighbourhood.neighbourhood(c, [1, 2]))
        assert {trace.traits for trace in found.traces} == {Traits(anchored=True, evidence=None)}
        assert [trace.cited for trace in found.traces] == [("m0@x",), ()]
        assert all(held.frozen for held in found.held.values())
        assert set(found.held) == {1, 2}  # they are related
        clues = Clues("00" * 32, "", (), (1,), (), MANON)
        ((participation, _),) = store.read_now(lambda c: recall.recall(c, clues, NOW)).participations
        assert (participation.usager, participation.epoch) == (None, 2)
    finally:
        store.close()


def test_what_the_version_before_left_is_there_and_of_use(tmp_path: Path, old: Engine) -> None:
    """Reply addresses count from the last mail that bore them, also where its conversation was merged since."""
    migrate(old, "0003")
    attachment = '{"name": "a.pdf", "type": "application/pdf", "size": 3, "sha256": "ab", "part": 1, "inside": ""}'
    more = {
        "participations": [
            {"id": 2, "conversation": 3, "address": ULYSSE, "role": "usager", "epoch": 0, "usager": None},
            {"id": 3, "conversation": 2, "address": MANON, "role": "agent", "epoch": 0, "usager": ULYSSE},
        ],
        "deliveries": [
            {"id": 6, **_DELIVERY, "participation": 2, "recipient": ULYSSE, "message_id": "6", "created_at": US + 6},
            {"id": 7, **_DELIVERY, "message_id": "7", "created_at": US + 7},
        ],
    }
    with old.connect().execution_options(writing=True) as connection, connection.begin():
        for table, rows in (*NEWER.items(), *more.items()):
            for row in rows:
                insert(connection, table, row)
        connection.execute(text(f"UPDATE messages SET attachments = '[{attachment}]' WHERE id = 1"))
    assert schema.upgrade(old) == "0003"
    store = Store(str(old.url), tmp_path / "raw")
    try:
        clues = Clues("00" * 32, "", (), (1, 2, 3), (), MANON)
        found = store.read_now(lambda c: recall.recall(c, clues, NOW)).participations
        told = {participation.id: participation.written_at for participation, _ in found}
        assert told == {1: NOW.replace(microsecond=7), 2: NOW.replace(microsecond=6), 3: None}
        message = store.read_now(lambda c: messages_by_id(c, [1]))[1]
        assert (message.attachments[0].name, message.attachments[0].held, message.marks) == ("a.pdf", "", ())
        store.write_now(lambda tx: filing.record(tx, 1, Event(MANON, "wrote a note"), NOW, "a proof"))
        assert store.read_now(audit.verified).rows == 1
    finally:
        store.close()


def test_attempts_so_far_are_evidence_and_say_that_they_were_chained_later(tmp_path: Path, old: Engine) -> None:
    migrate(old, "0004")
    with old.connect().execution_options(writing=True) as connection, connection.begin():
        insert(connection, "deliveries", {**OLD["deliveries"][0], "id": 6, "message_id": "6", "conversation": None})
        for n in (3, 4):
            insert(connection, "attempts", {**OLD["attempts"][0], "id": n, "delivery": n % 3 * 6 or 1, "at": US + n})
    schema.upgrade(old)
    store = Store(str(old.url), tmp_path / "raw")
    try:
        rows = store.read_now(lambda c: evidence.of_conversation(c, 1))
        assert [(r["chain"], r["number"], r["delivery"]) for r in rows] == [
            ("AAAA-AAAA", 1, 1),
            ("AAAA-AAAA", 2, 5),
            ("AAAA-AAAA", 3, 1),
        ]
        said = json.loads(rows[0]["said"])
        assert datetime.fromisoformat(said.pop("chained_at")) > NOW
        assert said == {
            "host": "mx",
            "message_id": "1.abc@support.example.org",
            "outcome": "sent",
            "reply": "250 Ok",
            "to": MANON,
        }
        found = store.read_now(evidence.verified)
        assert {name: (v.rows, v.fault) for name, v in found.items()} == {
            "AAAA-AAAA": (3, ""),
            "delivery 6": (1, ""),
        }
        fact = Fact(6, Occasion.RETRY, Attempt(DeliveryState.WAITING, ""))
        store.write_now(lambda tx: evidence.record(tx, [fact], NOW))
        assert store.read_now(evidence.verified)["delivery 6"].rows == 2
        assert store.read_now(evidence.missing) == []
    finally:
        store.close()


def test_an_upgrade_that_is_refused_changes_nothing(old: Engine) -> None:
    with old.connect().execution_options(writing=True) as connection, connection.begin():
        connection.execute(text("CREATE TABLE audit (id INTEGER)"))
    before = _objects(old)
    with pytest.raises(StoreError, match=r"can't be upgraded.*already exists"):
        schema.upgrade(old)
    assert _objects(old) == before
    with old.connect() as connection:
        assert schema.current(connection) == "0001"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_upgrade_that_fails_changes_nothing(old: Engine) -> None:
    """A reference that doesn't hold is found at the end; the store stays as it was, and guarded."""
    with old.connect() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.execute("PRAGMA foreign_keys=OFF").close()
        with connection.begin():
            insert(connection, "attempts", {**OLD["attempts"][0], "id": 9, "delivery": 99})
        driver.execute("PRAGMA foreign_keys=ON").close()
    before = _objects(old)
    with pytest.raises(StoreError, match="evidence"):
        schema.upgrade(old)
    assert _objects(old) == before
    with old.connect() as connection:
        assert schema.current(connection) == "0001"


def test_acknowledgements_so_far_are_counted_by_the_hour(old: Engine) -> None:
    migrate(old, "0009")
    hour = 3_600_000_000
    written = (US, US + hour, US + hour + 1)
    mails = [("acknowledgement", at) for at in written] + [("notification", US)]
    with old.connect().execution_options(writing=True) as connection, connection.begin():
        for n, (purpose, at) in enumerate(mails, 10):
            row = {**_DELIVERY, "id": n, "message_id": str(n), "conversation": None, "purpose": purpose}
            insert(connection, "deliveries", {**row, "created_at": at})
    schema.upgrade(old)
    with old.connect() as connection:
        rows = connection.execute(text("SELECT hour, written FROM acknowledged ORDER BY hour")).all()
    begun = US // hour * hour
    assert [tuple(row) for row in rows] == [(begun, 1), (begun + hour, 2)]
