"""Who is taken for gone, and when; and who polls a mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import peers
from gateway.errors import StoreError
from gateway.store import holders
from gateway.store.database import Store
from tests.builders import opened

_BEATS = st.dictionaries(st.sampled_from("abc"), st.integers(1, 3))


@given(st.lists(_BEATS, max_size=20))
def test_who_moves_within_the_patience_is_never_gone(looks: list[dict[str, int]]) -> None:
    seen: peers.Seen = {}
    moved: dict[str, float] = {}
    for at, beats in enumerate(looks):
        for owner, beat in beats.items():
            if owner not in seen or seen[owner][0] != beat:
                moved[owner] = at
        seen = peers.watched(seen, beats, at)
        assert set(seen) == set(beats)
        assert peers.gone(seen, at, 3) == {owner: beat for owner, beat in beats.items() if at - moved[owner] >= 3}


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with opened(tmp_path) as store:
        yield store


async def until(probe: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not probe():  # noqa: ASYNC110 (what is looked at is in the store)
            await asyncio.sleep(0.005)


def passes(time: list[float]) -> bool:
    """Let a second pass. Not more at once: it may be in the midst of a look, which then took too long to count."""
    time[0] += 1.0
    return True


async def test_a_daemon_that_stands_still_is_buried_and_one_that_lives_is_not(store: Store) -> None:
    store.write_now(lambda tx: (holders.beat(tx, "dead"), holders.beat(tx, "alive")))
    freed: list[float] = []
    clock = iter(range(10_000))
    task = asyncio.create_task(
        peers.run(store, "me", freed=lambda: freed.append(1), clock=lambda: next(clock), pace=0.0, patience=200)
    )
    while not freed:
        store.write_now(lambda tx: holders.beat(tx, "alive"))
        await asyncio.sleep(0)
    task.cancel()
    assert set(store.read_now(holders.beats)) == {"me", "alive"}
    assert freed == [1]


async def test_while_the_store_is_away_nobody_is_missed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write_now(lambda tx: holders.beat(tx, "other"))
    time, away = [0.0], [False]
    real = store.read

    async def read(query: Any) -> Any:
        if away[0]:
            raise StoreError("away")
        return await real(query)

    monkeypatch.setattr(store, "read", read)
    task = asyncio.create_task(
        peers.run(store, "me", freed=lambda: None, clock=lambda: time[0], pace=0.001, patience=10)
    )
    await until(lambda: store.read_now(holders.beats).get("me", 0) > 3)
    away[0], time[0] = True, 100.0
    await until(lambda: store.read_now(holders.beats)["me"] > 20)
    away[0] = False
    await until(lambda: store.read_now(holders.beats)["me"] > 40)
    assert "other" in store.read_now(holders.beats)
    await until(lambda: passes(time) and "other" not in store.read_now(holders.beats))
    task.cancel()


async def test_a_look_that_took_long_is_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that stood still for a while held everybody's beats up."""
    store.write_now(lambda tx: holders.beat(tx, "other"))
    time, looks = [0.0], [0]
    real = store.read

    async def read(query: Any) -> Any:
        looks[0] += 1
        if looks[0] == 3:
            time[0] += 100.0
        return await real(query)

    monkeypatch.setattr(store, "read", read)
    task = asyncio.create_task(
        peers.run(store, "me", freed=lambda: None, clock=lambda: time[0], pace=0.001, patience=10)
    )
    await until(lambda: looks[0] > 6)
    assert "other" in store.read_now(holders.beats)
    await until(lambda: passes(time) and "other" not in store.read_now(holders.beats))
    task.cancel()


async def test_one_polls_a_mailbox_and_the_next_when_it_is_gone(store: Store) -> None:
    polling: set[str] = set()

    def poller(name: str) -> Callable[[], Any]:
        async def poll() -> None:
            polling.add(name)
            try:
                await asyncio.Event().wait()
            finally:
                polling.discard(name)

        return poll

    tasks = {
        name: asyncio.create_task(peers.attend(store, name, "contact", poller(name), pace=0.001))
        for name in ("one", "two")
    }
    await until(lambda: polling)
    (first,) = polling
    store.write_now(lambda tx: holders.leave(tx, first))
    tasks.pop(first).cancel()
    await until(lambda: polling == set(tasks))
    (second,) = tasks
    # It was taken for gone, and another was quicker.
    store.write_now(lambda tx: (holders.leave(tx, second), holders.lease(tx, "mailbox contact", "third")))
    await until(lambda: not polling)
    tasks[second].cancel()
