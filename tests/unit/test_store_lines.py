"""Mails that wait to be kept: who is kept together with whom."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.model import Incoming
from gateway.store.lines import Line
from tests.builders import incoming


def mail(number: int) -> Incoming:
    return incoming(b"Subject: %d\r\n\r\n" % number)


class Kept:
    """What was kept, in groups. Keeping takes until `go` is set."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.go = asyncio.Event()

    async def keep_all(self, mails: Sequence[Incoming]) -> None:
        self.groups.append(len(mails))
        await self.go.wait()


def test_those_that_come_turn_after_turn_are_kept_together() -> None:
    async def scene() -> None:
        kept = Kept()
        kept.go.set()
        line, waiting = Line(kept.keep_all), []
        for number in range(10):
            waiting.append(asyncio.create_task(line.keep(mail(number))))
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        assert kept.groups == [10]

    asyncio.run(scene())


def test_one_that_comes_alone_is_not_held_up() -> None:
    """The other comes while it is being kept, and is kept next: all that wait then, at once."""

    async def scene() -> None:
        kept = Kept()
        line = Line(kept.keep_all)
        first = asyncio.create_task(line.keep(mail(0)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert kept.groups == [1]
        others = [asyncio.create_task(line.keep(mail(number))) for number in (1, 2, 3)]
        await asyncio.sleep(0)
        kept.go.set()
        await asyncio.gather(first, *others)
        assert kept.groups == [1, 3]

    asyncio.run(scene())


def test_a_group_has_an_end() -> None:
    """However many come, and go on coming."""

    async def scene() -> None:
        kept = Kept()
        kept.go.set()
        line, waiting = Line(kept.keep_all), []
        for number in range(450):
            waiting.append(asyncio.create_task(line.keep(mail(number))))
            await asyncio.sleep(0)
        assert kept.groups[:1] == [200]
        await asyncio.gather(*waiting)
        assert sum(kept.groups) == 450

    asyncio.run(scene())
