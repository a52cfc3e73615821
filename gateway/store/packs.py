"""Raw mail on disk: appended, synced once for all that wait, never rewritten.

A pack is a file of records. A record is one line of JSON (size, SHA-256, and the envelope, so that the store could
be rebuilt from the packs alone), the exact octets of the mail, and a line feed. What a power cut leaves half
written at the end of a pack is never referred to: the database learns of a record after the sync.
Each process writes packs of its own, so that two never write to one file.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import StoreError

_ROTATE_AT = 1 << 30


@dataclass(frozen=True, slots=True)
class Location:
    """Where a raw mail lies: file name within the folder, octets from its start, length in octets."""

    pack: str
    offset: int
    size: int


class Packs:
    """The folder of packs, and the one that this process writes to. Used by the store's writer alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: int | None = None
        self._name = ""
        self._end = 0
        self._dirty = False
        self._lost = False

    def append(self, raw: bytes, about: dict[str, Any]) -> Location:
        """Write a record. It is safe only after `sync`.

        Raises:
            StoreError: the disk doesn't take it. Nothing refers to what was written of it.
        """
        head = {"pack": 1, "size": len(raw), "sha256": hashlib.sha256(raw).hexdigest(), **about}
        line = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        try:
            file = self._open()
            location = Location(self._name, self._end + len(line), len(raw))
            _write_all(file, b"".join((line, raw, b"\n")))
        except OSError as error:
            self._lost |= self._dirty  # what was appended before, and isn't synced, can't be promised any more
            self.close()
            raise StoreError(f"raw mail can't be written to {self.folder}: {error.strerror}") from error
        self._end = location.offset + len(raw) + 1
        self._dirty = True
        return location

    def sync(self) -> None:
        """Make all that was appended durable.

        To be called once for all that was appended since the last time: only here is a loss told.

        Raises:
            StoreError: it isn't. The pack is left for good: after a failed fsync its pages can't be trusted.
        """
        if self._lost:
            self._lost = False
            self.close()
            raise StoreError(f"raw mail in {self.folder} was not synced before the disk failed")
        if not self._dirty or self._file is None:
            return
        try:
            os.fdatasync(self._file)
        except OSError as error:
            self.close()
            raise StoreError(f"raw mail can't be synced in {self.folder}: {error.strerror}") from error
        self._dirty = False

    def read(self, location: Location) -> bytes:
        """The exact octets of a mail.

        Raises:
            StoreError: the pack is missing or too short.
        """
        try:
            with (self.folder / location.pack).open("rb") as file:
                file.seek(location.offset)
                raw = file.read(location.size)
        except OSError as error:
            raise StoreError(f"raw mail can't be read from {location.pack}: {error.strerror}") from error
        if len(raw) != location.size:
            raise StoreError(f"{location.pack} is damaged: it ends before a mail that it held")
        return raw

    def missing(self, extents: Mapping[str, int]) -> list[str]:
        """The packs that aren't there, or are shorter than the octets that are referred to."""
        return sorted(name for name, end in extents.items() if self._size(name) < end)

    def _size(self, name: str) -> int:
        try:
            return (self.folder / name).stat().st_size
        except OSError:
            return -1

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file, self._dirty = None, False

    def _leave(self) -> None:
        """Be done with the pack that is open, if any; what it holds is synced, or `sync` will tell that it isn't."""
        if self._file is not None and self._dirty:
            try:
                os.fdatasync(self._file)
            except OSError:
                self._lost = True
        self.close()

    def _open(self) -> int:
        # A pack that somebody removed still takes what is written to it, and nobody would ever find it.
        if self._file is not None and self._end < _ROTATE_AT and os.fstat(self._file).st_nlink:
            return self._file
        self._leave()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._name = f"{secrets.token_hex(8)}.pack"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self.folder / self._name, flags, 0o600)
        self._end = 0
        sync_folder(self.folder)
        return self._file


def _write_all(file: int, octets: bytes) -> None:
    view = memoryview(octets)
    while view:  # a nearly full disk takes a part and says so only next time
        view = view[os.write(file, view) :]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a file that was synced can still lose its name in a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
