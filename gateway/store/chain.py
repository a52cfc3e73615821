"""Rows that are bound to the one before them by its hash: how the audit and the evidence are chained. Pure.

    digest = SHA-256(salt, words)
    hash   = SHA-256(context, what the row says as a JSON list: with the digest, and the hash of the row before)

Numbers go up by one: a row that is missing, changed, put in or moved breaks the chain where it stands. What was cut
off at the end shows only to who kept a later hash elsewhere. Words may be erased (none, and a salt of zeros): the
digest stays in the chain, and without its salt it tells nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.errors import Refused

START = bytes(32)  # what the first row follows
NO_SALT = bytes(16)


@dataclass(frozen=True, slots=True)
class Link:
    """A row as it is found. `made`: its hash, made anew of what it says now."""

    number: int
    words: str
    salt: bytes
    digest: bytes
    previous: bytes
    hash: bytes
    made: bytes

    @property
    def erased(self) -> bool:
        return not self.words and self.salt == NO_SALT


@dataclass(frozen=True, slots=True)
class Verified:
    """What following a chain came to. `head`: the last hash; `fault`: the first row that is wrong, "" for none.

    `erased`: how many rows have lost their words, as they may.
    """

    rows: int
    erased: int
    head: bytes
    fault: str = ""


def digest(salt: bytes, words: str) -> bytes:
    return hashlib.sha256(salt + words.encode()).digest()


def bound(context: bytes, said: Sequence[object]) -> bytes:
    """The hash of a row: of all that it says but its words and their salt, for which the digest stands."""
    text = json.dumps(said, ensure_ascii=False, default=plain)
    return hashlib.sha256(context + text.encode()).digest()


def plain(value: object) -> str:
    """As times and octets stand in what is hashed: ISO 8601 in UTC, hexadecimal digits."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)


def hash_in(text: str) -> bytes:
    """A hash as somebody typed it.

    Raises:
        Refused: it is none.
    """
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != len(START):
        raise Refused("a head is 64 hexadecimal digits, as they were printed")
    return found


def follow(links: Iterable[Link], kept: bytes = START) -> Verified:
    """Follow a chain to its end, or to the first row that is wrong. `kept`: a head that was kept elsewhere."""
    previous, rows, erased, met = START, 0, 0, kept == START
    for link in links:
        if fault := next(_faults(link, rows + 1, previous), ""):
            return Verified(rows, erased, previous, fault)
        previous, rows, erased, met = link.hash, rows + 1, erased + link.erased, met or link.hash == kept
    return Verified(rows, erased, previous, "" if met else f"no row up to {rows} has the hash {kept.hex()}")


def _faults(link: Link, expected: int, previous: bytes) -> Iterator[str]:
    """What is wrong with a row, where `expected` is the number that comes next."""
    if link.number != expected:
        yield f"row {expected} is missing"
    if link.previous != previous:
        yield f"row {link.number} doesn't follow the one before it"
    if not link.erased and link.digest != digest(link.salt, link.words):
        yield f"row {link.number}: its words were changed"
    if link.hash != link.made:
        yield f"row {link.number} was changed"
