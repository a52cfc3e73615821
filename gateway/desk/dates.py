"""A date as an agent writes it after `@attente` or `@pending`, in French or English. Pure: now is an argument.

The whole text must be understood, else it's no date: a conversation must not sleep until a day that was guessed.
Figures are read day first, as French administrations write, ISO 8601 excepted.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.mail.language import plain

_MOST_TEXT = 100  # characters
_MORNING = time(8)
_YEARS_WITHOUT_29_FEBRUARY = 8  # at most, as around 2100


def _numbered(first: int, *rows: str) -> dict[str, int]:
    return {word: number for number, row in enumerate(rows, first) for word in row.split()}


def _any(words: dict[str, int]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_MONTHS = _numbered(
    1,
    *(
        "janvier january janv jan",
        "fevrier february fevr fev feb",
        "mars march mar",
        "avril april avr apr",
        "mai may",
    ),
    *("juin june jun", "juillet july juil jul", "aout august aug", "septembre september sept sep"),
    *("octobre october oct", "novembre november nov", "decembre december dec"),
)
_WEEKDAYS = _numbered(
    0,
    *("lundi monday lun mon", "mardi tuesday mar tues tue", "mercredi wednesday mer wed"),
    *("jeudi thursday jeu thurs thur thu", "vendredi friday ven fri", "samedi saturday sam sat"),
    "dimanche sunday dim sun",
)
_COUNTS = _numbered(
    1,
    *("un une a an one", "deux two", "trois three", "quatre four", "cinq five", "six", "sept seven", "huit eight"),
    *("neuf nine", "dix ten"),
) | {"quinze": 15}
_HALVES = _numbered(0, "am", "pm")
_PARTS = _numbered(8, "matin morning") | _numbered(12, "midi noon") | _numbered(14, "apres-midi afternoon")
_PARTS |= {"apres midi": 14} | _numbered(18, "soir evening")

_BETWEEN_DAY_AND_TIME = re.compile(r"(?<=[0-9])t(?=[0-9])")  # ISO 8601
_UNTIL = re.compile(r"(?:jusqu(?:e|'| ) ?(?:a )?|until |till |d'ici )")
_ARTICLE = re.compile(r"(?:le|la|au|on the|on|the) ")
_CLOCK = re.compile(
    r"[ ,]+(?:a |at |@ ?|vers )?(?:"
    r"(?P<hour>[0-9]{1,2}) ?(?:[h:] ?(?P<minute>[0-9]{2})|h(?:eures?)?)"
    rf"|(?P<twelve>[0-9]{{1,2}})(?:[:.](?P<past>[0-9]{{2}}))? ?(?P<half>{_any(_HALVES)})"
    rf"|(?P<part>{_any(_PARTS)})"
    r")$"
)
_ISO = re.compile(r"(?P<year>[0-9]{4})([-/.])(?P<month>[0-9]{1,2})\2(?P<day>[0-9]{1,2})")
_FIGURES = re.compile(r"(?P<day>[0-9]{1,2})([/.])(?P<month>[0-9]{1,2})(?:\2(?P<year>[0-9]{4}|[0-9]{2}))?")
_DASHES = re.compile(r"(?P<day>[0-9]{1,2})-(?P<month>[0-9]{1,2})-(?P<year>[0-9]{4}|[0-9]{2})")
_ORDINAL = r"(?P<day>[0-9]{1,2}) ?(?:er|st|nd|rd|th)?"
_YEAR = r"(?:,? (?P<year>[0-9]{4}))?"
_DAY_MONTH = re.compile(rf"{_ORDINAL}(?: of)? (?P<month>{_any(_MONTHS)})\.?{_YEAR}")
_MONTH_DAY = re.compile(rf"(?P<month>{_any(_MONTHS)})\.? (?:the )?{_ORDINAL}{_YEAR}")
_OF_THE_MONTH = re.compile(rf"(?:le|au|the|on the) {_ORDINAL}|(?P<bare>[0-9]{{1,2}}) ?(?:er|st|nd|rd|th)")
_WEEKDAY = re.compile(rf"(?:ce |this |next )?(?P<name>{_any(_WEEKDAYS)})\.?(?: prochain| next|(?P<week> en huit))?")
_WEEKDAY_AND = re.compile(rf"(?P<name>{_any(_WEEKDAYS)})\.?,? (?:le |the )?(?P<rest>(?:[0-9]|{_any(_MONTHS)}).*)")
_COUNT = rf"(?:dans |in |for |pendant )?(?P<count>[0-9]{{1,4}}|(?:{_any(_COUNTS)})(?= ))"
_HOURS = re.compile(rf"{_COUNT} ?(?:heures?|hours?)|(?:dans|in) (?P<short>[0-9]{{1,4}}) ?h")
_LATER = re.compile(
    rf"{_COUNT} ?(?P<work>business |working )?"
    r"(?:(?P<days>jours?|j|days?|d)|(?P<weeks>semaines?|sem|weeks?|w)|(?P<months>mois|months?)|(?P<years>ans?|years?))"
    r"(?P<open> ouvr(?:es?|ables?))?"
)
_NAMED: dict[str, Callable[[date], date]] = {
    **dict.fromkeys(("aujourd'hui", "today"), lambda today: today),
    **dict.fromkeys(("demain", "tomorrow"), lambda today: today + timedelta(days=1)),
    **dict.fromkeys(("apres-demain", "apres demain", "day after tomorrow"), lambda today: today + timedelta(days=2)),
    **dict.fromkeys(("semaine prochaine", "next week"), lambda today: today + timedelta(days=7 - today.weekday())),
    **dict.fromkeys(("mois prochain", "next month"), lambda today: _months_later(today, 1).replace(day=1)),
    **dict.fromkeys(
        ("fin du mois", "fin de mois", "end of the month", "end of month"),
        lambda today: today.replace(day=monthrange(today.year, today.month)[1]),
    ),
}


def moment(text: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The moment that a text names, in UTC; None where it isn't understood. `now` is aware.

    Without a time of day it's 8:00 of the zone. Day and month alone, or a day of the week: the next such day. A past
    date is returned as it is.
    """
    if len(text) > _MOST_TEXT:
        return None
    words = " ".join(plain(text).replace("/", " / ").split()).replace(" / ", "/").strip(" .!,;:()")
    until = _UNTIL.match(words)
    words = _BETWEEN_DAY_AND_TIME.sub(" ", words[until.end() :] if until else words)
    try:
        hours = _HOURS.fullmatch(words)
        if hours:
            return now.astimezone(UTC) + timedelta(hours=_count(hours["count"] or hours["short"]))
        clock = _CLOCK.search(words)
        day = _day(words[: clock.start()] if clock else words, now.astimezone(zone).date())
        if day is None:
            return None
        return datetime.combine(day, _time(clock) if clock else _MORNING, zone).astimezone(UTC)
    except (OverflowError, ValueError):  # there is no such day, or time of day
        return None


def _time(clock: re.Match[str]) -> time:
    if clock["part"]:
        return time(_PARTS[clock["part"]])
    if clock["hour"]:
        return time(int(clock["hour"]), int(clock["minute"] or 0))
    if not 1 <= int(clock["twelve"]) <= 12:
        raise ValueError
    return time(int(clock["twelve"]) % 12 + 12 * _HALVES[clock["half"]], int(clock["past"] or 0))


def _day(words: str, today: date) -> date | None:
    article = _ARTICLE.match(words)
    bare = words[article.end() :] if article else words
    dated = _dated(bare, today)  # first: « mar 1 » is March
    both = None if dated else _WEEKDAY_AND.fullmatch(bare)
    if both:
        # A day of the week that isn't the date's: one of the two is an error, and nobody knows which.
        found = _dated(both["rest"], today) or _of_the_month(f"le {both['rest']}", today)
        return found if found and found.weekday() == _WEEKDAYS[both["name"]] else None
    return dated or _of_the_month(words, today) or _from(bare, today)


def _dated(words: str, today: date) -> date | None:
    """A day and its month, with or without the year."""
    for form in (_ISO, _FIGURES, _DASHES, _DAY_MONTH, _MONTH_DAY):
        found = form.fullmatch(words)
        if found:
            day, month = int(found["day"]), _MONTHS.get(found["month"]) or int(found["month"])
            if found["year"]:
                return date(int(found["year"]) + (2000 if len(found["year"]) == 2 else 0), month, day)
            return _next(today, ((today.year + years, month, day) for years in range(_YEARS_WITHOUT_29_FEBRUARY + 1)))
    return None


def _of_the_month(words: str, today: date) -> date | None:
    """« le 15 », "the 15th"."""
    found = _OF_THE_MONTH.fullmatch(words)
    if found is None:
        return None
    day = int(found["day"] or found["bare"])
    months = (today.year * 12 + today.month - 1 + later for later in range(3))
    return _next(today, ((month // 12, month % 12 + 1, day) for month in months))


def _next(today: date, days: Iterable[tuple[int, int, int]]) -> date | None:
    """The first of the days that there is, today or later."""
    for year, month, day in days:
        if 1 <= day <= monthrange(year, month)[1] and date(year, month, day) >= today:
            return date(year, month, day)
    return None


def _from(words: str, today: date) -> date | None:
    """A day that is told by its distance from today."""
    if words in _NAMED:
        return _NAMED[words](today)
    weekday = _WEEKDAY.fullmatch(words)
    if weekday:
        ahead = (_WEEKDAYS[weekday["name"]] - today.weekday() - 1) % 7 + 1
        return today + timedelta(days=ahead + (7 if weekday["week"] else 0))
    later = _LATER.fullmatch(words)
    if later is None:
        return None
    count, open_days = _count(later["count"]), later["work"] or later["open"]
    if open_days:
        # Working days run from Monday to Friday; « jours ouvrables » are all but Sundays.
        return _open_days_later(today, count, 6 if "ouvrable" in open_days else 5) if later["days"] else None
    if later["days"] or later["weeks"]:
        return today + timedelta(days=count * (1 if later["days"] else 7))
    return _months_later(today, count * (1 if later["months"] else 12))


def _count(word: str) -> int:
    return _COUNTS.get(word) or int(word)


def _open_days_later(day: date, count: int, week: int) -> date:
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < week
    return day


def _months_later(day: date, count: int) -> date:
    """The same day of another month, or its last where it's shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
