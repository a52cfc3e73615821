"""The evidence: what happened to each delivery is written once, in its chain, and whatever is done to it shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import IntegrityError

from gateway.model import Attempt, DeliveryState, Fact, Filing, Occasion, Settlement
from gateway.store import audit, chain, evidence, filing, outbox, sending, tables
from gateway.store.database import Store, Tx
from gateway.store.sending import Settled
from tests.builders import MANON, NOW, ULYSSE, conversation, draft, make_context, opened, spoken

SIGNER = make_context().signer
S = DeliveryState
SHA = "ab" * 32
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.fixture
def store(tmp_path: Path, engine: str) -> Iterator[Store]:
    with opened(tmp_path) as store:
        _fill(store)
        yield store


def _fill(store: Store) -> None:
    """Two conversations with two deliveries each, and a digest."""
    for n in range(2):
        opening = Filing(conversation(0, reference=f"REF-{n}"))
        store.write_now(lambda tx, o=opening: filing.file(tx, o, SIGNER, NOW))  # type: ignore[misc]
        for to in (ULYSSE, MANON):
            store.write_now(lambda tx, h=n + 1, t=to: outbox.enqueue(tx, h, 0, draft(t), SIGNER, NOW))  # type: ignore[misc]
    store.write_now(lambda tx: outbox.enqueue(tx, None, 0, draft(MANON), SIGNER, NOW))


def attempted(delivery: int, state: DeliveryState = S.SENT, reply: str = "250 Ok") -> Settled:
    return Settled(Fact(delivery, Occasion.ATTEMPT, Attempt(state, reply, "mx:25", "TLSv1.3 X", SHA)), NOW)


def settle(store: Store, *settled: Settled) -> None:
    store.write_now(lambda tx: sending.settle(tx, settled, NOW))


def told(store: Store, home: int = 1) -> list[tuple[str, int, int, str]]:
    rows = store.read_now(lambda c: evidence.of_conversation(c, home))
    return [(r["chain"], r["number"], r["delivery"], r["event"]) for r in rows]


def faults(store: Store) -> dict[str, str]:
    found = store.read_now(evidence.verified)
    return {name: outcome.fault for name, outcome in found.items() if outcome.fault}


def test_a_row_says_what_was_done_and_what_was_answered(store: Store) -> None:
    settle(store, attempted(1))
    (row,) = store.read_now(lambda c: evidence.of_conversation(c, 1))
    message_id = store.read_now(outbox.listed)[0]["message_id"]
    assert json.loads(row["said"]) == {
        "host": "mx:25",
        "message_id": message_id,
        "outcome": "sent",
        "reply": "250 Ok",
        "sha256": SHA,
        "tls": "TLSv1.3 X",
        "to": ULYSSE,
    }
    assert (row["at"], row["previous"]) == (NOW.isoformat(), "00" * 32)


def test_whatever_happens_is_written_once_in_its_chain(store: Store) -> None:
    settle(store, attempted(1, S.DEFERRED), attempted(3), attempted(2, S.UNKNOWN), attempted(5))
    store.write_now(lambda tx: outbox.retry(tx, 2, MANON, NOW))
    store.write_now(lambda tx: outbox.cancel(tx, 1, MANON, NOW))
    store.write_now(lambda tx: sending.reported(tx, Settlement(3, S.REFUSED, "5.1.1", SHA), NOW))
    assert told(store, 1) == [
        ("REF-0", 1, 1, "attempt"),
        ("REF-0", 2, 2, "attempt"),
        ("REF-0", 3, 2, "retry"),
        ("REF-0", 4, 1, "cancel"),
    ]
    assert told(store, 2) == [("REF-1", 1, 3, "attempt"), ("REF-1", 2, 3, "bounce")]
    rows = store.read_now(evidence.verified)
    assert {name: (outcome.rows, outcome.fault) for name, outcome in rows.items()} == {
        "REF-0": (4, ""),
        "REF-1": (2, ""),
        "delivery 5": (1, ""),
    }
    by = [json.loads(r["said"]).get("by") for r in store.read_now(lambda c: evidence.of_conversation(c, 2))]
    assert by == [None, SHA]


def test_what_was_refused_to_a_person_leaves_no_row(store: Store) -> None:
    settle(store, attempted(1))
    with pytest.raises(Exception, match="is sent"):
        store.write_now(lambda tx: outbox.cancel(tx, 1, MANON, NOW))
    assert len(told(store)) == 1


def test_a_conversation_that_is_joined_keeps_its_chain(store: Store) -> None:
    settle(store, attempted(1), attempted(3, S.DEFERRED))
    joined = Filing(replace(conversation(1, reference="REF-0")), merge=(2,))
    store.write_now(lambda tx: filing.file(tx, joined, SIGNER, NOW))
    settle(store, attempted(3))
    assert told(store) == [
        ("REF-0", 1, 1, "attempt"),
        ("REF-0", 2, 3, "attempt"),
        ("REF-1", 1, 3, "attempt"),
    ]
    assert faults(store) == {}


# --- what is done to it shows ------------------------------------------------------------------------------


_COPIED = (tables.deliveries, tables.conversations, tables.audit, tables.evidence)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Three rows of one chain, sealed, and what they are about."""
    with opened(tmp_path_factory.mktemp("written")) as store:
        _fill(store)
        settle(store, attempted(1), attempted(2, S.DEFERRED))
        settle(store, attempted(2))
        store.write_now(lambda tx: evidence.seal(tx, NOW))
        rows = store.read_now(lambda c: [[dict(r._mapping) for r in c.execute(t.select())] for t in _COPIED])
        return dict(zip((table.name for table in _COPIED), rows, strict=True))


@pytest.fixture
def loose(written: dict[str, list[dict[str, Any]]]) -> Iterator[Connection]:
    """A copy whose triggers are gone, as for whoever has the file."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        for table in _COPIED:
            connection.execute(table.insert(), written[table.name])
        for trigger in ("evidence_follows", "evidence_stays", "evidence_remains"):
            connection.execute(text(f"DROP TRIGGER {trigger}"))
        yield connection
    engine.dispose()


def found(connection: Connection) -> str:
    return "; ".join(outcome.fault for outcome in evidence.verified(connection).values())


@pytest.mark.parametrize(
    ("done", "fault"),
    [
        ("UPDATE evidence SET said = replace(said, '250', '550') WHERE number = 2", "row 2: its words were changed"),
        ("UPDATE evidence SET said = '' WHERE number = 2", "row 2: its words were changed"),
        ("UPDATE evidence SET delivery = 1 WHERE number = 2", "row 2 was changed"),
        ("UPDATE evidence SET event = 'bounce' WHERE number = 2", "row 2 was changed"),
        ("UPDATE evidence SET at = at + 1 WHERE number = 2", "row 2 was changed"),
        ("UPDATE evidence SET hash = zeroblob(32) WHERE number = 3", "row 3 was changed"),
        ("UPDATE evidence SET previous = zeroblob(32) WHERE number = 2", "row 2 doesn't follow the one before it"),
        ("DELETE FROM evidence WHERE number = 1", "row 1 is missing"),
        ("UPDATE evidence SET chain = 'REF-9' WHERE number = 3", "row 1 is missing"),
    ],
)
def test_what_is_done_to_a_chain_shows(loose: Connection, done: str, fault: str) -> None:
    assert found(loose) == ""
    loose.execute(text(done))
    assert fault in found(loose)


def test_an_end_that_is_cut_off_shows_by_the_seal_and_by_the_outbox(loose: Connection) -> None:
    assert (evidence.broken_seal(loose), evidence.missing(loose, 1), evidence.missing(loose)) == ("", [], [])
    loose.execute(text("DELETE FROM evidence WHERE number = 3"))
    assert found(loose) == ""
    assert evidence.broken_seal(loose) == "rows 1 to 3 aren't those that were sealed in the audit"
    assert evidence.missing(loose, 1) == evidence.missing(loose) == [2]
    assert evidence.missing(loose, 2) == []


def test_a_chain_that_is_made_anew_shows_by_the_seal(loose: Connection) -> None:
    """Whoever knows how rows are made changes one, and all hashes behind it."""
    rows = [dict(r._mapping) for r in loose.execute(evidence._ALL)]
    previous = rows[0]["hash"]
    for row in rows[1:]:
        made = evidence.linked(
            {n: row[n] for n in evidence._BOUND[:5]}, row["said"].replace("sent", "lost"), previous
        )
        loose.execute(tables.evidence.update().where(tables.evidence.c.id == row["id"]).values(**made))
        previous = made["hash"]
    assert found(loose) == ""
    assert "sealed" in evidence.broken_seal(loose)


def test_words_can_go_and_everything_holds(loose: Connection) -> None:
    loose.execute(text("UPDATE evidence SET said = '', salt = zeroblob(16) WHERE number = 2"))
    (outcome,) = evidence.verified(loose).values()
    assert (outcome.rows, outcome.erased, outcome.fault) == (3, 1, "")
    assert evidence.broken_seal(loose) == ""


def test_seals_follow_each_other(store: Store) -> None:
    assert not store.read_now(evidence.is_unsealed)
    for delivery in (1, 2, 3):
        settle(store, attempted(delivery))
        assert store.read_now(evidence.is_unsealed)
        assert store.write_now(lambda tx: evidence.seal(tx, NOW))
        assert not store.write_now(lambda tx: evidence.seal(tx, NOW))
    assert store.read_now(evidence.broken_seal) == ""
    assert [a["what"].split(":")[0] for a in store.read_now(audit.listed)] == [
        f"sealed the evidence up to row {n}" for n in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    "done",
    [
        "DELETE FROM evidence WHERE id = 1",
        "UPDATE evidence SET said = 'nothing' WHERE id = 1",
        "UPDATE evidence SET said = '' WHERE id = 1",
        "UPDATE evidence SET event = 'x', said = '', salt = zeroblob(16) WHERE id = 1",
        {
            "sqlite": "REPLACE INTO evidence"
            " SELECT id, chain, 9, at, event, 1, said, salt, digest, previous, hash FROM evidence",
            "postgresql": "TRUNCATE evidence",
        },
    ],
)
def test_the_database_refuses_it(store: Store, engine: str, done: str | dict[str, str]) -> None:
    done = spoken(done if isinstance(done, str) else done[engine], engine)
    settle(store, attempted(1), attempted(2))
    before = store.read_now(lambda c: evidence.of_conversation(c, 1))
    with pytest.raises(IntegrityError):
        store.write_now(lambda tx: tx.connection.execute(text(done)))
    assert store.read_now(lambda c: evidence.of_conversation(c, 1)) == before


def test_two_processes_write_the_same_chains(store: Store, tmp_path: Path) -> None:
    def job(delivery: int) -> Any:
        def work(tx: Tx) -> None:
            sending.settle(tx, [attempted(delivery, S.DEFERRED), attempted(3, S.DEFERRED)], NOW)

        return work

    with opened(tmp_path) as other:
        jobs = [each.submit(job(n % 2 + 1)) for n in range(20) for each in (store, other)]
        for submitted in jobs:
            submitted.result(60)
        assert faults(other) == {}
        assert sum(outcome.rows for outcome in other.read_now(evidence.verified).values()) == 80


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from(list(Occasion)), _TEXTS, _TEXTS), min_size=1, max_size=6)
)
def test_whatever_is_written_holds(store: Store, happened: list[tuple[int, Occasion, str, str]]) -> None:
    facts = [Fact(d, o, Attempt(S.DEFERRED, reply), by) for d, o, reply, by in happened]
    store.write_now(lambda tx: evidence.record(tx, facts, NOW + timedelta(microseconds=1)))
    assert faults(store) == {}
    assert chain.START not in {outcome.head for outcome in store.read_now(evidence.verified).values()}
