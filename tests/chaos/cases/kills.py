"""SIGKILL again and again while mail comes in: what was acknowledged is there, once, and causes nothing twice."""

from __future__ import annotations

import random
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial

from tests.chaos import careless
from tests.chaos.aftermath import aftermath, arrived, done
from tests.chaos.recording import identifier
from tests.servers.clients import letter
from tests.servers.crowd import Crowd
from tests.servers.dovecot import DOVECOT, MISSING, Dovecot
from tests.servers.gateway import COMMAND, Gateway, configuration, imap_intake, octets
from tests.trials.case import Case, Counted, When, scratch

_SEED = 20_261_129
_FEW, _KILLS = 250, 6  # mails, and kills at least, of a short run
_SOONEST, _LATEST = 0.05, 0.5  # seconds from « ready » to SIGKILL, for those that are killed by the clock
_TAKEN = 300.0  # and for the others, if they take nothing
_DRAINED = 1800.0  # seconds in which all that was kept is filed and leaves; ten thousand mails take minutes


def mails(count: int) -> Iterator[bytes]:
    for number in range(count):
        author = f"u{number}@usager.example.net"
        yield octets(letter(author, f"Bonjour, question {number}.", subject=f"Question {number}"))


@dataclass(frozen=True, slots=True)
class _Lives:
    """Seconds: of each life, from « ready » to SIGKILL, and of each start after one."""

    lived: list[float] = field(default_factory=list)
    started: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        lived, started = (statistics.median(each) for each in (self.lived, self.started))
        each = f"{lived * 1000:.0f} ms after the start; ready again in {started:.1f} s"
        return f"mails ({len(self.lived)} kills; {each})"


def _kill_while(
    gateway: Gateway, left: Callable[[], object], taken: Callable[[], int], kills: int, most: int
) -> _Lives:
    """Kill and start it again as long as there is mail `left` to take: `kills` times at least.

    Each life ends by what it took, `most` mails or fewer; every other one sooner, by the clock. By the clock alone
    lives would be too short for any mail where the machine is slow, and too few where it is quick.
    """
    chance, lives, begin = random.Random(_SEED), _Lives(), time.monotonic()
    while left():
        goal = taken() + chance.randint(1, most)
        seconds = chance.choice((chance.uniform(_SOONEST, _LATEST), _TAKEN))
        while taken() < goal and left() and time.monotonic() - begin < seconds:
            time.sleep(0.005)
        gateway.kill()
        end = time.monotonic()
        gateway.start()
        lives.lived.append(end - begin)
        begin = time.monotonic()
        lives.started.append(begin - end)
    assert len(lives.lived) >= kills, f"{len(lives.lived)} kills only"
    return lives


def left_twice(gateway: Gateway) -> int:
    """Mails that left more than once: whom each goes to, and what it is about, is its own."""
    sent = Counter((mail.to, mail.subject) for mail in gateway.sent() if "Question" in mail.subject)
    return sum(count - 1 for count in sent.values())


def wrong_after(gateway: Gateway, acknowledged: Collection[str]) -> int:
    """In the end all is filed and leaves in peace; what of it is lost, there twice, or stuck."""
    gateway.until(lambda: done(gateway.folder), "every mail done", patience=_DRAINED)
    gateway.program = (COMMAND,)  # the command is quicker
    gateway.until(lambda: not gateway.waiting(), "an outbox in which nothing waits", patience=_DRAINED)
    gateway.signal(signal.SIGTERM)
    gateway.ended()
    return aftermath(gateway.folder, acknowledged).wrong + left_twice(gateway)


def _smtp(program: careless.Program, count: int, kills: int, clients: int) -> Counted:
    with scratch() as folder, Gateway(folder, configuration(), program) as gateway:
        gateway.start()
        with Crowd(gateway.port, mails(count), clients) as crowd:
            left, taken = (lambda: not crowd.done), (lambda: len(crowd.acknowledged))
            lives = _kill_while(gateway, left, taken, kills, count // kills)
        wrong = wrong_after(gateway, crowd.acknowledged) + count - len(crowd.acknowledged)
        return Counted(count, wrong, str(lives))


def _imap(program: careless.Program, count: int, kills: int) -> Counted:
    """From a real Dovecot, each moved once it is kept; they come while others are taken."""
    every, portion = list(mails(count)), count // kills
    with closing(Dovecot()) as server, scratch() as folder, Gateway(folder, "", program) as gateway:
        server.add_user("contact", "secret")
        server.doveadm("mailbox", "create", "-u", "contact", "Archive")
        intake = imap_intake(server.imap_port, "contact", "secret") + 'after = "move:Archive"\n'
        gateway.configure(configuration(intake=intake))
        gateway.start()
        with _filling(server, every, portion) as left:
            taken = partial(arrived, folder)
            lives = _kill_while(gateway, left, taken, kills, portion)
        wrong = wrong_after(gateway, [identifier(mail) for mail in every])
        wrong += abs(count - server.messages("contact", "Archive"))
        return Counted(count, wrong, str(lives))


@contextmanager
def _filling(server: Dovecot, every: Sequence[bytes], portion: int) -> Iterator[Callable[[], object]]:
    """Fill a mailbox, a portion whenever little is left. Is there any left in it, or to come?"""
    over = threading.Event()

    def fill() -> None:
        for start in range(0, len(every), portion):
            while server.messages("contact") > portion // 2 and not over.wait(0.05):
                pass
            server.fill("contact", every[start : start + portion])

    with ThreadPoolExecutor(1) as pool:
        filled = pool.submit(fill)
        try:
            yield lambda: not filled.done() or server.messages("contact")
            filled.result()
        finally:
            over.set()


_KILLED = "SIGKILL {} times or more, after {} mails or half a second at most, while {} mails come in by {}"
_ONCE = "every mail that was acknowledged is filed, once, and what it causes leaves once"
_MOVED = "a mail is moved only once it is kept; each is filed once, and lies in the other folder"


def imap_lacking() -> str:
    return "" if DOVECOT else MISSING


def _by_smtp(key: str, count: int, kills: int, when: When, clients: int = 4) -> Case:
    return Case(
        key=key,
        trial=_KILLED.format(kills, count // kills, f"{count:,}", "SMTP"),
        promise=_ONCE,
        defended=lambda: _smtp((COMMAND,), count, kills, clients),
        control=lambda: _smtp(careless.program("answer"), _FEW, _KILLS, 4),
        removed="keeping before acknowledging",
        when=when,
    )


def _by_imap(key: str, count: int, kills: int, when: When) -> Case:
    return Case(
        key=key,
        trial=_KILLED.format(kills, count // kills, f"{count:,}", "IMAP, from a real Dovecot"),
        promise=_MOVED,
        defended=lambda: _imap((COMMAND,), count, kills),
        control=lambda: _imap(careless.program("order"), _FEW, _KILLS),
        removed="keeping before moving",
        when=when,
        lacks=imap_lacking,
    )


CASES = (
    _by_smtp("kill-smtp", _FEW, _KILLS, When.SHORT),
    _by_smtp("kill-smtp-10000", 10_000, 60, When.FULL, clients=16),
    _by_imap("kill-imap", _FEW, _KILLS, When.SHORT),
    _by_imap("kill-imap-10000", 10_000, 60, When.FULL),
)
