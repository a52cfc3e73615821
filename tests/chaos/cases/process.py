"""The daemon itself: a second one on its store, a mail that ends it whenever it is filed, its children, its end."""

from __future__ import annotations

import os
import random
import signal
import smtplib
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.chaos import careless
from tests.chaos.aftermath import done
from tests.chaos.cases.kills import mails, wrong_after
from tests.servers.clients import letter
from tests.servers.crowd import Crowd, offer
from tests.servers.gateway import COMMAND, CONTACT, Gateway, configuration, octets
from tests.servers.ports import free_ports
from tests.trials.case import Case, Counted, scratch

_SEED = 20_261_130
_LAST = 10.0  # seconds in which the children of a daemon that was killed are gone
_END = 10.0  # seconds that a daemon may take to end
_STARTS = 6
_OTHERS = 5


# --- two daemons, and a mail that ends one ------------------------------------------------------------------


def _second(program: careless.Program) -> Counted:
    """Another daemon, listening elsewhere, on the store of one that runs. Wrong is that it gets ready."""
    with scratch() as folder, Gateway(folder, configuration(), program) as gateway:
        gateway.start()
        (port,) = free_ports(1)
        other = folder / "other.toml"
        other.write_text(configuration().replace("{smtp}", str(port)))
        other.chmod(0o600)
        process = subprocess.Popen(
            [*program, "run", "--config", other], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder
        )
        assert process.stdout is not None
        try:
            ready = process.stdout.readline().startswith(b"gateway is ready")
        finally:
            process.kill()
            _, said = process.communicate()
        assert ready or b"another gateway runs on this store" in said, said
        gateway.kill()
        return Counted(1, int(ready), "daemons")


def _poison(program: careless.Program) -> Counted:
    """Wrong are mails beside it that aren't filed, and itself, if it isn't set aside after three attempts."""
    with scratch() as folder, Gateway(folder, configuration(), program) as gateway:
        gateway.start()
        names = ["poison", *(f"Question {number}" for number in range(_OTHERS))]
        letters = [octets(letter("u@usager.example.net", f"{name} ?", subject=name)) for name in names]
        for mail in letters[1:]:
            assert offer(gateway.port, mail).startswith("2")
        gateway.until(lambda: done(folder), "the others filed")
        assert offer(gateway.port, letters[0]).startswith("2")
        starts = 1
        while not _survives(gateway) and starts < _STARTS:
            gateway.ended()
            gateway.start()
            starts += 1
        if not gateway.running:
            gateway.ended()
            return Counted(_OTHERS + 1, 1, "mails")
        wrong = int(len(gateway.aside()) != 1) + int(offer(gateway.port, letters[1])[:1] != "2")
        gateway.kill()
        return Counted(_OTHERS + 1, wrong, "mails")


def _survives(gateway: Gateway) -> bool:
    """Wait for it to end, or to have nothing more to do."""
    gateway.until(lambda: not gateway.running or done(gateway.folder), "an end, or nothing more to do")
    return gateway.running


# --- children --------------------------------------------------------------------------------------------


def _children(pid: int) -> set[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for path in found for child in path.read_text().split()}


def _reads(pid: int) -> bool:
    """Whether this process is there, and a reader: numbers are given anew."""
    try:
        return b"gateway.reading" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _orphans(program: careless.Program, kills: int) -> Counted:
    """Readers of killed daemons that are still there ten seconds later. None of them stays after this."""
    born = set[int]()
    with (
        scratch() as folder,
        Gateway(folder, configuration(), program) as gateway,
        Crowd(gateway.port, mails(100_000)),
    ):
        for _ in range(kills):
            gateway.start()
            gateway.until(lambda: _children(gateway.pid), "a reader")
            born |= _children(gateway.pid)
            gateway.kill()
    end = time.monotonic() + _LAST
    while any(map(_reads, born)) and time.monotonic() < end:
        time.sleep(0.05)
    left = [pid for pid in born if _reads(pid)]
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return Counted(len(born), len(left), "processes")


# --- SIGTERM ---------------------------------------------------------------------------------------------


def _sigterm(program: careless.Program, times: int) -> Counted:
    """While clients write, and one stays in the midst of its mail for ever. An end that takes too long is wrong."""
    chance, wrong = random.Random(_SEED), 0
    with scratch() as folder, Gateway(folder, configuration(), program) as gateway:
        with Crowd(gateway.port, mails(100_000)) as crowd:
            for _ in range(times):
                gateway.start()
                before = len(crowd.acknowledged)
                with _half_a_mail(gateway.port):
                    moment = before + chance.randint(1, 100)
                    gateway.until(lambda moment=moment: len(crowd.acknowledged) >= moment, "mail under way")  # type: ignore[misc]
                    wrong += not _ends(gateway)
        gateway.start()
        acknowledged = list(crowd.acknowledged)
        return Counted(len(acknowledged), wrong + wrong_after(gateway, acknowledged), "mails")


@contextmanager
def _half_a_mail(port: int) -> Iterator[None]:
    client = smtplib.SMTP("127.0.0.1", port)
    client.ehlo("client.example")
    client.mail("slow@usager.example.net"), client.rcpt(CONTACT)
    client.docmd("DATA")
    client.send(b"Subject: half\r\n")
    yield
    client.close()


def _ends(gateway: Gateway) -> bool:
    """Ask it to end: does it, in time and in peace? It is gone in any case."""
    try:
        gateway.stop(_END)
    except AssertionError:
        return False
    return True


CASES = (
    Case(
        key="second-daemon",
        trial="a second daemon is started on the store of one that runs (SQLite)",
        promise="it ends, and says why",
        defended=lambda: _second((COMMAND,)),
        control=lambda: _second(careless.program("alone")),
        removed="the lock",
    ),
    Case(
        key="poison",
        trial="a mail that kills the process (SIGKILL) whenever it is filed",
        promise="it is set aside after three attempts, and the daemon goes on",
        defended=lambda: _poison(careless.program("poison")),
        control=lambda: _poison(careless.program("uncounted")),
        removed="counting the attempt before the work begins",
    ),
    Case(
        key="kill-readers",
        trial="SIGKILL while mails are being read in processes of their own, 6 times",
        promise="none of them is there ten seconds later",
        defended=lambda: _orphans((COMMAND,), 6),
        control=lambda: _orphans(careless.program("readers"), 2),
        removed="a reader's end when its questions end",
    ),
    Case(
        key="sigterm",
        trial="SIGTERM while clients write and one stays in the midst of a mail, 5 times",
        promise="the end within ten seconds, in peace; nothing acknowledged is lost or there twice",
        defended=lambda: _sigterm((COMMAND,), 5),
        control=lambda: _sigterm(careless.program("grace"), 1),
        removed="the end of our patience with clients",
    ),
)
