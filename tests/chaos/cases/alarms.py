"""What stands still, is out of reach or gone is told within six minutes, by a clock on the wall."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from tests.chaos import careless
from tests.servers.clients import letter
from tests.servers.gateway import COMMAND, Gateway, configuration, imap_intake, smtp_relay
from tests.servers.ports import free_ports
from tests.trials.case import Case, Counted, When, scratch

_SIX = 360.0  # seconds
_CLAIMED = """
INSERT INTO arrivals (digest, source, received_at, sender, recipients, peer, helo, authserv_id, verify, state,
                      attempts, owner, lease_until, reason)
SELECT digest, source, received_at, sender, recipients, peer, helo, authserv_id, verify, 'waiting',
       1, 'gone', lease_until + 9000000000000000, '' FROM arrivals LIMIT 1
"""


def _troubles(gateway: Gateway) -> frozenset[str]:
    """A smarthost and a mailbox that aren't there, a mail claimed by a process that is no more, a pack moved away."""
    gateway.send(letter("nora@usager.example.net", "Bonjour"))
    gateway.taken_in(1)
    gateway.logged("imap_trouble")
    gateway.logged("delivery_attempted")
    with closing(sqlite3.connect(gateway.folder / "var/gateway.db", timeout=30)) as base, base:
        base.execute(_CLAIMED)
    (pack,) = (gateway.folder / "var/raw").glob("*.pack")
    pack.rename(gateway.folder / "away")
    return frozenset({"relay", "mailbox_unreached", "filing", "raw"})


def _untold(program: tuple[str | Path, ...]) -> Counted:
    """How many of the troubles, and of the daemon's own end, aren't told in time."""
    smarthost, mailbox = free_ports(2)
    config = configuration(relay=smtp_relay(smarthost), intake=imap_intake(mailbox, "contact", "geheim"))
    with scratch() as folder, Gateway(folder, config, program) as gateway:
        gateway.start()
        wanted, begun = _troubles(gateway), time.monotonic()
        while (missing := wanted - _told(gateway)) and time.monotonic() < begun + _SIX:
            time.sleep(1)
        gateway.kill()
        ended = time.monotonic()
        while not (noticed := "daemon" in gateway.health()) and time.monotonic() < ended + _SIX:
            time.sleep(1)
        return Counted(len(wanted) + 1, len(missing) + (not noticed), "untold")


def _told(gateway: Gateway) -> set[str]:
    return {event["kind"] for event in gateway.events("alarm_raised")}


CASES = (
    Case(
        key="alarm-late",
        trial="smarthost and mailbox are away, a mail stands still, raw mail is gone, the daemon is killed",
        promise="each is told within six minutes: in the log, and by `gateway health`",
        defended=lambda: _untold((COMMAND,)),
        control=lambda: _untold(careless.program("looks")),
        removed="the daemon's look at itself",
        when=When.FULL,
    ),
)
