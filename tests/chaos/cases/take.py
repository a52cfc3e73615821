"""The process ends at any step while mail is taken from a mailbox: each is still in there, or kept; none twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from gateway.model import Envelope, ImapCursor, Incoming
from tests.chaos import careless
from tests.chaos.aftermath import after_a_cut
from tests.chaos.cases.kills import imap_lacking, mails
from tests.chaos.disk import Keeps
from tests.chaos.recording import Recording, identifier, recorded
from tests.chaos.sweeps import swept
from tests.chaos.trace import lacking
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway, configuration, imap_intake
from tests.trials.case import Counted, scratch

_FIRST, _LATER = 5, 3  # mails that are there at first, and that come when those are done with
_MOVED = re.compile(rb" UID MOVE ([0-9:,]+) ")
_WHEN = datetime(2026, 11, 29, tzinfo=UTC)


def _killed(program: careless.Program, every: int) -> Counted:
    """SIGKILL before each `every`-th step. What a MOVE is asked for is no longer in the mailbox then."""
    with scratch() as place:
        recording, box = _recorded(place, program)
        assert recording.acknowledged == len(box)
        everything = {identifier(mail.raw) for mail in box}
        chosen = set(range(0, len(recording.steps), every)) | {len(recording.steps) - 1}
        wrong = 0
        for number, disk, moved in recording.moments():
            if number in chosen:
                there = [mail for mail in box if identifier(mail.raw) not in moved]
                found = after_a_cut(disk, Keeps(1.0), place / str(number), everything, mailbox=there)
                wrong += found.wrong > 0
        return Counted(len(chosen), wrong, "kills")


def _recorded(place: Path, program: careless.Program) -> tuple[Recording, list[Incoming]]:
    """A daemon that takes mail, and the mailbox as it was with all of them."""
    server = Dovecot()
    try:
        server.add_user("contact", "secret")
        server.doveadm("mailbox", "create", "-u", "contact", "Archive")
        every = dict(enumerate(mails(_FIRST + _LATER), start=1))  # in the order of their UIDs
        server.fill("contact", [every[uid] for uid in range(1, _FIRST + 1)])
        validity = server.doveadm("-f", "flow", "mailbox", "status", "-u", "contact", "uidvalidity", "INBOX")
        intake = imap_intake(server.imap_port, "contact", "secret") + 'after = "move:Archive"\n'

        def work(gateway: Gateway) -> None:
            gateway.taken_in(_FIRST)
            server.fill("contact", [every[uid] for uid in range(_FIRST + 1, len(every) + 1)])
            gateway.taken_in(len(every))
            gateway.until(lambda: not server.uids("contact"), "an empty mailbox")
            gateway.all_sent()

        def promised(said: bytes) -> Iterator[str]:
            return (identifier(every[uid]) for uid in _moved(said))

        recording = recorded(place, work, program, configuration(intake=intake), promised)
        return recording, list(_incoming(every, int(validity.rpartition(b"=")[2])))
    finally:
        server.close()


def _moved(said: bytes) -> Iterator[int]:
    """The UIDs that the server is asked to move."""
    if found := _MOVED.search(said):
        for part in found[1].split(b","):
            low, _, high = part.partition(b":")
            yield from range(int(low), int(high or low) + 1)


def _incoming(every: Mapping[int, bytes], validity: int) -> Iterable[Incoming]:
    for uid, raw in every.items():
        yield Incoming(
            raw, "imap:contact", _WHEN, Envelope(None, ()), cursor=ImapCursor("contact/INBOX", validity, uid)
        )


CASES = swept(
    "kill-take",
    f"{_FIRST + _LATER} mails are taken from a real Dovecot and moved; SIGKILL before {{}} call by which a file, a "
    "name, or what the server knows changes",
    "each is kept whole or in the mailbox still, and is filed once",
    _killed,
    5,
    "order",
    "keeping before moving",
    lambda: lacking() or imap_lacking(),
)
