"""The checks before reading: every mail has them once, and nobody's slow DNS holds up the others."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway import inbound
from gateway.errors import StoreError
from gateway.inspecting import AT_ONCE, Inspector
from gateway.inspection.questions import Ask, Unanswered
from gateway.inspection.resolver import resolver
from gateway.model import Arrival, Envelope, Incoming, Mail, Result, Verdict
from gateway.store import arrivals, holders, tables
from gateway.store.database import Store, Tx
from tests.builders import DOMAIN, NOW, keep, make_context, opened
from tests.patience import PATIENCE
from tests.servers.dns import serving
from tests.signing import letter, published, signed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


def direct(sender: str, peer: str = "192.0.2.1", nth: int = 0) -> Incoming:
    raw = letter(sender, text=f"Question {nth}")
    return Incoming(raw, "smtp", NOW, Envelope(sender, (f"contact@{DOMAIN}",), peer, "mx"), verify=True)


def nobody(name: str, kind: str, seconds: float) -> tuple[Any, ...]:
    return ()


class Watch:
    """A clock that tests turn on."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


async def ready(store: Store, count: int) -> list[Arrival]:
    """Mails that may be filed, waited for."""
    async with asyncio.timeout(PATIENCE):
        while len(found := inspected(store)) < count:  # noqa: ASYNC110 (the store rings no bell)
            await asyncio.sleep(0.01)
    return found


def inspected(store: Store) -> list[Arrival]:
    query = select(*arrivals.COLUMNS).join(tables.raws).where(tables.arrivals.c.results.is_not(None))
    return store.read_now(lambda c: [arrivals.as_arrival(row, row.attempts) for row in c.execute(query)])


async def watched(store: Store, ask: Ask, work: Any, watch: Watch | None = None, **bounds: int) -> Any:
    """Run `work(kept)` beside an inspector whose questions go to `ask`."""
    kept, arrived = asyncio.Event(), asyncio.Event()
    now = (watch or Watch()).now
    made = Inspector(store, make_context, owner="daemon", arrived=arrived, now=now, asker=lambda _: ask, **bounds)
    task = asyncio.create_task(made.run(kept))
    try:
        return await work(kept)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_direct_mail_is_filed_only_when_it_was_checked(store: Store) -> None:
    keep(store, direct("ines@mairie.example"), Incoming(letter("a@b.example"), "imap", NOW))
    work = store.write_now(lambda tx: arrivals.claim(tx, "daemon", NOW, 50))
    assert [arrival.source for arrival in work] == ["imap"]
    (arrival,) = asyncio.run(watched(store, nobody, lambda kept: ready(store, 1)))
    assert [(result.method, result.result) for result in arrival.results or ()] == [
        ("spf", "none"),
        ("dmarc", "none"),
    ]
    (claimed,) = store.write_now(lambda tx: arrivals.claim(tx, "daemon", NOW, 50))
    assert (claimed.id, claimed.results, claimed.attempts) == (arrival.id, arrival.results, 1)


def test_what_was_found_out_holds_whatever_the_dns_says_later(store: Store) -> None:
    """Read again, by a retry or `rethread`, the mail is as it was."""
    keep(store, replace(direct("ines@mairie.example"), raw=signed(letter("ines@mairie.example"), "mairie.example")))
    with serving({**published("mairie.example"), ("_dmarc.mairie.example", "TXT"): ["v=DMARC1; p=reject"]}) as dns:
        asyncio.run(watched(store, resolver(dns.address), lambda kept: ready(store, 1)))
    (arrival,) = store.write_now(lambda tx: arrivals.claim(tx, "daemon", NOW, 1))
    mail = inbound.read_arrival(store, arrival, make_context())
    assert isinstance(mail, Mail)
    assert mail.authentication.verdict is Verdict.PASS


def test_many_slow_domains_stop_nobody_else(store: Store) -> None:
    """More than there are places, of one peer, their DNS silent until the honest one is through."""
    release = threading.Event()

    def ask(name: str, kind: str, seconds: float) -> tuple[Any, ...]:
        if "slow" in name and not release.wait(PATIENCE):
            raise AssertionError("the honest mail waited for the slow ones")
        return ()

    keep(store, *(direct(f"a@slow{n}.example", nth=n) for n in range(AT_ONCE * 2)))
    keep(store, direct("ines@mairie.example", peer="192.0.2.9"))

    async def work(kept: asyncio.Event) -> None:
        (honest,) = await ready(store, 1)
        assert honest.envelope.peer == "192.0.2.9"
        release.set()
        await ready(store, AT_ONCE * 2 + 1)

    asyncio.run(watched(store, ask, work))


def test_slow_domains_of_many_peers_let_another_peer_pass(store: Store) -> None:
    """Five fill all places and wait in front of the honest one: hers is among the first whose place gets free."""
    silent, through = threading.Semaphore(0), Counter[str]()

    def ask(name: str, kind: str, seconds: float) -> tuple[Any, ...]:
        if name.startswith("_dmarc.slow"):
            silent.acquire(timeout=PATIENCE)
            through[name] += 1
        return ()

    slow = [direct(f"a@slow{n}.example", peer=f"192.0.2.{n % 5 + 1}", nth=n) for n in range(AT_ONCE * 4)]
    keep(store, *slow)

    async def work(kept: asyncio.Event) -> None:
        await asyncio.to_thread(keep, store, direct("ines@mairie.example", peer="192.0.2.9"))
        for ended in range(AT_ONCE):
            silent.release()
            await ready(store, ended + 1)
            if any(arrival.envelope.peer == "192.0.2.9" for arrival in inspected(store)):
                break
        else:
            raise AssertionError("it waited for all of those before it")
        silent.release(len(slow))
        await ready(store, len(slow) + 1)

    asyncio.run(watched(store, ask, work))


def test_large_mails_are_checked_one_after_the_other(store: Store) -> None:
    under_way, met, lock = Counter[str](), threading.Event(), threading.Lock()

    def ask(name: str, kind: str, seconds: float) -> tuple[Any, ...]:
        with lock:
            under_way[name] += 1
            if under_way.total() > 1:
                met.set()
        met.wait(0.05)  # for another, which should not come
        with lock:
            under_way[name] -= 1
        return ()

    keep(store, *(direct(f"a@large{n}.example", nth=n) for n in range(4)))
    asyncio.run(watched(store, ask, lambda kept: ready(store, 4), most_octets=1))
    assert not met.is_set()


def test_what_the_dns_did_not_answer_is_asked_again_and_then_filed(store: Store) -> None:
    keep(store, direct("ines@mairie.example"))
    watch, asked = Watch(), []

    def ask(name: str, kind: str, seconds: float) -> tuple[Any, ...]:
        asked.append(watch.time)
        raise Unanswered("silence")

    (arrival,) = asyncio.run(watched(store, ask, lambda kept: turned_until_inspected(store, kept, watch), watch))
    assert [result.result for result in arrival.results or ()] == ["temperror"]
    assert all(later - sooner >= timedelta(minutes=1) for sooner, later in pairwise(asked))
    assert timedelta(minutes=5) <= asked[-1] - NOW <= timedelta(minutes=7)
    assert arrival.attempts == 0


async def turned_until_inspected(store: Store, kept: asyncio.Event, watch: Watch) -> list[Arrival]:
    """Turn the clock on while nobody works on the one mail, until it is checked."""
    async with asyncio.timeout(PATIENCE):
        while not (found := inspected(store)):
            if store.read_now(lambda connection: connection.scalar(select(tables.arrivals.c.owner))) == "":
                watch.time += timedelta(seconds=20)
            kept.set()
            await asyncio.sleep(0.01)
    return found


def test_an_answer_that_comes_later_still_proves(store: Store) -> None:
    keep(store, direct("ines@mairie.example"))
    watch, asked = Watch(), []

    def ask(name: str, kind: str, seconds: float) -> tuple[Any, ...]:
        asked.append(name)
        if len(asked) == 1:
            raise Unanswered("silence")
        return ()

    (arrival,) = asyncio.run(watched(store, ask, lambda kept: turned_until_inspected(store, kept, watch), watch))
    assert [result.result for result in arrival.results or ()] == ["none", "none"]


def test_what_fails_in_the_checks_or_ends_the_process_is_filed_as_unproven(store: Store) -> None:
    def ask(name: str, kind: str, seconds: float) -> tuple[Any, ...]:
        raise RecursionError

    keep(store, direct("ines@mairie.example"))
    (arrival,) = asyncio.run(watched(store, ask, lambda kept: ready(store, 1)))
    assert arrival.results == ()

    keep(store, direct("ines@mairie.example", nth=1))
    ended(store)
    asyncio.run(watched(store, nobody, lambda kept: ready(store, 2)))
    assert [arrival.results for arrival in inspected(store)] == [(), ()]


def ended(store: Store) -> None:
    """The checks of the mail that waits ended the process each time."""
    for _ in range(arrivals.MOST_ATTEMPTS):
        store.write_now(lambda tx: arrivals.claim_uninspected(tx, "daemon", NOW, 1))
        store.write_now(lambda tx: holders.leave(tx, "daemon"))


def test_a_store_that_fails_over_one_that_is_given_up_keeps_no_other_from_being_checked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were claimed; without a check, the other would stay so until its lease ends."""
    keep(store, direct("ines@mairie.example"))
    ended(store)
    keep(store, direct("ines@mairie.example", nth=1))
    writes, failed = arrivals.inspected, list[int]()

    def fails_once(tx: Tx, arrival: Arrival, results: Sequence[Result]) -> None:
        if not failed:
            failed.append(arrival.id)
            raise StoreError("the disk is full")
        writes(tx, arrival, results)

    monkeypatch.setattr(arrivals, "inspected", fails_once)
    asyncio.run(watched(store, nobody, lambda kept: ready(store, 2)))
    assert failed == [1]


def test_a_stop_gives_back_what_is_under_way_and_ends_its_questions(store: Store) -> None:
    keep(store, direct("ines@mairie.example"))
    begun, release, asked = threading.Event(), threading.Event(), []

    def ask(name: str, kind: str, seconds: float) -> tuple[Any, ...]:
        asked.append(name)
        begun.set()
        release.wait(PATIENCE)
        return ()

    async def work(kept: asyncio.Event) -> None:
        await asyncio.to_thread(begun.wait, PATIENCE)

    async def stopped() -> None:
        await watched(store, ask, work)
        release.set()

    asyncio.run(stopped())
    ((arrival,), _) = store.write_now(lambda tx: arrivals.claim_uninspected(tx, "daemon", NOW, 1))
    assert arrival.attempts == 1
    assert len(asked) == 1
