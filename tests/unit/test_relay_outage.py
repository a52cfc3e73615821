"""The smarthost fails, for minutes or for days: what waits leaves in the end, or somebody is told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.context import Context
from gateway.model import Attempt, DeliveryState, Filing, Outgoing
from gateway.outbound import Relay
from gateway.store import evidence, filing, outbox, rounds, sending
from gateway.store.database import Store
from tests.builders import MANON, NOW, conversation, draft, make_context, opened

DAY, HOUR, MINUTE, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
DOWN = Attempt(DeliveryState.DEFERRED, "SMTPConnectError: nobody there", "mx:25", wide=True)


class Smarthost:
    """`answer` is asked for each mail; `taken` holds what it took, when."""

    idempotent = False

    def __init__(self, world: World) -> None:
        self.world = world
        self.down = False
        self.tries = 0
        self.at_once = self.most = 0
        self.taken: list[tuple[datetime, int]] = []
        self.took = asyncio.Event()

    async def deliver(self, outgoing: Outgoing, wire: bytes, committing: Callable[[], Awaitable[None]]) -> Attempt:
        self.tries += 1
        if self.down:
            return DOWN
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await committing()
        self.at_once -= 1
        self.taken.append((self.world.time, outgoing.id))
        self.took.set()
        return Attempt(DeliveryState.SENT, "250 Ok", "mx:25")

    async def rest(self) -> None:
        return

    async def close(self) -> None:
        return


def answering(attempt: Attempt) -> Any:
    async def deliver(*_: Any) -> Attempt:
        return attempt

    return deliver


class World:
    def __init__(self, store: Store, context: Context) -> None:
        self.store, self.context, self.time = store, context, NOW
        self.smarthost = Smarthost(self)
        store.write_now(lambda tx: filing.file(tx, Filing(conversation(0)), context.signer, NOW))
        self.relay = self.started()

    def started(self) -> Relay:
        """A relay, as after a start of the daemon."""
        chance = random.Random(7)
        return Relay(self.store, lambda: self.context, self.smarthost, now=lambda: self.time, jitter=chance.random)

    def write(self, count: int) -> list[int]:
        def work(tx: Any) -> list[int]:
            drafts = (draft(f"u{n}@usager{n % 7}.example.net") for n in range(count))
            return [outbox.enqueue(tx, 1, 0, each, self.context.signer, self.time) for each in drafts]

        return self.store.write_now(work)

    async def lasts(self, for_: timedelta, step: timedelta = timedelta(minutes=1)) -> None:
        """Time passes; the relay works on what is due, as its loop does."""
        end = self.time + for_
        while self.time < end:
            while await self.relay.once():
                pass
            self.time += step

    async def took_all(self, ids: Iterable[int]) -> None:
        """Wait until the smarthost has all of these."""
        async with asyncio.timeout(60):
            while not {i for _, i in self.smarthost.taken} >= set(ids):
                self.smarthost.took.clear()
                await self.smarthost.took.wait()

    def states(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for row in self.store.read_now(outbox.listed):
            found[row["state"]] = found.get(row["state"], 0) + 1
        return found

    def since(self) -> datetime | None:
        return self.store.read_now(lambda c: rounds.last(c, "relay failing"))


@pytest.fixture
def world(tmp_path: Path) -> Any:
    with opened(tmp_path) as store:
        yield World(store, make_context(tmp_path))


async def test_a_day_without_a_smarthost_costs_few_tries_and_nothing_is_lost(world: World) -> None:
    world.smarthost.down = True
    world.write(100)
    with capture_logs() as logs:
        await world.lasts(DAY, 4 * MINUTE)
    assert world.since() == NOW
    assert world.smarthost.tries < 24 * 60 / 5 + 10, "one connection looks now and then, whatever waits"
    assert [entry["event"] for entry in logs].count("relay_failing") == 1
    world.smarthost.down = False
    late = world.write(1)[0]
    with capture_logs() as logs:
        await world.lasts(7 * MINUTE, 20 * SECOND)
    assert world.states() == {"sent": 101}
    assert world.since() is None
    assert [entry["event"] for entry in logs].count("relay_back") == 1
    order = [delivery for _, delivery in world.smarthost.taken]
    assert len(set(order)) == len(order) == 101
    assert order.index(late) < 64, "what is written now doesn't wait behind all that"
    assert world.smarthost.most <= 4
    assert {outcome.fault for outcome in world.store.read_now(evidence.verified).values()} == {""}


@pytest.mark.parametrize("restarts", [False, True])
async def test_after_five_days_each_is_given_up_and_told(world: World, restarts: bool) -> None:
    """Also those that no try was made for: the one that looked was always another."""
    world.smarthost.down = True
    ids = world.write(60)
    for _ in range(11):
        await world.lasts(DAY / 2, HOUR)
        if restarts:
            world.relay = world.started()
            await world.relay.recover()
    rows = {row["id"]: row for row in world.store.read_now(outbox.listed)}
    assert {rows[i]["state"] for i in ids} == {"refused"}
    assert all("given up after 5 days; last answer: SMTPConnectError" in rows[i]["last_reply"] for i in ids)
    known = world.store.read_now(lambda c: evidence.of_conversation(c, 1))
    assert {row["delivery"] for row in known if '"outcome": "refused"' in row["said"]} >= set(ids)
    assert world.store.read_now(evidence.missing) == []


async def test_what_was_written_late_in_an_outage_is_given_up_later(world: World) -> None:
    world.smarthost.down = True
    early = world.write(5)
    await world.lasts(4 * DAY, HOUR)
    late = world.write(5)
    await world.lasts(1.2 * DAY, HOUR)
    rows = {row["id"]: row["state"] for row in world.store.read_now(outbox.listed)}
    assert {rows[i] for i in early} == {"refused"}
    assert {rows[i] for i in late} <= {"waiting", "deferred"}
    world.smarthost.down = False
    await world.lasts(MINUTE, MINUTE)
    assert {i for _, i in world.smarthost.taken} >= set(late)


async def test_a_gateway_that_was_off_for_days_tries_first(world: World) -> None:
    ids = world.write(20)
    world.time += 8 * DAY
    await world.lasts(SECOND, SECOND)
    assert sorted(i for _, i in world.smarthost.taken) == ids


async def test_a_smarthost_that_slows_us_is_left_alone_for_a_while(world: World) -> None:
    slow = Attempt(DeliveryState.DEFERRED, "421 4.7.0 slow down", "mx:25", wide=True)
    world.write(30)
    answers = [slow]
    deliver = world.smarthost.deliver

    async def slowing(*arguments: Any) -> Attempt:
        return answers.pop() if answers else await deliver(*arguments)

    world.smarthost.deliver = slowing  # type: ignore[assignment, method-assign]
    await world.relay.once()
    first = len(world.smarthost.taken)
    assert first < 4, "those that were under way at most"
    await world.lasts(4 * SECOND, SECOND)
    assert len(world.smarthost.taken) == first
    await world.lasts(4 * SECOND, SECOND)
    assert world.states() == {"sent": 30}


NOT_OURS = Attempt(DeliveryState.DEFERRED, "553 5.7.1 Sender address rejected: not owned by user", "mx:25", wide=True)


async def test_where_our_sender_is_refused_all_wait_until_that_is_mended(world: World) -> None:
    """None of them is to blame, however often each was tried, and however old it is."""
    ids = world.write(30)
    taken, world.smarthost.deliver = world.smarthost.deliver, answering(NOT_OURS)  # type: ignore[method-assign]
    with capture_logs() as logs:
        await world.lasts(4 * DAY, 10 * MINUTE)
    assert set(world.states()) <= {"waiting", "deferred"}
    assert [entry["event"] for entry in logs].count("relay_failing") == 1
    world.smarthost.deliver = taken  # type: ignore[method-assign]
    await world.lasts(7 * MINUTE, 20 * SECOND)
    assert {i for _, i in world.smarthost.taken} == set(ids)


async def test_one_that_alone_meets_what_all_should_holds_the_others_up_a_few_times_at_most(world: World) -> None:
    (odd,) = world.write(1)
    deliver, met = world.smarthost.deliver, []

    async def refusing(outgoing: Outgoing, wire: bytes, committing: Any) -> Attempt:
        if outgoing.id == odd:
            met.append(world.time)
            return NOT_OURS
        return await deliver(outgoing, wire, committing)

    world.smarthost.deliver = refusing  # type: ignore[method-assign]
    for _ in range(20):
        world.write(1)
        await world.lasts(MINUTE, 10 * SECOND)
    assert len(met) < 8, "the time between its tries grows"
    assert world.since() is None
    assert world.states() == {"sent": 20, "deferred": 1}
    await world.lasts(6 * DAY, HOUR)
    assert world.states() == {"sent": 21, "refused": 1}, "it is given up as any other, and that is told"


async def test_a_domain_that_hangs_holds_nobody_else_up(world: World) -> None:
    """Three of four connections wait for it, while all others leave, those that come later too."""
    hung = asyncio.Event()
    deliver = world.smarthost.deliver
    hanging: list[int] = []

    async def slow(outgoing: Outgoing, wire: bytes, committing: Any) -> Attempt:
        if outgoing.draft.to.endswith("@usager0.example.net"):
            hanging.append(outgoing.id)
            await hung.wait()
        return await deliver(outgoing, wire, committing)

    world.smarthost.deliver = slow  # type: ignore[method-assign]
    hers = [draft(f"{n}@usager0.example.net") for n in range(100)]
    world.store.write_now(lambda tx: [outbox.enqueue(tx, 1, 0, one, world.context.signer, NOW) for one in hers])
    others, planned = world.write(6)[1:], asyncio.Event()
    work = asyncio.create_task(world.relay.run(planned))
    await world.took_all(others)
    others += world.write(6)[1:]
    planned.set()
    await world.took_all(others)
    assert len(hanging) == 3
    hung.set()
    await world.took_all(range(1, 113))
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_agents_are_told_of_what_was_given_up(tmp_path: Path) -> None:
    from tests.unit.test_outbound import World as Answering

    with opened(tmp_path) as store:
        answering = Answering(store, make_context(tmp_path))
        world = World.__new__(World)
        world.store, world.context, world.time = store, answering.context, NOW
        world.smarthost = Smarthost(world)
        world.smarthost.down = True
        world.relay = world.started()
        await world.lasts(5.1 * DAY, HOUR)
        (notice,) = [
            o.draft
            for o in store.read_now(lambda c: sending.due(c, world.time + DAY, 100))
            if o.draft.purpose.value == "notice"
        ]
        assert (notice.to, "given up after 5 days" in notice.text) == (MANON, True)
