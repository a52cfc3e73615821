"""What a calendar part is about (RFC 5545), in a line to read: its summary, when, and where."""

from __future__ import annotations

import re
from dataclasses import dataclass

TYPES = ("text/calendar", "application/ics")
_MAX = 200_000
_FOLD = re.compile(r"\n[ \t]")
_LINE = re.compile(r"(SUMMARY|DTSTART|LOCATION|METHOD|BEGIN|END)((?:;[^:\n\";]{0,200})*):(.{0,2000})", re.IGNORECASE)
_WHEN = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(?:\d\d)?(Z?))?")
_ZONE = re.compile(r";TZID=([^;]{1,80})", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([\\;,nN])")


@dataclass(frozen=True, slots=True)
class Event:
    """The first event (or task) of a calendar; "" for what it doesn't say. `method`: REQUEST, REPLY, CANCEL, ..."""

    summary: str = ""
    start: str = ""
    place: str = ""
    method: str = ""

    @property
    def line(self) -> str:
        return " · ".join(piece for piece in (self.summary, self.start, self.place) if piece)


def event(text: str) -> Event:
    """Read the first event. Of lines that are repeated, the first counts."""
    found: dict[str, str] = {}
    inside = done = False
    for line in _FOLD.sub("", text[:_MAX].replace("\r\n", "\n")).split("\n"):
        match = _LINE.fullmatch(line.strip())
        if match is None:
            continue
        name, parameters, value = match[1].upper(), match[2], match[3].strip()
        if name in ("BEGIN", "END"):
            component = value.upper() in ("VEVENT", "VTODO")
            done = done or (component and name == "END")
            inside = name == "BEGIN" if component else inside and name == "END"
        elif name == "METHOD" or (inside and not done):
            found.setdefault(name, _when(value, parameters) if name == "DTSTART" else _plain(value))
    return Event(*(found.get(name, "") for name in ("SUMMARY", "DTSTART", "LOCATION", "METHOD")))


def _plain(value: str) -> str:
    return " ".join(_ESCAPED.sub(lambda m: " " if m[1] in "nN" else m[1], value).split())


def _when(value: str, parameters: str) -> str:
    """`20250203T101500` with its zone → `2025-02-03 10:15 (Europe/Paris)`."""
    match = _WHEN.match(value)
    if match is None:
        return ""
    year, month, day, hour, minute, utc = match.groups()
    date = f"{year}-{month}-{day}"
    if hour is None:
        return date
    zone = _ZONE.search(parameters)
    where = "UTC" if utc else zone[1] if zone else ""
    return f"{date} {hour}:{minute}" + (f" ({where})" if where else "")
