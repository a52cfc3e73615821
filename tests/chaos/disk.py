"""A disk that keeps what was synced, and forgets what it likes of the rest, once the power is cut.

A file's octets are certain after an fsync of the file that began when they were written; its name after an fsync of
its folder. Of what is uncertain a cut keeps nothing, all, or what chance wants: names up to some moment, as a journal
has them; of octets any pieces of 512, whatever their order. After a failed fsync what was to be synced never gets to
the disk, though whoever reads the file still sees it (as Linux does it).
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from tests.chaos.trace import Did, Step

SECTOR = 512


@dataclass(frozen=True, slots=True)
class _Change:
    """To a file: octets from `at` on, or its size where there are none."""

    at: int
    octets: bytes | None = None


@dataclass(slots=True, eq=False)
class _Node:
    """A file or folder, whatever its names are."""

    folder: bool = False
    certain: bytearray = field(default_factory=bytearray)
    pending: list[_Change] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Naming:
    """From here on a name means `node`, or nothing. `source`: the folder that bore another name, with all in it."""

    path: str
    node: _Node | None
    source: str = ""


class Keeps:
    """What a cut keeps of what is uncertain: `share` of it, by chance; 0 is nothing, 1 all (as after SIGKILL)."""

    def __init__(self, share: float, seed: int = 0) -> None:
        self.share = share
        self._chance = random.Random(seed)

    def one(self) -> bool:
        return self._chance.random() < self.share

    def first(self, count: int) -> int:
        """How many of so many, from the first on."""
        return int(count * self.share) if self.share in {0, 1} else self._chance.randint(0, count)


class Disk:
    """The folder as it was at first (all of it certain), and what was done to it since: `do`. `cut` writes it out."""

    def __init__(self, before: Path) -> None:
        self._now: dict[str, _Node] = {".": _Node(folder=True)}
        for path in sorted(before.rglob("*")):
            node = _Node(folder=path.is_dir())
            if path.is_file():
                node.certain += path.read_bytes()
            self._now[str(path.relative_to(before))] = node
        self._certain = dict(self._now)
        self._pending: list[_Naming] = []
        self._syncing: dict[int, tuple[_Node, list[_Change], list[_Naming]]] = {}

    def do(self, step: Step) -> None:
        match step.did:
            case Did.MAKE:
                self._name(step.path, _Node())
            case Did.FOLDER:
                self._name(step.path, _Node(folder=True))
            case Did.WRITE:
                self._now[step.path].pending.append(_Change(step.at, step.octets))
            case Did.SIZE:
                self._now[step.path].pending.append(_Change(step.at))
            case Did.LINK:
                self._name(step.to, self._now[step.path])
            case Did.RENAME if self._now[step.path].folder:
                self._name(step.to, self._now[step.path], step.path)
            case Did.RENAME:
                self._name(step.to, self._now[step.path])
                self._name(step.path, None)
            case Did.REMOVE:
                self._name(step.path, None)
            case Did.SYNCING:
                self._begin(step)
            case Did.SYNCED:
                self._end(step)

    def _name(self, path: str, node: _Node | None, source: str = "") -> None:
        naming = _Naming(path, node, source)
        _rename(self._now, naming)
        self._pending.append(naming)

    def _begin(self, step: Step) -> None:
        if node := self._now.get(step.path):
            inside = [each for each in self._pending if str(PurePosixPath(each.path).parent) == step.path]
            self._syncing[step.thread] = node, list(node.pending), inside

    def _end(self, step: Step) -> None:
        node, changes, names = self._syncing.pop(step.thread, (None, [], []))
        if node is None:
            return
        done = set(map(id, changes)) | set(map(id, names))
        node.pending = [each for each in node.pending if id(each) not in done]
        if step.failed:
            return  # what was to be synced is lost; names are tried again
        for change in changes:
            _apply(node.certain, change)
        self._pending = [each for each in self._pending if id(each) not in done]
        for naming in names:
            _rename(self._certain, naming)
            self._pending = [_moved(each, naming) for each in self._pending]

    def cut(self, keeps: Keeps, folder: Path) -> None:
        """Write to `folder` what is there when the power comes back."""
        names = dict(self._certain)
        for naming in self._pending[: keeps.first(len(self._pending))]:
            _rename(names, naming)
        folder.mkdir()
        for path in sorted(names, key=lambda path: path.count("/")):
            there = folder / path
            if path == "." or not there.parent.is_dir() or path.endswith("-shm"):
                continue  # its folder has no name; SQLite makes the index of its WAL anew
            if names[path].folder:
                there.mkdir(mode=0o700)
            else:
                there.touch(mode=0o600)
                there.write_bytes(_content(names[path], keeps))


def _moved(naming: _Naming, folder: _Naming) -> _Naming:
    """What is uncertain in a folder stays so under the name that the folder certainly bears."""
    if not folder.source or not naming.path.startswith(f"{folder.source}/"):
        return naming
    return replace(naming, path=folder.path + naming.path.removeprefix(folder.source))


def _rename(names: dict[str, _Node], naming: _Naming) -> None:
    if naming.source:
        for name in [name for name in names if f"{name}/".startswith(f"{naming.source}/")]:
            names[naming.path + name.removeprefix(naming.source)] = names.pop(name)
    elif naming.node is None:
        names.pop(naming.path, None)
    else:
        names[naming.path] = naming.node


def _apply(content: bytearray, change: _Change) -> None:
    if change.octets is None:
        del content[change.at :]
        content.extend(bytes(change.at - len(content)))
        return
    content.extend(bytes(max(0, change.at - len(content))))
    content[change.at : change.at + len(change.octets)] = change.octets


def _content(node: _Node, keeps: Keeps) -> bytes:
    content = bytearray(node.certain)
    for change in node.pending:
        for piece in _pieces(change):
            if keeps.one():
                _apply(content, piece)
    return bytes(content)


def _pieces(change: _Change) -> Iterable[_Change]:
    """By sector: a disk may write any of them and not the others."""
    if change.octets is None:
        yield change
        return
    start = 0
    while start < len(change.octets):
        end = start + SECTOR - (change.at + start) % SECTOR
        yield _Change(change.at + start, change.octets[start:end])
        start = end
