"""What an IMAP server says, in values (RFC 3501 §7, §9; RFC 9051). Pure; never raises, whatever the bytes.

A reply is a tuple of octet strings: a line, then a literal, then the rest of the line, and so on; the
announcement `{123}` still stands at the end of the line before its literal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

Reply = tuple[bytes, ...]

LITERAL = re.compile(rb"\{(\d{1,20})\}$")
STATUS = re.compile(rb"\S+ (?:OK|NO|BAD|BYE|PREAUTH)(?: |$)", re.IGNORECASE)
NUMBERED = re.compile(rb"\* (\d{1,10}) (EXISTS|EXPUNGE)$", re.IGNORECASE)
TOKEN = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)("?)|([()])|([^\s()"]+)')
RANGE = re.compile(rb"(\d{1,10})(?::(\d{1,10}))?")
DATE = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class Fetched:
    """One FETCH reply. `raw` is None unless BODY[] came as a string: NIL is no mail (RFC 9051 §7.5.2)."""

    uid: int
    size: int | None
    internaldate: datetime | None
    raw: bytes | None


def announced(line: bytes) -> int | None:
    """The size of the literal that follows this line, or None. The text of a status reply announces none."""
    match = LITERAL.search(line)
    return int(match[1]) if match and not STATUS.match(line) else None


def numbered(line: bytes) -> tuple[int, bytes] | None:
    """`* 23 EXISTS` → (23, b"EXISTS"); `* 4 EXPUNGE` → (4, b"EXPUNGE"); None for anything else."""
    match = NUMBERED.match(line)
    return (int(match[1]), match[2].upper()) if match else None


def code(text: bytes, name: bytes) -> bytes | None:
    """What stands after `name` in a response code: `[UIDNEXT 12]` → b"12"; None without that code."""
    match = re.search(rb"\[" + name + rb"(?: ([^\]]*))?\]", text, re.IGNORECASE)
    return (match[1] or b"") if match else None


def number(text: bytes | None) -> int | None:
    return int(text) if text and len(text) <= 10 and text.isdigit() else None


def found(replies: Iterable[Reply]) -> frozenset[int]:
    """The numbers of all SEARCH replies. Their count is bounded by the length a reply may have."""
    words = (word for reply in replies for word in reply[0].split()[2:])
    return frozenset(int(word) for word in words if len(word) <= 10 and word.isdigit())


def fetched(reply: Reply) -> Fetched | None:
    """A FETCH reply, or None if it doesn't name its UID."""
    items = _items(reply)
    uid = number(items.get(b"UID", ("", b""))[1])
    if uid is None:
        return None
    kind, raw = items.get(b"BODY[]", ("atom", b""))
    return Fetched(
        uid,
        number(items.get(b"RFC822.SIZE", ("", b""))[1]),
        _date(items.get(b"INTERNALDATE", ("", b""))[1]),
        raw if kind == "string" else None,
    )


def _items(reply: Reply) -> Mapping[bytes, tuple[str, bytes]]:
    """Names and values directly inside the outer parentheses; values that are lists are left out."""
    items: dict[bytes, tuple[str, bytes]] = {}
    depth, name = 0, None
    for kind, value in _tokens(reply):
        if kind in "()":
            depth += 1 if kind == "(" else -1
            name = None if kind == ")" else name
        elif depth == 1 and name is None:
            name = value.upper()
        elif depth == 1 and name is not None:
            items[name] = (kind, value)
            name = None
    return items


def _tokens(reply: Reply) -> Iterator[tuple[str, bytes]]:
    """Kinds: "(", ")", "atom" and "string" (quoted or literal). After a string without an end nothing can be told."""
    for index, part in enumerate(reply):
        if index % 2:
            yield "string", part
            continue
        line = LITERAL.sub(b"", part) if index + 1 < len(reply) else part
        for match in TOKEN.finditer(line):
            if match[3]:
                yield match[3].decode(), b""
            elif match[4]:
                yield "atom", match[4]
            elif not match[2]:
                return
            else:
                yield "string", re.sub(rb"\\(.)", rb"\1", match[1])


def _date(text: bytes) -> datetime | None:
    """INTERNALDATE's date-time (RFC 3501 §9), in UTC."""
    match = DATE.fullmatch(text)
    if match is None or match[2].decode().lower() not in MONTHS:
        return None
    day, year, hour, minute, second, east, south = (int(match[group]) for group in (1, 3, 4, 5, 6, 8, 9))
    offset = timedelta(hours=east, minutes=south) * (-1 if match[7] == b"-" else 1)
    month = MONTHS.index(match[2].decode().lower()) + 1
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone(offset)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def named(uid_set: bytes, uids: Iterable[int]) -> frozenset[int]:
    """Those of `uids` that `uid_set` (`3:5,9`) names. It isn't expanded: a server may say `1:4294967295`."""
    ranges = [(int(low), int(high or low)) for low, high in RANGE.findall(uid_set)]
    return frozenset(uid for uid in uids if any(min(pair) <= uid <= max(pair) for pair in ranges))


def sequence(uids: Iterable[int]) -> str:
    """A sequence set, as short as can be: 1, 2, 3, 7 → `1:3,7`."""
    runs: list[list[int]] = []
    for uid in sorted(uids):
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(f"{low}:{high}" if low < high else f"{low}" for low, high in runs)
