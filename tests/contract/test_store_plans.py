"""What is asked for a mail is found by an index: a mail costs the same, however much is stored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.context import Context
from gateway.store.database import Store, Tx
from tests.builders import MANON, deliveries_to, file_all, incoming, keep, listed, make_context, raw_mail

# Nothing is read from end to end but what is a row or two, a queue, or what an index found in the step before.
_FINE = re.compile(
    r"SCAN (rounds|sqlite_sequence|CONSTANT ROW|anon_\d+|arrivals USING INDEX ix_arrivals_(ready|begun))|(?!SCAN).*"
)
_LAST = re.compile(r"ORDER BY (\w+)\.id DESC\s+LIMIT 1\b")  # the end of a table
# What grows with every mail is counted, and looked for, in an index that bounds it.
_BOUNDED = (
    "USING COVERING INDEX ix_deliveries_recipient (recipient=? AND purpose=? AND created_at>?)",
    "USING COVERING INDEX ix_deliveries_acknowledged (created_at>? AND created_at<?)",
    "USING COVERING INDEX ix_messages_thread (conversation=? AND direction=? AND kind=?)",
    "USING INDEX ix_messages_matter (matter=? AND sent_at>? AND sent_at<?)",
)


def mails(store: Store) -> list[bytes]:
    """A mail of another matter, an answer by its ids, one by its matter alone, the same once more, and an agent's."""
    told = deliveries_to(store, MANON)[0]
    return [
        raw_mail(subject="b", identifier="m2@x.example", text="deux"),
        raw_mail(subject="Re: a", identifier="m3@x.example", references=("m1@x.example",), text="trois"),
        raw_mail(subject="Re: a", identifier="m4@x.example", text="quatre"),
        raw_mail(subject="b", identifier="m2@x.example", text="deux"),
        raw_mail(
            MANON, told.reply_to, subject="Re: a", answers=told.message_id, identifier="m5@x.example", text="Oui."
        ),
    ]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path, trust={"agent_proof": "token"})


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_no_table_is_read_from_end_to_end(store: Store, context: Context) -> None:
    keep(store, incoming(raw_mail(subject="a", identifier="m1@x.example")))
    file_all(store, context)
    keep(store, *map(incoming, mails(store)))
    asked: list[str] = []
    store.write_now(lambda tx: _heard(tx, asked))
    filed = [decision for _, decision in file_all(store, context)]
    said = tuple(asked)
    assert not [decision for decision in filed if isinstance(decision, str)]
    assert len(listed(store)) == 2
    statements = [words for words in said if re.match(r"(SELECT|UPDATE|DELETE)\b", words)]
    assert len(statements) > 40
    plans = [(step, words) for words in statements for step in _plan(store, words)]
    assert {step for step, words in plans if not _FINE.fullmatch(step) and not _LAST.search(words)} == set()
    for bounded in _BOUNDED:
        assert any(bounded in step for step, _ in plans), "\n".join(sorted({step for step, _ in plans}))


def _plan(store: Store, statement: str) -> list[str]:
    rows = store.read_now(lambda c: c.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all())
    return [row.detail for row in rows]


def _heard(tx: Tx, asked: list[str]) -> None:
    """From here on, what the writer asks, with its values."""
    driver = tx.connection.connection.dbapi_connection
    assert driver is not None
    driver.set_trace_callback(asked.append)
