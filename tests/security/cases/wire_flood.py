"""Floods of connections, slow clients and recipients, while somebody who never wrote before sends mail."""

from __future__ import annotations

import os
import resource
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.bench import servers
from tests.dialogue import OURS
from tests.security import flood
from tests.trials.case import Case, Counted

_MAILS, _AT_ONCE = 40, 4
_LONGEST = 5.0  # seconds that a sender tries; Postfix would come back later
_USUAL = 1_024  # files that a process may open where nobody says otherwise
_MB = 1_000_000
_SETTLED = 1.0  # seconds in which what starts grows
_PLACES = 200


@dataclass(frozen=True, slots=True)
class Flooded:
    """Seconds that each mail took, what the server's memory grew by, and the connections that it held."""

    seconds: tuple[float, ...]
    megabytes: float
    connections: int

    @property
    def p95(self) -> float:
        return sorted(self.seconds)[len(self.seconds) * 95 // 100 - 1]


@cache
def _flooded(server: Callable[[], AbstractContextManager[servers.Server]], files: int) -> Flooded:
    with server() as target:
        resource.prlimit(target.process.pid, resource.RLIMIT_NOFILE, (files, files))
        with suppress(PermissionError):  # what else the machine does isn't what is measured
            os.setpriority(os.PRIO_PROCESS, target.process.pid, -10)
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # what is loaded with the first mails isn't the flood's
            tuple(pool.map(lambda _: _send(target.port), range(_MAILS)))
        before, sockets = _settled(target.process.pid), _sockets(target.process.pid)
        with _flood(target.port), ThreadPoolExecutor(_AT_ONCE) as pool:
            seconds = tuple(pool.map(lambda _: _send(target.port), range(_MAILS)))
            grown = servers.memory(target.process.pid) - before
            return Flooded(seconds, round(grown / _MB, 1), _sockets(target.process.pid) - sockets)


@contextmanager
def _flood(port: int) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.security.flood", str(port)], stdout=subprocess.PIPE, cwd=servers.ROOT
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.kill()
        process.wait()


def _send(port: int) -> float:
    """Seconds until a mail was taken, tried again at once where it wasn't; `_LONGEST` where it never was."""
    begun = time.monotonic()
    while (left := begun + _LONGEST - time.monotonic()) > 0:
        try:
            with smtplib.SMTP("127.0.0.1", port, "sender.example", left, ("127.9.9.9", 0)) as client:
                client.sendmail("ulysse@usager.example.net", [OURS], b"Subject: x\r\n\r\nBonjour\r\n")
        except (OSError, smtplib.SMTPException):
            time.sleep(0.05)
        else:
            return round(time.monotonic() - begun, 3)
    return _LONGEST


def _settled(process: int) -> int:
    """Its memory once it grows no more: readers of mail start only when there is some to read."""
    before, now = 0, servers.memory(process)
    while now - before > _MB:
        time.sleep(_SETTLED)
        before, now = now, servers.memory(process)
    return now


def _sockets(process: int) -> int:
    """How many sockets a process has (proc(5)): those that it only just accepted or lets go of, too."""
    return sum(_named(path).startswith("socket:") for path in Path(f"/proc/{process}/fd").iterdir())


def _named(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def gateway() -> Flooded:
    return _flooded(servers.daemon, _USUAL)


def library(files: int) -> Flooded:
    return _flooded(servers.discarding, files)


def _seconds(found: Flooded) -> Counted:
    return Counted(len(found.seconds), found.p95, "s")


def _memory(found: Flooded) -> Counted:
    return Counted(_TRIED, found.megabytes, "MB")


def _held(found: Flooded) -> Counted:
    return Counted(_TRIED, max(0, found.connections - _PLACES), "connections")


_TRIED = flood.IDLE + flood.SLOW + flood.RECIPIENTS
_ATTACK = (
    f"{flood.IDLE} idle connections, {flood.SLOW} slow ones that come back, {flood.RECIPIENTS} that ask for "
    f"recipients without end, from {flood.ADDRESSES} addresses"
)
_MOST_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

CASES = (
    Case(
        "R17-flood",
        f"{_ATTACK}; 40 mails of a stranger meanwhile",
        "95 of 100 mails are taken within a second",
        lambda: _seconds(gateway()),
        lambda: _seconds(library(_USUAL)),
        f"aiosmtpd as it comes, with the usual {_USUAL} files",
        allowed=1.0,
    ),
    Case(
        "R17-memory",
        "the same",
        "memory grows by 32 MB at most",
        lambda: _memory(gateway()),
        lambda: _memory(library(_MOST_FILES)),
        "aiosmtpd as it comes, with as many files as it wants",
        allowed=32,
    ),
    Case(
        "R17-places",
        "the same",
        "200 connections are held, and those that are just told 421",
        lambda: _held(gateway()),
        lambda: _held(library(_MOST_FILES)),
        "aiosmtpd as it comes, with as many files as it wants",
        allowed=20,
    ),
)
