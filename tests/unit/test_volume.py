"""How much leaves by itself, counted on a real store: caps, the brake, the alarm, agents who get too much."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import func, select
from structlog.testing import capture_logs

from gateway import digests, rounds, waiting
from gateway.config.settings import Limits
from gateway.context import Context
from gateway.model import Attempt, DeliveryState, Fact, Incoming, Occasion, Outgoing, Purpose
from gateway.store import outbox, sending, tables, volume
from gateway.store.database import Store
from gateway.store.sending import Settled
from tests.builders import (
    DOMAIN,
    HERE,
    INES,
    MANON,
    NOW,
    draft,
    emptied,
    file_all,
    incoming,
    keep,
    make_context,
    opened,
    raw_mail,
    shown,
)
from tests.builders import listed as conversations

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LIMITS = Limits(alarm_above=10)
_LETTERS = str.maketrans("0123456789", "ghijklmnop")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


def acknowledged(store: Store, context: Context, *times: datetime) -> None:
    """Acknowledgements as they were filed then; to different people."""

    def work(tx: Any) -> None:
        for nth, at in enumerate(times):
            letter = draft(f"u{nth}@x.example", purpose=Purpose.ACKNOWLEDGEMENT, automatic=True, silent=True)
            outbox.enqueue(tx, None, 0, letter, context.signer, at)

    store.write_now(work)


def braked(store: Store, at: datetime, limits: Limits = LIMITS) -> bool:
    return store.read_now(lambda connection: volume.braked(connection, limits, at))


def spread(count: int, start: datetime, over: timedelta) -> tuple[datetime, ...]:
    return tuple(start + nth * over / count for nth in range(count))


# --- the brake ---------------------------------------------------------------------------------------------


def test_the_brake_is_on_from_the_last_that_is_too_many_until_an_hour_later(store: Store, tmp_path: Path) -> None:
    context = make_context(tmp_path)
    acknowledged(store, context, *spread(9, NOW, MINUTE))
    assert not braked(store, NOW + MINUTE)
    acknowledged(store, context, NOW + MINUTE)
    assert braked(store, NOW + MINUTE)
    assert braked(store, NOW + MINUTE + HOUR - SECOND)
    assert not braked(store, NOW + MINUTE + HOUR)


def test_so_many_over_more_than_an_hour_are_nothing(store: Store, tmp_path: Path) -> None:
    acknowledged(store, make_context(tmp_path), *spread(20, NOW, 3 * HOUR))
    assert not braked(store, NOW + 3 * HOUR)


def test_what_is_usual_alarms_nobody(store: Store, tmp_path: Path) -> None:
    """Two in an hour are usual: twenty are too many."""
    context = make_context(tmp_path)
    for day in range(2, 9):
        acknowledged(store, context, *spread(48, NOW - day * DAY, DAY))
    assert store.read_now(lambda connection: volume.usual(connection, NOW)) == 2
    acknowledged(store, context, *spread(19, NOW, MINUTE))
    assert not braked(store, NOW + MINUTE)
    acknowledged(store, context, NOW + MINUTE)
    assert braked(store, NOW + MINUTE)


def test_three_bad_days_are_not_usual(store: Store, tmp_path: Path) -> None:
    context = make_context(tmp_path)
    for day in (1, 2, 3):
        acknowledged(store, context, *spread(300, NOW - (day + 0.5) * DAY, HOUR))
    assert store.read_now(lambda connection: volume.most(connection, LIMITS, NOW)) == LIMITS.alarm_above


def test_what_is_long_ago_costs_nothing_however_high_the_limit(store: Store, tmp_path: Path) -> None:
    context, limits = make_context(tmp_path), Limits(alarm_above=1_000_000)

    def steps() -> int:
        """Of the database, to say whether the brake is on, and may be soon."""
        taken = [0]

        def step() -> None:
            taken[0] += 1

        def asked(connection: Any) -> None:
            connection.connection.dbapi_connection.set_progress_handler(step, 1)
            assert not volume.braked(connection, limits, NOW)
            assert volume.Tally(connection, limits, NOW, 10, volume.notifications).volume() is not None
            connection.connection.dbapi_connection.set_progress_handler(None, 1)

        store.read_now(asked)
        return taken[0]

    acknowledged(store, context, *spread(5, NOW - MINUTE, SECOND))
    before = steps()
    assert before > 0
    acknowledged(store, context, *spread(200, NOW - 30 * DAY, DAY))
    assert steps() == before


# --- the caps, on the whole way in -------------------------------------------------------------------------


def words(nth: int) -> str:
    """Text that is like no other's: figures alone would make the same mail."""
    digest = hashlib.sha256(str(nth).encode()).hexdigest()
    return " ".join(digest[at : at + 8] for at in range(0, 64, 8)).translate(_LETTERS)


def letter(nth: int, sender: str, at: datetime, to: str = f"contact@{DOMAIN}") -> Incoming:
    text = words(nth)
    raw = raw_mail(sender, to, text=text, subject=text, identifier=f"m{nth}@x.example")
    return incoming(raw, (to,), received_at=at, envelope_sender=sender)


def come(store: Store, context: Context, nth: int, sender: str, at: datetime, to: str = f"contact@{DOMAIN}") -> None:
    keep(store, letter(nth, sender, at, to))
    file_all(store, context, at)


def planned(store: Store, purpose: Purpose) -> list[Outgoing]:
    due = store.read_now(lambda connection: sending.due(connection, NOW + 99 * DAY, 100_000))
    return [mail for mail in due if mail.draft.purpose is purpose]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Path]]:
    """One store for many examples: they are told apart by being emptied."""
    folder = tmp_path_factory.mktemp("volume")
    with opened(folder) as store:
        yield store, folder


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4_000)), min_size=1, max_size=25),
    st.integers(1, 3),
    st.integers(1, 4),
)
@profile(max_examples=12)
def test_caps_hold_whatever_comes_in_whatever_order(
    shared: tuple[Store, Path], mails: list[tuple[int, int]], address: int, minute: int
) -> None:
    """Each mail is filed by a context of its own, as after a restart: nothing is remembered but what is stored."""
    store, folder = shared
    emptied(store)
    limits = {"acknowledgements_per_address": address, "acknowledgements_per_minute": minute, "alarm_above": 6}
    at = NOW
    for nth, (who, pause) in enumerate(mails):
        at += pause * SECOND
        come(store, make_context(folder, limits=limits), nth, f"u{who}@x.example", at)
    found = planned(store, Purpose.ACKNOWLEDGEMENT)
    times = sorted(mail.created_at for mail in found)
    for who in range(3):
        hers = [mail.created_at for mail in found if mail.draft.to == f"u{who}@x.example"]
        assert all(sum(time - DAY < other <= time for other in hers) <= address for time in hers)
    assert all(sum(time - MINUTE < other <= time for other in times) <= minute for time in times)
    assert all(sum(time - HOUR < other <= time for other in times) <= 6 for time in times)
    assert len(conversations(store)) == len(mails)
    if len(mails) <= min(address, minute, 6):
        assert len(found) == len(mails)


@pytest.mark.parametrize(
    ("limits", "cap"),
    [
        ({"acknowledgements_per_address": 1}, "acknowledgements_per_address"),
        ({"acknowledgements_per_minute": 1}, "acknowledgements_per_minute"),
        ({"alarm_above": 1}, "alarm_above"),
        ({"notifications_per_agent": 1}, "notifications_per_agent"),
    ],
)
async def test_the_log_says_which_limit_kept_us_from_writing(
    store: Store, tmp_path: Path, limits: dict[str, int], cap: str
) -> None:
    context = make_context(tmp_path, limits=limits)
    with capture_logs() as told:
        for nth in range(2):
            keep(store, letter(nth, "u@x.example", NOW))
            await waiting.file_waiting(store, context, HERE, "daemon", lambda: NOW + SECOND)
    assert [line["cap"] for line in told if line["event"] == "cap_reached"] == [cap]


async def test_a_loop_is_kept_causes_nothing_and_is_told(store: Store, tmp_path: Path) -> None:
    hops = b"Received: from a.example by b.example; Sat, 01 Mar 2025 10:00:00 +0100\r\n" * 51
    keep(store, incoming(hops + raw_mail()))
    with capture_logs() as told:
        await waiting.file_waiting(store, make_context(tmp_path), HERE, "daemon", lambda: NOW)
    assert "loop_ended" in [line["event"] for line in told]
    (conversation,) = conversations(store)
    assert (conversation["status"], conversation["messages"]) == ("closed", 1)
    assert planned(store, Purpose.ACKNOWLEDGEMENT) + planned(store, Purpose.NOTIFICATION) == []


# --- the alarm ---------------------------------------------------------------------------------------------


def make_round(store: Store, context: Context, at: datetime) -> int:
    if not store.read_now(lambda connection: rounds.is_due(connection, context, at)):
        return 0
    return store.write_now(lambda tx: rounds.make(tx, context, at))


def alarms(store: Store) -> list[Outgoing]:
    return [mail for mail in planned(store, Purpose.NOTICE) if mail.draft.to == MANON]


def test_the_managers_are_told_once_a_day_and_the_log_each_time(store: Store, tmp_path: Path) -> None:
    context = make_context(tmp_path, limits={"alarm_above": 10})
    make_round(store, context, NOW)  # the digests begin
    with capture_logs() as told:
        for nth in range(3):
            start = NOW + nth * 3 * HOUR
            acknowledged(store, context, *spread(10, start, MINUTE))
            for minute in range(1, 179, 10):
                make_round(store, context, start + minute * MINUTE)
    (alarm,) = alarms(store)
    assert "10 messages" in alarm.draft.text
    assert (alarm.conversation, alarm.draft.silent) == (None, True)
    events = [line["event"] for line in told if line["event"].startswith("volume")]
    assert events == 3 * ["volume_jumped", "volume_calm"]


# --- agents ------------------------------------------------------------------------------------------------


def test_an_agent_who_had_enough_is_told_of_the_rest_in_one_mail(store: Store, tmp_path: Path) -> None:
    context = make_context(tmp_path, limits={"notifications_per_agent": 3})
    make_round(store, context, NOW)
    for nth in range(10):
        come(store, context, nth, f"u{nth}@x.example", NOW + nth * SECOND)
        make_round(store, context, NOW + nth * SECOND)
    assert len(planned(store, Purpose.NOTIFICATION)) == 3
    last = conversations(store)[0]
    because = shown(store, last["reference"])["messages"][0]["because"]
    assert because[-1] == "1 of its agents had too many notifications within ten minutes: told in one mail"
    make_round(store, context, NOW + 9 * MINUTE)
    assert len(planned(store, Purpose.NOTIFICATION)) == 3
    make_round(store, context, NOW + 10 * MINUTE)
    *_, gathered = planned(store, Purpose.NOTIFICATION)
    assert (gathered.conversation, gathered.draft.to) == (None, MANON)
    assert "7 conversations" in gathered.draft.subject
    come(store, context, 11, "v@x.example", NOW + 20 * MINUTE)
    assert planned(store, Purpose.NOTIFICATION)[-1].conversation is not None


def test_where_much_is_left_to_tell_the_agents_are_told_one_after_the_other(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction that told all of it would let nothing else be written meanwhile."""
    monkeypatch.setattr(digests, "_MOST", 1)
    context = make_context(tmp_path, limits={"notifications_per_agent": 1})
    make_round(store, context, NOW)
    for nth, to in enumerate(3 * [f"contact@{DOMAIN}"] + 3 * [f"dossier+123@{DOMAIN}"]):
        come(store, context, nth, f"u{nth}@x.example", NOW, to)
    gathered = []
    for _ in range(3):
        make_round(store, context, NOW + 10 * MINUTE)
        gathered.append([m.draft.to for m in planned(store, Purpose.NOTIFICATION) if m.conversation is None])
    one, two, *_ = gathered[-1]
    assert (gathered[:2], one != two) == ([[one], [one, two]], True)


def test_what_is_filed_a_little_after_its_round_is_told_with_the_next(store: Store, tmp_path: Path) -> None:
    """In a flood filing takes its time: its clock was read before the round, and it is written after."""
    context = make_context(tmp_path, limits={"notifications_per_agent": 1})
    make_round(store, context, NOW)
    come(store, context, 1, "u1@x.example", NOW)
    come(store, context, 2, "u2@x.example", NOW + SECOND)
    make_round(store, context, NOW + 10 * MINUTE)
    come(store, context, 3, "u3@x.example", NOW + 10 * MINUTE - 2 * SECOND)
    make_round(store, context, NOW + 10 * MINUTE + SECOND)
    assert [mail.conversation is None for mail in planned(store, Purpose.NOTIFICATION)] == [False, True, True]


def test_one_agents_flood_is_not_anothers(store: Store, tmp_path: Path) -> None:
    context = make_context(tmp_path, limits={"notifications_per_agent": 2})
    for nth in range(4):
        come(store, context, nth, f"u{nth}@x.example", NOW)
    come(store, context, 5, "ulysse@usager.example.net", NOW, f"dossier+123@{DOMAIN}")
    assert [mail.draft.to for mail in planned(store, Purpose.NOTIFICATION)] == [MANON, MANON, INES]


def test_counts_that_nothing_is_reckoned_from_any_more_are_dropped(store: Store, tmp_path: Path) -> None:
    """With the hourly round, and with no other result for what is usual."""
    context = make_context(tmp_path)
    acknowledged(store, context, *(NOW - n * 12 * HOUR for n in range(40)))
    before = store.read_now(lambda connection: volume.usual(connection, NOW))
    hours = select(func.count()).select_from(tables.acknowledged)
    assert store.read_now(lambda connection: connection.scalar(hours)) == 40
    sent = Settled(Fact(1, Occasion.ATTEMPT, Attempt(DeliveryState.SENT, "250 ok", "mx")), NOW)
    store.write_now(lambda tx: (sending.settle(tx, [sent], NOW), rounds.make(tx, context, NOW)))
    assert store.read_now(lambda connection: connection.scalar(hours)) == 17, "those of eight days"
    assert store.read_now(lambda connection: volume.usual(connection, NOW)) == before
