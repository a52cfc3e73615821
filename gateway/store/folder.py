"""Packs as files of a folder: one is open for writing, and synced once for all mails that wait.

A file that grows is costly to sync: the file system writes its own journal, too. So a pack grows by more than small
mails need, and those that come next fill the room: NULs, which no record begins with.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gateway.errors import StoreError
from gateway.folders import make_folder, sync_folder
from gateway.store.packs import SUFFIX, Location, fresh_name, record

_ROTATE_AT = 1 << 30
_PART = 1 << 20
_ROOM = 1 << 20  # octets
_SMALL = 1 << 17  # octets that are written in one go: what is larger takes longer to write than to sync


class Folder:
    """The folder of packs (`gateway.store.packs.Packs`), and the one that this process writes to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: int | None = None
        self._name = ""
        self._end = self._synced = self._size = 0  # of what was appended; of that, what was synced; of the file
        self._dirty = False
        self._lost = False

    def another(self) -> Folder:
        return Folder(self.folder)

    def append(self, raw: bytes, about: Mapping[str, Any]) -> Location:
        self.begin()
        return self.append_all([(raw, about)])[0]

    def begin(self) -> str:
        """The pack that takes what is appended next: another one where that is full, or gone.

        Raises:
            StoreError: there is none to be had now.
        """
        with self._given_up():
            self._open()
        return self._name

    def append_all(self, mails: Sequence[tuple[bytes, Mapping[str, Any]]]) -> list[Location]:
        """Take records into the pack that was begun, in one go: all of them or none. Else as `append`."""
        assert self._file is not None
        parts: list[bytes] = []
        places: list[Location] = []
        end = self._end
        for raw, about in mails:
            head, *rest = record(raw, about)
            parts += (head, *rest)
            places.append(Location(self._name, end + len(head), len(raw)))
            end += len(head) + len(raw) + 1
        if end > self._size:
            parts += [bytes(_ROOM)] * (end - self._end <= _SMALL)
            self._size = self._end + sum(map(len, parts))
        with self._given_up():
            _write_all(self._file, self._end, b"".join(parts))
        self._end, self._dirty = end, True
        return places

    @contextmanager
    def _given_up(self) -> Iterator[None]:
        """Leave the pack for good where it can't be written to."""
        try:
            yield
        except OSError as error:
            self._lost |= self._dirty  # what was appended before, and isn't synced, can't be promised any more
            self._abandon()
            raise StoreError(f"raw mail can't be written to {self.folder}: {error.strerror}") from error

    def sync(self) -> None:
        """After a failed fsync the pack is left for good: its pages can't be trusted."""
        if self._lost:
            self._lost = False
            self.close()
            raise StoreError(f"raw mail in {self.folder} was not synced before the disk failed")
        if not self._dirty or self._file is None:
            return
        try:
            os.fdatasync(self._file)
        except OSError as error:
            self._abandon()
            raise StoreError(f"raw mail can't be synced in {self.folder}: {error.strerror}") from error
        self._synced, self._dirty = self._end, False

    def read(self, location: Location) -> bytes:
        try:
            with (self.folder / location.pack).open("rb") as file:
                file.seek(location.offset)
                raw = file.read(location.size)
        except OSError as error:
            raise StoreError(f"raw mail can't be read from {location.pack}: {error.strerror}") from error
        if len(raw) != location.size:
            raise StoreError(f"{location.pack} is damaged: it ends before a mail that it held")
        return raw

    def octets(self, pack: str, start: int, end: int) -> Iterator[bytes]:
        for at in range(start, end, _PART):
            yield self.read(Location(pack, at, min(_PART, end - at)))

    def put(self, pack: str, file: Path) -> None:
        temporary = self.folder / f"{pack}.partial"
        try:
            make_folder(self.folder)
            shutil.copyfile(file, temporary)
            temporary.chmod(0o600)
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.rename(self.folder / pack)
            sync_folder(self.folder)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StoreError(f"raw mail can't be written to {self.folder}: {error.strerror}") from error

    def sizes(self) -> dict[str, int]:
        try:
            with os.scandir(self.folder) as entries:
                return {entry.name: entry.stat().st_size for entry in entries if entry.name.endswith(SUFFIX)}
        except FileNotFoundError:
            return {}  # no mail has come yet
        except OSError as error:
            raise StoreError(f"raw mail can't be listed in {self.folder}: {error.strerror}") from error

    def probe(self) -> None:
        try:
            make_folder(self.folder)
            with tempfile.TemporaryFile(dir=self.folder) as file:
                file.write(b"probe")
        except OSError as error:
            raise StoreError(f"raw mail can't be written to {self.folder}: {error.strerror}") from error

    def close(self) -> None:
        self._let_go(self._end)

    def _abandon(self) -> None:
        """Leave the pack for good, and nothing in it that nobody was promised."""
        self._let_go(self._synced)

    def _let_go(self, end: int) -> None:
        """Close the pack, and cut it off there, if that can be."""
        if self._file is not None:
            with suppress(OSError):
                os.ftruncate(self._file, end)
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
        make_folder(self.folder)
        self._name = fresh_name()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(self.folder / self._name, flags, 0o600)
        self._end = self._synced = self._size = 0
        sync_folder(self.folder)
        return self._file


def _write_all(file: int, at: int, octets: bytes) -> None:
    view = memoryview(octets)
    while view:  # a nearly full disk takes a part and says so only next time
        written = os.pwrite(file, view, at)
        view, at = view[written:], at + written
