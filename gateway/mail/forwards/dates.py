"""Dates as programs print them for people: « mer. 27 oct. 2021 à 09:31 », « 28/10/2021 12.46 », « 2021年10月27日 ».

For display only. Where no zone is told (Gmail and Outlook print the forwarder's local time) the time is taken as UTC;
where the day or the year can't be told there is no date. Numbers alone are read day first, but for « 10/28/21, 9:31
AM »: who writes AM and PM puts the month first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

_MAX = 200
# How the months begin, in lower case: one line a language, of a month the shortest form that is no other month's.
_STEMS = (
    "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec",
    "janv|fév|mars|avr|mai|juin|juil|août|sept|oct|nov|déc",
    "jän|fev|mär|apr|mai|jun|jul|aou|sep|okt|nov|dez",
    "ene|feb|marz|abr|may|jun|jul|ago|set|oct|nov|dic",
    "gen|feb|mar|apr|mag|giu|lug|ago|set|ott|nov|dic",
    "jan|fev|mar|abr|mai|jun|jul|ago|set|out|nov|dez",
    "jan|feb|maa|apr|mei|jun|jul|aug|sep|okt|nov|dec",
    "jan|feb|mrt|apr|maj|jun|jul|aug|sep|okt|nov|des",
    "tammi|helmi|maalis|huhti|touko|kesä|heinä|elo|syys|loka|marras|joulu",
    "jaan|veeb|märts|apr|mai|juun|juul|aug|sept|okt|nov|dets",
    "sty|lut|mar|kwi|maj|cze|lip|sie|wrz|paź|lis|gru",
    "led|úno|bře|dub|kvě|čer|červenc|srp|zář|říj|lis|pro",
    "jan|feb|mar|apr|máj|jún|júl|aug|sep|okt|nov|dec",
    "jan|febr|márc|ápr|máj|jún|júl|aug|szept|okt|nov|dec",
    "ian|feb|mar|apr|mai|iun|iul|aug|sep|oct|noi|dec",
    "sij|velj|ožu|tra|svi|lipnj|srpnj|kol|ruj|listop|stu|pro",
    "oca|şub|mar|nis|may|haz|tem|ağu|eyl|eki|kas|ara",
    "янв|фев|мар|апр|ма|июн|июл|авг|сен|окт|ноя|дек",
    "січ|лют|бер|квіт|трав|черв|лип|серп|вер|жовт|лист|груд",
    "ιαν|φεβ|μαρ|απρ|μαΐ|ιουν|ιουλ|αυγ|σεπ|οκτ|νοε|δεκ",
)
# What two languages share is the first's, but for these; and Croatian, which alone puts a full stop after the year,
# means October by « listopad », not November.
_SHARED = {"čvc": 7, "čvn": 6, "listop": 11}
_CROATIAN = {"lis": 10, "listop": 10, "lip": 6, "srp": 7}
_ZONES = {
    **dict.fromkeys(("utc", "gmt", "z", "wet", "ut"), 0),
    **dict.fromkeys(("cet", "mez", "hnec", "seč", "bst", "west", "wesz"), 60),
    **dict.fromkeys(("cest", "mesz", "haec", "selč", "eet", "sast"), 120),
    **dict.fromkeys(("eest", "msk", "trt"), 180),
    "edt": -240,
    "est": -300,
    "cdt": -300,
    "cst": -360,
    "mdt": -360,
    "mst": -420,
    "pdt": -420,
    "pst": -480,
    "jst": 540,
    "kst": 540,
    "brt": -180,
}


def _months() -> dict[str, int]:
    found: dict[str, int] = {}
    for line in _STEMS:
        for number, stem in enumerate(line.split("|"), 1):
            found.setdefault(stem, number)
    return {**found, **_SHARED}


_MONTHS = _months()
_NUMERIC = re.compile(r"(?<!\d)(\d{1,4})[./-] ?(\d{1,2})[./-] ?(\d{4}|\d{2})(?!\d)")
_EAST = re.compile(r"(\d{4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日일]")
_TIME = re.compile(r"(?<![\d+-])(\d{1,2}) ?[:.h时時시] ?(\d{2})(?:[:.分] ?(\d{2}))?(?!\d)")
_AFTERNOON = re.compile(r"(?<![^\W\d])(?:p\.? ?m\b|μμ|下午|午後|오후)")
_MORNING = re.compile(r"(?<![^\W\d])(?:a\.? ?m\b|πμ|上午|午前|오전)")
_OFFSET = re.compile(r"(?:(?:gmt|utc)? ?([+-]) ?(\d{1,2})(?::?(\d{2}))?)(?!\d)")
_STOPPED_YEAR = re.compile(r"\b(?:19|20)\d{2}\.")
_ORDINALS = ("de", "d", "th", "st", "nd", "rd", "er", "º", "of", "den")
_WORD = re.compile(r"[^\W\d_]+|\d+")


def when(text: str) -> datetime | None:
    """What a printed date says, in UTC, or None."""
    plain = _plain(text[:_MAX])
    found = _east(plain) or _numeric(plain, sure=True) or _named(plain) or _numeric(plain, sure=False)
    if found is None:
        return None
    (year, month, day), rest = found
    try:
        return (datetime(year, month, day, tzinfo=_zone(rest)) + _time(rest)).astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def _plain(text: str) -> str:
    """Lower case, each kind of space a space, no invisible characters (the dot of « İ » among them)."""
    lowered = unicodedata.normalize("NFC", text.lower().replace("i\u0307", "i"))
    shown = (" " if c.isspace() else c for c in lowered if unicodedata.category(c) != "Cf")
    return " ".join("".join(shown).replace("−", "-").split())


_Found = tuple[tuple[int, int, int], str]


def _east(text: str) -> _Found | None:
    match = _EAST.search(text)
    return match and ((int(match[1]), int(match[2]), int(match[3])), _without(text, match))


def _without(text: str, match: re.Match[str]) -> str:
    return f"{text[: match.start()]} {text[match.end() :]}"


def _numeric(text: str, *, sure: bool) -> _Found | None:
    """A date in numbers. Sure is one with a whole year or without full stops: « 14.25.08 » is a time."""
    match = _NUMERIC.search(text)
    if match is None or (sure and "." in match[0] and max(len(match[1]), len(match[3])) < 4):
        return None
    first, second, third = (int(group) for group in match.groups())
    rest = _without(text, match)
    if len(match[1]) == 4:
        return (first, second, third), rest
    if len(match[1]) > 2:
        return None
    year = third if third > 99 else 2000 + third
    halves = bool(_AFTERNOON.search(rest) or _MORNING.search(rest))
    month_first = second > 12 or (halves and "/" in match[0] and first <= 12)
    return ((year, first, second) if month_first else (year, second, first)), rest


def _named(text: str) -> _Found | None:
    """A date with the month's name: of two names the last, for the first is a weekday's (« mar. 2 mars »)."""
    words = list(_WORD.finditer(text))
    croatian = _STOPPED_YEAR.search(text) is not None
    for at in reversed(range(len(words))):
        month = _month(words[at][0], croatian=croatian)
        day = _day(words, at) if month else None
        year = _year(words, at, day) if day else None
        if day and year:
            rest = text
            for word in (words[at], day, year):
                rest = rest[: word.start()] + " " * len(word[0]) + rest[word.end() :]
            return (_full(year[0]), month, int(day[0])), rest
    return None


def _month(word: str, *, croatian: bool) -> int:
    """The month that a word names in any of the languages, or 0."""
    for length in range(min(len(word), 8), 1, -1):
        stem = word[:length]
        number = (croatian and _CROATIAN.get(stem)) or _MONTHS.get(stem)
        if number:
            return number
    return 0


def _day(words: Sequence[re.Match[str]], at: int) -> re.Match[str] | None:
    """The number before the month (« 27 de outubro »), else after it (« October 27 »)."""
    before = [w for w in words[max(0, at - 2) : at] if w[0] not in _ORDINALS]
    for word in (*reversed(before[-1:]), *words[at + 1 : at + 2]):
        if word[0].isdecimal() and len(word[0]) <= 2 and 1 <= int(word[0]) <= 31:
            return word
    return None


def _year(words: Sequence[re.Match[str]], at: int, day: re.Match[str]) -> re.Match[str] | None:
    """The first number of four digits, else one of two just after the month (« 27-Oct-21 »)."""
    for word in words:
        if len(word[0]) == 4 and word[0].isdecimal() and 1900 <= int(word[0]) <= 2100:
            return word
    after = [w for w in words[at + 1 : at + 2] if len(w[0]) == 2 and w[0].isdecimal() and w is not day]
    return after[0] if after else None


def _full(year: str) -> int:
    return int(year) if len(year) == 4 else 2000 + int(year)


def _time(text: str) -> timedelta:
    match = _TIME.search(text)
    if match is None:
        return timedelta()
    hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3] or 0)
    if hours > 24 or minutes > 59 or seconds > 60:
        return timedelta()
    if _AFTERNOON.search(text) and hours < 12:
        hours += 12
    elif _MORNING.search(text) and hours == 12:
        hours = 0
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _zone(text: str) -> timezone:
    """The zone that is told after the time, by offset or name; UTC where none is."""
    match = _TIME.search(text)
    after = text[match.end() :] if match else text
    offset = _OFFSET.search(after)
    if offset:
        minutes = _minutes(offset[2], offset[3])
        return timezone(timedelta(minutes=minutes if offset[1] == "+" else -minutes))
    named = (_ZONES[word[0]] for word in _WORD.finditer(after) if word[0] in _ZONES)
    return timezone(timedelta(minutes=next(named, 0)))


def _minutes(hours: str, minutes: str | None) -> int:
    total = int(hours) * 60 + int(minutes or 0)
    return total if total <= 14 * 60 else 0
