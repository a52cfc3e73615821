"""An alarm begins within six minutes, is told once, and is over when it is mended; what is well alarms nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from gateway import log
from gateway.errors import StoreError
from gateway.health import alarms, signs, watch
from gateway.health.gaps import Gap, Kind
from gateway.model import DeliveryState
from gateway.store import arrivals, pulses
from tests.builders import NOW, file_all, incoming, keep, raw_mail, take
from tests.watched import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    SIX,
    Daemon,
    events,
    letters,
    packs_of,
    sql,
    tried,
    watched,
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with watched(tmp_path) as daemon:
        yield daemon


async def test_an_empty_store_is_healthy(daemon: Daemon) -> None:
    assert await daemon.until(NOW + 20 * MINUTE, 60) == []
    assert daemon.found() == []
    assert signs.silent(daemon.seen().daemons, daemon.at) == ()


async def test_a_mail_that_nobody_files_alarms_within_six_minutes_and_not_before_five(daemon: Daemon) -> None:
    keep(daemon.store, incoming(raw_mail()))
    ((kind, at),) = events(await daemon.six(), "alarm_raised")
    assert kind == Kind.FILING
    assert 5 * MINUTE < at <= SIX
    assert daemon.seen().late.count == 1
    assert len(letters(daemon.store)) == 1
    assert daemon.planned.is_set()


async def test_it_is_over_when_it_is_mended_and_not_told_again_that_day(daemon: Daemon) -> None:
    keep(daemon.store, incoming(raw_mail()))
    await daemon.six()
    file_all(daemon.store, daemon.context, daemon.at)
    lines = await daemon.until(daemon.at + 20 * SECOND)
    assert events(lines, "alarm_over") == [(Kind.FILING, daemon.at - NOW - 10 * SECOND)]
    assert daemon.seen().standing == ()
    keep(daemon.store, incoming(raw_mail(text="Une autre.")))
    assert len(events(await daemon.six(), "alarm_raised")) == 1
    assert len(letters(daemon.store)) == 1, "the log says it again, the managers aren't written to twice a day"


async def test_mail_that_was_old_when_it_came_waits_since_it_came(daemon: Daemon) -> None:
    """What lay in a mailbox for years is late when we let it lie, not before."""
    await daemon.until(NOW + 10 * MINUTE, 60)
    keep(daemon.store, incoming(raw_mail(), received_at=NOW - 900 * DAY))
    ((_, at),) = events(await daemon.six(), "alarm_raised")
    assert at > 15 * MINUTE


async def test_mail_that_is_worked_on_steadily_is_no_alarm(daemon: Daemon) -> None:
    """There is always some that waits, and none for long."""
    for nth in range(5):
        keep(daemon.store, incoming(raw_mail(text=f"Question {nth}", identifier=f"m{nth}@x.example")))
        assert await daemon.until(daemon.at + 2 * MINUTE, 30) == []
        file_all(daemon.store, daemon.context, daemon.at)


async def test_the_mark_of_what_waits_longest_is_kept(daemon: Daemon) -> None:
    keep(daemon.store, incoming(raw_mail()))
    await daemon.until(NOW + 3 * HOUR, 300)
    seen = daemon.seen()
    assert seen.late.since == NOW + 5 * MINUTE
    count = daemon.store.read_now(lambda connection: connection.scalar(text("SELECT count(*) FROM marks")))
    assert count == 14, "an hour's, and that one"


async def test_what_is_wrong_for_one_look_is_no_alarm(daemon: Daemon) -> None:
    """A mail that was set aside for long, and is tried again just now, has an old id."""
    keep(daemon.store, incoming(raw_mail()))
    daemon.store.write_now(lambda tx: arrivals.set_aside(tx, 1, "a reason"))
    await daemon.until(NOW + HOUR, 300)
    daemon.store.write_now(lambda tx: arrivals.retry(tx, 1))
    lines = await daemon.until(daemon.at + 10 * SECOND)
    file_all(daemon.store, daemon.context, daemon.at)
    lines += await daemon.until(daemon.at + MINUTE)
    assert events(lines, "alarm_raised") == []
    assert [kind for kind, _ in events(lines, "alarm_over")] == [Kind.ASIDE]


async def test_a_restart_neither_ends_an_alarm_nor_begins_it_again(daemon: Daemon) -> None:
    keep(daemon.store, incoming(raw_mail()))
    await daemon.six()
    daemon.memory = watch.Memory()
    assert await daemon.until(daemon.at + MINUTE) == []


async def test_two_daemons_tell_an_alarm_once(daemon: Daemon) -> None:
    other = Daemon(daemon.store, daemon.context)
    keep(daemon.store, incoming(raw_mail()))
    await daemon.until(NOW + 5 * MINUTE, 30)
    await other.until(NOW + 5 * MINUTE, 30)
    assert len(events(await both(daemon, other, 6), "alarm_raised")) == 1


async def test_what_one_of_two_daemons_sees_stands_until_neither_does(daemon: Daemon) -> None:
    """One lacks a file that the other has: on another machine, or since they look at different times."""
    take(daemon.store, daemon.context, raw_mail())
    other = Daemon(daemon.store, daemon.context, "two")
    await other.until(NOW + 10 * SECOND)
    (pack,) = packs_of(daemon).glob("*.pack")
    away = pack.rename(pack.with_suffix(".away"))
    lines = await both(daemon, other, 9)
    assert [kind for kind, _ in events(lines, "alarm_raised")] == [Kind.RAW]
    assert events(lines, "alarm_over") == []
    away.rename(pack)
    daemon.memory.compared_at = None
    assert [kind for kind, _ in events(await both(daemon, other, 9), "alarm_over")] == [Kind.RAW]


async def both(one: Daemon, other: Daemon, looks: int) -> list[dict[str, Any]]:
    return [line for _ in range(looks) for each in (one, other) for line in await each.until(each.at + 10 * SECOND)]


async def test_what_begins_together_is_one_mail_and_a_relay_isnt_told_through_itself(daemon: Daemon) -> None:
    keep(daemon.store, incoming(raw_mail()), incoming(raw_mail(text="Autre")))
    daemon.store.write_now(lambda tx: arrivals.set_aside(tx, 1, "a reason"))
    daemon.store.write_now(lambda tx: arrivals.set_aside(tx, 2, "a reason"))
    take(daemon.store, daemon.context, raw_mail(text="Une troisième"))
    sql(daemon.store, "UPDATE arrivals SET message = NULL")
    daemon.relaying = False
    tried(daemon, [1], [(NOW, DeliveryState.DEFERRED, "SMTPConnectError: no route")])
    lines = await daemon.six()
    assert {kind for kind, _ in events(lines, "alarm_raised")} == {Kind.ASIDE, Kind.LOST, Kind.RELAY}
    (letter,) = letters(daemon.store)
    assert [line[:2] for line in letter.splitlines()].count("- ") == 2


@pytest.mark.parametrize("kind", sorted(set(Kind) - alarms.NOT_BY_MAIL - {Kind.DAEMON, Kind.STORE}))
def test_whatever_managers_are_told_is_told_in_words(daemon: Daemon, kind: Kind) -> None:
    for at in (NOW, NOW + alarms.LASTING.get(kind, 0 * MINUTE)):
        daemon.store.write_now(lambda tx, at=at: alarms.change(tx, daemon.context, [Gap(kind)], at))  # type: ignore[misc]
    (letter,) = letters(daemon.store)
    assert f"- {kind}: 1" not in letter


async def test_a_store_that_cant_be_read_is_said_in_the_log(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, seen_thrice, well = 0, asyncio.Event(), asyncio.Event()

    def now() -> datetime:
        nonlocal looks
        looks += 1
        return NOW

    def broken(*_: object) -> None:
        if looks > 3:
            seen_thrice.set()
        raise StoreError("the database failed")

    def told(*_: object, **__: object) -> None:
        well.set()

    with capture_logs() as lines:
        monkeypatch.setattr(pulses, "beat", broken)
        work = watch.run(
            daemon.store, lambda: daemon.context, name="one", planned=daemon.planned, now=now, pace=0.001
        )
        running = asyncio.create_task(work)
        await seen_thrice.wait()
        monkeypatch.undo()
        monkeypatch.setattr(log, "alarm_over", told)
        await well.wait()
        running.cancel()
        await asyncio.wait([running])
    raised = [line["kind"] for line in lines if line["event"] == "alarm_raised"]
    assert raised == [Kind.STORE]
    daemon.store.write_now(lambda _: None)  # what was handed in before is written by now
    (gap,) = signs.silent(daemon.seen().daemons, NOW)
    assert gap.kind is Kind.DAEMON, "it ended in order, and no other is there"


async def test_a_store_that_says_nothing_is_told_while_it_is_waited_for(daemon: Daemon) -> None:
    """One look waits for it: no others pile up behind."""
    hung, told = threading.Event(), asyncio.Event()

    def now() -> datetime:
        told.set()
        return NOW

    daemon.store.submit(lambda _: hung.wait())
    with capture_logs() as lines:
        looking = watch.look(daemon.store, daemon.context, daemon.memory, "one", daemon.planned, NOW)
        waiting = asyncio.create_task(watch._watched(looking, daemon.memory, now, 0.001))
        await told.wait()
        assert not waiting.done()
        hung.set()
        await waiting
    assert [(line["event"], line["kind"]) for line in lines if "kind" in line] == [
        ("alarm_raised", Kind.STORE),
        ("alarm_over", Kind.STORE),
    ]


def test_a_daemon_that_says_nothing_is_missed(daemon: Daemon) -> None:
    assert signs.silent(daemon.seen().daemons, NOW + MINUTE) == ()
    (gap,) = signs.silent(daemon.seen().daemons, NOW + MINUTE + SECOND)
    assert gap == Gap(Kind.DAEMON, 1, NOW, ("one",))
    assert signs.silent((), NOW) == (Gap(Kind.DAEMON),)


def test_a_clock_that_was_turned_back_hides_no_daemon_that_is_gone(daemon: Daemon) -> None:
    assert len(signs.silent(daemon.seen().daemons, NOW - HOUR)) == 1
