"""What the relay writes is gathered: few transactions for many mails, and no doubt about more than there must be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from gateway import settling
from gateway.errors import StoreError
from gateway.model import Attempt, DeliveryState, Fact, Filing, Occasion
from gateway.settling import Book
from gateway.store import filing, outbox, sending
from gateway.store.database import Store
from gateway.store.sending import Settled
from gateway.store.tables import deliveries
from tests.builders import NOW, conversation, draft, make_context, opened

SENT, REFUSED = DeliveryState.SENT, DeliveryState.REFUSED


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        context = make_context()
        store.write_now(lambda tx: filing.file(tx, Filing(conversation(0)), context.signer, NOW))
        for n in range(40):
            store.write_now(lambda tx, n=n: outbox.enqueue(tx, 1, 0, draft(f"{n}@x"), context.signer, NOW))  # type: ignore[misc]
        yield store


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """Of each transaction: outcomes, last steps, and how many are `sending` at its end."""
    seen: list[tuple[int, int, int]] = []
    written = Book._written
    sending = select(func.count()).where(deliveries.c.state == "sending")

    def spied(book: Book, tx: Any, settled: Any, leaving: Any) -> Any:
        found = written(book, tx, settled, leaving)
        seen.append((len(settled), len(leaving), tx.connection.scalar(sending)))
        return found

    monkeypatch.setattr(Book, "_written", spied)
    return seen


def book(store: Store) -> Book:
    return Book(store, make_context, lambda: NOW)


def outcome(delivery: int, state: DeliveryState = SENT) -> Settled:
    return Settled(Fact(delivery, Occasion.ATTEMPT, Attempt(state, "said", "mx")), NOW)


def states(store: Store) -> dict[int, str]:
    return {row["id"]: row["state"] for row in store.read_now(outbox.listed)}


async def test_connections_share_transactions_and_leave_one_mail_each_in_doubt(
    store: Store, writes: list[tuple[int, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four connections, ten mails each: the outcome of one is written with the last step of the next."""
    monkeypatch.setattr(settling, "_PATIENCE", 60.0)
    monkeypatch.setattr(settling, "_GATHER", 60.0)  # a slow machine isn't to be taken for a slow smarthost
    under_way = [1, 1, 1, 1]
    kept = Book(store, make_context, lambda: NOW, under_way=lambda: sum(under_way))

    async def connection(first: int) -> None:
        noted: asyncio.Future[None] | None = None
        for delivery in range(first, first + 10):
            for _ in range(first):  # the mails of the others come a little sooner or later
                await asyncio.sleep(0)
            assert await kept.leave(delivery)
            assert noted is None or noted.done()
            noted = kept.settle(outcome(delivery))
        under_way.pop()
        assert noted is not None
        await noted

    await asyncio.gather(*(connection(n) for n in (1, 11, 21, 31)))
    assert set(states(store).values()) == {"sent"}
    assert max(sending for *_, sending in writes) <= 4
    assert sum(settled for settled, *_ in writes) == sum(leaving for _, leaving, _ in writes) == 40
    assert len(writes) <= 14, "two for each mail would be 80"


async def test_what_was_cancelled_meanwhile_may_not_leave(store: Store) -> None:
    kept = book(store)
    store.write_now(lambda tx: outbox.cancel(tx, 2, "somebody", NOW))
    assert await asyncio.gather(*(kept.leave(n) for n in (1, 2, 3))) == [True, False, True]
    assert states(store)[2] == "cancelled"


async def test_while_the_store_fails_nothing_leaves_and_no_outcome_is_forgotten(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "_AGAIN", 0.001)
    kept, settle, failures = book(store), sending.settle, [StoreError("full")] * 3

    def failing(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        settle(*arguments)

    monkeypatch.setattr(sending, "settle", failing)
    assert await kept.leave(1)
    noted, leaving = kept.settle(outcome(1)), kept.leave(2)
    with pytest.raises(StoreError):
        await leaving
    await asyncio.wait_for(noted, 60)
    assert (states(store)[1], states(store)[2], failures) == ("sent", "waiting", [])


async def test_one_that_cannot_be_written_takes_none_with_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, settle = book(store), sending.settle

    def defect(tx: Any, settled: Any, at: Any, owner: str) -> None:
        if any(one.fact.delivery == 2 for one in settled):
            raise KeyError("a defect")
        settle(tx, settled, at, owner)

    monkeypatch.setattr(sending, "settle", defect)
    assert all(await asyncio.gather(*(kept.leave(n) for n in (1, 2, 3))))
    done = await asyncio.gather(*(kept.settle(outcome(n)) for n in (1, 2, 3)), return_exceptions=True)
    assert [type(one) for one in done] == [type(None), KeyError, type(None)]
    assert [states(store)[n] for n in (1, 2, 3)] == ["sent", "sending", "sent"]


async def test_who_has_gone_away_meanwhile_is_no_trouble(store: Store) -> None:
    kept = book(store)
    gone, stays = kept.leave(1), kept.leave(2)
    gone.cancel()
    assert await stays
    assert await asyncio.gather(kept.leave(3)) == [True]
