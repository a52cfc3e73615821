"""A copy of a store that is in use, which tells by itself whether it is whole.

    DIR/packs/NAME.pack        raw mail: shared by all backups in DIR, copied once
    DIR/20261129T193000Z/      a backup: gateway.db, token.keys, configuration/, manifest.json, manifest.json.sha256

The database is copied first, as it is at one moment, and the packs after it: what it refers to was durable before,
and so was what it is yet to be told of (`gateway.store.journal`); packs only grow. A backup bears its name when all
of it is written, synced, read again and found to be right.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from gateway.errors import StoreError, Temporary
from gateway.folders import make_folder, sync_folder
from gateway.store import manifests
from gateway.store.manifests import PACKS, Copy, Manifest
from gateway.store.packs import Packs

_PARTIAL = ".partial"
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a copied database is: its schema, how many mails came, when the last did, and what it refers to.

    `extents`: up to where each pack is needed.
    """

    schema: str
    arrivals: int
    last_arrival: datetime | None
    extents: Mapping[str, int]


Dump = Callable[[Path], Snapshot]
"""Writes the database, as it is at one moment, into a folder."""


def make(
    folder: Path, dump: Dump, packs: Packs, files: Mapping[str, Path], *, version: str, now: datetime
) -> tuple[Path, Manifest]:
    """Write a backup into `folder`: where it is, and what it holds. `files`: what else goes in, by its name there.

    Raises:
        StoreError: a disk or the object storage fails; nothing is left that looks like a backup.
        Temporary: another backup is being written there.
    """
    with _failing(folder):
        make_folder(folder / PACKS)
        with _alone(folder):
            _clear(folder)
            return _made(folder, dump, packs, files, version, now)


def _made(
    folder: Path, dump: Dump, packs: Packs, files: Mapping[str, Path], version: str, now: datetime
) -> tuple[Path, Manifest]:
    known = _known(folder)
    target = folder / now.strftime(_STAMP)
    if target.exists():
        raise Temporary(f"{target} was made this very second")
    partial = target.with_name(target.name + _PARTIAL)
    partial.mkdir(mode=0o700)
    try:
        snapshot = dump(partial)
        for name, file in files.items():
            _write(partial / name, [file.read_bytes()])
        raw = {name: _pack(folder / PACKS, packs, name, end, known) for name, end in snapshot.extents.items()}
        manifest = Manifest(
            made_at=now.isoformat(),
            version=version,
            schema=snapshot.schema,
            arrivals=snapshot.arrivals,
            last_arrival=snapshot.last_arrival.isoformat() if snapshot.last_arrival else "",
            files={str(path.relative_to(partial)): manifests.copy_of(path) for path in _files(partial)},
            packs=raw,
        )
        manifests.write(partial, manifest)
        _sync(partial)
        partial.rename(target)
        sync_folder(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return target, manifest


def backups(folder: Path) -> list[Path]:
    """The backups in a folder, the oldest first."""
    return sorted(path.parent for path in folder.glob(f"*/{manifests.MANIFEST}") if path.parent.suffix != _PARTIAL)


def thin_out(folder: Path, keep: int) -> list[str]:
    """Remove all but the last `keep` backups, and the packs that none of these needs; the names of the removed."""
    with _failing(folder, "backups that are no longer needed are still there"), _alone(folder):
        found = backups(folder)
        gone = found[: max(0, len(found) - keep)]
        needed = {name for backup in found[len(gone) :] for name in manifests.read(backup).packs}
        for backup in gone:
            backup.rename(backup.with_name(backup.name + _PARTIAL))  # what is half removed is no backup
        if gone:
            _clear(folder)
            for pack in (folder / PACKS).iterdir():
                if pack.name not in needed:
                    pack.unlink()
        return [backup.name for backup in gone]


@contextmanager
def _failing(folder: Path, result: str = "this backup isn't kept, those before it are") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror or error}; {result}") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Temporary(f"another backup is being written into {folder}") from error
        yield


def _clear(folder: Path) -> None:
    """What a process left that ended in the middle."""
    for path in folder.glob(f"*{_PARTIAL}"):
        shutil.rmtree(path)
    for path in (folder / PACKS).glob(f"*{_PARTIAL}"):
        path.unlink()


def _known(folder: Path) -> Mapping[str, Copy]:
    """The packs that the last backup holds; none where it can't be read: then all are copied anew."""
    last = backups(folder)[-1:]
    return {} if not last or manifests.problems(last[0]) else manifests.read(last[0]).packs


def _pack(folder: Path, packs: Packs, name: str, end: int, known: Mapping[str, Copy]) -> Copy:
    """Copy a pack, unless it is there already as far as it is needed.

    Earlier backups lean on the copy that is there: it gives way to one that begins as they know it, and is as long.

    Raises:
        StoreError: the pack isn't what it was; the copy that is there stays.
    """
    target, before = folder / name, known.get(name)
    length = target.stat().st_size if target.exists() else 0
    if before is not None and before.size == end <= length:
        return before
    partial = target.with_name(name + _PARTIAL)
    made = _write(partial, packs.octets(name, 0, end))
    if manifests.copy_of(partial) != made:
        raise StoreError(f"{partial} doesn't hold what was written to it: this disk can't be trusted")
    if before is not None and before.size < end and manifests.copy_of(partial, before.size) != before:
        partial.unlink()
        raise StoreError(
            f"{name} isn't what it was at the last backup: raw mail was damaged or changed. Look at its disk; keep "
            f"{target}, which holds it as it was, and make backups in another folder from now on"
        )
    if length > end and manifests.copy_of(target, end) == made:
        partial.unlink()  # an earlier backup was restored; later ones need all of it
    else:
        partial.rename(target)
    return made


def _write(path: Path, octets: Iterable[bytes]) -> Copy:
    """Write a new file for its owner alone, durably."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        made = manifests.summed(_written(file, octets))
        file.flush()
        os.fsync(file.fileno())
    return made


def _written(file: BinaryIO, octets: Iterable[bytes]) -> Iterator[bytes]:
    for part in octets:
        file.write(part)
        yield part


def _files(partial: Path) -> list[Path]:
    return sorted(path for path in partial.rglob("*") if path.is_file())


def _sync(partial: Path) -> None:
    """Make all of it durable, names too, before it bears its own."""
    for path in _files(partial):
        path.chmod(0o600)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for path in (partial, *(path for path in partial.rglob("*") if path.is_dir()), partial.parent / PACKS):
        sync_folder(path)
