"""What is wrong is found within six minutes, told once, and over when it is mended; what is well alarms nobody."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select, text
from structlog.testing import capture_logs

from gateway import log
from gateway.commands.health import health
from gateway.context import Context
from gateway.errors import StoreError
from gateway.health import alarms, canary, gaps, metrics, watch
from gateway.health.gaps import Gap, Kind
from gateway.model import Attempt, DeliveryState, Fact, Finding, Look, Occasion, Scan
from gateway.store import arrivals, outbox, pulses, rounds, scans, tables
from gateway.store.database import Store
from gateway.store.outbox import Settled
from gateway.store.vitals import Vitals, vitals
from tests.builders import (
    INES,
    MANON,
    NOW,
    draft,
    file_all,
    incoming,
    keep,
    make_context,
    opened,
    raw_mail,
    settings,
    take,
)

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SIX = 6 * MINUTE
SMARTHOST = "smtp.example.org:25"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


class Daemon:
    """One that does nothing but look after itself, by a clock that is moved."""

    def __init__(self, store: Store, context: Context, name: str = "one") -> None:
        self.store, self.context, self.name, self.at = store, context, name, NOW
        self.memory, self.planned, self.relaying = watch.Memory(), asyncio.Event(), True
        store.write_now(lambda tx: pulses.started(tx, name, NOW))

    async def until(self, at: datetime, step: float = watch.PACE) -> list[dict[str, Any]]:
        """Look every ten seconds up to then; what was logged, each with `at`, how long after NOW."""
        logged = []
        while self.at < at:
            self.at += timedelta(seconds=step)
            if self.relaying:
                self.relay()
            with capture_logs() as lines:
                await watch.look(self.store, self.context, self.memory, self.name, self.planned, self.at)
            logged += [{**line, "at": self.at - NOW} for line in lines]
        return logged

    async def six(self) -> list[dict[str, Any]]:
        """The next seven minutes; less closely where nothing can be late yet."""
        start = self.at
        lines = await self.until(start + 10 * SECOND) + await self.until(start + 250 * SECOND, 60)
        return lines + await self.until(start + 7 * MINUTE)

    def relay(self) -> None:
        """All that is due leaves."""
        due = self.store.read_now(lambda connection: outbox.due(connection, self.at, 100))
        tried(self, [mail.id for mail in due], [(self.at, DeliveryState.SENT, "250 ok")])

    def seen(self) -> Vitals:
        return self.store.read_now(lambda connection: vitals(connection, self.at, gaps.PATIENCE))

    def found(self) -> list[Kind]:
        return [gap.kind for gap in gaps.found(self.seen(), self.context.settings.intake.polls, self.at)]


@pytest.fixture
def daemon(store: Store, context: Context) -> Daemon:
    return Daemon(store, context)


def events(lines: list[dict[str, Any]], name: str) -> list[tuple[str, timedelta]]:
    """Kind and time of alarms."""
    return [(line["kind"], line["at"]) for line in lines if line["event"] == name]


def letters(store: Store) -> list[str]:
    """What was written to the manager about the gateway itself."""
    mine = select(tables.deliveries.c.draft).where(tables.deliveries.c.recipient == MANON)
    texts = store.read_now(lambda connection: [draft["text"] for draft in connection.scalars(mine)])
    return [text for text in texts if "gateway health" in text]


def sql(store: Store, statement: str, **values: Any) -> None:
    store.write_now(lambda tx: tx.connection.execute(text(statement), values))


# --- how an alarm begins, is told, and ends ----------------------------------------------------------------


async def test_an_empty_store_is_healthy(daemon: Daemon) -> None:
    assert await daemon.until(NOW + 20 * MINUTE, 60) == []
    assert daemon.found() == []
    assert gaps.silent(daemon.seen().daemons, daemon.at) == ()


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
    daemon.store.write_now(lambda tx: alarms.change(tx, daemon.context, [Gap(kind)], NOW))
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
    (gap,) = gaps.silent(daemon.seen().daemons, NOW)
    assert gap.kind is Kind.DAEMON, "it ended in order, and no other is there"


def test_a_daemon_that_says_nothing_is_missed(daemon: Daemon) -> None:
    assert gaps.silent(daemon.seen().daemons, NOW + MINUTE) == ()
    (gap,) = gaps.silent(daemon.seen().daemons, NOW + MINUTE + SECOND)
    assert gap == Gap(Kind.DAEMON, 1, NOW, ("one",))
    assert gaps.silent((), NOW) == (Gap(Kind.DAEMON),)


def test_a_clock_that_was_turned_back_hides_no_daemon_that_is_gone(daemon: Daemon) -> None:
    assert len(gaps.silent(daemon.seen().daemons, NOW - HOUR)) == 1


# --- what lies where it shouldn't -------------------------------------------------------------------------


def test_a_message_that_is_gone_is_missed(daemon: Daemon) -> None:
    take(daemon.store, daemon.context, raw_mail())
    assert daemon.found() == []
    sql(daemon.store, "UPDATE arrivals SET message = NULL")
    assert daemon.found() == [Kind.LOST]


def test_mail_that_is_set_aside_is_told(daemon: Daemon) -> None:
    keep(daemon.store, incoming(raw_mail()))
    daemon.store.write_now(lambda tx: arrivals.set_aside(tx, 1, "a reason"))
    assert daemon.seen().aside.examples == ("1",)
    assert daemon.found() == [Kind.ASIDE]


def planned(daemon: Daemon, count: int = 1) -> list[int]:
    def work(tx: Any) -> list[int]:
        letters = (draft(f"u{nth}@x.example") for nth in range(count))
        return [outbox.enqueue(tx, None, 0, letter, daemon.context.signer, NOW) for letter in letters]

    return daemon.store.write_now(work)


def tried(daemon: Daemon, ids: list[int], tries: list[tuple[datetime, DeliveryState, str]]) -> None:
    """Deliveries, made where they aren't there, and what became of tries of each."""
    if not daemon.seen().deliveries:
        planned(daemon, len(ids))
    for at, state, reply in tries:
        for delivery in ids:
            fact = Fact(delivery, Occasion.ATTEMPT, Attempt(state, reply, SMARTHOST))
            one = Settled(fact, at + 10 * MINUTE)
            daemon.store.write_now(lambda tx, o=one, t=at: outbox.settle(tx, [o], t))  # type: ignore[misc]


async def test_mail_that_is_due_and_that_nobody_tries_is_told(daemon: Daemon) -> None:
    planned(daemon)
    daemon.relaying = False
    ((kind, at),) = events(await daemon.six(), "alarm_raised")
    assert kind == Kind.OUTBOX
    assert at <= SIX


async def test_a_relay_that_works_on_is_no_alarm(daemon: Daemon) -> None:
    ids, daemon.relaying = planned(daemon, 12), False
    for delivery in ids:
        tried(daemon, [delivery], [(daemon.at, DeliveryState.SENT, "250 ok")])
        assert await daemon.until(daemon.at + MINUTE, 30) == []


async def test_a_relay_out_of_reach_alarms_within_six_minutes_and_is_over_with_the_first_mail(daemon: Daemon) -> None:
    cut = "SMTPConnectError: Error connecting"
    tried(daemon, [1], [(NOW + n * SECOND, DeliveryState.DEFERRED, cut) for n in (0, 10, 70)])
    ((kind, at),) = events(await daemon.six(), "alarm_raised")
    assert (kind, at <= SIX) == (Kind.RELAY, True)
    tried(daemon, [1], [(daemon.at, DeliveryState.SENT, "250 ok")])
    assert events(await daemon.until(daemon.at + 10 * SECOND), "alarm_over") == [(Kind.RELAY, daemon.at - NOW)]


@pytest.mark.parametrize(
    ("deliveries", "reply", "wrong"),
    [
        (1, "450 4.2.0 greylisted", False),
        (2, "450 4.2.0 greylisted", False),
        (3, "451 4.3.0 try again", True),
        (1, "421 4.3.2 closing", True),
        (1, "authentication failed: 535", True),
    ],
)
def test_one_recipients_server_that_says_later_is_no_outage(
    daemon: Daemon, deliveries: int, reply: str, wrong: bool
) -> None:
    ids = list(range(1, deliveries + 1))
    tried(daemon, ids, [(NOW, DeliveryState.DEFERRED, reply)])
    daemon.at = NOW + 5 * MINUTE
    assert daemon.found() == ([Kind.RELAY] if wrong else [])


def test_many_that_are_put_off_at_once_hide_no_outage(daemon: Daemon) -> None:
    """The last attempts that are looked at lie within less than five minutes then."""
    many = list(range(1, 101))
    tried(daemon, many, [(NOW + n * SECOND, DeliveryState.DEFERRED, "451 4.3.0 later") for n in range(6)])
    daemon.at = NOW + MINUTE
    assert daemon.found() == [Kind.RELAY]
    tried(daemon, [1], [(daemon.at, DeliveryState.SENT, "250 ok")])
    assert daemon.found() == []


def test_what_has_no_evidence_and_is_said_to_be_sent_is_told(daemon: Daemon) -> None:
    tried(daemon, [1], [(NOW, DeliveryState.SENT, "250 ok")])
    assert daemon.found() == []
    sql(daemon.store, "DROP TRIGGER evidence_remains")
    sql(daemon.store, "DELETE FROM evidence")
    assert daemon.found() == [Kind.UNPROVEN]


def test_what_nobody_knows_is_told(daemon: Daemon) -> None:
    tried(daemon, [1], [(NOW, DeliveryState.UNKNOWN, "connection lost")])
    assert daemon.found() == [Kind.UNKNOWN]


async def test_a_last_step_may_take_ten_minutes_and_not_more(daemon: Daemon) -> None:
    (delivery,) = planned(daemon)
    daemon.store.write_now(lambda tx: outbox.committing(tx, [delivery]))
    assert await daemon.until(NOW + 12 * MINUTE, 60) == []
    assert [kind for kind, _ in events(await daemon.until(NOW + 14 * MINUTE, 30), "alarm_raised")] == [Kind.SENDING]
    tried(daemon, [delivery], [(daemon.at, DeliveryState.SENT, "250 ok")])
    assert [kind for kind, _ in events(await daemon.until(daemon.at + MINUTE), "alarm_over")] == [Kind.SENDING]


def packs_of(daemon: Daemon) -> Path:
    return Path(str(daemon.store.engine.url.database)).with_name("raw")


async def test_packs_that_are_gone_or_cut_are_told_until_they_are_back(daemon: Daemon) -> None:
    take(daemon.store, daemon.context, raw_mail())
    assert await daemon.until(NOW + MINUTE) == []
    (pack,) = packs_of(daemon).glob("*.pack")
    whole = pack.read_bytes()
    for broken in (pack.unlink, lambda: pack.write_bytes(whole[:-2])):
        broken()
        raised = events(await daemon.until(daemon.at + SIX, 60), "alarm_raised")
        assert [kind for kind, _ in raised] == [Kind.RAW]
        pack.write_bytes(whole)
        over = events(await daemon.until(daemon.at + SIX, 60), "alarm_over")
        assert [kind for kind, _ in over] == [Kind.RAW]


async def test_what_came_since_is_looked_for_in_its_pack_too(daemon: Daemon) -> None:
    """Only that is looked up anew."""
    take(daemon.store, daemon.context, raw_mail())
    await daemon.until(NOW + MINUTE)
    take(daemon.store, daemon.context, raw_mail(text="Plus tard.", identifier="m2@x.example"))
    await daemon.until(daemon.at + SIX, 60)
    (pack,) = packs_of(daemon).glob("*.pack")
    pack.write_bytes(pack.read_bytes()[:-2])
    assert [kind for kind, _ in events(await daemon.until(daemon.at + SIX, 60), "alarm_raised")] == [Kind.RAW]


def test_notifications_that_nobody_sends_are_told(daemon: Daemon) -> None:
    take(daemon.store, daemon.context, raw_mail())
    row = {"agent": INES, "conversation": 1, "message": 1, "created_at": NOW, "due_at": NOW, "digest": False}
    daemon.store.write_now(lambda tx: tx.connection.execute(insert(tables.notices).values(row)))
    daemon.at = NOW + 5 * MINUTE
    assert Kind.ROUNDS not in daemon.found()
    daemon.at = NOW + SIX
    assert Kind.ROUNDS in daemon.found()


def test_attachments_that_wait_for_an_hour_are_told(daemon: Daemon) -> None:
    keep(daemon.store, incoming(raw_mail()))
    digest = daemon.store.read_now(lambda c: c.scalar(text("SELECT hex(digest) FROM raws")))
    daemon.store.write_now(lambda tx: scans.keep(tx, digest, Scan(Finding.HELD, "no answer"), NOW))
    daemon.at = NOW + HOUR
    assert Kind.ANTIVIRUS not in daemon.found()
    daemon.at = NOW + HOUR + SECOND
    assert Kind.ANTIVIRUS in daemon.found()


# --- mailboxes --------------------------------------------------------------------------------------------

BOX = "contact/INBOX"
IMAP = {"imap": [{"name": "contact", "host": "imap.example.org", "user": "contact", "password": "geheim"}]}


@pytest.fixture
def polling(store: Store, tmp_path: Path) -> Daemon:
    return Daemon(store, make_context(tmp_path, intake=IMAP))


def looked(daemon: Daemon, **what: Any) -> None:
    look = Look(BOX, 7, what.pop("reached", 10), what.pop("whole", True), **what)
    daemon.store.write_now(lambda tx: pulses.looked(tx, look, daemon.at))


async def test_a_mailbox_out_of_reach_alarms_within_six_minutes(polling: Daemon) -> None:
    looked(polling)
    polling.store.write_now(lambda tx: pulses.troubled(tx, BOX, "can't connect", NOW))
    polling.store.write_now(lambda tx: pulses.troubled(tx, BOX, "can't connect", NOW + MINUTE))
    ((kind, at),) = events(await polling.six(), "alarm_raised")
    assert (kind, 4 * MINUTE < at <= SIX) == (Kind.UNREACHED, True)
    looked(polling)
    assert [kind for kind, _ in events(await polling.until(polling.at + MINUTE), "alarm_over")] == [Kind.UNREACHED]


async def test_a_mailbox_that_nobody_looks_at_is_told(polling: Daemon) -> None:
    """As where each of several daemons does other parts of the work."""
    ((kind, at),) = events(await polling.six(), "alarm_raised")
    assert (kind, 4 * MINUTE < at <= SIX) == (Kind.UNREACHED, True)
    looked(polling)
    assert [kind for kind, _ in events(await polling.until(polling.at + MINUTE), "alarm_over")] == [Kind.UNREACHED]


def test_a_mailbox_that_was_never_reached_is_told_too(polling: Daemon) -> None:
    polling.store.write_now(lambda tx: pulses.troubled(tx, BOX, "no such host", NOW))
    polling.at = NOW + SIX
    assert polling.found() == [Kind.UNREACHED]


def test_a_poller_that_stands_still_is_told(polling: Daemon) -> None:
    looked(polling)
    polling.at = NOW + 16 * MINUTE
    assert polling.found() == []
    polling.at += SECOND
    assert polling.found() == [Kind.UNREACHED]


def test_a_mailbox_that_isnt_polled_any_more_is_nobodys_business(daemon: Daemon) -> None:
    looked(daemon, missing=(3,))
    daemon.at = NOW + 17 * MINUTE
    assert daemon.found() == []


def test_what_was_missing_is_told_until_the_whole_mailbox_is_compared_again(polling: Daemon) -> None:
    looked(polling, missing=(3, 4))
    looked(polling, whole=False)
    (gap,) = gaps.found(polling.seen(), {BOX: MINUTE}, NOW)
    assert gap == Gap(Kind.MISSING, 2, NOW, (f"{BOX} UID 3", f"{BOX} UID 4"))
    looked(polling)
    assert polling.found() == []


def test_what_cant_be_had_is_told_for_what_it_is(polling: Daemon) -> None:
    looked(polling, owed=(5,), too_large=(6,), whole=False)
    assert polling.found() == [Kind.OWED, Kind.TOO_LARGE]


def test_how_far_a_mailbox_was_passed_is_known_for_its_uidvalidity_alone(polling: Daemon) -> None:
    looked(polling, reached=10)
    reached = [polling.store.read_now(lambda c, v=v: pulses.reached(c, BOX, v)) for v in (7, 8)]  # type: ignore[misc]
    assert reached == [10, 1]


# --- the command ------------------------------------------------------------------------------------------


def test_before_the_first_start_nobody_can_tell_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store yet"):
        health(settings(tmp_path), NOW, as_metrics=False)
    assert os.listdir(tmp_path) == []


def test_the_command_says_what_is_wrong_and_what_to_do(daemon: Daemon, tmp_path: Path) -> None:
    well = health(daemon.context.settings, NOW, as_metrics=False)
    assert (well.status, well.lines) == (0, ("OK: 0 mails accepted, 0 wait to be filed, 0 to be sent",))
    keep(daemon.store, incoming(raw_mail()))
    daemon.store.write_now(lambda tx: arrivals.set_aside(tx, 1, "a reason"))
    wrong = health(daemon.context.settings, NOW, as_metrics=False)
    assert wrong.status == 1
    first, second = wrong.lines
    assert str(first).startswith("WRONG aside: mail is set aside, since ")
    assert "gateway aside list" in str(second)
    (gap,) = wrong.document["gaps"]
    assert (gap["kind"], gap["count"], gap["examples"]) == ("aside", 1, ("1",))
    figures = health(daemon.context.settings, NOW, as_metrics=True)
    assert (figures.status, 'gateway_gap{kind="aside"} 1' in str(figures.lines[0])) == (1, True)


async def test_what_only_the_daemon_sees_is_told_by_the_command_too(daemon: Daemon) -> None:
    take(daemon.store, daemon.context, raw_mail())
    (pack,) = packs_of(daemon).glob("*.pack")
    pack.unlink()
    await daemon.until(NOW + MINUTE, 30)
    found = health(daemon.context.settings, daemon.at, as_metrics=False).document["gaps"]
    assert [gap["kind"] for gap in found] == ["raw"]
    assert found[0]["alarm_since"] == daemon.at


# --- figures, and what they cost --------------------------------------------------------------------------


def test_figures_are_in_the_form_that_prometheus_reads(daemon: Daemon) -> None:
    keep(daemon.store, incoming(raw_mail()))
    planned(daemon, 2)
    daemon.store.write_now(lambda tx: rounds.made(tx, canary.FILED, NOW))
    daemon.store.write_now(lambda tx: rounds.made(tx, canary.SENT, NOW + MINUTE))
    told = metrics.text(daemon.seen(), [Gap(Kind.FILING, 3)], canary.FILED, NOW + MINUTE)
    sample = re.compile(r'gateway_[a-z_]+(?:\{[a-z]+="[^"\\\n]*"\})? -?[0-9.e+]+')
    assert [line for line in told.splitlines() if not line.startswith("# ") and not sample.fullmatch(line)] == []
    for wanted in (
        "gateway_accepted_total 1",
        "gateway_waiting 1",
        "gateway_healthy 0",
        'gateway_gap{kind="filing"} 3',
        'gateway_gap{kind="relay"} 0',
        'gateway_outbox{state="waiting"} 2',
        'gateway_daemon_seen_seconds{daemon="one"} 60',
        "gateway_canary_seconds 60",
    ):
        assert wanted in told.splitlines(), wanted


async def test_the_file_of_figures_is_whole_and_anew_at_each_look(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "gateway.prom"
    daemon = Daemon(store, make_context(tmp_path, health={"metrics_file": str(file)}))
    await daemon.until(NOW + MINUTE)
    assert f"gateway_looked_timestamp_seconds {(NOW + MINUTE).timestamp():.15g}" in file.read_text().splitlines()
    assert [name for name in os.listdir(tmp_path) if ".prom" in name] == [file.name]


def test_no_question_walks_through_what_is_stored(daemon: Daemon) -> None:
    """Each has its index, or ends after the newest rows: what is asked every ten seconds costs the same for ever."""
    asked: list[tuple[str, Any]] = []

    @event.listens_for(daemon.store.engine, "before_cursor_execute")
    def _(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    daemon.seen()
    daemon.store.write_now(lambda tx: pulses.beat(tx, "one", NOW))
    assert len(asked) > 20
    fine = re.compile(
        r"SCAN (rounds|daemons|mailboxes|alarms|marks|CONSTANT ROW|.* USING .*INDEX ix_\w+)\b.*|(?!SCAN).*"
    )
    with daemon.store.engine.connect() as connection:
        for statement, parameters in list(asked):
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
                few = row.detail == "SCAN evidence" and "ORDER BY evidence.id DESC" in statement
                assert few or fine.fullmatch(row.detail), (row.detail, statement)
