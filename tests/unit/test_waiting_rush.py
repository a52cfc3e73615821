"""In a rush, mail that comes in has the processor for twice as long as filing a batch took; and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import waiting
from gateway.store.database import Store
from tests.builders import NOW, make_context, opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


class Clock:
    """The loop's, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def time(self) -> float:
        return self.now


async def _rests(store: Store, monkeypatch: pytest.MonkeyPatch, batches: list[float]) -> list[float]:
    """How long a lull is waited for at most, before each batch that takes so many seconds, and after them."""
    rests: list[float] = []
    clock, left, enough = Clock(), iter(batches), asyncio.Event()

    async def lull(most: float) -> None:
        rests.append(most)
        if len(rests) > len(batches):
            enough.set()
            await asyncio.Event().wait()

    async def filed(*_: Any) -> int:
        clock.now += next(left)
        return 1

    async def none(*_: Any, **__: Any) -> int:
        return 0

    async def look(_: Any) -> None: ...

    def now() -> datetime:
        return NOW

    with monkeypatch.context() as patch:
        patch.setattr(store.rush, "lull", lull)
        patch.setattr(waiting, "file_waiting", filed)
        patch.setattr(waiting, "file_begun", none)
        patch.setattr(asyncio.get_running_loop(), "time", clock.time)
        bells = {"arrived": asyncio.Event(), "planned": asyncio.Event()}
        context = make_context()
        work = asyncio.ensure_future(
            waiting.run(store, lambda: context, None, look, owner="me", now=now, **bells)  # type: ignore[arg-type]
        )
        await enough.wait()
        assert bells["planned"].is_set()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return rests


async def test_filing_rests_for_as_long_as_it_worked_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _rests(store, monkeypatch, [0.5, 0.25]) == [0.0, 1.0, 0.5]


async def test_however_long_it_worked_its_rest_has_an_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _rests(store, monkeypatch, [600.0]) == [0.0, 5.0]
