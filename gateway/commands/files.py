"""Mails in files: one mail, an mbox, a Maildir, a folder."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import NotFound

_NOT_MAIL = frozenset(
    [
        ".json",
        ".md",
        ".py",
        ".rb",
        ".js",
        ".toml",
        ".yml",
        ".yaml",
        ".html",
        ".htm",
        ".css",
        ".png",
        ".jpg",
        ".gif",
        ".pdf",
        ".zip",
        ".xz",
        ".gz",
        ".enc",
        ".sh",
        ".c",
        ".h",
        ".rst",
    ]
)


@dataclass(frozen=True, slots=True)
class MailFile:
    """One mail: its name for people, and its exact octets."""

    name: str
    raw: bytes


def count(path: Path) -> int | None:
    """How many files a path holds, for a progress bar; None for an mbox, which isn't counted beforehand."""
    return sum(1 for _ in _files(path)) if path.is_dir() else None


def mails(path: Path) -> Iterator[MailFile]:
    """The mails under a path, one at a time, in the order of their names.

    Raises:
        NotFound: there is nothing of that name, or it can't be read.
    """
    if not path.exists():
        raise NotFound(f"there is no file or folder {path}")
    for file in _files(path):
        yield from _in_file(file)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    if (path / "cur").is_dir() or (path / "new").is_dir():
        folders = [path / "cur", path / "new"]
        yield from (file for folder in folders for file in sorted(folder.glob("*")) if file.is_file())
        return
    for file in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if file.is_file() and not hidden and file.suffix.lower() not in _NOT_MAIL:
            yield file


def _in_file(file: Path) -> Iterator[MailFile]:
    try:
        with file.open("rb") as stream:
            is_mbox = stream.read(5) == b"From "
        if not is_mbox:
            yield MailFile(str(file), file.read_bytes())
            return
    except OSError as error:
        raise NotFound(f"{file} can't be read: {error.strerror}") from error
    box = mailbox.mbox(file, create=False)
    try:
        keys = list(box.iterkeys())
        for number, key in enumerate(keys, 1):
            name = f"{file}#{number}" if len(keys) > 1 else str(file)
            yield MailFile(name, box.get_bytes(key))
    finally:
        box.close()


def total(paths: Sequence[Path]) -> int | None:
    """How many mails there are, None where only reading them would tell."""
    counts = [count(path) for path in paths]
    return None if None in counts else sum(count or 0 for count in counts)
