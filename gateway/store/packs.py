"""Raw mail: appended, made durable once for all that wait, never rewritten.

A pack is a run of records. A record is one line of JSON (size, SHA-256, and the envelope, so that the store could
be rebuilt from the packs alone), the exact octets of the mail, and a line feed. What isn't whole at the end of a
pack is never referred to: the database learns of a record after the sync. Each process writes packs of its own.
They are files of a folder (`gateway.store.folder`) or objects of a bucket (`gateway.store.bucket`).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

SUFFIX = ".pack"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a raw mail lies: name of the pack, octets from its start, length in octets."""

    pack: str
    offset: int
    size: int


class Packs(Protocol):
    """Where raw mail is kept. The store's writer alone appends and syncs; everybody may read."""

    def append(self, raw: bytes, about: Mapping[str, Any]) -> Location:
        """Take a record. It is safe only after `sync`.

        Raises:
            StoreError: it can't be taken. Nothing refers to what was written of it.
        """

    def sync(self) -> None:
        """Make all that was appended durable.

        To be called once for all that was appended since the last time: only here is a loss told.

        Raises:
            StoreError: it isn't. What was appended since the last time is given up.
        """

    def read(self, location: Location) -> bytes:
        """The exact octets of a mail.

        Raises:
            StoreError: the pack is missing, too short, or can't be had now.
        """

    def octets(self, pack: str, start: int, end: int) -> Iterator[bytes]:
        """A stretch of a pack, in parts.

        Raises:
            StoreError: as `read`.
        """

    def put(self, pack: str, file: Path) -> None:
        """Make a whole pack of a file, durably; what bore its name is replaced.

        Raises:
            StoreError: it can't be written now.
        """

    def sizes(self) -> dict[str, int]:
        """The packs there are, and their length in octets.

        Raises:
            StoreError: they can't be listed now.
        """

    def probe(self) -> None:
        """Look whether mail can be kept here.

        Raises:
            StoreError: not now; the message says what to do.
        """

    def another(self) -> Packs:
        """The same place, for another writer beside this one."""

    def close(self) -> None:
        """Let go of what is open."""


def fresh_name() -> str:
    """A name that no other process takes."""
    return secrets.token_hex(8) + SUFFIX


def record(raw: bytes, about: Mapping[str, Any]) -> Iterator[bytes]:
    """The parts of a record: its head, the mail, the end. `about` may name the digest, if it is known."""
    head = {"pack": 1, "size": len(raw), "sha256": about.get("sha256") or hashlib.sha256(raw).hexdigest(), **about}
    yield json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
    yield raw
    yield b"\n"


def missing(packs: Packs, extents: Mapping[str, int]) -> list[str]:
    """The packs that aren't there, or are shorter than the octets that are referred to.

    Raises:
        StoreError: they can't be listed now.
    """
    there = packs.sizes()
    return sorted(name for name, end in extents.items() if there.get(name, -1) < end)
