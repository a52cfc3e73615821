"""Mails that are filed together come to what they come to one after the other, in every row of the store."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import example, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from gateway import explaining, inbound, log, together
from gateway.context import Context
from gateway.decision import Decision
from gateway.errors import StoreError
from gateway.explaining import Seen
from gateway.model import Finding, Incoming, Message, Scan
from gateway.store import arrivals, fresh, rows, scans, tables
from gateway.store.database import Store, Tx
from gateway.store.prepared import _Made
from gateway.store.tables import conversations, deliveries, metadata
from gateway.together import Waiting
from tests.builders import (
    DOMAIN,
    MANON,
    NOW,
    ULYSSE,
    emptied,
    file_all,
    incoming,
    keep,
    listed,
    make_context,
    opened,
    raw_mail,
)

T = TypeVar("T")
_LIMITS = {
    "acknowledgements_per_minute": 5,
    "acknowledgements_per_address": 2,
    "alarm_above": 9,
    "notifications_per_agent": 4,
}
# What is drawn by chance.
_LINK = {"salt", "digest", "previous", "hash"}
_DRAWN = {"audit": _LINK, "evidence": _LINK}
_KINDS = ["capped", "braked", "never", "scanned"]
_BY_HOUR = (  # whichever connection they were written by
    select(tables.acknowledged.c.hour, func.sum(tables.acknowledged.c.written).label("written"))
    .group_by(tables.acknowledged.c.hour)
    .order_by(tables.acknowledged.c.hour)
)
_PEOPLE = [ULYSSE, "ursule@usager.example.net", "x@elsewhere.example", MANON]
_INBOXES = [f"contact@{DOMAIN}", f"dossier+123@{DOMAIN}", f"demarche+42@{DOMAIN}"]


class _TakenBack(Exception):
    """What was written is looked at, and nothing of it stays."""


@dataclass(frozen=True)
class Letter:
    """A mail by its number; `cites`: numbers of mails, also of those that come later; `answers`: our own mail.
    `outlook`: the number of a conversation, as Outlook counts them in its Thread-Index; 0 for none.
    `file`: does it bring one; then what the antivirus has said of it by now, None for nothing yet."""

    number: int
    author: str
    to: str
    subject: str
    words: int
    cites: tuple[int, ...]
    robot: bool
    answers: int | None
    outlook: int = 0
    file: tuple[Finding | None, ...] = ()

    def octets(self, ours: Sequence[Any]) -> bytes:
        told = ours[self.answers % len(ours)] if ours and self.answers is not None else None
        references = tuple(f"m{cited}@x.example" for cited in self.cites)
        text = " ".join(f"{word}{self.words}" for word in ("un", "deux", "trois"))
        fields = {"Date": f"Sat, 01 Mar 2025 10:{self.number:02}:00 +0100"}
        if self.robot:
            fields["Auto_Submitted"] = "auto-replied"
        if self.file:
            fields["Content_Type"] = 'multipart/mixed; boundary="b"'
            text = f"--b\n\n{text}\n--b\nContent-Disposition: attachment; filename=a.txt\n\n{self.number}\n--b--"
        if self.outlook:
            fields["Thread_Index"] = base64.b64encode(b"\1" * 6 + self.outlook.to_bytes(16)).decode()
        if told is not None:
            references = (*references, told.message_id)
        return raw_mail(
            told.recipient if told is not None else self.author,
            told.reply_to if told is not None and told.reply_to else self.to,
            subject=self.subject,
            text=text,
            identifier=f"m{self.number}@x.example",
            references=references,
            **fields,
        )


def _plain(number: int, subject: str, author: str = ULYSSE, outlook: int = 0) -> Letter:
    return Letter(number, author, _INBOXES[0], subject, number, (), robot=False, answers=None, outlook=outlook)


def _citing(number: int, other: int) -> Letter:
    return replace(_plain(number, "Ma demande"), cites=(other,))


_LETTERS = st.builds(
    Letter,
    number=st.integers(0, 11),
    author=st.sampled_from(_PEOPLE),
    to=st.sampled_from(_INBOXES),
    subject=st.sampled_from(["Ma demande", "Re: Ma demande", "Permis", "Re: Permis", "Dossier 123"]),
    words=st.integers(0, 5),
    cites=st.lists(st.integers(0, 11), max_size=2).map(tuple),
    robot=st.sampled_from([False, False, False, True]),
    answers=st.one_of(st.none(), st.none(), st.integers(0, 20)),
    outlook=st.sampled_from([0, 0, 1]),
    file=st.sampled_from([(), (), *((found,) for found in (None, *Finding))]),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, dict[str, Context]]]:
    """Contexts by how mails are acknowledged: whoever was is looked up alone, where it counts up to a cap."""
    folder = tmp_path_factory.mktemp("together")
    with opened(folder) as store:
        yield store, {name: _context(folder, name) for name in _KINDS}


def _context(folder: Path, kind: str) -> Context:
    trust = {"agent_proof": "token", "acknowledge": "never" if kind == "never" else "person"}
    limits = {"acknowledgements_per_minute": 100, "alarm_above": 4} if kind == "braked" else _LIMITS
    antivirus = {"socket": "unix:/run/clamd.ctl" if kind == "scanned" else ""}
    return make_context(folder, limits=limits, trust=trust, antivirus=antivirus)


@profile(max_examples=20)
@example("never", [], [_plain(0, "Permis"), _plain(1, "Re: Permis")], 9)
@example("never", [], [_plain(0, "Permis"), _citing(1, 0)], 9)
@example("never", [], [_citing(0, 1), _plain(1, "Permis")], 9)
@example("never", [], [_plain(0, "Permis", outlook=1), _plain(1, "Re: Ma demande", outlook=1)], 9)
@example("scanned", [], [replace(_plain(n, f"s{n}"), file=(found,)) for n, found in enumerate((None, *Finding))], 9)
@example("capped", [], [_plain(number, f"s{number}") for number in range(4)], 9)
@example("capped", [], [_plain(number, f"s{number}", f"u{number}@x.example") for number in range(8)], 9)
@example("braked", [], [_plain(number, f"s{number}", f"u{number}@x.example") for number in range(8)], 9)
@given(
    st.sampled_from(_KINDS),
    st.lists(_LETTERS, max_size=3),
    st.lists(_LETTERS, min_size=2, max_size=8),
    st.integers(0, 10),
)
def test_filed_together_is_as_one_after_the_other(
    shared: tuple[Store, dict[str, Context]],
    kind: str,
    before: list[Letter],
    letters: list[Letter],
    again: int,
) -> None:
    store, context = shared[0], shared[1][kind]
    emptied(store)
    for letter in before:
        come(store, letter)
        file_all(store, context, NOW - timedelta(seconds=90))
    for letter in (*letters, *letters[again : again + 2]):
        come(store, letter)
    mails = store.write_now(lambda tx: waiting(tx, store, context))
    assert written(store, mails, context, at_once=len(mails)) == written(store, mails, context, at_once=1)


def written(store: Store, mails: list[Waiting], context: Context, *, at_once: int) -> dict[str, list[dict[str, Any]]]:
    """All rows, once these are filed, some at a time. Nothing of it stays."""
    rows: dict[str, list[dict[str, Any]]] = {}

    def work(tx: Tx) -> None:
        for start in range(0, len(mails), at_once):
            inbound.file_batch(tx, mails[start : start + at_once], context, NOW)
        rows.update(everything(tx))
        raise _TakenBack

    failures: list[Exception] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(together, "file", partial(heard, together.file, failures))
        with pytest.raises(_TakenBack):
            store.write_now(work)
    assert not failures, "those that can be filed one by one can be filed together"
    return rows


def heard(file: Callable[..., T], failures: list[Exception], *rest: Any) -> T:
    try:
        return file(*rest)
    except Exception as error:
        failures.append(error)
        raise


def waiting(tx: Tx, store: Store, context: Context) -> list[Waiting]:
    work = arrivals.claim(tx, "x", NOW, 50)
    return [(arrival, inbound.read_mail(inbound.fetched(store, arrival), arrival, context)) for arrival in work]


def everything(tx: Tx) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table; what is drawn by chance has another name."""
    named = {row.reference: f"reference {row.id}" for row in tx.connection.execute(select(conversations))}
    references = re.compile("|".join(named) or "(?!)")

    def told(value: Any) -> str:
        return references.sub(lambda found: named[found[0]], repr(value))

    return {
        table.name: [
            {
                column: told(value)
                for column, value in row._asdict().items()
                if column not in _DRAWN.get(table.name, ())
            }
            for row in tx.connection.execute(select(table).order_by(*table.c))
        ]
        for table in metadata.sorted_tables
        if table is not tables.acknowledged
    } | {"acknowledged": [{"hour": row.hour, "written": row.written} for row in tx.connection.execute(_BY_HOUR)]}


def come(store: Store, letter: Letter) -> None:
    ours = store.read_now(lambda c: c.execute(select(deliveries).order_by(deliveries.c.id)).all())
    mail = incoming(letter.octets(ours), (letter.to,), received_at=NOW - timedelta(seconds=100))
    keep(store, mail)
    said = {mail.digest.hex(): Scan(found, "what it says") for found in letter.file if found is not None}
    store.write_now(lambda tx: scans.keep_all(tx, said, NOW))


# --- what it spares ------------------------------------------------------------------------------------------


def plain(count: int, **fields: Any) -> list[Incoming]:
    """Mails of as many people, each about something else."""
    return [
        incoming(raw_mail(f"u{n}@x.example", subject=f"s{n}", text=f"t{n}", identifier=f"p{n}@x.example", **fields))
        for n in range(count)
    ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Store, Context]]:
    with opened(tmp_path) as store:
        yield store, make_context(tmp_path)


def test_ten_mails_cost_hardly_more_statements_than_one(
    world: tuple[Store, Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, context = world
    asked: list[object] = []
    run = _Made.run
    monkeypatch.setattr(_Made, "run", lambda made, *rest, **more: (asked.append(made), run(made, *rest, **more))[1])
    counts = []
    for mails in (plain(1), plain(11)[1:]):
        keep(store, *mails)
        asked.clear()
        file_all(store, context)
        counts.append(len(asked))
    assert counts[1] < 1.5 * counts[0]


def test_one_that_fails_is_set_aside_and_the_others_are_filed(
    world: tuple[Store, Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its own decision fails, or only what is written of it."""
    store, context = world
    decided, row = explaining.foretold, rows.of_message
    keep(store, *plain(5))

    def fails(this: Seen, *rest: Any) -> Decision | None:
        if this.mail.subject == "s2":
            raise ValueError(this.mail.subject)
        return decided(this, *rest)

    def unwritten(message: Message, conversation: int) -> dict[str, Any]:
        found = row(message, conversation)
        return {**found, "subject": object()} if message.subject == "s3" else found

    said = one_by_one(monkeypatch)
    monkeypatch.setattr(together, "foretold", fails)
    monkeypatch.setattr(rows, "of_message", unwritten)
    outcomes = [outcome for _, outcome in file_all(store, context)]
    assert [type(outcome) for outcome in outcomes] == [Decision, Decision, Decision, str, Decision]
    assert len(listed(store)) == 4
    ((mails, reason),) = said
    assert mails == 5
    assert reason.startswith("ValueError at ")
    assert reason.endswith(" fails")


def one_by_one(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """What is said from here on of mails that can't be filed together: how many they are, and why."""
    said: list[tuple[int, str]] = []
    monkeypatch.setattr(log, "filed_one_by_one", lambda *, mails, reason: said.append((mails, reason)))
    return said


def test_one_that_another_daemon_has_by_now_is_left_to_it(
    world: tuple[Store, Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, context = world
    said = one_by_one(monkeypatch)
    keep(store, *plain(4))

    def work(tx: Tx) -> list[int]:
        mails = waiting(tx, store, context)
        taken = mails[2][0].id
        tx.connection.execute(update(tables.arrivals).where(tables.arrivals.c.id == taken).values(owner="another"))
        return [arrival.id for arrival, _ in inbound.file_batch(tx, mails, context, NOW)]

    assert store.write_now(work) == [1, 2, 4]
    assert said == [(4, "another daemon has some of them")]
    assert len(listed(store)) == 3


def test_trouble_of_the_store_is_nobodys_fault(world: tuple[Store, Context], monkeypatch: pytest.MonkeyPatch) -> None:
    store, context = world
    keep(store, *plain(3))

    def broken(*_: Any) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(fresh, "write", broken)
    with pytest.raises(StoreError):
        file_all(store, context)
    states = store.read_now(lambda c: list(c.scalars(select(tables.arrivals.c.state))))
    assert states == ["waiting"] * 3


def test_a_job_leaves_the_rest_where_somebody_waits(world: tuple[Store, Context]) -> None:
    store, context = world
    keep(store, *plain(30))
    calm = iter([False])  # when it begins

    def work(tx: Tx) -> tuple[int, int]:
        mails = waiting(tx, store, context)
        hasty = replace(tx, in_haste=lambda: next(calm, True))
        done, count = inbound.file_some(hasty, mails, context, NOW)
        return len(done), count

    assert store.write_now(work) == (10, 10)
