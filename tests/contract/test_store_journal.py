"""The journal: what lies in a pack and was acknowledged gets into the database, whenever the process ends."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from structlog.testing import capture_logs

from gateway.commands.operator import SOMEBODY
from gateway.commands.recover import recovered
from gateway.errors import StoreError
from gateway.health import checks, watch
from gateway.model import ImapCursor, Incoming
from gateway.store import (
    arrivals,
    backup,
    copying,
    journal,
    ledger,
    manifests,
    outbox,
    owed,
    restoring,
    rounds,
    salvage,
)
from gateway.store.arrivals import Entry
from gateway.store.database import Store
from gateway.store.folder import Folder
from gateway.store.journal import Journal
from gateway.store.keeper import Keeper
from gateway.store.tables import arrivals as arrivals_table
from gateway.store.tables import open_packs
from tests.builders import NOW, incoming, raw_mail

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
    before: bytes = (packs.folder / entry.raw["pack"]).read_bytes()[: entry.raw["offset"]]
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


@settings(max_examples=40)
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


def test_a_second_envelope_of_octets_that_are_known_is_taken_up_too(store: Store, written: Journal) -> None:
    (mail,) = mails(1)
    others = [incoming(mail.raw, envelope_sender=f"v{n}@usager.example.net") for n in range(2)]
    enter(store, written.write([mail]))
    written.write(others)
    assert journal.take_up(store) == 2
    assert arrived(store) == [*senders(0), "v0@usager.example.net", "v1@usager.example.net"]
    assert journal.take_up(store) == 0


def test_what_was_entered_by_a_commit_that_seemed_to_fail_is_entered_once(store: Store, written: Journal) -> None:
    entries = written.write(mails(3))
    enter(store, entries[:2])
    enter(store, entries)
    assert arrived(store) == senders(0, 1, 2)
    assert journal.take_up(store) == 0


def test_a_taking_up_that_stops_in_the_middle_goes_on_from_there(
    store: Store, written: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_AT_ONCE", 2)
    written.write(mails(5))
    real, calls = journal.enter, iter(range(9))

    def failing_later(*of: Any, **named: Any) -> None:
        if next(calls) == 1:
            raise StoreError("the disk is full")
        real(*of, **named)

    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr(journal, "enter", failing_later)
        assert journal.take_up(store) == 2
    assert [each["event"] for each in lines] == ["pack_not_read"]
    assert journal.take_up(store) == 3
    assert arrived(store) == senders(0, 1, 2, 3, 4)


@pytest.mark.parametrize("take", [journal.take_up, lambda store: recovered(store, SOMEBODY, NOW, apply=False)])
def test_large_mails_are_looked_at_one_at_a_time(
    store: Store, written: Journal, take: Callable[[Store], Any]
) -> None:
    """A hundred at once would be more than a daemon may have; it would end at each start."""
    written.write([incoming(b"%d %s" % (n, b"x" * 1_000_000)) for n in range(20)])
    tracemalloc.start()
    try:
        take(store)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8_000_000


def test_what_is_not_whole_is_told(store: Store, written: Journal, packs: Folder) -> None:
    first, second = written.write(mails(2))
    os.truncate(packs.folder / first.raw["pack"], journal.end(second) - 5)
    with capture_logs() as lines:
        assert journal.take_up(store) == 1
    assert [(each["event"], each["offset"]) for each in lines] == [("pack_ends_early", journal.end(first))]


def test_what_came_long_ago_and_was_never_entered_is_told(
    store: Store, written: Journal, packs: Folder, tmp_path: Path
) -> None:
    """Nothing that the daemon is about to enter is; nor a pack of which all is known."""
    (mail,) = mails(1)
    later = mail.received_at + timedelta(microseconds=1)
    assert journal.overdue(store, later) == []
    entries = written.write([mail])
    (name,) = packs.sizes()
    assert journal.overdue(store, mail.received_at) == []
    assert journal.overdue(store, later) == [name]
    enter(store, entries)
    assert journal.overdue(store, later) == []
    (packs.folder / name).rename(tmp_path / "away")
    assert journal.overdue(store, mail.received_at) == [name]


def test_a_pack_that_cannot_be_read_is_told(
    store: Store, written: Journal, packs: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    written.write(mails(1))

    def unreadable(*_: Any) -> None:
        raise StoreError("Input/output error")

    monkeypatch.setattr(Folder, "read", unreadable)
    assert journal.overdue(store, mails(1)[0].received_at) == list(packs.sizes())


async def test_the_daemon_sees_such_packs_among_those_that_are_broken(
    store: Store, written: Journal, packs: Folder
) -> None:
    written.write(mails(1))
    memory, every = watch.Memory(), timedelta()
    at = mails(1)[0].received_at + checks.PATIENCE
    await watch.compare(store, memory, every, at)
    assert memory.packs == ()
    await watch.compare(store, memory, every, at + timedelta(seconds=1))
    assert memory.packs == tuple(packs.sizes())
    assert memory.broken_since is not None


def test_recover_takes_it_up_first_and_holds_nothing_of_it(store: Store, written: Journal) -> None:
    """It was never filed: nothing of it can have been sent."""
    written.write(mails(2))
    found = recovered(store, SOMEBODY, NOW, apply=False)
    assert arrived(store) == []
    taken = recovered(store, SOMEBODY, NOW, apply=True)
    assert (found.document["mails"], taken.document["mails"]) == (2, 2)
    assert taken.lines == ("Taken in as at each start of the daemon, which files it: 2 mails.",)
    assert arrived(store) == senders(0, 1)
    assert store.read_now(lambda c: rounds.last(c, outbox.RESTORED)) is None
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


def test_a_pack_whose_note_was_written_though_its_commit_failed_takes_mail(
    store: Store, written: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.submit

    def unsure(work: Any, **how: Any) -> Any:
        real(work, **how).result()
        raise StoreError("nobody knows")

    with monkeypatch.context() as patch:
        patch.setattr(store, "submit", unsure)
        with pytest.raises(StoreError, match="nobody knows"):
            written.write(mails(1))
    written.write(mails(1))
    assert journal.take_up(store) == 1


# --- a backup -----------------------------------------------------------------------------------------------


def backed_up(store: Store, folder: Path, second: int = 0) -> Path:
    database = Path(str(store.engine.url.database))
    dump = partial(copying.sqlite, database, store.packs)
    now = NOW + timedelta(seconds=second)
    return backup.make(folder, dump, store.packs, {}, version="1", now=now)[0]


def restored(found: Path, packs: Folder, folder: Path) -> Store:
    needed = manifests.read(found).packs
    restoring.put_packs(packs, found.parent / "packs", needed)
    sizes = {name: copy.size for name, copy in needed.items()}
    finish = partial(restoring.begin_anew, up_to=sizes)
    restoring.put_database(found / copying.DATABASE, folder / "gateway.db", packs, finish, NOW)
    return Store(f"sqlite:///{folder / 'gateway.db'}", packs)


@pytest.mark.parametrize("entered", range(4))
def test_what_was_acknowledged_before_a_backup_is_there_once_after_a_restore(
    store: Store, written: Journal, tmp_path: Path, entered: int
) -> None:
    entries = written.write(mails(3))
    enter(store, entries[:entered])
    found = backed_up(store, tmp_path / "backups")
    manifest = manifests.read(found)
    assert (manifest.arrivals, manifest.last_arrival) == (3, mails(3)[-1].received_at.isoformat())
    assert manifests.pack_problems(found) == []
    with closing(restored(found, Folder(tmp_path / "elsewhere"), tmp_path / "two")) as again:
        assert arrived(again) == senders(0, 1, 2)
        assert again.packs.read(again.read_now(lambda c: arrivals.locate(c, mails(3)[2].digest.hex())))
        assert noted(again) == {}
        assert journal.take_up(again) == 0


def test_what_was_acknowledged_while_the_database_was_copied_may_be_in_it_or_not(
    store: Store, written: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But nothing of before is missing, and what the copy knows isn't entered twice."""
    sent, real = mails(4), journal.ends
    entries = written.write(sent[:2])

    def meanwhile(*of: Any) -> dict[str, int]:
        found = real(*of)
        enter(store, entries)
        enter(store, written.write(sent[2:3]))
        written.write(sent[3:])
        return found

    with monkeypatch.context() as patch:
        patch.setattr(journal, "ends", meanwhile)
        found = backed_up(store, tmp_path / "backups")
    with closing(restored(found, Folder(tmp_path / "elsewhere"), tmp_path / "two")) as again:
        assert arrived(again) == senders(0, 1, 2)


def test_what_came_after_the_backup_is_left_to_recover(
    store: Store, written: Journal, packs: Folder, tmp_path: Path
) -> None:
    """It was filed once: `recover` holds what it causes."""
    sent = mails(4)
    written.write(sent[:2])
    found = backed_up(store, tmp_path / "backups")
    written.write(sent[2:])
    with closing(restored(found, packs.another(), tmp_path / "two")) as again:
        assert arrived(again) == senders(0, 1)
        assert journal.take_up(again) == 0
        left = salvage.unknown(again.packs, again.read_now(arrivals.extents))
        assert [each.mail.envelope.sender for each in left if isinstance(each, salvage.Found)] == senders(2, 3)


def test_a_pack_that_was_cut_back_since_the_last_backup_keeps_no_other_from_being_made(
    store: Store, written: Journal, packs: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that failed: what wasn't acknowledged is taken away again, be it that a backup saw it."""
    sent = mails(3)
    enter(store, written.write(sent[:1]))

    def seen_and_failing(_: int) -> None:
        with monkeypatch.context() as inner:
            inner.setattr(os, "fdatasync", real)
            backed_up(store, tmp_path / "backups")
        raise OSError(5, "Input/output error")

    real = os.fdatasync
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", seen_and_failing)
        with pytest.raises(StoreError, match="can't be synced"):
            written.write(sent[1:2])
    backed_up(store, tmp_path / "backups", 1)
    enter(store, written.write(sent[2:]))
    backed_up(store, tmp_path / "backups", 2)
    found = backup.backups(tmp_path / "backups")
    assert [manifests.read(each).arrivals for each in found] == [2, 1, 2]
    assert [manifests.pack_problems(each) for each in found] == [[], [], []]


def test_the_room_that_a_pack_has_is_in_no_backup(store: Store, written: Journal, tmp_path: Path) -> None:
    """It is filled later: the pack would not be any more what it was."""
    sent = mails(3)
    for number, mail in enumerate(sent):
        written.write([mail])
        found = backed_up(store, tmp_path / "backups", number)
    with closing(restored(found, Folder(tmp_path / "elsewhere"), tmp_path / "two")) as again:
        assert arrived(again) == senders(0, 1, 2)


def test_a_pack_that_is_away_keeps_no_backup_from_being_made(
    store: Store, written: Journal, packs: Folder, tmp_path: Path
) -> None:
    written.write(mails(1))
    (name,) = packs.sizes()
    (packs.folder / name).rename(tmp_path / "away")
    assert manifests.read(backed_up(store, tmp_path / "backups")).arrivals == 0


# --- the keeper -----------------------------------------------------------------------------------------------


async def test_what_is_kept_can_be_filed_soon(store: Store) -> None:
    rung = asyncio.Event()
    keeper = Keeper(store, rung)
    await keeper.keep(mails(1)[0])
    await asyncio.wait_for(rung.wait(), 60)
    assert arrived(store) == senders(0)
    await keeper.close()


async def test_nobody_waits_for_the_database_but_those_who_fetch(store: Store) -> None:
    keeper = Keeper(store, asyncio.Event())
    for cursor in (None, ImapCursor("contact", 1, 1), None):
        await keeper.keep(replace(mails(1)[0], cursor=cursor))
        assert store.rush.awaits_database is (cursor is not None)
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
    await asyncio.wait_for(rung.wait(), 60)
    await keeper.keep(sent[2])
    await keeper.close()
    assert arrived(store) == senders(0, 2)


async def test_who_brings_too_many_waits_for_the_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is counted by its recipients: there may be a hundred in one envelope."""
    monkeypatch.setattr(owed, "_MOST", 3)
    monkeypatch.setattr(store.rush, "until", lambda now: now + 1)
    keeper = Keeper(store, asyncio.Event())
    first, second = (replace(mail, envelope=replace(mail.envelope, recipients=("a@x",) * 4)) for mail in mails(2))
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
