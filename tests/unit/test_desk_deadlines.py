"""What falls due with time: digests at their hours, reminders by opening hours, closing."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.hours import ALWAYS, parse
from gateway.desk.deadlines import (
    MOST_REMINDERS,
    Patience,
    closes_at,
    last_digest,
    next_digest,
    open_day,
    reminder_due,
)
from gateway.model import Conversation, Status
from tests.builders import NOW, conversation

PARIS = ZoneInfo("Europe/Paris")
TWICE = (time(8, 30), time(17))
OFFICE = parse("lun-ven 09:00-12:00 14:00-17:00")


def paris(*when: int) -> datetime:
    return datetime(*when, tzinfo=PARIS).astimezone(UTC)  # type: ignore[arg-type, misc]


# --- digests ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "last", "following"),
    [
        (paris(2025, 3, 4, 8, 29), paris(2025, 3, 3, 17), paris(2025, 3, 4, 8, 30)),
        (paris(2025, 3, 4, 8, 30), paris(2025, 3, 4, 8, 30), paris(2025, 3, 4, 17)),
        (paris(2025, 3, 4, 12), paris(2025, 3, 4, 8, 30), paris(2025, 3, 4, 17)),
        (paris(2025, 3, 4, 23, 59), paris(2025, 3, 4, 17), paris(2025, 3, 5, 8, 30)),
        (paris(2025, 3, 5, 0, 30), paris(2025, 3, 4, 17), paris(2025, 3, 5, 8, 30)),  # still the day before in UTC
    ],
)
def test_digests_leave_at_their_hours(now: datetime, last: datetime, following: datetime) -> None:
    assert last_digest(now, TWICE, PARIS) == last
    assert next_digest(now, TWICE, PARIS) == following


def test_half_past_eight_is_half_past_eight_in_summer_too() -> None:
    """The clock goes forward on 30 March 2025, back on 26 October."""
    once = (time(8, 30),)
    assert next_digest(paris(2025, 3, 29, 12), once, PARIS) == datetime(2025, 3, 30, 6, 30, tzinfo=UTC)
    assert last_digest(paris(2025, 3, 30, 8), once, PARIS) == datetime(2025, 3, 29, 7, 30, tzinfo=UTC)
    assert next_digest(paris(2025, 10, 25, 12), once, PARIS) == datetime(2025, 10, 26, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize("day", [(2025, 3, 30), (2025, 10, 26)])
@pytest.mark.parametrize("at", [time(2, 30), time(1, 59), time(3)])
def test_an_hour_that_is_skipped_or_comes_twice_has_one_digest(day: tuple[int, int, int], at: time) -> None:
    moment, seen = datetime(*day, tzinfo=UTC) - timedelta(hours=12), set()
    for _ in range(36 * 12):
        moment += timedelta(minutes=5)
        seen.add(last_digest(moment, (at,), PARIS))
        assert last_digest(moment, (at,), PARIS) <= moment < next_digest(moment, (at,), PARIS)
    assert sum(digest.astimezone(PARIS).date() == date(*day) for digest in seen) == 1


ZONES = st.sampled_from(
    ["Europe/Paris", "Indian/Reunion", "America/Cayenne", "Pacific/Noumea", "Australia/Lord_Howe"]
)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
TIMES = st.lists(st.times().map(lambda t: t.replace(second=0, microsecond=0)), min_size=1, max_size=4).map(tuple)


@given(MOMENTS, TIMES, ZONES)
def test_the_last_and_the_next_stand_around_now(now: datetime, times: tuple[time, ...], zone: str) -> None:
    place = ZoneInfo(zone)
    last, following = last_digest(now, times, place), next_digest(now, times, place)
    assert last <= now < following
    assert following - last <= timedelta(hours=25)
    assert last.tzinfo is following.tzinfo is UTC
    assert last_digest(following, times, place) == following


# --- reminders -------------------------------------------------------------------------------------------


def patience(**values: Any) -> Patience:
    usual: dict[str, Any] = {"after": timedelta(hours=6), "hours": OFFICE, "zone": PARIS, "closed_days": frozenset()}
    return Patience(**usual | values)


def waits(since: datetime, **values: Any) -> Conversation:
    usual: dict[str, Any] = {"status": Status.ACTIVE, "waiting_since": since}
    return conversation(1, **usual | values)


def test_waiting_is_counted_within_the_opening_hours() -> None:
    friday = waits(paris(2025, 2, 28, 16))  # an hour is left
    assert not reminder_due(friday, patience(), paris(2025, 3, 3, 15, 59))
    assert reminder_due(friday, patience(), paris(2025, 3, 3, 16))
    assert reminder_due(friday, patience(hours=ALWAYS), paris(2025, 2, 28, 22))


def test_on_a_closed_day_nobody_lets_anybody_wait() -> None:
    closed = patience(closed_days=frozenset({date(2025, 3, 3)}))
    assert not reminder_due(waits(paris(2025, 2, 28, 16)), closed, paris(2025, 3, 4, 15, 59))
    assert reminder_due(waits(paris(2025, 2, 28, 16)), closed, paris(2025, 3, 4, 16))


def test_each_reminder_waits_for_another_whole_span() -> None:
    since = paris(2025, 3, 3, 9)
    for count in range(MOST_REMINDERS):
        due = since + timedelta(days=count, hours=8)  # six open hours a day
        told = waits(since, reminded=count)
        assert not reminder_due(told, patience(), due - timedelta(minutes=1)), count
        assert reminder_due(told, patience(), due), count
    assert not reminder_due(waits(since, reminded=MOST_REMINDERS), patience(), since + timedelta(days=99))


@pytest.mark.parametrize("status", [Status.PENDING, Status.CLOSED, Status.SPAM])
def test_only_what_waits_for_an_agent(status: Status) -> None:
    assert not reminder_due(waits(NOW, status=status), patience(), NOW + timedelta(days=99))


def test_never_is_never() -> None:
    assert not reminder_due(waits(NOW), patience(after=None), NOW + timedelta(days=999))
    assert not reminder_due(conversation(1, waiting_since=None), patience(), NOW)


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        (paris(2025, 3, 3, 8, 30), True),
        (paris(2025, 3, 3, 16, 59), True),
        (paris(2025, 3, 3, 17), False),
        (paris(2025, 3, 1, 8, 30), False),  # a Saturday
        (paris(2025, 3, 4, 0, 15), True),
    ],
)
def test_an_open_day(now: datetime, is_open: bool) -> None:
    assert open_day(patience(), now) is is_open
    assert open_day(patience(hours=ALWAYS), now)
    assert not open_day(patience(closed_days=frozenset({now.astimezone(PARIS).date()})), now)


# --- closing ---------------------------------------------------------------------------------------------


def test_what_its_usager_does_not_answer_is_closed() -> None:
    after = timedelta(days=30)
    pending = conversation(1, status=Status.PENDING, waiting_since=NOW)
    assert closes_at(pending, after) == NOW + after
    assert closes_at(pending, None) is None
    for other in (
        waits(NOW),
        conversation(1, status=Status.PENDING),
        conversation(1, status=Status.PENDING, waiting_since=NOW, snoozed_until=NOW),
        conversation(1, status=Status.CLOSED),
    ):
        assert closes_at(other, after) is None
