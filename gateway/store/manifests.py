"""What a backup says of itself: `manifest.json`, and beside it its own sum, as `sha256sum --check` reads it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.errors import Refused

MANIFEST, _SUM, PACKS = "manifest.json", "manifest.json.sha256", "packs"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Copy:
    """A file: its length in octets, and the SHA-256 of these."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `last_arrival`: when the last mail came that is in it, "" where none is; RFC 3339.

    `files` are its own, by their path in it; `packs` those in the folder beside it, up to where it needs them.
    """

    made_at: str
    version: str
    schema: str
    arrivals: int
    last_arrival: str
    files: Mapping[str, Copy]
    packs: Mapping[str, Copy]


def write(backup: Path, manifest: Manifest) -> None:
    """The manifest and its sum."""
    octets = json.dumps(asdict(manifest), indent=1, sort_keys=True).encode() + b"\n"
    (backup / MANIFEST).write_bytes(octets)
    (backup / _SUM).write_text(f"{hashlib.sha256(octets).hexdigest()}  {MANIFEST}\n")


def read(backup: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        Refused: it isn't one, or its manifest is damaged.
    """
    try:
        octets, told = (backup / MANIFEST).read_bytes(), (backup / _SUM).read_bytes()
    except OSError as error:
        raise Refused(f"{backup} is no whole backup: {error.filename}: {error.strerror}") from error
    if told.split() != [hashlib.sha256(octets).hexdigest().encode(), MANIFEST.encode()]:
        raise Refused(f"{backup / MANIFEST} is damaged: it isn't what {_SUM} says")
    try:
        found = json.loads(octets)
        if any("/" in name for name in found[PACKS]):
            raise ValueError("a pack outside of its folder")
        files, packs = ({name: Copy(**each) for name, each in found.pop(kind).items()} for kind in ("files", PACKS))
        return Manifest(**found, files=files, packs=packs)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refused(f"{backup} was made by another version of the gateway: restore it with that one") from error


def problems(backup: Path) -> list[str]:
    """What of a backup's own files isn't as its manifest says."""
    try:
        manifest = read(backup)
    except Refused as error:
        return [str(error)]
    return [fault for name, told in manifest.files.items() for fault in _faults(backup / name, told)]


def pack_problems(backup: Path) -> list[str]:
    """What of the raw mail that a backup needs isn't as its manifest says. All of it is read."""
    told = read(backup).packs.items()
    return [fault for name, copy in told for fault in _faults(backup.parent / PACKS / name, copy, part=True)]


def _faults(path: Path, told: Copy, *, part: bool = False) -> Iterator[str]:
    """`part`: the file may be longer than what is told of."""
    try:
        found = copy_of(path, told.size if part else None)
    except OSError as error:
        yield f"{path}: {error.strerror}"
        return
    if found.size < told.size:
        yield f"{path} ends after {found.size} of {told.size} octets"
    elif found != told:
        yield f"{path} isn't what was written"


def copy_of(path: Path, end: int | None = None) -> Copy:
    """Read a file, up to `end`, else all of it."""
    with path.open("rb") as file:
        return summed(_parts(file, end))


def _parts(file: BinaryIO, end: int | None) -> Iterator[bytes]:
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # from the disk, where the system lets us
    size = 0
    while part := file.read(_CHUNK if end is None else min(_CHUNK, end - size)):
        size += len(part)
        yield part


def summed(octets: Iterable[bytes]) -> Copy:
    """What a file of these octets would be."""
    size, digest = 0, hashlib.sha256()
    for part in octets:
        digest.update(part)
        size += len(part)
    return Copy(size, digest.hexdigest())
