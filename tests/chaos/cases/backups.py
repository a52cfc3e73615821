"""A backup is made, and the process or the power ends at any step of it: what bears a backup's name is one."""

from __future__ import annotations

import shutil
import subprocess
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
from tests.chaos.disk import Keeps
from tests.chaos.recording import Recording, identifier
from tests.chaos.trace import CALLS, OPTIONS, STRACE, lacking, steps
from tests.servers.gateway import COMMAND, Gateway, configuration
from tests.trials.case import Case, Counted, When, scratch

_SHARES = (0.0, 0.5, 1.0)  # of what wasn't synced; 1 is what SIGKILL leaves
_MAILS = 4


def _ended(program: careless.Program, every: int) -> Counted:
    """Wrong is a backup that isn't whole, that there is none, one that can't be made afterwards, a mail lost."""
    every_mail = list(mails(_MAILS))
    with scratch() as place:
        recording = _recorded(place, program, every_mail)
        ids, tries, wrong = [identifier(mail) for mail in every_mail], 0, 0
        last = len(recording.steps) - 1
        for number, disk, _ in recording.moments():
            if number % every and number != last:
                continue
            for share in _SHARES:
                after = place / f"{number}-{share}"
                disk.cut(Keeps(share, seed=number), after)
                tries += 1
                wrong += bool(_faults(after)) or aftermath(after, ids).wrong > 0
                shutil.rmtree(after)
        return Counted(tries, wrong, "ends")


def _recorded(place: Path, program: careless.Program, every_mail: list[bytes]) -> Recording:
    """A second backup, which takes the place of the first: more mail came between them."""
    folder, before, record = place / "gateway", place / "before", place / "record"
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
    shutil.copytree(folder, before)
    traced = (STRACE, *OPTIONS[1:], "-e", f"trace={CALLS}", "-o", str(record))
    command = (*traced, *program, "backup", folder / "backups", "--keep", "1", "--config", str(gateway.file))
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return Recording(before, steps(record, folder, before))


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


def _case(key: str, which: str, every: int, when: When) -> Case:
    return Case(
        key=key,
        trial=f"`gateway backup --keep 1` beside an older backup; before {which} call by which a file or name "
        "changes the process or the power ends",
        promise="there is a backup, each one is whole, the next is made, and the store lacks nothing",
        defended=lambda: _ended((COMMAND,), every),
        control=lambda: _ended(careless.program("content"), every),
        removed="the sync of what is written",
        when=when,
        lacks=lacking,
    )


CASES = (_case("kill-backup", "every fourth", 4, When.SHORT), _case("kill-backup-all", "each", 1, When.FULL))
