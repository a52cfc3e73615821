"""A backup is made, and any step of it fails, or is the last: what bears a backup's name is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

from gateway import config
from gateway.clock import utc_now
from gateway.commands.backup import made
from gateway.errors import GatewayError
from gateway.store import backup, manifests
from tests.chaos import careless
from tests.chaos.aftermath import aftermath
from tests.chaos.cases.kills import mails
from tests.chaos.disk import Disk, Keeps
from tests.chaos.recording import Recording, identifier
from tests.chaos.sweeps import swept
from tests.chaos.trace import CALLS, OPTIONS, STRACE, lacking, steps
from tests.servers.gateway import COMMAND, Gateway, configuration
from tests.trials.case import Case, Counted, When, scratch

_SHARES = (0.0, 0.5, 1.0)  # of what wasn't synced; 1 is what SIGKILL leaves
_MAILS = 4
_FAILING = (
    "openat",
    "write",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "rename",
    "mkdir",
    "unlink",
)
_CALL = re.compile(rb"(\d+) +(\w+)\(")
_PROMISE = "there is a backup, each one is whole, the next is made, and the store lacks nothing"


def _ended(program: careless.Program, every: int) -> Counted:
    """Wrong is a backup that isn't whole, that there is none, one that can't be made afterwards, a mail lost."""
    with scratch() as place:
        ids = _prepared(place)
        recording, _ = _recorded(place, program, place / "record")
        tries, wrong, last = 0, 0, len(recording.steps) - 1
        for number, disk, _ in recording.moments():
            if number % every and number != last:
                continue
            for share in _SHARES:
                tries += 1
                wrong += _wrong(place / f"{number}-{share}", disk, Keeps(share, seed=number), ids)
        return Counted(tries, wrong, "ends")


def _failed(program: careless.Program, calls: Collection[str]) -> Counted:
    """Each of these calls on the folder fails with EIO, in turn; then the power is cut. Wrong is the same."""
    with scratch() as place:
        ids, tries, wrong = _prepared(place), 0, 0
        _recorded(place, program, place / "record")
        for call, which in _touching(place / "record", place / "gateway", calls):
            name = f"{call}-{which}"
            recording, done = _recorded(place, program, place / name, f"inject={call}:error=EIO:when={which}")
            tries += b"INJECTED" in (place / name).read_bytes()
            wrong += _wrong(place / f"{name}-cut", recording.end(), Keeps(0.0), ids) or b"Traceback" in done.stderr
        return Counted(tries, wrong, "calls")


def _wrong(after: Path, disk: Disk, keeps: Keeps, ids: list[str]) -> bool:
    disk.cut(keeps, after)
    wrong = bool(_faults(after)) or aftermath(after, ids).wrong > 0
    shutil.rmtree(after)
    return wrong


def _touching(record: Path, folder: Path, calls: Collection[str]) -> list[tuple[str, int]]:
    """The calls that are about what is below the folder: the name of each, and which of its thread's it is."""
    below = "".join(f"\\x{octet:02x}" for octet in bytes(folder) + b"/").encode()
    counts, found = Counter[tuple[str, str]](), set[tuple[str, int]]()
    for line in record.read_bytes().splitlines():
        if begun := _CALL.match(line):
            thread, call = begun[1].decode(), begun[2].decode()
            counts[thread, call] += 1
            if call in calls and below in line:
                found.add((call, counts[thread, call]))
    return sorted(found)


def _prepared(place: Path) -> list[str]:
    """A gateway's folder before its second backup, in `before`: more mail came since the first. Its mails."""
    every_mail, folder = list(mails(_MAILS)), place / "gateway"
    with Gateway(folder, configuration()) as gateway:
        gateway.start()
        for mail in every_mail[: _MAILS // 2]:
            gateway.send(mail)
        gateway.taken_in(_MAILS // 2)
        gateway.command("backup", str(folder / "backups"))
        for mail in every_mail[_MAILS // 2 :]:
            gateway.send(mail)
        gateway.taken_in(_MAILS)
        gateway.all_sent()
        gateway.stop()
    folder.rename(place / "before")
    return [identifier(mail) for mail in every_mail]


def _recorded(
    place: Path, program: careless.Program, record: Path, *faults: str
) -> tuple[Recording, subprocess.CompletedProcess[bytes]]:
    """A second backup, which takes the place of the first. `faults`: what strace makes fail."""
    folder, before = place / "gateway", place / "before"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(before, folder)
    expressions = [word for fault in faults for word in ("-e", fault)]
    traced = (STRACE, *OPTIONS[1:], "-e", f"trace={CALLS}", *expressions, "-o", str(record))
    command = (*traced, *program, "backup", folder / "backups", "--keep", "1", "--config", folder / "gateway.toml")
    done = subprocess.run(command, cwd=folder, check=not faults, capture_output=True)
    return Recording(before, steps(record, folder, before)), done


def _faults(folder: Path) -> list[str]:
    """What is wrong with the backups that are there, and with one that is made now, and takes their place."""
    place = folder / "backups"
    there = _whole(place)
    try:
        file = folder / "gateway.toml"
        made(config.load(file), file, place, utc_now() + timedelta(days=1), 1)
    except GatewayError as error:
        return [*there, str(error)]
    return [*there, *_whole(place)]


def _whole(place: Path) -> list[str]:
    """What is wrong with the backups in a folder: each must be whole, and one be there."""
    found = backup.backups(place)
    faults = [fault for each in found for fault in manifests.problems(each) or manifests.pack_problems(each)]
    return faults if found else ["no backup"]


CASES = (
    *swept(
        "kill-backup",
        "`gateway backup --keep 1` beside an older backup; before {} call by which a file or name changes "
        "the process or the power ends",
        _PROMISE,
        _ended,
        4,
        "content",
        "the sync of what is written",
    ),
    Case(
        key="fault-backup-eio",
        trial="`gateway backup --keep 1` beside an older backup, and one call on its files fails with EIO, each in "
        f"turn ({', '.join(_FAILING)}); then the power is cut",
        promise=_PROMISE,
        defended=lambda: _failed((COMMAND,), _FAILING),
        control=lambda: _failed(careless.program("heed"), ("fsync",)),
        removed="heeding what a sync answers; fsync alone fails",
        when=When.FULL,
        lacks=lacking,
    ),
)
