"""Packs in a folder: what `sync` has acknowledged is on disk, and what isn't is never acknowledged."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreError
from gateway.store import folder as module
from gateway.store.folder import Folder
from gateway.store.packs import missing


@pytest.fixture
def packs(tmp_path: Path) -> Any:
    made = Folder(tmp_path / "raw")
    yield made
    made.close()


def test_a_pack_can_be_read_without_the_database(packs: Folder) -> None:
    location = packs.append(b"octets", {"recipients": ["a@x"]})
    file = packs.folder / location.pack
    head = json.loads(file.read_bytes().split(b"\n")[0])
    assert head == {"pack": 1, "size": 6, "sha256": hashlib.sha256(b"octets").hexdigest(), "recipients": ["a@x"]}
    assert (file.stat().st_mode & 0o777, packs.folder.stat().st_mode & 0o777) == (0o600, 0o700)


class Disk:
    """A disk that fails when it is told to, and remembers what was synced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.write, self.sync = os.pwrite, os.fdatasync
        self.failing_writes: list[bool] = []
        self.failing_syncs: list[bool] = []
        self.synced: set[str] = set()
        monkeypatch.setattr(os, "pwrite", self._write)
        monkeypatch.setattr(os, "fdatasync", self._sync)

    def _write(self, file: int, octets: Any, at: int) -> int:
        if self.failing_writes and self.failing_writes.pop(0):
            self.write(file, octets[: len(octets) // 2], at)
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.write(file, octets, at)

    def _sync(self, file: int) -> None:
        if self.failing_syncs and self.failing_syncs.pop(0):
            raise OSError(errno.EIO, "Input/output error")
        self.synced.add(Path(os.readlink(f"/proc/self/fd/{file}")).name)
        self.sync(file)


def test_a_failed_sync_acknowledges_nothing_and_leaves_the_pack(
    packs: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    disk.failing_syncs = [True]
    lost = packs.append(b"lost", {})
    with pytest.raises(StoreError, match="synced"):
        packs.sync()
    assert packs.sizes() == {lost.pack: 0}
    packs.sync()  # nothing is promised, so nothing is wrong
    kept = packs.append(b"kept", {})
    packs.sync()
    assert kept.pack != lost.pack
    assert disk.synced == {kept.pack}


@pytest.mark.parametrize("more", [0, 1, 2])
def test_what_was_appended_before_a_failed_write_is_not_promised(
    packs: Folder, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    """Another append after the failure opens another pack: it must not make the first one forgotten."""
    disk = Disk(monkeypatch)
    first = packs.append(b"first", {})
    disk.failing_writes = [True]
    with pytest.raises(StoreError, match="No space"):
        packs.append(b"second", {})
    for _ in range(more):
        packs.append(b"later", {})
    with pytest.raises(StoreError):
        packs.sync()
    assert first.pack not in disk.synced
    good = packs.append(b"good", {})
    packs.sync()
    assert packs.read(good) == b"good"
    assert good.pack in disk.synced


def test_a_failed_write_alone_harms_nobody(packs: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    disk.failing_writes = [True]
    with pytest.raises(StoreError):
        packs.append(b"x", {})
    kept = packs.append(b"kept", {})
    packs.sync()
    assert packs.read(kept) == b"kept"


@pytest.mark.parametrize("fails", [False, True])
def test_rotation_syncs_what_it_leaves(packs: Folder, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    monkeypatch.setattr(module, "_ROTATE_AT", 10)
    disk = Disk(monkeypatch)
    disk.failing_syncs = [fails]
    first = packs.append(b"first", {})
    second = packs.append(b"second", {})
    assert first.pack != second.pack
    if fails:
        with pytest.raises(StoreError):
            packs.sync()
    else:
        packs.sync()
        assert disk.synced == {first.pack, second.pack}


def test_a_disk_that_takes_a_part_at_a_time(packs: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite
    monkeypatch.setattr(module, "_ROOM", 10)
    monkeypatch.setattr(os, "pwrite", lambda file, octets, at: write(file, octets[:7], at))
    location = packs.append(b"0123456789" * 5, {})
    assert packs.read(location) == b"0123456789" * 5


def test_small_mails_fill_the_room_that_one_made(packs: Folder) -> None:
    """A file that doesn't grow is quickly synced."""
    first = packs.append(b"first", {})
    file = packs.folder / first.pack
    size = file.stat().st_size
    others = [packs.append(b"%d" % n, {}) for n in range(9)]
    packs.sync()
    assert file.stat().st_size == size > module._ROOM
    assert [packs.read(each) for each in (first, *others)] == [b"first", *(b"%d" % n for n in range(9))]
    packs.close()
    assert file.read_bytes().endswith(b"\n8\n")


def test_what_has_no_room_makes_more_and_what_is_large_none(packs: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROOM", 200)
    monkeypatch.setattr(module, "_SMALL", 300)
    sent = [bytes([65 + n]) * size for n, size in enumerate((10, 1000, 10, 10, 150, 1000, 10))]
    places = [packs.append(raw, {}) for raw in sent]
    packs.sync()
    assert [packs.read(each) for each in places] == sent
    packs.close()
    last = places[-1]
    assert packs.sizes() == {last.pack: last.offset + last.size + 1}


def test_a_pack_that_was_removed_takes_nothing_more(tmp_path: Path) -> None:
    packs = Folder(tmp_path)
    first = packs.append(b"one", {})
    packs.sync()
    (tmp_path / first.pack).unlink()
    second = packs.append(b"two", {})
    packs.sync()
    assert packs.read(second) == b"two"
    assert missing(packs, {first.pack: first.offset + first.size}) == [first.pack]
    packs.close()
