"""The journal: what lies in a pack and was acknowledged gets into the database, whenever the process ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from structlog.testing import capture_logs

from gateway.errors import StoreError
from gateway.model import ImapCursor, Incoming
from gateway.store import arrivals, catching, journal, ledger, owed, restoring
from gateway.store.arrivals import Entry
from gateway.store.database import Store
from gateway.store.folder import Folder
from gateway.store.journal import Journal
from gateway.store.keeper import Keeper
from gateway.store.tables import arrivals as arrivals_table
from gateway.store.tables import open_packs
from tests.builders import incoming, raw_mail

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def packs(store: Store) -> Folder:
    assert isinstance(store.packs, Folder)
    return store.packs


@pytest.fixture
def written(store: Store) -> Iterator[Journal]:
    made = Journal.of(store)
    assert made is not None
    yield made
    made.close()


def mails(count: int) -> list[Incoming]:
    return [incoming(raw_mail(text=str(n)), envelope_sender=f"u{n}@usager.example.net") for n in range(count)]


def enter(store: Store, entries: Sequence[Entry]) -> None:
    store.write_now(lambda tx: journal.enter(tx, entries))


def arrived(store: Store) -> list[str]:
    """Who sent the mails that the database knows, in their order."""
    query = select(arrivals_table.c.sender).order_by(arrivals_table.c.id)
    return list(store.read_now(lambda c: c.scalars(query).all()))


def noted(store: Store) -> dict[str, int]:
    return {row.pack: row.known for row in store.read_now(lambda c: c.execute(select(open_packs)).all())}


def head(packs: Folder, entry: Entry) -> bytes:
    """The line before its octets."""
    before = (packs.folder / entry.raw["pack"]).read_bytes()[: entry.raw["offset"]]
    return before.splitlines(keepends=True)[-1]


def senders(*numbers: int) -> list[str]:
    return [f"u{n}@usager.example.net" for n in numbers]


# --- after the end of a process -----------------------------------------------------------------------------


def test_what_was_written_and_never_entered_is_taken_up(store: Store, written: Journal) -> None:
    sent = mails(3)
    written.write(sent[:2])
    written.write(sent[2:])
    assert arrived(store) == []
    assert journal.take_up(store) == 3
    assert arrived(store) == senders(0, 1, 2)
    (first, *_), _ = [store.write_now(lambda tx: arrivals.claim(tx, "x", sent[0].received_at, 9)), None]
    assert first.envelope == sent[0].envelope
    assert store.packs.read(store.read_now(lambda c: arrivals.locate(c, first.digest))) == sent[0].raw
    assert noted(store) == {}
    assert journal.take_up(store) == 0


def test_what_was_entered_is_not_taken_up_again(store: Store, written: Journal, packs: Folder) -> None:
    entries = written.write(mails(5))
    enter(store, entries[:3])
    (end,) = noted(store).values()
    assert end == entries[3].raw["offset"] - len(head(packs, entries[3]))
    assert journal.take_up(store) == 2
    assert arrived(store) == senders(0, 1, 2, 3, 4)


def test_when_all_is_entered_the_whole_pack_is_known(store: Store, written: Journal, packs: Folder) -> None:
    for some in (mails(5)[:2], mails(5)[2:]):
        enter(store, written.write(some))
    written.close()  # which leaves no room in it
    assert noted(store) == packs.sizes()
    assert journal.take_up(store) == 0


def test_the_same_mail_twice_is_entered_twice_and_kept_once(store: Store, written: Journal) -> None:
    """Each has its envelope."""
    (mail,) = mails(1)
    other = incoming(mail.raw, envelope_sender="v@usager.example.net")
    enter(store, written.write([mail, other]))
    assert arrived(store) == [*senders(0), "v@usager.example.net"]
    location = store.read_now(lambda c: arrivals.locate(c, mail.digest.hex()))
    assert store.packs.read(location) == mail.raw


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=4), entered=st.integers(0, 4), share=st.floats(0, 1))
def test_wherever_the_pack_is_cut_off_what_is_whole_before_it_arrives(
    store: Store, sizes: list[int], entered: int, share: float
) -> None:
    made, before = Journal.of(store), len(arrived(store))
    assert made is not None
    sent = [incoming(b"%d %s" % (before + n, b"x" * size)) for n, size in enumerate(sizes)]
    entries = made.write(sent)
    made.close()
    ends = [each.raw["offset"] + each.raw["size"] + 1 for each in entries]
    known = min(entered, len(entries))
    if known:
        enter(store, entries[:known])
    least = ends[known - 1] if known else 0
    cut = least + round(share * (ends[-1] - least))
    os.truncate(made._packs.folder / entries[0].raw["pack"], cut)
    whole = sum(end - 1 <= cut for end in ends)  # the line feed at the end tells nothing
    assert journal.take_up(store) == whole - known
    assert len(arrived(store)) - before == whole
    assert noted(store) == {}


def test_a_pack_that_is_away_is_told_and_taken_up_once_it_is_back(
    store: Store, written: Journal, packs: Folder, tmp_path: Path
) -> None:
    written.write(mails(2))
    (name,) = packs.sizes()
    (packs.folder / name).rename(tmp_path / "away")
    with capture_logs() as lines:
        assert journal.take_up(store) == 0
    assert [(each["event"], each["pack"]) for each in lines] == [("pack_not_read", name)]
    (tmp_path / "away").rename(packs.folder / name)
    assert journal.take_up(store) == 2


def test_after_a_restore_nothing_is_taken_up_by_itself(store: Store, written: Journal) -> None:
    """What came after the backup was filed once: `recover` holds what it causes."""
    written.write(mails(2))
    store.write_now(restoring.begin_anew)
    assert journal.take_up(store) == 0


# --- writing ------------------------------------------------------------------------------------------------


def test_what_cannot_be_synced_is_not_taken_up(
    store: Store, written: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = mails(3)
    written.write(sent[:1])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing)
        with pytest.raises(StoreError):
            written.write(sent[1:2])
    written.write(sent[2:])
    assert len(noted(store)) == 2
    assert journal.take_up(store) == 2
    assert sorted(arrived(store)) == senders(0, 2)


def failing(_: int) -> None:
    raise OSError(5, "Input/output error")


def test_nothing_is_written_while_the_database_is_away(store: Store, written: Journal, tmp_path: Path) -> None:
    sent = mails(2)
    written.write(sent[:1])
    there = tmp_path / "gateway.db"
    there.rename(tmp_path / "away.db")
    with pytest.raises(StoreError, match="removed or replaced"):
        written.write(sent[1:])
    (tmp_path / "away.db").rename(there)
    written.write(sent[1:])
    assert journal.take_up(store) == 2


def test_nothing_is_written_to_a_pack_that_the_database_does_not_know(
    store: Store, written: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: Any) -> None:
        raise StoreError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_begin", unable)
        for _ in range(2):
            with pytest.raises(StoreError, match="no room"):
                written.write(mails(1))
    written.write(mails(1))
    assert journal.take_up(store) == 1


# --- a copy of the database ---------------------------------------------------------------------------------


def database(store: Store) -> Path:
    return Path(str(store.engine.url.database))


def test_a_copy_waits_until_the_database_knows_of_all_that_was_acknowledged(
    store: Store, written: Journal, packs: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = written.write(mails(3))
    enter(store, entries[:1])
    monkeypatch.setattr(catching.time, "sleep", lambda _: enter(store, entries[1:]))
    assert catching.caught_up(database(store), packs)
    assert arrived(store) == senders(0, 1, 2)


def test_a_copy_waits_for_nobody_where_all_is_known_and_not_for_ever(
    store: Store, written: Journal, packs: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catching, "_PATIENCE", 0.0)
    monkeypatch.setattr(catching.time, "sleep", lambda _: pytest.fail("waited"))
    entries = written.write(mails(1))
    assert not catching.caught_up(database(store), packs)
    enter(store, entries)
    assert catching.caught_up(database(store), packs)


# --- the keeper -----------------------------------------------------------------------------------------------


async def test_what_is_kept_can_be_filed_soon(store: Store) -> None:
    rung = asyncio.Event()
    keeper = Keeper(store, rung)
    await keeper.keep(mails(1)[0])
    await asyncio.wait_for(rung.wait(), 10)
    assert arrived(store) == senders(0)
    await keeper.close()


async def test_in_a_rush_many_are_entered_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owed, "_GATHER", 3600.0)
    monkeypatch.setattr(store.rush, "until", lambda now: now + 1)
    keeper = Keeper(store, asyncio.Event())
    for mail in mails(5):
        await keeper.keep(mail)
    assert arrived(store) == []
    await keeper.close()
    assert arrived(store) == senders(0, 1, 2, 3, 4)
    assert noted(store) == {}


async def test_while_the_database_takes_nothing_no_more_is_kept_and_what_was_is_entered_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: Any) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(owed, "_AGAIN", 0.01)
    rung = asyncio.Event()
    keeper, sent = Keeper(store, rung), mails(3)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "enter", unable)
        await keeper.keep(sent[0])  # it is safe
        await keeper._owed.told()
        with pytest.raises(StoreError, match="the disk is full"):
            await keeper.keep(sent[1])
    await asyncio.wait_for(rung.wait(), 10)
    await keeper.keep(sent[2])
    await keeper.close()
    assert arrived(store) == senders(0, 2)


async def test_who_brings_too_many_waits_for_the_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owed, "_MOST", 0)
    monkeypatch.setattr(store.rush, "until", lambda now: now + 1)
    keeper = Keeper(store, asyncio.Event())
    first, second = mails(2)
    await keeper.keep(first)
    await keeper.keep(second)
    assert arrived(store)[:1] == senders(0)
    await keeper.close()


async def test_what_comes_from_a_mailbox_is_in_the_ledger_before_it_is_acknowledged(store: Store) -> None:
    keeper, cursor = Keeper(store, asyncio.Event()), ImapCursor("contact/INBOX", 7, 1)
    await keeper.keep(incoming(raw_mail(), cursor=cursor))
    assert store.read_now(lambda c: ledger.known_uids(c, cursor.mailbox, 7, 1, 9)) == {1}
    assert noted(store) == {}
    await keeper.close()
