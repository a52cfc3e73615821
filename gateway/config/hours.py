"""Opening hours: « lun-ven 09:00-12:00 14:00-17:00; sam 09:00-12:00 » → `Hours`, and what is counted by them. Pure.

Local times are those of a zone, whose days may have 23 or 25 hours: all is counted in UTC. A time that the clock
skips is read as so much later, one that it shows twice as its first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from gateway.config.values import shown

Span = tuple[int, int]  # minutes after midnight: the first that is open, the first that no longer is
_WHOLE: Span = (0, 24 * 60)
_EXAMPLE = 'write hours like "lun-ven 09:00-12:00 14:00-17:00; sam 09:00-12:00"'
_LOOK_AHEAD = 400  # days
_CENTURY = 36_525  # days
_FRENCH = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_ENGLISH = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TOKEN = re.compile(
    r"(?P<T>\d{1,4}(?:\s?[:h](?:\d\d(?!\d)|\s\d\d(?!\d|\s?[:h]))?)?)"
    r"|(?P<W>[^\W\d]+)\.?|(?P<R>[-–—])|(?P<S>[\s,;:&.]+)|(?P<O>.)"
)
_TIME = re.compile(r"(\d{1,2})(?:\s?(?::\s?(\d\d)|h\s?(\d\d)?))?")
_RANGE_WORDS = frozenset(("à", "a", "au", "to", "until"))
_FILLERS = frozenset(("du", "de", "le", "les", "from", "on", "et", "and", "puis"))
_CLAUSE = re.compile(r"((?:D(?:RD)?)+)((?:TRT)+)")


@dataclass(frozen=True, slots=True)
class Hours:
    """For each day of the week, Monday first, when it's open: spans in order that neither overlap nor touch."""

    days: tuple[tuple[Span, ...], ...] = ((_WHOLE,),) * 7


ALWAYS = Hours()


def parse(value: Any) -> Hours:
    """Read opening hours in French or English; "" is always open. ValueError completes the sentence « KEY: … »."""
    if isinstance(value, Hours):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not text; {_EXAMPLE}")
    tokens = list(_tokens(value.lower()))
    kinds = "".join(kind for kind, _ in tokens)
    if not kinds and not value.strip():
        return ALWAYS
    week: list[list[Span]] = [[] for _ in range(7)]
    if not re.fullmatch(f"(?:{_CLAUSE.pattern})+", kinds):
        raise ValueError(f"{shown(value)} must name days, and after them the times from and to; {_EXAMPLE}")
    for clause in _CLAUSE.finditer(kinds):
        spans = _spans([word for _, word in tokens[clause.start(2) : clause.end(2)]])
        for day in _days(tokens[clause.start(1) : clause.end(1)]):
            week[day] += spans
    return Hours(tuple(_joined(day, spans) for day, spans in enumerate(week)))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Days (D), times (T) and what stands between the two ends of a range (R); words that only fill are left out."""
    for found in _TOKEN.finditer(text):
        kind, word = found.lastgroup or "O", found[0]
        if kind == "O":
            raise ValueError(f"{shown(word)} has no meaning here; {_EXAMPLE}")
        if kind == "W":
            word = word.rstrip(".")
            if word in _FILLERS:
                continue
            kind = "R" if word in _RANGE_WORDS else "D"
            if kind == "D":
                _day(word)  # an unknown word is told before what is missing around it
        if kind != "S":
            yield kind, word


def _days(tokens: list[tuple[str, str]]) -> Iterator[int]:
    """The days of the week that are named, 0 for Monday; « ven-lun » goes over the week's end."""
    before: int | None = None
    ranged = False
    for kind, word in tokens:
        if kind == "R":
            ranged = True
            continue
        day = _day(word)
        if ranged and before is not None:
            yield from ((before + step) % 7 for step in range(1, (day - before - 1) % 7 + 1))
        yield day
        before, ranged = day, False


def _day(word: str) -> int:
    """A name of a day or its first letters, three at least."""
    bare = word.removesuffix("s") if len(word) > len("tues") + 1 else word
    for names in (_FRENCH, _ENGLISH):
        for day, name in enumerate(names):
            if name.startswith((word, bare)) and len(word) >= 3:
                return day
    raise ValueError(f"{shown(word)} is not a day of the week; {_EXAMPLE}")


def _spans(words: list[str]) -> list[Span]:
    """Each three words: from, the sign of a range, to."""
    spans = []
    for first, last in zip(words[::3], words[2::3], strict=True):
        span = (_minutes(first), _minutes(last))
        if span[0] >= span[1]:
            raise ValueError(
                f'"{first}-{last}" must end after it begins; write a night as two days, '
                'like "ven 22:00-24:00; sam 00:00-06:00"'
            )
        spans.append(span)
    return spans


def _minutes(word: str) -> int:
    found = _TIME.fullmatch(word)
    minutes = int(found[1]) * 60 + int(found[2] or found[3] or 0) if found else _WHOLE[1] + 1
    if found is None or minutes > _WHOLE[1] or int(found[2] or found[3] or 0) > 59:
        raise ValueError(f"{shown(word)} is not a time of day; {_EXAMPLE}")
    return minutes


def _joined(day: int, spans: list[Span]) -> tuple[Span, ...]:
    """In order, those that touch made one."""
    ordered = sorted(spans)
    for one, next_ in pairwise(ordered):
        if next_[0] < one[1]:
            raise ValueError(
                f"{_FRENCH[day]} ({_ENGLISH[day]}) has hours that overlap: {_digits(one)} and {_digits(next_)}"
            )
    joined: list[Span] = []
    for start, end in ordered:
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]  # noqa: PLW2901
        joined.append((start, end))
    return tuple(joined)


def _digits(span: Span) -> str:
    return "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in span)


# --- arithmetic ---------------------------------------------------------------------------------------


def waited(
    hours: Hours, start: datetime, now: datetime, zone: ZoneInfo, closed: frozenset[date] = frozenset()
) -> timedelta:
    """How much open time passed from `start` to `now`, both aware; none where `now` comes first."""
    start, now = start.astimezone(UTC), now.astimezone(UTC)
    total = timedelta()
    for begin, end in _open(hours, start, zone, closed):
        if begin >= now:
            break
        total += min(end, now) - begin
    return total


def opens(hours: Hours, at: datetime, zone: ZoneInfo, closed: frozenset[date] = frozenset()) -> datetime:
    """The first open moment from `at` on, in UTC; `at` itself where nothing opens within 400 days."""
    at = at.astimezone(UTC)
    return next((begin for begin, _ in _open(hours, at, zone, closed)), at)


def after(
    hours: Hours, start: datetime, duration: timedelta, zone: ZoneInfo, closed: frozenset[date] = frozenset()
) -> datetime:
    """The first moment at which `duration` of open time has passed since `start`, in UTC.

    Where that is never, or not within a century: as if it were always open.
    """
    start = start.astimezone(UTC)
    left = duration
    if left <= timedelta():
        return start
    for begin, end in _open(hours, start, zone, closed):
        if left <= end - begin:
            return begin + left
        left -= end - begin
    return start + duration


def _open(
    hours: Hours, start: datetime, zone: ZoneInfo, closed: frozenset[date]
) -> Iterator[tuple[datetime, datetime]]:
    """Open time from `start` on, in order, as pairs in UTC that don't overlap; it ends where long nothing opens."""
    first = start.astimezone(zone).date()
    reached, last = start, 0
    for days in range(_CENTURY):
        if days - last > _LOOK_AHEAD:
            return
        day = first + timedelta(days=days)
        for begin, end in () if day in closed else _in_utc(hours.days[day.weekday()], day, zone):
            begin = max(begin, reached)  # noqa: PLW2901
            if begin < end:
                yield begin, end
                reached, last = end, days


@lru_cache(maxsize=4096)
def _in_utc(spans: tuple[Span, ...], day: date, zone: ZoneInfo) -> tuple[tuple[datetime, datetime], ...]:
    midnight = datetime.combine(day, time())
    return tuple(
        (_instant(midnight + timedelta(minutes=begin), zone), _instant(midnight + timedelta(minutes=end), zone))
        for begin, end in spans
    )


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    return wall.replace(tzinfo=zone).astimezone(UTC)


# --- in words -----------------------------------------------------------------------------------------


def words(hours: Hours, locale: str) -> str:
    """As people write them: « du lundi au vendredi de 9 h à 12 h et de 14 h à 17 h »; `locale` is "fr" or "en"."""
    if hours == ALWAYS:
        return "tous les jours, à toute heure" if locale == "fr" else "every day, at any time"
    by_spans: dict[tuple[Span, ...], list[int]] = {}
    for day, spans in enumerate(hours.days):
        if spans:
            by_spans.setdefault(spans, []).append(day)
    groups = (f"{_days_in_words(days, locale)} {_spans_in_words(spans, locale)}" for spans, days in by_spans.items())
    return ("\u00a0; " if locale == "fr" else "; ").join(groups)


def _days_in_words(days: list[int], locale: str) -> str:
    if len(days) == 7:
        return "tous les jours" if locale == "fr" else "every day"
    parts: list[str] = []
    for _, run in groupby(enumerate(days), key=lambda pair: pair[1] - pair[0]):
        row = [_FRENCH[day] if locale == "fr" else _ENGLISH[day].capitalize() for _, day in run]
        if len(row) > 2:
            parts.append(f"du {row[0]} au {row[-1]}" if locale == "fr" else f"{row[0]} to {row[-1]}")
        else:
            parts += [f"le {name}" for name in row] if locale == "fr" else row
    return _listed(parts, locale)


def _spans_in_words(spans: tuple[Span, ...], locale: str) -> str:
    if spans == (_WHOLE,):
        return "toute la journée" if locale == "fr" else "all day"
    if locale == "fr":
        return _listed([f"de {_french_time(begin)} à {_french_time(end)}" for begin, end in spans], locale)
    return _listed([f"{_english_time(begin)} to {_english_time(end)}" for begin, end in spans], locale)


def _listed(parts: list[str], locale: str) -> str:
    *first, last = parts
    return (" et " if locale == "fr" else " and ").join(filter(None, (", ".join(first), last)))


def _french_time(minutes: int) -> str:
    if minutes == _WHOLE[1]:
        return "minuit"
    return f"{minutes // 60}\u00a0h" + (f"\u00a0{minutes % 60:02}" if minutes % 60 else "")


def _english_time(minutes: int) -> str:
    return "midnight" if minutes in _WHOLE else f"{minutes // 60}:{minutes % 60:02}"
