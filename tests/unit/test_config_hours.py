"""Opening hours: how people write them, and what is counted by them on the days when the clock is changed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.hours import ALWAYS, Hours, after, opens, parse, waited, words

PARIS = ZoneInfo("Europe/Paris")
NBSP = "\u00a0"
OFFICE = ((9 * 60, 12 * 60), (14 * 60, 17 * 60))
WEEK = Hours((OFFICE,) * 5 + (OFFICE[:1], ()))
USUAL = "lun-ven 09:00-12:00 14:00-17:00; sam 09:00-12:00"


def on(day: int, hour: int = 0, minute: int = 0, month: int = 11, fold: int = 0) -> datetime:
    """A local time of 2026; the 23rd of November is a Monday."""
    return datetime(2026, month, day, hour, minute, fold=fold, tzinfo=PARIS)


# --- reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        USUAL,
        "mon-fri 09:00-12:00 14:00-17:00; sat 09:00-12:00",
        "Monday to Friday from 9:00 to 12:00 and 14:00 to 17:00, Saturday 9:00-12:00",
        "lundi-vendredi 9h-12h 14h-17h ; samedi 9h-12h",
        "du lundi au vendredi de 9 h à 12 h et de 14 h à 17 h, le samedi de 9 h à 12 h",
        f"Du LUNDI au VENDREDI{NBSP}: de 9{NBSP}h{NBSP}00 à 12{NBSP}h et de 14h à 17h00; sam. 9h–12h",
        "lun, mar, mer, jeu et ven: 9-12, 14-17\nsam: 9-12",
        "lundis-vendredis 9h-12h, 14h-17h, saturdays 9h-12h",
        "sam 9-12 lun-ven 14-17 lun-ven 9-12",
        "lun-sam 9h-12h; lun-ven 14h-15h 15h-17h",
    ],
)
def test_as_people_write_them(text: str) -> None:
    assert parse(text) == WEEK


def test_nothing_is_always_open_and_hours_pass() -> None:
    assert parse("") == parse("  ") == parse("lun-dim 0h-24h") == ALWAYS
    assert parse(WEEK) is WEEK


def test_minutes_and_ranges_over_the_end_of_the_week() -> None:
    found = parse("ven-lun 8h30-17 h 45")
    span = (8 * 60 + 30, 17 * 60 + 45)
    assert found.days == ((span,), (), (), (), (span,), (span,), (span,))
    assert parse("thurs 9-10").days[3] == parse("jeudi 9-10").days[3] == ((540, 600),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lun", '^"lun" must name days, and after them the times from and to; write hours like "lun-ven'),
        ("9-12", "must name days"),
        ("lun-ven 9", "must name days"),
        ("lun-mar-mer 9-12", "must name days"),
        ("; ,", "must name days"),
        ("lun 9h-12h 14-17h", "must name days"),  # « 12h 14 » might be 12:14
        ("lunid 9-12", '^"lunid" is not a day of the week'),
        ("lu 9-12", '^"lu" is not a day of the week'),
        ("lun-ven 9am-5pm", '^"am" is not a day of the week'),
        ("lun 9:75-10", '^"9:75" is not a time of day'),
        ("lun 9-24:01", '^"24:01" is not a time of day'),
        ("lun 25h-26h", '^"25h" is not a time of day'),
        ("lun 0900-1200", '^"0900" is not a time of day'),
        ("lun 17-9", '^"17-9" must end after it begins; .*"ven 22:00-24:00; sam 00:00-06:00"'),
        ("lun 9:00-9:00", "must end after"),
        ("lun 9-12 11-13", r"^lundi \(monday\) has hours that overlap: 09:00-12:00 and 11:00-13:00$"),
        ("lun-ven 9-12; mer 9-12", r"^mercredi \(wednesday\) has hours that overlap"),
        ("lun 9-12/14-17", '^"/" has no meaning here'),
        (["lun"], "is not text"),
        (9, "^9 is not text"),
    ],
)
def test_what_is_wrong_is_told(text: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse(text)


@given(st.text(alphabet="lunmardveithos0123456789-–:;, hàé.²٣\u00a0\n") | st.text())
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        found = parse(text)
    except ValueError as problem:
        told = str(problem)
    else:
        told = "overlap" if len(found.days) == 7 and any(found.days) else ""
    assert re.search("write hours like|must end after|overlap", told)


@st.composite
def some_hours(draw: st.DrawFn, step: int = 5, edges: tuple[int, int] = (0, 1440)) -> Hours:
    """Random hours; the spans begin and end outside the night hours that the clock skips or shows twice."""
    minutes = st.integers(edges[0] // step, edges[1] // step).map(lambda n: n * step)

    def day(points: list[int]) -> tuple[tuple[int, int], ...]:
        ordered = sorted(points)
        return tuple(zip(ordered[::2], ordered[1::2], strict=False))

    days = draw(st.lists(st.lists(minutes, unique=True, max_size=6).map(day), min_size=7, max_size=7).filter(any))
    return Hours(tuple(days))


def digits(hours: Hours) -> str:
    def clock(minutes: int) -> str:
        return f"{minutes // 60:02}:{minutes % 60:02}"

    names = ("lun", "mar", "mer", "jeu", "ven", "sam", "dim")
    spans = [" ".join(f"{clock(a)}-{clock(b)}" for a, b in day) for day in hours.days]
    return "; ".join(f"{name} {day}" for name, day in zip(names, spans, strict=True) if day)


@given(some_hours())
def test_what_is_written_is_read(hours: Hours) -> None:
    assert parse(digits(hours)) == hours


# --- arithmetic ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "now", "minutes"),
    [
        (on(23, 10), on(23, 11, 30), 90),
        (on(23, 11), on(23, 15), 120),  # over noon
        (on(23, 12, 30), on(23, 13), 0),
        (on(23, 16), on(24, 10), 120),  # over night
        (on(28, 11), on(30, 10), 120),  # over Sunday
        (on(23, 9), on(30, 9), 33 * 60),  # a week
        (on(24, 10), on(23, 10), 0),  # now comes first
        (on(23, 10).astimezone(UTC), on(23, 11), 60),
    ],
)
def test_waiting_is_counted_while_open(start: datetime, now: datetime, minutes: int) -> None:
    assert waited(WEEK, start, now, PARIS) == timedelta(minutes=minutes)


def test_closed_days_count_nothing() -> None:
    closed = frozenset({date(2026, 11, 24)})
    assert waited(WEEK, on(23, 16), on(25, 10), PARIS, closed) == timedelta(hours=2)
    assert opens(WEEK, on(24, 10), PARIS, closed) == on(25, 9)
    assert waited(ALWAYS, on(23), on(26), PARIS, closed) == timedelta(days=2)


@pytest.mark.parametrize(
    ("at", "first"),
    [
        (on(23, 10), on(23, 10)),
        (on(23, 9), on(23, 9)),
        (on(23, 12), on(23, 14)),  # the minute that closes is closed
        (on(23, 3), on(23, 9)),
        (on(28, 13), on(30, 9)),
    ],
)
def test_the_first_open_moment(at: datetime, first: datetime) -> None:
    found = opens(WEEK, at, PARIS)
    assert found == first
    assert found.tzinfo is UTC


def test_so_much_open_time_later() -> None:
    assert after(WEEK, on(23, 10), timedelta(hours=1), PARIS) == on(23, 11)
    assert after(WEEK, on(23, 10), timedelta(hours=2), PARIS) == on(23, 12)  # it ends as they close
    assert after(WEEK, on(23, 10), timedelta(hours=3), PARIS) == on(23, 15)
    assert after(WEEK, on(28, 20), timedelta(hours=1), PARIS) == on(30, 10)
    assert after(WEEK, on(28, 20), timedelta(), PARIS) == on(28, 20)
    assert after(WEEK, on(23, 10), timedelta(hours=33), PARIS).tzinfo is UTC


def test_where_nothing_opens_it_is_as_if_always_open() -> None:
    closed = frozenset(date(2026, 11, 1) + timedelta(days=n) for n in range(430))
    assert opens(WEEK, on(23, 20), PARIS, closed) == on(23, 20)
    assert after(WEEK, on(23, 20), timedelta(hours=5), PARIS, closed) == on(24, 1)
    assert waited(WEEK, on(23, 20), on(30), PARIS, closed) == timedelta()


def test_a_year_of_closed_days_is_looked_past() -> None:
    closed = frozenset(date(2026, 11, 23) + timedelta(days=n) for n in range(365))
    assert opens(WEEK, on(23, 10), PARIS, closed) == datetime(2027, 11, 23, 9, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("text", "month", "day", "minutes"),
    [
        ("dim 1-5", 3, 29, 180),  # the clock skips 2:00 to 3:00
        ("dim 1-5", 10, 25, 300),  # it shows them twice
        ("dim 0-24", 3, 29, 23 * 60),
        ("dim 0-24", 10, 25, 25 * 60),
        ("dim 2-3", 3, 29, 0),
        ("dim 2:30-3", 3, 29, 0),
        ("dim 1-2:30 3-4", 3, 29, 120),  # 2:30 is read as 3:30; nothing counts twice
        ("dim 3-5", 10, 25, 120),
    ],
)
def test_days_of_another_length(text: str, month: int, day: int, minutes: int) -> None:
    found = waited(parse(text), on(day - 1, month=month), on(day + 1, month=month), PARIS)
    assert found == timedelta(minutes=minutes)


def test_an_evening_overseas_that_is_tomorrow_in_utc() -> None:
    start = datetime(2026, 11, 24, 1, tzinfo=UTC)  # Monday, 21:00
    assert waited(parse("lun 20-22"), start, start + timedelta(days=1), ZoneInfo("America/Martinique")) == timedelta(
        hours=1
    )


def test_a_day_that_never_was() -> None:
    """Samoa skipped the 30th of December 2011, a Friday."""
    apia = ZoneInfo("Pacific/Apia")
    start, end = datetime(2011, 12, 29, tzinfo=apia), datetime(2012, 1, 1, tzinfo=apia)
    assert waited(parse("lun-dim 9-12"), start, end, apia) == timedelta(hours=6)
    assert waited(ALWAYS, start, end, apia) == timedelta(days=2)


# Around both changes of the clock, and across years.
MOMENTS = st.one_of(
    st.integers(0, 6 * 1440).map(lambda n: datetime(2026, 3, 27, tzinfo=UTC) + timedelta(minutes=n)),
    st.integers(0, 6 * 1440).map(lambda n: datetime(2026, 10, 23, tzinfo=UTC) + timedelta(minutes=n)),
    st.datetimes(datetime(2020, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
LENGTHS = st.timedeltas(timedelta(), timedelta(days=10))
CLOSED = st.frozensets(
    st.dates(date(2026, 3, 26), date(2026, 4, 3)) | st.dates(date(2026, 10, 22), date(2026, 10, 30))
)
ZONES = st.sampled_from(
    ["Europe/Paris", "America/Martinique", "Pacific/Noumea", "Australia/Lord_Howe", "Africa/Cairo"]
)


@given(some_hours(), MOMENTS, LENGTHS, ZONES, CLOSED)
def test_so_much_open_time_later_that_much_was_waited(
    hours: Hours, start: datetime, length: timedelta, name: str, closed: frozenset[date]
) -> None:
    zone = ZoneInfo(name)
    end = after(hours, start, length, zone, closed)
    assert waited(hours, start, end, zone, closed) == length
    assert end >= start + length
    if length:
        # The first such moment: just before, less was waited.
        moment = timedelta(microseconds=1)
        assert waited(hours, start, end - moment, zone, closed) == length - moment


@given(some_hours(), MOMENTS, LENGTHS, LENGTHS, ZONES, CLOSED)
def test_waiting_adds_up(
    hours: Hours, start: datetime, one: timedelta, two: timedelta, name: str, closed: frozenset[date]
) -> None:
    zone = ZoneInfo(name)
    parts = waited(hours, start, start + one, zone, closed) + waited(
        hours, start + one, start + one + two, zone, closed
    )
    assert parts == waited(hours, start, start + one + two, zone, closed) <= one + two


@given(some_hours(), MOMENTS, ZONES, CLOSED)
def test_opening_is_open_and_nothing_was_open_before(
    hours: Hours, at: datetime, name: str, closed: frozenset[date]
) -> None:
    zone = ZoneInfo(name)
    first = opens(hours, at, zone, closed)
    moment = timedelta(microseconds=1)
    assert opens(hours, first, zone, closed) == first >= at
    assert waited(hours, at, first, zone, closed) == timedelta()
    assert waited(hours, first, first + moment, zone, closed) == moment


@given(some_hours(step=60, edges=(3 * 60, 1440)), MOMENTS, st.integers(0, 48), CLOSED)
def test_as_a_clock_on_the_wall_counts_it(
    hours: Hours, start: datetime, quarters: int, closed: frozenset[date]
) -> None:
    """Every quarter of an hour whose local time lies within the spans counts, and no other."""
    quarter = timedelta(minutes=15)
    start = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0)
    locals_ = [(start + quarter * n).astimezone(PARIS) for n in range(quarters)]
    open_ = sum(
        any(a <= t.hour * 60 + t.minute < b for a, b in hours.days[t.weekday()]) and t.date() not in closed
        for t in locals_
    )
    assert waited(hours, start, start + quarter * quarters, PARIS, closed) == quarter * open_


# --- in words -----------------------------------------------------------------------------------------


def test_in_words() -> None:
    assert words(WEEK, "fr").replace(NBSP, "_") == (
        "du lundi au vendredi de 9_h à 12_h et de 14_h à 17_h_; le samedi de 9_h à 12_h"
    )
    assert words(WEEK, "en") == "Monday to Friday 9:00 to 12:00 and 14:00 to 17:00; Saturday 9:00 to 12:00"
    assert words(ALWAYS, "fr") == "tous les jours, à toute heure"
    assert words(ALWAYS, "en") == "every day, at any time"
    split = parse("lun mar jeu-sam 8h30-24h; dim 0-24")
    assert words(split, "fr").replace(NBSP, " ") == (
        "le lundi, le mardi et du jeudi au samedi de 8 h 30 à minuit ; le dimanche toute la journée"
    )
    assert words(split, "en") == "Monday, Tuesday and Thursday to Saturday 8:30 to midnight; Sunday all day"
    assert words(parse("lun-dim 0:00-9:05"), "fr").replace(NBSP, " ") == "tous les jours de 0 h à 9 h 05"
    assert words(parse("lun-dim 0:00-9:05"), "en") == "every day midnight to 9:05"


@given(some_hours(edges=(5, 1435)))
def test_what_is_said_can_be_written(hours: Hours) -> None:
    if len(set(hours.days)) > 1:  # « tous les jours » is said, not read
        assert parse(words(hours, "fr")) == parse(words(hours, "en")) == hours
