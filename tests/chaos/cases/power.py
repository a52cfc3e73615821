"""The power fails, or the process is killed, at any step: what was acknowledged is there, once, and whole.

A daemon that works is recorded once. Its folder is then rebuilt as it was at moments of the record, on a disk that
keeps what was synced and forgets what it likes of the rest (`tests.chaos.disk`), and a gateway is started on it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.chaos import careless
from tests.chaos.aftermath import after_a_cut
from tests.chaos.disk import Disk, Keeps
from tests.chaos.recording import Recording, recorded
from tests.chaos.sweeps import swept
from tests.chaos.trace import Did, lacking
from tests.servers.clients import letter
from tests.servers.gateway import COMMAND, Gateway
from tests.trials.case import Case, Counted, When, scratch

_SEED = 20_261_129
_KEPT = "what was acknowledged is there, whole and once; what is « sent » lies in its folder"
_FEW = 6  # mails
_SHARES = (0.0, 0.0, 0.1, 0.5, 0.9)  # of what wasn't synced


def _work(gateway: Gateway, mails: int) -> None:
    """Mails, some one by one and some at a time; all are filed, and what they cause leaves."""

    def send(number: int) -> None:
        gateway.send(letter(f"u{number}@usager.example.net", f"Question {number} ?" * 40, subject=f"Q {number}"))

    for number in range(2):
        send(number)
    clients = [threading.Thread(target=send, args=(number,)) for number in range(2, mails)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    gateway.taken_in(mails)
    gateway.all_sent()


def _moments(recording: Recording, chosen: set[int]) -> Iterator[tuple[Disk, frozenset[str]]]:
    return ((disk, kept) for number, disk, kept in recording.moments() if number in chosen)


def _cut(program: tuple[str | Path, ...], mails: int, cuts: int) -> Counted:
    """The power fails `cuts` times; half of the moments are those in which something is being synced or said."""
    chance = random.Random(_SEED)
    with scratch() as place:
        recording = recorded(place, partial(_work, mails=mails), program)
        assert recording.acknowledged == mails
        crucial = [n for n, step in enumerate(recording.steps) if step.did in {Did.SYNCING, Did.SAID, Did.SYNCED}]
        chosen = {*chance.sample(range(len(recording.steps)), cuts // 2), len(recording.steps) - 1}
        chosen |= set(chance.sample(crucial, min(cuts - len(chosen), len(crucial))))
        wrong, left = 0, recording.left
        for number, (disk, kept) in enumerate(_moments(recording, chosen)):
            keeps = Keeps(chance.choice(_SHARES), number)
            wrong += after_a_cut(disk, keeps, place / str(number), kept, left).wrong > 0
        return Counted(len(chosen), wrong, "cuts")


def _killed(program: careless.Program, every: int, mails: int) -> Counted:
    """SIGKILL before each `every`-th step: what was written is there, synced or not."""
    with scratch() as place:
        recording = recorded(place, partial(_work, mails=mails), program)
        chosen = set(range(0, len(recording.steps), every))
        wrong, left = 0, recording.left
        for number, (disk, kept) in enumerate(_moments(recording, chosen)):
            wrong += after_a_cut(disk, Keeps(1.0), place / str(number), kept, left).wrong > 0
        return Counted(len(chosen), wrong, "kills")


def _case(key: str, defence: str, removed: str, mails: int, cuts: int, when: When) -> Case:
    return Case(
        key=key,
        trial=f"{mails} mails, and the power fails at {cuts} moments; the disk forgets what wasn't synced",
        promise=_KEPT,
        defended=lambda: _cut((COMMAND,), mails, cuts),
        control=lambda: _cut(careless.program(defence), mails, cuts),
        removed=removed,
        when=when,
        lacks=lacking,
    )


CASES = (
    *swept(
        "kill-steps",
        f"{_FEW} mails; SIGKILL before {{}} call by which a file, a name, or what a client knows changes",
        _KEPT,
        partial(_killed, mails=_FEW),
        7,
        "answer",
        "keeping before acknowledging",
    ),
    _case("power-quick", "pack", "the sync of raw mail", 4, 12, When.TEST),
    _case("power-commit", "commits", "`synchronous=FULL`: it's NORMAL", 40, 200, When.SHORT),
    _case("power-pack", "pack", "the sync of raw mail", 12, 40, When.SHORT),
    _case("power-journal", "noted", "the note of which pack is to be read after a crash", 40, 60, When.SHORT),
    _case("power-folder", "folders", "the sync of folders", 12, 40, When.SHORT),
)
