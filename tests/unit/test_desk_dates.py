"""Dates as agents write them after `@attente` and `@pending`, and what is none."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.desk.dates import moment

PARIS = ZoneInfo("Europe/Paris")
NBSP, NARROW = "\u00a0", "\u202f"
NOW = datetime(2026, 11, 23, 10, 30, tzinfo=PARIS)  # a Monday


def at(day: int, month: int = 12, year: int = 2026, hour: int = 8, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=PARIS)


@pytest.mark.parametrize(
    "text",
    [
        "15/12/2026",
        "15/12",
        "15/12/26",
        "15 / 12 / 2026",
        "15.12.2026",
        "15-12-2026",
        "2026-12-15",
        "2026/12/15",
        "15 décembre",
        "15 Décembre 2026",
        "15 DECEMBRE",
        "15 de\u0301cembre",
        f"15{NBSP}décembre{NARROW}2026",
        "15 déc.",
        "15 December 2026",
        "15th of December, 2026",
        "December 15, 2026",
        "Dec. 15th",
        "le 15/12",
        "le 15 décembre.",
        "jusqu'au 15 décembre",
        "jusqu’au 15/12/2026",
        "Jusqu'à mardi 15 décembre",
        "until Dec 15",
        "until the 15th of December",
        "mardi 15/12",
        "Tuesday, December 15",
        "Tue 15 Dec 2026",
        "le mardi 15",
        "Tuesday the 15th",
        "le 15",
        "jusqu'au 15",
        "the 15th",
        "15th",
        "１５/１２/２０２６",
        "dans 22 jours",
        "16 jours ouvrés",
        "19 jours ouvrables",
        "16 business days",
        "in 16 working days",
        "15/12/2026 à 8h",
        "2026-12-15T08:00",
        "(15/12)",
    ],
)
def test_the_fifteenth_of_december(text: str) -> None:
    assert moment(text, NOW, PARIS) == at(15)


@pytest.mark.parametrize(
    ("text", "hour", "minute"),
    [
        ("le 15/12 à 14h30", 14, 30),
        ("15/12/2026 14:30", 14, 30),
        ("2026-12-15T14:30", 14, 30),
        ("15 décembre 2026 à 14 h 30", 14, 30),
        ("15 décembre, 14h", 14, 0),
        ("15 décembre vers 14 heures", 14, 0),
        ("15 December at 2pm", 14, 0),
        ("Dec 15 at 2:30 pm", 14, 30),
        ("Dec 15 @ 12 am", 0, 0),
        ("15/12 12pm", 12, 0),
        ("15 décembre midi", 12, 0),
        ("15/12 après-midi", 14, 0),
        ("15/12 matin", 8, 0),
        ("15 December evening", 18, 0),
        ("le 15 à 9h05", 9, 5),
    ],
)
def test_a_time_of_day(text: str, hour: int, minute: int) -> None:
    assert moment(text, NOW, PARIS) == at(15, hour=hour, minute=minute)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("aujourd'hui", date(2026, 11, 23)),
        ("today", date(2026, 11, 23)),
        ("demain", date(2026, 11, 24)),
        ("Tomorrow", date(2026, 11, 24)),
        ("après-demain", date(2026, 11, 25)),
        ("the day after tomorrow", date(2026, 11, 25)),
        ("lundi", date(2026, 11, 30)),  # today is Monday
        ("lundi prochain", date(2026, 11, 30)),
        ("next monday", date(2026, 11, 30)),
        ("jusqu'à lundi", date(2026, 11, 30)),
        ("lundi en huit", date(2026, 12, 7)),
        ("mardi", date(2026, 11, 24)),
        ("ce mardi", date(2026, 11, 24)),
        ("mar.", date(2026, 11, 24)),
        ("on Friday", date(2026, 11, 27)),
        ("dimanche", date(2026, 11, 29)),
        ("dans 3 jours", date(2026, 11, 26)),
        ("3 jours", date(2026, 11, 26)),
        ("3j", date(2026, 11, 26)),
        ("d'ici trois jours", date(2026, 11, 26)),
        ("for 3 days", date(2026, 11, 26)),
        ("quinze jours", date(2026, 12, 8)),
        ("in 2 weeks", date(2026, 12, 7)),
        ("2 semaines", date(2026, 12, 7)),
        ("in a week", date(2026, 11, 30)),
        ("une semaine", date(2026, 11, 30)),
        ("1 mois", date(2026, 12, 23)),
        ("dans deux mois", date(2027, 1, 23)),
        ("un an", date(2027, 11, 23)),
        ("10 jours ouvrés", date(2026, 12, 7)),
        ("5 jours ouvrés", date(2026, 11, 30)),
        ("4 jours ouvres", date(2026, 11, 27)),
        ("6 jours ouvrables", date(2026, 11, 30)),
        ("la semaine prochaine", date(2026, 11, 30)),
        ("next week", date(2026, 11, 30)),
        ("le mois prochain", date(2026, 12, 1)),
        ("next month", date(2026, 12, 1)),
        ("fin du mois", date(2026, 11, 30)),
        ("the end of the month", date(2026, 11, 30)),
    ],
)
def test_days_told_by_their_distance(text: str, day: date) -> None:
    assert moment(text, NOW, PARIS) == datetime.combine(day, time(8), PARIS)


def test_other_than_in_the_morning() -> None:
    assert moment("demain à 14h", NOW, PARIS) == at(24, 11, hour=14)
    assert moment("next monday at 9:15 am", NOW, PARIS) == at(30, 11, hour=9, minute=15)
    assert moment("lundi matin", NOW, PARIS) == at(30, 11)


def test_hours() -> None:
    for text in ("dans 2 heures", "in 2 hours", "2 heures", "dans 2 h", "in two hours"):
        assert moment(text, NOW, PARIS) == NOW + timedelta(hours=2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("23/11", at(23, 11)),  # today: past, the caller refuses
        ("22/11", at(22, 11, 2027)),
        ("1er janvier", at(1, 1, 2027)),
        ("Jan 1st", at(1, 1, 2027)),
        ("29 février", at(29, 2, 2028)),
        ("le 23", at(23, 11)),
        ("le 22", at(22, 12)),
        ("le 31", at(31, 12)),  # November has none
        ("29/02/2096", at(29, 2, 2096)),
    ],
)
def test_the_next_such_day(text: str, expected: datetime) -> None:
    assert moment(text, NOW, PARIS) == expected


def test_a_leap_day_eight_years_away() -> None:
    assert moment("29/02", at(1, 3, 2096), PARIS) == at(29, 2, 2104)


def test_next_week_begins_on_monday() -> None:
    assert moment("next week", at(25, 11), PARIS) == at(30, 11)


def test_a_past_date_is_returned() -> None:
    assert moment("15/12/2025", NOW, PARIS) == at(15, year=2025)
    assert moment("le 3 mars 1999 à 10h", NOW, PARIS) == at(3, 3, 1999, 10)


def test_months_of_another_length() -> None:
    assert moment("1 mois", at(31, 1, 2027), PARIS) == at(28, 2, 2027)
    assert moment("in 3 months", at(30, 11), PARIS) == at(28, 2, 2027)


def test_the_zones_day_counts_not_utcs() -> None:
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)  # Tuesday in Paris
    assert moment("demain", late, PARIS) == at(25, 11)
    assert moment("mardi", late, PARIS) == at(1, 12)


def test_the_answer_is_in_utc_on_both_sides_of_the_clocks_change() -> None:
    found = moment("15 juillet", NOW, PARIS)
    assert found == datetime(2027, 7, 15, 6, tzinfo=UTC)
    assert found.tzinfo is UTC
    assert moment("15 décembre", NOW, PARIS) == datetime(2026, 12, 15, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "bientôt",
        "le",
        "15",  # days, or the 15th?
        "3-4",
        "12/15/2026",  # day first
        "31/11",
        "30/02/2027",
        "29/02/2027",
        "00/12",
        "15/00",
        "0000-01-01",
        "2026-13-01",
        "15/12/202",
        "15/12-2026",
        "15/12/2026 à 25h",
        "15/12/2026 à 14h60",
        "Dec 15 at 13pm",
        "Dec 15 at 0 am",
        "lundi 15 décembre",  # it's a Tuesday
        "le lundi 15",
        "le 15 décembre ou le 16",
        "15/12/2026 si le dossier est complet",
        "réponse de l'usager",
        "après le 15/12",
        "14h30",
        "dans 99999 jours",
        "9999 ans",
        "9999 mois ouvrés",
        "3 semaines ouvrées",
        "mars",
        "2 working weeks",
        "and",
        "15/12" + "!" * 100,
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert moment(text, NOW, PARIS) is None


PIECES = """le the jusqu'au until dans in 3 15 9999 12 0 jours mois weeks ans lundi mar next prochain décembre Dec
15/12 2026 99/99 2026-02-29 9999-12-31 0001-01-01 à 14h30 24h 99:99 pm ouvrés matin demain fin du T - / ."""


@given(st.text() | st.lists(st.sampled_from(PIECES.split())).map(" ".join), st.datetimes(timezones=st.just(UTC)))
def test_any_text_is_a_moment_or_none(text: str, now: datetime) -> None:
    if datetime(1970, 1, 2, tzinfo=UTC) < now < datetime(9990, 1, 1, tzinfo=UTC):
        found = moment(text, now, PARIS)
        assert found is None or found.tzinfo is UTC


DAYS = st.dates(date(1970, 1, 2), date(2200, 1, 1))
FRENCH = ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre")
ENGLISH = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@given(DAYS, st.times().map(lambda t: t.replace(second=0, microsecond=0, fold=0)))
def test_every_day_in_every_form(day: date, clock: time) -> None:
    expected = datetime.combine(day, clock, PARIS)
    for written in (
        f"{day:%d/%m/%Y} à {clock:%H}h{clock:%M}",
        f"{day.day}.{day.month}.{day.year} {clock:%H:%M}",
        f"{day.isoformat()}T{clock:%H:%M}",
        f"jusqu'au {day.day} {(*FRENCH, 'décembre')[day.month - 1]} {day.year} à {clock.hour} h {clock:%M}",
        f"until {ENGLISH[day.month - 1]} {day.day}, {day.year} at {clock.hour % 12 or 12}:{clock:%M %p}",
    ):
        assert moment(written, NOW, PARIS) == expected.astimezone(UTC), written


@given(st.datetimes(datetime(1990, 1, 1), datetime(2150, 1, 1), timezones=st.just(UTC)), st.integers(1, 300))  # noqa: DTZ001
def test_working_days_are_never_at_the_weekend(now: datetime, count: int) -> None:
    found = moment(f"{count} jours ouvrés", now, PARIS)
    assert found is not None
    today, day = now.astimezone(PARIS).date(), found.astimezone(PARIS).date()
    assert day.weekday() < 5
    between = ((today + timedelta(days=n)).weekday() for n in range(1, (day - today).days + 1))
    assert sum(weekday < 5 for weekday in between) == count
