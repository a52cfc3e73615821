"""Mail that lies in the packs, and that the database doesn't know: it came after the backup that was restored.

A pack is read from where the database refers to it last. What lies before that and isn't known belongs to a commit
that failed: whoever brought it was told to come again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.model import Envelope, Incoming
from gateway.store.packs import Location, Packs

_HEADS = (1 << 12, 1 << 16, 1 << 20)  # octets: what a head takes, a long one, and more than any does


@dataclass(frozen=True, slots=True)
class Found:
    """A mail with its envelope, and where it lies."""

    mail: Incoming
    at: Location


@dataclass(frozen=True, slots=True)
class Damage:
    """From here on, a pack can't be read."""

    pack: str
    offset: int


def unknown(packs: Packs, extents: Mapping[str, int]) -> Iterator[Found | Damage]:
    """What comes after the last octets that are referred to, pack by pack.

    Raises:
        StoreError: the packs can't be had now.
    """
    for pack, size in sorted(packs.sizes().items()):
        yield from records(packs, pack, extents[pack] + 1 if pack in extents else 0, size)


def records(packs: Packs, pack: str, offset: int, size: int) -> Iterator[Found | Damage]:
    """What a pack of that size holds from there on, up to the first record that isn't whole.

    Raises:
        StoreError: as `unknown`.
    """
    while offset < size:
        found = _record(packs, pack, offset, size)
        if found is None:
            if not _is_room(packs, pack, offset, size):
                yield Damage(pack, offset)
            break
        yield found
        offset = found.at.offset + found.at.size + 1


def _is_room(packs: Packs, pack: str, start: int, end: int) -> bool:
    """Is it what a pack had room for when its daemon ended, and nothing else?"""
    return not any(part.strip(b"\0") for part in packs.octets(pack, start, end))


def _record(packs: Packs, pack: str, offset: int, size: int) -> Found | None:
    """The record that begins there; None where it is cut off or changed."""
    line, end = b"", b""
    for most in _HEADS:
        line, end, _ = packs.read(Location(pack, offset, min(most, size - offset))).partition(b"\n")
        if end:
            break
    try:
        head = json.loads(line)
        at = Location(pack, offset + len(line) + 1, int(head["size"]))
        if not end or at.size < 0 or at.offset + at.size > size:
            return None
        raw = packs.read(at)
        if hashlib.sha256(raw).hexdigest() != head["sha256"]:
            return None
        return Found(_incoming(raw, head), at)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _incoming(raw: bytes, head: Mapping[str, Any]) -> Incoming:
    recipients = tuple(str(each) for each in head["recipients"])
    envelope = Envelope(head["sender"], recipients, head.get("peer", ""), head.get("helo", ""))
    return Incoming(
        raw,
        str(head["source"]),
        datetime.fromisoformat(head["received_at"]),
        envelope,
        authserv_id=str(head.get("authserv_id", "")),
        verify=bool(head.get("verify", False)),
    )
