"""From the end of DATA to the notification in the relay's hands, one mail at a time, nothing else going on."""

from __future__ import annotations

import os
import smtplib
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import servers
from tests.bench.figures import Figure, percentile
from tests.bench.load import RECIPIENT, mail
from tests.bench.postfix import postfix, usable


def latency(mails: int) -> list[Figure]:
    with servers.daemon() as server:
        notified = _measured(server.port, server.folder / "var" / "sent" / "new", mails, _is_notification)
    peers: tuple[tuple[str, float], ...] = ()
    if usable():
        with postfix() as (port, box):
            delivered = _measured(port, box, mails, lambda _: True)
        peers = (("Postfix to Maildir (p50)", percentile(notified, 50) / percentile(delivered, 50)),)
    p50, p99 = percentile(notified, 50), percentile(notified, 99)
    value = f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
    met = p50 <= 0.050 and p99 <= 0.250
    return [Figure("end of DATA to notification", value, peers, "p50 ≤ 50 ms, p99 ≤ 250 ms", met)]


def _is_notification(path: Path) -> bool:
    return b"X-Envelope-To: <camille" not in path.read_bytes()[:500]


def _measured(port: int, folder: Path, mails: int, counts: Callable[[Path], bool]) -> list[float]:
    seen: set[str] = set()
    seconds: list[float] = []
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo("client.example.net")
        for number in range(mails):
            client.mail(f"camille.{number}@usager.example.net")
            client.rcpt(RECIPIENT)
            client.docmd("DATA")
            client.send(mail(number, 4000) + b".\r\n")
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


def _rest(folder: Path, seen: set[str], seconds: float = 0.1) -> None:
    """Let what else the mail caused come to its end."""
    time.sleep(seconds)
    seen |= _names(folder)


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()
