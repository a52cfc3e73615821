"""Several daemons on one store: what one holds no other gets, what a gone one held is free, no late comer acts."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from gateway import inbound, waiting
from gateway.bells import Bells
from gateway.context import Context
from gateway.model import Attempt, DeliveryState, Fact, Occasion
from gateway.store import arrivals, channel, holders, outbox, schema, sending
from gateway.store.database import Store
from gateway.store.sending import Settled
from gateway.store.tables import deliveries
from tests.builders import (
    HERE,
    MANON,
    NOW,
    ULYSSE,
    draft,
    file_all,
    incoming,
    keep,
    listed,
    make_context,
    opened,
    raw_mail,
    shown,
    sqlite_in,
    take,
)

ON_POSTGRESQL = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
SENT, DEFERRED, CANCELLED = DeliveryState.SENT, DeliveryState.DEFERRED, DeliveryState.CANCELLED


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


# --- who lives -------------------------------------------------------------------------------------------


def test_a_beat_makes_known_and_goes_up(store: Store) -> None:
    assert [store.write_now(lambda tx: holders.beat(tx, "one")) for _ in range(3)] == [False, True, True]
    assert store.read_now(holders.beats) == {"one": 3}


def test_who_has_moved_since_is_not_buried(store: Store) -> None:
    store.write_now(lambda tx: [holders.beat(tx, "one") for _ in range(3)])
    assert not store.write_now(lambda tx: holders.bury(tx, "one", 2))
    assert store.write_now(lambda tx: holders.bury(tx, "one", 3))
    assert not store.write_now(lambda tx: holders.bury(tx, "one", 3)), "another was first"
    assert not store.write_now(lambda tx: holders.beat(tx, "one")), "it learns that it was missed"


def test_a_lease_is_of_one_until_it_is_gone(store: Store) -> None:
    def lease(owner: str) -> bool:
        return store.write_now(lambda tx: holders.lease(tx, "mailbox contact", owner))

    store.write_now(lambda tx: (holders.beat(tx, "one"), holders.beat(tx, "two")))
    assert [lease("one"), lease("two"), lease("one")] == [True, False, True]
    store.write_now(lambda tx: holders.leave(tx, "one"))
    assert [lease("two"), lease("one")] == [True, False]


@ON_POSTGRESQL
def test_a_lease_that_is_held_costs_the_disk_nothing(store: Store) -> None:
    version = text("SELECT xmin FROM leases")
    held = [
        store.write_now(lambda tx: holders.lease(tx, "mailbox contact", "one") and tx.connection.scalar(version))
        for _ in range(3)
    ]
    assert held[0]
    assert len(set(held)) == 1


@ON_POSTGRESQL
async def test_whatever_is_told_in_the_database_ends_nobodys_listening(store: Store) -> None:
    bells = Bells(store, "me")
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        listening = group.create_task(bells.listen())
        await bells.kept.wait()  # all ring as it begins to hear
        bells.kept.clear()
        bells.planned.clear()
        for words in ("", " ", "me planned", "other unheard-of", "other kept"):
            await store.write(lambda tx, w=words: channel.tell(tx.connection, w))  # type: ignore[misc]
        await bells.kept.wait()
        assert not bells.planned.is_set()
        listening.cancel()


@ON_POSTGRESQL
async def test_a_password_of_several_words_is_one_to_whoever_listens(store: Store) -> None:
    there = store.engine.url.set(drivername="postgresql", password="a long one: +%@")
    with closing(Store(there.render_as_string(hide_password=False), Path("nowhere"))) as other:
        async with await channel.ear(other.engine) as listening:
            assert listening.info.password == "a long one: +%@"


@ON_POSTGRESQL
def test_whose_turn_it_is_sees_what_was_written_before_whatever_the_server_prefers(
    store: Store, tmp_path: Path
) -> None:
    (name,) = store.read_now(lambda connection: connection.execute(text("SELECT current_database()")).one())
    prefers = text(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    store.write_now(lambda tx: tx.connection.execute(prefers))
    with opened(tmp_path) as other:
        for _ in range(2):
            assert other.write_now(lambda tx: tx.connection.scalar(text("SHOW transaction_isolation"))) == (
                "read committed"
            )
            assert other.read_now(lambda c: c.scalar(text("SHOW transaction_isolation"))) == "repeatable read"


# --- mails -----------------------------------------------------------------------------------------------


def gone(store: Store, owner: str) -> None:
    store.write_now(lambda tx: holders.leave(tx, owner))


def test_what_was_taken_over_is_not_filed_by_whoever_comes_late(store: Store, context: Context) -> None:
    keep(store, incoming(raw_mail()))
    late = store.write_now(lambda tx: arrivals.claim(tx, "late", NOW, 1))
    gone(store, "late")
    (now_ours,) = store.write_now(lambda tx: arrivals.claim_begun(tx, "other", NOW))[0]
    read = [(arrival, inbound.read_arrival(store, arrival, context)) for arrival in (*late, now_ours)]
    assert store.write_now(lambda tx: inbound.file_batch(tx, read[:1], context, NOW)) == []
    assert listed(store) == []
    assert len(store.write_now(lambda tx: inbound.file_batch(tx, read[1:], context, NOW))) == 1
    assert store.write_now(lambda tx: inbound.file_batch(tx, read[1:], context, NOW)) == [], "it is done"
    assert [summary["messages"] for summary in listed(store)] == [1]


def test_nobody_gives_back_or_sets_aside_what_is_anothers(store: Store, context: Context) -> None:
    keep(store, incoming(raw_mail()))
    (late,) = store.write_now(lambda tx: arrivals.claim(tx, "late", NOW, 1))
    gone(store, "late")
    ((ours,), _) = store.write_now(lambda tx: arrivals.claim_begun(tx, "other", NOW))
    store.write_now(lambda tx: arrivals.unclaim(tx, [late.id], "late"))
    store.write_now(lambda tx: arrivals.release(tx, [late.id], "late"))
    store.write_now(lambda tx: arrivals.inspected(tx, late, ()))
    failed = [(late, ValueError("a defect"))]
    assert store.write_now(lambda tx: inbound.file_batch(tx, failed, context, NOW)) == []
    assert store.read_now(arrivals.aside) == []
    assert store.write_now(lambda tx: arrivals.claim_begun(tx, "third", NOW)) == ([], [])
    assert ours.attempts == 2


@ON_POSTGRESQL
def test_two_claim_at_the_same_moment(store: Store, tmp_path: Path) -> None:
    """One passes over what the other is just taking, and doesn't wait for it."""
    keep(store, *(incoming(raw_mail(identifier=f"{n}@x")) for n in range(6)))
    with opened(tmp_path) as other:
        meeting = threading.Barrier(2)

        def claim(tx: Any, owner: str) -> list[int]:
            found = [arrival.id for arrival in arrivals.claim(tx, owner, NOW, 3)]
            meeting.wait(60)  # both transactions are open
            return found

        jobs = [
            each.submit(lambda tx, o=owner: claim(tx, o), beside=True)  # type: ignore[misc]
            for each, owner in ((store, "one"), (other, "two"))
        ]
        found = [set(job.result(60)) for job in jobs]
    assert len(found[0]) == len(found[1]) == 3
    assert not found[0] & found[1]


# --- deliveries ------------------------------------------------------------------------------------------


@pytest.fixture
def delivery(store: Store, context: Context) -> int:
    take(store, context, raw_mail())
    return store.write_now(lambda tx: outbox.enqueue(tx, 1, 0, draft(MANON), context.signer, NOW))


def state(store: Store, delivery: int) -> tuple[str, str]:
    query = select(deliveries.c.state, deliveries.c.owner).where(deliveries.c.id == delivery)
    return tuple(store.read_now(lambda c: c.execute(query).one()))


def settle(store: Store, delivery: int, came_to: DeliveryState, owner: str) -> None:
    settled = Settled(Fact(delivery, Occasion.ATTEMPT, Attempt(came_to, "said")), NOW)
    store.write_now(lambda tx: sending.settle(tx, [settled], NOW, owner))


def test_a_delivery_leaves_by_the_daemon_that_has_it(store: Store, delivery: int) -> None:
    assert store.write_now(lambda tx: sending.take(tx, [delivery], "one")) == {delivery}
    assert store.write_now(lambda tx: sending.take(tx, [delivery], "two")) == set()
    assert delivery not in {d.id for d in store.read_now(lambda c: sending.due(c, NOW, 99, owner="two"))}
    assert store.write_now(lambda tx: sending.committing(tx, [delivery], "two")) == set()
    settle(store, delivery, CANCELLED, "two")
    assert state(store, delivery) == ("waiting", "one"), "it was withdrawn there, and isn't cancelled"
    assert store.write_now(lambda tx: sending.committing(tx, [delivery], "one")) == {delivery}
    settle(store, delivery, DEFERRED, "two")
    assert state(store, delivery) == ("sending", "one"), "it isn't sent again while it is being sent"
    settle(store, delivery, SENT, "one")
    assert state(store, delivery) == ("sent", "")


def test_what_a_gone_daemon_was_sending_is_adopted_once(store: Store, delivery: int) -> None:
    store.write_now(lambda tx: (sending.take(tx, [delivery], "one"), sending.committing(tx, [delivery], "one")))
    assert store.write_now(lambda tx: sending.adopt(tx, "two")) == [], "it lives"
    gone(store, "one")
    assert store.write_now(lambda tx: sending.adopt(tx, "two")) == [delivery]
    assert store.write_now(lambda tx: sending.adopt(tx, "three")) == []
    assert store.write_now(lambda tx: sending.adopt(tx, "two", [delivery])) == [], "it is at it"
    settle(store, delivery, SENT, "one")
    assert state(store, delivery)[0] == "sent", "what is known of an outcome is written, whoever knows it"


# --- conversations ---------------------------------------------------------------------------------------


def threads(chance: random.Random) -> list[bytes]:
    """Mails of eight matters, in any order: answers cite the one before, or another, or nothing but a subject."""
    found: list[bytes] = []
    for thread in range(8):
        ids = [f"{thread}.{n}@usager.example.net" for n in range(6)]
        for n, identifier in enumerate(ids):
            cited = ids[chance.randrange(n)] if n else ""
            subject = f"Matter {thread}" if not n else f"Re: Matter {thread}"
            author = ULYSSE if n % 2 == 0 else f"friend{thread}@usager.example.net"
            to = f"contact@support.example.org, {ULYSSE if n % 2 else f'friend{thread}@usager.example.net'}"
            found.append(raw_mail(author, to, subject, f"Mail {n} of {thread}.", identifier, cited))
    chance.shuffle(found)
    return found


def grouped(store: Store) -> set[tuple[frozenset[str], str]]:
    found = set()
    for summary in listed(store):
        messages = shown(store, summary["reference"])["messages"]
        found.add((frozenset(message["message_id"] for message in messages), str(summary["inbox"])))
    return found


async def drained(store: Store, context: Context, owner: str) -> None:
    for _ in range(100):
        if not await waiting.file_waiting(store, context, HERE, owner, lambda: NOW):
            return


@pytest.fixture
def two(store: Store, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    with opened(tmp_path) as other:
        yield store, other


@ON_POSTGRESQL
@pytest.mark.parametrize("seed", range(3))
def test_two_daemons_come_to_the_same_as_one(
    two: tuple[Store, Store], context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(waiting, "_BATCH", 3)
    mails = [incoming(raw) for raw in threads(random.Random(seed))]
    keep(two[0], *mails)
    jobs = [
        threading.Thread(target=asyncio.run, args=(drained(each, context, owner),))
        for each, owner in zip(two, ("one", "two"), strict=True)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(60)
    with closing(Store(sqlite_in(tmp_path), tmp_path / "alone")) as alone:
        schema.upgrade(alone.engine)
        keep(alone, *mails)
        file_all(alone, context)
        assert grouped(two[0]) == grouped(alone)
    assert len(grouped(two[0])) == 8
