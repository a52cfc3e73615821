"""SIGKILL and SIGTERM while mail comes in: what was acknowledged is there, once, and no process stays behind."""

from __future__ import annotations

import os
import random
import signal
import smtplib
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.chaos import careless
from tests.chaos.aftermath import aftermath, done
from tests.chaos.recording import identifier
from tests.servers.clients import letter
from tests.servers.crowd import Crowd
from tests.servers.dovecot import DOVECOT, MISSING, Dovecot
from tests.servers.gateway import COMMAND, CONTACT, Gateway, configuration, imap_intake, octets
from tests.trials.case import Case, Counted, When, scratch

_SEED = 20_261_129
_SOONEST, _LATEST = 0.05, 0.5  # seconds from « ready » to SIGKILL
_FEWEST = 3  # kills, below which a run proves nothing
_DRAINED = 1800.0  # seconds in which all that was kept is filed and leaves; ten thousand mails take minutes
_LAST = 10.0  # seconds in which a daemon that is asked to end, and the children of one that was killed, are gone


def mails(count: int) -> Iterator[bytes]:
    for number in range(count):
        author = f"u{number}@usager.example.net"
        yield octets(letter(author, f"Bonjour, question {number}.", subject=f"Question {number}"))


# --- SIGKILL ---------------------------------------------------------------------------------------------


def _kill_until(gateway: Gateway, over: Callable[[], object]) -> list[float]:
    """Kill and start it again until all is over; the seconds that each start took."""
    chance, starts = random.Random(_SEED), list[float]()
    while not over():
        time.sleep(chance.uniform(_SOONEST, _LATEST))
        gateway.kill()
        begin = time.monotonic()
        gateway.start()
        starts.append(time.monotonic() - begin)
    assert len(starts) >= _FEWEST, f"{len(starts)} kills only"
    return starts


def _left_twice(gateway: Gateway) -> int:
    """Mails that left more than once: whom each goes to, and what it is about, is its own."""
    sent = Counter((mail.to, mail.subject) for mail in gateway.sent() if "Question" in mail.subject)
    return sum(count - 1 for count in sent.values())


def _wrong_after(gateway: Gateway, acknowledged: list[str]) -> int:
    """In the end all is filed and leaves in peace; what of it is lost, there twice, or stuck."""
    gateway.until(lambda: done(gateway.folder), "every mail done", patience=_DRAINED)
    gateway.program = (COMMAND,)  # the command is quicker
    gateway.until(lambda: not gateway.waiting(), "an outbox in which nothing waits", patience=_DRAINED)
    gateway.signal(signal.SIGTERM)
    gateway.ended()
    return aftermath(gateway.folder, acknowledged).wrong + _left_twice(gateway)


def _smtp(program: careless.Program, count: int, clients: int = 4) -> Counted:
    with scratch() as folder, Gateway(folder, configuration(), program) as gateway:
        gateway.start()
        with Crowd(gateway.port, mails(count), clients) as crowd:
            starts = _kill_until(gateway, lambda: crowd.done)
        wrong = _wrong_after(gateway, crowd.acknowledged) + len(crowd.refused)
        return Counted(count, wrong, f"mails (ready again in {statistics.median(starts):.1f} s, {len(starts)} ×)")


def _imap(program: careless.Program, count: int) -> Counted:
    """From a real Dovecot, each moved once it is kept."""
    server = Dovecot()
    try:
        with scratch() as folder, Gateway(folder, "", program) as gateway:
            every = list(mails(count))
            server.add_user("contact", "secret")
            server.doveadm("mailbox", "create", "-u", "contact", "Archive")
            server.fill("contact", every)
            intake = imap_intake(server.imap_port, "contact", "secret") + 'after = "move:Archive"\n'
            gateway.configure(configuration(intake=intake))
            gateway.start()
            starts = _kill_until(gateway, lambda: not server.uids("contact"))
            wrong = _wrong_after(gateway, [identifier(mail) for mail in every])
            wrong += abs(count - len(server.uids("contact", "Archive")))
            return Counted(count, wrong, f"mails ({len(starts)} kills)")
    finally:
        server.close()


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
        return Counted(len(acknowledged), wrong + _wrong_after(gateway, acknowledged), "mails")


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
        gateway.stop()
    except AssertionError:
        return False
    return True


_KILLED = "SIGKILL 50 to 500 ms after each start, again and again, while {} mails come in by {}"
_ONCE = "every mail that was acknowledged is filed, once, and what it causes leaves once"
_MOVED = "a mail is moved only once it is kept; each is filed once, and lies in the other folder"


def imap_lacking() -> str:
    return "" if DOVECOT else MISSING


def _by_smtp(key: str, count: int, when: When, clients: int = 4) -> Case:
    return Case(
        key=key,
        trial=_KILLED.format(f"{count:,}", "SMTP"),
        promise=_ONCE,
        defended=lambda: _smtp((COMMAND,), count, clients),
        control=lambda: _smtp(careless.program("answer"), min(count, 250)),
        removed="keeping before acknowledging",
        when=when,
    )


def _by_imap(key: str, count: int, when: When) -> Case:
    return Case(
        key=key,
        trial=_KILLED.format(f"{count:,}", "IMAP, from a real Dovecot"),
        promise=_MOVED,
        defended=lambda: _imap((COMMAND,), count),
        control=lambda: _imap(careless.program("order"), min(count, 1_000)),
        removed="keeping before moving",
        when=when,
        lacks=imap_lacking,
    )


CASES = (
    _by_smtp("kill-smtp", 250, When.SHORT),
    _by_smtp("kill-smtp-10000", 10_000, When.FULL, clients=16),
    _by_imap("kill-imap", 250, When.SHORT),
    _by_imap("kill-imap-10000", 10_000, When.FULL),
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
