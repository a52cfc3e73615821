"""A mailbox of many mails in a real Dovecot, taken in for the first time; and new mail of which IDLE tells."""

from __future__ import annotations

import contextlib
import os
import smtplib
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.bench import servers
from tests.bench.figures import Contender, Figure, Goal, interleaved, percentile
from tests.bench.footprint import highest
from tests.bench.load import mail
from tests.bench.peers.fetching import MOST, Interrupted, by_getmail, by_mbsync
from tests.bench.peers.listening import Listener
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import imap_intake

OURS, MBSYNC, GETMAIL, BARE = "gateway", "mbsync", "getmail", "IDLE alone"
USER, OTHER, PASSWORD = "contact", "other", "secret"
SIZE = 4000
_MB = 1_000_000
_TRIES = 8  # that a peer has which now and then interrupts itself


def caught_up(rounds: int, mails: int) -> list[Figure]:
    with _mailbox(mails) as port:
        peaks: list[float] = []
        ours: dict[str, Contender[float]] = {OURS: partial(_gateway, port, mails, peaks)}
        peers: dict[str, Contender[float]] = {
            MBSYNC: partial(_fetching, by_mbsync, port, mails),
            GETMAIL: partial(_fetching, by_getmail, port, min(mails, MOST)),
        }
        found = interleaved(rounds, ours, peers)
    goals = (Goal(1.0, MBSYNC, least=True), Goal(3.0, GETMAIL, least=True))
    what, values = f"IMAP, {mails:,} mails taken in", tuple(found.values[OURS])
    return [
        Figure(what, "mails/s", values, found.peers(float, OURS), goals, tuple(found.without)),
        Figure(f"memory, {mails:,} mails taken in", "MB", tuple(peaks), (), (Goal(200),)),
    ]


@contextlib.contextmanager
def _mailbox(mails: int) -> Iterator[int]:
    """A Dovecot's IMAP port; it knows its mailbox by heart, so that the first to ask doesn't wait longer."""
    with contextlib.closing(Dovecot()) as dovecot:
        dovecot.add_user(USER, PASSWORD)
        dovecot.fill(USER, (mail(number, SIZE) for number in range(mails)))
        dovecot.uids(USER)
        yield dovecot.imap_port


@contextlib.contextmanager
def _gateway(port: int, mails: int, peaks: list[float]) -> Iterator[Callable[[int], float]]:
    """From the start of the daemon, ready to look at the mailbox, until the last mail is kept. It files meanwhile."""
    intake = imap_intake(port, USER, PASSWORD)

    def measured(_: int) -> float:
        begin = time.perf_counter()
        seconds: list[float] = []

        def taken_in() -> None:
            _await_kept(server, mails)
            seconds.append(time.perf_counter() - begin)

        with servers.daemon(intake=intake) as server:
            peaks.append(highest(server, taken_in) / _MB)
        return mails / seconds[0]

    yield measured


def _await_kept(server: servers.Server, count: int) -> None:
    with servers.asking(server) as store:

        def kept() -> int:
            return int(store.execute("SELECT count(*) FROM arrivals").fetchone()[0])

        servers.awaited(lambda: kept() >= count, f"{count} mails from IMAP", 900, pause=0.05)


Fetch = Callable[[Path, int, str, str], None]


@contextlib.contextmanager
def _fetching(fetch: Fetch, port: int, mails: int) -> Iterator[Callable[[int], float]]:
    def once() -> float:
        with servers.scratch() as folder:
            begin = time.perf_counter()
            fetch(folder, port, USER, PASSWORD)
            seconds = time.perf_counter() - begin
            if (fetched := len(os.listdir(folder / "box" / "new"))) != mails:
                raise RuntimeError(f"it fetched {fetched} of {mails} mails")
            return mails / seconds

    def measured(_: int) -> float:
        for _ in range(_TRIES):
            with contextlib.suppress(Interrupted):
                return once()
        raise RuntimeError(f"it interrupted itself {_TRIES} times")

    yield measured


def told_by_idle(rounds: int, mails: int) -> list[Figure]:
    """From a delivery by Dovecot's LMTP, acknowledged, to the mail being filed; one at a time.

    Beside it, when a client hears of it that does nothing but wait: Dovecot takes its time to tell.
    """

    def slowest(seconds: list[float]) -> float:
        return percentile(seconds, 95) * 1000

    with contextlib.closing(Dovecot()) as dovecot:
        for user in (USER, OTHER):
            dovecot.add_user(user, PASSWORD)
        ours: dict[str, Contender[list[float]]] = {OURS: partial(_idling, dovecot, mails)}
        found = interleaved(rounds, ours, {BARE: partial(_listening, dovecot, mails)})
    what, values = "IDLE: delivered to filed, 95 % of mails within", tuple(map(slowest, found.values[OURS]))
    peers, goals = found.peers(slowest, OURS), (Goal(500), Goal(1.2, BARE))
    return [Figure(what, "ms", values, peers, goals, tuple(found.without))]


def _delivered(dovecot: Dovecot, user: str, number: int) -> float:
    """Have Dovecot file a mail; when it said that it has."""
    with smtplib.LMTP("127.0.0.1", dovecot.lmtp_port) as client:
        client.sendmail("camille@usager.example.net", user, mail(number, SIZE))
        return time.perf_counter()


@contextlib.contextmanager
def _listening(dovecot: Dovecot, mails: int) -> Iterator[Callable[[int], list[float]]]:
    with contextlib.closing(Listener(dovecot.imap_port, OTHER, PASSWORD)) as listener:

        def one(number: int) -> float:
            listener.listen()
            begin = _delivered(dovecot, OTHER, number)
            listener.heard()
            return time.perf_counter() - begin

        yield lambda number: [one(number * mails + place) for place in range(mails)]


@contextlib.contextmanager
def _idling(dovecot: Dovecot, mails: int) -> Iterator[Callable[[int], list[float]]]:
    with servers.daemon(intake=imap_intake(dovecot.imap_port, USER, PASSWORD)) as server:
        filed = 0

        def one(number: int) -> float:
            nonlocal filed
            begin = _delivered(dovecot, USER, number)
            filed += 1
            servers.await_filed(server, filed, pause=0.002)
            return time.perf_counter() - begin

        yield lambda number: [one(number * mails + place) for place in range(mails)]
