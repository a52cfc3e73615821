"""The clock was ahead and is right again: nothing waits for years. What is to wait a while goes on waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway import rounds
from gateway.store import arrivals, clocks
from gateway.store.database import Store
from gateway.store.tables import deliveries
from tests.builders import NOW, file_all, incoming, keep, make_context, opened, raw_mail

YEARS = timedelta(days=3652)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


def put_off(store: Store, until: datetime) -> None:
    """A mail that was given back until then, and a delivery that is tried again then."""
    keep(store, incoming(raw_mail()))
    file_all(store, make_context())
    store.write_now(lambda tx: tx.connection.execute(deliveries.update().values(state="deferred", next_at=until)))
    keep(store, incoming(raw_mail(identifier="m2@usager.example.net", text="Une autre question.")))
    (work,) = store.write_now(lambda tx: arrivals.claim(tx, "test", NOW, 50))
    store.write_now(lambda tx: arrivals.unclaim(tx, [work.id], "test", until))


def free(store: Store) -> tuple[int, bool]:
    """How many mails may be worked on now, and whether the deliveries may."""
    work = store.write_now(lambda tx: arrivals.claim(tx, "test", NOW, 50))
    times = store.read_now(lambda c: [row.next_at for row in c.execute(deliveries.select())])
    return len(work), all(at <= NOW for at in times)


def test_what_waits_for_years_waits_no_longer(store: Store) -> None:
    put_off(store, NOW + YEARS)
    assert free(store) == (0, False)
    assert store.write_now(lambda tx: clocks.put_right(tx, NOW)) >= 2
    assert free(store) == (1, True)


def test_what_is_to_wait_a_while_does(store: Store) -> None:
    put_off(store, NOW + timedelta(hours=5))
    assert store.write_now(lambda tx: clocks.put_right(tx, NOW)) == 0
    assert free(store) == (0, False)


async def _made_rounds(store: Store, now: Callable[[], datetime], until: Callable[[], bool]) -> None:
    work = asyncio.create_task(rounds.run(store, make_context, planned=asyncio.Event(), now=now, pace=0.01))
    async with asyncio.timeout(60):
        while not until():  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0.01)
    work.cancel()
    await asyncio.wait([work])


async def test_rounds_notice_that_the_clock_went_back(store: Store) -> None:
    clock = [NOW + YEARS]
    put_off(store, NOW + YEARS + timedelta(minutes=5))
    asked = 0

    def now() -> datetime:
        nonlocal asked
        asked += 1
        return clock[0]

    def over() -> bool:
        if asked >= 10 and clock[0] != NOW:
            assert free(store)[1] is False, "as long as the clock says so, it waits"
            clock[0] = NOW
        return clock[0] == NOW and free(store)[1]

    await _made_rounds(store, now, over)
