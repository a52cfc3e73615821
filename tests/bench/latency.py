"""From the end of DATA to the notification in the relay's hands, one mail at a time, nothing else going on."""

from __future__ import annotations

import contextlib
import os
import smtplib
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.bench import servers
from tests.bench.figures import Figure, Goal, interleaved, percentile
from tests.bench.load import RECIPIENT, mail
from tests.bench.peers.postfix import postfix, postfix_to_dovecot

_OURS = "gateway"
_QUIET = 0.05  # seconds


def latency(rounds: int, mails: int) -> list[Figure]:
    peers = {
        "Postfix to Maildir": partial(_peer, postfix, mails),
        "Postfix to Dovecot": partial(_peer, postfix_to_dovecot, mails),
    }
    found = interleaved(rounds, {_OURS: partial(_gateway, mails)}, peers)
    return [
        Figure(
            f"end of DATA to notification, {percent} % of mails within",
            "ms",
            tuple(_within(seconds, percent) for seconds in found.values[_OURS]),
            found.peers(partial(_within, percent=percent), _OURS),
            (Goal(bound),),
            tuple(found.without),
        )
        for percent, bound in ((50, 50), (99, 250))
    ]


def _within(seconds: list[float], percent: int) -> float:
    return percentile(seconds, percent) * 1000


@contextlib.contextmanager
def _gateway(mails: int) -> Iterator[Callable[[int], list[float]]]:
    with servers.daemon() as server:
        folder = server.folder / "var" / "sent" / "new"
        yield lambda number: _measured(server.port, folder, mails, number, _is_notification)


Start = Callable[[], contextlib.AbstractContextManager[tuple[int, Path]]]


@contextlib.contextmanager
def _peer(start: Start, mails: int) -> Iterator[Callable[[int], list[float]]]:
    with start() as (port, box):
        yield lambda number: _measured(port, box, mails, number, lambda _: True)


def _is_notification(path: Path) -> bool:
    return b"X-Envelope-To: <camille" not in path.read_bytes()[:500]


def _measured(port: int, folder: Path, mails: int, number: int, counts: Callable[[Path], bool]) -> list[float]:
    """Seconds that each mail took."""
    seen = _names(folder)
    seconds: list[float] = []
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo("client.example.net")
        for place in range(number * mails, (number + 1) * mails):
            client.mail(f"camille.{place}@usager.example.net")
            client.rcpt(RECIPIENT)
            client.docmd("DATA")
            client.send(mail(place, 4000) + b".\r\n")
            begin = time.perf_counter()
            _await_new(folder, seen, counts)
            seconds.append(time.perf_counter() - begin)
            client.getreply()
            _rest(folder, seen)
    return seconds


def _await_new(folder: Path, seen: set[str], counts: Callable[[Path], bool]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        fresh = _names(folder) - seen
        seen |= fresh
        if any(counts(folder / name) for name in fresh):
            return
        time.sleep(0.0005)
    raise RuntimeError(f"nothing came to {folder} within 10 s")


def _rest(folder: Path, seen: set[str]) -> None:
    """Let what else the mail caused come to its end."""
    time.sleep(_QUIET)
    seen |= _names(folder)


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()
