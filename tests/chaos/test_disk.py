"""The disk that forgets: what is certain after which sync. Were it too kind, power cuts would prove nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.disk import Disk, Keeps
from tests.chaos.trace import CALLS, OPTIONS, STRACE, Did, Step, lacking, steps

NOTHING, ALL = 0.0, 1.0
MAKE = Step(Did.MAKE, 1, "a")
WRITE = Step(Did.WRITE, 1, "a", octets=b"x" * 600)
SYNC = (Step(Did.SYNCING, 1, "a"), Step(Did.SYNCED, 1, "a"))
SYNC_FOLDER = (Step(Did.SYNCING, 1, "."), Step(Did.SYNCED, 1, "."))
IN_A_FOLDER = (
    Step(Did.FOLDER, 1, "f"),
    Step(Did.MAKE, 1, "f/a"),
    Step(Did.SYNCING, 1, "f"),
    Step(Did.SYNCED, 1, "f"),
)
RENAMED = Step(Did.RENAME, 1, "f", "g")


def after(tmp_path: Path, share: float, *done: Step) -> dict[str, bytes]:
    """What files are there after a cut."""
    before, folder = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    disk = Disk(before)
    for step in done:
        disk.do(step)
    disk.cut(Keeps(share), folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("done", "there"),
    [
        ((MAKE, WRITE), {}),
        ((MAKE, WRITE, *SYNC), {}),  # its name may be lost
        ((MAKE, WRITE, *SYNC_FOLDER), {"a": b""}),
        ((MAKE, WRITE, *SYNC, *SYNC_FOLDER), {"a": b"x" * 600}),
        ((MAKE, *SYNC_FOLDER, SYNC[0], WRITE, SYNC[1]), {"a": b""}),  # written while it was being synced
        ((MAKE, *SYNC_FOLDER, *SYNC, WRITE, Step(Did.SIZE, 1, "a", at=3), *SYNC), {"a": b"xxx"}),
        ((MAKE, WRITE, *SYNC, Step(Did.RENAME, 1, "a", "b"), *SYNC_FOLDER), {"b": b"x" * 600}),
        ((MAKE, WRITE, *SYNC, *SYNC_FOLDER, Step(Did.RENAME, 1, "a", "b")), {"a": b"x" * 600}),
        ((MAKE, WRITE, *SYNC, *SYNC_FOLDER, Step(Did.REMOVE, 1, "a")), {"a": b"x" * 600}),
        ((MAKE, WRITE, *SYNC_FOLDER, SYNC[0], Step(Did.SYNCED, 1, "a", failed=True), *SYNC), {"a": b""}),
        (IN_A_FOLDER, {}),
        ((*IN_A_FOLDER, *SYNC_FOLDER, RENAMED), {"f/a": b""}),
        ((*IN_A_FOLDER, *SYNC_FOLDER, RENAMED, *SYNC_FOLDER), {"g/a": b""}),
        ((*IN_A_FOLDER, RENAMED, *SYNC_FOLDER), {"g/a": b""}),
    ],
)
def test_what_is_certain(tmp_path: Path, done: tuple[Step, ...], there: dict[str, bytes]) -> None:
    assert after(tmp_path, NOTHING, *done) == there


def test_what_is_uncertain_may_be_there(tmp_path: Path) -> None:
    assert after(tmp_path, ALL, MAKE, WRITE) == {"a": b"x" * 600}


def test_octets_are_torn_by_the_sector(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    for step in (MAKE, *SYNC_FOLDER, WRITE):
        disk.do(step)
    seen = set()
    for seed in range(50):
        folder = tmp_path / str(seed)
        disk.cut(Keeps(0.5, seed), folder)
        seen.add((folder / "a").read_bytes())
    assert seen == {b"", b"x" * 512, b"\0" * 512 + b"x" * 88, b"x" * 600}


@pytest.mark.skipif(lacking() != "", reason=lacking() or "strace works")
def test_a_record_rebuilds_the_folder(tmp_path: Path) -> None:
    """Whatever a program does to a folder: all of it, done again, gives the same."""
    program = """
import os, sqlite3, sys, threading
os.mkdir(sys.argv[1] + "/f"), os.mkdir(sys.argv[1] + "/g")
with open(sys.argv[1] + "/f/a", "wb") as file:
    file.write(b"one"), file.flush(), os.fsync(file.fileno()), file.write(b"two")
log = os.open(sys.argv[1] + "/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(log, b"1"), os.write(log, b"2")
os.rename(sys.argv[1] + "/f/a", sys.argv[1] + "/g/b"), os.link(sys.argv[1] + "/g/b", sys.argv[1] + "/g/c")
os.unlink(sys.argv[1] + "/g/b"), os.truncate(log, 1)
at = os.open(sys.argv[1] + "/g", os.O_RDONLY)
os.mkdir("h", dir_fd=at), os.rename("c", "h/c", src_dir_fd=at, dst_dir_fd=at), os.rmdir(sys.argv[1] + "/f")
os.rename(sys.argv[1] + "/g", sys.argv[1] + "/i")
base = sqlite3.connect(sys.argv[1] + "/base.db", check_same_thread=False)
base.execute("PRAGMA journal_mode=WAL"), base.execute("CREATE TABLE t (a)")
work = threading.Thread(target=lambda: (base.execute("INSERT INTO t VALUES (zeroblob(9999))"), base.commit()))
work.start(), work.join(), os._exit(0)
"""
    before, folder, record = tmp_path / "before", tmp_path / "folder", tmp_path / "record"
    before.mkdir(), folder.mkdir()
    options = (each for each in OPTIONS if each != "-D")
    traced = (STRACE, *options, "-e", f"trace={CALLS}", "-o", str(record), sys.executable, "-c", program, str(folder))
    subprocess.run(traced, check=True, cwd=folder, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    disk = Disk(before)
    for step in steps(record, folder):
        disk.do(step)
    disk.cut(Keeps(ALL), tmp_path / "after")

    def files(top: Path) -> dict[str, bytes]:
        found = (path for path in top.rglob("*") if path.is_file() and not path.name.endswith("-shm"))
        return {str(path.relative_to(top)): path.read_bytes() for path in found}

    assert files(tmp_path / "after") == files(folder)
    assert len(files(folder)) == 4
