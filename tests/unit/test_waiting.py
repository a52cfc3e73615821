"""Mail that waits: read, filed in order, given back, begun again, and in the end filed by its header or set aside."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from gateway import claims, inbound, private, waiting
from gateway.context import Context
from gateway.errors import StoreError, Temporary
from gateway.model import Arrival, Mail
from gateway.reading.question import Question, Search, Suspects
from gateway.reading.readers import Unreadable
from gateway.store import arrivals, holders
from gateway.store.database import Store
from gateway.store.packs import Location
from tests.builders import (
    DOMAIN,
    HERE,
    NOW,
    ULYSSE,
    ReadHere,
    incoming,
    keep,
    listed,
    make_context,
    opened,
    raw_mail,
    shown,
)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


async def work(store: Store, context: Context, readers: waiting.Reading = HERE, at: Any = NOW) -> int:
    return await waiting.file_waiting(store, context, readers, "daemon", lambda: at)


async def again(store: Store, context: Context, readers: waiting.Reading = HERE, at: Any = NOW) -> int:
    return await waiting.file_begun(store, context, readers, "daemon", lambda: at)


def letters(*texts: str) -> list[Any]:
    return [incoming(raw_mail(identifier=f"{text}@x", text=text)) for text in texts]


class Fragile(ReadHere):
    """A way to read that fails on a mail with « poison » in it, whole or also by its header; notes what was asked."""

    def __init__(self, *, by_header: bool = True) -> None:
        self.by_header = by_header
        self.asked: list[tuple[float, bool]] = []

    async def read(self, raw: bytes, question: Question) -> Mail:
        if b"poison" in raw:
            self.asked.append((question.seconds, question.whole))
            if question.whole or not self.by_header:
                raise Unreadable("it took too long")
        return await super().read(raw, question)


class By(ReadHere):
    """Reads by a function."""

    def __init__(self, how: Callable[[bytes, Question], Awaitable[Mail]]) -> None:
        self.how = how

    async def read(self, raw: bytes, question: Question) -> Mail:
        return await self.how(raw, question)


async def test_a_mail_that_cannot_be_read_holds_up_no_other(store: Store, context: Context) -> None:
    keep(store, *letters("a", "poison", "b"))
    assert await work(store, context, Fragile()) == 3
    assert len(listed(store)) == 2
    assert store.read_now(arrivals.aside) == []


async def test_a_mail_that_cannot_be_read_is_filed_by_its_header_in_the_end(store: Store, context: Context) -> None:
    fragile = Fragile()
    keep(store, incoming(raw_mail(subject="Mon dossier", text="poison")))
    await work(store, context, fragile)
    assert [await again(store, context, fragile) for _ in range(3)] == [1, 1, 0]
    assert fragile.asked == [(2.0, True), (5.0, True), (5.0, True), (5.0, False)]
    (summary,) = listed(store)
    (message,) = shown(store, summary["reference"])["messages"]
    assert (message["subject"], message["text"], message["author"]) == (
        "Mon dossier",
        "",
        "ulysse@usager.example.net",
    )


async def test_a_large_mail_has_more_time(store: Store, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    fragile, large = Fragile(), incoming(raw_mail(text="poison " * 100))
    monkeypatch.setattr(inbound, "_LARGE", len(large.raw) // 2)
    keep(store, large)
    await work(store, context, fragile)
    assert fragile.asked == [(4.0, True)]


async def test_a_mail_whose_header_cannot_be_read_either_is_set_aside(store: Store, context: Context) -> None:
    fragile = Fragile(by_header=False)
    keep(store, *letters("poison"))
    await work(store, context, fragile)
    await again(store, context, fragile)
    await again(store, context, fragile)
    (aside,) = store.read_now(arrivals.aside)
    assert (aside["reason"], aside["attempts"]) == ("Unreadable: it took too long", 3)
    assert listed(store) == []


async def test_a_mail_of_which_nobody_knows_where_it_lies_holds_up_no_other(
    store: Store, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, kept = letters("a", "b")
    located = arrivals.locate_all
    monkeypatch.setattr(
        arrivals,
        "locate_all",
        lambda connection, digests: located(connection, [each for each in digests if each != lost.digest.hex()]),
    )
    keep(store, lost, kept)
    assert await work(store, context) == 2
    assert len(listed(store)) == 1
    assert [await again(store, context, ReadHere()) for _ in range(3)] == [1, 1, 0]
    (aside,) = store.read_now(arrivals.aside)
    assert aside["attempts"] == 3


async def test_mails_are_filed_in_the_order_in_which_they_came(store: Store, context: Context) -> None:
    """Whichever is read first."""
    second = asyncio.Event()

    async def read(raw: bytes, question: Question) -> Mail:
        if b"premier" in raw:
            await second.wait()
        else:
            second.set()
        return await HERE.read(raw, question)

    keep(store, *letters("premier", "deuxieme"))
    await work(store, context, By(read))
    filed = store.read_now(lambda c: c.exec_driver_sql("SELECT text FROM messages ORDER BY id").scalars().all())
    assert filed == ["premier", "deuxieme"]


async def test_of_large_mails_one_is_read_at_a_time_and_small_ones_beside_it(
    store: Store, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take their memory several times."""
    monkeypatch.setattr(waiting, "_LARGE", 2_000)
    small, at_work = asyncio.Event(), [0]

    async def read(raw: bytes, question: Question) -> Mail:
        if b"grand" not in raw:
            small.set()
            return await HERE.read(raw, question)
        at_work.append(at_work[-1] + 1)
        await small.wait()
        at_work.append(at_work[-1] - 1)
        return await HERE.read(raw, question)

    keep(store, *letters("grand " * 500, "grand grand " * 500, "petit"))
    async with asyncio.timeout(60):
        assert await work(store, context, By(read)) == 3
    assert max(at_work) == 1


async def test_a_mail_whose_bytes_cannot_be_had_waits_and_holds_up_no_other(
    store: Store, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = letters("0", "1", "2")
    keep(store, *mails)
    whole = store.packs.read

    def torn(location: Location) -> bytes:
        raw = whole(location)
        if raw == mails[1].raw:
            raise StoreError("the pack is damaged")
        return raw

    monkeypatch.setattr(store.packs, "read", torn)
    await work(store, context)
    assert len(listed(store)) == 2
    await work(store, context)
    monkeypatch.setattr(store.packs, "read", whole)
    assert await work(store, context) == 0  # not again at once
    assert await work(store, context, at=NOW + timedelta(minutes=6)) == 1
    assert len(listed(store)) == 3
    assert store.read_now(arrivals.aside) == []


async def test_where_nothing_can_read_no_mail_is_to_blame(store: Store, context: Context) -> None:
    async def read(raw: bytes, question: Question) -> Mail:
        raise Temporary("no process can be started")

    keep(store, *letters("a"))
    for hours in range(5):
        assert await work(store, context, By(read), NOW + timedelta(hours=hours)) == 1
    assert await work(store, context, at=NOW + timedelta(days=1)) == 1
    assert len(listed(store)) == 1


async def test_trouble_of_the_store_is_not_the_mails_fault(
    store: Store, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, incoming(raw_mail()))
    failing = OperationalError("INSERT", {}, sqlite3.OperationalError("disk full"))
    for _ in range(5):
        with monkeypatch.context() as patch:
            patch.setattr(inbound, "file_mail", lambda *_, **__: (_ for _ in ()).throw(failing))
            with pytest.raises(StoreError):
                await work(store, context)
    assert await work(store, context) == 1
    assert len(listed(store)) == 1


async def test_a_claim_whose_commit_was_cut_off_is_not_waited_for_until_its_lease_ends(
    store: Store, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server wrote it, and the connection broke before it said so; then it is away for a while."""
    write, calls = store.write, 0

    async def cut_off(job: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise StoreError("no connection")
        done = await write(job, **more)
        if calls == 1:
            raise StoreError("the connection is lost")
        return done

    keep(store, *letters("a", "b"))
    monkeypatch.setattr(store, "write", cut_off)
    monkeypatch.setattr(claims, "_AGAIN", 0.01)
    assert await work(store, context) == 2
    assert len(listed(store)) == 2
    assert calls > 3


async def test_a_mail_that_kills_the_process_is_set_aside(store: Store, context: Context) -> None:
    """It ends the process as often as it may; then it isn't begun any more, and its neighbours are filed."""
    ids = keep(store, *letters("0", "killer", "2", "3"))
    store.write_now(lambda tx: arrivals.claim(tx, "daemon", NOW, 50))  # a process that died with all of them
    starts = 1
    for _ in range(20):
        store.write_now(lambda tx: holders.leave(tx, "daemon"))  # the next one starts
        found, _ = store.write_now(lambda tx: arrivals.claim_begun(tx, "daemon", NOW))
        if [arrival.id for arrival in found] == [ids[1]]:
            starts += 1
            continue  # and dies
        store.write_now(lambda tx, f=found: arrivals.unclaim(tx, [a.id for a in f], "daemon"))  # type: ignore[misc]
        await again(store, context)
    (aside,) = store.read_now(arrivals.aside)
    assert (aside["id"], starts) == (ids[1], arrivals.MOST_ATTEMPTS)
    assert len(listed(store)) == 3


async def test_a_mail_that_shows_a_defect_holds_up_no_other_and_is_set_aside(store: Store, context: Context) -> None:
    async def read(raw: bytes, question: Question) -> Mail:
        if b"poison" in raw:
            raise RecursionError("a fault of ours")
        return await HERE.read(raw, question)

    keep(store, *letters("a", "poison", "b"))
    assert [await work(store, context, By(read)), await again(store, context, By(read))] == [3, 1]
    assert await again(store, context, By(read)) == 1
    (aside,) = store.read_now(arrivals.aside)
    assert (aside["reason"], aside["attempts"]) == ("Unreadable: making it ready raised RecursionError", 3)
    assert len(listed(store)) == 2


async def test_what_was_given_back_is_no_longer_ours_to_give_back(store: Store, context: Context) -> None:
    """It couldn't be read, is begun again by the other loop, and then the store fails this one."""
    begun: list[Arrival] = []

    async def look(mails: Any) -> None:
        begun.extend((await store.write(lambda tx: arrivals.claim_begun(tx, "daemon", NOW)))[0])
        raise StoreError("disk full")

    keep(store, *letters("poison", "a"))
    with pytest.raises(StoreError):
        await waiting.file_waiting(store, context, Fragile(), "daemon", lambda: NOW, look)
    assert [arrival.attempts for arrival in begun] == [2]
    assert await again(store, context) == 0
    assert await work(store, context) == 1


def with_a_list() -> Any:
    edge = "--b\nContent-Type: text/{}\nContent-Disposition: {}\n\nBonjour\n"
    parts = edge.format("plain", "inline") + edge.format("csv", "attachment; filename=liste.csv") + "--b--\n"
    head = f"From: {ULYSSE}\nTo: contact@{DOMAIN}\nSubject: Une liste\nMessage-ID: <l@x>\n"
    return incoming(f"{head}Content-Type: multipart/mixed; boundary=b\n\n{parts}".encode())


class Slow(ReadHere):
    """A way to search that comes to no end in time; notes how long it was given."""

    def __init__(self, *, dies: bool) -> None:
        self.dies = dies
        self.given: list[float] = []

    async def search(self, raw: bytes, search: Search) -> tuple[Suspects, ...]:
        self.given.append(search.seconds)
        if self.dies:
            raise Unreadable("the process died")
        return tuple(Suspects(whole=False) for _ in search.parts)


@pytest.mark.parametrize("dies", [True, False])
async def test_a_mail_whose_files_take_long_holds_up_no_other_and_they_stay(
    store: Store, context: Context, dies: bool
) -> None:
    slow = Slow(dies=dies)
    keep(store, with_a_list(), *letters("a"))
    assert await work(store, context, slow) == 2
    assert len(listed(store)) == 1
    assert await again(store, context, slow) == 1
    assert slow.given == [2.0, 5.0]
    (file,) = shown(store, listed(store)[0]["reference"])["messages"][0]["attachments"]
    assert (file["name"], file["held"]) == ("liste.csv", "unsearched")


async def test_the_files_of_a_large_mail_have_more_time(
    store: Store, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, large = Slow(dies=False), with_a_list()
    monkeypatch.setattr(inbound, "_LARGE", len(large.raw))
    keep(store, large)
    assert await work(store, context, slow) == 1
    assert slow.given == [3.0]


class Telling(ReadHere):
    """Finds much that is suspect: a mail may have taken over the process that searches."""

    async def search(self, raw: bytes, search: Search) -> tuple[Suspects, ...]:
        return tuple(Suspects(signed=("a" * 32, "b" * 32)) for _ in search.parts)


@pytest.mark.parametrize(("reading", "apart"), [(ReadHere(), False), (Telling(), True)])
async def test_what_is_suspect_is_judged_beside_the_loop(
    store: Store, context: Context, monkeypatch: pytest.MonkeyPatch, reading: ReadHere, apart: bool
) -> None:
    """However much of it a process tells, others have their turn."""
    threads: list[threading.Thread] = []
    cleaned = private.cleaned

    def noted(*rest: Any) -> Mail:
        threads.append(threading.current_thread())
        return cleaned(*rest)

    monkeypatch.setattr(private, "cleaned", noted)
    keep(store, with_a_list())
    assert await work(store, context, reading) == 1
    assert [thread is not threading.current_thread() for thread in threads] == [apart]


async def test_a_file_in_which_nothing_is_suspect_is_sent_on(store: Store, context: Context) -> None:
    keep(store, with_a_list())
    assert await work(store, context) == 1
    (file,) = shown(store, listed(store)[0]["reference"])["messages"][0]["attachments"]
    assert (file["name"], file["held"]) == ("liste.csv", None)
