"""The key that signs reply addresses is replaced, and the process or the power ends at any step of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from gateway.errors import GatewayError
from gateway.store import keys
from tests.chaos import careless
from tests.chaos.disk import Disk, Keeps
from tests.chaos.recording import Recording
from tests.chaos.trace import CALLS, OPTIONS, STRACE, lacking, steps
from tests.servers.gateway import COMMAND, Gateway, configuration
from tests.trials.case import Case, Counted, scratch

_SHARES = (0.0, 0.5, 1.0)  # of what wasn't synced; 1 is what SIGKILL leaves


def _rotated(program: careless.Program) -> Counted:
    """Wrong is a file of keys that can't be read, or lacks one that signed; in the end, one without the new key."""
    with scratch() as place:
        recording = _recorded(place, program)
        old, tries, wrong = _ids(recording.before), 0, 0
        for number, disk, _ in recording.moments():
            for share in _SHARES:
                tries += 1
                wrong += not old <= _ids_after(disk, share, place / f"{number}-{share}")
        wrong += not old < _ids_after(disk, 0.0, place / "end")
        return Counted(tries + 1, wrong, "ends")


def _recorded(place: Path, program: careless.Program) -> Recording:
    folder, before, record = place / "gateway", place / "before", place / "record"
    with Gateway(folder, configuration()) as gateway:
        gateway.start()
        gateway.stop()
    shutil.copytree(folder, before)
    traced = (STRACE, *OPTIONS[1:], "-e", f"trace={CALLS}", "-o", str(record))
    command = (*traced, *program, "keys", "rotate", "--config", str(gateway.file))
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return Recording(before, steps(record, folder, before))


def _ids_after(disk: Disk, share: float, folder: Path) -> set[int]:
    disk.cut(Keeps(share, seed=1), folder)
    return _ids(folder)


def _ids(folder: Path) -> set[int]:
    """The keys that are there, by their ids; none where the file can't be used."""
    try:
        return {key_id for key_id, _ in keys.load(folder / "var" / "token.keys").by_id}
    except GatewayError:
        return set()


CASES = (
    Case(
        key="key-rotation",
        trial="`gateway keys rotate`, and at each call by which a file or name changes the process or the power ends",
        promise="the keys that signed are there; once the command has ended, the new one too",
        defended=lambda: _rotated((COMMAND,)),
        control=lambda: _rotated(careless.program("content")),
        removed="the sync of the new file",
        lacks=lacking,
    ),
)
