"""What lies where it shouldn't is found, and what only looks like it is not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from gateway.health import checks
from gateway.health.gaps import Gap, Kind, Sight
from gateway.model import DeliveryState, Finding, Scan
from gateway.store import arrivals, pulses, scans, sending, tables
from tests.builders import INES, NOW, incoming, keep, raw_mail, take
from tests.watched import (
    BOX,
    IMAP,
    MINUTE,
    SECOND,
    SIX,
    Daemon,
    events,
    letters,
    looked,
    packs_of,
    planned,
    sql,
    tried,
    watched,
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with watched(tmp_path) as daemon:
        yield daemon


@pytest.fixture
def polling(tmp_path: Path) -> Iterator[Daemon]:
    with watched(tmp_path, intake=IMAP) as daemon:
        yield daemon


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


async def test_mail_that_is_due_and_that_nobody_tries_is_told(daemon: Daemon) -> None:
    planned(daemon)
    daemon.relaying = False
    ((kind, at),) = events(await daemon.six(), "alarm_raised")
    assert kind == Kind.OUTBOX
    assert at <= SIX


async def test_a_relay_that_keeps_up_is_no_alarm(daemon: Daemon) -> None:
    for _ in range(12):
        planned(daemon)
        assert await daemon.until(daemon.at + MINUTE, 30) == []


async def test_one_that_is_passed_over_is_told_while_others_leave(daemon: Daemon) -> None:
    daemon.passed_over = set(planned(daemon))
    raised = []
    for _ in range(6):
        planned(daemon)
        raised += events(await daemon.until(daemon.at + MINUTE, 30), "alarm_raised")
    assert [kind for kind, _ in raised] == [Kind.OUTBOX]
    assert daemon.seen().overdue.examples == ("1",)


def test_what_no_server_was_ever_asked_about_is_told(daemon: Daemon) -> None:
    """As where its attachments can't be read: each try moves the time at which it is due."""
    tried(daemon, [1], [(NOW + n * MINUTE, DeliveryState.DEFERRED, "it can't be read") for n in range(6)], host="")
    daemon.at = NOW + 5 * MINUTE
    assert daemon.found() == []
    daemon.at = NOW + SIX
    assert daemon.found() == [Kind.OUTBOX]
    tried(daemon, [1], [(daemon.at, DeliveryState.DEFERRED, "450 4.2.0 greylisted")])
    assert daemon.found() == []


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
        (3, "450 4.2.0 greylisted", True),
        (3, "451 4.3.0 try again", True),
        (1, "421 4.3.2 closing", True),
        (1, "452 4.3.1 full", True),
        (1, "553 5.7.1 Sender address rejected", True),
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


def test_all_mail_to_one_domain_that_is_put_off_is_no_outage(daemon: Daemon) -> None:
    ids = planned(daemon, 4, people=3)
    later = [(NOW, DeliveryState.DEFERRED, "450 4.4.1 no answer from host")]
    tried(daemon, ids[:3], later)
    daemon.at = NOW + 5 * MINUTE
    assert daemon.found() == []
    tried(daemon, ids[3:], later)
    assert daemon.found() == [Kind.RELAY]


def test_much_mail_to_one_domain_that_is_put_off_is_told(daemon: Daemon) -> None:
    """As where all agents are there: nobody else would hear of it for days."""
    ids = planned(daemon, 20, people=20)
    later = [(NOW, DeliveryState.DEFERRED, "450 4.7.1 later")]
    tried(daemon, ids[:19], later)
    daemon.at = NOW + 5 * MINUTE
    assert daemon.found() == []
    tried(daemon, ids[19:], later)
    assert daemon.found() == [Kind.RELAY]


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


async def test_a_last_step_may_take_five_minutes_and_not_more(daemon: Daemon) -> None:
    (delivery,) = planned(daemon)
    daemon.store.write_now(lambda tx: sending.committing(tx, [delivery]))
    assert await daemon.until(NOW + 5 * MINUTE, 60) == []
    assert [kind for kind, _ in events(await daemon.until(NOW + 7 * MINUTE, 30), "alarm_raised")] == [Kind.SENDING]
    tried(daemon, [delivery], [(daemon.at, DeliveryState.SENT, "250 ok")])
    assert [kind for kind, _ in events(await daemon.until(daemon.at + MINUTE), "alarm_over")] == [Kind.SENDING]


def cut(daemon: Daemon, pack: Path) -> None:
    """Take the last octet that is referred to; behind it may be room for mails to come."""
    os.truncate(pack, daemon.store.read_now(arrivals.extents)[pack.name] - 1)


async def test_packs_that_are_gone_or_cut_are_told_until_they_are_back(daemon: Daemon) -> None:
    take(daemon.store, daemon.context, raw_mail())
    assert await daemon.until(NOW + MINUTE) == []
    (pack,) = packs_of(daemon).glob("*.pack")
    whole = pack.read_bytes()
    breaks: tuple[Callable[[], object], ...] = (pack.unlink, lambda: cut(daemon, pack))
    for broken in breaks:
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
    cut(daemon, pack)
    assert [kind for kind, _ in events(await daemon.until(daemon.at + SIX, 60), "alarm_raised")] == [Kind.RAW]


def test_notifications_that_nobody_sends_are_told(daemon: Daemon) -> None:
    take(daemon.store, daemon.context, raw_mail())
    row = {"agent": INES, "conversation": 1, "message": 1, "created_at": NOW, "due_at": NOW, "digest": False}
    daemon.store.write_now(lambda tx: tx.connection.execute(insert(tables.notices).values(row)))
    daemon.at = NOW + 5 * MINUTE
    assert Kind.ROUNDS not in daemon.found()
    daemon.at = NOW + SIX
    assert Kind.ROUNDS in daemon.found()


def test_attachments_that_wait_are_told_however_often_it_is_asked_meanwhile(daemon: Daemon) -> None:
    keep(daemon.store, incoming(raw_mail()))
    digest = daemon.store.read_now(lambda c: c.scalar(text("SELECT hex(digest) FROM raws")))
    for minutes in range(6):
        held, at = Scan(Finding.HELD, "no answer"), NOW + minutes * MINUTE
        daemon.store.write_now(lambda tx, h=held, t=at: scans.keep(tx, digest, h, t))  # type: ignore[misc]
    daemon.at = NOW + 5 * MINUTE
    assert Kind.ANTIVIRUS not in daemon.found()
    daemon.at += SECOND
    assert Kind.ANTIVIRUS in daemon.found()
    daemon.store.write_now(lambda tx: scans.keep(tx, digest, Scan(Finding.CLEAN), daemon.at))
    assert Kind.ANTIVIRUS not in daemon.found()


# --- mailboxes --------------------------------------------------------------------------------------------


async def test_a_mailbox_out_of_reach_alarms_within_six_minutes(polling: Daemon) -> None:
    looked(polling)
    polling.store.write_now(lambda tx: pulses.troubled(tx, BOX, "can't connect", NOW))
    polling.store.write_now(lambda tx: pulses.troubled(tx, BOX, "can't connect", NOW + MINUTE))
    ((kind, at),) = events(await polling.six(), "alarm_raised")
    assert (kind, 3 * MINUTE < at <= SIX) == (Kind.UNREACHED, True)
    looked(polling)
    assert [kind for kind, _ in events(await polling.until(polling.at + MINUTE), "alarm_over")] == [Kind.UNREACHED]


async def test_a_mailbox_out_of_reach_is_told_by_mail_once_it_lasts(polling: Daemon) -> None:
    """And once for as long as it does, be it days."""
    looked(polling)
    for minutes, step in ((20, 60), (27 * 60, 5400)):
        began = polling.at
        polling.store.write_now(lambda tx, at=began: pulses.troubled(tx, BOX, "can't connect", at))  # type: ignore[misc]
        await polling.until(began + minutes * MINUTE, step)
        looked(polling)
        await polling.until(polling.at + MINUTE)
        assert len(letters(polling.store)) == (minutes > 30)


async def test_a_mailbox_that_nobody_looks_at_is_told(polling: Daemon) -> None:
    """As where each of several daemons does other parts of the work."""
    ((kind, at),) = events(await polling.six(), "alarm_raised")
    assert (kind, 3 * MINUTE < at <= SIX) == (Kind.UNREACHED, True)
    looked(polling)
    assert [kind for kind, _ in events(await polling.until(polling.at + MINUTE), "alarm_over")] == [Kind.UNREACHED]


def test_a_mailbox_that_was_never_reached_is_told_too(polling: Daemon) -> None:
    polling.store.write_now(lambda tx: pulses.troubled(tx, BOX, "no such host", NOW))
    polling.at = NOW + SIX
    assert polling.found() == [Kind.UNREACHED]


def test_a_poller_that_stands_still_is_told(polling: Daemon) -> None:
    looked(polling)
    polling.at = NOW + 5 * MINUTE + 20 * SECOND
    assert polling.found() == []
    polling.at += SECOND
    assert polling.found() == [Kind.UNREACHED]


async def test_a_first_look_after_days_without_a_daemon_has_its_time(polling: Daemon) -> None:
    """It may bring much, and is told of once a minute."""
    looked(polling)
    polling.at = begun = NOW + 4000 * MINUTE
    polling.store.write_now(lambda tx: pulses.started(tx, "one", begun))
    assert events(await polling.until(begun + 2 * MINUTE), "alarm_raised") == []
    ((kind, at),) = events(await polling.until(begun + 3 * MINUTE), "alarm_raised")
    assert (kind, begun + 2 * MINUTE < NOW + at) == (Kind.UNREACHED, True)


def test_a_mailbox_that_isnt_polled_any_more_is_nobodys_business(daemon: Daemon) -> None:
    looked(daemon, missing=(3,))
    daemon.at = NOW + 17 * MINUTE
    assert daemon.found() == []


def test_what_was_missing_is_told_until_the_whole_mailbox_is_compared_again(polling: Daemon) -> None:
    looked(polling, missing=(3, 4))
    looked(polling, whole=False)
    (gap,) = checks.found(Sight(polling.seen(), polling.context.settings, NOW))
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
